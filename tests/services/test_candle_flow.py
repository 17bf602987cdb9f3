"""Candles: store, own venue, repair, known gaps, and the running candle, against the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.model.candle import INTERVAL_MS, floor_open
from crypto_dt_source.model.errors import AllProvidersFailed, InvalidParameter, NotFound, UnknownSymbol
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import candles, collect, ranges
from crypto_dt_source.services.candles import CandleAnswer
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.series import Option, by_quote
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store import ConfirmedGap, Gap, SeriesKey
from crypto_dt_source.store.repos import candles as candle_repo

HOUR = INTERVAL_MS["1h"]
MINUTE = INTERVAL_MS["1m"]
BTC_1H = SeriesKey("binance", "BTC", "USDT", "1h")
Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """A service whose board has seen Binance and Kraken."""
    async with harness.running(tmp_path) as (rt, sim, clock):
        await collect.venue_quotes(rt, "binance")
        await collect.venue_quotes(rt, "kraken")
        await clock.advance(3)  # Kraken allows one call a second
        yield rt, sim, clock


def asset(rt: Runtime, text: str = "BTC") -> Asset:
    return rt.resolver.resolve(text).asset


async def ask(
    rig: Rig, interval: str = "1h", *, symbol: str = "BTC", waits: bool = False, **fields: Any
) -> CandleAnswer:
    """`waits`: time moves on while the answer is made, as it must where somebody fails or hangs."""
    rt, _, clock = rig
    given: dict[str, Any] = {"limit": 100, "start_ms": None, "end_ms": None, "provider": None, **fields}
    quote = given.pop("quote", None)
    work = candles.candles(rt, asset(rt, symbol), quote, interval, **given)
    if waits:
        return await harness.drive(clock, work)
    async with asyncio.timeout(20):
        return await work


def klines(rt: Runtime) -> list[tuple[str, str]]:
    """Calls for candles so far."""
    words = ("klines", "OHLC", "candle", "kline", "ohlc")
    return [call for call in harness.transport_of(rt).calls if any(word in call[1] for word in words)]


def hiding(
    hidden: Callable[[int], bool], provider: str = "binance"
) -> Callable[[str, Request, Reply], Reply]:
    """A venue of Binance's format without the candles whose open time `hidden` says."""

    def bend(name: str, request: Request, reply: Reply) -> Reply:
        if name.startswith(provider) and "klines" in request.path:
            rows = [row for row in msgspec.json.decode(reply.body) if not hidden(row[0])]
            return Reply(name, 200, msgspec.json.encode(rows), reply.received_ms, reply.headers)
        return reply

    return bend


async def known_gaps(rt: Runtime, series: SeriesKey = BTC_1H) -> list[ConfirmedGap]:
    return await candle_repo.confirmed_gaps(rt.store, series)


async def test_first_ask_fetches_second_answers_from_the_store(rig: Rig) -> None:
    rt, _, clock = rig
    first = await ask(rig)
    assert first.series == BTC_1H
    assert (first.state, len(first.candles), first.gaps) == ("miss", 100, [])
    assert [c.open_ms for c in first.candles] == [
        floor_open(clock.now_ms(), "1h") - i * HOUR for i in reversed(range(100))
    ]
    assert [c.closed for c in first.candles[-2:]] == [True, False]
    calls = len(klines(rt))
    second = await ask(rig, limit=50)
    assert (second.state, len(second.candles), len(klines(rt))) == ("hit", 50, calls)
    assert first.fetched_ms == second.fetched_ms <= clock.now_ms()


async def test_running_candle_is_renewed_behind_the_answer_after_its_ttl(rig: Rig) -> None:
    rt, sim, clock = rig
    before = await ask(rig)
    sim.market.shock("BTC", 1.5)
    await clock.advance(4)
    assert (await ask(rig)).candles[-1] == before.candles[-1]
    await clock.advance(2)
    stale = await ask(rig)
    assert (stale.state, stale.candles[-1].close) == ("stale", before.candles[-1].close)
    await harness.settled(rt)
    fresh = await ask(rig)
    assert fresh.state == "hit"
    assert fresh.candles[-1].close == pytest.approx(before.candles[-1].close * 1.5, rel=0.01)
    assert fresh.fetched_ms > before.fetched_ms


async def test_a_candle_last_seen_running_is_fetched_again_once_it_has_closed(rig: Rig) -> None:
    _, sim, clock = rig
    running = (await ask(rig, "1m", limit=5)).candles[-1]
    assert not running.closed
    sim.market.shock("BTC", 1.2)
    await clock.advance(20 * 60)
    answer = await ask(rig, "1m", limit=100)
    final = next(c for c in answer.candles if c.open_ms == running.open_ms)
    assert final.closed
    assert final.close != running.close
    assert all(c.closed for c in answer.candles[:-1])


async def test_a_closed_candle_is_not_replaced_by_an_older_open_one(rig: Rig) -> None:
    rt, _, _ = rig
    closed = (await ask(rig)).candles[-2]
    await candle_repo.write(rt.store, BTC_1H, [closed._replace(close=1.0, low=0.5, closed=False)])
    assert (await ask(rig)).candles[-2] == closed


async def test_concurrent_asks_for_any_window_share_one_fetch(rig: Rig) -> None:
    rt, _, clock = rig
    asks = [
        candles.candles(rt, asset(rt), None, "1h", limit=limit, start_ms=None, end_ms=None, provider=None)
        for limit in (500, 500, 400, 100, 1, 500)
    ]
    answers = await harness.drive(clock, asyncio.gather(*asks))
    assert [len(a.candles) for a in answers] == [500, 500, 400, 100, 1, 500]
    assert len(klines(rt)) == 1


async def test_a_thousand_candles_of_a_venue_with_small_pages_cost_a_bounded_number_of_calls(
    rig: Rig,
) -> None:
    rt, _, _ = rig
    answer = await ask(rig, provider="okx", limit=1000)
    assert (answer.series.provider, len(answer.candles), answer.gaps) == ("okx", 1000, [])
    assert {provider for provider, _ in klines(rt)} == {"okx"}
    assert len(klines(rt)) == 10, klines(rt)


async def test_a_gap_between_two_candles_of_one_answer_is_known_for_good(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    hole = Gap(now - 60 * HOUR, now - 57 * HOUR)
    harness.transport_of(rt).bend = hiding(lambda open_ms: hole.start_ms <= open_ms < hole.end_ms)
    answer = await ask(rig, provider="binance")
    assert answer.gaps == [hole]
    assert len(answer.candles) == 97
    assert await known_gaps(rt) == [ConfirmedGap(*hole, ranges.NOBODY)]
    calls = len(klines(rt))
    await clock.advance(3600)
    assert (await ask(rig, provider="binance", limit=90)).gaps == [hole]
    new = [target for _, target in klines(rt)[calls:]]
    assert len(new) == 1
    assert f"startTime={now}" in new[0]  # only what came since


async def test_a_gap_is_repaired_from_another_venue_and_marked(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    harness.transport_of(rt).bend = hiding(lambda open_ms: now - 60 * HOUR <= open_ms < now - 57 * HOUR)
    answer = await ask(rig)
    assert (answer.gaps, len(answer.candles)) == ([], 100)
    assert sorted(answer.repaired) == [now - h * HOUR for h in (60, 59, 58)]
    assert len(set(answer.repaired.values())) == 1
    assert "binance" not in answer.repaired.values()
    assert not await known_gaps(rt)


async def test_an_empty_answer_confirms_nothing_and_is_not_asked_for_by_each_request(rig: Rig) -> None:
    rt, _, clock = rig
    harness.transport_of(rt).bend = hiding(lambda open_ms: True)
    empty = await ask(rig, provider="binance")
    assert (empty.candles, len(empty.gaps), await known_gaps(rt)) == ([], 1, [])
    calls = len(klines(rt))
    await ask(rig, provider="binance")
    assert len(klines(rt)) == calls
    harness.transport_of(rt).bend = None
    await clock.advance(901)
    healed = await ask(rig, provider="binance")
    assert (len(healed.candles), healed.gaps) == (100, [])


async def test_a_page_cut_short_confirms_nothing(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    seen: list[str] = []

    def cut(name: str, request: Request, reply: Reply) -> Reply:
        if "klines" not in request.path or seen:
            return reply
        seen.append(name)
        rows = msgspec.json.decode(reply.body)[-40:]
        return Reply(name, 200, msgspec.json.encode(rows), reply.received_ms, reply.headers)

    harness.transport_of(rt).bend = cut
    first = await ask(rig, provider="binance")
    assert seen
    assert not await known_gaps(rt)
    # The second look, which was to confirm the gap, found the candles instead.
    assert (len(first.candles), first.gaps) == (100, [])
    assert first.candles[0].open_ms == now - 99 * HOUR


async def test_before_the_first_candle_is_a_known_gap_and_not_asked_for_again(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    listed = now - 30 * HOUR
    harness.transport_of(rt).bend = hiding(lambda open_ms: open_ms < listed)
    answer = await ask(rig, provider="binance")
    assert len(answer.candles) == 31
    assert answer.gaps == [Gap(now - 99 * HOUR, listed)]
    assert await known_gaps(rt) == [ConfirmedGap(now - 99 * HOUR, listed, ranges.BEFORE_FIRST)]
    calls = len(klines(rt))
    await clock.advance(1000)
    again = await ask(rig, provider="binance")
    assert again.gaps == answer.gaps
    await harness.settled(rt)
    assert all(f"startTime={now - HOUR}" in target for _, target in klines(rt)[calls:])
    older = await ask(rig, provider="binance", limit=200, end_ms=now)
    assert older.gaps == [Gap(now - 200 * HOUR, listed)]
    assert len(await known_gaps(rt)) == 2


async def test_recent_gaps_stay_open_and_are_asked_for_again(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1m")
    hole = Gap(now - 5 * MINUTE, now - 3 * MINUTE)
    harness.transport_of(rt).bend = hiding(lambda open_ms: hole.start_ms <= open_ms < hole.end_ms)
    answer = await ask(rig, "1m", provider="binance")
    assert answer.gaps == [hole]
    assert not await known_gaps(rt, BTC_1H._replace(interval="1m"))
    harness.transport_of(rt).bend = None
    await clock.advance(6)
    assert (await ask(rig, "1m", provider="binance")).gaps == []


@pytest.mark.parametrize("fault", ["5xx", "html", "truncated", "wrong_schema", "429", "reset", "error_200"])
async def test_a_failing_venue_confirms_nothing_and_another_answers_marked(rig: Rig, fault: str) -> None:
    rt, sim, _ = rig
    for provider in ("binance", "binance_main"):
        sim.faults.add(provider, fault, capability="candles")
    answer = await ask(rig, waits=True)
    assert (len(answer.candles), answer.gaps, answer.state) == (100, [], "miss")
    assert "binance" not in set(answer.repaired.values())
    assert len(answer.repaired) == 100
    assert not await known_gaps(rt)


async def test_missing_symbols_confirm_nothing(rig: Rig) -> None:
    rt, sim, clock = rig
    await ask(rig, limit=5)
    for entry in sim.entries:
        sim.faults.add(entry, "missing_symbols", capability="candles", params={"symbols": ["BTC"]})
    answer = await ask(rig, waits=True)
    assert len(answer.candles) == 5
    assert not await known_gaps(rt)
    sim.faults.clear()
    await clock.advance(60)
    assert len((await ask(rig)).candles) == 100


async def test_the_other_host_of_a_venue_answers_for_it(rig: Rig) -> None:
    rt, sim, _ = rig
    sim.faults.add("binance", "5xx", capability="candles")
    answer = await ask(rig, waits=True)
    assert (answer.series, answer.repaired, len(answer.candles)) == (BTC_1H, {}, 100)
    named = await ask(rig, "4h", provider="binance_main")
    assert (named.series.provider, len(named.candles), named.gaps) == ("binance", 100, [])
    assert {p for p, t in klines(rt) if "4h" in t} == {"binance_main"}


async def test_a_range_older_than_the_venue_keeps(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    old = {"start_ms": now - 2000 * HOUR, "end_ms": now - 1990 * HOUR}
    alone = await ask(rig, waits=True, provider="kraken", **old)
    assert (alone.candles, alone.gaps) == ([], [Gap(old["start_ms"], old["end_ms"])])
    assert not await known_gaps(rt, alone.series)
    await clock.advance(3)
    recent = await ask(rig, waits=True, provider="kraken", limit=1000)
    assert len(recent.candles) == 720
    await clock.advance(3)
    helped = await ask(rig, waits=True, quote="USD", **old)
    assert (len(helped.candles), helped.gaps) == (10, [])


@pytest.mark.parametrize("provider", ["gemini", "htx"])
async def test_a_venue_that_answers_only_a_recent_window_confirms_nothing_beyond_it(
    rig: Rig, provider: str
) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1m")
    recent = await ask(rig, "1m", provider=provider, limit=500)
    assert (len(recent.candles), recent.gaps) == (500, [])
    assert len(klines(rt)) == 1
    old = await ask(rig, "1m", provider=provider, start_ms=now - 10_000 * MINUTE, limit=50)
    assert (old.candles, len(old.gaps)) == ([], 1)
    assert not await known_gaps(rt, old.series)
    await ask(rig, "1m", provider=provider, start_ms=now - 10_000 * MINUTE, limit=50)
    assert len(klines(rt)) == 2


async def test_weekly_candles_open_on_mondays(rig: Rig) -> None:
    answer = await ask(rig, "1w", limit=1000)
    assert {c.open_ms % (7 * 24 * HOUR) for c in answer.candles} == {4 * 24 * HOUR}
    assert answer.gaps[0].end_ms == answer.candles[0].open_ms


async def test_windows(rig: Rig) -> None:
    rt, _, clock = rig
    now = floor_open(clock.now_ms(), "1h")
    ahead = await ask(rig, start_ms=now - 4 * HOUR + 1, end_ms=now + 900 * HOUR)
    assert [c.open_ms for c in ahead.candles] == [now - h * HOUR for h in (3, 2, 1, 0)]
    assert ahead.gaps == []
    with pytest.raises(InvalidParameter):
        await ask(rig, start_ms=clock.now_ms() + 1)
    with pytest.raises(InvalidParameter):
        await ask(rig, start_ms=now - HOUR, end_ms=now - HOUR)
    empty = await ask(rig, start_ms=now + 1)
    assert (empty.candles, empty.gaps) == ([], [])
    ancient = await ask(rig, provider="binance", start_ms=1_400_000_000_000, limit=1000)
    assert (ancient.candles, len(ancient.gaps)) == ([], 1)
    assert len([t for _, t in klines(rt) if "startTime=14" in t]) <= 1 + ranges.VERIFY_PAGES


async def test_what_is_not_listed_is_unknown(rig: Rig) -> None:
    with pytest.raises(UnknownSymbol):
        await ask(rig, provider="binance", quote="JPY")
    with pytest.raises(UnknownSymbol):
        await ask(rig, provider="coingecko")
    with pytest.raises(NotFound):
        await ask(rig, provider="nobody")
    with pytest.raises(UnknownSymbol):  # not polled yet: only the venue itself can say so
        await ask(rig, waits=True, provider="bybit", symbol="monero", quote="USDC")


async def test_with_every_upstream_dead_the_store_answers_or_the_failure_is_told(rig: Rig) -> None:
    rt, _, clock = rig
    before = await ask(rig)
    harness.transport_of(rt).dead = True
    await clock.advance(7200)
    after = await ask(rig, waits=True)
    assert after.state == "stale"
    assert after.candles == before.candles[2:]
    assert [g.end_ms - g.start_ms for g in after.gaps] == [2 * HOUR]
    assert after.fetched_ms == before.fetched_ms
    with pytest.raises(AllProvidersFailed) as failed:
        await ask(rig, waits=True, symbol="ETH")
    assert {t["provider"] for t in failed.value.details["tried"]} >= {"binance", "binance_main"}


async def test_a_hang_of_the_first_venue_does_not_hold_the_answer(rig: Rig) -> None:
    _, sim, _ = rig
    sim.faults.add("binance", "hang", capability="candles")
    answer = await ask(rig, waits=True)
    assert (len(answer.candles), answer.gaps) == (100, [])


async def test_a_venue_under_the_old_ticker_repairs_only_the_same_unit(rig: Rig) -> None:
    rt, _, _ = rig
    pol = asset(rt, "POL")
    sources = rt.gateway.sources
    own = Option(sources["binance"], Pair("POL", "USDT"))
    other = Option(sources["kraken"], Pair("MATIC", "USDT"))
    assert len(by_quote(rt, pol, [own, other])) == 1
    assert by_quote(rt, pol, [own, other]) == [[own]]  # no price to compare with
    held = rt.board.of(pol.id)
    twin = replace(
        held[0],
        base="MATIC",
        quote=next(h for h in held if h.quote.currency == "USDT").quote._replace(
            provider="kraken", symbol="X"
        ),
    )
    rt.board.quotes[pol.id][("kraken", "X")] = twin
    assert by_quote(rt, pol, [own, other]) == [[own, other]]
    rt.board.quotes[pol.id][("kraken", "X")] = replace(
        twin, quote=twin.quote._replace(price=twin.quote.price * 1000)
    )
    assert by_quote(rt, pol, [own, other]) == [[own]]
