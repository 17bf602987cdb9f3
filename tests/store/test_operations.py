"""Providers, pools, logs, budgets, backfills, retention, integrity."""

from __future__ import annotations

import pytest

from crypto_dt_source.model.asset import Instrument
from crypto_dt_source.model.candle import Candle
from crypto_dt_source.model.market import TrendingCoin
from crypto_dt_source.store import (
    ApiCallRow,
    BackfillRow,
    BudgetRow,
    CallStats,
    ConfirmedGap,
    MarketRow,
    PoolMemberRow,
    PoolRow,
    PriceRow,
    ProviderRow,
    QuoteRow,
    RateRow,
    SeriesKey,
    Store,
    StoreError,
    UserRequestRow,
)
from crypto_dt_source.store.repos import (
    assets,
    backfill,
    budgets,
    calls,
    candles,
    integrity,
    market,
    pools,
    prices,
    providers,
    retention,
)

from .conftest import DAY, T0

HOUR = 3_600_000


async def test_status_and_choice_do_not_overwrite_each_other(store: Store) -> None:
    state = ProviderRow("okx", "degraded", 0.75, T0, '{"p95": 12}')
    await providers.write_status(store, [state])
    await providers.set_choice(store, "okx", enabled=False, priority=3, weight=0.5)
    await providers.write_status(store, [state._replace(status="live")])
    chosen = state._replace(status="live", enabled=False, priority=3, weight=0.5)
    assert await providers.all_providers(store) == [chosen]
    await providers.set_choice(store, "okx", enabled=True, priority=None, weight=None)
    assert await providers.all_providers(store) == [state._replace(status="live")]


async def test_pools(store: Store) -> None:
    second, first = PoolMemberRow("okx", 2, 1.0), PoolMemberRow("kraken", 1, 0.5, enabled=False)
    pool = PoolRow("market", "Market data", "market", "priority", T0, True, (second, first))
    await pools.put(store, pool)
    assert await pools.get(store, "market") == pool._replace(members=(first, second))
    await pools.put(store, pool._replace(strategy="fastest", members=(first,)))
    await pools.put_member(store, "market", second._replace(weight=9.0))
    assert (await pools.all_pools(store))[0].members == (first, second._replace(weight=9.0))
    assert await pools.remove_member(store, "market", "kraken")
    assert not await pools.remove_member(store, "market", "kraken")
    assert not await pools.remove_member(store, "market", "nobody")
    with pytest.raises(StoreError):
        await pools.put_member(store, "no such pool", first)
    assert await pools.remove(store, "market")
    assert not await pools.remove(store, "market")
    assert await pools.get(store, "market") is None
    assert await store.fetch("SELECT * FROM pool_members") == []


async def test_api_calls(store: Store) -> None:
    rows = [
        ApiCallRow(T0, "okx", "quotes", 20.0, "ok", 200),
        ApiCallRow(T0 + 1, "okx", "quotes", 40.0, "ok", 200),
        ApiCallRow(T0 + 1, "okx", "candles", 900.0, "upstream_server_error", 502),
        ApiCallRow(T0 + 2, "gate", "quotes", None, "upstream_timeout", None),
    ]
    await calls.write_api_calls(store, rows)
    assert await calls.api_calls(store, T0) == rows[::-1]
    assert await calls.api_calls(store, T0 + 1, provider="okx", limit=1) == [rows[2]]
    assert await calls.failures(store, T0) == [rows[3], rows[2]]
    assert await calls.failure_classes(store, T0) == {
        ("gate", "upstream_timeout"): 1,
        ("okx", "upstream_server_error"): 1,
    }
    assert await calls.call_stats(store, T0) == [
        CallStats("gate", 1, 1, None, T0 + 2),
        CallStats("okx", 3, 1, 30.0, T0 + 1),
    ]


async def test_user_requests(store: Store) -> None:
    assert await calls.request_stats(store, 0) == (0, None)
    rows = [UserRequestRow(T0 + n, "127.0.0.1", "/api/prices", 200, 2.0 * n) for n in range(5)]
    await calls.write_user_requests(store, rows)
    assert await calls.request_stats(store, T0 + 3) == (2, 7.0)
    assert await calls.user_requests(store, T0, limit=2) == [rows[4], rows[3]]
    alike = UserRequestRow(T0 + 9, "127.0.0.1", "/api/prices", 200, 1.0, 6)
    await calls.write_user_requests(store, [alike, alike._replace(response_time_ms=None, batched=2)])
    assert await calls.request_stats(store, T0 + 3) == (10, 2.5)
    assert (await calls.user_requests(store, T0 + 9))[1] == alike


async def test_budgets(store: Store) -> None:
    day, month = BudgetRow("coingecko", 86_400, T0, 12.0), BudgetRow("coingecko", 2_592_000, T0, 400.5)
    later = day._replace(window_start_ms=T0 + 1_440_000)
    await budgets.write(store, [day, month], T0)
    await budgets.write(store, [day._replace(used=13.0), later], T0)
    assert await budgets.all_budgets(store) == [day._replace(used=13.0), later, month]
    await budgets.write(store, [], T0 + 2 * 86_400_000 + 600_001)
    assert await budgets.all_budgets(store) == [later, month]


async def test_backfill_progress(store: Store) -> None:
    key = SeriesKey("binance", "BTC", "USDT", "1h")
    assert await backfill.get(store, key) is None
    row = BackfillRow(key, T0 - 90 * DAY, T0, T0 - 80 * DAY, T0)
    await backfill.write(store, row)
    await backfill.write(store, row._replace(done_to_ms=T0 - 70 * DAY))
    assert await backfill.get(store, key) == row._replace(done_to_ms=T0 - 70 * DAY)
    assert await backfill.get(store, key._replace(base="ETH")) is None
    assert await backfill.all_backfills(store) == [row._replace(done_to_ms=T0 - 70 * DAY)]


async def _fill(store: Store) -> None:
    ages = [T0 - n * DAY for n in (100, 91, 89, 1)]
    await prices.write_prices(
        store,
        [
            PriceRow(asset, at, 1.0, provider=p)
            for at in ages
            for asset in ("a", "b")
            for p in ("consensus", "okx")
        ],
        [
            QuoteRow("a", at, "okx", "okx", "venue", "A", "USD", 1.0, None, None, None, None, at, at)
            for at in ages
        ],
        [RateRow(at, "USDT", 1.0) for at in ages],
    )
    for interval in ("1h", "1d"):
        series = SeriesKey("okx", "A", "USD", interval)
        await candles.write(store, series, [Candle(at, 1, 1, 1, 1, None, None, None, True) for at in ages])
        await candles.confirm_gaps(store, series, [ConfirmedGap(at - HOUR, at, "empty") for at in ages])
    await market.write(store, [MarketRow(at, "okx", *[None] * 8) for at in ages])
    for at in ages:
        await market.write_trending(store, at, [TrendingCoin("okx", "a", "A", "A", 1, None, None, None)])
        await assets.put_instruments(store, [Instrument("okx", str(at), "A", "USD", True)], at)
    await calls.write_api_calls(store, [ApiCallRow(at, "okx", "quotes", 1.0, "ok", 200) for at in ages])
    await calls.write_user_requests(store, [UserRequestRow(at, "127.0.0.1", "/", 200, 1.0) for at in ages])


async def test_retention_deletes_exactly_what_is_older(store: Store) -> None:
    await _fill(store)
    deleted = await retention.sweep(store, retention.Retention(), T0)
    assert deleted == {
        "prices": 8,
        "quotes": 3,
        "price_rates": 3,
        "ohlcv": 2,
        "ohlcv_gaps": 2,
        "market_snapshots": 2,
        "trending": 2,
        "api_calls": 2,
        "user_requests": 2,
        "instruments": 2,
    }
    kept = [row.timestamp for row in await prices.rows(store, "b", 0, T0, provider="okx")]
    assert kept == [T0 - 89 * DAY, T0 - DAY]
    assert [q.provider for q in await prices.quotes_at(store, "a", T0 - DAY)] == ["okx"]
    daily = await candles.read(store, SeriesKey("okx", "A", "USD", "1d"))
    assert len(daily.candles) == 4
    assert await retention.sweep(store, retention.Retention(), T0) == {}


async def test_retention_of_none_keeps_everything(store: Store) -> None:
    await _fill(store)
    keep = retention.Retention(None, None, None, None, None, None, None, None, None)
    assert await retention.sweep(store, keep, T0 + 1000 * DAY) == {}


async def test_retention_ends_at_the_cut_inside_a_piece(store: Store) -> None:
    rows = [UserRequestRow(T0 + n * HOUR, "127.0.0.1", "/", 200, None) for n in range(20)]
    await calls.write_user_requests(store, rows)
    keep = retention.Retention(requests_ms=10 * HOUR)
    assert await retention.sweep(store, keep, T0 + 20 * HOUR) == {"user_requests": 10}
    assert len(await calls.user_requests(store, 0)) == 10


async def test_integrity_report(store: Store) -> None:
    await calls.write_user_requests(store, [UserRequestRow(T0, "127.0.0.1", "/", 200, None)])
    await integrity.alive(store)
    report = await integrity.check(store)
    assert (report.problems, report.schema, report.dialect) == ([], "0004", store.dialect)
    assert report.rows["user_requests"] == 1
    assert report.rows["providers"] == 1
    assert report.size_bytes > 0
