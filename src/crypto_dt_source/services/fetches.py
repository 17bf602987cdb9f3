"""When which part of a candle series was fetched, as far as this process knows: rows do not carry it."""

from __future__ import annotations

from ..store import ConfirmedGap, Gap, SeriesKey
from ..store.cache import Loaded
from ..store.repos.candles import subtract
from .runtime import Runtime

KEPT = 64
"""Fetches remembered of one series; of what is older the time is not known."""


def note(rt: Runtime, series: SeriesKey, asked: Gap, received_ms: int) -> None:
    """Remember that an upstream answered for `asked` at `received_ms`."""
    before = rt.cache.peek(("fetches", series))
    rows: tuple[tuple[Gap, int], ...] = before.value if before else ()
    covered = [ConfirmedGap(*asked, "")]
    older = [row for row in rows if subtract([row[0]], covered)]
    rt.cache.put(("fetches", series), Loaded((*older, (asked, received_ms))[-KEPT:], received_ms, ()))


def oldest(rt: Runtime, series: SeriesKey, part: Gap) -> int | None:
    """When the part of [start, end) that was fetched longest ago was received, each candle counted by its newest fetch;
    None when not all of it was fetched since the start of the service."""
    held = rt.cache.peek(("fetches", series))
    rows: tuple[tuple[Gap, int], ...] = held.value if held else ()
    left = [part]
    found: int | None = None
    for asked, received_ms in reversed(rows):
        rest = subtract(left, [ConfirmedGap(*asked, "")])
        if rest != left:
            left, found = rest, received_ms
        if not left:
            return found
    return None


def newest(rt: Runtime, series: SeriesKey) -> int | None:
    """When a venue last answered for the end of the series; None when none has since the start of the service."""
    fetched = rt.cache.peek(("candles-at", series))
    return None if fetched is None else fetched.fetched_ms
