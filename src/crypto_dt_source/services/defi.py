"""DeFi: protocols, chains, TVL over time, yields, stablecoins, volumes of decentralised exchanges."""

from __future__ import annotations

from typing import NamedTuple, cast

from ..model.ask import (
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    StablecoinsAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from ..model.candle import DAY_MS
from ..model.defi import (
    ChainTvl,
    DefiProtocol,
    DefiProtocolDetail,
    DexVolume,
    Stablecoin,
    TvlPoint,
    YieldPool,
)
from ..model.errors import AllProvidersFailed, NoDataYet, NotFound
from ..store.cache import Cached, Loaded
from ..store.repos import defi as repo
from . import persist, whole
from .allowance import STRANGERS
from .runtime import Runtime
from .whole import Whole

EVERY_S = 3600
POOLS_KEPT = 5_000
"""Yield pools kept, those with the largest TVL: the rest is dust of a few thousand dollars."""
MOST_PROTOCOLS = 20_000
"""More than anybody lists."""
ALL = "all"
"""The subject of the TVL of all chains together."""
POINT_COST = 2
SUGGESTED = 3


class TvlRead(NamedTuple):
    """That a history was read, and how many days it had. The days themselves are in their table."""

    days: int


async def _stored_protocols(rt: Runtime) -> Loaded[list[DefiProtocol]] | None:
    rows = await repo.protocols(rt.store, MOST_PROTOCOLS)
    return Loaded(rows, rows[0].received_ms, (rows[0].provider,)) if rows else None


PROTOCOLS: Whole[list[DefiProtocol]] = Whole(
    "defi_protocols", list[DefiProtocol], lambda f: f.defi, EVERY_S, _stored_protocols
)
CHAINS: Whole[list[ChainTvl]] = Whole("defi_chains", list[ChainTvl], lambda f: f.defi, EVERY_S)
YIELDS: Whole[list[YieldPool]] = Whole("yields", list[YieldPool], lambda f: f.defi, EVERY_S)
STABLECOINS: Whole[list[Stablecoin]] = Whole("stablecoins", list[Stablecoin], lambda f: f.defi, EVERY_S)
VOLUMES: Whole[list[DexVolume]] = Whole("dex_volumes", list[DexVolume], lambda f: f.defi, EVERY_S)


def _cost_of_page(page: DefiProtocolDetail) -> int:
    return POINT_COST * max(1, len(page.history))


PROTOCOL: Whole[DefiProtocolDetail] = Whole(
    "defi_protocol", DefiProtocolDetail, lambda f: f.defi, cost_of=_cost_of_page
)
TVL: Whole[TvlRead] = Whole("tvl_read", TvlRead, lambda f: f.defi, EVERY_S)
CHAIN_TVL: Whole[TvlRead] = Whole("tvl_read", TvlRead, lambda f: f.defi)


class TvlChart(NamedTuple):
    """TVL by day, ascending, and when the newest of it was fetched."""

    provider: str
    subject: str
    points: list[TvlPoint]
    fetched_ms: int
    state: str


async def protocols(rt: Runtime) -> Cached[list[DefiProtocol]]:
    """Every protocol, the largest TVL first."""
    return await whole.get(rt, PROTOCOLS, lambda: load_protocols(rt))


async def load_protocols(rt: Runtime, *, background: bool = False) -> Loaded[list[DefiProtocol]]:
    """Fetch and store the list. Raises AllProvidersFailed."""
    answer = await whole.first(rt, DefiProtocolsAsk(), background=background)
    rows = sorted(cast("tuple[DefiProtocol, ...]", answer.records), key=lambda p: (-p.tvl, p.slug))
    with persist.best_effort():
        await repo.write_protocols(rt.store, rows)
    return Loaded(rows, answer.received_ms, (answer.provider,))


async def chains(rt: Runtime) -> Cached[list[ChainTvl]]:
    """Every chain, the largest TVL first."""
    return await whole.get(rt, CHAINS, lambda: _load_chains(rt))


async def _load_chains(rt: Runtime, *, background: bool = False) -> Loaded[list[ChainTvl]]:
    answer = await whole.first(rt, DefiChainsAsk(), background=background)
    rows = sorted(cast("tuple[ChainTvl, ...]", answer.records), key=lambda c: (-c.tvl, c.name))
    return Loaded(rows, answer.received_ms, (answer.provider,))


async def yields(rt: Runtime) -> Cached[list[YieldPool]]:
    """The largest pools, the largest TVL first."""
    return await whole.get(rt, YIELDS, lambda: _load_yields(rt))


async def _load_yields(rt: Runtime, *, background: bool = False) -> Loaded[list[YieldPool]]:
    answer = await whole.first(rt, YieldsAsk(), background=background)
    rows = sorted(cast("tuple[YieldPool, ...]", answer.records), key=lambda p: (-p.tvl, p.pool))
    return Loaded(rows[:POOLS_KEPT], answer.received_ms, (answer.provider,))


async def stablecoins(rt: Runtime) -> Cached[list[Stablecoin]]:
    """Every stablecoin, the largest circulation in dollars first."""
    return await whole.get(rt, STABLECOINS, lambda: _load_stablecoins(rt))


async def _load_stablecoins(rt: Runtime, *, background: bool = False) -> Loaded[list[Stablecoin]]:
    answer = await whole.first(rt, StablecoinsAsk(), background=background)
    rows = sorted(cast("tuple[Stablecoin, ...]", answer.records), key=_smallest_last)
    return Loaded(rows, answer.received_ms, (answer.provider,))


def _smallest_last(coin: Stablecoin) -> tuple[bool, float, str]:
    """By what circulates in dollars; coins without a price after those with one, for their units do not compare."""
    return coin.price is None, -coin.circulating * (coin.price or 1.0), coin.native_id


async def dex_volumes(rt: Runtime) -> Cached[list[DexVolume]]:
    """Every decentralised exchange, the largest volume of 24 h first."""
    return await whole.get(rt, VOLUMES, lambda: _load_volumes(rt))


async def _load_volumes(rt: Runtime, *, background: bool = False) -> Loaded[list[DexVolume]]:
    answer = await whole.first(rt, DexVolumesAsk(), background=background)
    rows = sorted(cast("tuple[DexVolume, ...]", answer.records), key=lambda d: (-d.volume_24h, d.slug))
    return Loaded(rows, answer.received_ms, (answer.provider,))


async def protocol(rt: Runtime, slug: str) -> Cached[DefiProtocolDetail]:
    """One protocol's page. Raises NotFound for a slug the list does not have: pages are large, and nobody is asked for
    one that cannot be there."""
    listed = await protocols(rt)
    if all(row.slug != slug for row in listed.value):
        near = [row.slug for row in listed.value if slug[:4] and row.slug.startswith(slug[:4])][:SUGGESTED]
        raise NotFound(
            f"There is no DeFi protocol {slug!r}; GET /api/defi lists them.",
            details={"parameter": "slug", "got": slug, "did_you_mean": near},
        )
    return await whole.get(
        rt,
        PROTOCOL,
        lambda: _load_protocol(rt, slug),
        part=slug,
        allow=rt.pages.spend,
        admit=lambda: rt.first_pages.spend(STRANGERS),
    )


async def _load_protocol(rt: Runtime, slug: str) -> Loaded[DefiProtocolDetail]:
    answer = await whole.first(rt, DefiProtocolAsk(slug))
    page = cast(DefiProtocolDetail, answer.records[0])
    return Loaded(page, answer.received_ms, (answer.provider,), _cost_of_page(page))


async def tvl_chart(rt: Runtime, *, days: int, chain: str | None = None) -> TvlChart:
    """TVL by day of the last `days` days out of the store, which is filled from the upstream's whole history when it has
    none; of one chain by its own name (`chain_names.named`). Raises AllProvidersFailed when nothing is stored and nobody
    answers, StoreError."""
    subject = ALL if chain is None else f"chain:{chain}"
    read = await whole.get(
        rt,
        TVL if chain is None else CHAIN_TVL,
        lambda: load_tvl(rt, chain),
        part=subject,
        allow=(lambda: True) if chain is None else rt.pages.spend,
        admit=(lambda: True) if chain is None else rt.first_pages.spend,
    )
    start = rt.clock.now_ms() // DAY_MS * DAY_MS - (days - 1) * DAY_MS
    series = await repo.tvl(rt.store, subject, start)
    if series is None or not series.points:
        raise NoDataYet("No TVL of these days has been collected yet.", retry_after=30)
    return TvlChart(series.provider, subject, series.points, read.fetched_ms, read.state)


async def load_tvl(rt: Runtime, chain: str | None = None, *, background: bool = False) -> Loaded[TvlRead]:
    """Fetch and store the whole history of a chain, or of all together. Raises AllProvidersFailed, StoreError."""
    answer = await whole.first(rt, TvlHistoryAsk(chain), background=background)
    points = cast("tuple[TvlPoint, ...]", answer.records)
    subject = ALL if chain is None else f"chain:{chain}"
    # The days before the newest stored one do not change any more, but for the last, which ran when it was read.
    span = await repo.tvl_span(rt.store, subject)
    fresh = [p for p in points if span is None or span[2] < len(points) or p.at_ms >= span[1]]
    await repo.write_tvl(rt.store, answer.provider, subject, fresh)
    return Loaded(TvlRead(len(points)), answer.received_ms, (answer.provider,))


async def collect(rt: Runtime) -> int:
    """Renew everything DeFi there is one list of; gives the rows. Raises the first AllProvidersFailed after trying
    the others."""
    failure: AllProvidersFailed | None = None
    rows = 0
    try:
        tvl = await load_tvl(rt, background=True)
        await whole.renew(rt, TVL, tvl, part=ALL)
        rows += tvl.value.days
    except AllProvidersFailed as error:
        failure = error
    for kind, load in (
        (PROTOCOLS, load_protocols),
        (CHAINS, _load_chains),
        (STABLECOINS, _load_stablecoins),
        (VOLUMES, _load_volumes),
        (YIELDS, _load_yields),
    ):
        try:
            loaded = await load(rt, background=True)
        except AllProvidersFailed as error:
            failure = failure or error
            continue
        await whole.renew(rt, cast("Whole[object]", kind), cast("Loaded[object]", loaded))
        rows += len(loaded.value)
    if failure is not None:
        raise failure
    return rows
