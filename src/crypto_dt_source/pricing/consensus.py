"""The consensus price of one asset. Pure: the same quotes, rates and policy give the same bits, in any order.

Why a minority cannot move it: let n sources be fresh and independent, and fewer than half of them lie. Weights are
capped so that the liars' sum stays below one half, so the weighted median lies within the honest quotes' range: that is
the centre. Honest quotes that differ by less than the floor of the tolerance are therefore never rejected, the liars
stay a minority of what is kept, and the weighted median of the kept lies within the honest range too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from .source import CRYPTO, Consensus, Policy, Reason, SourceQuote, Verdict
from .suspicion import name
from .weights import quantile, shares

METHOD = "cdts-1"
"""Raised with every change that can alter a bit of any result."""

_DEFAULT = Policy()


class _Candidate:
    """A quote on its way through the method."""

    __slots__ = ("age_ms", "converted", "detail", "quote", "rate", "reason", "volume", "weight")

    def __init__(self, quote: SourceQuote, at_ms: int) -> None:
        told, received = quote.event_ms, quote.received_ms
        # A venue's clock that runs ahead must not make a quote younger than our receipt of it.
        self.age_ms = at_ms - (told if told is not None and told < received else received)
        self.quote = quote
        self.rate = 0.0
        self.converted: float | None = None
        self.volume: float | None = None
        self.weight = 0.0
        self.reason: Reason | None = None
        self.detail: str | None = None


def consensus(
    asset: str,
    quotes: Sequence[SourceQuote],
    *,
    currency: str,
    rates: Mapping[str, float],
    at_ms: int,
    neighbours: Sequence[tuple[float, str]] = (),
    policy: Policy = _DEFAULT,
) -> Consensus:
    """The price of `asset` in `currency` out of `quotes`, judged at `at_ms` (ms UTC).

    `rates` holds units of `currency` for one unit of a quote ticker; `currency` itself is 1, a missing one excludes the
    quote. `neighbours` are (price in `currency`, asset id) of other assets, ascending: they only help to name a swapped
    asset. Raises nothing for any content of the quotes; what cannot count is in the verdicts with its reason.
    """
    candidates = [_Candidate(quote, at_ms) for quote in _ordered(quotes)]
    for candidate in candidates:
        _screen(candidate, currency, rates, at_ms, policy)
    fresh = _independent(candidates)
    if len(fresh) < 2:
        status = "single_source" if fresh else "no_data"
        price = fresh[0][0] if fresh else None
        for _, _, candidate in fresh:
            candidate.weight = 1.0
        return _result(asset, currency, price, status, at_ms, candidates, centre=price)
    fresh.sort()
    weights = _weigh(fresh, policy)
    centre = quantile([row[0] for row in fresh], weights, 0.5, lower=True)
    kept = _agreeing(asset, fresh, centre, at_ms, neighbours, policy)
    if 2 * len(kept) <= len(fresh):
        return _result(asset, currency, None, "no_consensus", at_ms, candidates, centre=centre)
    if len(kept) < len(fresh):
        weights = _weigh(kept, policy)
    for row, weight in zip(kept, weights, strict=True):
        row[2].weight = weight
    values = [row[0] for row in kept]
    price = quantile(values, weights, 0.5)
    return _result(
        asset,
        currency,
        price,
        "ok",
        at_ms,
        candidates,
        centre=price,
        half_width=_half_width(kept, weights, price),
        dispersion_pct=(values[-1] - values[0]) / price * 100.0,
    )


_Row = tuple[float, str, _Candidate]
"""Converted price, source, candidate: sorts by price, then by source, which is unique among rows."""


def _ordered(quotes: Sequence[SourceQuote]) -> list[SourceQuote]:
    """Sorted by who said it. Duplicates of that fall back to the whole content, in a form that orders None and NaN."""
    keys = {(q.provider, q.symbol, q.currency) for q in quotes}
    if len(keys) == len(quotes):
        return sorted(quotes, key=lambda q: (q.provider, q.symbol, q.currency))
    return sorted(quotes, key=lambda q: (q.provider, q.symbol, q.currency, repr(tuple(q))))


def _screen(
    candidate: _Candidate, currency: str, rates: Mapping[str, float], at_ms: int, policy: Policy
) -> None:
    """Convert, and exclude what can be judged by itself."""
    quote = candidate.quote
    price = quote.price
    rate = 1.0 if quote.currency == currency else rates.get(quote.currency, 0.0)
    rated = 0.0 < rate < math.inf
    converted = price * rate
    if rated and 0.0 < converted < math.inf:
        candidate.rate = rate
        candidate.converted = converted
        volume = quote.volume
        if volume is not None and 0.0 <= volume * rate < math.inf:
            candidate.volume = volume * rate
    ahead_ms = (quote.received_ms if quote.event_ms is None else quote.event_ms) - at_ms
    if quote.provider in policy.disabled:
        candidate.reason = Reason.BLOCKED
    elif not 0.0 < price < math.inf:
        candidate.reason = Reason.NOT_FINITE
    elif ahead_ms > policy.future_slack_ms:
        candidate.reason, candidate.detail = Reason.FUTURE, f"{ahead_ms // 1000} s ahead"
    elif candidate.age_ms > policy.stale_after_ms:
        candidate.reason, candidate.detail = Reason.STALE, f"{candidate.age_ms // 1000} s old"
    elif not rated:
        candidate.reason, candidate.detail = Reason.NO_RATE, f"no rate for {quote.currency}"
    elif candidate.converted is None:
        candidate.reason = Reason.NOT_FINITE


def _independent(candidates: list[_Candidate]) -> list[_Row]:
    """One row a source: its most liquid quote against money, or against a coin where it has no other; the first by
    provider and symbol where that is equal or unknown."""
    best: dict[str, _Candidate] = {}
    doubles = []
    for candidate in candidates:
        if candidate.reason is not None:
            continue
        source = candidate.quote.source
        rival = best.get(source)
        if rival is None:
            best[source] = candidate
        elif _standing(candidate) > _standing(rival):
            best[source] = candidate
            doubles.append(rival)
        else:
            doubles.append(candidate)
    for double in doubles:
        counted = best[double.quote.source].quote
        double.reason, double.detail = Reason.SAME_SOURCE, f"counted: {counted.provider} {counted.symbol}"
    return [(c.converted, source, c) for source, c in best.items() if c.converted is not None]


def _standing(candidate: _Candidate) -> tuple[bool, float]:
    return candidate.quote.currency not in CRYPTO, -1.0 if candidate.volume is None else candidate.volume


def _weigh(rows: Sequence[_Row], policy: Policy) -> list[float]:
    found = [row[2] for row in rows]
    factors = policy.factors
    return shares(
        [c.quote.kind for c in found],
        [c.volume for c in found],
        [c.age_ms for c in found],
        policy,
        [factors.get(c.quote.provider, 1.0) for c in found] if factors else None,
    )


def _agreeing(
    asset: str,
    fresh: list[_Row],
    centre: float,
    at_ms: int,
    neighbours: Sequence[tuple[float, str]],
    policy: Policy,
) -> list[_Row]:
    """The rows within tolerance of the centre, in the order given; the others get their reason."""
    distances = [abs(row[0] - centre) / centre for row in fresh]
    if len(fresh) == 2:
        tolerance = policy.pair_tolerance
    else:
        # The lower of two middle distances: of two camps of equal size the far one must not widen the tolerance.
        spread = sorted(distances)[(len(fresh) - 1) // 2]
        tolerance = min(max(policy.outlier_spread * spread, policy.outlier_floor), policy.outlier_ceiling)
    moved_after = at_ms - policy.frozen_after_ms
    kept = []
    for row, distance in zip(fresh, distances, strict=True):
        candidate = row[2]
        still = candidate.quote.unchanged_since_ms < moved_after
        if distance <= (tolerance * policy.frozen_share if still else tolerance):
            kept.append(row)
        else:
            candidate.reason, candidate.detail = name(
                asset, candidate.quote, row[0], candidate.rate, centre, at_ms, neighbours, policy
            )
    return kept


def _half_width(kept: Sequence[_Row], weights: Sequence[float], price: float) -> float:
    """Distance of the farther weighted quartile of the votes: each source votes for its price and for half its spread
    above and below, a third of its weight each (after Pyth's aggregate confidence)."""
    votes: list[tuple[float, float]] = []
    for (value, _, candidate), weight in zip(kept, weights, strict=True):
        bid, ask = candidate.quote.bid, candidate.quote.ask
        half = 0.0
        if bid is not None and ask is not None and bid > 0.0:
            half = (ask - bid) * candidate.rate / 2
        if 0.0 < half < math.inf:  # a crossed or broken book adds no votes
            third = weight / 3
            votes += ((value - half, third), (value, third), (value + half, third))
        else:
            votes.append((value, weight))
    votes.sort()
    values = [vote[0] for vote in votes]
    parts = [vote[1] for vote in votes]
    low, high = quantile(values, parts, 0.25), quantile(values, parts, 0.75)
    return max(price - low, high - price, 0.0)


def _result(
    asset: str,
    currency: str,
    price: float | None,
    status: str,
    at_ms: int,
    candidates: Sequence[_Candidate],
    *,
    centre: float | None,
    half_width: float | None = None,
    dispersion_pct: float | None = None,
) -> Consensus:
    verdicts = []
    sources = 0
    for c in candidates:
        q = c.quote
        deviation = None
        if centre is not None and c.converted is not None:
            deviation = (c.converted - centre) / centre * 100.0
            if deviation == math.inf:
                deviation = None
        if c.weight > 0.0:
            sources += 1
        verdicts.append(
            Verdict(
                q.provider,
                q.source,
                q.kind,
                q.symbol,
                q.currency,
                q.price,
                c.converted,
                c.volume,
                c.age_ms,
                c.weight,
                deviation,
                c.reason,
                c.detail,
            )
        )
    return Consensus(
        asset,
        currency,
        price,
        status,
        half_width,
        sources,
        dispersion_pct,
        METHOD,
        at_ms,
        tuple(verdicts),
    )
