"""Claim 1 of the timetable: thirty simulated days of every job without an overlap, a miss or a leak; and of two processes on
one PostgreSQL exactly one runs it, with another taking over within 10 s of the end of the one that did (`leaders.py`).

The days are those of the shipped jobs at their shipped times, driven by the runner the service uses, on a clock that is moved
by hand. The work itself is a pause of a length drawn at random, now and then longer than the job's interval. The host is
suspended and the process started anew at random instants. A time counts as missed when no run took it up within MARGIN_S of
when one could: its own time, the end of the run before, of the sleep, of the start (and what the job waits after one).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
import sys
import tracemalloc
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

from bench.leaders import handovers, verdict_leaders
from bench.report import claim
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.runner import Runner
from crypto_dt_source.jobs.timetable import JOBS, Job, plan_of
from crypto_dt_source.model.crontab import Crontab
from crypto_dt_source.services.schedule import CATCH_UP, TIMETABLE, Plan, Schedule
from crypto_dt_source.settings import Settings
from crypto_dt_source.store.repos.jobs import JobRun
from crypto_dt_source.wiring import crons_of

BEGIN_MS = 1_789_992_000_000
"""A Monday, 12:00:00 UTC."""
DAY_S = 86_400
MARGIN_S = 90.0
"""Jitter and the longest between two looks are within it."""
SUSPENDED_A_DAY, STARTED_A_DAY = 2.0, 0.25


class Day(ManualClock):
    """A clock whose host can be suspended: the time of day goes on, and nothing else."""

    def suspend(self, seconds: float) -> None:
        self._start_ms += round(seconds * 1000)


class Kept(Schedule):
    """A schedule whose store is a dictionary that outlives it."""

    def __init__(self, clock: Day, plans: Sequence[Plan], runs: list[JobRun], dues: dict[str, int]) -> None:
        super().__init__(clock, plans)
        self._runs, self._dues = runs, dues

    async def restore(self) -> None:
        for plan in self.plans.values():
            plan.due_ms = self._dues.get(plan.id)

    async def began(self, plan: Plan, run: JobRun, *, taken: bool) -> bool:
        if taken:
            self._dues[plan.id] = run.due_ms
        return True

    async def ended(self, plan: Plan, run: JobRun) -> None:
        if plan.noted:
            self._runs.append(run)

    async def take(self, plan: Plan, due_ms: int) -> None:
        plan.due_ms = self._dues[plan.id] = due_ms


@dataclass(slots=True)
class Days:
    """What came of simulated days. `latest_s`: the longest a time waited though it could have run."""

    jobs: int = 0
    runs: int = 0
    times: int = 0
    overlaps: int = 0
    missed: int = 0
    twice: int = 0
    tasks_left: int = 0
    caught_up: int = 0
    latest_s: float = 0.0
    grown_kb: float = 0.0
    away: list[tuple[int, int]] = field(default_factory=list)
    """When the host slept, ms."""
    down: list[tuple[int, int]] = field(default_factory=list)
    """When no process ran, ms."""


def _working(job: Job, chance: random.Random) -> Job:
    """The job with a pause in the place of its work."""

    async def work(rt: Any) -> int:
        usual = chance.expovariate(1 / 4.0)
        await rt.clock.sleep(job.every_s * 1.5 if chance.random() < 0.002 else usual)
        return 1

    return Job(job.id, job.every_s, work, job.first_s, 1e9, job.cron, job.at_start)


async def simulate(days: int, *, seed: int) -> Days:
    """Run the shipped timetable for so many days."""
    chance = random.Random(seed)
    # Discovery too, which is off until somebody wants it.
    crons = crons_of(Settings(_env_file=None, enable_auto_discovery=True))  # type: ignore[call-arg]
    jobs = [_working(job, chance) for job in JOBS if job.cron]
    clock, found = Day(BEGIN_MS), Days(jobs=len(jobs))
    runs: list[JobRun] = []
    dues: dict[str, int] = {}
    end_ms = BEGIN_MS + days * DAY_S * 1000
    memory = 0
    while clock.now_ms() < end_ms:
        async with _process(clock, jobs, crons, runs, dues, seed):
            until = min(end_ms, clock.now_ms() + round(chance.expovariate(STARTED_A_DAY / DAY_S) * 1000))
            await _live(clock, until, chance, found)
        if not memory and clock.now_ms() > BEGIN_MS + days * DAY_S * 200:
            memory = _held()
        begun = clock.now_ms()
        clock.suspend(chance.uniform(5, 1200))
        found.down.append((begun, clock.now_ms()))
    found.grown_kb = (_held() - memory) / 1000 if memory else 0.0
    found.tasks_left = len(asyncio.all_tasks()) - 1
    judge(found, [(job, Crontab(crons[job.cron])) for job in jobs], runs, end_ms)
    return found


def _held() -> int:
    """Bytes held by the service's own code, the notes of this benchmark left out."""
    gc.collect()
    if not tracemalloc.is_tracing():
        return 0
    shot = tracemalloc.take_snapshot().filter_traces(
        [tracemalloc.Filter(True, "*/crypto_dt_source/jobs/runner.py")]
    )
    return sum(line.size for line in shot.statistics("filename"))


@asynccontextmanager
async def _process(
    clock: Day,
    jobs: Sequence[Job],
    crons: Mapping[str, str],
    runs: list[JobRun],
    dues: dict[str, int],
    seed: int,
) -> AsyncIterator[None]:
    """One life of the service."""
    rt: Any = SimpleNamespace(clock=clock, tasks={}, first_round=None)
    schedule = Kept(clock, [plan_of(job, crons) for job in jobs], runs, dues)
    await schedule.restore()
    schedule.prepare()
    runner = Runner(rt, jobs, schedule=schedule, seed=seed, collects=False)
    runner.start()
    try:
        yield
    finally:
        await runner.stop()


async def _live(clock: Day, until_ms: int, chance: random.Random, found: Days) -> None:
    """Let time pass, the host asleep now and then."""
    while (left_s := (until_ms - clock.now_ms()) / 1000) > 0:
        await clock.advance(min(left_s, chance.expovariate(SUSPENDED_A_DAY / DAY_S)), turns=6)
        if clock.now_ms() < until_ms:
            begun = clock.now_ms()
            clock.suspend(chance.choice((60, 900, 5 * 3600)) * chance.random())
            found.away.append((begun, clock.now_ms()))


def judge(found: Days, timed: Sequence[tuple[Job, Crontab]], runs: Sequence[JobRun], end_ms: int) -> None:
    by_job: defaultdict[str, list[JobRun]] = defaultdict(list)
    for run in runs:
        by_job[run.job].append(run)
    found.runs = len(runs)
    found.caught_up = sum(run.cause == CATCH_UP for run in runs)
    for job, crontab in timed:
        mine = sorted(by_job[job.id], key=lambda run: run.started_ms)
        ends = [run.ended_ms or 0 for run in mine]
        found.overlaps += sum(end > after.started_ms for end, after in zip(ends, mine[1:], strict=False))
        taken = [run for run in mine if run.cause in (TIMETABLE, CATCH_UP) and run.outcome == "ok"]
        cut = [run for run in mine if run.outcome != "ok"]
        whole = [run.due_ms for run in taken]
        found.twice += len(whole) - len(set(whole))
        # After a start a job waits `first_s` before it makes up for anything.
        waits = [(begun, ended + round(job.first_s * 1000)) for begun, ended in found.down]
        busy = [*found.away, *waits, *((run.started_ms, run.ended_ms or end_ms) for run in mine)]
        _missed(found, crontab, [*taken, *cut], sorted(busy), end_ms)


def _missed(
    found: Days, crontab: Crontab, taken: list[JobRun], busy: Sequence[tuple[int, int]], end_ms: int
) -> None:
    """Times that no run took up though one could have. `busy`: when none could."""
    taken.sort(key=lambda run: run.due_ms)
    at, position, first = crontab.after(BEGIN_MS), 0, 0
    while at is not None and at < end_ms - MARGIN_S * 1000:
        found.times += 1
        while position < len(taken) and taken[position].due_ms < at:
            position += 1
        while first < len(busy) and busy[first][1] < at - 8 * 3_600_000:
            first += 1
        run = taken[position] if position < len(taken) else None
        free = at
        for begun, ended in busy[first:]:
            if begun > free + MARGIN_S * 1000 or (run is not None and begun >= run.started_ms):
                break
            free = max(free, ended)
        if run is None:
            found.missed += free < end_ms - MARGIN_S * 1000
        else:
            late_s = (run.started_ms - free) / 1000
            found.latest_s = max(found.latest_s, late_s)
            found.missed += late_s > MARGIN_S
        at = crontab.after(at)


def verdict_days(found: Days, days: int) -> bool:
    """Print the claims of the simulated days."""
    return all([
        claim(f"runs of {found.jobs} jobs in {days} days that overlap", found.overlaps, "runs", "runs", found.runs, None, "0", not found.overlaps),
        claim("times of the timetable that were missed", found.missed, "times", "times", found.times, None, "0", not found.missed),
        claim("times that were run twice", found.twice, "times", "made up for", found.caught_up, None, "0", not found.twice),
        claim("longest a time waited that could have run", found.latest_s, "s", "", None, None, f"{MARGIN_S:g} s", found.latest_s <= MARGIN_S),
        claim("tasks left at the end", found.tasks_left, "tasks", "", None, None, "0", not found.tasks_left),
        claim("memory the runner grew by", found.grown_kb, "kB", "", None, None, "100 kB", found.grown_kb < 100),
    ])  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5, help="losses of the leader by each means; 0: none")
    arguments = parser.parse_args(argv)
    tracemalloc.start()
    met = verdict_days(asyncio.run(simulate(arguments.days, seed=arguments.seed)), arguments.days)
    tracemalloc.stop()
    if arguments.rounds:
        met &= verdict_leaders(asyncio.run(handovers(arguments.rounds, partial(print, flush=True))))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
