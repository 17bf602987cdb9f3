"""Which pair of which venue stands for an asset: read off the board, with the catalogue's preferences as a cold start."""

from __future__ import annotations

from ..gateway.source import Source
from ..model.asset import Asset
from ..model.quote import Pair
from .runtime import Runtime


def pair_at(rt: Runtime, source: Source, asset: Asset, quote: str | None) -> Pair | None:
    """The pair to ask this venue for; None when it is known not to list one.

    With `quote` only that pair will do. Without, the first of the venue's usual quote currencies that the board has
    seen there: a fixed choice, so that an asset's candles do not change their unit from day to day. A venue the board
    has not seen yet is asked for its usual pair.
    """
    held = rt.board.pairs(source.entry.id, asset.id) or rt.board.pairs(_twin(rt, source), asset.id)
    polled = source.entry.id in rt.board.polled or _twin(rt, source) in rt.board.polled
    if quote is not None:
        match = next((h for h in held if h.quote.currency == quote), None)
        if match is not None:
            return Pair(match.base, quote)
        return None if polled else Pair(asset.ticker, quote)
    if held:
        usual = {currency: i for i, currency in enumerate(source.entry.quotes_in)}
        best = min(held, key=lambda h: (usual.get(h.quote.currency, len(usual)), -(h.quote.volume or 0.0)))
        return Pair(best.base, best.quote.currency)
    if polled or not source.entry.quotes_in:
        return None
    first = next((q for q in source.entry.quotes_in if q != asset.ticker), None)
    return Pair(asset.ticker, first) if first else None


def _twin(rt: Runtime, source: Source) -> str:
    """Another host of the same venue whose quotes are on the board, or the source's own id."""
    for other in rt.gateway.sources.values():
        if other.entry.source == source.entry.source and other.entry.id in rt.board.polled:
            return other.entry.id
    return source.entry.id
