"""What goes on by itself: jobs, and what waits in queues."""

from __future__ import annotations

from functools import partial

from ...model.errors import DeadlineExceeded
from .. import fixes
from ..jobs import CRASHED, OF_ONE_UPSTREAM
from ..runtime import Runtime
from ..schedule import Plan
from .finding import CRITICAL, ERROR, WARNING, Finding, Fix, Scene

OK = "ok"
STUCK_MS, TIMES_USUAL = 60_000, 10
"""A run that takes longer than the former and so many times its last good one is stuck before its deadline."""
UNEVEN_S = 1800
"""A job that may run for so long has much to do at one time and nothing at another (a backfill, a backup, a discovery): its
deadline alone says that it hangs."""
LATE_MS = 120_000
BACKLOG_SHARE = 0.8
WAITING_BYTES = 64 * 1024 * 1024


async def jobs(at: Scene) -> list[Finding]:
    """Jobs that crash, hang, fail or do not run."""
    rt = at.running
    stuck = {plan.id: ms for plan in rt.schedule.plans.values() if (ms := _stuck_ms(rt, plan))}
    found = [_hangs(rt, job, f"has run for {ms // 1000} s") for job, ms in sorted(stuck.items())]
    for job, word in sorted(rt.tasks.items()):
        plan = rt.schedule.plans.get(job)
        under_way = plan is not None and plan.running is not None
        if job in stuck or word == OK or under_way:
            # What runs now is being tried again.
            continue
        if word == CRASHED:
            found.append(_crashed(rt, job))
        elif word == DeadlineExceeded.code:
            found.append(_hangs(rt, job, "was ended at its deadline"))
        elif not job.startswith(OF_ONE_UPSTREAM):
            found.append(_fails(job, word))
    told = {finding.subject for finding in found}
    late = [plan for plan in rt.schedule.plans.values() if plan.id not in told and _late_ms(rt, plan)]
    return found + [_late(rt, plan) for plan in late]


def _stuck_ms(rt: Runtime, plan: Plan) -> int | None:
    """How long a run has been under way that should be over; None where there is none."""
    if plan.running is None:
        return None
    ms = rt.clock.now_ms() - plan.running.started_ms
    if ms > plan.deadline_s * 1000:
        return ms
    last = plan.last
    if plan.deadline_s >= UNEVEN_S or last is None or last.ended_ms is None or last.outcome != OK:
        return None
    return ms if ms > max(STUCK_MS, TIMES_USUAL * (last.ended_ms - last.started_ms)) else None


def _late_ms(rt: Runtime, plan: Plan) -> int | None:
    """How late the next run is; None where it is not."""
    here = plan.begin is not None and rt.schedule.may_run() and not plan.off and not plan.paused
    if not here or plan.running is not None or plan.next_ms is None:
        return None
    late = rt.clock.now_ms() - plan.next_ms
    return late if late > LATE_MS else None


def _again(rt: Runtime, job: str) -> Fix | None:
    if job not in rt.schedule.plans:
        return None
    return Fix(f"end the job {job} where it runs, and start it again", partial(fixes.restart_job, rt, job))


def _hangs(rt: Runtime, job: str, how: str) -> Finding:
    return Finding(
        "job.stuck",
        ERROR,
        f"the job {job} {how}",
        "What it brings up to date grows old; it does not run again before this run ends.",
        "Let the diagnosis start it again (auto_fix); the log shows what it waited for.",
        job,
        _again(rt, job),
    )


def _crashed(rt: Runtime, job: str) -> Finding:
    return Finding(
        "job.crashed",
        ERROR,
        f"the job {job} crashed",
        "That is a defect; it is tried again after a growing pause.",
        "Let the diagnosis start it again (auto_fix), and report what the log says of it.",
        job,
        _again(rt, job),
    )


def _fails(job: str, word: str) -> Finding:
    return Finding(
        "job.failing",
        WARNING,
        f"the last run of the job {job} failed ({word})",
        "What it brings up to date grows old; it is tried again at its next time.",
        f"GET /api/jobs/{job}/runs has the reason.",
        job,
    )


def _late(rt: Runtime, plan: Plan) -> Finding:
    return Finding(
        "job.late",
        ERROR,
        f"the job {plan.id} should have run {(_late_ms(rt, plan) or 0) // 1000} s ago",
        "What it brings up to date grows old.",
        "Let the diagnosis start it (auto_fix); if others are late too, the process has too little CPU.",
        plan.id,
        _again(rt, plan.id),
    )


async def queues(at: Scene) -> list[Finding]:
    """What waits: accounts for the database, frames for clients, lines for the log."""
    rt = at.running
    found = []
    accounts = rt.accounts
    if accounts.dropped:
        found.append(
            Finding(
                "queue.accounts_dropped",
                ERROR,
                f"{accounts.dropped} requests and upstream calls could not be recorded",
                "Statistics of that time are too low; nothing else is touched.",
                "The database did not take rows for long: look at what is said of it. The count begins anew with a restart.",
            )
        )
    room = accounts.calls.maxlen or 1
    if len(accounts.calls) > BACKLOG_SHARE * room:
        found.append(
            Finding(
                "queue.accounts",
                WARNING,
                f"{len(accounts.calls)} of {room} records of calls wait for the database",
                "Beyond the room the oldest are dropped.",
                "Look at what is said of the database and of the job accounts.",
            )
        )
    waiting = sum(session.client.waiting_bytes for session in rt.sessions.sessions)
    if waiting > WAITING_BYTES:
        found.append(
            Finding(
                "queue.stream",
                WARNING,
                f"{waiting / 1e6:.0f} MB of frames wait for clients of the stream",
                "Slow clients use memory; the slowest are closed.",
                "GET /api/sessions shows who is behind.",
            )
        )
    if rt.logs.error is not None:
        found.append(
            Finding(
                "logs.unwritten",
                WARNING,
                f"log files cannot be written ({rt.logs.error[:120]})",
                "Lines go to standard error alone; GET /api/logs lacks them.",
                "Check the room on the disk and the rights of DATA_DIR/logs.",
            )
        )
    if rt.access.limiter.failures and not await rt.access.limiter.alive():
        found.append(
            Finding(
                "limiter.unavailable",
                CRITICAL,
                f"Redis does not answer; {rt.access.limiter.unchecked} requests passed uncounted",
                "Nobody's limit is enforced meanwhile.",
                "Check that Redis runs and that REDIS_URL is right.",
            )
        )
    return found
