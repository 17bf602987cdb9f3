"""Decentralised finance of the simulator: one coherent world that moves with the market, as its adapters read it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    FearGreedAsk,
    StablecoinsAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from crypto_dt_source.model.candle import DAY_MS
from crypto_dt_source.model.errors import SymbolNotListed
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers import assets

TODAY = START_MS // DAY_MS * DAY_MS


async def ask(client: Client, question: Any) -> list[Any]:
    capability = CAPABILITY_OF[type(question)]
    entry = min(
        (e for e in ENTRIES.values() if capability in e.offers), key=lambda e: e.offers[capability].rank
    )
    records = await client.ask(entry, capability, question)
    assert records
    assert {violation(record) for record in records} == {None}
    return records


async def test_protocols_chains_and_history_are_one_sum(client: Client) -> None:
    protocols = await ask(client, DefiProtocolsAsk())
    chains = await ask(client, DefiChainsAsk())
    assert len([p for p in protocols if p.tvl]) >= 60
    assert len(chains) == 12
    assert {p.category for p in protocols}.isdisjoint({"CEX", "Chain"})
    whole = sum(chain.tvl for chain in chains)
    assert sum(p.tvl for p in protocols) == pytest.approx(whole)
    history = await ask(client, TvlHistoryAsk())
    assert [b.at_ms - a.at_ms for a, b in pairwise(history)] == [DAY_MS] * (len(history) - 1)
    assert len(history) >= 120
    assert history[-1] == (TODAY, pytest.approx(whole))
    assert max(p.tvl for p in history) < 2 * min(p.tvl for p in history)
    assert len({p.tvl for p in history}) == len(history)
    for chain in chains:
        last = (await ask(client, TvlHistoryAsk(chain.name)))[-1]
        assert last == (TODAY, pytest.approx(chain.tvl))


async def test_a_page_tells_what_the_list_tells(client: Client) -> None:
    for row in (await ask(client, DefiProtocolsAsk()))[:8]:
        (page,) = await ask(client, DefiProtocolAsk(row.slug))
        assert (page.name, page.chains, page.category) == (row.name, row.chains, row.category)
        assert page.tvl == pytest.approx(row.tvl)
        assert sum(tvl for _, tvl in page.chain_tvl) == pytest.approx(row.tvl)
        assert {name for name, _ in page.chain_tvl} == set(row.chains)
        assert page.history[-1].at_ms == TODAY


async def test_tvl_moves_with_the_market_from_the_shock_on(client: Client, clock: ManualClock) -> None:
    before = {p.slug: p.tvl for p in await ask(client, DefiProtocolsAsk())}
    past = await ask(client, TvlHistoryAsk())
    client.app.market.shock("SOL", 2.0)
    await clock.advance(1)
    after = {p.slug: p.tvl for p in await ask(client, DefiProtocolsAsk())}
    assert after["saltmarsh-staked-sol"] == pytest.approx(2 * before["saltmarsh-staked-sol"], rel=0.001)
    assert after["cinder-bitcoin"] == pytest.approx(before["cinder-bitcoin"], rel=0.001)
    assert (await ask(client, TvlHistoryAsk()))[:-1] == past[:-1]


async def test_changes_are_of_the_same_path(client: Client, clock: ManualClock) -> None:
    before = {p.slug: p.tvl for p in await ask(client, DefiProtocolsAsk())}
    await clock.advance(86_400)
    for row in await ask(client, DefiProtocolsAsk()):
        if before[row.slug]:
            assert row.change_1d_pct == pytest.approx((row.tvl / before[row.slug] - 1) * 100)


async def test_pools_belong_to_protocols(client: Client) -> None:
    protocols = {p.slug: p.tvl for p in await ask(client, DefiProtocolsAsk())}
    pools = await ask(client, YieldsAsk())
    assert len(pools) >= 120
    assert len({pool.pool for pool in pools}) == len(pools)
    held: dict[str, float] = {}
    for pool in pools:
        held[pool.project] = held.get(pool.project, 0.0) + pool.tvl
        assert pool.apy == pytest.approx(pool.apy_base + (pool.apy_reward or 0.0), abs=1e-4)
        assert 0 < pool.apy < 60
        assert pool.stablecoin == (
            pool.symbol.count("USD") + pool.symbol.count("DAI") > pool.symbol.count("-")
        )
    assert all(tvl <= protocols[project] for project, tvl in held.items())
    assert {chain.name for chain in await ask(client, DefiChainsAsk())} >= {pool.chain for pool in pools}


async def test_stablecoins_are_the_registrys_and_priced_by_the_market(client: Client) -> None:
    found = await ask(client, StablecoinsAsk())
    registry = {e.asset.ticker for e in assets.load() if e.asset.kind == "stablecoin"}
    assert len(found) == 12
    assert {coin.symbol for coin in found} <= registry
    market = client.app.market
    for coin in found:
        peg = market.true_price(coin.pegged_to, START_MS)
        assert coin.price == pytest.approx(peg, rel=0.01)
        if coin.symbol in market.assets:
            assert coin.price == pytest.approx(market.true_price(coin.symbol, START_MS), rel=0.001)
        for before in (coin.circulating_1d_ago, coin.circulating_7d_ago, coin.circulating_30d_ago):
            assert before == pytest.approx(coin.circulating, rel=0.1)


async def test_volumes_are_of_the_exchanges_in_the_list(client: Client) -> None:
    exchanges = {p.slug: p for p in await ask(client, DefiProtocolsAsk()) if p.category == "Dexs"}
    found = await ask(client, DexVolumesAsk())
    assert {row.slug for row in found} == set(exchanges)
    assert len(found) >= 20
    for row in found:
        assert 0 < row.volume_24h < row.volume_7d < row.volume_30d
        assert row.volume_24h < 3 * exchanges[row.slug].tvl
        assert set(row.chains) == set(exchanges[row.slug].chains)


async def test_every_list_names_chains_as_the_list_of_chains_does(client: Client) -> None:
    raw = {
        name for row in (await client.get("/defillama/protocols")).json() for name in row.get("chains") or ()
    }
    assert {"Binance", "Optimism"} <= raw, "the upstream's own spelling differs"
    chains = {chain.name for chain in await ask(client, DefiChainsAsk())}
    lists = (DefiProtocolsAsk(), DexVolumesAsk(), StablecoinsAsk())
    used = {name for question in lists for row in await ask(client, question) for name in row.chains}
    assert {"BSC", "OP Mainnet"} <= used <= chains
    assert {pool.chain for pool in await ask(client, YieldsAsk())} <= chains


async def test_an_unknown_name_is_not_listed(client: Client) -> None:
    unknown = await client.get("/defillama/protocol/nope")
    assert (unknown.status, unknown.json()) == (400, {"message": "Protocol is not in our database"})
    for question in (DefiProtocolAsk("nope"), TvlHistoryAsk("Nowhere Chain")):
        with pytest.raises(SymbolNotListed):
            await ask(client, question)


async def test_both_names_of_a_chain_are_known(client: Client) -> None:
    assert await ask(client, TvlHistoryAsk("Binance")) == await ask(client, TvlHistoryAsk("BSC"))
    assert await ask(client, TvlHistoryAsk("OP Mainnet")) == await ask(client, TvlHistoryAsk("Optimism"))


async def test_fear_and_greed_follows_bitcoin(client: Client) -> None:
    found = await ask(client, FearGreedAsk(0))
    assert 380 <= len(found) < 400, "some days are missing"
    assert found[0].day_ms == TODAY
    assert [row.day_ms for row in found] == sorted({row.day_ms for row in found}, reverse=True)
    assert len({row.classification for row in found}) == 5
    market = client.app.market

    def momentum(day_ms: int) -> float:
        mean = sum(market.true_price("BTC", day_ms - n * DAY_MS) for n in range(1, 31)) / 30
        return market.true_price("BTC", day_ms) / mean

    risen = [row.value for row in found if momentum(row.day_ms) > 1.02]
    fallen = [row.value for row in found if momentum(row.day_ms) < 0.98]
    assert min(risen) > 50 > max(fallen)
    assert await ask(client, FearGreedAsk(3)) == found[:3]


async def test_fear_and_greed_of_a_day_does_not_change(client: Client, clock: ManualClock) -> None:
    before = {row.day_ms: row.value for row in await ask(client, FearGreedAsk(0))}
    client.app.market.shock("BTC", 0.5)
    await clock.advance(86_400)
    after = {row.day_ms: row.value for row in await ask(client, FearGreedAsk(0))}
    assert all(after[day] == value for day, value in before.items() if day in after)
    assert after[TODAY + DAY_MS] < 15
