"""The timetable as people see it: every job with its times and its last run; run now, pause, resume."""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from ..model.errors import Conflict, NotFound
from ..store.repos import jobs as repo
from ..store.repos.jobs import JobRun, JobState
from .runtime import Runtime
from .schedule import KEPT_DAYS, PERSON, Plan, run_row

DAY_MS = 86_400_000
CRASHED = "crashed"
"""What a job's last run ended with where the job itself is at fault."""
OF_ONE_UPSTREAM = ("quotes:", "coins:")
"""What the names of jobs begin with that ask one provider: why they fail is said of the provider."""


def plan_of(rt: Runtime, job: str) -> Plan:
    """Raises NotFound."""
    plan = rt.schedule.plans.get(job)
    if plan is None:
        raise NotFound(f"There is no job {job!r}; GET /api/jobs lists them.", details={"job": job})
    return plan


async def listed(rt: Runtime) -> list[dict[str, Any]]:
    """Every job, those of the timetable first. Raises StoreError."""
    states = await repo.states(rt.store)
    runs = await repo.latest(rt.store)
    plans = sorted(rt.schedule.plans.values(), key=lambda plan: (not plan.setting, plan.id))
    return [_view(rt, plan, states.get(plan.id), runs.get(plan.id)) for plan in plans]


async def one(rt: Runtime, job: str) -> dict[str, Any]:
    """Raises NotFound, StoreError."""
    plan = plan_of(rt, job)
    runs, _ = await repo.page(rt.store, plan.id, 1, 0)
    return _view(rt, plan, (await repo.states(rt.store)).get(plan.id), runs[0] if runs else None)


async def runs(rt: Runtime, job: str, page: int, size: int) -> tuple[list[dict[str, Any]], int]:
    """One page of a job's runs, the newest first, and how many there are. Raises NotFound, StoreError."""
    plan = plan_of(rt, job)
    rows, total = await repo.page(rt.store, plan.id, size, (page - 1) * size)
    return [run_row(row) for row in rows], total


async def run(rt: Runtime, job: str) -> dict[str, Any]:
    """Begin a run now, here or in the process that runs the timetable. Raises NotFound, StoreError, and Conflict where
    one is under way or nobody would run it."""
    plan = plan_of(rt, job)
    last, _ = await repo.page(rt.store, plan.id, 1, 0)
    if plan.running is not None or (last and _under_way(rt, plan, last[0])):
        raise Conflict(f"The job {plan.id!r} is running.", details={"job": plan.id})
    if plan.begin is not None and rt.schedule.may_run():
        plan.begin(PERSON)
    elif rt.store.dialect == "sqlite":
        raise Conflict(
            "Background work is switched off (ENABLE_BACKGROUND_TASKS); `cdts jobs run` runs a job by itself.",
            details={"job": plan.id},
        )
    else:
        await repo.ask(rt.store, plan.id, rt.clock.now_ms())
    return await one(rt, job)


async def pause(rt: Runtime, job: str) -> dict[str, Any]:
    """Let a job's times pass until it is resumed; a run under way goes on. Raises NotFound, StoreError."""
    plan = plan_of(rt, job)
    await repo.pause(rt.store, plan.id, True, rt.clock.now_ms())
    plan.paused = True
    return await one(rt, job)


async def resume(rt: Runtime, job: str) -> dict[str, Any]:
    """Take up its times again, from the next on. Raises NotFound, StoreError."""
    plan = plan_of(rt, job)
    state = (await repo.states(rt.store)).get(plan.id)
    if state is not None and state.paused:
        # What fell due meanwhile was not missed.
        await rt.schedule.take(plan, rt.clock.now_ms())
        await repo.pause(rt.store, plan.id, False, rt.clock.now_ms())
    plan.paused = False
    return await one(rt, job)


def restart(rt: Runtime, job: str, cause: str) -> bool:
    """End the run that is under way here, if there is one, and begin another; False where this process does not run the
    timetable. Raises NotFound."""
    plan = plan_of(rt, job)
    if plan.begin is None or not rt.schedule.may_run():
        return False
    if plan.running is not None and plan.end is not None:
        plan.end(cause)
    else:
        plan.begin(cause)
    return True


async def forget(rt: Runtime) -> int:
    """Delete runs past KEPT_DAYS; gives how many. Raises StoreError."""
    return await repo.drop(rt.store, rt.clock.now_ms() - KEPT_DAYS * DAY_MS)


def leadership(rt: Runtime) -> dict[str, Any]:
    """Who runs the timetable, and since when; nulls where that is not known."""
    leader = rt.schedule.leader
    # One that was suspended learns only at its next look that its lease is over.
    lapsed = leader.standing == "leads" and not leader.leads()
    since = None if lapsed else leader.since_ms
    return {
        "standing": "unknown" if lapsed else leader.standing,
        "leader": None if lapsed else leader.name,
        "since": None if since is None else rfc3339(since),
    }


def next_time(rt: Runtime, plan: Plan) -> int | None:
    """When the job runs next, ms; None for one that is off, paused, or in another process without a crontab."""
    if plan.off or plan.paused:
        return None
    if plan.next_ms is not None or plan.crontab is None:
        return plan.next_ms
    return plan.crontab.after(rt.clock.now_ms())


def _under_way(rt: Runtime, plan: Plan, last: JobRun) -> bool:
    return last.ended_ms is None and last.started_ms > rt.clock.now_ms() - plan.deadline_s * 1000


def _view(rt: Runtime, plan: Plan, state: JobState | None, stored: JobRun | None) -> dict[str, Any]:
    paused = state is not None and state.paused
    known = [run for run in (stored, plan.last) if run is not None]
    last = plan.running or max(known, key=lambda run: run.started_ms, default=None)
    at = None if paused else next_time(rt, plan)
    under_way = last is not None and _under_way(rt, plan, last)
    return {
        "id": plan.id,
        "cron": plan.crontab.text if plan.crontab is not None else None,
        "every_seconds": None if plan.crontab is not None or plan.off else plan.every_s,
        "setting": f"CRON_{plan.setting.upper()}" if plan.setting else None,
        "state": "running" if under_way else "off" if plan.off else "paused" if paused else "waiting",
        "paused": paused,
        "next_run": None if at is None else rfc3339(at),
        "deadline_seconds": plan.deadline_s,
        "last_run": None if last is None else run_row(last),
    }
