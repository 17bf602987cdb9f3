"""What is kept of runs: every one of the timetable, of internal work only what changed, and none at the price of the run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.timetable import JOBS, plan_of
from crypto_dt_source.model.errors import NotFound
from crypto_dt_source.services import collect, jobs, schedule
from crypto_dt_source.services.schedule import FIX, OK, PERSON, TIMETABLE, Plan, Schedule
from crypto_dt_source.store import Store, StoreError, open_store
from crypto_dt_source.store.repos import jobs as repo
from crypto_dt_source.store.repos.jobs import JobRun
from crypto_dt_source.stream import Bus, Event
from crypto_dt_source.wiring import crons_of

DAY_MS = 86_400_000


class Rig:
    """A schedule of one job of the timetable and one of internal work."""

    def __init__(self, store: Store, clock: ManualClock) -> None:
        self.clock = clock
        self.told: list[Event] = []
        bus = Bus()
        bus.add(self.told.append)
        self.timed = Plan("news", 1800, setting="news")
        self.internal = Plan("quotes:a", 60)
        self.schedule = Schedule(clock, [self.timed, self.internal], store=store, bus=bus)
        self.store = store

    async def ran(self, plan: Plan, outcome: str, cause: str = TIMETABLE) -> bool:
        await self.clock.advance(1)
        now = self.clock.now_ms()
        run = JobRun(plan.id, cause, now, now)
        if not await self.schedule.began(plan, run, taken=cause == TIMETABLE and plan.noted):
            return False
        await self.schedule.ended(plan, run._replace(ended_ms=now, outcome=outcome, handled=1))
        return True

    async def kept(self, plan: Plan) -> list[str | None]:
        rows, _ = await repo.page(self.store, plan.id, 100, 0)
        return [row.outcome for row in reversed(rows)]


async def rig(tmp_path: Path) -> Rig:
    clock = ManualClock(harness.START_MS)
    return Rig(await open_store(f"sqlite:///{tmp_path}/cdts.db", clock=clock), clock)


async def test_the_end_of_a_run_waits_only_so_long_to_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is cut off: who stops the timetable, because another may have it, waits for this."""
    monkeypatch.setattr(schedule, "RECORD_S", 0.01)
    found = await rig(tmp_path)
    run = JobRun("news", TIMETABLE, 1, 1)

    async def never(*_: object) -> int:
        return await asyncio.get_running_loop().create_future()

    try:
        monkeypatch.setattr(found.store, "write", never)
        async with asyncio.timeout(5):
            await found.schedule.ended(found.timed, run._replace(ended_ms=2, outcome=OK))
        assert found.timed.last is not None
    finally:
        await found.store.close()


async def test_the_end_of_a_run_is_stored_once_the_database_has_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it the run would be under way until its deadline, and the next one not begin."""
    found = await rig(tmp_path)
    try:
        run = JobRun("news", TIMETABLE, 1, 1)
        assert await found.schedule.began(found.timed, run, taken=True)
        before = JobRun("quotes:a", PERSON, 1, 1, 2, OK)
        with monkeypatch.context() as busy:
            busy.setattr(schedule, "RECORD_S", 0.01)
            async with found.store.between():
                # The writer holds this one, and the other waits behind it.
                await found.schedule.ended(found.internal, before)
                await found.schedule.ended(found.timed, run._replace(ended_ms=2, outcome=OK))
        assert await found.ran(found.timed, OK)
        assert await found.kept(found.timed) == [OK, OK]
    finally:
        await found.store.close()


async def test_internal_work_does_not_flood_the_table(tmp_path: Path) -> None:
    found = await rig(tmp_path)
    try:
        down = "all_providers_failed"
        outcomes = [OK, OK, down, down, down, OK, OK, "crashed", OK]
        for outcome in outcomes:
            await found.ran(found.internal, outcome)
            await found.ran(found.timed, outcome)
        await found.ran(found.internal, "interrupted")
        await found.ran(found.internal, OK, PERSON)
        await found.ran(found.internal, OK, FIX)
        assert await found.kept(found.timed) == outcomes
        assert await found.kept(found.internal) == [down, OK, "crashed", OK, OK, OK]
        told = [event.data["outcome"] for event in found.told if event.data["job"] == "quotes:a"]
        assert told == await found.kept(found.internal)
    finally:
        await found.store.close()


async def test_a_store_that_refuses_costs_the_record_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await rig(tmp_path)
    try:

        async def refuse(*_: object) -> int:
            raise StoreError("disk full")

        write = found.store.write
        monkeypatch.setattr(found.store, "write", refuse)
        assert await found.ran(found.timed, OK)
        assert await found.ran(found.timed, OK)
        monkeypatch.setattr(found.store, "write", write)
        assert await found.ran(found.timed, OK)
        assert await found.kept(found.timed) == [OK]
    finally:
        await found.store.close()
    assert capsys.readouterr().err.count("runs of jobs are not stored") == 1


async def test_what_was_taken_up_and_paused_is_known_after_a_restart(tmp_path: Path) -> None:
    found = await rig(tmp_path)
    try:
        await found.ran(found.timed, OK)
        due = found.clock.now_ms()
        await repo.pause(found.store, "quotes:a", True, due)
        open_run = JobRun("news", TIMETABLE, due + 1, due + 1)
        await found.schedule.began(found.timed, open_run, taken=True)
        again = Rig(found.store, found.clock)
        await again.schedule.restore()
        assert (again.timed.due_ms, again.timed.paused, again.internal.paused) == (due + 1, False, True)
        assert await found.kept(found.timed) == [OK, "interrupted"]
    finally:
        await found.store.close()


async def test_clean_up_forgets_runs_of_more_than_thirty_days_ago(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        for age in (31, 29):
            at = clock.now_ms() - age * DAY_MS
            await repo.put(rt.store, JobRun("news", TIMETABLE, at, at, at, OK, age))
        await collect.clean_up(rt)
        rows, _ = await jobs.runs(rt, "news", 1, 10)
        assert [row["rows"] for row in rows] == [29]
        with pytest.raises(NotFound):
            await jobs.one(rt, "nothing")


def test_every_setting_of_the_timetable_has_its_job(tmp_path: Path) -> None:
    crons = crons_of(harness.settings(tmp_path))
    assert {job.cron for job in JOBS if job.cron} == set(crons)
    assert crons["discovery"] == "off"
    every = harness.settings(tmp_path, enable_auto_discovery=True, auto_discovery_interval_hours=6)
    assert crons_of(every)["discovery"] == "@every 21600"
    given = harness.settings(
        tmp_path, enable_auto_discovery=True, cron_discovery="0 4 * * *", cron_news="OFF"
    )
    assert (crons_of(given)["discovery"], crons_of(given)["news"]) == ("0 4 * * *", "off")
    plans = {job.id: plan_of(job, crons_of(given)) for job in JOBS}
    assert (plans["news"].off, plans["news"].crontab) == (True, None)
    assert not plans["budgets"].off
