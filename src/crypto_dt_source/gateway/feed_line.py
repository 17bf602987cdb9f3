"""The connections of a feed, one line each: kept open, watched, replaced."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..clock import Clock
from ..model.book import Trade
from ..model.errors import PayloadChanged, UpstreamError
from ..model.quote import Quote
from ..providers.streaming import Answer, Ending, Gap, Refused, Session, Topic
from ..telemetry import logger
from .feed_events import Live, Missed, Silent, Stalled
from .sockets import Socket

if TYPE_CHECKING:
    from .feed import Feed

log = logger("feed")
FIRST_REST_S, LONGEST_REST_S = 0.25, 3.0
"""Rests between attempts, doubling: a venue that comes back is noticed within five seconds, and a venue that is down is
asked 20 times a minute at most."""
STEADY_S = 30.0
"""A connection that lived for so long begins again with the first rest."""
NO_DATA_S = 30.0
"""Without a record for so long, although topics are subscribed, a connection counts as stalled."""
CUT_EARLY_S = 600.0
"""How long before a venue's own cut the successor is opened."""
HANDOVER_S = 15.0
"""The successor takes over when it has delivered, or after so long."""
UNREADABLE = 20
"""Frames in a row that cannot be read: the venue's format has changed, or its mind."""
HOUR_S = 3600.0
OUTBOX = 4096
"""Frames that may wait to be said."""


class Line:
    """The topics of one connection, and the task that keeps one open for them."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.wanted: dict[Topic, None] = {}
        self.state = "connecting"
        self.live = False
        self.connected = 0
        self._task: asyncio.Task[None] | None = None
        self._talks: list[Talk] = []
        self._rest_s = FIRST_REST_S

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"feed {self.feed.provider}")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The task ends only when it is cancelled or has a bug."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a feed crashed", provider=self.feed.provider, exc_info=error)
            self._down("crashed", "the log has the reason")
            self._rest_s = LONGEST_REST_S
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
            self.wanted.pop(topic, None)

    async def _keep(self) -> None:
        """One connection after the other."""
        feed, clock = self.feed, self.feed.clock
        if self._rest_s == LONGEST_REST_S:
            await clock.sleep(self._rest_s)
        while True:
            begun = clock.monotonic()
            self.state = "connecting"
            talk = Talk(self)
            try:
                await self._talk(talk)
                reason, code = "the connection ended", "upstream_unreachable"
            except UpstreamError as error:
                reason, code = error.message, error.code
            self._down(code, reason)
            if clock.monotonic() - begun > STEADY_S:
                self._rest_s = FIRST_REST_S
            self.state = "resting"
            await clock.sleep(self._rest_s * feed.random.uniform(0.75, 1.25))
            self._rest_s = min(LONGEST_REST_S, self._rest_s * 2)
            feed.reconnects += 1

    async def _talk(self, talk: Talk) -> None:
        """A connection and, near its venue's cut, its successor, until one ends by itself. Raises an UpstreamError."""
        lifetime = self.feed.stream.lifetime_s
        self._talks = [talk]
        running = asyncio.create_task(talk.run(), name=f"connection to {self.feed.provider}")
        try:
            while True:
                left = None if lifetime is None else max(1.0, lifetime - CUT_EARLY_S)
                ended = await self._first(running, left, talk.ending)
                if ended:
                    running.result()
                    return
                running, talk = await self._hand_over(running, talk)
        finally:
            running.cancel()
            await asyncio.wait({running})
            self._talks = []

    async def _first(self, running: asyncio.Task[None], left_s: float | None, ending: asyncio.Event) -> bool:
        """Whether the connection ended before its time was over."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(ending.wait())}
        if left_s is not None:
            waits.add(
                asyncio.ensure_future(_slept(self.feed.clock, left_s * self.feed.random.uniform(0.9, 1.0)))
            )
        try:
            await asyncio.wait({running, *waits}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return running.done()

    async def _hand_over(self, running: asyncio.Task[None], talk: Talk) -> tuple[asyncio.Task[None], Talk]:
        """Open the successor, let it deliver, end the old one."""
        new = Talk(self)
        self._talks.append(new)
        successor = asyncio.create_task(new.run(), name=f"connection to {self.feed.provider}")
        deadline = asyncio.ensure_future(_slept(self.feed.clock, HANDOVER_S))
        delivered = asyncio.ensure_future(new.delivered.wait())
        try:
            await asyncio.wait({successor, deadline, delivered}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            deadline.cancel()
            delivered.cancel()
        running.cancel()
        await asyncio.wait({running})
        self._talks = [new]
        return successor, new

    def delivers(self) -> None:
        """A record came."""
        if not self.live:
            self.live = True
            self.state = "live"
            self.feed.reason = ""
            self.feed.sink(Live(self.feed.provider, tuple(self.wanted)))

    def _down(self, code: str, reason: str) -> None:
        self.feed.reason = reason
        if self.live:
            self.live = False
            log.warning("a stream stopped", provider=self.feed.provider, reason=reason)
            self.feed.sink(Stalled(self.feed.provider, tuple(self.wanted), code, reason))


class Talk:
    """One connection from its opening to its end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.feed = line.feed
        self.ending = asyncio.Event()
        """The venue wants a new connection."""
        self.delivered = asyncio.Event()
        self._session: Session | None = None
        self._outbox: deque[str] = deque()
        self._more = asyncio.Event()
        self._heard = self._data = 0.0
        self._bad = 0

    def subscribe(self, topics: list[Topic]) -> None:
        if self._session is not None and topics:
            self._say(self._session.subscribe(topics))

    def unsubscribe(self, topics: list[Topic]) -> None:
        if self._session is not None and topics:
            self._say(self._session.unsubscribe(topics))

    def _say(self, frames: Iterable[str], *, first: bool = False) -> None:
        for frame in frames:
            if len(self._outbox) >= OUTBOX:
                break
            if first:
                self._outbox.appendleft(frame)
            else:
                self._outbox.append(frame)
        self._more.set()

    async def run(self) -> None:
        """Raises an UpstreamError when the connection ended or brings nothing."""
        feed, stream = self.feed, self.feed.stream
        opening = await feed.opening()
        socket = await feed.connector.connect(opening.url)
        self.line.connected += 1
        self._heard = self._data = feed.clock.monotonic()
        self._session = stream.session(feed.provider)
        self.subscribe(list(self.line.wanted))
        ping_s = opening.ping_every_s or stream.ping_every_s
        tasks = [
            asyncio.create_task(self._read(socket), name=f"reads {feed.provider}"),
            asyncio.create_task(self._write(socket), name=f"writes {feed.provider}"),
            asyncio.create_task(self._watch(ping_s), name=f"watches {feed.provider}"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.line.connected -= 1
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await socket.close()
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _read(self, socket: Socket) -> None:
        feed, clock = self.feed, self.feed.clock
        assert self._session is not None  # noqa: S101 - set before the task begins
        read = self._session.read
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

    def _take(self, event: object) -> None:
        feed = self.feed
        if isinstance(event, Quote):
            self._delivers()
            feed.sink(event)
        elif isinstance(event, Trade):
            self._delivers()
            if feed.fresh(event):
                feed.sink(event)
        elif isinstance(event, Answer):
            # Before subscriptions that wait their turn: a pong that is late ends the connection.
            self._say([event.frame], first=True)
        elif isinstance(event, Gap):
            feed.gaps += 1
            feed.sink(Missed(feed.provider, event.topic, event.missing))
        elif isinstance(event, Refused):
            log.warning(
                "a venue refused topics",
                provider=feed.provider,
                topics=len(event.topics),
                reason=event.reason[:200],
            )
            feed.refuse(event.topics, event.reason)
        elif isinstance(event, Ending):
            self.ending.set()

    def _delivers(self) -> None:
        self._data = self._heard
        self.feed.last_data_ms = self.feed.clock.now_ms()
        if not self.delivered.is_set():
            self.delivered.set()
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
        pinged = clock.monotonic()
        while True:
            await clock.sleep(step)
            now = clock.monotonic()
            if ping_s is not None and now - pinged >= ping_s and self._session is not None:
                pinged = now
                frame = self._session.ping()
                if frame is not None:
                    self._say([frame], first=True)
            if now - self._heard > silent_s:
                raise Silent(f"no frame for {silent_s:g} s")
            if self.line.wanted and now - self._data > NO_DATA_S:
                raise Silent(f"no data for {NO_DATA_S:g} s on an open connection")


async def _slept(clock: Clock, seconds: float) -> None:
    await clock.sleep(seconds)
