"""The aggregators' lists of every coin: fetched once a day, stored, and taken up again at a start.

They make any listed coin known by id, name and ticker. A ticker known from a list alone is not certain to mean that coin
at a venue (see Resolver.counts).
"""

from __future__ import annotations

from itertools import islice
from typing import cast

from ..model.ask import AssetsAsk, Capability
from ..model.asset import AssetListing
from ..model.errors import AllProvidersFailed
from ..pricing.rates import BASE
from ..providers.asset_index import CANONICAL
from ..store.repos import assets as asset_repo
from ..store.repos import coins as coin_repo
from ..telemetry import logger
from . import persist
from .learning import learn
from .runtime import Runtime

log = logger("asset_lists")
EVERY_S = 86_400
LOOK_EVERY_S = 21_600
"""How often a list that could not be had is tried again; one that is not EVERY_S old yet is left."""
PIECE = 2000
"""Rows stored at once, so that other writes come between."""
MOST = 60_000
"""Rows of one list that are kept: about twice what the longest one has in use."""


async def fetch(rt: Runtime) -> int:
    """Ask each aggregator family for its list where the stored one is a day old; gives how many coins were listed. Coins
    no longer in use are left out. Raises AllProvidersFailed when every family that was asked failed."""
    families: dict[str, list[str]] = {}
    for source in rt.gateway.offering(Capability.ASSETS):
        families.setdefault(source.entry.source, []).append(source.entry.id)
    listed = 0
    failure: AllProvidersFailed | None = None
    # Other ids are matched to the canonical ones, which come first.
    for family in sorted(families, key=lambda name: name != CANONICAL):
        kept_ms = await asset_repo.listed_ms(rt.store, family)
        if kept_ms is not None and 0 <= rt.clock.now_ms() - kept_ms < (EVERY_S - LOOK_EVERY_S / 2) * 1000:
            continue
        try:
            listed += await _fetch(rt, family, families[family])
        except AllProvidersFailed as error:
            failure = error
            log.warning("no list of coins", family=family, reason=error.message)
    if failure is not None and not listed:
        raise failure
    return listed


async def _fetch(rt: Runtime, family: str, providers: list[str]) -> int:
    ask = AssetsAsk()
    answer = await rt.gateway.ask(Capability.ASSETS, lambda source: ask, providers=providers, background=True)
    rows = cast("tuple[AssetListing, ...]", answer.records)
    # Under the family's name: another key's list is the same list.
    active = [row._replace(provider=family) for row in rows if row.active][:MOST]
    await learn(rt, active)
    if family == CANONICAL:
        await learn(rt, rt.resolver.unmatched())
    with persist.best_effort():
        for at in range(0, len(active), PIECE):
            await asset_repo.put_listings(rt.store, active[at : at + PIECE], answer.received_ms)
    return len(active)


async def restore(rt: Runtime) -> None:
    """Take up the assets, lists and native ids that were known before the start. Raises StoreError."""
    rt.resolver.restore(await asset_repo.all_assets(rt.store))
    sources = {entry.id: entry.source for entry in rt.board.entries.values()}
    listings = await asset_repo.all_listings(rt.store, MOST)
    listings += await coin_repo.listed(rt.store)
    # A market list brings ids that a list of every coin may lack, and is stored under the provider's own name.
    named = [row._replace(provider=sources.get(row.provider, row.provider)) for row in listings]
    named.sort(key=lambda row: row.provider != CANONICAL)
    await learn(rt, named)


def restore_asked(rt: Runtime) -> int:
    """Go on with the assets outside the top that someone asked for before the start: those with a stored price, the
    newest last. Gives how many."""
    top = {asset.id for asset in islice(rt.resolver.ranked(), rt.limits.collect_top)}
    kept = sorted(
        (point.as_of_ms, asset_id)
        for (asset_id, vs), point in rt.pricer.last.items()
        if vs == BASE and asset_id not in top
    )
    for _, asset_id in kept:
        asset = rt.resolver.by_id(asset_id)
        if asset is not None and asset.kind != "fiat":
            rt.pricer.note_asked(asset_id)
    return len(rt.pricer.asked)
