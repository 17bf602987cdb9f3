"""Requests of many topics that a venue refuses as a whole because of some of them."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Sequence

from ..streaming import Answer, Event, Refused, Topic
from ._session import VenueSession, spoken


def named_in(reason: str, topics: Sequence[Topic], symbol: Callable[[Topic], str]) -> list[Topic]:
    """Those of `topics` whose symbol is a word of the venue's reason."""
    words = set(re.split(r"[^A-Za-z0-9_-]+", spoken(reason)))
    return [topic for topic in topics if symbol(topic) in words]


class BatchSession(VenueSession):
    """A venue that takes many topics a frame and confirms or refuses the frame."""

    @abstractmethod
    def _ask(self, topics: Sequence[Topic]) -> list[str]:
        """Frames that ask for these topics."""

    def _declined(self, request: int, reason: str) -> list[Event]:
        """The venue said no to a request. Where it names the topics it means, the others are asked for again."""
        asked = self._asked.get(request, [])
        named = named_in(reason, asked, lambda topic: self._symbol(topic.pair))
        if not named or len(named) == len(asked):
            return self._refused(request, reason)
        del self._asked[request]
        rest = [topic for topic in asked if topic not in named]
        return [Refused(tuple(named), spoken(reason)), *map(Answer, self._ask(rest))]


def number_of(text: str | int | None) -> int:
    """The number of a request as the venue sends it back; 0, which no request has, where it is none."""
    try:
        return int(text or 0)
    except ValueError:
        return 0
