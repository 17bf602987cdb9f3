"""DeFi: protocols, chains, TVL by day, yields, stablecoins, volumes of decentralised exchanges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from ...clock import rfc3339
from ...model.defi import DefiProtocol, TvlPoint
from ...services import chain_names, defi
from ..deps import TEXT, Limit100, PageNumber, PageSize, Rt
from ..errors import responses
from ..schemas.defi import (
    ChainList,
    DexList,
    PoolList,
    ProtocolList,
    ProtocolPage,
    StablecoinList,
    TvlChart,
)
from ..wrap import data_response, meta, meta_of, page_of

router = APIRouter(prefix="/api/defi", tags=["defi"])
ChainName = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=100,
        pattern=TEXT,
        description="One chain, as GET /api/defi/chains names it; in any case, and by an older name too (`Binance` is `BSC`).",
        examples=["Ethereum"],
    ),
]
ChartDays = Annotated[int, Query(ge=1, le=3650, description="Days, today included.", examples=[30])]
Part = Annotated[str | None, Query(min_length=1, max_length=100, pattern=TEXT)]


@router.get(
    "", response_model=ProtocolList, responses=responses(404, 422, 503), summary="The largest protocols"
)
async def top(
    request: Request,
    rt: Rt,
    limit: Limit100 = 20,
    chain: ChainName = None,
    category: Annotated[
        str | None,
        Query(min_length=1, max_length=100, pattern=TEXT, description="One category.", examples=["Lending"]),
    ] = None,
) -> Response:
    """By TVL. Centralised exchanges are left out. `rank` counts among all protocols. With `chain`, those that are on it
    among others, and still by their TVL on all chains together, which is what `tvl` says."""
    cached = await defi.protocols(rt)
    ranked = [*enumerate(cached.value, 1)]
    if chain is not None:
        ranked = await chain_names.on_chain(rt, cached, chain, lambda row: row.chains, kept="protocols")
    if category is not None:
        ranked = [(rank, row) for rank, row in ranked if _same(category, row.category)]
    content = {"data": [_protocol(rank, row) for rank, row in ranked[:limit]]}
    return data_response(request, content, meta_of(rt, cached, total=len(ranked)), ttl_s=rt.freshness.defi)


@router.get("/tvl-chart", response_model=TvlChart, responses=responses(404, 422, 503), summary="TVL by day")
async def tvl_chart(request: Request, rt: Rt, days: ChartDays = 30, chain: ChainName = None) -> Response:
    """From the store, ascending: of all chains together, or of one. A day without a row is one the upstream has none
    for."""
    name = None if chain is None else await chain_names.named(rt, chain)
    chart = await defi.tvl_chart(rt, days=days, chain=name)
    about = meta(
        rt,
        source=(chart.provider,),
        fetched_ms=chart.fetched_ms,
        state=chart.state,
        subject=chart.subject,
        days=len(chart.points),
    )
    return data_response(request, {"data": _days(chart.points)}, about, ttl_s=rt.freshness.defi)


@router.get(
    "/protocols/{slug}",
    response_model=ProtocolPage,
    responses=responses(404, 422, 503),
    summary="One protocol",
)
async def protocol(
    request: Request,
    rt: Rt,
    slug: Annotated[
        str, Path(min_length=1, max_length=100, description="Slug of GET /api/defi.", examples=["aave"])
    ],
    days: ChartDays = 30,
) -> Response:
    """Its TVL by chain and by day."""
    cached = await defi.protocol(rt, slug)
    page = cached.value
    content = {
        "data": {
            "slug": page.slug,
            "name": page.name,
            "symbol": page.symbol,
            "category": page.category,
            "chain": page.chain,
            "chains": list(page.chains),
            "description": page.description,
            "url": page.url,
            "market_cap": page.market_cap,
            "tvl": page.tvl,
            "chain_tvl": _parts(page.chain_tvl),
            "other_tvl": _parts(page.other_tvl),
            "history": _days(page.history[-days:]),
        }
    }
    return data_response(request, content, meta_of(rt, cached), ttl_s=rt.freshness.defi)


@router.get("/chains", response_model=ChainList, responses=responses(422, 503), summary="Chains by TVL")
async def chains(request: Request, rt: Rt, limit: Limit100 = 100) -> Response:
    """The largest first."""
    cached = await defi.chains(rt)
    whole = sum(row.tvl for row in cached.value)
    data = [
        {
            "rank": rank,
            "name": row.name,
            "symbol": row.symbol,
            "chain_id": row.chain_id,
            "tvl": row.tvl,
            "share_pct": 100 * row.tvl / whole if whole else 0.0,
        }
        for rank, row in enumerate(cached.value[:limit], 1)
    ]
    about = meta_of(rt, cached, total=len(cached.value))
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.defi)


@router.get(
    "/yields",
    response_model=PoolList,
    responses=responses(404, 422, 503),
    summary="Pools that pay a yield",
)
async def yields(
    request: Request,
    rt: Rt,
    chain: ChainName = None,
    project: Annotated[Part, Query(description="One project.", examples=["aave-v3"])] = None,
    symbol: Annotated[Part, Query(description="A ticker in the pool.", examples=["USDC"])] = None,
    stablecoin: Annotated[
        bool | None, Query(description="Only pools of stablecoins, or only others.", examples=[True])
    ] = None,
    min_tvl: Annotated[
        float, Query(ge=0, le=1e12, description="Least TVL, US dollars.", examples=[1_000_000])
    ] = 0.0,
    page: PageNumber = 1,
    page_size: PageSize = 50,
) -> Response:
    """The largest 5 000 pools by TVL, the largest first."""
    cached = await defi.yields(rt)
    found = cached.value
    if chain is not None:
        ranked = await chain_names.on_chain(rt, cached, chain, lambda row: (row.chain,), kept="yields")
        found = [row for _, row in ranked]
    rows = [
        row
        for row in found
        if (project is None or _same(project, row.project))
        and (symbol is None or symbol.casefold() in row.symbol.casefold().replace("-", " ").split())
        and (stablecoin is None or row.stablecoin == stablecoin)
        and row.tvl >= min_tvl
    ]
    shown, about_page = page_of(rows, page, page_size)
    data = [
        {
            "pool": row.pool,
            "project": row.project,
            "chain": row.chain,
            "symbol": row.symbol,
            "tvl": row.tvl,
            "apy": row.apy,
            "apy_base": row.apy_base,
            "apy_reward": row.apy_reward,
            "apy_mean_30d": row.apy_mean_30d,
            "stablecoin": row.stablecoin,
            "exposure": row.exposure,
            "il_risk": row.il_risk,
        }
        for row in shown
    ]
    content = {"data": data, "page": about_page}
    return data_response(request, content, meta_of(rt, cached), ttl_s=rt.freshness.defi)


@router.get(
    "/stablecoins", response_model=StablecoinList, responses=responses(422, 503), summary="Stablecoins"
)
async def stablecoins(request: Request, rt: Rt, limit: Limit100 = 100) -> Response:
    """By what circulates in US dollars, the largest first; coins without a price come last."""
    cached = await defi.stablecoins(rt)
    data = [
        {
            "id": row.native_id,
            "name": row.name,
            "symbol": row.symbol,
            "pegged_to": row.pegged_to,
            "mechanism": row.mechanism,
            "price": row.price,
            "circulating": row.circulating,
            "circulating_usd": None if row.price is None else row.circulating * row.price,
            "change_1d_pct": _change(row.circulating, row.circulating_1d_ago),
            "change_7d_pct": _change(row.circulating, row.circulating_7d_ago),
            "change_30d_pct": _change(row.circulating, row.circulating_30d_ago),
            "chains": list(row.chains),
        }
        for row in cached.value[:limit]
    ]
    about = meta_of(rt, cached, total=len(cached.value))
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.defi)


@router.get(
    "/dex-volumes", response_model=DexList, responses=responses(422, 503), summary="Decentralised exchanges"
)
async def dex_volumes(request: Request, rt: Rt, limit: Limit100 = 50) -> Response:
    """By volume of 24 h, the largest first."""
    cached = await defi.dex_volumes(rt)
    data = [
        {
            "rank": rank,
            "slug": row.slug,
            "name": row.name,
            "chains": list(row.chains),
            "volume_24h": row.volume_24h,
            "volume_7d": row.volume_7d,
            "volume_30d": row.volume_30d,
            "change_1d_pct": row.change_1d_pct,
            "change_7d_pct": row.change_7d_pct,
        }
        for rank, row in enumerate(cached.value[:limit], 1)
    ]
    whole = sum(row.volume_24h for row in cached.value)
    about = meta_of(rt, cached, total=len(cached.value), volume_24h=whole)
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.defi)


def _same(text: str, name: str | None) -> bool:
    return name is not None and name.casefold() == text.casefold()


def _protocol(rank: int, row: DefiProtocol) -> dict[str, Any]:
    return {
        "rank": rank,
        "slug": row.slug,
        "name": row.name,
        "symbol": row.symbol,
        "category": row.category,
        "chain": row.chain,
        "chains": list(row.chains),
        "tvl": row.tvl,
        "change_1h_pct": row.change_1h_pct,
        "change_1d_pct": row.change_1d_pct,
        "change_7d_pct": row.change_7d_pct,
        "market_cap": row.market_cap,
        "url": row.url,
    }


def _days(points: Iterable[TvlPoint]) -> list[dict[str, Any]]:
    return [
        {"date": (at := rfc3339(point.at_ms))[:10], "timestamp": at, "tvl": point.tvl} for point in points
    ]


def _parts(parts: Iterable[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"name": name, "tvl": tvl} for name, tvl in sorted(parts, key=lambda part: -part[1])]


def _change(now: float, before: float | None) -> float | None:
    return 100 * (now / before - 1) if before else None
