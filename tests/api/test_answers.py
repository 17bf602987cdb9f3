"""Every route's answer against what the simulated market knows."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from in_process import Service

from crypto_dt_source.api.schemas import market, prices, system
from crypto_dt_source.clock import parse_rfc3339
from crypto_dt_source.services import collect
from crypto_dt_source.services.market import Coin, CoinPage, coin_list
from crypto_dt_source.store.cache import Loaded

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTES: dict[str, type[Any]] = {
    "/api/prices?symbols=BTC,ETH,SOL,NOPE": prices.Prices,
    "/api/prices/BTC": prices.OnePrice,
    "/api/prices/BTC/sources": prices.Sources,
    "/api/prices/history/BTC": prices.History,
    "/api/ohlcv?symbol=BTC&interval=1d&limit=20": prices.Candles,
    "/api/ohlcv/coverage?symbol=BTC": prices.CoverageList,
    "/api/orderbook?symbol=BTC": prices.Book,
    "/api/trades?symbol=BTC": prices.Trades,
    "/api/market": market.Market,
    "/api/market/history": market.Snapshots,
    "/api/market/gainers": market.CoinList,
    "/api/market/losers": market.CoinList,
    "/api/market/categories": market.CategoryList,
    "/api/trending": market.TrendingList,
    "/api/coins": market.Coins,
    "/api/coins/bitcoin": market.CoinPage,
    "/api/coins/search?q=bit": market.FoundList,
    "/api/exchanges": market.ExchangeList,
    "/api/exchanges/binance": market.ExchangePage,
    "/api/providers": system.ProviderList,
    "/api/providers/category/market": system.ProviderList,
    "/api/providers/binance": system.ProviderPage,
    "/api/providers/binance/stats": system.ProviderStats,
    "/api/providers/bequant/stats": system.ProviderStats,
    "/api/health": system.Health,
    "/api/health/live": system.Live,
    "/api/health/ready": system.Ready,
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")
TIME_FIELDS = (
    "fetched_at",
    "as_of",
    "timestamp",
    "open_time",
    "time",
    "first",
    "last",
    "start",
    "end",
    "newest",
)


def walk(value: Any) -> Any:
    """Every (key, value) of a JSON document, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


@pytest.mark.parametrize("path", ROUTES)
async def test_answer_is_exactly_its_schema(api: Service, path: str) -> None:
    body = await api.data(path)
    ROUTES[path].model_validate(body, extra="forbid")
    for key, value in walk(body):
        if key in TIME_FIELDS and value is not None:
            assert TIME.fullmatch(value), (key, value)
    if "meta" in body:
        assert {"source", "fetched_at", "age_seconds", "stale", "cache", "mode"} <= set(body["meta"])


async def test_prices_are_the_true_ones(api: Service) -> None:
    body = await api.data("/api/prices?symbols=BTC,ETH,SOL")
    assert [row["symbol"] for row in body["data"]] == ["BTC", "ETH", "SOL"]
    for row in body["data"]:
        at = parse_rfc3339(row["as_of"])
        assert row["price"] == pytest.approx(api.sim.market.true_price(row["symbol"], at), rel=0.001)
        assert row["sources"] >= 8
        assert row["status"] == "ok"
        assert set(row["providers"]) <= set(body["meta"]["source"])
    assert (
        body["meta"]["age_seconds"]
        == (api.clock.now_ms() - parse_rfc3339(body["meta"]["fetched_at"])) // 1000
    )


async def test_sources_explain_the_price(api: Service) -> None:
    body = await api.data("/api/prices/BTC/sources?vs=eur")
    counted = [row for row in body["data"] if row["excluded"] is None]
    assert sum(row["weight"] for row in counted) == pytest.approx(1)
    assert all(row["weight"] == 0 for row in body["data"] if row["excluded"])
    lowest, highest = min(r["converted"] for r in counted), max(r["converted"] for r in counted)
    assert lowest <= body["price"] <= highest
    assert (highest - lowest) / body["price"] * 100 == pytest.approx(body["dispersion_pct"])
    usd = (await api.data("/api/prices/BTC"))["data"]["price"]
    euro = api.sim.market.true_price("EUR", api.clock.now_ms())
    assert body["price"] == pytest.approx(usd / euro, rel=0.002)


async def test_candles_are_the_venues_own(api: Service) -> None:
    body = await api.data("/api/ohlcv?symbol=ETH&interval=1h&limit=50")
    rows = body["data"]
    assert len(rows) == 50
    assert body["meta"]["gaps"] == []
    assert [b["open_time_ms"] - a["open_time_ms"] for a, b in pairwise(rows)] == [3_600_000] * 49
    assert [row["closed"] for row in rows] == [True] * 49 + [False]
    for row in rows:
        assert parse_rfc3339(row["open_time"]) == row["open_time_ms"]
        assert row["low"] <= min(row["open"], row["close"]) <= max(row["open"], row["close"]) <= row["high"]
    true = api.sim.market.true_price("ETH", rows[10]["open_time_ms"])
    assert rows[10]["open"] == pytest.approx(true, rel=0.005)


async def test_candles_of_a_range(api: Service) -> None:
    start, end = "2026-09-01T00:00:00Z", "2026-09-02T00:00:00Z"
    by_text = await api.data(f"/api/ohlcv?symbol=BTC&start={start}&end={end}")
    assert [by_text["data"][0]["open_time"], by_text["data"][-1]["open_time"]] == [
        start,
        "2026-09-01T23:00:00Z",
    ]
    ms = f"start={parse_rfc3339(start)}&end={parse_rfc3339(end)}"
    assert (await api.data(f"/api/ohlcv?symbol=BTC&{ms}"))["data"] == by_text["data"]


async def test_coverage_tells_what_was_stored(api: Service) -> None:
    asked = await api.data("/api/ohlcv?symbol=SOL&interval=4h&limit=30")
    body = await api.data("/api/ohlcv/coverage?symbol=SOL&interval=4h")
    (series,) = body["data"]
    assert (series["provider"], series["pair"]) == (asked["provider"], asked["pair"])
    assert (series["first"], series["last"]) == (
        asked["data"][0]["open_time"],
        asked["data"][-1]["open_time"],
    )
    assert series["candles"] == 30
    assert series["gaps"] == []
    assert (await api.data("/api/ohlcv/coverage?symbol=DOGE"))["data"] == []


async def test_order_book_and_trades(api: Service) -> None:
    true = api.sim.market.true_price("BTC", api.clock.now_ms())
    book = await api.data("/api/orderbook?symbol=BTC&depth=7")
    bids, asks = [[row["price"] for row in book[side]] for side in ("bids", "asks")]
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert len(bids) == len(asks) == 7
    assert bids[0] < asks[0]
    assert bids[0] == pytest.approx(true, rel=0.005)
    assert (await api.data("/api/orderbook?symbol=BTC&provider=kraken"))["provider"] == "kraken"
    trades = await api.data("/api/trades?symbol=BTC&limit=9")
    times = [row["time"] for row in trades["data"]]
    assert times == sorted(times, reverse=True)
    assert len(times) == 9


async def test_market_figures(api: Service) -> None:
    body = await api.data("/api/market")
    btc = (await api.data("/api/prices/BTC"))["data"]
    assert body["btc_price"] == pytest.approx(btc["price"], rel=0.001)
    coins = (await api.data("/api/coins?page_size=250"))["data"]
    cap = sum(row["market_cap"] for row in coins)
    assert body["market_cap"] == pytest.approx(cap, rel=0.02)
    assert body["btc_dominance_pct"] == pytest.approx(coins[0]["market_cap"] / cap * 100, rel=0.02)
    stored = (await api.data("/api/market/history?days=1"))["data"]
    assert stored[-1]["market_cap"] == body["market_cap"]


async def test_coins_page_by_page(api: Service) -> None:
    whole = (await api.data("/api/coins?page_size=250"))["data"]
    assert [row["id"] for row in whole[:2]] == ["bitcoin", "ethereum"]
    pages = [await api.data(f"/api/coins?page={n}&page_size=30") for n in (1, 2, 3, 4)]
    assert [row["id"] for page in pages for row in page["data"]] == [row["id"] for row in whole]
    total = len(whole)
    assert [page["page"] for page in pages] == [
        {"number": 1, "size": 30, "total": total, "next": 2, "previous": None},
        {"number": 2, "size": 30, "total": total, "next": 3, "previous": 1},
        {"number": 3, "size": 30, "total": total, "next": None, "previous": 2},
        {"number": 4, "size": 30, "total": total, "next": None, "previous": 3},
    ]


async def test_movers_are_in_order(api: Service) -> None:
    for path, rising in (("gainers", True), ("losers", False)):
        rows = (await api.data(f"/api/market/{path}?limit=15"))["data"]
        changes = [row["change_24h_pct"] for row in rows]
        assert changes == sorted(changes, reverse=rising)
        assert len(changes) == 15


async def test_one_coin_carries_our_price(api: Service) -> None:
    body = (await api.data("/api/coins/btc"))["data"]
    assert body["id"] == "bitcoin"
    assert body["price"] == (await api.data("/api/prices/BTC"))["data"]["price"]
    assert body["price_sources"] >= 8


async def test_trending_and_categories(api: Service) -> None:
    trending = (await api.data("/api/trending"))["data"]
    assert [row["position"] for row in trending] == list(range(1, 8))
    for row in trending:
        assert api.rt.resolver.resolve(row["id"]).asset.ticker == row["symbol"]
    caps = [row["market_cap"] for row in (await api.data("/api/market/categories"))["data"]]
    assert caps == sorted(caps, reverse=True)


async def test_exchanges(fresh: Service) -> None:
    listed = await fresh.data("/api/exchanges?page_size=5")
    assert len(listed["data"]) == 5
    assert listed["page"]["next"] == 2
    one = (await fresh.data("/api/exchanges/binance"))["data"]
    assert one["read_directly_as"] == ["binance", "binance_main"]
    other = (await fresh.data("/api/exchanges/gdax"))["data"]
    assert other["read_directly_as"] == ["coinbase_exchange"]
    whole = await fresh.data("/api/exchanges?page_size=250")
    assert whole["page"]["total"] == len(whole["data"])


async def test_providers_say_how_they_do(api: Service) -> None:
    rows = (await api.data("/api/providers"))["data"]
    binance = next(row for row in rows if row["id"] == "binance")
    assert binance["state"] == "up"
    assert binance["breaker"] == "closed"
    assert binance["success_rate"] == 1
    assert binance["budget"][0]["used"] > 0
    gone = (await api.data("/api/providers?status=gone"))["data"]
    assert {row["status"] for row in gone} == {"gone"}
    assert all(row["reason"] for row in gone)
    venues = (await api.data("/api/providers/category/exchange"))["data"]
    assert {row["category"] for row in venues} == {"exchange"}
    found = (await api.data("/api/providers?q=BINA"))["data"]
    assert {"binance", "binance_main", "binance_futures"} <= {row["id"] for row in found}
    assert all("bina" in f"{row['id']} {row['name']}".lower() for row in found)
    stats = (await api.data("/api/providers/binance/stats"))["data"]
    assert stats["calls"] == stats["successes"] > 0
    assert (stats["rejected_records"], stats["rejected_newest"]) == (0, [])


async def test_rejected_records_are_named_newest_first(fresh: Service) -> None:
    fresh.rt.gateway.sources["kraken"].health.quarantined(
        30, ["ONE: price is not a positive number", "TWO: odd"]
    )
    stats = (await fresh.data("/api/providers/kraken/stats"))["data"]
    assert stats["rejected_records"] == 30
    assert stats["rejected_newest"] == ["TWO: odd", "ONE: price is not a positive number"]


async def test_health_names_every_component(api: Service) -> None:
    body = await api.data("/api/health")
    assert set(body["components"]) == {
        "database",
        "providers",
        "models",
        "websocket",
        "cache",
        "scheduler",
        "limiter",
        "streams",
        "backup",
        "shipping",
        "archive",
    }
    assert body["components"]["providers"]["status"] == "ok"
    assert (await api.data("/api/health/ready"))["prices"] > 0


async def test_history_is_what_was_stored(fresh: Service) -> None:
    seen = []
    for _ in range(3):
        await collect.one_round(fresh.rt)
        await collect.store_prices(fresh.rt)
        seen.append((await fresh.data("/api/prices/BTC"))["data"]["price"])
        await fresh.pass_time(3600)
    body = await fresh.data("/api/prices/history/BTC?days=1&interval=1h")
    assert [row["price"] for row in body["data"]] == seen
    day = await fresh.data("/api/prices/history/BTC?days=1&interval=1d")
    assert [row["price"] for row in day["data"]] == seen[-1:]
    assert (await fresh.data("/api/prices/history/ETH?days=1"))["data"] != []
    assert (await fresh.data("/api/prices/history/FLOKI?days=1"))["meta"]["method"]


async def test_a_page_may_cross_the_upstreams_pages(fresh: Service) -> None:
    row = (await coin_list(fresh.rt)).value.coins[0]
    now = fresh.clock.now_ms()
    for page, count in ((1, 250), (2, 247), (3, 40)):
        rows = [Coin(row.asset, row.row._replace(rank=250 * (page - 1) + n + 1)) for n in range(count)]
        fresh.rt.cache.put(("coins", page), Loaded(CoinPage(rows, count), now, ("coingecko",)))
    calls = len(fresh.upstreams.calls)

    async def ranks(page: int) -> tuple[list[int], Any]:
        body = await fresh.data(f"/api/coins?page={page}&page_size=100")
        return [coin["rank"] for coin in body["data"]], body["page"]

    assert (await ranks(3))[0] == list(range(201, 301))
    assert (await ranks(5))[0] == list(range(401, 498))
    assert await ranks(6) == (
        list(range(501, 541)),
        {"number": 6, "size": 100, "total": 540, "next": None, "previous": 5},
    )
    assert await ranks(7) == ([], {"number": 7, "size": 100, "total": 540, "next": None, "previous": 6})
    assert (await ranks(100_000))[0] == []
    assert len(fresh.upstreams.calls) == calls
