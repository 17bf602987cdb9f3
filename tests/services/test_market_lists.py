"""Lists of the market: the same page whoever answers it, all exchanges, and trending coins under their own identity."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.asset import AssetListing
from crypto_dt_source.model.errors import NotFound
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import coin_pages, learning, market
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

Rig = tuple[Runtime, SimApp, ManualClock]
EXCHANGES = 620


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


def _bodies(rt: Runtime, provider: str, path: str, rows: list[dict[str, object]], wrap: str = "") -> None:
    """Let a provider hold these rows and answer as it does: by offset, or by page."""

    def bend(asked: str, request: Request, reply: Reply) -> Reply:
        if asked != provider or request.path != path or reply.status != 200:
            return reply
        sent = dict(request.params)
        size = int(sent.get("limit") or sent["per_page"])
        start = int(sent["start"]) if "start" in sent else (int(sent["page"]) - 1) * size
        part = rows[start : start + size]
        body = msgspec.json.encode({wrap: part} if wrap else part)
        return Reply(reply.provider, 200, body, reply.received_ms, reply.headers)

    harness.transport_of(rt).bend = bend


async def test_another_aggregators_pages_of_100_serve_pages_of_250(rig: Rig) -> None:
    rt, sim, clock = rig
    for provider in ("coingecko", "coinpaprika"):
        sim.faults.add(provider, "5xx")
    # Coins the registry knows from CoinGecko's list; of every fifth it has never heard.
    known = [
        AssetListing("coingecko", f"quux-{n}", f"QX{n}", f"Quux {n}", 5000 + n, True) for n in range(1, 531)
    ]
    await learning.learn(rt, [row for n, row in enumerate(known, 1) if n % 5])
    rows: list[dict[str, object]] = [
        {"id": f"9{n:04}", "symbol": f"QX{n}", "name": f"Quux {n}", "rank": 5000 + n, "price_usd": "1.5"}
        for n in range(1, 531)
    ]
    _bodies(rt, "coinlore", "/tickers/", rows, "data")
    whole = [f"9{n:04}" for n in range(1, 531) if n % 5]
    first = await harness.drive(clock, coin_pages.coins_from(rt, 0, 250))
    assert [c.row.native_id for c in first.found.value] == whole[:200]
    assert first.found.source == ("coinlore",)
    assert (first.total, first.more) == (None, True)
    await clock.advance(5)
    second = await harness.drive(clock, coin_pages.coins_from(rt, 250, 250))
    await clock.advance(5)
    rest = await harness.drive(clock, coin_pages.coins_from(rt, 500, 250))
    assert [c.row.native_id for c in second.found.value + rest.found.value] == whole[200:]
    assert (rest.total, rest.more) == (530, False)


async def test_every_exchange_is_listed_and_found(rig: Rig) -> None:
    rt, _, clock = rig
    rows: list[dict[str, object]] = [{"id": f"x{n}", "name": f"X {n}"} for n in range(EXCHANGES - 1)]
    _bodies(rt, "coingecko", "/exchanges", [*rows, {"id": "gdax", "name": "Coinbase Exchange"}])
    listed = await harness.drive(clock, market.exchanges(rt))
    assert len(listed.value) == EXCHANGES
    assert (await market.exchange(rt, "gdax")).value.read_directly_as == ["coinbase_exchange"]
    assert (await market.exchange(rt, "x600")).value.read_directly_as == []
    with pytest.raises(NotFound):
        await market.exchange(rt, "coinbase_exchange")


async def test_of_an_aggregator_with_unknown_ids_nothing_is_claimed(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("coingecko", "5xx")
    listed = await harness.drive(clock, market.exchanges(rt))
    assert listed.source == ("coinpaprika",)
    assert (await market.exchange(rt, "binance")).value.read_directly_as is None


async def test_a_trending_coin_nobody_listed_before_gets_an_identity(rig: Rig) -> None:
    rt, _, clock = rig
    fresh = {"id": "brand-new-quux", "symbol": "quux", "name": "Brand New Quux", "market_cap_rank": None}

    def bend(provider: str, request: Request, reply: Reply) -> Reply:
        if request.path != "/search/trending":
            return reply
        body = msgspec.json.encode({"coins": [{"item": fresh}]})
        return Reply(reply.provider, 200, body, reply.received_ms, reply.headers)

    harness.transport_of(rt).bend = bend
    cached = await harness.drive(clock, market.trending(rt))
    ((asset, row),) = market.trends_of(rt, cached.value)
    assert asset is not None
    assert asset.name == "Brand New Quux"
    assert rt.resolver.resolve(asset.id).asset == asset
    stranger = row._replace(native_id="never-heard-of")
    assert market.trends_of(rt, [stranger])[0].asset is None
