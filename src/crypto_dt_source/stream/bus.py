"""Where services say that something is new. Whoever wants to know adds a sink; publishing never waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Event(NamedTuple):
    """Something new on a channel. `symbol` is None on channels without symbols; `data` is JSON-ready; `at_ms` is when it
    was so, ms UTC."""

    channel: str
    symbol: str | None
    data: Any
    at_ms: int


Sink = Callable[[Event], None]


class Bus:
    """One process's events. A sink must not block and not raise."""

    def __init__(self) -> None:
        self._sinks: list[Sink] = []

    def add(self, sink: Sink) -> None:
        """Hand every later event to `sink` too."""
        self._sinks.append(sink)

    def publish(self, event: Event) -> None:
        """Hand an event to every sink, in the order they came."""
        for sink in self._sinks:
            sink(event)
