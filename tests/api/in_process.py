"""The real application over the simulator, all in this process: no sockets, time moves only when told or slept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

import harness
from crypto_dt_source.api.app import serve_app
from crypto_dt_source.api.edge import Edge
from crypto_dt_source.clock import Clock, ManualClock
from crypto_dt_source.services import collect
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

ADDRESS = "http://service"
LONGEST_SKIPPED_S = 900.0


class SkippingClock(ManualClock):
    """Nobody waits: a sleep moves the time on at once. A budget that frees up in a second costs a test nothing. A sleep of
    many minutes is the deadline of something that works, and does not end by itself."""

    async def sleep(self, seconds: float) -> None:
        if seconds > LONGEST_SKIPPED_S:
            await super().sleep(seconds)
            return
        self._elapsed += max(0.0, seconds)
        await asyncio.sleep(0)


@dataclass
class Service:
    """A running service. `upstreams.dead = True` takes the network away; `edge` is the whole application."""

    rt: Runtime
    sim: SimApp
    clock: ManualClock
    edge: Edge
    client: httpx2.AsyncClient

    @property
    def upstreams(self) -> harness.SimTransport:
        return harness.transport_of(self.rt)

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    async def data(self, path: str) -> Any:
        """The body of an answer that must be 200."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def error(self, path: str, status: int, code: str) -> Any:
        """The body of an error that must be this one, in the one shape."""
        answer = await self.get(path)
        return error_of(answer, status, code)

    async def refreshed(self) -> None:
        """Wait for every refresh that is under way."""
        flights = [slot.flight for slot in self.rt.cache._slots.values() if slot.flight is not None]
        await asyncio.gather(*flights, return_exceptions=True)

    async def pass_time(self, seconds: float) -> None:
        """Move on: warm answers are forgotten after one second."""
        await self.clock.advance(seconds)


def error_of(answer: httpx2.Response, status: int, code: str) -> Any:
    """The body of an error answer, its shape and headers checked."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["code"] == code
    assert set(body) - {"retry_after"} == {"error", "code", "details", "request_id"}
    assert isinstance(body["error"], str)
    assert body["error"]
    assert isinstance(body["details"], dict)
    assert body["request_id"] == answer.headers["x-request-id"]
    assert answer.headers.get("retry-after") == (str(body["retry_after"]) if "retry_after" in body else None)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    return body


def application(rt: Runtime, clock: Clock, *, timeout_s: float = 20.0) -> Edge:
    """The application around a Runtime that is already open."""

    def opened() -> Any:
        raise AssertionError("the tests open the runtime themselves")

    edge = serve_app(opened, clock, timeout_s=timeout_s)
    edge.app.state.runtime = rt  # type: ignore[attr-defined]
    return edge


@asynccontextmanager
async def service(
    folder: Path,
    *,
    collected: bool = True,
    clock: ManualClock | None = None,
    timeout_s: float = 20.0,
    raise_errors: bool = True,
    **more: Any,
) -> AsyncIterator[Service]:
    """A service over a fresh simulator; `collected`: every venue's quotes were fetched once. `raise_errors`: an exception
    inside the application is raised here and not answered with a 500."""
    clock = clock or SkippingClock(harness.START_MS)
    async with harness.running(folder, clock=clock, **more) as (rt, sim, _):
        if collected:
            await collect.one_round(rt)
        edge = application(rt, clock, timeout_s=timeout_s)
        transport = httpx2.ASGITransport(app=edge, raise_app_exceptions=raise_errors)  # type: ignore[arg-type]
        async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
            yield Service(rt, sim, clock, edge, client)
