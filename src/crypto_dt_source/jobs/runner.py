"""Runs the timetable on the clock: one task a job, each with an owner, a deadline and a way to stop.

A job may fail in two ways. What is to be expected (a CdtsError, the deadline) is noted, logged once, and the job goes
on at its next time. Anything else is a bug: it is logged with its traceback, shown as `crashed` in health, and the job
is started again after a growing pause.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from ..model.errors import CdtsError
from ..services.runtime import Runtime
from ..telemetry import logger
from .timetable import Job

log = logger("jobs")
JITTER_SHARE = 0.05
"""Each wait is up to this much longer, so that venues are not asked in step."""
FIRST_ROUND_S = 4.0
"""The first round of quotes counts as over after this long, whoever is still missing."""
CRASH_REST_S = 10.0
LONGEST_CRASH_REST_S = 600.0
CRASHED = "crashed"


class Runner:
    """Owns the jobs' tasks. `start` once, `stop` once. `collects`: the first round of quotes is among its jobs, and it
    tells when that is over."""

    def __init__(
        self, rt: Runtime, jobs: Iterable[Job], *, seed: int | None = None, collects: bool = True
    ) -> None:
        self._rt = rt
        self._collects = collects
        self._jobs = tuple(jobs)
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._tasks: set[asyncio.Task[None]] = set()
        self._first_polls = {
            job.id for job in self._jobs if job.id.startswith("quotes:") and job.first_s == 0
        }
        self._crashes: dict[str, int] = {}
        self._stopping = False
        self.runs: dict[str, int] = {}

    def start(self) -> None:
        """Begin every job."""
        for job in self._jobs:
            self._own(job, self._loop(job, job.first_s))
        if self._collects:
            self._tasks.add(asyncio.create_task(self._first_round(), name="first round"))

    async def stop(self) -> None:
        """Cancel every job and wait until each has ended."""
        self._stopping = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._tasks.clear()

    def _own(self, job: Job, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=f"job {job.id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, job))

    def _ended(self, job: Job, task: asyncio.Task[None]) -> None:
        """A job's task ends only when it is cancelled or has a bug."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        count = self._crashes[job.id] = self._crashes.get(job.id, 0) + 1
        rest_s = min(CRASH_REST_S * 2.0 ** (count - 1), LONGEST_CRASH_REST_S)
        self._rt.tasks[job.id] = CRASHED
        self._polled(job)
        log.error("job crashed", job=job.id, again_in_s=rest_s, exc_info=error)
        if not self._stopping:
            self._own(job, self._loop(job, rest_s))

    async def _loop(self, job: Job, first_s: float) -> None:
        clock = self._rt.clock
        if first_s:
            await clock.sleep(first_s)
        due = clock.monotonic()
        while True:
            await self.run(job)
            self._crashes.pop(job.id, None)
            due = max(due + job.every_s, clock.monotonic())
            jitter = self._random.uniform(0, job.every_s * JITTER_SHARE)
            await clock.sleep(due - clock.monotonic() + jitter)

    async def run(self, job: Job) -> None:
        """One run, its outcome noted. An error of ours to expect is logged once down and once up; raises what is not."""
        before = self._rt.tasks.get(job.id)
        try:
            async with asyncio.timeout(job.deadline_s):
                rows = await job.run(self._rt)
        except CdtsError as error:
            self._note(job, before, error.code, error.message)
        except TimeoutError:
            self._note(job, before, "deadline_exceeded", f"still running after {job.deadline_s:g} s")
        else:
            self._rt.tasks[job.id] = "ok"
            if before not in (None, "ok"):
                log.info("job works again", job=job.id, rows=rows)
        self.runs[job.id] = self.runs.get(job.id, 0) + 1
        self._polled(job)

    def _polled(self, job: Job) -> None:
        self._first_polls.discard(job.id)
        if self._collects and not self._first_polls and self._rt.first_round is not None:
            self._rt.first_round.set()

    async def _first_round(self) -> None:
        """People who came before the first quotes wait for most venues, not for the slowest."""
        await self._rt.clock.sleep(FIRST_ROUND_S)
        if self._rt.first_round is not None:
            self._rt.first_round.set()

    def _note(self, job: Job, before: str | None, code: str, message: str) -> None:
        self._rt.tasks[job.id] = code
        if before != code:
            log.warning("job failed", job=job.id, code=code, reason=message)
