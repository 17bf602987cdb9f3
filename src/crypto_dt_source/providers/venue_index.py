"""What a venue means by a base ticker, and whether that is certain enough for its quotes to count.

A ticker alone is evidence only for an asset of the packaged registry that no comparable asset shares it with. Every
other mapping is provisional until the venue's price has agreed with a price known to be the asset's own, and any mapping
is withdrawn when the price keeps disagreeing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..model.asset import Asset
from .asset_index import AssetIndex, Holder
from .assets import Registered

VENUE_ASSETS: Mapping[str, Mapping[str, str]] = {
    # https://api-pub.bitfinex.com/v2/conf/pub:map:currency:sym lists Bitfinex's own spellings.
    "bitfinex": {
        "UST": "tether",
        "UDC": "usd-coin",
        "EUT": "tether-eurt",
        "DSH": "dash",
        "IOT": "iota",
        "QTM": "qtum",
        "ALG": "algorand",
        "ATO": "cosmos",
        "MNA": "decentraland",
        "TSD": "true-usd",
        "EUS": "stasis-eurs",
        "LUNA": "terra-luna",
        "LUNA2": "terra-luna-2",
    },
    # Kraken kept the old tickers after the Terra fork.
    "kraken": {"LUNA": "terra-luna", "LUNA2": "terra-luna-2", "UST": "terrausd"},
}
CLEARLY_LARGER = 2
"""An asset has a ticker for itself when the next one that shares it has at least this many times its rank."""
AGREES = 0.1
"""How close a venue's price lies to the asset's to show that the venue trades that asset."""
_LOT = re.compile(r"(10{3,}|1[KM])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class TickerConflict:
    """A venue's ticker whose price disagreed with the asset it was mapped to. `ratio` is the last venue price divided
    by that asset's consensus; `candidates` are the other assets that use the ticker."""

    provider: str
    ticker: str
    asset: Asset
    candidates: tuple[Asset, ...]
    ratio: float


def agrees(ticker: str, ratio: float) -> bool:
    """Whether a venue's price, `ratio` times the asset's, shows the same asset: within 10 %, or within 10 % of a power of
    ten for a ticker that names a lot (`1000SATS`). Any other ticker's power of ten is chance: one random ratio in ten
    lies as near to one."""
    if _LOT.match(ticker.upper()):
        ratio = 10.0 ** (math.log10(ratio) - round(math.log10(ratio)))
    return abs(ratio - 1) <= AGREES


class VenueIndex(AssetIndex):
    """Venues' base tickers, over the index of assets. At most `max_evidence` tickers are under observation, as many
    withdrawn, and four times as many proven; the oldest leave first."""

    def __init__(
        self,
        registry: Iterable[Registered],
        max_assets: int,
        venue_tickers: Mapping[str, Mapping[str, str]],
        max_evidence: int,
    ) -> None:
        super().__init__(registry, max_assets)
        self._max_evidence = max_evidence
        self._venue_tickers = {**VENUE_ASSETS}
        for provider, tickers in venue_tickers.items():
            self._venue_tickers[provider] = {**VENUE_ASSETS.get(provider, {}), **tickers}
        self._packaged_rank = {a.id: a.rank for a in self._assets.values() if a.rank is not None}
        self._venue_memo: dict[tuple[str, str], tuple[Asset | None, bool]] = {}
        self._streaks: dict[tuple[str, str], int] = {}
        self._proven: dict[tuple[str, str], str] = {}
        self._withdrawn: dict[tuple[str, str], TickerConflict] = {}
        self.doubted: frozenset[str] = frozenset()
        """Providers of whose tickers none counts before it is proven."""

    def doubt(self, provider: str, tickers: Mapping[str, str]) -> None:
        """A provider that was added, with its own spellings: each of its tickers has to be proven."""
        self._renew(provider, tickers)
        self.doubted |= {provider}

    def trust(self, provider: str, tickers: Mapping[str, str]) -> None:
        """A provider of the package, with its own spellings."""
        self._renew(provider, tickers)
        self.doubted -= {provider}

    def _renew(self, provider: str, tickers: Mapping[str, str]) -> None:
        """What was proven or withdrawn of an earlier entry of this id says nothing of the new one."""
        self._venue_tickers[provider] = {**VENUE_ASSETS.get(provider, {}), **tickers}
        for known in (self._venue_memo, self._streaks, self._proven, self._withdrawn):
            for key in [key for key in known if key[0] == provider]:
                del known[key]

    def forget_venues(self) -> None:
        """Map every ticker anew; what was proven or withdrawn stays so."""
        self._venue_memo.clear()

    def _base_first(self, holders: list[Holder]) -> list[Holder]:
        """RON/USDT at a venue is Ronin, not the Romanian leu: as a base, a registered coin goes before a currency."""
        if any(h.asset.id in self._curated and h.asset.kind != "fiat" for h in holders):
            return sorted(holders, key=lambda h: h.asset.kind == "fiat")
        return holders

    def venue_asset(self, provider: str, ticker: str) -> Asset | None:
        """The asset a venue trades under a base ticker, certain or not (see `counts`): its own spelling first, then the
        largest holder. None for an unknown ticker and for a mapping that evidence has withdrawn."""
        return None if (provider, ticker) in self._withdrawn else self._mapped(provider, ticker)[0]

    def counts(self, provider: str, ticker: str) -> bool:
        """Whether the venue's ticker is certain enough for its quotes to be in the asset's price: the venue's own
        spelling, a registered asset's ticker that no comparable asset shares, or a mapping that was proven."""
        if (provider, ticker) in self._withdrawn:
            return False
        asset, clear = self._mapped(provider, ticker)
        return asset is not None and (clear or self._proven.get((provider, ticker)) == asset.id)

    def _mapped(self, provider: str, ticker: str) -> tuple[Asset | None, bool]:
        key = (provider, ticker)
        found = self._venue_memo.get(key)
        if found is None:
            if len(self._venue_memo) >= self._max_assets:
                self._venue_memo.clear()
            found = self._venue_memo[key] = self._map(provider, ticker)
        return found

    def _map(self, provider: str, ticker: str) -> tuple[Asset | None, bool]:
        own = self._venue_tickers.get(provider, {}).get(ticker, ticker)
        if own != ticker and own in self._assets:
            return self._assets[own], provider not in self.doubted
        holders = self._base_first(self.holders(own.upper()))
        if not holders:
            return None, False
        return holders[0].asset, provider not in self.doubted and self._alone(holders)

    def _alone(self, holders: list[Holder]) -> bool:
        """Whether the first holder has the ticker for itself. A learned asset never has: thousands of coins nobody
        trades share their tickers with the few that venues list."""
        first = holders[0].asset
        if first.id not in self._curated:
            return False
        for holder in holders[1:]:
            rival = holder.asset
            if rival.kind == "fiat" or first.kind == "fiat":
                continue
            registered = rival.id in self._curated
            sizes = self._packaged_rank if registered else None
            own = sizes.get(first.id) if sizes is not None else first.rank
            other = sizes.get(rival.id) if sizes is not None else rival.rank
            if own is None or (other is not None and other < CLEARLY_LARGER * own):
                return False
        return True

    def prove(self, provider: str, ticker: str, ratio: float) -> bool:
        """Notes a provisional ticker's price divided by a price known to be that asset's own; gives whether the mapping
        counts from now on."""
        asset = self.venue_asset(provider, ticker)
        if asset is None or not math.isfinite(ratio) or ratio <= 0 or not agrees(ticker, ratio):
            return False
        self._proven.pop((provider, ticker), None)
        self._proven[provider, ticker] = asset.id
        if len(self._proven) > 4 * self._max_evidence:
            del self._proven[next(iter(self._proven))]
        return True

    def evidence(self, provider: str, ticker: str, ratio_to_consensus: float | None) -> None:
        """Notes a venue's price for a ticker divided by the price of the asset it is mapped to; None says nothing.

        Three ratios in a row outside 0.5..2 (powers of ten apart, for a ticker that names a lot) withdraw the mapping, if
        another asset uses the ticker; three in a row that agree within 10 % give it back.
        """
        ratio, key = ratio_to_consensus, (provider, ticker)
        if ratio is None or not math.isfinite(ratio) or ratio <= 0:
            return
        conflict = self._withdrawn.get(key)
        close = agrees(ticker, ratio)
        against = not close if conflict is not None else not (close or 0.5 <= ratio <= 2.0)
        if against == (conflict is not None):
            self._streaks.pop(key, None)
            return
        self._streaks[key] = streak = min(self._streaks.pop(key, 0) + 1, 3)
        if len(self._streaks) > self._max_evidence:
            del self._streaks[next(iter(self._streaks))]
        if streak < 3:
            return
        if conflict is not None:
            del self._withdrawn[key], self._streaks[key]
            self.prove(provider, ticker, ratio)
            return
        asset = self.venue_asset(provider, ticker)
        others = tuple(h.asset for h in self.holders(ticker.upper()) if h.asset != asset)
        if asset is None or not others:
            return
        self._withdraw(TickerConflict(provider, ticker, asset, others, ratio))

    def _withdraw(self, conflict: TickerConflict) -> None:
        key = (conflict.provider, conflict.ticker)
        self._withdrawn[key] = conflict
        del self._streaks[key]
        self._proven.pop(key, None)
        if len(self._withdrawn) > self._max_evidence:
            del self._withdrawn[next(iter(self._withdrawn))]

    def conflicts(self) -> list[TickerConflict]:
        """Venue tickers whose mapping is withdrawn, oldest first."""
        return list(self._withdrawn.values())
