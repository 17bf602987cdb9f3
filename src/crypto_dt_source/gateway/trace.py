"""What one request asked of upstreams, so that its answer can say so.

Whoever wants to know calls `begin` and later `asked`: what is asked between, by the same task or by one that it started
and waits for, is noted. Nobody else pays more than a look.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import NamedTuple

from ..model.answer import Tried
from ..model.ask import Capability
from ..model.pool import Route

MOST = 8
"""Asks that are noted of one request: the first."""


class Asked(NamedTuple):
    """One ask. `provider` answered, None: nobody did. `route` is None where the caller named who was to be asked."""

    capability: Capability
    provider: str | None
    tried: tuple[Tried, ...]
    route: Route | None


_NOTES: ContextVar[list[Asked] | None] = ContextVar("asked", default=None)


def begin() -> None:
    """Note from here on what this task asks."""
    _NOTES.set([])


def note(capability: Capability, provider: str | None, tried: Sequence[Tried], route: Route | None) -> None:
    """An ask has ended."""
    notes = _NOTES.get()
    if notes is not None and len(notes) < MOST:
        notes.append(Asked(capability, provider, tuple(tried), route))


def asked() -> list[Asked]:
    """What was noted since `begin`; empty without one."""
    return _NOTES.get() or []
