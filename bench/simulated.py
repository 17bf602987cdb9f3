"""The whole service on a clock that is moved by hand: the real Runtime over the simulator's app, without sockets.

Nothing is left out but the network: gateway, meters, jobs, services and a SQLite file are those of production. Time
moves on only when every task waits for the clock and no statement is under way in the store's threads, so a simulated
day runs as fast as its work can be done.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import source as gateway_source
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import Settings
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.store import Store
from crypto_dt_source.wiring import open_runtime

START_MS = 1_789_983_437_000
"""A Monday, 10:57:17 UTC."""
STEADY_MS = 20_000
TURNS = 12
"""Turns of the loop after which tasks that only hand on to each other have come to rest."""


class DayClock(ManualClock):
    """Waits for the store before time moves."""

    def __init__(self, start_ms: int = START_MS) -> None:
        super().__init__(start_ms)
        self.busy = 0
        self._idle = asyncio.Event()

    def watch(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """`call`, counted while it is under way."""

        @wraps(call)
        async def watched(*args: Any, **kwargs: Any) -> Any:
            self.busy += 1
            try:
                return await call(*args, **kwargs)
            finally:
                self.busy -= 1
                if not self.busy:
                    self._idle.set()

        return watched

    async def settle(self, turns: int = TURNS) -> None:
        """Let what is ready run, and what waits for the disk come back."""
        ready = getattr(asyncio.get_running_loop(), "_ready", None)
        quiet = 0
        while quiet < TURNS:
            if self.busy:
                self._idle.clear()
                await self._idle.wait()
                quiet = 0
                continue
            await asyncio.sleep(0)
            # Nothing ready in two turns: only the clock can wake anyone. A loop that does not tell is given more turns.
            quiet = 0 if ready else quiet + (1 if ready is None else TURNS // 2)


class SimTransport:
    """Hands requests to the simulator's app; `calls` counts them by provider."""

    def __init__(self, app: SimApp, clock: ManualClock) -> None:
        self._app = app
        self._clock = clock
        self.calls: Counter[str] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()
        self.paths: Counter[tuple[str, str]] = Counter()

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        """See `crypto_dt_source.gateway.transport.Transport`."""
        self.calls[provider] += 1
        self.paths[provider, request.path] += 1
        path, _, query = request.target().partition("?")
        sent = {**dict(request.headers), **headers}
        scope = {
            "type": "http",
            "method": request.method,
            "path": unquote(f"/{provider}{path}"),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }
        head: dict[str, Any] = {}
        body = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body or b"", "more_body": False}

        async def push(message: Any) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message["body"])

        await self._app(scope, receive, push)
        self.statuses[provider, head["status"]] += 1
        seen = {name.decode(): value.decode() for name, value in head["headers"]}
        return Reply(provider, head["status"], bytes(body), self._clock.now_ms(), seen)

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def service(
    folder: Path,
    *,
    keys: bool,
    clock: DayClock | None = None,
    sim: SimApp | None = None,
    background: bool = True,
    **values: Any,
) -> AsyncIterator[tuple[Runtime, SimApp, DayClock, SimTransport]]:
    """The service, with its jobs unless not `background`, its data in `folder`. `keys`: every keyed upstream is on. With the `clock` and
    the `sim` of an earlier one it is the same service after a restart."""
    clock = clock or DayClock()
    if sim is None:
        sim = create_app(7, clock)
        _lighten(sim)
    transport = SimTransport(sim, clock)
    given = {f"{name}_api_key": "k" for name in _KEYED} if keys else {}
    settings = Settings(_env_file=None, data_dir=folder, **given, **values)  # type: ignore[call-arg, arg-type]
    # One thread on purpose: time must not move while a body is parsed elsewhere.
    threads_from, gateway_source.THREAD_FROM_BYTES = gateway_source.THREAD_FROM_BYTES, 1 << 60
    store_calls = {name: getattr(Store, name) for name in ("write", "fetch")}
    for name, call in store_calls.items():
        setattr(Store, name, clock.watch(call))
    try:
        async with open_runtime(settings, clock=clock, transport=transport, background=background) as rt:
            yield rt, sim, clock, transport
    finally:
        gateway_source.THREAD_FROM_BYTES = threads_from
        for name, call in store_calls.items():
            setattr(Store, name, call)


def _lighten(sim: SimApp) -> None:
    """Make the upstreams cheaper to play: true prices move every 20 seconds, and the day's range of a pair is taken once
    an hour, a little wider. What is asked of them and what it costs of their limits stays as it is."""
    true_price, exact = sim.market.true_price, sim.market.day_range
    prices: dict[tuple[str, int], float] = {}

    def steady(ticker: str, at_ms: int) -> float:
        key = (ticker, at_ms // STEADY_MS)
        price = prices.get(key)
        if price is None:
            if len(prices) > 50_000:
                prices.clear()
            price = prices[key] = true_price(ticker, key[1] * STEADY_MS)
        return price

    sim.market.true_price = steady  # type: ignore[method-assign]
    kept: dict[tuple[str, str], tuple[int, float, float]] = {}

    def day_range(base: str, quote: str, at_ms: int) -> tuple[float, float]:
        hour = at_ms // 3_600_000
        known = kept.get((base, quote))
        if known is None or known[0] != hour:
            low, high = exact(base, quote, at_ms)
            known = kept[base, quote] = (hour, low * 0.9, high * 1.1)
        return known[1], known[2]

    sim.market.day_range = day_range  # type: ignore[method-assign]


_KEYED = ("coingecko", "coingecko_pro", "coinmarketcap", "coincap", "cryptocompare")
