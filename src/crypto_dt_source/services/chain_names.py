"""Chains of DeFi lists by name, in any case and by older names too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple, TypeVar

from ..model.errors import NotFound
from ..providers.chain_names import spelled
from ..store.cache import Cached, Loaded
from . import defi
from .runtime import Runtime

T = TypeVar("T")
SUGGESTED = 3
COMPARED = 40
"""Characters of a wrong name that are compared with the right ones: no chain has more."""


class _Index(NamedTuple):
    """Rows of `of` by chain in lower case, each with its place in the list, from 1."""

    of: object
    by_chain: dict[str, list[tuple[int, object]]]


async def on_chain(
    rt: Runtime, listed: Cached[list[T]], chain: str, chains_of: Callable[[T], Iterable[str]], *, kept: str
) -> list[tuple[int, T]]:
    """The rows of a list that are on `chain`, each with its place in the whole list. The list is read through once after
    every fetch; `kept` is the name that is remembered under. Raises what `named` does for a chain no row is on."""
    rows = (await _index(rt, listed, chains_of, kept)).get(spelled(chain).casefold())
    if rows is None:
        await named(rt, chain)
        return []
    return rows


async def _index(
    rt: Runtime, listed: Cached[list[T]], chains_of: Callable[[T], Iterable[str]], kept: str
) -> dict[str, list[tuple[int, T]]]:
    held = rt.cache.peek(("by_chain", kept))
    if held is not None and held.value.of is listed.value:
        known: dict[str, list[tuple[int, T]]] = held.value.by_chain
        return known
    # Thousands of rows: not on the loop.
    made = await asyncio.to_thread(_by_chain, listed.value, chains_of)
    rt.cache.put(("by_chain", kept), Loaded(_Index(listed.value, made), listed.fetched_ms, listed.source))  # type: ignore[arg-type]
    return made


def _by_chain(rows: Sequence[T], chains_of: Callable[[T], Iterable[str]]) -> dict[str, list[tuple[int, T]]]:
    found: dict[str, list[tuple[int, T]]] = {}
    for place, row in enumerate(rows, 1):
        # Rows kept by an earlier version may still have an older name.
        for chain in {spelled(name).casefold() for name in chains_of(row)}:
            found.setdefault(chain, []).append((place, row))
    return found


async def named(rt: Runtime, chain: str) -> str:
    """A chain as GET /api/defi/chains spells it. Raises NotFound with the names nearest to it, and AllProvidersFailed when
    there is no list of chains."""
    wanted = spelled(chain).casefold()
    names = {row.name.casefold(): row.name for row in (await defi.chains(rt)).value}
    if wanted in names:
        return names[wanted]
    near = [name for name in names if name.startswith(wanted[:COMPARED])][:SUGGESTED]
    near = near or get_close_matches(wanted[:COMPARED], names, n=SUGGESTED)
    raise NotFound(
        f"There is no chain {chain!r}; GET /api/defi/chains lists them.",
        details={"parameter": "chain", "got": chain, "did_you_mean": [names[name] for name in near]},
    )
