"""Runs the timetable on the clock: one task a job, each with an owner, a deadline and a way to stop."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable

from ..model.errors import CdtsError
from ..services.runtime import Runtime
from ..telemetry import logger
from .timetable import Job

log = logger("jobs")
JITTER_SHARE = 0.05
"""Each wait is this much shorter or longer, so that venues are not asked in step."""


class Runner:
    """Owns the jobs' tasks. `start` once, `stop` once."""

    def __init__(self, rt: Runtime, jobs: Iterable[Job], *, seed: int | None = None) -> None:
        self._rt = rt
        self._jobs = tuple(jobs)
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._tasks: list[asyncio.Task[None]] = []
        self._first_polls = {
            job.id for job in self._jobs if job.id.startswith("quotes:") and job.first_s == 0
        }
        self.runs: dict[str, int] = {}

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._loop(job), name=f"job {job.id}") for job in self._jobs]

    async def stop(self) -> None:
        """Cancel every job and wait until each has ended."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks = []

    async def _loop(self, job: Job) -> None:
        clock = self._rt.clock
        if job.first_s:
            await clock.sleep(job.first_s)
        due = clock.monotonic()
        while True:
            await self.run(job)
            spread = job.every_s * JITTER_SHARE
            due = max(due + job.every_s, clock.monotonic())
            await clock.sleep(max(0.0, due - clock.monotonic()) + self._random.uniform(0, spread))

    async def run(self, job: Job) -> None:
        """One run, its outcome noted. An error of ours to expect is logged once down and once up."""
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
        self._first_polls.discard(job.id)
        if not self._first_polls and self._rt.first_round is not None:
            self._rt.first_round.set()

    def _note(self, job: Job, before: str | None, code: str, message: str) -> None:
        self._rt.tasks[job.id] = code
        if before != code:
            log.warning("job failed", job=job.id, code=code, reason=message)
