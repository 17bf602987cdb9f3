"""What a simulated venue's socket says: the other side of `providers.streaming`. Nothing here opens a socket; the server
that does, and its faults, are elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..model.quote import Pair
from ..providers.streaming import Topic
from .venue import SimTicker, SimTrade

Frame = str | bytes


class SimSession(Protocol):
    """One client's connection as the venue sees it. `topics` is what the client is subscribed to now.

    `number` of a frame's record counts the records of its topic on and on, or those of the connection from 1 where the venue
    numbers those; the server leaves one out for a gap, and sends one twice for a duplicate.
    """

    topics: set[Topic]

    def opened(self, now_ms: int) -> list[Frame]:
        """What the venue says first."""
        ...

    def received(self, frame: Frame, now_ms: int) -> list[Frame]:
        """The venue's answer to a client's frame; changes `topics`. For what it does not understand the venue's own error
        frame."""
        ...

    def ticker(self, pair: Pair, ticker: SimTicker, now_ms: int, number: int) -> Frame:
        """A frame of the ticker channel."""
        ...

    def trade(self, pair: Pair, trade: SimTrade, now_ms: int, number: int) -> Frame:
        """A frame of the trades channel with one trade."""
        ...

    def heartbeat(self, now_ms: int) -> Frame | None:
        """What the venue sends by itself now and then; None where it sends nothing."""
        ...


@dataclass(frozen=True, slots=True)
class SimStream:
    """A venue's socket in the simulator. `knows` tells whether it lists a pair. `heartbeat_s`: how often it sends one.
    `numbers_connection`: the `number` of its frames counts the records of the connection, not those of each topic."""

    session: Callable[[Callable[[Pair], bool]], SimSession]
    heartbeat_s: float | None = None
    numbers_connection: bool = False
