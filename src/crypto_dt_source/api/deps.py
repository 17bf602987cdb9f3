"""What routers depend on, and the parameters several of them share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query, Request

from ..model.candle import INTERVAL_MS
from ..services.runtime import Runtime

TEXT = r"^[^\x00-\x1f\x7f]+$"


def runtime(request: Request) -> Runtime:
    """The process's Runtime, put there by the lifespan."""
    rt: Runtime = request.app.state.runtime
    return rt


Rt = Annotated[Runtime, Depends(runtime)]
Symbol = Annotated[
    str,
    Path(
        description="Ticker, pair or coin id: `BTC`, `btc`, `BTC-USD`, `BTCUSDT`, `bitcoin`.",
        min_length=1,
        max_length=64,
        examples=["BTC"],
    ),
]
SymbolQuery = Annotated[
    str, Query(description="Ticker, pair or coin id.", min_length=1, max_length=64, examples=["BTC"])
]
Vs = Annotated[
    str,
    Query(
        description="Currency of the prices: fiat, stablecoin, btc, eth or bnb.",
        min_length=1,
        max_length=10,
        examples=["usd"],
    ),
]
Limit100 = Annotated[int, Query(ge=1, le=100, description="Rows, 1 to 100.")]
Days = Annotated[int, Query(ge=1, le=3650, description="Days of history, counted back from now.")]
PageNumber = Annotated[int, Query(ge=1, le=100_000, description="Page, counted from 1.")]
PageSize = Annotated[int, Query(ge=1, le=250, description="Rows a page, 1 to 250.")]
ProviderQuery = Annotated[
    str | None, Query(description="Ask this provider alone (an id of GET /api/providers).", max_length=64)
]
Interval = Annotated[
    str,
    Query(
        description="Candle length.",
        pattern="^(" + "|".join(INTERVAL_MS) + ")$",
        examples=["1h"],
    ),
]
