"""Which pair of which venue stands for an asset: read off the board, with the catalogue's preferences as a cold start."""

from __future__ import annotations

from ..gateway.source import Source
from ..model.ask import Capability
from ..model.asset import Asset, Instrument
from ..model.quote import Pair
from ..providers.venue_index import VENUE_ASSETS
from .board import Held
from .runtime import Runtime


def pair_at(rt: Runtime, source: Source, asset: Asset, quote: str | None) -> Pair | None:
    """The pair to ask this venue for; None when it is known not to list one.

    With `quote` only that pair will do. Without, the first of the venue's usual quote currencies that the board has
    seen there: a fixed choice, so that an asset's candles do not change their unit from day to day. A venue the board
    has not seen yet is asked for its usual pair, under the ticker that is this asset's there.
    """
    held = _held(rt, source, asset)
    polled = source.entry.id in rt.board.polled or _twin(rt, source) in rt.board.polled
    usual = {currency: i for i, currency in enumerate(source.entry.quotes_in)}
    if quote is not None:
        match = next((h for h in held if h.quote.currency == quote), None)
        if match is not None:
            return Pair(match.base, quote)
    elif held:
        best = min(held, key=lambda h: (usual.get(h.quote.currency, len(usual)), -(h.quote.volume or 0.0)))
        return Pair(best.base, best.quote.currency)
    named = _named(rt, source, asset)
    if named is not None:
        fits = [p for p in named if quote is None or p.quote == quote]
        return min(fits, key=lambda p: (usual.get(p.quote, len(usual)), p), default=None)
    if polled:
        return None
    base = _base(rt, source, asset)
    first = quote or next((q for q in source.entry.quotes_in if q not in (base, asset.ticker)), None)
    return Pair(base, first) if base and first else None


def price_at(rt: Runtime, source: Source, asset: Asset, pair: Pair) -> float | None:
    """The last price of that pair there, None when the board has none."""
    for held in _held(rt, source, asset):
        if held.base == pair.base and held.quote.currency == pair.quote:
            return held.quote.price
    return None


def _base(rt: Runtime, source: Source, asset: Asset) -> str | None:
    """The base ticker that means this asset at the venue: its own spelling first, then the usual ones; None when every
    one of them is another asset's there."""
    venue = source.entry.id
    spelled = {**VENUE_ASSETS.get(venue, {}), **source.entry.tickers}
    usual = (asset.ticker, *asset.aliases)
    own = [ticker for ticker, meant in spelled.items() if meant == asset.id or meant in usual]
    for ticker in (*own, *usual):
        if _certain(rt, source, ticker, asset):
            return ticker
    return None


async def identify(rt: Runtime, asset: Asset) -> None:
    """Find out whether the venues that list a ticker mean this asset, where only uncertain ones are known to: needs an
    aggregator's price of it. Nobody's answer changes nothing."""
    if asset.id in rt.board.quotes or asset.id not in rt.board.unproven:
        return
    await rt.on_demand.want([asset])
    rt.pricer.point(asset.id)


def _certain(rt: Runtime, source: Source, ticker: str, asset: Asset) -> bool:
    meant = rt.resolver.venue_asset(source.entry.id, ticker)
    return meant is not None and meant.id == asset.id and rt.resolver.counts(source.entry.id, ticker)


def _held(rt: Runtime, source: Source, asset: Asset) -> list[Held]:
    return rt.board.pairs(source.entry.id, asset.id) or rt.board.pairs(_twin(rt, source), asset.id)


def _named(rt: Runtime, source: Source, asset: Asset) -> list[Pair] | None:
    """The asset's pairs by the venue's own list, for a venue that is quoted pair by pair and only for the largest
    assets; None for the others, and before the list is here."""
    endpoint = source.adapter.endpoints.get(Capability.QUOTES)
    listed = rt.cache.peek(("instruments", source.entry.id))
    if listed is None or endpoint is None or not endpoint.per_pair:
        return None
    tickers = {asset.ticker, *asset.aliases, *(rename.ticker for rename in asset.renames)}
    rows: list[Instrument] = listed.value
    return [
        Pair(row.base, row.quote)
        for row in rows
        if row.active and row.base in tickers and _certain(rt, source, row.base, asset)
    ]


def _twin(rt: Runtime, source: Source) -> str:
    """Another host of the same venue whose quotes are on the board, or the source's own id."""
    for other in rt.gateway.sources.values():
        if other.entry.source == source.entry.source and other.entry.id in rt.board.polled:
            return other.entry.id
    return source.entry.id
