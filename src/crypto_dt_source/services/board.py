"""The board: the newest quote of every source for every asset, in memory. Prices are read off it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ..model.asset import Asset
from ..model.market import CoinMarket
from ..model.quote import Pair, Quote
from ..pricing.source import SourceQuote
from ..providers.catalog import Entry
from ..providers.resolver import Resolver

FORGET_MS = 3_600_000
"""A quote nobody has renewed for this long leaves the board; it was out of every price long before."""
FORGET_EVERY_MS = 10_000
CRYPTO_QUOTES = frozenset({"BTC", "ETH", "BNB"})
"""Coins whose own consensus is good enough to convert with."""
TRACKED_UNKNOWN = 5000
"""Tickers no asset is known for, the longest unseen leaving first."""


@dataclass(slots=True)
class Held:
    """A quote as the consensus reads it, with what the consensus does not need."""

    quote: SourceQuote
    change_pct: float | None
    base: str
    """Base ticker at this venue, which may be an older one than the asset's."""


@dataclass(slots=True)
class Board:
    """Quotes by asset id, then by (provider, symbol). `touched` counts an asset's changes: a quote that came or left."""

    entries: Mapping[str, Entry]
    resolver: Resolver
    quotes: dict[str, dict[tuple[str, str], Held]] = field(default_factory=dict)
    unproven: dict[str, dict[tuple[str, str], Held]] = field(default_factory=dict)
    """The same of venues whose base ticker is not certain to be the asset (see Resolver.counts): in no price, and not
    what `of`, `source_quotes` and `pairs` give."""
    touched: dict[str, int] = field(default_factory=dict)
    polled: dict[str, int] = field(default_factory=dict)
    unmapped: dict[tuple[str, str], int] = field(default_factory=dict)
    aside: dict[tuple[str, str], Quote | None] = field(default_factory=dict)
    """Newest quote of each (venue, base ticker) whose mapping evidence has withdrawn: in no price, and the evidence by
    which the mapping may come back. As many as the resolver withdraws, which is bounded."""
    streamed: dict[tuple[str, str], str] = field(default_factory=dict)
    """(provider, symbol) of quotes that came last by a stream, with the asset they are of."""
    version: int = 0
    _seen: set[str] = field(default_factory=set)
    _forgot_ms: int = 0

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
                if (provider, quote.base) in self.aside:
                    self.aside[provider, quote.base] = quote
                else:
                    self._note_unmapped((provider, quote.base), received)
                continue
            if not self._convertible(quote.quote):
                continue
            self._hold(entry, asset.id, quote)
            self.streamed.pop((provider, quote.symbol), None)
            kept += 1
        if kept:
            self.polled[provider] = received
            self.version += 1
            self._forget(received)
        return kept

    def update_streamed(self, quote: Quote) -> str | None:
        """Take in one quote of a stream; gives the id of the asset whose price it may move. Figures of the day that the
        stream does not send stay as they were last told."""
        entry = self.entries[quote.provider]
        asset = self._asset(entry, quote)
        if asset is None or not self._convertible(quote.quote):
            return None
        key = (entry.id, quote.symbol)
        before = self.quotes.get(asset.id, {}).get(key)
        if before is not None:
            if quote.change_pct is None:
                quote = quote._replace(change_pct=before.change_pct)
            if quote.quote_volume is None and quote.base_volume is None:
                quote = quote._replace(quote_volume=before.quote.volume)
        self._hold(entry, asset.id, quote)
        self.streamed[key] = asset.id
        self.version += 1
        self._forget(quote.received_ms)
        return asset.id

    def suspend(self, provider: str, pairs: Collection[Pair]) -> set[str]:
        """Take quotes off the board that a stream brought and nobody confirms any more, until the next one comes; gives the
        ids of their assets. What was polled since stays."""
        touched: set[str] = set()
        for key, asset_id in list(self.streamed.items()):
            if key[0] != provider:
                continue
            # One that is not proven yet may be at any time, and would then count.
            place = self.quotes if key in self.quotes.get(asset_id, {}) else self.unproven
            held = place.get(asset_id, {}).get(key)
            if held is None:
                del self.streamed[key]
            elif Pair(held.base, held.quote.currency) in pairs:
                self._take(place, asset_id, key)
                del self.streamed[key]
                self.touched[asset_id] = self.touched.get(asset_id, 0) + 1
                touched.add(asset_id)
        if touched:
            self.version += 1
        return touched

    def update_coins(self, provider: str, rows: Iterable[CoinMarket]) -> int:
        """The same for an aggregator's market list."""
        return self.update(provider, [quote_of(row) for row in rows])

    def _asset(self, entry: Entry, quote: Quote) -> Asset | None:
        if entry.kind == "aggregator":
            return self.resolver.native(entry.source, quote.symbol)
        return self.resolver.venue_asset(entry.id, quote.base)

    def _note_unmapped(self, key: tuple[str, str], received: int) -> None:
        self.unmapped.pop(key, None)
        self.unmapped[key] = received
        if len(self.unmapped) > TRACKED_UNKNOWN:
            del self.unmapped[next(iter(self.unmapped))]

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
        key = (entry.id, quote.symbol)
        certain = self._certain(entry, quote.base)
        place, other = (self.quotes, self.unproven) if certain else (self.unproven, self.quotes)
        by_source = place.setdefault(asset_id, {})
        before = by_source.get(key) or self._take(other, asset_id, key)
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
        self.touched[asset_id] = self.touched.get(asset_id, 0) + 1

    def _certain(self, entry: Entry, base: str) -> bool:
        """Whether a quote counts: an aggregator's own id tells the coin, unless the aggregator is one that was added."""
        if entry.kind == "aggregator" and entry.id not in self.resolver.doubted:
            return True
        return self.resolver.counts(entry.id, base)

    def know(self, entry: Entry) -> None:
        """Take in quotes of this entry from now on."""
        self.entries = {**self.entries, entry.id: entry}

    def drop(self, provider: str) -> None:
        """Take every quote of a provider off the board. Its entry stays known: what is under way may still come."""
        for place in (self.quotes, self.unproven):
            for asset_id in [a for a, held in place.items() if any(key[0] == provider for key in held)]:
                for key in [key for key in place[asset_id] if key[0] == provider]:
                    self._take(place, asset_id, key)
                self.touched[asset_id] = self.touched.get(asset_id, 0) + 1
        for key in [key for key in self.streamed if key[0] == provider]:
            del self.streamed[key]
        self.polled.pop(provider, None)
        self.version += 1

    @staticmethod
    def _take(
        place: dict[str, dict[tuple[str, str], Held]], asset_id: str, key: tuple[str, str]
    ) -> Held | None:
        by_source = place.get(asset_id)
        held = by_source.pop(key, None) if by_source is not None else None
        if by_source is not None and not by_source:
            del place[asset_id]
        return held

    def prove(self, provider: str, base: str, asset_id: str) -> None:
        """Let the quotes of a venue's base ticker count for the asset from now on."""
        held = self.unproven.get(asset_id, {})
        for key in [k for k, h in held.items() if k[0] == provider and h.base == base]:
            self.quotes.setdefault(asset_id, {})[key] = held[key]
            self._take(self.unproven, asset_id, key)
        self.version += 1
        self.touched[asset_id] = self.touched.get(asset_id, 0) + 1

    def withdraw(self, provider: str, base: str, asset_id: str) -> None:
        """Take the quotes of a venue's base ticker off the asset: the ticker means something else there."""
        self.aside.setdefault((provider, base), None)
        by_source = self.quotes.get(asset_id, {})
        gone = [key for key, held in by_source.items() if key[0] == provider and held.base == base]
        for key in gone:
            del by_source[key]
        if gone:
            self.version += 1
            self.touched[asset_id] = self.touched.get(asset_id, 0) + 1
        if not by_source and asset_id in self.quotes:
            del self.quotes[asset_id]

    def _forget(self, now_ms: int) -> None:
        """Drop what nobody has renewed for an hour; looked for once in 64 updates, and where streams bring thousands a
        second no more often than every ten seconds: it walks over everything."""
        if self.version % 64 or now_ms - self._forgot_ms < FORGET_EVERY_MS:
            return
        self._forgot_ms = now_ms
        for place in (self.quotes, self.unproven):
            for asset_id in list(place):
                by_source = place[asset_id]
                for key in [
                    k for k, held in by_source.items() if held.quote.received_ms + FORGET_MS < now_ms
                ]:
                    del by_source[key]
                if not by_source:
                    del place[asset_id]

    def of(self, asset_id: str) -> list[Held]:
        """Every quote of one asset that may count, in a fixed order."""
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
