"""The timetable's memory: what each job is planned as, when it runs next, what became of its last run.

`jobs/runner.py` carries the plans out where this process runs the timetable; the routes read them everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..clock import Clock, rfc3339
from ..model.crontab import Crontab
from ..store import Store, StoreError
from ..store.leader import Alone, Leader
from ..store.repos import jobs as repo
from ..store.repos.jobs import COMMAND, INTERRUPTED, JobRun, JobState
from ..stream import Bus, Event
from ..telemetry import logger, mask

log = logger("jobs")
TIMETABLE, CATCH_UP, START, PERSON, FIX = "timetable", "catch_up", "start", "person", "fix"
KEPT_DAYS = 30
"""How long runs are kept."""
OK = "ok"
RECORD_S = 5.0
"""How long the end of a run waits to be stored."""
_ERROR_CHARS = 500


@dataclass(slots=True)
class Plan:
    """One job. It runs by `crontab`, or else every `every_s` seconds; `off`: neither, only when somebody asks for it.

    `first_s`: seconds after the start until its first run, which it has in any case where `at_start`, and otherwise only
    where it missed one. `due_ms` is the newest time of the crontab that was taken up. `next_ms`, `running` and `last` are
    of this process. `begin(cause)` starts a run now and `end(cause)` does so after cancelling the one under way; None where
    this process does not run the timetable.
    """

    id: str
    every_s: float
    deadline_s: float = 300.0
    first_s: float = 0.0
    at_start: bool = True
    crontab: Crontab | None = None
    off: bool = False
    setting: str = ""
    paused: bool = False
    due_ms: int | None = None
    next_ms: int | None = None
    running: JobRun | None = None
    last: JobRun | None = None
    begin: Callable[[str], None] | None = None
    end: Callable[[str], None] | None = None

    @property
    def noted(self) -> bool:
        """Whether every run is stored; of other jobs only those that ended otherwise than the one before."""
        return bool(self.setting)


class Schedule:
    """Every plan, and what is stored of them. Without a `store` nothing is (the runner of work that has no timetable)."""

    def __init__(
        self,
        clock: Clock,
        plans: Iterable[Plan] = (),
        *,
        store: Store | None = None,
        bus: Bus | None = None,
        leader: Leader | None = None,
    ) -> None:
        self.clock = clock
        self.plans = {plan.id: plan for plan in plans}
        self.leader: Leader = leader or Alone(clock)
        self.watched = False
        """Whether this process finds out who leads, which one without background work does not."""
        self._store = store
        self._bus = bus
        self._unstored = False
        self._storing: set[asyncio.Task[None]] = set()
        """Ends on their way; the store carries them out or refuses them, at its own end at the latest."""
        self.prepared = not any(plan.crontab for plan in self.plans.values())

    def may_run(self, *, fenced: bool = True) -> bool:
        """Whether this process runs the timetable at this moment; not `fenced`, whether no other is known to."""
        return self.leader.leads() if fenced else self.leader.standing != "follows"

    def prepare(self) -> None:
        """Read every crontab. Takes a tenth of a second the first time, so not on the loop."""
        for plan in self.plans.values():
            if plan.crontab is not None:
                plan.crontab.after(0)
        self.prepared = True

    async def restore(self) -> None:
        """Take up what is stored as this process begins to run the timetable; runs of whoever did so before have ended
        with it."""
        if self._store is None:
            return
        try:
            await repo.interrupt(self._store, self.clock.now_ms())
            kept = await repo.states(self._store)
        except StoreError as error:
            self._refused(error)
            return
        for plan in self.plans.values():
            state = kept.get(plan.id)
            plan.paused = state is not None and state.paused
            plan.due_ms = state.due_ms if state is not None else None

    async def follow(self) -> int:
        """Take up what other processes paused and asked for; gives how many runs were begun. Raises StoreError."""
        if self._store is None:
            return 0
        begun = 0
        for state in (await repo.states(self._store)).values():
            plan = self.plans.get(state.job)
            if plan is None:
                continue
            self._paused(plan, state)
            if state.asked_ms is not None and self.may_run():
                await repo.asked(self._store, plan.id, state.asked_ms)
                if plan.begin is not None and plan.running is None:
                    plan.begin(PERSON)
                    begun += 1
        return begun

    def _paused(self, plan: Plan, state: JobState) -> None:
        if plan.paused and not state.paused:
            # What fell due meanwhile was not missed.
            plan.due_ms = max(state.due_ms or 0, self.clock.now_ms())
        plan.paused = state.paused

    async def began(self, plan: Plan, run: JobRun, *, taken: bool) -> bool:
        """Store that a run begins, where it is of those that are stored; False where one is under way in another process.
        A store that refuses costs the record, not the run."""
        if self._store is None or not self._stored(plan, run):
            return True
        try:
            expired_ms = run.started_ms - round(plan.deadline_s * 1000)
            return await repo.begin(self._store, run, expired_ms=expired_ms, taken=taken)
        except StoreError as error:
            self._refused(error)
            return True

    async def ended(self, plan: Plan, run: JobRun) -> None:
        """Store and tell how a run ended."""
        before, plan.last = plan.last, run
        changed = run.outcome != (OK if before is None else before.outcome)
        if not (self._stored(plan, run) or (changed and run.outcome != INTERRUPTED)):
            return
        if self._bus is not None:
            self._bus.publish(Event("jobs", None, run_row(run), self.clock.now_ms()))
        if self._store is None:
            return
        storing = asyncio.create_task(
            (repo.end if self._stored(plan, run) else repo.put)(self._store, run),
            name="storing how a run ended",
        )
        self._storing.add(storing)
        storing.add_done_callback(self._is_stored)
        # Who lets the timetable go waits for this, and another may have it by now. The store goes on with what waits: a run
        # whose end is not there counts as under way, and keeps the next one from beginning.
        await asyncio.wait({storing}, timeout=RECORD_S)
        if not storing.done():
            self._refused(StoreError(f"the database took longer than {RECORD_S:g} s"))

    def _is_stored(self, storing: asyncio.Task[None]) -> None:
        self._storing.discard(storing)
        error = None if storing.cancelled() else storing.exception()
        if isinstance(error, StoreError):
            self._refused(error)
        elif error is not None:
            log.error("the end of a run could not be stored", exc_info=error)
        elif not storing.cancelled():
            self._unstored = False

    async def take(self, plan: Plan, due_ms: int) -> None:
        """Note that everything up to that time is taken up, so that a start after it knows what was missed."""
        plan.due_ms = due_ms
        if self._store is not None:
            try:
                await repo.take(self._store, [(plan.id, due_ms)], self.clock.now_ms())
            except StoreError as error:
                self._refused(error)

    @staticmethod
    def _stored(plan: Plan, run: JobRun) -> bool:
        return plan.noted or run.cause in (PERSON, COMMAND, FIX)

    def _refused(self, error: StoreError) -> None:
        if not self._unstored:
            log.warning("runs of jobs are not stored", reason=error.message)
        self._unstored = True


def error_text(message: str) -> str:
    """What is kept of an error: without secrets, and no longer than a few lines."""
    return mask(message)[:_ERROR_CHARS]


def run_row(run: JobRun) -> dict[str, Any]:
    """A run on the wire."""
    ended = run.ended_ms
    return {
        "job": run.job,
        "cause": run.cause,
        "due": rfc3339(run.due_ms),
        "started_at": rfc3339(run.started_ms),
        "ended_at": None if ended is None else rfc3339(ended),
        "duration_ms": None if ended is None else ended - run.started_ms,
        "outcome": run.outcome,
        "rows": run.handled,
        "error": run.error,
    }
