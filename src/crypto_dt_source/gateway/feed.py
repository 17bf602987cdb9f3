"""One venue's public stream: connections that keep what is wanted subscribed, judged by the data they bring.

A feed is told which topics are wanted and opens as many connections as they need. A connection that brings no frame, or
no data, for too long is dead whatever the socket says: the feed says so at once (`Stalled`), so that nothing of it counts
as fresh, and opens another. Before a venue's own cut a second connection takes over while the first still delivers.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

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
from .feed_pacing import Pacing
from .sockets import Connector

RECENT_TRADES = 512
REFUSED_S = 3600.0
"""A topic that was refused is asked for again after so long: it may have been refused for the moment."""
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
        self.pacing = Pacing(clock, self.random)
        self.refused: dict[Topic, str] = {}
        self._refused_at: dict[Topic, float] = {}
        self.frames = self.unreadable = self.reconnects = self.gaps = 0
        self.last_data_ms: int | None = None
        self._lines: list[Line] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._trades: dict[Pair, OrderedDict[str, None]] = {}
        self._closed = False

    def want(self, topics: Iterable[Topic]) -> set[Topic]:
        """From now on exactly these topics are wanted, the first ones where there are more than the venue takes. Gives those
        that were wanted until now; once the feed is closed nothing is wanted any more."""
        if self._closed:
            return set()
        room = self.stream.topics_a_connection * self.stream.connections
        wanted = [t for t in dict.fromkeys(topics) if t.channel in self.stream.channels][:room]
        keep = set(wanted)
        for pair in self._trades.keys() - {topic.pair for topic in wanted}:
            del self._trades[pair]
        self._forgive()
        gone: set[Topic] = set()
        for line in self._lines:
            unwanted = line.wanted.keys() - keep
            line.drop(unwanted)
            gone |= unwanted
        held = {topic for line in self._lines for topic in line.wanted}
        new = [topic for topic in wanted if topic not in held and topic not in self.refused]
        for line in self._lines:
            for topic in new:
                line.left.pop(topic, None)
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
        return gone

    def _end_idle(self) -> None:
        """Connections nothing is wanted of any more."""
        for line in [line for line in self._lines if not line.wanted]:
            self._lines.remove(line)
            self.behind(line.stop())

    def _forgive(self) -> None:
        now = self.clock.monotonic()
        for topic in [topic for topic, at in self._refused_at.items() if now - at > REFUSED_S]:
            del self._refused_at[topic], self.refused[topic]

    def behind(self, work: Coroutine[Any, Any, None]) -> None:
        """Something to finish that nothing waits for but the end of the feed."""
        task = asyncio.create_task(work, name=f"ends a connection to {self.provider}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def close(self) -> None:
        """End every connection, for good."""
        self._closed = True
        lines, self._lines = self._lines, []
        await asyncio.gather(*(line.stop() for line in lines))
        while self._ending:
            await asyncio.gather(*self._ending)

    def live(self) -> set[Topic]:
        """Topics that deliver now."""
        return {topic for line in self._lines if line.live for topic in line.wanted}

    def status(self) -> Status:
        """How it does."""
        lines = [line for line in self._lines if line.wanted]
        states = [line.state for line in lines]
        worst = next((s for s in ("stalled", "connecting", "live") if s in states), "idle")
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
            next((line.reason for line in lines if line.reason), ""),
        )

    def refuse(self, topics: Iterable[Topic], reason: str) -> list[Topic]:
        """Topics the venue does not have are not asked for again. Gives those of them that were asked for: a venue may name
        whatever it likes."""
        refused = [topic for topic in topics if any(topic in line.wanted for line in self._lines)]
        for topic in refused:
            self.refused[topic] = reason
            self._refused_at[topic] = self.clock.monotonic()
        for line in self._lines:
            line.forget(refused)
        return refused

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
