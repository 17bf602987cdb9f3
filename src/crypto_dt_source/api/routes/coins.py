"""Coins: the list by market cap, search, one coin's page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.asset import Asset
from ...services import market
from ..deps import TEXT, PageNumber, Rt, Symbol
from ..errors import responses
from ..schemas import CoinPage, Coins, FoundList
from ..views import coin_view
from ..wrap import data_response, meta_of

router = APIRouter(prefix="/api/coins", tags=["market"])


@router.get("", response_model=Coins, responses=responses(404, 422, 503), summary="Coins by market cap")
async def coins(
    request: Request,
    rt: Rt,
    page: PageNumber = 1,
    page_size: Annotated[
        int, Query(ge=1, le=250, description="Rows a page; 250 divides into it evenly.")
    ] = 100,
) -> Response:
    """Coins with market data, the largest first."""
    start = (page - 1) * page_size
    upstream_page, offset = divmod(start, market.COINS_PER_PAGE)
    cached = await market.coin_list(rt, upstream_page + 1)
    rows = cached.value[offset : offset + page_size]
    more = offset + page_size < len(cached.value) or len(cached.value) == market.COINS_PER_PAGE
    content = {
        "data": [coin_view(c) for c in rows],
        "page": {
            "number": page,
            "size": page_size,
            "total": len(rt.resolver),
            "next": page + 1 if rows and more else None,
            "previous": page - 1 if page > 1 else None,
        },
    }
    return data_response(request, content, meta_of(rt, cached), ttl_s=rt.freshness.coins)


def _found(asset: Asset) -> dict[str, Any]:
    return {"id": asset.id, "symbol": asset.ticker, "name": asset.name, "rank": asset.rank}


@router.get("/search", response_model=FoundList, responses=responses(422), summary="Search coins")
async def search(
    request: Request,
    rt: Rt,
    q: Annotated[
        str,
        Query(
            description="Part of a name, ticker or id.",
            min_length=1,
            max_length=64,
            pattern=TEXT,
            examples=["bit"],
        ),
    ],
) -> Response:
    """Coins whose id, ticker or name matches, the largest first."""
    cached = await market.learn_from_search(rt, q)
    return data_response(
        request, {"data": [_found(a) for a in cached.value]}, meta_of(rt, cached), ttl_s=rt.freshness.coins
    )


@router.get("/{symbol}", response_model=CoinPage, responses=responses(404, 422, 503), summary="One coin")
async def coin(request: Request, rt: Rt, symbol: Symbol) -> Response:
    """One coin's page, with our consensus price beside the aggregator's figures."""
    resolution = rt.resolver.resolve(symbol)
    asset = resolution.asset
    cached = await market.coin(rt, asset)
    detail = cached.value
    point = rt.pricer.point(asset.id)
    data = {
        "id": asset.id,
        "symbol": asset.ticker,
        "name": asset.name,
        "rank": detail.rank,
        "description": detail.description,
        "homepage": detail.homepage,
        "categories": list(detail.categories),
        "genesis_date": detail.genesis_date,
        "hashing_algorithm": detail.hashing_algorithm,
        "price": point.price if point else None,
        "price_sources": point.sources if point else 0,
        "market_cap": detail.market_cap,
        "volume_24h": detail.volume_24h,
        "change_24h_pct": detail.change_24h_pct,
        "ath": detail.ath,
        "ath_date": detail.ath_date,
        "atl": detail.atl,
        "atl_date": detail.atl_date,
        "circulating_supply": detail.circulating_supply,
        "total_supply": detail.total_supply,
        "max_supply": detail.max_supply,
        "contracts": dict(detail.contracts),
        "former_tickers": [{"ticker": r.ticker, "until": r.until} for r in asset.renames],
        "as_of": rfc3339(detail.event_ms) if detail.event_ms is not None else None,
    }
    about = meta_of(rt, cached, ambiguous=[a.id for a in resolution.ambiguous])
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.coins)
