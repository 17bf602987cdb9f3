"""One model's queue: texts of many callers become few jobs of one thread.

Nobody waits for company: what comes while a job runs makes up the next one. A job takes a fair part of every caller's
texts, so that one headline does not stand behind a batch of hundreds. The model sorts a job's texts by length itself.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from ..clock import SystemClock
from ..model.errors import CdtsError, ModelBusy, ModelUnavailable
from ..telemetry import logger
from .threads import Worker, told

log = logger("models")

Item = TypeVar("Item")
Result = TypeVar("Result")
JOB = 64
"""Items of one job: at the embedded model's rate, a tenth of a second."""
WAITING = 4096
"""Items that may wait; beyond that callers are refused."""
PATIENCE_S = 15.0
"""Callers whose turn would come later are refused at once: a request is given up after 20 s."""
RECENT = 16
"""Jobs the rate is taken from."""
LONGEST_S = 60
"""A caller that is refused is never told to stay away longer."""


class _Request(Generic[Item, Result]):
    """What one caller asked for, and how far it is. `results` holds what is done, in order."""

    __slots__ = ("future", "items", "results")

    def __init__(self, items: Sequence[Item], future: asyncio.Future[list[Result]]) -> None:
        self.items = deque(items)
        self.results: list[Result] = []
        self.future = future


class Batcher(Generic[Item, Result]):
    """Runs `compute` in a thread of its own, on at most `job` items at a time.

    A caller that goes away takes its waiting items along. A job that fails fails everybody in it. `now` gives monotonic
    seconds; `patience_s` is the longest anybody is let wait for the items before theirs, at the rate of recent jobs.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[list[Item]], Sequence[Result]],
        *,
        job: int = JOB,
        waiting: int = WAITING,
        now: Callable[[], float] = SystemClock().monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._name = name
        self._compute = compute
        self._job = job
        self._limit = waiting
        self._now = now
        self._patience_s = patience_s
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._worker = Worker(f"model-{name}")
        self._requests: deque[_Request[Item, Result]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anybody waits for a result."""
        return self._running is not None

    @property
    def waiting(self) -> int:
        """Items not yet begun."""
        return sum(len(request.items) for request in self._requests)

    async def submit(self, items: Sequence[Item]) -> list[Result]:
        """One result an item, in order.

        Raises ModelBusy where the queue is full or too slow, ModelUnavailable where the model is closed before their turn or
        fails.
        """
        if self._closed:
            raise self._gone()
        if not items:
            return []
        if self.waiting + len(items) > self._limit:
            raise ModelBusy(
                f"{self.waiting} texts wait for the model {self._name}: ask again in a few seconds.",
                retry_after=5,
            )
        wait = self._expected_s(len(items))
        if wait > self._patience_s:
            raise ModelBusy(
                f"The model {self._name} would come to this in {wait:.0f} seconds, after what others asked before.",
                details={"model": self._name, "waiting": self.waiting, "expected_s": round(wait, 1)},
                retry_after=min(LONGEST_S, math.ceil(wait)),
            )
        request = _Request[Item, Result](items, asyncio.get_running_loop().create_future())
        self._requests.append(request)
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name=f"batches of {self._name}")
        return await request.future

    def _expected_s(self, count: int) -> float:
        """Seconds until `count` items have had their turn beside those that wait: of every other caller, jobs take as many
        at most. 0 while nothing is known of the rate."""
        items = sum(done for done, _ in self._recent)
        seconds = sum(taken for _, taken in self._recent)
        before = sum(min(len(r.items), count) for r in self._requests if not r.future.done())
        return before * seconds / items if items else 0.0

    async def close(self, last: Callable[[], None] | None = None) -> None:
        """Refuse what waits, let the job that runs come to its end, do `last` in the thread and end it."""
        self._closed = True
        self._refuse_waiting()
        if self._running is not None:
            await asyncio.wait([self._running])
        if last is not None:
            await asyncio.wait([self._worker.submit(last)])
        self._worker.stop()

    async def _run(self) -> None:
        """Job after job until nobody waits. Callers of one turn of the loop share the first."""
        try:
            while parts := self._next():
                await self._do(parts)
                if self._closed:
                    self._refuse_waiting()
        finally:
            self._running = None

    def _next(self) -> list[tuple[_Request[Item, Result], list[Item]]]:
        """Fair parts of the requests that have waited longest; what is left of them goes behind the others."""
        there = [request for request in self._requests if request.items and not request.future.done()]
        turn, later = there[: self._job], there[self._job :]
        room = self._job
        parts = []
        # The smallest first: what they leave of their share is for the large ones.
        for place, request in enumerate(sorted(turn, key=lambda request: len(request.items))):
            share = room // (len(turn) - place)
            taken = [request.items.popleft() for _ in range(min(share, len(request.items)))]
            room -= len(taken)
            parts.append((request, taken))
        self._requests = deque([*later, *turn])
        return parts

    async def _do(self, parts: Sequence[tuple[_Request[Item, Result], list[Item]]]) -> None:
        items = [item for _, taken in parts for item in taken]
        began = self._now()
        done = self._worker.submit(lambda: self._compute(items))
        await asyncio.wait([done])
        error = done.exception()
        if error is None:
            self._recent.append((len(items), self._now() - began))
        if error is not None and not isinstance(error, CdtsError):
            log.error("a model failed", model=self._name, error=repr(error))
            error = ModelUnavailable(
                f"The model {self._name} failed: {told(error)}", details={"model": self._name}
            )
        elif error is None and len(done.result()) != len(items):
            error = ModelUnavailable(
                f"The model {self._name} gave {len(done.result())} results for {len(items)}."
            )
        if error is not None:
            for request, _ in parts:
                if not request.future.done():
                    request.future.set_exception(error)
            return
        results = iter(done.result())
        for request, taken in parts:
            request.results.extend(next(results) for _ in taken)
            if not request.items and not request.future.done():
                request.future.set_result(request.results)

    def _refuse_waiting(self) -> None:
        for request in self._requests:
            if request.items and not request.future.done():
                request.future.set_exception(self._gone())
        self._requests.clear()

    def _gone(self) -> ModelUnavailable:
        return ModelUnavailable(f"The model {self._name} has been unloaded.", details={"model": self._name})
