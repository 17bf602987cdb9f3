"""Whose price a venue's ticker shows: quotes as evidence for and against the resolver's mappings."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from ..pricing.source import Consensus, Reason, SourceQuote, Verdict
from ..providers.resolver import Resolver
from ..telemetry import logger
from .board import Board

log = logger("identity")
MAJORITY = 3
"""Independent sources that speak for an asset even without an aggregator's word."""
TOP = 20
"""Tickers named of each kind in the statistics."""
_NO_WORD = (
    Reason.STALE,
    Reason.FUTURE,
    Reason.FROZEN,
    Reason.NOT_FINITE,
    Reason.NO_RATE,
    Reason.BLOCKED,
    Reason.UNPROVEN,
)
"""Quotes that say nothing of what an asset costs now. One excluded for its distance from the others does: beside a single
namesake the aggregator itself is the odd one."""


def reference(result: Consensus) -> float | None:
    """A price that is this asset's own beyond doubt of a venue's ticker: the consensus of three sources, else what the
    aggregators say by their own id of the asset; None where neither is there."""
    if result.price is not None and result.sources >= MAJORITY:
        return result.price
    own = [
        v.converted
        for v in result.verdicts
        if v.kind == "aggregator" and v.converted is not None and v.excluded not in _NO_WORD
    ]
    return median(own) if own and max(own) <= 1.1 * min(own) else None


def prove(
    board: Board, resolver: Resolver, result: Consensus, rates: Mapping[str, float], fresh_ms: int
) -> bool:
    """Compare provisional quotes received at or after `fresh_ms` with the asset's price, or with an aggregator's quote of
    it where there is no price; gives whether any counts from now on."""
    known = result.price if result.price is not None else reference(result)
    if known is None:
        return False
    proven = set()
    for (provider, _), held in board.unproven.get(result.asset, {}).items():
        rate = rates.get(held.quote.currency)
        if rate is None or held.quote.received_ms < fresh_ms or (provider, held.base) in proven:
            continue
        if resolver.prove(provider, held.base, held.quote.price * rate / known):
            proven.add((provider, held.base))
    for provider, base in proven:
        board.prove(provider, base, result.asset)
    return bool(proven)


def with_unproven(board: Board, result: Consensus, rates: Mapping[str, float], now_ms: int) -> Consensus:
    """The same consensus, the quotes that do not count for want of proof shown among its verdicts."""
    held = board.unproven.get(result.asset)
    if not held:
        return result
    shown = [_unproven(h.quote, h.base, result.price, rates, now_ms) for h in held.values()]
    verdicts = sorted((*result.verdicts, *shown), key=lambda v: (v.provider, v.symbol))
    return result._replace(verdicts=tuple(verdicts))


def _unproven(
    quote: SourceQuote, base: str, price: float | None, rates: Mapping[str, float], now_ms: int
) -> Verdict:
    rate = rates.get(quote.currency)
    converted = None if rate is None else quote.price * rate
    known = converted is not None and price is not None
    return Verdict(
        provider=quote.provider,
        source=quote.source,
        kind=quote.kind,
        symbol=quote.symbol,
        currency=quote.currency,
        price=quote.price,
        converted=converted,
        volume=None if rate is None or quote.volume is None else quote.volume * rate,
        age_ms=now_ms - quote.received_ms,
        weight=0.0,
        deviation_pct=(converted / price - 1) * 100 if known else None,  # type: ignore[operator]
        excluded=Reason.UNPROVEN,
        detail=f"{base} may be another asset here",
    )


def observe(board: Board, resolver: Resolver, result: Consensus) -> None:
    """Hand the evidence of one asset's quotes to the resolver, one ratio a venue and base ticker: a ticker that is
    persistently another asset's price loses its mapping there, and its quotes leave the board."""
    known = reference(result)
    if known is None:
        return
    held = {(h.quote.provider, h.quote.symbol): h.base for h in board.of(result.asset)}
    ratios: dict[tuple[str, str], tuple[float, float]] = {}
    for v in result.verdicts:
        base = held.get((v.provider, v.symbol))
        if base is None or v.kind != "venue" or v.converted is None or v.excluded is Reason.STALE:
            continue
        entry = (v.volume or 0.0, v.converted / known)
        ratios[v.provider, base] = max(entry, ratios.get((v.provider, base), entry))
    for (provider, base), (_, ratio) in ratios.items():
        resolver.evidence(provider, base, ratio)
        if resolver.venue_asset(provider, base) is None:
            board.withdraw(provider, base, result.asset)
            log.warning(
                "venue ticker is another asset",
                provider=provider,
                ticker=base,
                asset=result.asset,
                ratio=round(ratio, 6),
            )


def statistics(board: Board, resolver: Resolver, provider: str, family: str) -> dict[str, Any]:
    """What is uncertain about a provider's names, as counts and the top rows of each: `unmapped` tickers (no asset known),
    `unproven` ones (quoted, not counted), `withdrawn` ones (the price is another asset's), and `unmatched` rows of its
    list of coins."""
    unmapped = sorted(base for at, base in board.unmapped if at == provider)
    unproven = sorted(
        {
            (held.base, asset_id)
            for asset_id, by_source in board.unproven.items()
            for (at, _), held in by_source.items()
            if at == provider
        }
    )
    withdrawn = [c for c in resolver.conflicts() if c.provider == provider]
    unmatched = [row for row in resolver.unmatched() if row.provider in (provider, family)]
    unmatched.sort(key=lambda row: (row.rank is None, row.rank, row.native_id))
    return {
        "unmapped": {"count": len(unmapped), "top": unmapped[:TOP]},
        "unproven": {
            "count": len(unproven),
            "top": [{"ticker": base, "asset": asset_id} for base, asset_id in unproven[:TOP]],
        },
        "withdrawn": {
            "count": len(withdrawn),
            "top": [
                {
                    "ticker": c.ticker,
                    "asset": c.asset.id,
                    "ratio": c.ratio,
                    "candidates": [a.id for a in c.candidates[:5]],
                }
                for c in withdrawn[-TOP:]
            ],
        },
        "unmatched": {
            "count": len(unmatched),
            "top": [{"id": row.native_id, "ticker": row.ticker, "name": row.name} for row in unmatched[:TOP]],
        },
    }
