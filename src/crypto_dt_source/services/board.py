"""The board: the newest quote of every source for every asset, in memory. Prices are read off it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..model.asset import Asset
from ..model.market import CoinMarket
from ..model.quote import Quote
from ..pricing.source import SourceQuote
from ..providers.catalog import Entry
from ..providers.resolver import Resolver

FORGET_MS = 3_600_000
"""A quote nobody has renewed for this long leaves the board; it was out of every price long before."""
CRYPTO_QUOTES = frozenset({"BTC", "ETH", "BNB"})
"""Coins whose own consensus is good enough to convert with."""
TRACKED_UNKNOWN = 5000


@dataclass(slots=True)
class Held:
    """A quote as the consensus reads it, with what the consensus does not need."""

    quote: SourceQuote
    change_pct: float | None
    base: str
    """Base ticker at this venue, which may be an older one than the asset's."""


@dataclass(slots=True)
class Board:
    """Quotes by asset id, then by (provider, symbol). `touched` is when an asset last got a quote, ms."""

    entries: Mapping[str, Entry]
    resolver: Resolver
    quotes: dict[str, dict[tuple[str, str], Held]] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    polled: dict[str, int] = field(default_factory=dict)
    unmapped: dict[tuple[str, str], int] = field(default_factory=dict)
    version: int = 0
    _seen: set[str] = field(default_factory=set)

    def update(self, provider: str, quotes: Iterable[Quote]) -> int:
        """Take in one provider's quotes; gives how many were kept. Quotes in a currency that no rate can be measured
        for, and of tickers no asset is known for, are left out (the latter are counted by name)."""
        entry = self.entries[provider]
        kept = 0
        received = 0
        for quote in quotes:
            asset = self._asset(entry, quote)
            received = quote.received_ms
            if asset is None:
                if len(self.unmapped) < TRACKED_UNKNOWN:
                    self.unmapped[(provider, quote.base)] = received
                continue
            if not self._convertible(quote.quote):
                continue
            self._hold(entry, asset.id, quote)
            kept += 1
        if kept:
            self.polled[provider] = received
            self.version += 1
            self._forget(provider, received)
        return kept

    def update_coins(self, provider: str, rows: Iterable[CoinMarket]) -> int:
        """The same for an aggregator's market list."""
        return self.update(provider, [quote_of(row) for row in rows])

    def _asset(self, entry: Entry, quote: Quote) -> Asset | None:
        if entry.kind == "aggregator":
            return self.resolver.native(entry.source, quote.symbol)
        return self.resolver.venue_asset(entry.id, quote.base)

    def _convertible(self, currency: str) -> bool:
        if currency in CRYPTO_QUOTES:
            return True
        if currency in self._seen:
            return True
        known = any(asset.kind in ("fiat", "stablecoin") for asset in self.resolver.by_ticker(currency)[:1])
        if known:
            self._seen.add(currency)
        return known

    def _hold(self, entry: Entry, asset_id: str, quote: Quote) -> None:
        by_source = self.quotes.get(asset_id)
        if by_source is None:
            by_source = self.quotes[asset_id] = {}
        key = (entry.id, quote.symbol)
        before = by_source.get(key)
        since = quote.received_ms
        if before is not None and before.quote.price == quote.price:
            since = before.quote.unchanged_since_ms
        volume = quote.quote_volume
        if volume is None and quote.base_volume is not None:
            volume = quote.base_volume * quote.price
        by_source[key] = Held(
            SourceQuote(
                entry.id,
                entry.source,
                entry.kind,
                quote.symbol,
                quote.quote,
                quote.price,
                quote.bid,
                quote.ask,
                volume,
                quote.event_ms,
                quote.received_ms,
                since,
            ),
            quote.change_pct,
            quote.base,
        )
        self.touched[asset_id] = quote.received_ms

    def _forget(self, provider: str, now_ms: int) -> None:
        """Drop what this provider has not renewed for an hour, one pass an hour's worth of polls at most."""
        if self.version % 64:
            return
        for asset_id in list(self.quotes):
            by_source = self.quotes[asset_id]
            for key in [k for k, held in by_source.items() if held.quote.received_ms + FORGET_MS < now_ms]:
                del by_source[key]
            if not by_source:
                del self.quotes[asset_id]
                self.touched.pop(asset_id, None)

    def of(self, asset_id: str) -> list[Held]:
        """Every held quote of one asset, in a fixed order."""
        by_source = self.quotes.get(asset_id)
        return [by_source[key] for key in sorted(by_source)] if by_source else []

    def source_quotes(self, asset_id: str) -> list[SourceQuote]:
        """The same as the consensus takes it."""
        return [held.quote for held in self.of(asset_id)]

    def assets(self) -> Iterator[str]:
        """Ids of every asset with a quote."""
        return iter(self.quotes)

    def pairs(self, provider: str, asset_id: str) -> list[Held]:
        """A provider's quotes of one asset, by symbol."""
        by_source = self.quotes.get(asset_id, {})
        return [by_source[key] for key in sorted(by_source) if key[0] == provider]


def quote_of(row: CoinMarket) -> Quote:
    """A market-list row as a quote in US dollars. The aggregator's volume is its sum over venues, in dollars."""
    return Quote(
        row.provider,
        row.native_id,
        row.ticker,
        "USD",
        row.price,
        None,
        None,
        None,
        row.volume_24h,
        row.change_24h_pct,
        row.high_24h,
        row.low_24h,
        row.event_ms,
        row.received_ms,
    )
