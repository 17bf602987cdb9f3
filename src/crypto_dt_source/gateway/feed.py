"""One venue's public stream: connections that keep what is wanted subscribed, judged by the data they bring.

A feed is told which topics are wanted and opens as many connections as they need. A connection that brings no frame, or
no data, for too long is dead whatever the socket says: the feed says so at once (`Stalled`), so that nothing of it counts
as fresh, and opens another. Before a venue's own cut a second connection takes over while the first still delivers.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable

from ..clock import Clock
from ..model.book import Trade
from ..model.quote import Pair
from ..providers.streaming import Opening, Stream, Topic
from .feed_events import FeedEvent as FeedEvent
from .feed_events import Live as Live
from .feed_events import Missed as Missed
from .feed_events import Sink, Status
from .feed_events import Stalled as Stalled
from .feed_line import Line
from .sockets import Connector

RECENT_TRADES = 512
Open = Callable[[], Awaitable[Opening]]


class Feed:
    """One venue. `opening` gives the address for each connection; `sink` must not block."""

    def __init__(
        self,
        provider: str,
        stream: Stream,
        opening: Open,
        connector: Connector,
        clock: Clock,
        sink: Sink,
        *,
        seed: int | None = None,
    ) -> None:
        self.provider = provider
        self.stream = stream
        self.opening = opening
        self.connector = connector
        self.clock = clock
        self.sink = sink
        self.random = random.Random(seed)  # noqa: S311 - spreads reconnects, guards nothing
        self.refused: dict[Topic, str] = {}
        self.frames = self.unreadable = self.reconnects = self.gaps = 0
        self.last_data_ms: int | None = None
        self.reason = ""
        self._lines: list[Line] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._trades: dict[Pair, OrderedDict[str, None]] = {}

    def want(self, topics: Iterable[Topic]) -> None:
        """From now on exactly these topics are wanted, the first ones where there are more than the venue takes."""
        room = self.stream.topics_a_connection * self.stream.connections
        wanted = [t for t in dict.fromkeys(topics) if t.channel in self.stream.channels][:room]
        keep = set(wanted)
        for line in self._lines:
            line.drop(line.wanted.keys() - keep)
        held = {topic for line in self._lines for topic in line.wanted}
        new = [topic for topic in wanted if topic not in held and topic not in self.refused]
        if not new:
            self._end_idle()
        for line in self._lines:
            fits = self.stream.topics_a_connection - len(line.wanted)
            line.add(new[:fits])
            new = new[fits:]
        while new:
            line = Line(self)
            self._lines.append(line)
            line.add(new[: self.stream.topics_a_connection])
            line.start()
            new = new[self.stream.topics_a_connection :]

    def _end_idle(self) -> None:
        """Connections nothing is wanted of any more."""
        for line in [line for line in self._lines if not line.wanted]:
            self._lines.remove(line)
            task = asyncio.create_task(line.stop(), name=f"ends a feed of {self.provider}")
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every connection."""
        lines, self._lines = self._lines, []
        await asyncio.gather(*(line.stop() for line in lines), *self._ending)

    def live(self) -> set[Topic]:
        """Topics that deliver now."""
        return {topic for line in self._lines if line.live for topic in line.wanted}

    def status(self) -> Status:
        """How it does."""
        states = [line.state for line in self._lines if line.wanted]
        worst = next((s for s in ("stalled", "resting", "connecting", "live") if s in states), "idle")
        return Status(
            self.provider,
            worst,
            sum(line.connected for line in self._lines),
            sum(len(line.wanted) for line in self._lines),
            len(self.live()),
            self.frames,
            self.unreadable,
            self.reconnects,
            self.gaps,
            self.last_data_ms,
            self.reason,
        )

    def refuse(self, topics: Iterable[Topic], reason: str) -> None:
        """Topics the venue does not have are not asked for again."""
        for topic in topics:
            self.refused[topic] = reason
        for line in self._lines:
            line.forget(topics)

    def fresh(self, trade: Trade) -> bool:
        """Whether this trade was not handed on yet: two connections overlap while one takes over."""
        if trade.trade_id is None:
            return True
        recent = self._trades.setdefault(Pair(trade.base, trade.quote), OrderedDict())
        if trade.trade_id in recent:
            return False
        recent[trade.trade_id] = None
        if len(recent) > RECENT_TRADES:
            recent.popitem(last=False)
        return True
