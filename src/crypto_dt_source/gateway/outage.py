"""Whether anything can be reached at all: a network that is gone looks like every upstream being down."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..model.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable

UNHEARD = 5
"""Upstreams asked one after the other without a reply of any: fewer may well be down together."""


@dataclass(slots=True)
class Outage:
    """Notes every call of every source. A reply of whatever kind, from whomever, ends it."""

    _unheard: set[str] = field(default_factory=set)

    @property
    def total(self) -> bool:
        """Whether the last calls all went unanswered, of UNHEARD upstreams and more."""
        return len(self._unheard) >= UNHEARD

    def heard(self) -> None:
        """Somebody replied."""
        self._unheard.clear()

    def failed(self, upstream: str, error: UpstreamError) -> None:
        """A call of `upstream` (an entry's `source`) came to nothing. What says nothing of the network is passed over."""
        if isinstance(error, UpstreamTimeout | UpstreamUnreachable):
            self._unheard.add(upstream)
