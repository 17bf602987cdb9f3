"""What a process does as it leads, follows, or cannot know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs import leading as module
from crypto_dt_source.jobs.leading import Leading
from crypto_dt_source.jobs.timetable import JOBS, Job, plan_of
from crypto_dt_source.services.endless import REST_S
from crypto_dt_source.services.schedule import Schedule
from crypto_dt_source.store.leader import HEARD_EVERY_S, Standing

TIMED = next(job.id for job in JOBS)


class Told:
    """A leader whose standing is what the test says."""

    def __init__(self) -> None:
        self.standing: Standing = "follows"
        self.next: Standing = "follows"
        self.name: str | None = None
        self.since_ms: int | None = None
        self.looks = 0
        self.fails = False
        self.closed = False

    def leads(self) -> bool:
        return self.standing == "leads"

    async def look(self) -> None:
        self.looks += 1
        if self.fails:
            self.fails = False
            raise ZeroDivisionError
        self.standing = self.next

    async def close(self) -> None:
        self.closed = True


class Rig:
    """A process with one job of the timetable and one poll."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = ManualClock()
        self.leader = Told()
        self.ran: dict[str, int] = {}
        jobs = [self.job(TIMED), self.job("quotes:a")]
        schedule = Schedule(self.clock, [plan_of(job, {}) for job in jobs], leader=self.leader)
        state = SimpleNamespace(prepare=None, state=None)
        self.rt: Any = SimpleNamespace(
            clock=self.clock,
            tasks={},
            first_round=None,
            feeds=None,
            schedule=schedule,
            sessions=SimpleNamespace(state=state),
            hub=SimpleNamespace(listened=lambda *_: False),
        )
        monkeypatch.setattr(module, "FOLLOWING", (self.job("follow"),))
        monkeypatch.setattr(module, "COUNTING", (self.job("count"),))
        self.spent_since: list[int | None] = []

        async def budgets(rt: Any, since_ms: int | None = None) -> int:
            self.spent_since.append(since_ms)
            return 0

        monkeypatch.setattr(module.restore, "budgets", budgets)
        self.leading = Leading(self.rt, jobs, None)

    def job(self, name: str) -> Job:
        async def work(rt: Any) -> int:
            self.ran[name] = self.ran.get(name, 0) + 1
            return 1

        return Job(name, 5, work)

    async def ran_now(self, standing: Standing) -> set[str]:
        """Jobs that run within a while once it stands so."""
        self.leader.next = standing
        await self.clock.advance(2 * HEARD_EVERY_S)
        self.ran.clear()
        await self.clock.advance(30)
        return set(self.ran)


@asynccontextmanager
async def started(rig: Rig) -> AsyncIterator[Rig]:
    await rig.leading.start()
    try:
        yield rig
    finally:
        await rig.leading.stop()


async def test_each_standing_has_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(Rig(monkeypatch)) as rig:
        assert await rig.ran_now("follows") == {"follow", "count"}
        assert rig.rt.first_round.is_set(), "nobody waits for quotes that are not collected here"
        # Nothing is known to be collected elsewhere, and nothing was collected here.
        assert await rig.ran_now("unknown") == {"follow", "count"}
        assert await rig.ran_now("leads") == {TIMED, "quotes:a", "count"}
        # The database is away: prices go on, in memory.
        assert await rig.ran_now("unknown") == {"quotes:a", "count"}
        assert await rig.ran_now("leads") == {TIMED, "quotes:a", "count"}
        assert await rig.ran_now("follows") == {"follow", "count"}
        assert TIMED not in rig.rt.tasks
    assert rig.leader.closed
    # What the other one spent counts from when it began to; that it was unknown for a while changes nothing.
    assert rig.spent_since == [1_700_000_000_000]
    rig.ran.clear()
    await rig.clock.advance(30)
    assert not rig.ran


async def test_a_bug_in_looking_after_the_leader_is_told_and_does_not_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(Rig(monkeypatch)) as rig:
        rig.leader.fails = True
        await rig.clock.advance(HEARD_EVERY_S + REST_S)
        before = rig.leader.looks
        assert await rig.ran_now("leads") == {TIMED, "quotes:a", "count"}
        assert rig.leader.looks > before + 5
    assert capsys.readouterr().err.count("who leads is not looked after") == 1


async def test_the_end_waits_for_what_a_change_had_begun_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch)
    gate, ended = asyncio.Event(), []

    async def slow(rt: Any) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            await gate.wait()
            ended.append(rt)
        return 0

    rig.leader.standing = rig.leader.next = "leads"
    rig.leading._jobs[:] = [replace(rig.leading._jobs[0], run=slow)]
    await rig.leading.start()
    await rig.clock.advance(1)
    rig.leader.next = "unknown"
    await rig.clock.advance(2 * HEARD_EVERY_S)
    stop = asyncio.create_task(rig.leading.stop())
    await rig.clock.settle()
    assert not stop.done()
    gate.set()
    await stop
    assert ended == [rig.rt]


async def test_a_change_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with started(Rig(monkeypatch)) as rig:
        start, failures = rig.leading._start_leading, [ZeroDivisionError]

        async def failing() -> None:
            if failures:
                raise failures.pop()
            await start()

        monkeypatch.setattr(rig.leading, "_start_leading", failing)
        assert await rig.ran_now("leads") == {TIMED, "quotes:a", "count"}
    assert capsys.readouterr().err.count("who leads is not looked after") == 1
