"""What a consensus price is made from and what it says: quotes, policy, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

CRYPTO = frozenset({"BTC", "ETH", "BNB", "SOL", "XRP", "TRX", "DOGE", "KCS", "HT", "OKB"})
"""Quote tickers that are coins. They move by the minute, so a price in one is only as fresh as its own rate."""


class SourceQuote(NamedTuple):
    """One provider's quote of one asset, with what is needed to judge it. Stored as is; a price recomputes from it."""

    provider: str
    source: str
    """Unit of independence: two providers (or pairs) with the same `source` count once."""
    kind: str
    """`venue` or `aggregator`."""
    symbol: str
    """The upstream's own name of the pair or coin."""
    currency: str
    """Ticker `price` is in (`USDT`, `USD`, `BTC`)."""
    price: float
    bid: float | None
    ask: float | None
    volume: float | None
    """Rolling 24 h volume in `currency` units, None unknown."""
    event_ms: int | None
    """The upstream's own time of the price, None when it gives none."""
    received_ms: int
    unchanged_since_ms: int
    """When this provider's price of this symbol last changed; `received_ms` when first seen."""


class Reason(str, Enum):
    """Why a quote does not count. The value is the wire code."""

    STALE = "stale"
    FUTURE = "future_time"
    FROZEN = "frozen"
    NOT_FINITE = "not_finite"
    """Price (or its conversion) is NaN, infinite, zero or negative."""
    NO_RATE = "no_rate"
    """No measured rate from the quote's currency into the asked one."""
    POWER_OF_TEN = "power_of_ten"
    INVERTED = "inverted_pair"
    SWAPPED = "swapped_asset"
    OUTLIER = "outlier"
    SAME_SOURCE = "same_source"
    """A less liquid pair, or a second host, of a source that is already counted."""
    BLOCKED = "disabled"
    UNPROVEN = "unproven_identity"
    """The venue's ticker is shared by several assets, or known from a list alone, and its price has not yet agreed with
    one known to be this asset's."""


class Verdict(NamedTuple):
    """What became of one quote.

    `weight` is its share of the price: 0 when excluded, the others sum to 1; without a price every weight is 0.
    `excluded` None without a price means: not by itself suspicious, yet too few agreed with it.
    """

    provider: str
    source: str
    kind: str
    symbol: str
    currency: str
    price: float
    """As given, in `currency`."""
    converted: float | None
    """In the asked currency; None where it cannot be converted."""
    volume: float | None
    """24 h volume in the asked currency, None unknown."""
    age_ms: int
    weight: float
    deviation_pct: float | None
    """From the price, or from the centre of the fresh quotes where there is no price; None where neither exists."""
    excluded: Reason | None
    detail: str | None
    """What the reason rests on: `x1000`, `looks like ethereum`, `unchanged for 4000 s`."""


class Consensus(NamedTuple):
    """One price out of many quotes, or the word that there is none.

    `status`: `ok`; `single_source` (one fresh independent source, nothing to compare it with); `no_consensus` (several,
    without a majority that agrees); `no_data` (none usable). `price` and `half_width` are in `currency`.
    """

    asset: str
    currency: str
    price: float | None
    status: str
    half_width: float | None
    """Confidence half-width: three quarters of the votes lie above price - half_width, and below price + half_width.
    None with fewer than two sources."""
    sources: int
    """Independent sources the price rests on, 0 without a price."""
    dispersion_pct: float | None
    """Highest less lowest quote that counts, in percent of the price; None with fewer than two sources."""
    method: str
    at_ms: int
    verdicts: tuple[Verdict, ...]
    """One for each quote given, by provider and symbol."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Every number of the method. Ratios are plain (0.01 is one percent). A stored price recomputes under the policy
    it was made with."""

    stale_after_ms: int = 180_000
    future_slack_ms: int = 30_000
    """How far an upstream's clock may run ahead of ours."""
    frozen_after_ms: int = 600_000
    """A price that has not moved for so long is held to `frozen_share` of the tolerance."""
    frozen_share: float = 0.3
    outlier_floor: float = 0.005
    """Never reject within this distance of the centre: honest venues differ this much in calm markets."""
    outlier_ceiling: float = 0.05
    """Always reject beyond this distance, however much the sources scatter."""
    pair_tolerance: float = 0.01
    """Two sources alone give no scatter to measure; they agree within this distance."""
    outlier_spread: float = 6.0
    """Reject beyond this many median absolute deviations (about four standard deviations of normal noise)."""
    name_tolerance: float = 0.02
    """How close a rejected quote lies to centre x 10^k, or to 1/centre, for that to be named as its reason."""
    swap_tolerance: float = 0.0015
    """How close it lies to another asset's price for that; tight, because prices of a thousand assets lie dense."""
    swap_distance: float = 0.05
    """Nearer to the centre than this a quote is off, not of another asset."""
    max_power: int = 18
    """Largest k of 10^k: the decimals of a token."""
    freshness_half_ms: int = 60_000
    """A quote of this age weighs half of one of this instant."""
    aggregator_factor: float = 0.25
    liquidity_floor: float = 0.05
    """The least liquid source weighs at least this share of the most liquid, before the cap."""
    cap_margin: float = 0.05
    """The cap keeps any minority `cap_margin / n` below one half; must lie in (0, 0.5)."""
    disabled: frozenset[str] = frozenset()
    """Providers an operator switched off; their quotes are shown and do not count."""
    factors: Mapping[str, float] = field(default_factory=dict)
    """What an operator multiplies a provider's weight by, before the cap; 1 where it is not named."""
