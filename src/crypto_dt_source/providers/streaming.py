"""What the stream of a venue is made of: how its socket is spoken to, and how its frames are read. Nothing here opens one.

A venue's module in `providers/streams/` gives one `STREAM`. The feed (gateway) opens connections by it, and hands every
frame to the connection's own `Session`, which knows what was subscribed on it and where each sequence stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from ..model.book import Trade
from ..model.quote import Pair, Quote
from .kit import Reply, Request

Channel = Literal["ticker", "trades"]


class Topic(NamedTuple):
    """What can be subscribed: one channel of one pair."""

    channel: Channel
    pair: Pair


class Subscribed(NamedTuple):
    """The venue confirmed these topics."""

    topics: tuple[Topic, ...]


class Refused(NamedTuple):
    """The venue will not send these topics (no such pair, too many), in its own words, cut to 200 characters. No topics:
    it does not say which of those asked for last."""

    topics: tuple[Topic, ...]
    reason: str


class Gap(NamedTuple):
    """Something of this topic was missed: its sequence jumped by `missing`, None where that cannot be counted."""

    topic: Topic
    missing: int | None


class Answer(NamedTuple):
    """A frame to send at once, such as the answer to the venue's ping."""

    frame: str


class Alive(NamedTuple):
    """A frame that only says that the connection lives: a heartbeat, a pong. It is no data."""


class Ending(NamedTuple):
    """The venue asks for a new connection (maintenance, its 24 hours are over), in its own words."""

    reason: str


Event = Quote | Trade | Subscribed | Refused | Gap | Answer | Alive | Ending


class Session(Protocol):
    """One connection's side of the conversation. Not shared, not reused: a new connection gets a new one."""

    def subscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics, each within the venue's limits."""
        ...

    def unsubscribe(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that end them."""
        ...

    def ping(self) -> str | None:
        """The frame the venue wants to see every `Stream.ping_every_s`; None where WebSocket pings do."""
        ...

    def read(self, frame: str | bytes, received_ms: int) -> list[Event]:
        """What a frame says; empty for one that says nothing of use. Duplicates, and what is older than what came before
        in the same sequence, are left out; a jump gives a Gap before the record that showed it.

        Raises PayloadChanged for a frame that cannot be read: the feed counts it and goes on.
        """
        ...


class Opening(NamedTuple):
    """Where to connect, and how often to ping where the venue tells: what a token step gives."""

    url: str
    ping_every_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """How a venue's public stream is used. Rates and bounds are the venue's published ones.

    `session(provider)` makes a connection's Session; `provider` is the catalogue id records carry. `topics_a_connection`
    and `connections` bound what is subscribed; `frames_a_second` is how fast it may be told so, and `frames_an_hour` how
    often on one connection where that is bounded too. `lifetime_s`: the venue cuts after that long. `ping_every_s`: how
    often `Session.ping` is to be sent. `silent_s`: no frame at all for this long (heartbeats count) means that the
    connection is dead. `token`, where the venue gives addresses out one by one: what to
    ask its REST API, and how to read the answer. `stamp(frame, now_ms)`, where requests must carry when they are sent: puts
    our clock into a frame of `subscribe`, `unsubscribe`, `ping` or an Answer, right before it goes out.
    """

    session: Callable[[str], Session]
    channels: tuple[Channel, ...]
    topics_a_connection: int
    frames_a_second: float
    silent_s: float
    connections: int = 8
    frames_an_hour: int | None = None
    ping_every_s: float | None = None
    lifetime_s: float | None = None
    token: tuple[Request, Callable[[Reply], Opening]] | None = None
    stamp: Callable[[str, int], str] | None = None


def ordered(last: int | None, number: int) -> int:
    """How a record of a sequence that rises by one follows the last one: 0 for a duplicate or an older one, 1 for the next
    or the first, more for a jump (what is missing is one less)."""
    if last is None:
        return 1
    return number - last if number > last else 0
