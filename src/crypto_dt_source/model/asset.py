"""Assets and the upstreams' listings of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rename:
    """A ticker an asset had until `until` (ISO date, exclusive): MATIC until 2024-09-04, POL since."""

    ticker: str
    until: str


@dataclass(frozen=True, slots=True)
class Asset:
    """One coin or token, or a fiat currency. `id` is canonical (`bitcoin`); tickers are aliases.

    `kind` is `coin`, `stablecoin` or `fiat`. `rank` is by market cap, 1 is the largest, None unknown.
    """

    id: str
    ticker: str
    name: str
    kind: str = "coin"
    rank: int | None = None
    aliases: tuple[str, ...] = ()
    renames: tuple[Rename, ...] = ()


class Instrument(NamedTuple):
    """One tradable pair of a venue. `active` is False for a pair that is listed and cannot be traded now."""

    provider: str
    symbol: str
    base: str
    quote: str
    active: bool


class AssetListing(NamedTuple):
    """One coin in an upstream's list of coins, under the upstream's own id."""

    provider: str
    native_id: str
    ticker: str
    name: str
    rank: int | None
    active: bool
