"""The application: routes, errors, documents, and the edge around it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from .. import __version__
from ..clock import Clock
from ..services.access import Access
from ..services.exports import Room
from ..services.runtime import Runtime
from . import asyncapi, dashboard, documents, errors, guide, wellknown
from .access_log import AccessLog
from .bodies import Places
from .cors import Cors
from .edge import Edge
from .gate import Gate
from .routes import (
    auth,
    blockchain,
    books,
    coins,
    defi,
    derivatives,
    diagnostics,
    discovery,
    health,
    historical,
    jobs,
    logs,
    market,
    metrics,
    models,
    news,
    ohlcv,
    pools,
    prices,
    providers,
    resources,
    scoreboard,
    sentiment,
    sessions,
    stats,
)
from .ws import Sockets

ROUTERS = (
    health,
    prices,
    market,
    coins,
    ohlcv,
    historical,
    books,
    derivatives,
    defi,
    news,
    sentiment,
    models,
    blockchain,
    # Before the others of its prefix: `/api/providers/scoreboard` is no provider's id.
    scoreboard,
    providers,
    resources,
    pools,
    auth,
    discovery,
    diagnostics,
    stats,
    metrics,
    logs,
    jobs,
    sessions,
)
TAGS = [
    {"name": "market", "description": "Prices, candles, order books, coins and the market as a whole."},
    {"name": "defi", "description": "Protocols, chains, TVL, yields, stablecoins, decentralised exchanges."},
    {"name": "news and sentiment", "description": "News from many feeds, and what models make of it."},
    {"name": "on-chain", "description": "Fees and statistics of chains."},
    {"name": "providers", "description": "Where the data comes from and how each upstream does."},
    {"name": "auth", "description": "Tokens for keys, what a key has used, and the keys themselves."},
    {
        "name": "stream",
        "description": "Live connections; the stream itself is in /asyncapi.json and docs/stream.md.",
    },
    {"name": "system", "description": "How the service does."},
]
DESCRIPTION = """Prices, candles, order books, DeFi, derivatives, news and sentiment of cryptocurrencies from many public upstreams.

Every answer says where it came from and how old it is (`meta`). `null` means that no upstream delivered the value.

Errors have one shape: `error` (one sentence), `code`, `details`, `request_id`, and `retry_after` where waiting helps.
Beside those named at each route: 404 `not_found` for a path that no route has, 405 `method_not_allowed` with `Allow`,
400 `bad_request` for a request that is not HTTP, 431 `too_large` for headers beyond 64 KiB.

Every GET answers HEAD too. `If-None-Match` with an answer's `ETag` gives 304 while nothing but its age has changed.
Unknown query parameters are ignored; of one given twice the last counts."""

Open = Callable[[], AbstractAsyncContextManager[Runtime]]


def create_app() -> FastAPI:
    """The routes without a runtime: enough for the OpenAPI document."""
    app = FastAPI(
        title="Crypto-DT-Source",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=TAGS,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.places = Places()
    app.state.security_contact = ""
    app.state.exports = Room()
    errors.install(app)
    documents.install(app)
    asyncapi.install(app)
    wellknown.install(app)
    guide.install(app)
    dashboard.install(app)
    for module in ROUTERS:
        # Their own routes, complete since their import: `include_router` has each built once more when the first request
        # comes by, tens of ms a router in which nobody else is answered.
        app.router.routes.extend(module.router.routes)
    return app


def serve_app(
    open_runtime: Open, clock: Clock, *, timeout_s: float, contact: str = "", origins: str = ""
) -> Edge:
    """The application with its runtime opened at start and closed at the end, behind the edge. `contact` is named in
    security.txt; pages of other `origins` may open WebSockets."""
    app = create_app()
    app.state.security_contact = contact

    @asynccontextmanager
    async def lifespan(inner: FastAPI) -> AsyncIterator[None]:
        async with open_runtime() as rt:
            inner.state.runtime = rt
            yield

    app.router.lifespan_context = lifespan

    def account(address: str, route: str, status: int, elapsed_ms: float) -> None:
        rt: Runtime | None = getattr(app.state, "runtime", None)
        if rt is not None:
            rt.accounts.request(address, route, status, elapsed_ms)

    def opened() -> Runtime | None:
        return getattr(app.state, "runtime", None)

    def access() -> Access | None:
        rt = opened()
        return None if rt is None else rt.access

    sockets = Sockets(opened, origins)
    return Edge(app, clock, account, Gate(access), timeout_s=timeout_s, sockets=sockets)


def published(app: ASGIApp, clock: Clock, *, origins: str = "", access_log: bool = False) -> ASGIApp:
    """What stands around the edge where the operator wants it: pages of other `origins`, a line for every request."""
    if origins:
        app = Cors(app, origins)
    return AccessLog(app, clock) if access_log else app
