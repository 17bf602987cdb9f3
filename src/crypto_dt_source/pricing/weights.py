"""Weights that no minority can rule, and the weighted quantile they are used in."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .source import Policy

TIE = 1e-12
"""A running sum this close to the target is the target: sums of n-ths do not land on one half to the last bit."""


def minority(count: int) -> int:
    """How many of `count` sources may lie without being a majority or a tie: floor((count - 1) / 2)."""
    return (count - 1) // 2


def shares(
    kinds: Sequence[str],
    volumes: Sequence[float | None],
    ages_ms: Sequence[int],
    policy: Policy,
    factors: Sequence[float] | None = None,
) -> list[float]:
    """Weights of independent sources, in the order given, that sum to 1, capped by :func:`cap`.

    Liquidity enters as the square root of 24 h volume: depth grows slower than turnover, and a venue that inflates its
    volume a hundredfold gains tenfold before the cap. An unknown volume is taken as the smallest known. An
    aggregator's volume is the sum of other people's, so it counts as unknown, and the whole times `aggregator_factor`.
    `factors` (above 0) are an operator's; the cap holds whatever they are.
    """
    roots = [
        math.sqrt(v) if v is not None and kind != "aggregator" else None
        for v, kind in zip(volumes, kinds, strict=True)
    ]
    known = [root for root in roots if root is not None]
    top = max(known, default=0.0)
    floor = top * policy.liquidity_floor if top > 0 else 1.0
    unknown = max(floor, min(known, default=0.0))
    half, factor = policy.freshness_half_ms, policy.aggregator_factor
    raw = []
    for root, kind, age in zip(roots, kinds, ages_ms, strict=True):
        liquidity = unknown if root is None else root if root > floor else floor
        fresh = half / (half + age) if age > 0 else 1.0
        raw.append(liquidity * fresh * factor if kind == "aggregator" else liquidity * fresh)
    if factors is not None:
        raw = [w * f for w, f in zip(raw, factors, strict=True)]
    total = math.fsum(raw)
    return cap([w / total for w in raw], policy.cap_margin)


def cap(weights: Sequence[float], margin: float) -> list[float]:
    """Blend `weights` (which sum to 1) towards equal weights, as little as keeps every minority below one half.

    The heaviest minority is the top k = floor((n-1)/2), with the sum T. Blending keeps the order, so its sum becomes
    (1 - x) T + x k/n, and x = (T - t) / (T - k/n) brings it to the target t = 1/2 - margin/n. As k/n is at most
    1/2 - 1/(2n), x lies in [0, 1) for every margin below one half.
    """
    n = len(weights)
    k = minority(n)
    if k == 0:
        return list(weights)
    heaviest = math.fsum(sorted(weights, reverse=True)[:k])
    target = 0.5 - margin / n
    if heaviest <= target:
        return list(weights)
    blend = (heaviest - target) / (heaviest - k / n)
    keep, even = 1.0 - blend, blend / n
    return [w * keep + even for w in weights]


def quantile(values: Sequence[float], weights: Sequence[float], part: float, *, lower: bool = False) -> float:
    """Weighted quantile of ascending `values`: the first whose running weight reaches `part` of the whole.

    Where the running weight hits `part` exactly (within TIE) it is the middle of that value and the next; with `lower`
    it stays that value, so that the answer is always one of the values. Raises IndexError for no values.
    """
    target = part * math.fsum(weights)
    slack = TIE * target
    running = 0.0
    last = len(values) - 1
    for i, weight in enumerate(weights):
        running += weight
        if running >= target - slack:
            if lower or i == last or running > target + slack:
                return values[i]
            return values[i] + (values[i + 1] - values[i]) / 2
    return values[last]
