"""The application: routes, errors, documents, and the edge around it all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from .. import __version__
from ..clock import Clock
from ..services.runtime import Runtime
from . import errors
from .edge import Edge
from .routes import books, coins, health, market, ohlcv, prices, providers

ROUTERS = (prices, market, coins, ohlcv, books, providers, health)
DESCRIPTION = """Prices, candles, order books and market data of cryptocurrencies from many public upstreams.

Every answer says where it came from and how old it is (`meta`). `null` means that no upstream delivered the value."""

Open = Callable[[], AbstractAsyncContextManager[Runtime]]


def create_app() -> FastAPI:
    """The routes without a runtime: enough for the OpenAPI document."""
    app = FastAPI(
        title="Crypto-DT-Source",
        version=__version__,
        description=DESCRIPTION,
        docs_url="/docs",
        redoc_url="/redoc",
        openapi_url="/openapi.json",
    )
    errors.install(app)
    for module in ROUTERS:
        app.include_router(module.router)
    return app


def serve_app(open_runtime: Open, clock: Clock, *, timeout_s: float) -> ASGIApp:
    """The application with its runtime opened at start and closed at the end, behind the edge."""
    app = create_app()

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

    return Edge(app, clock, account, timeout_s=timeout_s)
