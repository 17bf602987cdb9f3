"""One connection of a feed from its opening to its end: what is said on it, what is heard, and whether it lives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..model.book import Trade
from ..model.errors import PayloadChanged
from ..model.quote import Quote
from ..providers.streaming import Answer, Ending, Gap, Refused, Session, Subscribed, Topic
from ..telemetry import logger
from .feed_events import Missed, Silent
from .sockets import Socket

if TYPE_CHECKING:
    from .feed_line import Line

log = logger("feed")
UNANSWERED_S = 3.0
"""A connection on which so long nothing at all was confirmed or delivered was asked in vain."""
UNREADABLE = 20
"""Frames in a row that cannot be read: the venue's format has changed, or its mind."""
HOUR_S = 3600.0
OUTBOX = 4096
"""Frames that may wait to be said."""
TURN = 50
"""Records that are taken in before other work has its turn. What has piled up is read without a pause otherwise: a frame may
hold thousands, and there may be hundreds of frames."""


class Talk:
    """One connection from its opening to its end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.feed = line.feed
        self.ending = asyncio.Event()
        """The venue wants a new connection."""
        self.delivered = False
        self.ready = asyncio.Event()
        """It delivers, and each topic was confirmed or refused."""
        self._task: asyncio.Task[None] | None = None
        self._session: Session | None = None
        self._asked: set[Topic] = set()
        self._answered = False
        self._outbox: deque[str] = deque()
        self._more = asyncio.Event()
        self._heard = self._data = 0.0
        self._bad = 0

    def start(self) -> asyncio.Task[None]:
        """The task of the connection, begun with the first call."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"connection to {self.feed.provider}")
        return self._task

    async def stop(self) -> None:
        """End it; what it ended with is nobody's business any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.exception()

    def subscribe(self, topics: list[Topic]) -> None:
        if self._session is not None and topics:
            if len(topics) == len(self.line.wanted):
                # Nothing was wanted before: the wait for the first record begins now.
                self._data = self.feed.clock.monotonic()
            self._asked.update(topics)
            self._say(self._session.subscribe(topics))

    def unsubscribe(self, topics: list[Topic]) -> None:
        if self._session is not None and topics:
            self._settle(topics)
            self._say(self._session.unsubscribe(topics))

    def _settle(self, topics: Iterable[Topic]) -> None:
        """These topics wait for no answer any more."""
        self._asked.difference_update(topics)
        if self.delivered and not self._asked:
            self.ready.set()

    def _say(self, frames: Iterable[str], *, first: bool = False) -> None:
        for frame in frames:
            if len(self._outbox) >= OUTBOX:
                break
            if first:
                self._outbox.appendleft(frame)
            else:
                self._outbox.append(frame)
        self._more.set()

    async def _run(self) -> None:
        """Raises an UpstreamError when the connection ended or brings nothing."""
        feed, stream = self.feed, self.feed.stream
        async with feed.pacing.attempt():
            opening = await feed.opening()
            socket = await feed.connector.connect(opening.url)
        self.line.connected += 1
        if self.line.opened is None:
            self.line.opened = feed.clock.monotonic()
        tasks: list[asyncio.Task[None]] = []
        try:
            self._heard = self._data = feed.clock.monotonic()
            self._session = stream.session(feed.provider)
            self.subscribe(list(self.line.wanted))
            ping_s = opening.ping_every_s or stream.ping_every_s
            tasks = [
                asyncio.create_task(self._read(socket), name=f"reads {feed.provider}"),
                asyncio.create_task(self._write(socket), name=f"writes {feed.provider}"),
                asyncio.create_task(self._watch(ping_s), name=f"watches {feed.provider}"),
            ]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.line.connected -= 1
            # The other side may be gone: its goodbye is not waited for.
            feed.behind(socket.close())
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _read(self, socket: Socket) -> None:
        feed, clock = self.feed, self.feed.clock
        assert self._session is not None  # noqa: S101 - set before the task begins
        read = self._session.read
        taken = 0
        while True:
            frame = await socket.receive()
            self._heard = clock.monotonic()
            feed.frames += 1
            try:
                events = read(frame, clock.now_ms())
            except PayloadChanged as error:
                feed.unreadable += 1
                self._bad += 1
                if self._bad >= UNREADABLE:
                    raise
                log.debug("a frame cannot be read", provider=feed.provider, reason=error.message)
                continue
            self._bad = 0
            for event in events:
                self._take(event)
                taken += 1
                if taken % TURN == 0:
                    await clock.sleep(0)

    def _take(self, event: object) -> None:
        feed = self.feed
        # What nobody asked for, or asks for no more, counts for nothing: no stall would ever take it back.
        if isinstance(event, Quote):
            if ("ticker", (event.base, event.quote)) in self.line.wanted:
                self._delivers()
                feed.sink(event)
        elif isinstance(event, Trade):
            if ("trades", (event.base, event.quote)) in self.line.wanted:
                self._delivers()
                if feed.fresh(event):
                    feed.sink(event)
        elif isinstance(event, Answer):
            # Before subscriptions that wait their turn: a pong that is late ends the connection.
            self._say([event.frame], first=True)
        elif isinstance(event, Gap):
            if event.topic in self.line.wanted:
                feed.gaps += 1
                feed.sink(Missed(feed.provider, event.topic, event.missing))
        elif isinstance(event, Subscribed):
            self._answered = True
            self._settle(event.topics)
        elif isinstance(event, Refused):
            self._answered = True
            self._refused(event)
        elif isinstance(event, Ending):
            self.ending.set()

    def _refused(self, event: Refused) -> None:
        waiting = len(self._asked)
        # Without topics the venue does not say which: none of them is waited for.
        self._settle(event.topics or tuple(self._asked))
        refused = self.feed.refuse(event.topics, event.reason)
        if refused or len(self._asked) < waiting:
            log.warning(
                "a venue refused topics",
                provider=self.feed.provider,
                topics=len(refused),
                reason=event.reason[:200],
            )

    def _delivers(self) -> None:
        if self._heard > self._data:
            self.line.waited(self._heard - self._data)
            self._data = self._heard
        self.feed.last_data_ms = self.feed.clock.now_ms()
        if not self.delivered:
            self.delivered = True
            self._settle(())
        self.line.delivers()

    async def _write(self, socket: Socket) -> None:
        """What is said, no faster than the venue listens."""
        clock, stream = self.feed.clock, self.feed.stream
        pause = 1 / stream.frames_a_second
        # Kept only where there is such a limit.
        sent: deque[float] = deque(maxlen=stream.frames_an_hour or 0)
        while True:
            while self._outbox:
                if stream.frames_an_hour is not None and len(sent) == stream.frames_an_hour:
                    await clock.sleep(max(0.0, sent[0] + HOUR_S - clock.monotonic()))
                sent.append(clock.monotonic())
                frame = self._outbox.popleft()
                if stream.stamp is not None:
                    frame = stream.stamp(frame, clock.now_ms())
                await socket.send(frame)
                await clock.sleep(pause)
            self._more.clear()
            await self._more.wait()

    async def _watch(self, ping_s: float | None) -> None:
        """Ping, and give up a connection that brings nothing. Raises UpstreamError."""
        clock, silent_s = self.feed.clock, self.feed.stream.silent_s
        step = min(1.0, silent_s / 4)
        begun = pinged = clock.monotonic()
        while True:
            await clock.sleep(step)
            now = clock.monotonic()
            if ping_s is not None and now - pinged >= ping_s and self._session is not None:
                pinged = now
                frame = self._session.ping()
                if frame is not None:
                    self._say([frame], first=True)
            if self._asked and not self._answered and not self.delivered and now - begun > UNANSWERED_S:
                raise Silent(f"no subscription was answered within {UNANSWERED_S:g} s")
            if now - self._heard > silent_s:
                raise Silent(f"no frame for {silent_s:g} s")
            quiet_s = self.line.no_data_s
            if self.line.wanted and now - self._data > quiet_s:
                self.line.waited(quiet_s)
                raise Silent(f"no data for {quiet_s:.0f} s on an open connection")
