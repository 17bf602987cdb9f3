"""Jobs with a crontab: on time, never two runs of one at once, one run for everything that was missed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.runner import Runner
from crypto_dt_source.jobs.timetable import Job, plan_of
from crypto_dt_source.services.schedule import Schedule
from crypto_dt_source.store.repos.jobs import JobRun

NOON = 1_789_992_000_000
"""A Monday, 12:00:00 UTC."""
MINUTE_MS, HOUR_MS = 60_000, 3_600_000


class Notes:
    """A schedule that keeps what would be stored, in memory, so that simulated weeks take no disk."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.begun: list[JobRun] = []
        self.over: list[JobRun] = []
        self.taken: dict[str, int] = {}


class KeptSchedule(Schedule):
    notes: Notes

    async def began(self, plan: Any, run: JobRun, *, taken: bool) -> bool:
        self.notes.begun.append(run)
        if taken:
            self.notes.taken[plan.id] = run.due_ms
        return await super().began(plan, run, taken=taken)

    async def ended(self, plan: Any, run: JobRun) -> None:
        self.notes.over.append(run)
        await super().ended(plan, run)

    async def take(self, plan: Any, due_ms: int) -> None:
        self.notes.taken[plan.id] = due_ms
        await super().take(plan, due_ms)


class Rig:
    """A runner of jobs with crontabs on a clock that is moved by hand. `suspend` is what a laptop's lid does: the time of
    day goes on, and nothing else."""

    def __init__(
        self,
        crons: dict[str, str],
        *jobs: Job,
        clock: ManualClock | None = None,
        dues: dict[str, int] | None = None,
    ) -> None:
        self.clock = clock or ManualClock(NOON)
        self.rt: Any = SimpleNamespace(clock=self.clock, tasks={}, first_round=None)
        self.schedule = KeptSchedule(self.clock, [plan_of(job, crons) for job in jobs])
        self.schedule.notes = self.notes = Notes(self.clock)
        for name, due in (dues or {}).items():
            self.schedule.plans[name].due_ms = due
        self.schedule.prepare()
        self.runner = Runner(self.rt, jobs, schedule=self.schedule, seed=1, collects=False)

    async def __aenter__(self) -> Rig:
        self.runner.start()
        await self.clock.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.stop()

    async def suspend(self, seconds: float) -> None:
        self.clock._start_ms += round(seconds * 1000)
        await self.clock.settle()

    def causes(self) -> list[str]:
        return [run.cause for run in self.notes.over]


def job(name: str = "a", **values: Any) -> Job:
    async def nothing(rt: Any) -> int:
        return 1

    given: dict[str, Any] = {"every_s": 300, "run": nothing, "cron": name, **values}
    return Job(name, **given)


def lasting(seconds: float) -> Callable[[Any], Awaitable[int]]:
    async def work(rt: Any) -> int:
        await rt.clock.sleep(seconds)
        return 7

    return work


async def test_runs_at_its_times_a_little_late() -> None:
    async with Rig({"a": "*/5 * * * *"}, job(at_start=False)) as rig:
        await rig.clock.advance(3600)
    runs = rig.notes.over
    assert [run.due_ms for run in runs] == [NOON + n * 5 * MINUTE_MS for n in range(1, 12)]
    delays = [(run.started_ms - run.due_ms) / 1000 for run in runs]
    assert all(0 <= delay <= 15 for delay in delays)
    assert len(set(delays)) > 5
    assert set(rig.causes()) == {"timetable"}


async def test_the_first_collection_does_not_wait_for_the_timetable() -> None:
    async with Rig({"a": "0 * * * *", "b": "0 * * * *"}, job(first_s=5), job("b", at_start=False)) as rig:
        await rig.clock.advance(4)
        assert not rig.notes.over
        await rig.clock.advance(2)
        assert [(run.job, run.cause) for run in rig.notes.over] == [("a", "start")]
        await rig.clock.advance(3630)
    assert Counter(run.job for run in rig.notes.over) == {"a": 2, "b": 1}


async def test_what_fell_due_while_nothing_ran_is_made_up_for_by_one_run() -> None:
    dues = {"a": NOON - 26 * HOUR_MS}
    async with Rig({"a": "0 * * * *"}, job(first_s=3), dues=dues) as rig:
        await rig.clock.advance(60)
        assert [(run.cause, run.due_ms) for run in rig.notes.over] == [("catch_up", NOON)]
        await rig.clock.advance(3600)
    assert rig.causes() == ["catch_up", "timetable"]


async def test_a_suspended_host_makes_up_for_its_sleep_within_a_minute() -> None:
    async with Rig({"a": "0 * * * *"}, job(at_start=False)) as rig:
        await rig.clock.advance(600)
        await rig.suspend(5 * HOUR_MS / 1000)
        await rig.clock.advance(30)
        assert [(run.cause, run.due_ms) for run in rig.notes.over] == [("catch_up", NOON + 5 * HOUR_MS)]
        await rig.clock.advance(3600)
    assert rig.causes() == ["catch_up", "timetable"]


async def test_a_run_that_takes_longer_than_its_interval_delays_the_next() -> None:
    async with Rig({"a": "*/5 * * * *"}, job(run=lasting(12 * 60), at_start=False)) as rig:
        await rig.clock.advance(3600)
    runs = rig.notes.over[:4]
    assert [run.outcome for run in runs] == ["ok"] * 4
    assert all(
        before.ended_ms is not None and before.ended_ms <= after.started_ms
        for before, after in pairwise(runs)
    )
    assert [run.cause for run in runs] == ["timetable", "catch_up", "catch_up", "catch_up"]


async def test_a_clock_set_back_does_not_silence_a_job() -> None:
    async with Rig({"a": "*/5 * * * *"}, job(at_start=False), dues={"a": NOON + 400 * 24 * HOUR_MS}) as rig:
        await rig.clock.advance(330)
    assert [run.due_ms for run in rig.notes.over] == [NOON + 5 * MINUTE_MS]


async def test_off_is_only_run_by_hand() -> None:
    async with Rig({"a": "off"}, job()) as rig:
        await rig.clock.advance(7200)
        assert not rig.notes.over
        plan = rig.schedule.plans["a"]
        assert plan.begin is not None
        plan.begin("person")
        await rig.clock.settle()
    assert rig.causes() == ["person"]


async def test_paused_times_pass() -> None:
    async with Rig({"a": "*/5 * * * *"}, job(at_start=False)) as rig:
        plan = rig.schedule.plans["a"]
        plan.paused = True
        await rig.clock.advance(1800)
        assert not rig.notes.over
        await rig.schedule.take(plan, rig.clock.now_ms())
        plan.paused = False
        await rig.clock.advance(340)
    assert [(run.cause, run.due_ms) for run in rig.notes.over] == [("timetable", NOON + 35 * MINUTE_MS)]


async def test_nothing_runs_while_another_process_leads() -> None:
    async with Rig({"a": "*/5 * * * *"}, job(), Job("b", 10, lasting(0))) as rig:
        await rig.clock.advance(1)
        before = len(rig.notes.over)
        rig.schedule.leader = SimpleNamespace(leads=lambda: False, standing="follows")  # type: ignore[assignment]
        await rig.clock.advance(3600)
        assert len(rig.notes.over) == before == 2


async def test_a_stuck_run_is_ended_and_begun_again() -> None:
    starts = 0

    async def stuck(rt: Any) -> int:
        nonlocal starts
        starts += 1
        if starts == 1:
            await asyncio.get_running_loop().create_future()
        return 3

    async with Rig({"a": "0 * * * *"}, job(run=stuck)) as rig:
        await rig.clock.advance(10)
        plan = rig.schedule.plans["a"]
        assert plan.running is not None
        assert plan.end is not None
        plan.end("fix")
        await rig.clock.settle(50)
        assert plan.running is None
    assert [(run.cause, run.outcome) for run in rig.notes.over] == [("start", "interrupted"), ("fix", "ok")]


async def test_a_bug_is_noted_and_the_job_runs_at_its_next_time(capsys: pytest.CaptureFixture[str]) -> None:
    count = 0

    async def work(rt: Any) -> int:
        nonlocal count
        count += 1
        if count == 1:
            raise ZeroDivisionError("the rate cdts_live_0123456789abcdef")
        return 1

    async with Rig({"a": "*/5 * * * *"}, job(run=work)) as rig:
        await rig.clock.advance(1)
        assert rig.rt.tasks == {"a": "crashed"}
        await rig.clock.advance(330)
        assert rig.rt.tasks == {"a": "ok"}
    assert [(run.outcome, run.error) for run in rig.notes.over] == [
        ("crashed", "ZeroDivisionError"),
        ("ok", None),
    ]
    assert capsys.readouterr().err.count("job crashed") == 1


async def test_thirty_days_without_an_overlap_a_miss_or_a_leak() -> None:
    """The shipped timetable at its shipped times, one day of it here; `bench/timetable.py` runs the thirty."""
    report = await simulated(days=1)
    assert report == {"overlaps": 0, "missed": 0, "twice": 0, "tasks_left": 0}


async def simulated(days: int) -> dict[str, int]:
    from bench.timetable import simulate

    found = await simulate(days, seed=3)
    return {
        "overlaps": found.overlaps,
        "missed": found.missed,
        "twice": found.twice,
        "tasks_left": found.tasks_left,
    }
