"""Order books and trades of one venue, with failover."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...services import books
from ..deps import ProviderQuery, Rt, SymbolQuery
from ..errors import responses
from ..schemas.prices import Book, Trades
from ..wrap import ambiguous, data_response, meta_of

router = APIRouter(prefix="/api", tags=["market"])


@router.get("/orderbook", response_model=Book, responses=responses(404, 422, 503), summary="Order book")
async def order_book(
    request: Request,
    rt: Rt,
    symbol: SymbolQuery,
    depth: Annotated[int, Query(ge=1, le=1000, description="Levels a side, 1 to 1000.", examples=[20])] = 20,
    provider: ProviderQuery = None,
) -> Response:
    """One venue's book, best prices first; the next venue's when the first cannot answer."""
    resolution = rt.resolver.resolve(symbol)
    cached = await books.order_book(rt, resolution.asset, resolution.quote, depth=depth, provider=provider)
    book = cached.value
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "pair": f"{book.base}/{book.quote}",
        "provider": book.provider,
        "time": rfc3339(book.event_ms) if book.event_ms is not None else None,
        "bids": [{"price": level.price, "size": level.size} for level in book.bids[:depth]],
        "asks": [{"price": level.price, "size": level.size} for level in book.asks[:depth]],
    }
    about = meta_of(rt, cached, ambiguous=ambiguous(resolution))
    return data_response(request, content, about, ttl_s=rt.freshness.orderbook)


@router.get("/trades", response_model=Trades, responses=responses(404, 422, 503), summary="Recent trades")
async def trades(
    request: Request,
    rt: Rt,
    symbol: SymbolQuery,
    limit: Annotated[int, Query(ge=1, le=1000, description="Trades, 1 to 1000.", examples=[50])] = 50,
    provider: ProviderQuery = None,
) -> Response:
    """One venue's newest trades, newest first."""
    resolution = rt.resolver.resolve(symbol)
    cached = await books.recent_trades(rt, resolution.asset, resolution.quote, limit=limit, provider=provider)
    rows = cached.value[:limit]
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "pair": f"{rows[0].base}/{rows[0].quote}" if rows else None,
        "provider": cached.source[0],
        "data": [
            {"id": t.trade_id, "price": t.price, "size": t.size, "side": t.side, "time": rfc3339(t.event_ms)}
            for t in rows
        ],
    }
    about = meta_of(rt, cached, ambiguous=ambiguous(resolution))
    return data_response(request, content, about, ttl_s=rt.freshness.orderbook)
