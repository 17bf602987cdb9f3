"""The change over 24 hours, only from quotes whose own change is a change in the currency asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..pricing.source import Consensus, Reason


def day_change(
    result: Consensus, changes: Mapping[tuple[str, str], float | None], same_money: Collection[str]
) -> float | None:
    """Median over sources of the percent change each reports, None where none reports one.

    `changes` is by (provider, symbol). `same_money` are the currencies a change in which is one in the asked currency:
    itself and, for US dollars, stablecoins at a dollar. A change against bitcoin says nothing about dollars, so such a
    quote is left out rather than converted. One report a source, its most traded pair's.
    """
    best: dict[str, tuple[float, float]] = {}
    for verdict in result.verdicts:
        if verdict.excluded not in (None, Reason.SAME_SOURCE) or verdict.currency not in same_money:
            continue
        change = changes.get((verdict.provider, verdict.symbol))
        if change is None:
            continue
        report = (-1.0 if verdict.volume is None else verdict.volume, change)
        best[verdict.source] = max(report, best.get(verdict.source, report))
    reported = sorted(change for _, change in best.values())
    return reported[(len(reported) - 1) // 2] if reported else None
