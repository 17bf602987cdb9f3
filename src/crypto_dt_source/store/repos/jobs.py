"""What the timetable remembers: which of its times were taken up, which jobs are paused, and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..engine import Store
from ..sql import Write, storable

COMMAND = "command"
"""The cause of a run in a process of its own, which the timetable's process knows nothing else of."""
INTERRUPTED = "interrupted"


class JobState(NamedTuple):
    """`due_ms`: the newest time of the timetable that was taken up. `asked_ms`: when another process asked for a run that
    has not begun yet."""

    job: str
    due_ms: int | None
    asked_ms: int | None
    paused: bool


class JobRun(NamedTuple):
    """One run. `outcome` is `ok`, an error code or `interrupted`, None while it is under way; `handled` the rows it gave,
    None where it gave none. `due_ms` is the time of the timetable it stands for, or when it was asked for."""

    job: str
    cause: str
    due_ms: int
    started_ms: int
    ended_ms: int | None = None
    outcome: str | None = None
    handled: int | None = None
    error: str | None = None


_RUN = "job, cause, due_ms, started_ms, ended_ms, outcome, handled, error"
_STATES = "SELECT job, due_ms, asked_ms, paused FROM job_states ORDER BY job"
_PAUSE = """INSERT INTO job_states (job, paused, changed_ms) VALUES (?, ?, ?) ON CONFLICT (job) DO UPDATE SET
    paused = excluded.paused, changed_ms = excluded.changed_ms"""
_DUE = """INSERT INTO job_states (job, due_ms, changed_ms, paused) VALUES (?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET
    due_ms = excluded.due_ms, changed_ms = excluded.changed_ms"""
_ASK = """INSERT INTO job_states (job, asked_ms, changed_ms, paused) VALUES (?, ?, ?, ?) ON CONFLICT (job) DO UPDATE SET
    asked_ms = excluded.asked_ms, changed_ms = excluded.changed_ms"""
_ASKED = "UPDATE job_states SET asked_ms = NULL WHERE job = ? AND asked_ms <= ?"
_EXPIRE = f"""UPDATE job_runs SET ended_ms = ?, outcome = '{INTERRUPTED}'
    WHERE job = ? AND ended_ms IS NULL AND started_ms < ?"""  # noqa: S608 this file's own word
# One run of a job at a time: the index of runs under way lets no second one in.
_BEGIN = "INSERT INTO job_runs (job, cause, due_ms, started_ms) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_END = """UPDATE job_runs SET ended_ms = ?, outcome = ?, handled = ?, error = ?
    WHERE job = ? AND started_ms = ? AND ended_ms IS NULL"""
_PUT = f"INSERT INTO job_runs ({_RUN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 parts above
_INTERRUPT = f"""UPDATE job_runs SET ended_ms = ?, outcome = '{INTERRUPTED}'
    WHERE ended_ms IS NULL AND cause <> '{COMMAND}'"""  # noqa: S608 this file's own words
_LATEST = f"SELECT {_RUN} FROM job_runs WHERE number IN (SELECT MAX(number) FROM job_runs GROUP BY job)"  # noqa: S608 parts above
_PAGE = f"SELECT {_RUN} FROM job_runs WHERE job = ? ORDER BY number DESC LIMIT ? OFFSET ?"  # noqa: S608 parts above
_BETWEEN = f"""SELECT {_RUN} FROM job_runs WHERE started_ms >= ? AND started_ms < ?
    ORDER BY number"""  # noqa: S608 parts above
_COUNT = "SELECT COUNT(*) FROM job_runs WHERE job = ?"
_DROP = "DELETE FROM job_runs WHERE started_ms < ? AND ended_ms IS NOT NULL"


async def states(store: Store) -> dict[str, JobState]:
    """Every job that has a state, by its id. Raises StoreError."""
    return {row[0]: JobState(row[0], row[1], row[2], bool(row[3])) for row in await store.fetch(_STATES)}


async def pause(store: Store, job: str, paused: bool, now_ms: int) -> None:
    """Stop a job's times from being taken up, or let them again. Raises StoreError."""
    await store.write([Write(_PAUSE, [(job, paused, now_ms)], promised=True)])


async def take(store: Store, dues: Sequence[tuple[str, int]], now_ms: int) -> None:
    """Note for (job, time) that everything up to that time is taken up. Raises StoreError."""
    await store.write([Write(_DUE, [(job, due, now_ms, False) for job, due in dues])])


async def ask(store: Store, job: str, now_ms: int) -> None:
    """Have the process that runs the timetable run a job. Raises StoreError."""
    await store.write([Write(_ASK, [(job, now_ms, now_ms, False)])])


async def asked(store: Store, job: str, until_ms: int) -> None:
    """Forget what was asked for up to then. Raises StoreError."""
    await store.write([Write(_ASKED, [(job, until_ms)])])


async def begin(store: Store, run: JobRun, *, expired_ms: int, taken: bool) -> bool:
    """Store that a run begins; False where one is under way in any process, begun since `expired_ms`. `taken`: with it
    `due_ms` is taken up. Raises StoreError."""
    writes = [
        Write(_EXPIRE, [(run.started_ms, run.job, expired_ms)]),
        Write(_BEGIN, [run[:4]], counted=True),
    ]
    begun = await store.write(writes) > 0
    if begun and taken:
        await take(store, [(run.job, run.due_ms)], run.started_ms)
    return begun


async def end(store: Store, run: JobRun) -> None:
    """Store how a run that `begin` stored has ended. Raises StoreError."""
    error = None if run.error is None else storable(run.error)
    row = (run.ended_ms, run.outcome, run.handled, error, run.job, run.started_ms)
    await store.write([Write(_END, [row])])


async def put(store: Store, run: JobRun) -> None:
    """Store a run that has ended and was not begun here. Raises StoreError."""
    await store.write([Write(_PUT, [(*run[:7], None if run.error is None else storable(run.error))])])


async def interrupt(store: Store, now_ms: int) -> int:
    """Mark the runs of a process that is gone as ended; those of commands may still be under way. Gives how many. Raises
    StoreError."""
    return await store.write([Write(_INTERRUPT, [(now_ms,)], counted=True)])


async def latest(store: Store) -> dict[str, JobRun]:
    """The last run of each job that has one, by job. Raises StoreError."""
    return {run.job: run for run in map(_run, await store.fetch(_LATEST))}


async def page(store: Store, job: str, limit: int, offset: int) -> tuple[list[JobRun], int]:
    """Runs of a job, newest first, and how many there are in all. Raises StoreError."""
    rows = await store.fetch(_PAGE, (job, limit, offset))
    ((total,),) = await store.fetch(_COUNT, (job,))
    return list(map(_run, rows)), total


async def between(store: Store, from_ms: int, to_ms: int) -> list[JobRun]:
    """Runs of every job that began in [from_ms, to_ms), oldest first. Raises StoreError."""
    return list(map(_run, await store.fetch(_BETWEEN, (from_ms, to_ms))))


async def drop(store: Store, before_ms: int) -> int:
    """Forget runs that began before and have ended; gives how many. Raises StoreError."""
    return await store.write([Write(_DROP, [(before_ms,)], counted=True)])


def _run(row: Any) -> JobRun:
    return JobRun._make(row)
