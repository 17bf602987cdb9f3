"""The exchanges read through the exchange library: which of them are collected, and which are asked when others fail."""

from __future__ import annotations

from itertools import islice

from ..model.ask import Capability
from ..providers.catalog import Entry, pollable
from .runtime import Runtime

ALL = "all"
REACH = 6
"""So many of them stand in for the usual venues: nobody waits for more, and each may have to be asked for its pairs first."""


def collected(rt: Runtime, entry: Entry) -> bool:
    """Whether the timetable asks an entry by itself: of the library's exchanges only those the operator names."""
    if not entry.library_id:
        return True
    return pollable(entry) and not rt.limits.exchanges_polled.isdisjoint((entry.id, ALL))


def out_of_reach(
    rt: Runtime, capability: Capability, quote: str | None, provider: str | None
) -> frozenset[str]:
    """Ids of the library's exchanges that are not asked for a pair in `quote` (None: in any currency): all but the first
    few that trade in it. None is out of the reach of whoever names one."""
    if provider is not None:
        return frozenset()
    entries = [s.entry for s in rt.gateway.offering(capability) if s.entry.library_id]
    near = islice((e.id for e in entries if quote is None or quote in e.quotes_in), REACH)
    return frozenset(entry.id for entry in entries) - frozenset(near)
