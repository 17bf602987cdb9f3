"""Paths people guess: a symbol may hold slashes, so `/api/prices/BTC/history` is a symbol that nobody knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from ..model.errors import InvalidParameter, NotFound, UnknownSymbol
from ..services.runtime import Runtime

PLACES = {
    "price": "/api/prices/{}",
    "sources": "/api/prices/{}/sources",
    "history": "/api/prices/history/{}",
    "ohlcv": "/api/ohlcv?symbol={}",
    "candles": "/api/ohlcv?symbol={}",
    "orderbook": "/api/orderbook?symbol={}",
    "trades": "/api/trades?symbol={}",
    "sentiment": "/api/sentiment/{}",
}
"""Where that is which people look for behind a symbol."""


@contextmanager
def found_elsewhere(rt: Runtime, symbol: str) -> Iterator[None]:
    """Turns UnknownSymbol within into NotFound with the right route, where `symbol` is a known one and the name of something
    that is elsewhere."""
    try:
        yield
    except UnknownSymbol:
        place = _place(rt, symbol)
        if place is None:
            raise
        raise NotFound(
            f"There is no such route; what you look for is at {place}.", details={"route": place}
        ) from None


def _place(rt: Runtime, symbol: str) -> str | None:
    known, _, part = symbol.rstrip("/").rpartition("/")
    template = PLACES.get(part.lower())
    if template is None:
        return None
    try:
        rt.resolver.resolve(known, suggest=False)
    except (UnknownSymbol, InvalidParameter):
        return None
    return template.format(quote(known, safe="" if "?" in template else "/"))
