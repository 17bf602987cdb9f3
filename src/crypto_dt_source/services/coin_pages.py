"""The list of coins in pages of any size, out of the upstreams' pages of 250."""

from __future__ import annotations

from typing import NamedTuple

from ..model.errors import NotFound
from ..store.cache import Cached
from .market import COINS_PER_PAGE, Coin, CoinPage, coin_list
from .runtime import Runtime

LAST_PAGE = 80
"""20 000 coins: more than any upstream lists with market data. Nothing is asked for beyond."""
FULL_PAGE = COINS_PER_PAGE * 9 // 10
"""A page that lost a few rows to the normal form is still a full one; a shorter one is the last."""


class CoinRange(NamedTuple):
    """Rows of the list with their provenance. `total` is None while the end of the list has not been seen."""

    found: Cached[list[Coin]]
    total: int | None
    more: bool


async def coins_from(rt: Runtime, start: int, count: int) -> CoinRange:
    """The coins at positions `start` to `start + count`, by market cap; none past the end. A position whose row was
    kept out leaves its page shorter: filling up would show a coin on two pages. Raises AllProvidersFailed."""
    parts: list[Cached[CoinPage]] = []
    rows: list[Coin] = []
    at = start
    until = start + count
    while at < until:
        end = _end(rt)
        page, offset = divmod(at, COINS_PER_PAGE)
        if page >= LAST_PAGE or (end is not None and at >= end):
            break
        cached = await _page(rt, page + 1)
        if cached is None:
            break
        parts.append(cached)
        rows.extend(cached.value.coins[offset : offset + until - at])
        at = (page + 1) * COINS_PER_PAGE
    parts = parts or [await coin_list(rt)]
    state = next((s for s in ("miss", "stale") if any(p.state == s for p in parts)), "hit")
    source = tuple(sorted({name for p in parts for name in p.source}))
    found = Cached(rows, min(p.fetched_ms for p in parts), source, state)
    end = _end(rt)
    return CoinRange(found, end, bool(rows) if end is None else until < end)


async def _page(rt: Runtime, page: int) -> Cached[CoinPage] | None:
    """One upstream page; None past the last."""
    try:
        return await coin_list(rt, page)
    except NotFound:
        return None


def _end(rt: Runtime) -> int | None:
    """How many coins there are, once the page that is not full has been seen."""
    for page in range(LAST_PAGE):
        held = rt.cache.peek(("coins", page + 1))
        if held is not None and held.value.listed < FULL_PAGE:
            return page * COINS_PER_PAGE + int(held.value.listed)
    return None
