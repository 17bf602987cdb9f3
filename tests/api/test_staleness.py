"""What is answered when the upstreams are gone: the last known, marked so, or a plain word about who failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from in_process import Service, service

from crypto_dt_source.clock import parse_rfc3339
from crypto_dt_source.services import collect

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_prices_go_stale_and_say_so(fresh: Service) -> None:
    before = await fresh.data("/api/prices?symbols=BTC,ETH")
    assert (before["meta"]["stale"], before["meta"]["cache"]) == (False, "hit")
    fresh.upstreams.dead = True
    await fresh.pass_time(400)
    after = await fresh.data("/api/prices?symbols=BTC,ETH")
    assert [row["price"] for row in after["data"]] == [row["price"] for row in before["data"]]
    assert all(row["stale"] for row in after["data"])
    assert (after["meta"]["stale"], after["meta"]["cache"]) == (True, "stale")
    assert after["meta"]["age_seconds"] >= 400
    answer = await fresh.get("/api/prices?symbols=BTC,ETH")
    assert int(answer.headers["cache-control"].rpartition("=")[2]) == int(answer.headers["age"])
    await fresh.pass_time(8 * 86_400)
    await fresh.error("/api/prices/BTC", 503, "all_providers_failed")


@pytest.mark.parametrize(
    "path", ["/api/market", "/api/coins", "/api/trending", "/api/market/categories", "/api/exchanges"]
)
async def test_lists_go_stale_and_say_so(fresh: Service, path: str) -> None:
    before = await fresh.data(path)
    fresh.upstreams.dead = True
    await fresh.pass_time(86_400)
    after = await fresh.data(path)
    assert (after["meta"]["stale"], after["meta"]["cache"]) == (True, "stale")
    assert after["meta"]["fetched_at"] == before["meta"]["fetched_at"]
    await fresh.refreshed()
    fresh.upstreams.dead = False
    await fresh.pass_time(86_400)
    await fresh.data(path)
    await fresh.refreshed()
    await fresh.pass_time(2)
    again = await fresh.data(path)
    assert again["meta"]["cache"] == "hit"
    assert again["meta"]["age_seconds"] < 60


@pytest.mark.parametrize(
    "path",
    [
        "/api/prices/BTC",
        "/api/prices?symbols=BTC,ETH",
        "/api/prices/BTC/sources",
        "/api/ohlcv?symbol=BTC",
        "/api/orderbook?symbol=BTC",
        "/api/trades?symbol=BTC",
        "/api/market",
        "/api/market/gainers",
        "/api/market/categories",
        "/api/trending",
        "/api/coins",
        "/api/coins/bitcoin",
        "/api/exchanges",
        "/api/exchanges/binance",
    ],
)
async def test_with_nothing_known_everybody_who_was_tried_is_named(tmp_path: Path, path: str) -> None:
    async with service(tmp_path, collected=False) as dead:
        dead.upstreams.dead = True
        body = await dead.error(path, 503, "all_providers_failed")
        tried = body["details"]["tried"]
        assert tried
        assert {row["provider"] for row in tried} <= set(dead.sim.entries)
        # `upstream_timeout`: of who was still under way as the ask's patience, which this clock skips, was over.
        assert {row["failure"] for row in tried} <= {
            "upstream_unreachable", "upstream_timeout", "circuit_open", "not_offered",
        }  # fmt: skip
        assert "://" not in str(body)


async def test_what_needs_no_upstream_is_answered_all_the_same(tmp_path: Path) -> None:
    async with service(tmp_path, collected=False) as dead:
        dead.upstreams.dead = True
        assert (await dead.data("/api/market/history"))["data"] == []
        assert (await dead.data("/api/prices/history/BTC"))["data"] == []
        assert (await dead.data("/api/ohlcv/coverage?symbol=BTC"))["data"] == []
        assert (await dead.data("/api/coins/search?q=bitcoin"))["data"]
        assert (await dead.data("/api/providers"))["data"]
        assert (await dead.data("/api/health"))["status"] == "degraded"
        assert (await dead.data("/api/health/live")) == {"status": "ok"}
        ready = await dead.error("/api/health/ready", 503, "no_data_yet")
        assert ready["retry_after"] > 0


async def test_an_asset_no_source_has_is_no_data_yet(fresh: Service) -> None:
    asset = next(
        a for a in fresh.rt.resolver.ranked() if a.kind == "coin" and a.id not in fresh.rt.board.quotes
    )
    body = await fresh.error(f"/api/prices/{asset.id}", 503, "no_data_yet")
    assert body["retry_after"] > 0
    mixed = await fresh.data(f"/api/prices?symbols=BTC,{asset.id}")
    assert [row["id"] for row in mixed["data"]] == ["bitcoin"]
    assert [row["code"] for row in mixed["errors"]] == ["no_data_yet"]


async def test_stale_prices_in_the_market_figures_say_so_and_are_in_no_snapshot(fresh: Service) -> None:
    before = await fresh.data("/api/market")
    assert (before["meta"]["stale"], bool(before["btc_price"])) == (False, True)
    assert parse_rfc3339(before["meta"]["prices_as_of"]) <= fresh.clock.now_ms()
    await fresh.pass_time(400)  # a quote counts for five minutes
    await collect.global_market(fresh.rt)
    after = await fresh.data("/api/market")
    assert (after["meta"]["stale"], after["meta"]["cache"]) == (True, "hit")
    assert after["btc_price"] == before["btc_price"]
    assert after["meta"]["prices_source"] == before["meta"]["prices_source"]
    assert parse_rfc3339(after["meta"]["prices_as_of"]) <= fresh.clock.now_ms() - 400_000
    rows = (await fresh.data("/api/market/history"))["data"]
    assert rows[-1]["market_cap"] == after["market_cap"]
    assert (rows[-1]["btc_price"], rows[-1]["eth_price"]) == (None, None)
    assert rows[0]["btc_price"] is not None


async def test_only_the_first_few_unknown_symbols_get_suggestions(fresh: Service) -> None:
    texts = [f"bitcoim{i}" for i in range(12)]
    body = await fresh.data(f"/api/prices?symbols=BTC,{','.join(texts)}")
    assert [row["symbol"] for row in body["errors"]] == texts
    assert [bool(row["did_you_mean"]) for row in body["errors"]] == [True] * 5 + [False] * 7


async def test_candles_name_whom_they_came_from_and_when(fresh: Service) -> None:
    for provider in ("binance", "binance_main"):
        fresh.sim.faults.add(provider, "5xx", capability="candles")
    body = await fresh.data("/api/ohlcv?symbol=BTC&interval=4h&limit=20")
    assert body["provider"] == "binance"
    assert body["meta"]["source"] == sorted({row["source"] for row in body["data"]})
    assert "binance" not in body["meta"]["source"]
    at = parse_rfc3339(body["meta"]["fetched_at"])
    assert 0 <= fresh.clock.now_ms() - at < 60_000
    stored = await fresh.data("/api/ohlcv/coverage?symbol=BTC&interval=4h")
    assert parse_rfc3339(stored["meta"]["fetched_at"]) == at
    assert (await fresh.data("/api/ohlcv/coverage?symbol=ETH&interval=4h"))["meta"]["fetched_at"] is None
