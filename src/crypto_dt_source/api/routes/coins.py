"""Coins: the list by market cap, search, one coin's page."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.asset import Asset
from ...services import coin_pages, market, sparklines
from ...services import search as searching
from ..deps import TEXT, PageNumber, PageSize, Rt, Symbol
from ..errors import responses
from ..misplaced import found_elsewhere
from ..schemas.market import CoinPage, Coins, FoundList
from ..views import coin_view
from ..wrap import REUSE_S, about_page, ambiguous, data_response, meta, meta_of

router = APIRouter(prefix="/api/coins", tags=["market"])


@router.get("", response_model=Coins, responses=responses(422, 503), summary="Coins by market cap")
async def coins(
    request: Request,
    rt: Rt,
    page: PageNumber = 1,
    page_size: PageSize = 100,
    sparkline: Annotated[
        bool, Query(description="With the prices of the last seven days.", examples=[True])
    ] = False,
) -> Response:
    """Coins with market data, the largest first. A page past the end is empty."""
    lines = await sparklines.by_asset(rt) if sparkline else None
    rows, total, more = await coin_pages.coins_from(rt, (page - 1) * page_size, page_size)
    content = {
        "data": [coin_view(c, lines.value if lines is not None else None) for c in rows.value],
        "page": about_page(page, page_size, total, more),
    }
    about = meta_of(rt, rows)
    if lines is not None:
        about["source"] = sorted({*about["source"], *lines.source})
    return data_response(request, content, about, ttl_s=rt.freshness.coins)


def _found(asset: Asset) -> dict[str, Any]:
    return {"id": asset.id, "symbol": asset.ticker, "name": asset.name, "rank": asset.rank}


@router.get("/search", response_model=FoundList, responses=responses(422, 503), summary="Search coins")
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
    """Coins whose id, ticker or name matches, the largest first. When no upstream search answers, the coins known already,
    with `meta.note` and `meta.failed` saying so."""
    found = await searching.find(rt, q)
    about = meta(
        rt,
        source=found.source,
        fetched_ms=found.fetched_ms,
        state=found.state,
        failed=[{"provider": provider, "failure": failure} for provider, failure in found.failed],
        note=found.note,
    )
    content = {"data": [_found(a) for a in found.assets]}
    # What an upstream would have added may be there a moment later.
    return data_response(
        request, content, about, ttl_s=rt.freshness.coins, reuse_s=REUSE_S if found.note is None else 1
    )


@router.get("/{symbol:path}", response_model=CoinPage, responses=responses(404, 422, 503), summary="One coin")
async def coin(request: Request, rt: Rt, symbol: Symbol) -> Response:
    """One coin's page, with our consensus price beside the aggregator's figures."""
    with found_elsewhere(rt, symbol):
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
    about = meta_of(rt, cached, ambiguous=ambiguous(resolution))
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.coins)
