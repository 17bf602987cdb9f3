"""The routers are made ready by themselves after a start, one at a time."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI

from crypto_dt_source.api import app as application
from crypto_dt_source.clock import ManualClock


class _Seen:
    """A route that notes when it is looked through."""

    def __init__(self, clock: ManualClock, seen: list[float]) -> None:
        self._clock, self._seen = clock, seen

    def matches(self, scope: object) -> None:
        self._seen.append(self._clock.monotonic())


async def test_each_router_is_looked_through_once_and_never_two_together() -> None:
    clock = ManualClock()
    seen: list[float] = []
    app = FastAPI()
    app.router.routes[:] = [_Seen(clock, seen) for _ in range(3)]  # type: ignore[misc]
    task = asyncio.create_task(application._prepare(app, clock))
    await clock.advance(application.READY_FROM_S + 4 * application.READY_EVERY_S)
    assert task.done()
    first, every = application.READY_FROM_S, application.READY_EVERY_S
    assert [round(at - first, 6) for at in seen] == [0, every, 2 * every]


def test_health_is_the_first_router() -> None:
    assert application.ROUTERS[0].__name__.endswith(".health")
