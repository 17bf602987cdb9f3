"""Perpetual contracts on the simulated market: each venue's own mark, index, funding and open interest, told coherently."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..model.candle import HOUR_MS
from ..model.quote import Pair
from .noise import key_of, unit
from .wire import Call

LISTED = (
    "BTC ETH XRP BNB SOL TRX DOGE ADA HYPE BCH LINK XLM LTC AVAX SUI SHIB TON DOT UNI NEAR PEPE APT ARB WIF BONK"
).split()
"""What has a perpetual, the largest first."""
THOUSANDS = frozenset({"SHIB", "PEPE", "BONK"})
"""Coins so small that venues count a thousand of them as one."""
BASE_RATE = 0.0001
"""Funding of eight hours that every venue drifts around: the interest part of the usual formula."""
SWING = 0.5
"""Of the premium of mark over index, which is at most `venue.NOISE`, what shows in the funding of eight hours."""


class SimPerpetual(NamedTuple):
    """One contract as its venue sees it. `rate_8h` is funding as a fraction of eight hours, `rate` that of `interval_h`
    hours; `amount` is one side in units of the base, `value` what it is worth in the quote at the mark price."""

    pair: Pair
    mark_price: float
    index_price: float
    rate_8h: float
    rate: float
    interval_h: int
    next_ms: int
    amount: float
    value: float


def listed(call: Call, quote: str, coins: Iterable[str] = LISTED) -> list[Pair]:
    """Pairs of `coins` against `quote` that no fault hides."""
    hidden = call.view.sight.hidden
    return [Pair(coin, quote) for coin in coins if coin not in hidden]


def perpetual(call: Call, pair: Pair, *, interval_h: int | None = None) -> SimPerpetual:
    """The contract on `pair` at the provider's time. Its interval is drawn (most have eight hours, some four) unless it
    is given."""
    key = key_of(call.market.seed, "perpetual", call.view.entry.source)
    drift = call.market.noise(key, pair, call.now_ms)
    index = call.view.price(pair, call.now_ms)
    mark = index * (1 + drift)
    rate_8h = BASE_RATE + SWING * drift
    hours = interval_h or (4 if unit(key_of(key, "interval", pair.base)) < 0.3 else 8)
    step = hours * HOUR_MS
    asset = call.market.assets[pair.base]
    share = 0.002 + 0.01 * unit(key_of(key, "interest", pair))
    amount = asset.supply * share * (1 + 300 * drift)
    return SimPerpetual(
        pair,
        mark,
        index,
        rate_8h,
        rate_8h * hours / 8,
        hours,
        call.now_ms // step * step + step,
        amount,
        amount * mark,
    )
