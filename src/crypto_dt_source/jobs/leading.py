"""Which part of the background work this process does: all of it where it runs the timetable, and otherwise what it takes
to answer from the store.

While the database does not answer nobody can know who leads. What was collecting goes on then, in memory, so that a
database that is away for a minute costs no price; the timetable stands still, and what was following waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from ..model.errors import CdtsError
from ..services import persist, restore
from ..services.endless import Endless
from ..services.live_channels import ChannelTeller
from ..services.live_feeds import LiveFeeds
from ..services.runtime import Runtime
from ..store.leader import HEARD_EVERY_S, TRY_EVERY_S, Standing
from ..telemetry import logger
from .runner import Runner
from .timetable import COUNTING, FOLLOWING, JOBS, SHARING, Job, polls

log = logger("leader")
LOOK_S = 2.0
"""How soon a job that was paused, resumed or asked for in another process is seen."""


def timetable(rt: Runtime, *, shared: bool) -> list[Job]:
    """Every job of the process that runs the timetable. `shared`: others may follow it."""
    return [*JOBS, *(SHARING if shared else ()), *polls(rt)]


class Leading:
    """Owns the background work that one process at a time does. `start` once, `stop` once. `feeds` makes the venues'
    streams, None where none is read."""

    def __init__(self, rt: Runtime, jobs: Iterable[Job], feeds: Callable[[], LiveFeeds] | None) -> None:
        self._rt = rt
        self._jobs = list(jobs)
        self._make_feeds = feeds
        self._leader = rt.schedule.leader
        self._changed = asyncio.Event()
        self._became: Standing | None = None
        """What this process's work is that of."""
        self._endless = Endless(rt.clock, "leader", "who leads is not looked after")
        self._collecting: Runner | None = None
        self._timed: Runner | None = None
        self._following: Runner | None = None
        self._counting = Runner(rt, COUNTING, collects=False)
        self._followed_ms: int | None = None
        """Since when another process spends the budgets, ms."""
        self._teller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find out who leads and begin what this process has to do."""
        self._rt.schedule.watched = True
        await self._leader.look()
        await self._become(self._leader.standing)
        self._counting.start()
        for name, work in (
            ("leader", self._hear),
            ("leader's work", self._switch),
            ("jobs of others", self._follow),
        ):
            self._endless.begin(name, work)

    async def stop(self) -> None:
        """End everything, and let another process lead."""
        await self._endless.stop()
        await self._counting.stop()
        await self._stop_timetable()
        await self._stop_collecting()
        await self._stop_following()
        await self._leader.close()

    async def _hear(self) -> None:
        """Be heard of in time, whatever the work does meanwhile."""
        while True:
            await self._leader.look()
            if self._leader.standing != self._became:
                self._changed.set()
            leads = self._leader.standing == "leads"
            await self._rt.clock.sleep(HEARD_EVERY_S if leads else TRY_EVERY_S)

    async def _switch(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._leader.standing != self._became:
                await self._become(self._leader.standing)

    async def _follow(self) -> None:
        while True:
            await self._rt.clock.sleep(LOOK_S)
            try:
                await self._rt.schedule.follow()
            except CdtsError as error:
                log.debug("what others asked for is not seen", reason=error.message)

    async def _become(self, standing: Standing) -> None:
        # What ends or fails midway is begun again at the next look.
        self._became = None
        if standing != "leads":
            await self._stop_timetable()
        if standing == "follows":
            await self._stop_collecting()
            self._start_following()
        elif standing == "leads":
            await self._stop_following()
            await self._start_leading()
        self._became = standing

    async def _start_leading(self) -> None:
        if self._collecting is None:
            polled = [job for job in self._jobs if job.id not in _TIMED]
            self._rt.first_round = asyncio.Event()
            self._collecting = Runner(self._rt, polled, schedule=self._rt.schedule, fenced=False)
            self._collecting.start()
            if self._make_feeds is not None:
                self._rt.feeds = self._make_feeds()
                self._rt.feeds.start()
        if self._timed is None:
            await self._rt.schedule.restore()
            if self._followed_ms is not None:
                with persist.best_effort():
                    await restore.budgets(self._rt, self._followed_ms)
                self._followed_ms = None
            timed = [job for job in self._jobs if job.id in _TIMED]
            self._timed = Runner(self._rt, timed, schedule=self._rt.schedule, collects=False)
            self._timed.start()

    def _start_following(self) -> None:
        if self._following is not None:
            return
        self._followed_ms = self._rt.clock.now_ms()
        # Whoever asks for a list need not renew it: the process that leads does.
        self._rt.first_round = asyncio.Event()
        self._rt.first_round.set()
        self._following = Runner(self._rt, FOLLOWING, collects=False)
        self._following.start()
        teller = ChannelTeller(self._rt, self._rt.sessions.state)
        self._teller = asyncio.create_task(teller.run(), name="tells channels")

    async def _stop_timetable(self) -> None:
        # Forgotten only once it has stopped, here and below: the end of the service may come in between.
        if self._timed is not None:
            await self._timed.stop()
            self._timed = None

    async def _stop_collecting(self) -> None:
        if self._rt.feeds is not None:
            await self._rt.feeds.stop()
            self._rt.feeds = None
        if self._collecting is not None:
            await self._collecting.stop()
            self._collecting = None

    async def _stop_following(self) -> None:
        if self._teller is not None:
            self._teller.cancel()
            await asyncio.wait({self._teller})
            self._teller = None
        if self._following is not None:
            await self._following.stop()
            self._following = None


_TIMED = frozenset(job.id for job in (*JOBS, *SHARING))
