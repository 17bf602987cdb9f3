"""Names what is wrong with a quote that lies too far from the centre. Naming never decides whether it counts."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence

from .source import Policy, Reason, SourceQuote

Named = tuple[Reason, str | None]
_INVERTED_CLEAR = 5.0
"""Times `name_tolerance`: nearer to the centre than this an inverted price cannot be told from a plain one (a
stablecoin's 0.99 and 1.01)."""


def name(
    asset: str,
    quote: SourceQuote,
    converted: float,
    rate: float,
    centre: float,
    at_ms: int,
    neighbours: Sequence[tuple[float, str]],
    policy: Policy,
) -> Named:
    """The reason of a rejected quote, the most specific first, and what it rests on.

    `converted` is `quote.price * rate`; `centre` and the ascending `neighbours` are in the asked currency. `asset` itself
    is left out of them.
    """
    # Differences of logarithms: the ratio of two finite floats can overflow.
    distance = math.log(converted) - math.log(centre)
    power = round(distance / math.log(10))
    off_power = abs(distance - power * math.log(10)) if 0 < abs(power) <= policy.max_power else math.inf
    # An inverted pair turns over the number the venue sent, before any conversion.
    off_inverse = abs(math.log(quote.price) + math.log(centre) - math.log(rate))
    if abs(distance) <= policy.name_tolerance * _INVERTED_CLEAR:
        off_inverse = math.inf
    if off_power <= policy.name_tolerance and off_power <= off_inverse:
        return Reason.POWER_OF_TEN, f"x{10.0**power:g}" if abs(power) <= 4 else f"x1e{power}"
    if off_inverse <= policy.name_tolerance:
        return Reason.INVERTED, f"close to 1/{centre / rate:.6g} {quote.currency}"
    still_ms = at_ms - quote.unchanged_since_ms
    if still_ms > policy.frozen_after_ms:
        return Reason.FROZEN, f"unchanged for {still_ms // 1000} s"
    if abs(distance) > policy.swap_distance:
        other = _nearest(asset, converted, neighbours, policy.swap_tolerance)
        if other is not None:
            return Reason.SWAPPED, f"looks like {other}"
    return Reason.OUTLIER, None


def _nearest(own: str, price: float, neighbours: Sequence[tuple[float, str]], tolerance: float) -> str | None:
    at = bisect_left(neighbours, (price, ""))
    # One more on each side than the two nearest: `own` stands among them once at most.
    around = [n for n in neighbours[max(0, at - 2) : at + 2] if n[1] != own]
    near = [(abs(p / price - 1.0), asset) for p, asset in around]
    best = min(near, default=(math.inf, ""))
    return best[1] if best[0] <= tolerance else None
