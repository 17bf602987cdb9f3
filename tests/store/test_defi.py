"""Lists kept whole, protocols, TVL by day, fear and greed."""

from __future__ import annotations

from crypto_dt_source.model.defi import DefiProtocol, TvlPoint
from crypto_dt_source.model.sentiment import FearGreed
from crypto_dt_source.store import Kept, Store, TvlSeries
from crypto_dt_source.store.repos import defi, fear_greed, identity, kept, retention

from .conftest import DAY, T0


def protocol(slug: str, tvl: float, received_ms: int = T0, provider: str = "defillama") -> DefiProtocol:
    return DefiProtocol(
        provider, slug, slug.title(), None, "Lending", "Multi-Chain", ("Ethereum", "Base"), tvl, None, -0.5, 1.25,
        None, "https://x.example", received_ms,
    )  # fmt: skip


async def test_the_newest_of_a_kept_list_stays(store: Store) -> None:
    assert await kept.get(store, "yields") is None
    newer = Kept("yields", T0 + 1, ("defillama", "other"), '{"pools": []}')
    await kept.put(store, newer)
    await kept.put(store, newer._replace(timestamp=T0, payload="old"))
    assert await kept.get(store, "yields") == newer
    same = newer._replace(payload="again")
    await kept.put(store, same)
    gas = Kept("gas\x00", T0, (), "a\x00b\ud800")
    await kept.put(store, gas)
    clean = Kept("gas\ufffd", T0, (), "a\ufffdb\ufffd")
    assert await kept.all_kept(store) == [clean, same]
    assert await kept.get(store, "gas\x00") == clean


async def test_protocols_are_the_newest_list_by_tvl(store: Store) -> None:
    assert await defi.protocols(store, 10) == []
    await defi.write_protocols(store, [protocol("gone", 9e9), protocol("aave", 1.0)])
    new = [protocol("lido", 3e9, T0 + 1), protocol("aave", 2e10, T0 + 1), protocol("zero", 0.0, T0 + 1)]
    await defi.write_protocols(store, new)
    await defi.write_protocols(store, [protocol("other", 5e10, T0, "coingecko"), protocol("aave", 7.0)])
    assert await defi.protocols(store, 10) == [new[1], new[0], new[2]]
    assert await defi.protocols(store, 1) == [new[1]]
    await defi.write_protocols(store, [protocol("other", 5e10, T0 + 2, "coingecko")])
    assert [row.slug for row in await defi.protocols(store, 10)] == ["other"]
    same_time = [protocol("one", 1.0, T0 + 3, "defillama"), protocol("two", 2.0, T0 + 3, "coingecko")]
    await defi.write_protocols(store, same_time)
    assert len(await defi.protocols(store, 10)) == 1


async def test_hostile_protocols(store: Store) -> None:
    bad = "x\x00\ud800"
    row = protocol("a", 1.0)._replace(
        name=bad, symbol=bad, category=bad, chain=bad, chains=(bad, "Base"), url=bad
    )
    await defi.write_protocols(store, [row])
    (found,) = await defi.protocols(store, 10)
    clean = "x\ufffd\ufffd"
    assert found == row._replace(
        name=clean, symbol=clean, category=clean, chain=clean, chains=(clean, "Base"), url=clean
    )


async def test_tvl_is_one_providers_day_by_day(store: Store) -> None:
    assert await defi.tvl(store, "all", 0) is None
    assert await defi.tvl_span(store, "all") is None
    days = [TvlPoint(T0 + n * DAY, 1e9 + n) for n in range(4)]
    await defi.write_tvl(store, "defillama", "all", days[::-1])
    assert await defi.tvl(store, "all", 0) == TvlSeries("defillama", days)
    assert await defi.tvl(store, "all", T0 + DAY, T0 + 2 * DAY) == TvlSeries("defillama", [days[1]])
    assert await defi.tvl(store, "all", T0 + 9 * DAY) is None
    assert await defi.tvl(store, "chain:Ethereum", 0) is None
    assert await defi.tvl_span(store, "all") == (T0, T0 + 3 * DAY, 4)
    later = [TvlPoint(T0 + 3 * DAY + 7, 5.0), TvlPoint(T0 + 3 * DAY + 9, 6.0), TvlPoint(T0 + 3 * DAY, 4.0)]
    await defi.write_tvl(store, "defillama", "all", later)
    await defi.write_tvl(store, "a", "all", [TvlPoint(T0 + 3 * DAY, 8.0)])
    told = await defi.tvl(store, "all", 0)
    assert told == TvlSeries("defillama", [*days[:3], TvlPoint(T0 + 3 * DAY, 6.0)])
    await defi.write_tvl(store, "a", "all", [TvlPoint(T0 + 4 * DAY, 8.0)])
    assert await defi.tvl(store, "all", 0) == TvlSeries("a", [TvlPoint(T0 + n * DAY, 8.0) for n in (3, 4)])
    assert await defi.tvl_span(store, "all") == (T0 + 3 * DAY, T0 + 4 * DAY, 2)
    await defi.write_tvl(store, "defillama", "chain:\x00", [TvlPoint(T0, 0.0)])
    assert await defi.tvl(store, "chain:\x00", 0) == TvlSeries("defillama", [TvlPoint(T0, 0.0)])
    await defi.write_tvl(store, "defillama", "empty", [])
    assert await defi.tvl(store, "empty", 0) is None


async def test_fear_and_greed(store: Store) -> None:
    assert await fear_greed.latest(store) is None
    assert await fear_greed.days(store, 0) == []
    days = [FearGreed("alternative_me", "alternative.me", 20 + n, "Fear", T0 + n * DAY, T0) for n in range(3)]
    await fear_greed.write(store, days[::-1])
    assert await fear_greed.latest(store) == days[2]
    assert await fear_greed.days(store, T0 + DAY) == days[1:]
    assert await fear_greed.days(store, T0, T0 + DAY) == days[:1]
    changed = days[2]._replace(value=0, classification="Extreme\x00", received_ms=T0 + 5)
    await fear_greed.write(store, [changed])
    stored = changed._replace(classification="Extreme\ufffd")
    assert await fear_greed.latest(store) == stored
    other = FearGreed("cmc", "coinmarketcap", 100, "Greed", T0 + 2 * DAY, T0 + 9)
    await fear_greed.write(store, [other])
    assert await fear_greed.latest(store) == other
    assert await fear_greed.days(store, 0) == [other]
    assert await fear_greed.days(store, 0, series="alternative.me") == [*days[:2], stored]
    assert await fear_greed.days(store, 0, series="nobody") == []


async def test_lists_go_and_histories_stay(store: Store) -> None:
    for age in (91, 89):
        at = T0 - age * DAY
        await kept.put(store, Kept(f"list{age}", at, ("x",), "[]"))
        await defi.write_protocols(store, [protocol(f"p{age}", 1.0, at)])
    old = T0 - 4_000 * DAY
    await defi.write_tvl(store, "defillama", "all", [TvlPoint(old, 1.0)])
    await fear_greed.write(store, [FearGreed("a", "s", 5, "Fear", old, old)])
    # The database's own id goes with none of them, however long ago it was given.
    await kept.put(store, Kept(identity.KEY, old, (), '"5d0c7e11"'))
    assert await retention.sweep(store, retention.Retention(), T0) == {"defi_protocols": 1, "kept": 1}
    assert [row.key for row in await kept.all_kept(store)] == [identity.KEY, "list89"]
    assert await identity.of(store) == "5d0c7e11"
    assert await store.fetch("SELECT slug FROM defi_protocols") == [("p89",)]
    assert await defi.tvl_span(store, "all") == (old, old, 1)
    assert len(await fear_greed.days(store, 0)) == 1
