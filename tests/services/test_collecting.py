"""Collecting: everything fetched is on the board and in the store, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.timetable import JOBS
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.asset import Asset, AssetListing
from crypto_dt_source.model.candle import Candle
from crypto_dt_source.model.errors import NoDataYet
from crypto_dt_source.pricing.rates import BASE
from crypto_dt_source.pricing.source import SourceQuote
from crypto_dt_source.services import accounts as accounts_module
from crypto_dt_source.services import books, candles, collect, health, learning, market, search
from crypto_dt_source.services.accounts import Accounts
from crypto_dt_source.services.allowance import Allowance
from crypto_dt_source.services.listing import pair_at
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store import InDoubt, SeriesKey, StoreError
from crypto_dt_source.store.repos import assets as asset_repo
from crypto_dt_source.store.repos import calls as call_repo
from crypto_dt_source.store.repos import candles as candle_repo
from crypto_dt_source.store.repos import coins as coin_repo
from crypto_dt_source.store.repos import market as market_repo
from crypto_dt_source.store.repos import prices as price_repo

Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


async def test_a_venue_asked_pair_by_pair_reaches_the_board_early(rig: Rig) -> None:
    rt, _, clock = rig
    poll = asyncio.create_task(collect.venue_quotes(rt, "coinbase_exchange"))
    waited = 0.0
    while not rt.board.polled and waited < 30:
        await asyncio.wait({poll}, timeout=0.002)
        await clock.advance(0.1)
        waited += 0.1
    assert not poll.done()
    early = len(rt.board.quotes)
    assert early >= 5
    assert "bitcoin" in rt.board.quotes
    kept = await harness.drive(clock, poll)
    assert kept > 2 * early
    assert "tether" in rt.board.quotes


async def test_such_a_venue_lists_more_than_it_is_quoted_for(rig: Rig) -> None:
    rt, _, clock = rig
    source = rt.gateway.source("coinbase_exchange")
    await harness.drive(clock, collect.venue_quotes(rt, "coinbase_exchange"))
    listed = await collect.instruments(rt, "coinbase_exchange")
    unquoted = [
        a
        for i in listed
        if i.active
        and (a := rt.resolver.venue_asset("coinbase_exchange", i.base)) is not None
        and not rt.board.pairs("coinbase_exchange", a.id)
    ]
    assert unquoted
    pair = pair_at(rt, source, unquoted[0], None)
    assert pair is not None
    assert pair in {(i.base, i.quote) for i in listed}
    nowhere = next(
        a for a in rt.resolver.ranked() if a.kind == "coin" and a.ticker not in {i.base for i in listed}
    )
    assert pair_at(rt, source, nowhere, None) is None


async def test_a_round_without_background_work_waits_for_no_hanging_venue(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("kraken", "hang")
    started = clock.monotonic()
    answered = await harness.drive(clock, collect.one_round(rt), step_s=0.02)
    assert answered >= 10
    assert clock.monotonic() - started < collect.ROUND_S + 2
    point = rt.pricer.point("bitcoin")
    assert point is not None
    assert point.sources >= 8


async def test_prices_are_stored_with_what_recomputes_them(rig: Rig) -> None:
    rt, _, _ = rig
    for provider in ("binance", "okx", "bitstamp", "gate"):
        await collect.venue_quotes(rt, provider)
    rt.pricer.note_asked("bitcoin")
    assert await collect.store_prices(rt) > 50
    rows = await price_repo.rows(rt.store, "bitcoin", 0, rt.clock.now_ms() + 1)
    quotes = await price_repo.quotes_at(rt.store, "bitcoin", rows[0].timestamp)
    rates = await price_repo.rates_at(rt.store, rows[0].timestamp)
    again = rt.pricer.decide("bitcoin", [SourceQuote(*q[2:]) for q in quotes], rates, rows[0].timestamp)
    assert (again.price, again.half_width, again.status) == (rows[0].price, rows[0].half_width, "ok")
    assert rates[BASE] == 1.0


async def test_lists_are_stored_as_they_are_fetched(rig: Rig) -> None:
    rt, _, _ = rig
    assert await collect.aggregator_coins(rt, "coinpaprika") > 50
    assert len(await coin_repo.markets(rt.store, "coinpaprika")) > 50
    assert await collect.global_market(rt) == 1
    assert await market_repo.latest(rt.store) is not None
    assert await collect.trending(rt) == market.TRENDING_SHOWN
    kept = await market_repo.latest_trending(rt.store)
    assert kept is not None
    assert len(kept[1]) == market.TRENDING_SHOWN
    await market.exchanges(rt)
    best = rt.gateway.offering(Capability.EXCHANGES)[0].entry.id
    assert await coin_repo.latest_exchanges(rt.store, best) is not None


async def test_a_silent_venues_instruments_come_from_the_store_and_are_asked_for_again_soon(rig: Rig) -> None:
    rt, _, clock = rig
    listed = await collect.instruments(rt, "bybit")
    rt.cache._slots.clear()
    harness.transport_of(rt).dead = True
    assert len(await harness.drive(clock, collect.instruments(rt, "bybit"))) == len(listed)
    harness.transport_of(rt).dead = False
    await clock.advance(collect.INSTRUMENTS_RETRY_S + 1)
    calls = len(harness.transport_of(rt).calls)
    await collect.instruments(rt, "bybit")
    await harness.settled(rt)
    assert len(harness.transport_of(rt).calls) > calls


async def test_rows_that_could_not_be_written_are_kept_in_order(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _, _ = rig
    for i in range(5):
        rt.accounts.request(f"10.0.0.{i}", "/api/prices", 200, 1.0)
    await collect.venue_quotes(rt, "binance")

    async def full(*_: object) -> None:
        rt.accounts.request("10.0.0.9", "/api/prices", 200, 1.0)  # one more while the write is under way
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(call_repo, "write_user_requests", full)
        with pytest.raises(StoreError):
            await collect.store_accounts(rt)
    assert [r.address[-1] for r in rt.accounts.requests] == list("012349")
    assert len(rt.accounts.calls) == 1
    assert await collect.store_accounts(rt) == 7
    stored = await call_repo.user_requests(rt.store, 0)
    assert sorted(r.address[-1] for r in stored) == list("012349")
    assert await collect.store_accounts(rt) == 0


def test_put_back_keeps_the_bound_and_counts_what_it_drops(monkeypatch: pytest.MonkeyPatch) -> None:
    accounts = Accounts(ManualClock())
    monkeypatch.setattr(accounts_module, "BUFFER", 5)
    for i in range(4):
        accounts.request(str(i), "/", 200, 1.0)
    requests, calls = accounts.drain()
    for i in range(4, 7):
        accounts.request(str(i), "/", 200, 1.0)
    accounts.put_back(requests, calls)
    assert [r.address for r in accounts.requests] == ["2", "3", "4", "5", "6"]
    assert accounts.dropped == 2


async def test_learning_gives_the_loop_its_turns(rig: Rig) -> None:
    rt, _, _ = rig
    listings = [AssetListing("coingecko", f"new-{i}", f"NW{i}", f"New {i}", None, True) for i in range(3000)]
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counter = asyncio.create_task(count())
    assert await learning.learn(rt, listings) == 3000
    counter.cancel()
    assert turns >= 3000 / learning.PIECE
    assert rt.resolver.resolve("NW2999").asset.id == "new-2999"
    assert [a.id for a in rt.resolver.search("new 2999")] == ["new-2999"]


async def test_assets_found_by_a_search_are_known_after_a_restart(rig: Rig) -> None:
    rt, _, clock = rig
    before = {a.id for a in await asset_repo.all_assets(rt.store)}
    found = await harness.drive(clock, search.find(rt, "litecoi"))
    assert "litecoin" in {a.id for a in found.assets}
    assert "litecoin" in {a.id for a in await asset_repo.all_assets(rt.store)} - before


async def test_no_page_of_coins_beyond_what_exists_costs_a_call(rig: Rig) -> None:
    rt, _, _ = rig
    with pytest.raises(Exception, match="no page 100000"):
        await market.coin_list(rt, 100_000)
    assert harness.transport_of(rt).calls == []


async def test_health_counts_a_slow_aggregator_as_fresh_by_its_own_period(rig: Rig) -> None:
    rt, _, clock = rig
    await collect.aggregator_coins(rt, "coingecko")
    await clock.advance(rt.gateway.source("coingecko").entry.poll_s + 60)
    assert (await health.report(rt))["components"]["providers"]["status"] == "ok"
    await clock.advance(rt.gateway.source("coingecko").entry.poll_s * 2)
    assert (await health.report(rt))["components"]["providers"]["status"] == "degraded"


@pytest.mark.parametrize(("days", "kept"), [(0, [100, 400]), (365, [100]), (30, [])])
async def test_daily_candles_are_kept_as_long_as_their_own_setting_says(
    tmp_path: Path, days: int, kept: list[int]
) -> None:
    async with harness.running(tmp_path, retention_daily_candles_days=days) as (rt, _, clock):
        day = 86_400_000
        today = clock.now_ms() // day * day
        for interval in ("1d", "1h"):
            series = SeriesKey("binance", "BTC", "USDT", interval)
            rows = [
                Candle(today - ago * day, 1.0, 1.0, 1.0, 1.0, None, None, None, True) for ago in (400, 100)
            ]
            await candle_repo.write(rt.store, series, rows)
        await collect.clean_up(rt)
        daily = await candle_repo.read(rt.store, SeriesKey("binance", "BTC", "USDT", "1d"))
        hourly = await candle_repo.read(rt.store, SeriesKey("binance", "BTC", "USDT", "1h"))
    assert sorted((today - c.open_ms) // day for c in daily.candles) == kept
    assert hourly.candles == []


def test_a_service_restarted_every_hour_still_deletes_what_is_old() -> None:
    assert next(job for job in JOBS if job.run is collect.clean_up).first_s < 3600


def test_a_flood_is_a_row_a_minute_and_strangers_beyond_the_bound_share_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts_module, "DISTINCT", 3)
    accounts = Accounts(ManualClock(60_000))
    for i in range(100):
        accounts.request("10.0.0.1", "/", 200, float(i))
    for i in range(50):
        accounts.request(f"10.0.1.{i}", "/", 200, 1.0)
    rows = accounts.drain()[0]
    assert [(r.address, r.batched) for r in rows] == [
        ("10.0.0.1", 100),
        ("10.0.1.0", 1),
        ("10.0.1.1", 1),
        ("*", 48),
    ]
    assert rows[0].response_time_ms == 49.5
    monkeypatch.setattr(accounts_module, "DISTINCT", 10)
    accounts.request("10.0.0.1", "/", 200, 150.5)
    accounts.put_back(rows, [])
    again = accounts.drain()[0]
    assert (again[0].batched, again[0].response_time_ms) == (101, 50.5)
    assert sum(r.batched for r in again) == 151


async def test_a_job_cancelled_between_commit_and_answer_stores_nothing_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _, _ = rig
    rt.accounts.request("10.0.0.1", "/api/prices", 200, 1.0)
    committed, go_on = asyncio.Event(), asyncio.Event()
    write = call_repo.write_user_requests

    async def slow(*arguments: Any) -> None:
        await write(*arguments)
        committed.set()
        await go_on.wait()

    monkeypatch.setattr(call_repo, "write_user_requests", slow)
    job = asyncio.create_task(collect.store_accounts(rt))
    await committed.wait()
    job.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await job
    monkeypatch.undo()
    assert rt.accounts.requests == []
    await collect.store_accounts(rt)
    assert (await call_repo.request_stats(rt.store, 0)).requests == 1


async def test_rows_that_may_be_there_are_not_stored_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rt, _, _ = rig
    rt.accounts.request("10.0.0.1", "/api/prices", 200, 1.0)
    rt.accounts.call("binance", Capability.BOOK, 0.01, None, 200)
    write = call_repo.write_user_requests

    async def unanswered(*arguments: Any) -> None:
        await write(*arguments)
        raise InDoubt("the connection was lost during COMMIT")

    monkeypatch.setattr(call_repo, "write_user_requests", unanswered)
    with pytest.raises(InDoubt):
        await collect.store_accounts(rt)
    monkeypatch.undo()
    await collect.store_accounts(rt)
    assert (await call_repo.request_stats(rt.store, 0)).requests == 1
    assert len(await call_repo.api_calls(rt.store, 0, provider="binance")) == 1


async def test_a_full_disk_costs_no_answer_and_shows_in_health(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _, clock = rig

    async def full(*_: object) -> list[int]:
        raise StoreError("the database refused a write: database or disk is full", kind="SQLITE_FULL")

    with monkeypatch.context() as patch:
        patch.setattr(rt.store._database, "apply", full)
        assert (await harness.drive(clock, market.global_market(rt))).value.market_cap
        assert (await harness.drive(clock, market.coin_list(rt))).value
        assert (await harness.drive(clock, market.trending(rt))).value
        assert (await harness.drive(clock, market.categories(rt))).value
        assert (await harness.drive(clock, market.exchanges(rt))).value
        bitcoin = rt.resolver.resolve("BTC").asset
        assert (await harness.drive(clock, market.coin(rt, bitcoin))).value
        ask = candles.candles(rt, bitcoin, None, "1h", limit=50, start_ms=None, end_ms=None, provider=None)
        answer = await harness.drive(clock, ask)
        assert len(answer.candles) == 50
        database = (await health.report(rt))["components"]["database"]
        assert database["status"] == "degraded"
        assert "SQLITE_FULL" in database["reason"]
        assert "disk is full" not in database["reason"]
    await collect.store_accounts(rt)
    assert (await health.report(rt))["components"]["database"]["status"] == "ok"
    # What the store refused is stored with the next question, without asking the venue again.
    calls = len(harness.transport_of(rt).calls)
    ask = candles.candles(rt, bitcoin, None, "1h", limit=50, start_ms=None, end_ms=None, provider=None)
    assert (await harness.drive(clock, ask)).candles == answer.candles
    stored = await candle_repo.read(rt.store, answer.series, answer.candles[0].open_ms, None)
    assert stored.candles == answer.candles
    assert len(harness.transport_of(rt).calls) == calls


async def test_a_walk_through_books_is_told_to_come_back(rig: Rig) -> None:
    rt, _, clock = rig
    bitcoin = rt.resolver.resolve("BTC").asset
    stranger = Asset("some-stranger", "SOMESTR", "Some Stranger", "coin")
    rt.firsts = Allowance(clock, 0.0, 4.0)
    while rt.firsts.spend(0.5):
        pass
    with pytest.raises(NoDataYet):
        await books.order_book(rt, stranger, None, depth=20, provider=None)
    assert (await harness.drive(clock, books.order_book(rt, bitcoin, None, depth=20, provider=None))).value
