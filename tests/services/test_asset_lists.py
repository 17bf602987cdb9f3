"""Lists of every coin, what a restart takes up of them, assets people asked for, and honest searches."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from crypto_dt_source.model.asset import Asset, AssetListing
from crypto_dt_source.model.errors import AllProvidersFailed
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import asking, asset_lists, collect, on_demand, search
from crypto_dt_source.store.repos import assets as asset_repo
from crypto_dt_source.store.repos import prices as price_repo

LISTED = (
    b'[{"id":"far-coin","symbol":"farc","name":"Far Coin"},{"id":"btc-clone","symbol":"btc","name":"Clone"}]'
)


def lists(provider: str, request: Request, reply: Reply) -> Reply:
    """CoinGecko's list with two coins nobody packaged."""
    if provider == "coingecko" and request.path == "/coins/list":
        return Reply(reply.provider, 200, LISTED, reply.received_ms, reply.headers)
    return reply


async def test_lists_are_fetched_once_a_day_stored_and_known_after_a_restart(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        transport = harness.transport_of(rt)
        transport.bend = lists
        assert await harness.drive(clock, asset_lists.fetch(rt)) > 2
        asked = [path for _, path in transport.calls]
        assert sorted(asked) == ["/coins", "/coins/list"]
        assert rt.resolver.resolve("FARC").asset.id == "far-coin"
        assert rt.resolver.resolve("BTC").asset.id == "bitcoin"
        assert rt.resolver.venue_asset("gate", "BTC") == rt.resolver.by_id("bitcoin")
        assert not rt.resolver.counts("gate", "FARC")
        assert await harness.drive(clock, asset_lists.fetch(rt)) == 0
        assert len(transport.calls) == 2
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        assert [a.id for a in rt.resolver.search("far coin")] == ["far-coin"]
        await clock.advance(asset_lists.EVERY_S)
        assert await harness.drive(clock, asset_lists.fetch(rt)) > 0


async def test_a_family_out_of_reach_does_not_cost_the_other_its_list(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        down = True

        def some(provider: str, request: Request, reply: Reply) -> Reply:
            return (
                Reply(provider, 500, b"", reply.received_ms, {})
                if down and provider == "coingecko"
                else reply
            )

        harness.transport_of(rt).bend = some
        assert await harness.drive(clock, asset_lists.fetch(rt)) > 0
        assert await asset_repo.listed_ms(rt.store, "coingecko") is None
        assert await asset_repo.listed_ms(rt.store, "coinpaprika") is not None
        harness.transport_of(rt).dead = True
        with pytest.raises(AllProvidersFailed):
            await harness.drive(clock, asset_lists.fetch(rt))


async def test_aliases_and_other_aggregators_ids_survive_a_restart(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        await asset_repo.put(rt.store, [Asset("far-coin", "FARC", "Far Coin", rank=900, aliases=("OLDFAR",))])
        rows = [AssetListing("coinpaprika", "farc-far-coin", "FARC", "Far Coin", 900, True)]
        await asset_repo.put_listings(rt.store, rows, clock.now_ms())
        await collect.aggregator_coins(rt, "coinlore")
        native = {a.id: rt.resolver.native_id(a.id, "coinlore") for a in rt.resolver.ranked()}
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        assert rt.resolver.resolve("OLDFAR").asset.id == "far-coin"
        assert rt.resolver.native_id("far-coin", "coinpaprika") == "farc-far-coin"
        assert {i: rt.resolver.native_id(i, "coinlore") for i in native} == native


async def test_assets_people_asked_for_go_on_being_stored_after_a_restart(tmp_path: Path) -> None:
    async with harness.running(tmp_path, collect_top=10) as (rt, sim, clock):
        await collect.aggregator_coins(rt, "coinpaprika")
        small = [a for a in rt.resolver.ranked() if a.id in rt.board.quotes and a.kind == "coin"][-1]
        await harness.drive(clock, asking.prices(rt, [small.id], "USD"))
        await collect.store_prices(rt)
    await clock.advance(3600)
    async with harness.running(tmp_path, clock=clock, sim=sim, collect_top=10) as (rt, _, _):
        assert small.id in rt.pricer.asked
        assert "bitcoin" not in rt.pricer.asked
        before = clock.now_ms()
        for _ in range(3):
            assert await harness.drive(clock, on_demand.renew_asked(rt)) >= 1
            await collect.store_prices(rt)
            await clock.advance(rt.freshness.prices + 1)
        calls = harness.transport_of(rt).calls
        assert "coingecko" not in {provider for provider, _ in calls}  # whose month is the smallest
        rows = await price_repo.history(rt.store, small.id, before, clock.now_ms())
        assert len(rows) == 3
        await harness.drive(clock, on_demand.renew_asked(rt))
        sent = len(calls)
        assert await harness.drive(clock, on_demand.renew_asked(rt)) == 0
        assert len(calls) == sent


async def test_a_search_that_failed_says_so(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        transport = harness.transport_of(rt)
        plenty = await search.find(rt, "bit")
        assert (plenty.fetched_ms, plenty.state, plenty.note) == (None, "hit", None)
        assert transport.calls == []
        transport.dead = True
        found = await harness.drive(clock, search.find(rt, "litecoi"))
        assert [a.id for a in found.assets] == ["litecoin"]
        assert (found.fetched_ms, found.source, found.state) == (None, ("registry",), "stale")
        assert {provider for provider, _ in found.failed} >= {"coingecko", "coinpaprika"}
        assert found.note
        while rt.searches.spend():
            pass
        refused = await search.find(rt, "dogecoi")
        assert (refused.state, refused.failed) == ("stale", ())
        assert refused.note
