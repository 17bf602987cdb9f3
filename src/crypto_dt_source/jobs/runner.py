"""Runs the timetable on the clock: each run is a task with an owner, a deadline and a way to stop.

A job may fail in two ways. What is to be expected (a CdtsError, the deadline) is noted, logged once, and the job goes
on at its next time. Anything else is a bug: it is logged with its traceback, shown as `crashed` in health, and a job with a
period is started again after a growing pause; one with a crontab at its next time.

Jobs with a crontab are started by one task, which compares what was taken up with the crontab's times. So a time that
passed while the process was away, the host suspended or the run before still under way is seen, and however many such
times there are, one run makes up for all of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable
from functools import partial
from typing import Any

from ..model.errors import AllProvidersFailed, CdtsError, UpstreamTimeout, UpstreamUnreachable
from ..services.jobs import CRASHED
from ..services.runtime import Runtime
from ..services.schedule import CATCH_UP, OK, START, TIMETABLE, Plan, Schedule, error_text
from ..store.repos.jobs import INTERRUPTED, JobRun
from ..telemetry import logger
from .timetable import Job, plan_of

log = logger("jobs")
UNREACHED = frozenset({UpstreamUnreachable.code, UpstreamTimeout.code, AllProvidersFailed.code})
"""What a job ends with where nothing can be reached."""
JITTER_SHARE = 0.05
"""Each wait is up to this much longer, so that venues are not asked in step."""
MOST_JITTER_S = 20.0
"""The same for a crontab's times, which people look at."""
FIRST_ROUND_S = 4.0
"""The first round of quotes counts as over after this long, whoever is still missing."""
CRASH_REST_S = 10.0
LONGEST_CRASH_REST_S = 600.0
LOOK_S = 30.0
"""The longest between two looks at the crontabs: a suspended host's clock stands still while the time of day goes on."""
LATE_MS = 60_000
"""A time taken up later than this, its jitter apart, was missed."""
AHEAD_MS = 60_000
"""What was taken up further ahead of now was so by a clock that was wrong."""
BUSY_S = 5.0
"""How soon to look again at a job that runs in another process."""


class Runner:
    """Owns the jobs' tasks. `start` once, `stop` once. `collects`: the first round of quotes is among its jobs, and it
    tells when that is over. Not `fenced`: they go on while nobody can know who leads. Without a `schedule` nothing of the
    runs is stored."""

    def __init__(
        self,
        rt: Runtime,
        jobs: Iterable[Job],
        *,
        schedule: Schedule | None = None,
        seed: int | None = None,
        collects: bool = True,
        fenced: bool = True,
    ) -> None:
        self._rt = rt
        self._collects = collects
        self._fenced = fenced
        self._jobs = tuple(jobs)
        self._schedule = schedule or Schedule(rt.clock, [plan_of(job, {}) for job in self._jobs])
        self._random = random.Random(seed)  # noqa: S311 - spreads load, guards nothing
        self._tasks: set[asyncio.Task[None]] = set()
        self._works: dict[str, asyncio.Future[int]] = {}
        self._again: dict[str, str] = {}
        self._first_polls = {
            job.id for job in self._jobs if job.id.startswith("quotes:") and job.first_s == 0
        }
        self._first: dict[str, float] = {}
        """When the jobs with a crontab may begin."""
        self._fresh: set[str] = set()
        """Of them those that have not begun yet."""
        self._jitter_ms: dict[str, int] = {}
        self._crashes: dict[str, int] = {}
        self._untold: set[str] = set()
        """Jobs whose failure was not told while nothing could be reached."""
        self._stopping = False
        self.runs: dict[str, int] = {}

    def plan(self, job: Job) -> Plan:
        """What a job is planned as."""
        return self._schedule.plans[job.id]

    def start(self) -> None:
        """Begin every job."""
        timed = []
        for job in self._jobs:
            plan = self.plan(job)
            plan.begin = partial(self._asked, job)
            plan.end = partial(self._end, job)
            if plan.crontab is not None:
                timed.append(job)
                self._first[job.id] = self._rt.clock.monotonic() + plan.first_s
                self._fresh.add(job.id)
            elif not plan.off:
                self._own(job, self._loop(job, plan.first_s))
        if timed:
            self._tasks.add(asyncio.create_task(self._keep_time(timed), name="timetable"))
        if self._collects:
            self._tasks.add(asyncio.create_task(self._first_round(), name="first round"))

    async def stop(self) -> None:
        """Cancel every job and wait until each has ended. Where that was cut short a second call waits for the rest."""
        # Cancelled twice, a run would leave its work behind.
        cancels, self._stopping = not self._stopping, True
        for job in self._jobs:
            plan = self.plan(job)
            plan.begin = plan.end = plan.next_ms = None
        tasks = list(self._tasks)
        for task in tasks if cancels else ():
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._tasks.clear()
        for job in self._jobs:
            self._rt.tasks.pop(job.id, None)
            # A task that was cancelled before its first step never had its run.
            self.plan(job).running = None

    def _own(self, job: Job, work: Coroutine[Any, Any, None], *, again: bool = True) -> None:
        task = asyncio.create_task(work, name=f"job {job.id}")
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, job, again))

    def _ended(self, job: Job, again: bool, task: asyncio.Task[None]) -> None:
        """A task that was cancelled, a single run that is over, or a bug."""
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        cause = self._again.pop(job.id, None)
        if error is not None:
            count = self._crashes[job.id] = self._crashes.get(job.id, 0) + 1
            rest_s = min(CRASH_REST_S * 2.0 ** (count - 1), LONGEST_CRASH_REST_S)
            self._rt.tasks[job.id] = CRASHED
            self._polled(job)
            log.error("job crashed", **job.named, again_in_s=rest_s if again else None, exc_info=error)
            if again and not self._stopping:
                self._own(job, self._loop(job, rest_s))
        if cause is not None and not self._stopping:
            self._asked(job, cause)

    def _asked(self, job: Job, cause: str) -> None:
        """Begin a run out of turn, unless one is under way."""
        self._begin(job, cause, self._rt.clock.now_ms(), taken=False)

    def _begin(self, job: Job, cause: str, due_ms: int, *, taken: bool) -> None:
        plan = self.plan(job)
        if plan.running is None and not self._stopping:
            plan.running = JobRun(job.id, cause, due_ms, self._rt.clock.now_ms())
            self._own(job, self._once(job, plan.running, taken=taken), again=False)

    def _end(self, job: Job, cause: str) -> None:
        """Cancel the run under way and begin another."""
        if self.plan(job).running is not None:
            self._again[job.id] = cause
            work = self._works.get(job.id)
            if work is not None:
                work.cancel()

    async def _keep_time(self, jobs: list[Job]) -> None:
        """Start each job when its crontab says so."""
        if not self._schedule.prepared:
            await asyncio.to_thread(self._schedule.prepare)
        clock = self._rt.clock
        while True:
            waits = [await self._consider(job) for job in jobs]
            await clock.sleep(max(0.001, min(waits)))

    async def _consider(self, job: Job) -> float:
        """Start a job if its time has come; gives the seconds until it is worth looking again."""
        plan, now = self.plan(job), self._rt.clock.now_ms()
        if plan.crontab is None or plan.paused or not self._schedule.may_run():
            plan.next_ms = None
            if plan.paused:
                # Resumed, it goes on at its next time.
                self._fresh.discard(job.id)
            return LOOK_S if plan.paused else BUSY_S
        if plan.due_ms is None or plan.due_ms > now + AHEAD_MS:
            await self._schedule.take(plan, now)
            plan.next_ms = None
        if plan.next_ms is None:
            self._next(job, plan, now if plan.due_ms is None else plan.due_ms)
        wait_s = self._first[job.id] - self._rt.clock.monotonic()
        if plan.running is not None or wait_s > 0:
            return min(LOOK_S, wait_s if wait_s > 0 else BUSY_S)
        fresh, due = job.id in self._fresh, plan.next_ms
        self._fresh.discard(job.id)
        late_ms = 0 if due is None else now - due - self._jitter_ms[job.id]
        if due is None or late_ms < 0:
            if fresh and plan.at_start:
                self._begin(job, START, now, taken=False)
            return LOOK_S if due is None else min(LOOK_S, -late_ms / 1000)
        newest = plan.crontab.latest(now) or due
        cause = TIMETABLE if newest == due and late_ms <= LATE_MS else CATCH_UP
        self._begin(job, cause, newest, taken=True)
        return BUSY_S

    def _next(self, job: Job, plan: Plan, after_ms: int) -> None:
        assert plan.crontab is not None  # noqa: S101 - asked by `_consider` alone
        plan.next_ms = plan.crontab.after(after_ms)
        later = None if plan.next_ms is None else plan.crontab.after(plan.next_ms)
        gap_s = MOST_JITTER_S if later is None or plan.next_ms is None else (later - plan.next_ms) / 1000
        jitter_s = self._random.uniform(0, min(MOST_JITTER_S, gap_s * JITTER_SHARE))
        self._jitter_ms[job.id] = round(jitter_s * 1000)

    async def _loop(self, job: Job, first_s: float) -> None:
        clock, plan = self._rt.clock, self.plan(job)
        plan.next_ms = clock.now_ms() + round(first_s * 1000)
        if first_s:
            await clock.sleep(first_s)
        due = clock.monotonic()
        while True:
            if not plan.paused and self._schedule.may_run(fenced=self._fenced):
                await self.run(job)
            due = max(due + plan.every_s, clock.monotonic())
            wait = due - clock.monotonic() + self._random.uniform(0, plan.every_s * JITTER_SHARE)
            plan.next_ms = clock.now_ms() + round(wait * 1000)
            await clock.sleep(wait)

    async def run(self, job: Job, cause: str = TIMETABLE) -> None:
        """One run, its outcome noted; none where one is under way here or in another process. Raises what is a bug."""
        plan, now = self.plan(job), self._rt.clock.now_ms()
        if plan.running is None:
            plan.running = JobRun(job.id, cause, plan.next_ms or now, now)
            await self._once(job, plan.running, taken=False)

    async def _once(self, job: Job, run: JobRun, *, taken: bool) -> None:
        """A run from its record's beginning to its end; `plan.running` all the while."""
        plan = self.plan(job)
        try:
            if not await self._schedule.began(plan, run, taken=taken):
                return
            if taken:
                plan.due_ms, plan.next_ms = run.due_ms, None
            work = self._works[job.id] = asyncio.ensure_future(self._work(job))
            if job.id in self._again:
                work.cancel()
            try:
                await asyncio.wait({work})
            finally:
                work.cancel()
                await asyncio.wait({work})
                error = await self._over(job, plan, run, work)
        finally:
            self._works.pop(job.id, None)
            plan.running = None
        if error is not None:
            raise error

    async def _work(self, job: Job) -> int:
        async with asyncio.timeout(job.deadline_s):
            return await job.run(self._rt)

    async def _over(
        self, job: Job, plan: Plan, run: JobRun, work: asyncio.Future[int]
    ) -> BaseException | None:
        """Note how the work ended. An error of ours to expect is logged once down and once up; gives one that is not."""
        outcome, rows, text = OK, None, None
        error = None if work.cancelled() else work.exception()
        if work.cancelled():
            outcome = INTERRUPTED
        elif isinstance(error, CdtsError):
            outcome, text, error = error.code, error_text(error.message), None
        elif isinstance(error, TimeoutError):
            outcome, text, error = "deadline_exceeded", f"still running after {job.deadline_s:g} s", None
        elif error is not None:
            outcome, text = CRASHED, type(error).__name__
        else:
            rows = work.result()
        if outcome not in (INTERRUPTED, CRASHED):
            self._noted(job, outcome, rows, text)
        ended = self._rt.clock.now_ms()
        await self._schedule.ended(
            plan, run._replace(ended_ms=ended, outcome=outcome, handled=rows, error=text)
        )
        return error

    def _noted(self, job: Job, outcome: str, rows: int | None, text: str | None) -> None:
        before = self._rt.tasks.get(job.id)
        self._rt.tasks[job.id] = outcome
        untold = job.id in self._untold
        self._untold.discard(job.id)
        if outcome in UNREACHED and (untold or before in (None, OK)) and self._rt.gateway.outage.total:
            # One line for all of them is `statistics.watch`'s; who fails on when that is over is told then.
            self._untold.add(job.id)
            log.debug("job failed", **job.named, code=outcome, reason=text)
        elif outcome != OK and (untold or before != outcome):
            log.warning("job failed", **job.named, code=outcome, reason=text)
        elif outcome == OK and not untold and before not in (None, OK):
            log.info("job works again", **job.named, rows=rows)
        self.runs[job.id] = self.runs.get(job.id, 0) + 1
        self._crashes.pop(job.id, None)
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
