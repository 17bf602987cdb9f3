"""How far shipping is, for health, and what it says of a newer start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .errors import NotShipped


@dataclass(slots=True)
class Shipped:
    """How far shipping is. `superseded` is the epoch of a newer start; this one then ships nothing more. `awaited` is that
    of one that has claimed the place and not shipped yet: nothing is shipped until it has, or has given up. `behind_ms`:
    when the oldest transaction that is not at the target was committed."""

    target: str
    epoch: str | None = None
    confirmed_ms: int | None = None
    behind_ms: int | None = None
    segments: int = 0
    copies: int = 0
    error: str | None = None
    superseded: str | None = None
    awaited: str | None = None


class Cut(NamedTuple):
    """A segment cut off the log: `until` is the number of its last transaction, `since_ms` when its first was committed."""

    seq: int
    data: bytes
    until: int
    since_ms: int | None


def overtaken() -> NotShipped:
    """What whoever decides something is told once a newer start has taken over."""
    return NotShipped(
        "A newer start of this service has taken over; what is changed here would be lost.", kind="superseded"
    )


def awaited() -> NotShipped:
    """The same until it has."""
    return NotShipped(
        "A newer start of this service is taking over; nothing was changed, try again soon.", kind="awaited"
    )
