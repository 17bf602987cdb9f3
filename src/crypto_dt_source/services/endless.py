"""Background work that never ends by itself: what has a bug is told of and begun again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from ..clock import Clock
from ..telemetry import logger

REST_S = 1.0
"""From a crash to the next beginning."""


class Endless:
    """Owns tasks. `component` and `sentence` are what the log says when one crashes."""

    def __init__(self, clock: Clock, component: str, sentence: str) -> None:
        self._clock = clock
        self._log = logger(component)
        self._sentence = sentence
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False

    def begin(self, name: str, work: Callable[[], Awaitable[None]], rest_s: float = 0.0) -> None:
        """Do `work` after so many seconds, and again whenever it crashes, until `stop`."""

        async def begun() -> None:
            await self._clock.sleep(rest_s)
            await work()

        task = asyncio.create_task(begun(), name=name)
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, name, work))

    def _ended(self, name: str, work: Callable[[], Awaitable[None]], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error(self._sentence, task=name, again_in_s=REST_S, exc_info=error)
            if not self._stopping:
                self.begin(name, work, REST_S)

    async def stop(self) -> None:
        """End all of them, for good."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
