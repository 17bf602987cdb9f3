"""What a feed says: records, and what becomes of its topics."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..model.book import Trade
from ..model.errors import UpstreamError
from ..model.quote import Quote
from ..providers.streaming import Topic


class Stalled(NamedTuple):
    """These topics bring nothing now; why, in the code of an error and words. What came of them is no longer fresh."""

    provider: str
    topics: tuple[Topic, ...]
    code: str
    reason: str


class Live(NamedTuple):
    """These topics bring data (again)."""

    provider: str
    topics: tuple[Topic, ...]


class Missed(NamedTuple):
    """A gap in a topic, with the number of records missed where the venue's sequence tells."""

    provider: str
    topic: Topic
    missing: int | None


FeedEvent = Quote | Trade | Stalled | Live | Missed
Sink = Callable[[FeedEvent], None]


class Status(NamedTuple):
    """A feed for health. `state` is that of the connection that does worst: `stalled` (it failed or brings nothing, and is
    made again), `connecting` (the first time), `live`, or `idle` (nothing is wanted); `reason` says why one is stalled.
    `connections` are open; `subscribed` topics deliver. Times are ms UTC."""

    provider: str
    state: str
    connections: int
    wanted: int
    subscribed: int
    frames: int
    unreadable: int
    reconnects: int
    gaps: int
    last_data_ms: int | None
    reason: str


class Silent(UpstreamError):
    """A connection that is open and brings nothing."""

    code = "stream_silent"
