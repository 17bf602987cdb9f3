"""Back-filling: resumable, honest about its progress, cheap once it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.candle import DAY_MS, INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import AllProvidersFailed
from crypto_dt_source.services import backfill, candles, collect
from crypto_dt_source.services.backfill import Step
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store import SeriesKey
from crypto_dt_source.store.repos import backfill as backfill_repo
from crypto_dt_source.store.repos import candles as candle_repo

HOUR = INTERVAL_MS["1h"]
BTC_1H = SeriesKey("binance", "BTC", "USDT", "1h")
Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path, backfill_top=3, backfill_days=60) as (rt, sim, clock):
        await collect.venue_quotes(rt, "binance")
        yield rt, sim, clock


def klines(rt: Runtime) -> list[tuple[str, str]]:
    return [call for call in harness.transport_of(rt).calls if "klines" in call[1]]


async def btc(rig: Rig, days: int = 60) -> tuple[int, list[Step]]:
    rt, _, clock = rig
    steps: list[Step] = []
    asset = rt.resolver.resolve("BTC").asset
    work = backfill.run(rt, [asset], ["1h"], days, steps.append)
    return await harness.drive(clock, work), steps


async def test_fills_the_range_with_honest_progress(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    stored, steps = await btc(rig)
    assert stored == 60 * 24
    assert [(s.done, s.total) for s in steps] == [(0, 1440), (1000, 1440), (1440, 1440)]
    known = await candle_repo.coverage(rt.store, BTC_1H)
    assert known == (now - 60 * DAY_MS, now - HOUR, 1440)
    assert len(klines(rt)) == 2


async def test_what_is_done_is_not_asked_for_again_until_a_candle_closes(rig: Rig) -> None:
    rt, _, clock = rig
    await harness.drive(clock, backfill.round_of_top(rt))
    calls = len(klines(rt))
    for _ in range(6):
        await clock.advance(300)
        assert await harness.drive(clock, backfill.round_of_top(rt), step_s=0.001) in (0, 3)
    # 10:57 to 11:28: one hour ended, for three assets; no day.
    assert len(klines(rt)) == calls + 3


async def test_resumes_after_a_stop(tmp_path: Path) -> None:
    clock = ManualClock(harness.START_MS)
    async with harness.running(tmp_path, clock=clock) as (rt, sim, _):
        await collect.venue_quotes(rt, "binance")
        seen = 0

        def stop(step: Step) -> None:
            nonlocal seen
            seen += 1
            if seen == 2:
                raise KeyboardInterrupt

        asset = rt.resolver.resolve("BTC").asset
        with pytest.raises(KeyboardInterrupt):
            await backfill.run(rt, [asset], ["1h"], 60, stop)
        row = await backfill_repo.get(rt.store, BTC_1H)
        assert row is not None
        assert row.done_to_ms == row.from_ms + 1000 * HOUR
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        stored, steps = await btc((rt, sim, clock))
        assert stored == 440
        assert [s.done for s in steps] == [1000, 1440]
        assert len(klines(rt)) == 1


async def test_a_longer_range_fetches_only_what_is_older(rig: Rig) -> None:
    rt, _, _ = rig
    await btc(rig, days=20)
    stored, steps = await btc(rig, days=50)
    assert stored == 30 * 24
    assert (steps[-1].done, steps[-1].total) == (1200, 1200)
    known = await candle_repo.coverage(rt.store, BTC_1H)
    assert known is not None
    assert known.candles == 1200


async def test_what_people_asked_for_before_is_not_fetched_again(rig: Rig) -> None:
    rt, _, _ = rig
    asset = rt.resolver.resolve("BTC").asset
    await candles.candles(rt, asset, None, "1h", limit=1000, start_ms=None, end_ms=None, provider=None)
    stored, _ = await btc(rig)
    assert 440 <= stored <= 442
    assert len(klines(rt)) == 2


async def test_a_failing_venue_leaves_the_series_for_the_next_round_and_the_others_go_on(rig: Rig) -> None:
    rt, sim, clock = rig
    for entry in sim.entries:
        sim.faults.add(entry, "missing_symbols", capability="candles", params={"symbols": ["BTC"]})
    assets = [rt.resolver.resolve(text).asset for text in ("BTC", "ETH")]
    stored = await harness.drive(clock, backfill.run(rt, assets, ["1h"], 30))
    assert stored == 720
    sim.faults.clear()
    await clock.advance(60)
    assert (await btc(rig, days=30))[0] == 720


async def test_all_dead_is_told_and_nothing_counts_as_done(rig: Rig) -> None:
    rt, _, clock = rig
    harness.transport_of(rt).dead = True
    with pytest.raises(AllProvidersFailed):
        await btc(rig)
    assert await backfill_repo.get(rt.store, BTC_1H) is None
    harness.transport_of(rt).dead = False
    await clock.advance(400)
    assert (await btc(rig))[0] == 1440


async def test_one_failure_in_a_round_without_news_is_no_failure_of_the_round(rig: Rig) -> None:
    rt, sim, clock = rig
    eth, btc_ = (rt.resolver.resolve(text).asset for text in ("ETH", "BTC"))
    await harness.drive(clock, backfill.run(rt, [eth], ["1h"], 5))
    for entry in sim.entries:
        sim.faults.add(entry, "missing_symbols", capability="candles", params={"symbols": ["BTC"]})
    assert await harness.drive(clock, backfill.run(rt, [btc_, eth], ["1h"], 5)) == 0


async def test_an_asset_nobody_lists_is_skipped(rig: Rig) -> None:
    rt, _, _ = rig
    nobody = next(a for a in rt.resolver.ranked() if a.kind == "coin" and a.id not in rt.board.quotes)
    for provider in rt.gateway.sources:
        rt.board.polled.setdefault(provider, rt.clock.now_ms())
    assert await backfill.run(rt, [nobody], ["1h"], 5) == 0
    assert klines(rt) == []
