"""What routers depend on, and the parameters several of them share.

Unknown query parameters are ignored; of a parameter given twice the last counts.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request

from ..clock import parse_rfc3339
from ..model.bounds import FIRST_MS, LAST_MS
from ..model.errors import InvalidParameter
from ..services.runtime import Runtime

TEXT = r"^[^\x00-\x1f\x7f]+$"
SYMBOL_TEXT = "Ticker, pair or coin id: `BTC`, `btc`, `BTC-USD`, `BTC/USDT`, `BTCUSDT`, `bitcoin`."


def runtime(request: Request) -> Runtime:
    """The process's Runtime, put there by the lifespan."""
    rt: Runtime = request.app.state.runtime
    return rt


Rt = Annotated[Runtime, Depends(runtime)]
Symbol = Annotated[str, Path(description=SYMBOL_TEXT, min_length=1, max_length=64, examples=["BTC"])]
SymbolQuery = Annotated[str, Query(description=SYMBOL_TEXT, min_length=1, max_length=64, examples=["BTC"])]
Vs = Annotated[
    str | None,
    Query(
        description="Currency of the prices: fiat, stablecoin, btc, eth or bnb. Not given: the quote currency of a "
        "symbol that is a pair (`BTC-EUR` is answered in eur) if prices can be converted to it, else usd.",
        min_length=1,
        max_length=10,
        examples=["usd"],
    ),
]
Limit100 = Annotated[int, Query(ge=1, le=100, description="Rows, 1 to 100.", examples=[10])]
Days = Annotated[
    int, Query(ge=1, le=3650, description="Days of history, counted back from now.", examples=[7])
]
PageNumber = Annotated[int, Query(ge=1, le=100_000, description="Page, counted from 1.", examples=[1])]
PageSize = Annotated[int, Query(ge=1, le=250, description="Rows a page, 1 to 250.", examples=[50])]
ProviderQuery = Annotated[
    str | None,
    Query(
        description="Ask this provider alone (an id of GET /api/providers).",
        min_length=1,
        max_length=64,
        pattern=TEXT,
        examples=["binance"],
    ),
]
Interval = Annotated[
    Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d", "1w"],
    Query(description="Length of one candle or step.", examples=["1h"]),
]
Moment = Annotated[
    str | None,
    Query(
        description="RFC 3339 time (`2026-11-22T06:00:00Z`) or milliseconds since 1970.",
        max_length=40,
        examples=["2026-11-22T06:00:00Z"],
    ),
]


def moment(name: str, text: str | None) -> int | None:
    """Milliseconds of the time parameter `name`. Raises InvalidParameter."""
    if text is None:
        return None
    try:
        ms = int(text) if text.isascii() and text.isdigit() else parse_rfc3339(text)
    except (ValueError, OverflowError):
        ms = -1
    if not FIRST_MS <= ms < LAST_MS:
        raise InvalidParameter(
            f"{name}: give an RFC 3339 time or milliseconds since 1970, from 2009 on.",
            details={"parameter": name, "got": text, "allowed": "RFC 3339 or milliseconds"},
        )
    return ms
