"""Searching for coins: what the registry knows, and what an upstream's search adds when it knows little."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..model.ask import Capability, SearchAsk
from ..model.asset import Asset
from ..model.errors import AllProvidersFailed
from ..store.cache import Loaded
from . import persist
from .learning import learn
from .runtime import Runtime

ENOUGH = 5
"""Assets the registry must know for a text so that no upstream is asked."""
MOST = 50


class Found(NamedTuple):
    """Assets by match. `fetched_ms` None: from the registry alone. `failed`: (provider, failure) of who was asked and
    could not answer; `note` says what the answer lacks, None for nothing."""

    assets: list[Asset]
    fetched_ms: int | None
    source: tuple[str, ...]
    state: str
    failed: tuple[tuple[str, str], ...] = ()
    note: str | None = None


async def find(rt: Runtime, text: str) -> Found:
    """Coins matching `text`. An upstream that is out of reach costs what it would have added, and is named. Raises
    InvalidParameter."""
    known = rt.resolver.search(text, 20)

    async def load() -> Loaded[list[Asset]]:
        ask = SearchAsk(text)
        answer = await rt.gateway.ask(Capability.SEARCH, lambda source: ask)
        family = rt.gateway.source(answer.provider).entry.source
        hits: tuple[Any, ...] = answer.records
        await learn(rt, persist.listings_of(family, hits))
        found = [a for hit in hits if (a := rt.resolver.native(family, hit.native_id)) is not None]
        with persist.best_effort():
            await persist.assets(rt, found)
        return Loaded(found, answer.received_ms, (answer.provider,))

    if len(known) >= ENOUGH:
        return Found(known, None, ("registry",), "hit")
    key = ("search", text.casefold())
    if rt.cache.peek(key) is None and not rt.searches.spend():
        note = "Too many searches lately: no upstream was asked, only coins known already are listed."
        return Found(known, None, ("registry",), "stale", note=note)
    try:
        cached = await rt.cache.get(
            key, rt.freshness.coins, rt.freshness.max_stale_market, load, allow=rt.searches.spend
        )
    except AllProvidersFailed as error:
        failed = tuple((str(t["provider"]), str(t["failure"])) for t in error.details["tried"])
        note = "No upstream search answered: only coins known already are listed."
        return Found(known, None, ("registry",), "stale", failed, note)
    merged = {asset.id: asset for asset in [*known, *cached.value]}
    return Found(list(merged.values())[:MOST], cached.fetched_ms, cached.source, cached.state)
