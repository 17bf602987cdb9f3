"""The market: global figures and their history, movers, categories, trending, exchanges."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from ...clock import rfc3339
from ...model.market import ExchangeInfo
from ...services import history, market, tier_caps
from ...services.market import Coin
from ..access import Who
from ..deps import Days, Limit100, PageNumber, PageSize, Rt
from ..errors import responses
from ..schemas.market import (
    CategoryList,
    CoinList,
    ExchangeList,
    ExchangePage,
    Market,
    Snapshots,
    TrendingList,
)
from ..views import coin_view, sources_of, tier_limit
from ..wrap import data_response, meta, meta_of, page_of

router = APIRouter(prefix="/api", tags=["market"])


@router.get("/market", response_model=Market, responses=responses(503), summary="The whole market")
async def whole_market(request: Request, rt: Rt) -> Response:
    """Capitalisation, volume and dominance as an aggregator counts them, with our consensus prices of BTC and ETH."""
    cached, btc, eth = await market.overview(rt)
    figures = cached.value
    content = {
        "btc_price": btc.price if btc else None,
        "eth_price": eth.price if eth else None,
        "market_cap": figures.market_cap,
        "volume_24h": figures.volume_24h,
        "btc_dominance_pct": figures.btc_dominance_pct,
        "eth_dominance_pct": figures.eth_dominance_pct,
        "active_coins": figures.active_coins,
        "market_cap_change_24h_pct": figures.market_cap_change_24h_pct,
    }
    points = [point for point in (btc, eth) if point is not None and point.price is not None]
    about = meta_of(
        rt,
        cached,
        stale=cached.state == "stale" or any(point.stale for point in points),
        prices_source=sorted({name for point in points for name in sources_of(point)}),
        prices_as_of=rfc3339(min(point.as_of_ms for point in points)) if points else None,
    )
    return data_response(request, content, about, ttl_s=rt.freshness.market)


@router.get(
    "/market/history", response_model=Snapshots, responses=responses(422, 503), summary="The market over time"
)
async def market_history(request: Request, rt: Rt, caller: Who, days: Days = 7) -> Response:
    """Stored snapshots, ascending, no further back than the caller's tier goes."""
    days, cut = tier_caps.days(days, caller.tier.history_days)
    rows = await history.market(rt, days=days)
    data = [
        {
            "timestamp": rfc3339(r.timestamp),
            "provider": r.provider,
            "btc_price": r.btc_price,
            "eth_price": r.eth_price,
            "market_cap": r.market_cap,
            "volume_24h": r.volume_24h,
            "btc_dominance_pct": r.btc_dominance_pct,
            "eth_dominance_pct": r.eth_dominance_pct,
            "active_coins": r.active_coins,
            "market_cap_change_24h_pct": r.change_24h_pct,
        }
        for r in rows
    ]
    about = meta(
        rt,
        source={r.provider for r in rows},
        fetched_ms=rows[-1].timestamp if rows else None,
        state="hit",
        **tier_limit(caller, cut),
    )
    return data_response(request, {"data": data}, about, ttl_s=60)


@router.get(
    "/market/gainers", response_model=CoinList, responses=responses(422, 503), summary="Largest gains of 24 h"
)
async def gainers(request: Request, rt: Rt, limit: Limit100 = 10) -> Response:
    """By percent over 24 h, among the coins of the first page of 250 as the aggregator lists them: by its own market
    caps, and only those it gives a change for."""
    return await _movers(request, rt, rising=True, limit=limit)


@router.get(
    "/market/losers", response_model=CoinList, responses=responses(422, 503), summary="Largest losses of 24 h"
)
async def losers(request: Request, rt: Rt, limit: Limit100 = 10) -> Response:
    """By percent over 24 h, among the coins of the first page of 250 as the aggregator lists them: by its own market
    caps, and only those it gives a change for."""
    return await _movers(request, rt, rising=False, limit=limit)


async def _movers(request: Request, rt: Rt, *, rising: bool, limit: int) -> Response:
    cached = await market.movers(rt, rising=rising, limit=limit)
    rows: list[Coin] = cached.value
    return data_response(
        request, {"data": [coin_view(c) for c in rows]}, meta_of(rt, cached), ttl_s=rt.freshness.market
    )


@router.get(
    "/market/categories",
    response_model=CategoryList,
    responses=responses(422, 503),
    summary="Themes of coins",
)
async def categories(request: Request, rt: Rt, limit: Limit100 = 50) -> Response:
    """By market cap, the largest first."""
    cached = await market.categories(rt)
    data = [
        {
            "id": c.native_id,
            "name": c.name,
            "market_cap": c.market_cap,
            "change_24h_pct": c.change_24h_pct,
            "volume_24h": c.volume_24h,
            "coins": c.coins,
        }
        for c in cached.value[:limit]
    ]
    return data_response(request, {"data": data}, meta_of(rt, cached), ttl_s=rt.freshness.categories)


@router.get("/trending", response_model=TrendingList, responses=responses(503), summary="Trending coins")
async def trending(request: Request, rt: Rt) -> Response:
    """The top seven coins people look up now."""
    cached = await market.trending(rt)
    data = [
        {
            "position": row.position,
            "id": asset.id if asset else None,
            "symbol": row.ticker,
            "name": row.name,
            "rank": row.rank,
            "price": row.price,
            "change_24h_pct": row.change_24h_pct,
        }
        for asset, row in market.trends_of(rt, cached.value)
    ]
    return data_response(request, {"data": data}, meta_of(rt, cached), ttl_s=rt.freshness.trending)


def _exchange(row: ExchangeInfo) -> dict[str, Any]:
    return {
        "id": row.native_id,
        "name": row.name,
        "country": row.country,
        "year": row.year,
        "url": row.url,
        "trust_rank": row.trust_rank,
        "volume_24h_usd": row.volume_usd,
        "volume_24h_btc": row.volume_btc,
    }


@router.get("/exchanges", response_model=ExchangeList, responses=responses(422, 503), summary="Exchanges")
async def exchanges(request: Request, rt: Rt, page: PageNumber = 1, page_size: PageSize = 50) -> Response:
    """Exchanges as an aggregator lists them, the first 1000 where there are more."""
    cached = await market.exchanges(rt)
    rows, about_page = page_of([_exchange(r) for r in cached.value], page, page_size)
    return data_response(
        request, {"data": rows, "page": about_page}, meta_of(rt, cached), ttl_s=rt.freshness.exchanges
    )


@router.get(
    "/exchanges/{exchange_id}",
    response_model=ExchangePage,
    responses=responses(404, 422, 503),
    summary="One exchange",
)
async def exchange(
    request: Request,
    rt: Rt,
    exchange_id: Annotated[
        str, Path(description="Id of the list.", min_length=1, max_length=64, examples=["binance"])
    ],
) -> Response:
    """One exchange, and whether this service reads it directly."""
    cached = await market.exchange(rt, exchange_id)
    row, direct = cached.value
    content = {"data": {**_exchange(row), "read_directly_as": direct}}
    return data_response(request, content, meta_of(rt, cached), ttl_s=rt.freshness.exchanges)
