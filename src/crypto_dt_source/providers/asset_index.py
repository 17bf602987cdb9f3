"""The assets known so far and every handle on them: ids, tickers with their history, names, aggregators' own ids."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from ..model.asset import Asset, AssetListing
from .assets import Registered

MAX_TICKER = 64
MAX_SPELLINGS = 12
"""Names, and aliases, kept of one asset: an upstream that renames a coin every day must not grow the index."""
UNRANKED = 1_000_000_000
CANONICAL = "coingecko"
"""The family whose native ids are the canonical ids."""
FAMILIES = (CANONICAL, "coinpaprika", "coincap", "coinlore", "coinmarketcap")


class Learned(NamedTuple):
    """What a batch of listings changed: assets added, native ids matched to an asset, and left unmatched."""

    added: int
    matched: int
    unmatched: int


class Holder(NamedTuple):
    """An asset that uses or used a ticker, and how: `ticker`, `alias` or `rename`."""

    asset: Asset
    via: str


def normalised(name: str) -> str:
    """Letters and digits of a name, case folded: what two lists must agree on to name the same asset."""
    return "".join(filter(str.isalnum, name.casefold()))


def family_of(provider: str) -> str:
    """The aggregator family of a catalogue id: `coingecko_pro` is `coingecko`; any other id is its own family."""
    return next((f for f in FAMILIES if provider == f or provider.startswith(f + "_")), provider)


def _day_ms(iso_date: str) -> int:
    return int(datetime.fromisoformat(iso_date).replace(tzinfo=UTC).timestamp() * 1000)


def size_of(asset: Asset) -> int:
    """Sort key, the largest first. A currency code belongs to the currency before any coin."""
    if asset.kind == "fiat":
        return 0
    return asset.rank if asset.rank is not None else UNRANKED


class AssetIndex:
    """Assets in memory, from the packaged registry and from aggregators' listings.

    Holds at most `max_assets` assets and as many unmatched listings; what comes beyond is left out.
    """

    def __init__(self, registry: Iterable[Registered], max_assets: int) -> None:
        self._max_assets = max_assets
        self._assets: dict[str, Asset] = {}
        self._tickers: dict[str, dict[str, str]] = {}  # ticker -> asset id -> via
        self._named: dict[str, list[str]] = {}  # normalised name -> asset ids
        self._names: dict[str, int] = {}  # asset id -> how many names it has
        self._native: dict[tuple[str, str], str] = {}
        self._native_of: dict[tuple[str, str], str] = {}
        self._unmatched: dict[tuple[str, str], AssetListing] = {}
        for entry in registry:
            self._add(entry.asset, entry.names)
            for family, native_id in entry.native.items():
                self._bind(family, native_id, entry.asset.id)
        self._curated = frozenset(self._assets)

    def __len__(self) -> int:
        return len(self._assets)

    def packaged(self, asset_id: str) -> bool:
        """Whether the asset comes with the package, rather than from a listing."""
        return asset_id in self._curated

    def _add(self, asset: Asset, names: Iterable[str] = ()) -> None:
        self._assets[asset.id] = asset
        self._tickers.setdefault(asset.ticker, {})[asset.id] = "ticker"
        for alias in asset.aliases:
            self._tickers.setdefault(alias, {}).setdefault(asset.id, "alias")
        for rename in asset.renames:
            self._tickers.setdefault(rename.ticker, {}).setdefault(asset.id, "rename")
        for name in (asset.name, *names):
            self._name(asset.id, name)

    def _name(self, asset_id: str, name: str) -> None:
        key, count = normalised(name), self._names.get(asset_id, 0)
        if key and count < MAX_SPELLINGS and asset_id not in self._named.get(key, ()):
            self._named.setdefault(key, []).append(asset_id)
            self._names[asset_id] = count + 1

    def _bind(self, family: str, native_id: str, asset_id: str) -> None:
        self._native[family, native_id] = asset_id
        self._native_of[asset_id, family] = native_id

    def learn(self, listings: Iterable[AssetListing]) -> Learned:
        """Takes in aggregators' lists of coins.

        A CoinGecko listing carries the canonical id: an unknown active one becomes an asset, a known one gets its
        rank. Another aggregator's id is bound to the one asset with the same ticker and the same normalised name,
        or kept as unmatched; it is never guessed.
        """
        added = matched = unmatched = 0
        for listing in listings:
            ticker = listing.ticker.upper()
            if not (listing.native_id and 0 < len(ticker) <= MAX_TICKER):
                continue
            family = family_of(listing.provider)
            if family == CANONICAL:
                added += self._learn_canonical(listing, ticker)
            elif self._learn_native(family, listing, ticker):
                matched += 1
            else:
                unmatched += 1
        return Learned(added, matched, unmatched)

    def restore(self, assets: Iterable[Asset]) -> None:
        """Takes up assets as they were known before, with their aliases and ranks."""
        for asset in assets:
            known = self._assets.get(asset.id)
            if known is None:
                if len(self._assets) < self._max_assets:
                    self._add(asset)
                continue
            if known.kind == "fiat":
                continue
            for alias in (asset.ticker, *asset.aliases):
                if known.id not in self._tickers.get(alias, {}) and len(known.aliases) < MAX_SPELLINGS:
                    self._tickers.setdefault(alias, {})[known.id] = "alias"
                    known = replace(known, aliases=(*known.aliases, alias))
            self._assets[known.id] = known if asset.rank is None else replace(known, rank=asset.rank)
            self._name(known.id, asset.name)

    def _learn_canonical(self, listing: AssetListing, ticker: str) -> bool:
        known = self._assets.get(listing.native_id)
        if known is None:
            if not listing.active or len(self._assets) >= self._max_assets:
                return False
            self._add(Asset(listing.native_id, ticker, listing.name, rank=listing.rank))
            return True
        if known.kind == "fiat":
            return False
        if known.id not in self._tickers.get(ticker, {}) and len(known.aliases) < MAX_SPELLINGS:
            self._tickers.setdefault(ticker, {})[known.id] = "alias"
            known = replace(known, aliases=(*known.aliases, ticker))
        if listing.rank is not None:
            known = replace(known, rank=listing.rank)
        self._assets[known.id] = known
        self._name(known.id, listing.name)
        return False

    def _learn_native(self, family: str, listing: AssetListing, ticker: str) -> bool:
        key = (family, listing.native_id)
        asset_id = self._native.get(key)
        if asset_id is None:
            same_name = self._named.get(normalised(listing.name), ())
            fits = [
                i for i in self._tickers.get(ticker, {}) if i in same_name and self._assets[i].kind != "fiat"
            ]
            # An asset has one id at an aggregator: a second claim (a bridged copy, a scam of the same name) is no match.
            if len(fits) != 1 or (fits[0], family) in self._native_of:
                if len(self._unmatched) < self._max_assets:
                    self._unmatched[key] = listing
                return False
            asset_id = fits[0]
            self._bind(family, listing.native_id, asset_id)
            self._unmatched.pop(key, None)
        asset = self._assets[asset_id]
        if asset.rank is None and asset.kind != "fiat" and listing.rank is not None:
            self._assets[asset_id] = replace(asset, rank=listing.rank)
        return True

    def by_id(self, asset_id: str) -> Asset | None:
        """The asset of a canonical id, or None."""
        return self._assets.get(asset_id)

    def native(self, provider_family: str, native_id: str) -> Asset | None:
        """The asset an aggregator means by its own id, or None when that is not known."""
        if provider_family == CANONICAL:
            asset = self._assets.get(native_id)
            return None if asset is None or asset.kind == "fiat" else asset
        asset_id = self._native.get((provider_family, native_id))
        return None if asset_id is None else self._assets[asset_id]

    def native_id(self, asset_id: str, provider_family: str) -> str | None:
        """An asset's id at an aggregator, or None when that is not known."""
        if provider_family == CANONICAL:
            return None if self.native(CANONICAL, asset_id) is None else asset_id
        return self._native_of.get((asset_id, provider_family))

    def unmatched(self) -> list[AssetListing]:
        """Aggregators' listings that fit no asset, or more than one."""
        return list(self._unmatched.values())

    def holders(self, ticker: str) -> list[Holder]:
        """Every asset that has or had the ticker, the likeliest meaning first.

        Current holders go by size. A registered alias or former ticker goes by size too while only learned assets
        hold the ticker now (MATIC means POL although a MATIC is still listed), and last when a registered one does
        (LUNA means the new Terra).
        """
        found = [(self._assets[i], via) for i, via in self._tickers.get(ticker, {}).items()]
        taken = any(via == "ticker" and asset.id in self._curated for asset, via in found)
        order = ("ticker", "alias", "rename")
        found.sort(key=lambda f: (taken and f[1] != "ticker", size_of(f[0]), order.index(f[1]), f[0].id))
        return [Holder(asset, via) for asset, via in found]

    def by_ticker(self, ticker: str, at_ms: int | None = None) -> tuple[Asset, ...]:
        """Assets that use the ticker now, or used it at `at_ms` (ms UTC), largest first; empty when none does.

        Before its rename an asset is found by the old ticker and not by the new one; who had the ticker at that time
        goes before those who have it now, since a ticker is taken over only once it is free.
        """
        found = self.holders(ticker.upper())
        if at_ms is None:
            return tuple(asset for asset, via in found if via != "rename")
        then: list[Asset] = []
        now: list[Asset] = []
        for asset, via in found:
            since = 0
            for rename in asset.renames:
                until = _day_ms(rename.until)
                if via == "rename" and rename.ticker == ticker.upper() and since <= at_ms < until:
                    then.append(asset)
                since = until
            if via == "alias" or (via == "ticker" and at_ms >= since):
                now.append(asset)
        return (*then, *now)
