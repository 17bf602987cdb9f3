"""How old each kind of data is against its TTL: what is held here now, nothing asked for."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from ..clock import rfc3339
from ..model.errors import CdtsError
from ..store.repos import news as news_repo
from . import defi, derivatives, fear_greed, onchain
from .news import MOOD
from .runtime import Freshness, Runtime
from .whole import Whole


class Kind(NamedTuple):
    """A kind of data in the cache. `keys` says which of its keys are of this kind; with `parts` there are several (one a
    chain, a series, a book), each asked for by itself."""

    name: str
    ttl_s: Callable[[Freshness], int]
    keys: Callable[[Hashable], bool]
    parts: bool = False


def _one(key: Hashable) -> Callable[[Hashable], bool]:
    return lambda other: other == key


def _begins(first: str) -> Callable[[Hashable], bool]:
    return lambda key: isinstance(key, tuple) and bool(key) and key[0] == first


def _whole(name: str, kind: Whole[Any], *, parts: bool = False) -> Kind:
    if not parts:
        return Kind(name, kind.soft_s, _one(kind.key()))
    start = kind.key("*")[:-1]
    return Kind(name, kind.soft_s, lambda key: isinstance(key, str) and key.startswith(start), parts=True)


KINDS = (
    Kind("market", lambda f: f.market, _one("global")),
    Kind("coins", lambda f: f.coins, _begins("coins"), parts=True),
    Kind("categories", lambda f: f.categories, _one("categories")),
    Kind("trending", lambda f: f.trending, _one("trending")),
    Kind("exchanges", lambda f: f.exchanges, _one("exchanges")),
    Kind("ohlcv", lambda f: f.ohlcv, _begins("candles-at"), parts=True),
    Kind("orderbook", lambda f: f.orderbook, _begins("book"), parts=True),
    Kind("trades", lambda f: f.orderbook, _begins("trades"), parts=True),
    _whole("defi", defi.PROTOCOLS),
    _whole("defi_chains", defi.CHAINS),
    _whole("yields", defi.YIELDS),
    _whole("stablecoins", defi.STABLECOINS),
    _whole("dex_volumes", defi.VOLUMES),
    _whole("funding", derivatives.FUNDING, parts=True),
    _whole("open_interest", derivatives.OPEN_INTEREST, parts=True),
    _whole("gas", onchain.GAS, parts=True),
    _whole("chain_stats", onchain.STATS, parts=True),
    Kind("sentiment", lambda f: f.sentiment, _one((MOOD, None))),
    _whole("fear_greed", fear_greed.NOW),
)
"""Beside prices, which are on the board, and news, which are in the store."""


async def listed(rt: Runtime) -> list[dict[str, Any]]:
    """A row a kind: its TTL, when the newest of it was fetched (None: nothing is held), and whether that is past the TTL."""
    now = rt.clock.now_ms()
    fresh_after = now - rt.freshness.prices * 1000
    polled = rt.board.polled
    sources = [provider for provider, at in polled.items() if at >= fresh_after]
    rows = [
        _row(now, "prices", rt.freshness.prices, max(polled.values(), default=None), sources, len(polled))
    ]
    held = rt.cache.held()
    for kind in KINDS:
        found = [loaded for key, loaded in held if kind.keys(key)]
        newest = max(found, key=lambda loaded: loaded.fetched_ms, default=None)
        rows.append(
            _row(
                now,
                kind.name,
                kind.ttl_s(rt.freshness),
                newest.fetched_ms if newest else None,
                newest.source if newest else (),
                len(found) if kind.parts else min(1, len(found)),
            )
        )
    rows.append(await _news(rt, now))
    return sorted(rows, key=lambda row: str(row["kind"]))


async def _news(rt: Runtime, now: int) -> dict[str, Any]:
    try:
        feeds = await news_repo.feeds(rt.store)
    except CdtsError:
        feeds = []
    newest = max((feed.checked_ms for feed in feeds), default=None)
    fresh = [feed.provider for feed in feeds if now - feed.checked_ms <= rt.freshness.news * 1000]
    return _row(now, "news", rt.freshness.news, newest, fresh, len(feeds))


def _row(
    now: int, kind: str, ttl_s: int, fetched_ms: int | None, source: tuple[str, ...] | list[str], held: int
) -> dict[str, Any]:
    age_s = None if fetched_ms is None else max(0, now - fetched_ms) // 1000
    return {
        "kind": kind,
        "ttl_seconds": ttl_s,
        "fetched_at": None if fetched_ms is None else rfc3339(fetched_ms),
        "age_seconds": age_s,
        "stale": age_s is None or age_s > ttl_s,
        "held": held,
        "source": sorted(source),
    }
