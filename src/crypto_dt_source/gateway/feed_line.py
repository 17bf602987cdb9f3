"""The connections of a feed, one line each: kept open, replaced, said to be live or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..model.errors import UpstreamError
from ..providers.streaming import Topic
from ..telemetry import logger
from .feed_events import Live, Stalled
from .feed_talk import Talk

if TYPE_CHECKING:
    from .feed import Feed

log = logger("feed")
CUT_EARLY_S = 600.0
"""How long before a venue's own cut the successor is opened."""
HANDOVER_S = 60.0
"""A successor that has not delivered by then is given up. It takes over when it delivers and every topic is confirmed, or
by then: slow venues take a topic a frame."""
HANDOVER_AGAIN_S = 30.0
"""How long after a successor came to nothing the next one is tried."""
NO_DATA_S, LONGEST_NO_DATA_S = 30.0, 180.0
"""Without a record for so long, although topics are subscribed, a connection counts as stalled. The longer one is for topics
that are known to be quiet, such as the trades of small assets: heartbeats come meanwhile."""
RHYTHM = 20.0
"""A connection is quiet for its topics where nothing came for so many times their usual gap."""
NEWEST = 0.2
"""What the last gap counts in the usual one: after ten records of another rhythm the old one is forgotten."""


class Line:
    """The topics of one connection, and the task that keeps one open for them."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.wanted: dict[Topic, None] = {}
        self.left: dict[Topic, None] = {}
        """What is wanted no more, and may have brought records that still count."""
        self.state = "connecting"
        self.reason = ""
        self.live = False
        self.connected = 0
        self.opened: float | None = None
        """When the connection that is kept was opened, on the monotonic clock; None while there is none."""
        self._gap_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._talks: list[Talk] = []

    @property
    def no_data_s(self) -> float:
        """How long nothing may come on an open connection, seconds."""
        return min(LONGEST_NO_DATA_S, max(NO_DATA_S, RHYTHM * self._gap_s))

    def waited(self, seconds: float) -> None:
        """So long no record came on an open connection."""
        self._gap_s += (seconds - self._gap_s) * NEWEST

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"feed {self.feed.provider}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The task ends only when it is cancelled or has a bug."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a feed crashed", provider=self.feed.provider, exc_info=error)
            self._down("crashed", "the log has the reason")
            self.feed.pacing.crashed()
            self.start()

    async def stop(self) -> None:
        """End it for good."""
        if self._task is not None:
            self._task.remove_done_callback(self._ended)
            self._task.cancel()
            await asyncio.wait({self._task})

    def add(self, topics: Iterable[Topic]) -> None:
        new = [topic for topic in topics if topic not in self.wanted]
        self.wanted |= dict.fromkeys(new)
        for talk in self._talks:
            talk.subscribe(new)

    def drop(self, topics: Iterable[Topic]) -> None:
        gone = [topic for topic in topics if topic in self.wanted]
        self.forget(gone)
        for talk in self._talks:
            talk.unsubscribe(gone)

    def forget(self, topics: Iterable[Topic]) -> None:
        for topic in topics:
            if topic in self.wanted:
                del self.wanted[topic]
                self.left[topic] = None
        for topic in list(self.left)[: -self.feed.stream.topics_a_connection]:
            del self.left[topic]

    async def _keep(self) -> None:
        """One connection after the other."""
        feed = self.feed
        while True:
            try:
                await self._talk(Talk(self))
                reason, code = "the connection ended", "upstream_unreachable"
            except UpstreamError as error:
                reason, code = error.message, error.code
            self._down(code, reason)
            if self.opened is not None:
                feed.pacing.ended(self.opened)
                self.opened = None
            feed.reconnects += 1

    async def _talk(self, talk: Talk) -> None:
        """A connection and its successors, until one ends by itself. Raises an UpstreamError."""
        lifetime = self.feed.stream.lifetime_s
        usual_s = None if lifetime is None else max(1.0, lifetime - CUT_EARLY_S)
        left_s, asks = usual_s, True
        self._talks = [talk]
        task = talk.start()
        try:
            while not await self._first(task, left_s, talk.ending if asks else None):
                successor = await self._hand_over(task)
                left_s, asks = usual_s, True
                if successor is None:
                    left_s, asks = HANDOVER_AGAIN_S, False
                else:
                    talk, task = successor, successor.start()
            task.result()
        finally:
            talks, self._talks = self._talks, []
            await asyncio.gather(*(each.stop() for each in talks))

    async def _first(
        self, task: asyncio.Task[None], left_s: float | None, ending: asyncio.Event | None
    ) -> bool:
        """Whether the connection ended before its time was over, or before the venue asked for another."""
        waits: set[asyncio.Future[Any]] = set()
        if ending is not None:
            waits.add(asyncio.ensure_future(ending.wait()))
        if left_s is not None:
            waits.add(
                asyncio.ensure_future(_slept(self.feed.clock, left_s * self.feed.random.uniform(0.9, 1.0)))
            )
        try:
            await asyncio.wait({task, *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return task.done()

    async def _hand_over(self, old: asyncio.Task[None]) -> Talk | None:
        """Open the successor, let it deliver all topics, end the old one. None: it came to nothing, the old one stays."""
        new = Talk(self)
        self._talks.append(new)
        waits = {
            asyncio.ensure_future(_slept(self.feed.clock, HANDOVER_S)),
            asyncio.ensure_future(new.ready.wait()),
        }
        try:
            await asyncio.wait({old, new.start(), *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if old.done() and not new.ready.is_set():
            self._down("upstream_unreachable", "the connection ended before the next one delivered")
        elif not new.delivered or new.start().done():
            self._talks.remove(new)
            await new.stop()
            return None
        for talk in self._talks[:-1]:
            await talk.stop()
        self._talks = [new]
        return new

    def delivers(self) -> None:
        """A record came."""
        if not self.live:
            self.live = True
            self.state = "live"
            self.reason = ""
            self.feed.sink(Live(self.feed.provider, tuple(self.wanted)))

    def _down(self, code: str, reason: str) -> None:
        self.reason = reason
        self.state = "stalled"
        if self.live:
            self.live = False
            log.warning("a stream stopped", provider=self.feed.provider, reason=reason)
            self.feed.sink(Stalled(self.feed.provider, (*self.wanted, *self.left), code, reason))
            self.left.clear()


async def _slept(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)
