"""The whole service in one process, without sockets: a Runtime whose transport is the simulator's ASGI app.

`async with harness.running(tmp_path) as (rt, sim, clock)`: time stands still until `clock.advance` moves it, and nothing
is collected in the background unless asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from built_once import simulator
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import UpstreamTimeout, UpstreamUnreachable
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import Settings
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.wiring import open_runtime
from schema_template import empty_database

T = TypeVar("T")
START_MS = 1_789_983_437_000
"""A Monday, 10:57:17 UTC: inside an interval of every length."""


class SimTransport:
    """Hands requests to the simulator's app. A hang ends when the clock passes the timeout; `dead` makes every upstream
    unreachable; `bend` may change a reply on its way; `calls` is what was sent, as (provider, path with query)."""

    def __init__(self, app: SimApp, clock: ManualClock) -> None:
        self._app = app
        self._clock = clock
        self.dead = False
        self.bend: Callable[[str, Request, Reply], Reply] | None = None
        self.calls: list[tuple[str, str]] = []

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.calls.append((provider, request.target()))
        if self.dead:
            raise UpstreamUnreachable("the network is down")
        exchange = asyncio.ensure_future(self._exchange(provider, request, headers))
        await asyncio.sleep(0)
        if not exchange.done():
            timer = asyncio.ensure_future(self._clock.sleep(timeout_s))
            try:
                await asyncio.wait({exchange, timer}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                timer.cancel()
                if not exchange.done():
                    exchange.cancel()
            if exchange.cancelled() or not exchange.done():
                raise UpstreamTimeout(f"no complete answer within {timeout_s:g} s")
        reply = exchange.result()
        return self.bend(provider, request, reply) if self.bend else reply

    async def _exchange(self, provider: str, request: Request, headers: Mapping[str, str]) -> Reply:
        path, _, query = request.target().partition("?")
        pending = [{"type": "http.request", "body": request.body or b"", "more_body": False}]
        head: dict[str, Any] = {}
        body = bytearray()
        complete = False

        async def receive() -> dict[str, Any]:
            return pending.pop() if pending else await asyncio.get_running_loop().create_future()

        async def push(message: Any) -> None:
            nonlocal complete
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message["body"])
                complete = not message.get("more_body", False)

        scope = {
            "type": "http",
            "method": request.method,
            "path": f"/{provider}{path}",
            "query_string": query.encode(),
            "headers": [
                (k.lower().encode(), v.encode()) for k, v in {**dict(request.headers), **headers}.items()
            ],
        }
        await self._app(scope, receive, push)
        if not complete:
            raise UpstreamUnreachable("the connection failed: ClientPayloadError")
        seen = {k.decode(): v.decode() for k, v in head["headers"]}
        return Reply(provider, head["status"], bytes(body), self._clock.now_ms(), seen)

    async def close(self) -> None:
        return None


def settings(tmp_path: Path, **values: Any) -> Settings:
    """Settings of a test: nothing from the environment's .env, data under `tmp_path`, no limits unless they are given."""
    values = {
        "free_tier_limit": "unlimited",
        "free_tier_daily": 0,
        "free_tier_symbols": 0,
        "free_tier_history_days": 0,
        **values,
    }
    return Settings(_env_file=None, data_dir=tmp_path / "data", **values)  # type: ignore[call-arg]


@asynccontextmanager
async def running(
    tmp_path: Path,
    *,
    background: bool = False,
    mode: str = "live",
    seed: int = 7,
    clock: ManualClock | None = None,
    sim: SimApp | None = None,
    transport: Any = None,
    **values: Any,
) -> AsyncIterator[tuple[Runtime, SimApp, ManualClock]]:
    """A Runtime over a simulator (a fresh one with `seed`, or `sim`). `values` are settings. Open it twice on the same
    `tmp_path` with the same `clock` and `sim` for a restart. The transport is `transport_of(rt)`."""
    clock = clock or ManualClock(START_MS)
    sim = sim or simulator(seed, clock)
    transport = transport or SimTransport(sim, clock)
    chosen = settings(tmp_path, **values)
    if not chosen.database_url:
        await asyncio.to_thread(empty_database, chosen.data_dir / "crypto-dt-source.db")
    async with open_runtime(chosen, clock=clock, transport=transport, background=background, mode=mode) as rt:
        yield rt, sim, clock


def transport_of(rt: Runtime) -> SimTransport:
    """The transport behind a Runtime of `running`."""
    source = next(iter(rt.gateway.sources.values()))
    assert isinstance(source.transport, SimTransport)
    return source.transport


async def drive(clock: ManualClock, work: Awaitable[T], *, step_s: float = 0.05, limit_s: float = 900.0) -> T:
    """The result of `work`, time moving on while it waits for it. Threads (the store, parsing) get real time."""
    task = asyncio.ensure_future(work)
    for _ in range(int(limit_s / step_s)):
        await asyncio.wait({task}, timeout=0.002)
        if task.done():
            return task.result()
        await clock.advance(step_s)
    task.cancel()
    raise AssertionError(f"still waiting after {limit_s:g} simulated seconds")


async def settled(rt: Runtime) -> None:
    """Wait for the refreshes now under way behind answers, without moving time."""
    flights = [slot.flight for slot in rt.cache._slots.values() if slot.flight is not None]
    if flights:
        await asyncio.wait(flights, timeout=20)
