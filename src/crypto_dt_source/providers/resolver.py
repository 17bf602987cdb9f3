"""Who is meant: from what a person types, a venue's ticker or an aggregator's id to one canonical asset.

A ticker is not an identity: several assets share one, and assets change theirs. Text is resolved to the largest asset
it can mean, with the others named; an aggregator's id is matched by ticker and name together; a venue's ticker stays
mapped only while the venue's price agrees with it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from ..model.asset import Asset, AssetListing
from ..model.errors import InvalidParameter, UnknownSymbol
from .asset_index import UNRANKED, Learned, normalised, size_of
from .assets import Registered, load
from .venue_index import VenueIndex

MAX_TEXT = 64
MAX_UNKNOWN = 2000
"""Texts remembered that mean nothing, with their suggestions."""
ALIKE, LOOSE = 80, 40
"""Spellings that a wrong one is compared with: of the same first letter, and of the same last one."""
COIN_QUOTES = ("BTC", "XBT", "ETH", "BNB", "SOL", "TRX", "XRP", "DOGE")
"""Coins that venues quote in, beside fiat currencies and stablecoins: where a joined symbol may be split."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a text means. `quote`: the quote ticker in the text, None when it has none. `ambiguous`: the other assets
    the text's ticker could mean, largest first. `via`: `id`, `ticker`, `alias`, `rename`, `name` or `pair`."""

    asset: Asset
    quote: str | None
    ambiguous: tuple[Asset, ...]
    via: str


class Ranking(NamedTuple):
    """Assets in order of size with the text a search looks in, and every ticker and id by its length and its first (0)
    and last (-1) letter, in lower case with its own spelling."""

    search: list[tuple[str, Asset]]
    spellings: dict[tuple[int, int, str], dict[str, str]]


class Resolver(VenueIndex):
    """Identity of assets, in memory. Starts from the packaged registry and grows by `learn`.

    Every store is bounded: `max_assets` assets, `max_memo` remembered texts, as many unmatched listings as assets, and
    `max_evidence` venue tickers under observation. `venue_tickers` maps a venue's catalogue id to its own spellings,
    each to a ticker or to an asset id (the catalogue's `tickers`); it goes before the built-in table.
    """

    def __init__(
        self,
        registry: Iterable[Registered] | None = None,
        *,
        venue_tickers: Mapping[str, Mapping[str, str]] | None = None,
        max_assets: int = 50_000,
        max_memo: int = 20_000,
        max_evidence: int = 5_000,
    ) -> None:
        self._max_memo = max_memo
        super().__init__(
            load() if registry is None else registry, max_assets, venue_tickers or {}, max_evidence
        )
        self._memo: dict[str, Resolution] = {}
        self._unknown: dict[str, list[str]] = {}
        quotes = {a.ticker for a in self._assets.values() if a.kind != "coin"}
        self._quotes = tuple(sorted(quotes | set(COIN_QUOTES), key=lambda ticker: (-len(ticker), ticker)))
        self._pair_quotes = frozenset(self._tickers) | set(COIN_QUOTES)
        self._reindex()

    def _reindex(self) -> None:
        self.adopt(ranking(self.snapshot()))

    def snapshot(self) -> list[Asset]:
        """Every asset as it is now, for `ranking`."""
        return list(self._assets.values())

    def adopt(self, order: Ranking) -> None:
        """Search and suggest in this order from now on, and forget every remembered answer."""
        self._memo.clear()
        self._unknown.clear()
        self.forget_venues()
        self._search, self._spellings = order

    def learn(self, listings: Iterable[AssetListing]) -> Learned:
        """Takes in aggregators' lists of coins as `AssetIndex.learn` does, and forgets every remembered answer."""
        learned = self.absorb(listings)
        self._reindex()
        return learned

    def absorb(self, listings: Iterable[AssetListing]) -> Learned:
        """The first half of `learn`, in time with the number of listings. The second half, `ranking` of a `snapshot` and
        then `adopt`, takes 50 ms for 17 000 assets: a server has it made in a thread."""
        return super().learn(listings)

    def ranked(self) -> Iterator[Asset]:
        """Every asset, the largest first, those of unknown size last."""
        return (asset for _, asset in self._search)

    def of_kind(self, *kinds: str) -> list[Asset]:
        """Assets of these kinds (`fiat`, `stablecoin`, `coin`), the largest first."""
        return [asset for asset in self.ranked() if asset.kind in kinds]

    # -- text

    def resolve(self, text: str, *, suggest: bool = True) -> Resolution:
        """The asset a text means: `BTC`, `btc-usd`, `BTCUSDT`, `XBT/EUR`, `bitcoin`, `Bitcoin`, `MATIC`.

        In this order: an id, unless a larger asset has it as its ticker or it is in upper case and a pair; a ticker,
        alias or former ticker (see `holders`); a pair with a separator; a joined pair; a name (before the pair when
        it has a space). A currency code alone is the currency; as a pair's base a registered coin goes before it.

        Raises InvalidParameter for an empty text, one longer than 64 characters or with control characters, and
        UnknownSymbol with near spellings in `details.did_you_mean`; none without `suggest`, which saves their cost.
        """
        known = self._memo.get(text)
        if known is not None:
            return known
        clean = _checked(text)
        near = self._unknown.get(clean)
        found = self._read(clean) if near is None else None
        if found is None:
            if near is None and suggest:
                near = self._remember_unknown(clean, self._near(clean))
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise UnknownSymbol(
                f"No asset is known under this symbol.{hint}",
                details={"symbol": clean, "did_you_mean": near or []},
            )
        if len(self._memo) >= self._max_memo:
            self._memo.clear()
        self._memo[text] = found
        return found

    def _remember_unknown(self, clean: str, near: list[str]) -> list[str]:
        if len(self._unknown) >= MAX_UNKNOWN:
            self._unknown.clear()
        self._unknown[clean] = near
        return near

    def _single(self, text: str, quote: str | None = None) -> Resolution | None:
        """One asset by id or ticker. With a quote the text is a pair's base, where a coin goes before a currency."""
        holders = self.holders(text.upper())
        if quote is not None:
            holders = self._base_first(holders)
        by_id = self._assets.get(text.lower())
        if by_id is not None and (quote is None or by_id.kind != "fiat"):
            rival = holders[0].asset if holders else by_id
            exact = text == by_id.id
            ahead = size_of(by_id) - size_of(rival)
            if by_id is rival or ahead < 0 or (exact and ahead == 0):
                via = "id" if exact or not holders or by_id is not rival else holders[0].via
                rest = tuple(h.asset for h in holders if h.asset is not by_id)
                return Resolution(by_id, quote, rest, via if quote is None else "pair")
        if not holders:
            return None
        rest = tuple(h.asset for h in holders[1:])
        return Resolution(holders[0].asset, quote, rest, holders[0].via if quote is None else "pair")

    def _separated(self, text: str, separators: str, quotes: frozenset[str]) -> Resolution | None:
        for separator in separators:
            base, found, quote = text.upper().rpartition(separator)
            if (
                found
                and base
                and quote in quotes
                and (hit := self._single(base.strip(), self._common(quote)))
            ):
                return hit
        return None

    def _joined(self, text: str, registered: bool) -> Resolution | None:
        """A pair without separator, the longest quote first. `registered`: only on bases the registry has, since
        among thousands of learned tickers nearly every stem is one."""
        upper = text.upper()
        for quote in self._quotes:
            if upper.endswith(quote) and len(upper) > len(quote):
                hit = self._single(upper[: -len(quote)], self._common(quote))
                if hit is not None and (not registered or hit.asset.id in self._curated):
                    return hit
        return None

    def _read(self, text: str) -> Resolution | None:
        found = self._single(text)
        # FRAX-USD is a pair although `frax-usd` is an id: ids are written in lower case.
        if found is None or (found.via == "id" and text != found.asset.id):
            found = self._separated(text, "/-_:", self._pair_quotes) or found
        if found is None and " " in text:
            # `Ripple USD` is a stablecoin's name before it is a pair.
            found = self._by_name(text) or self._separated(text, " ", frozenset(self._quotes))
        return found or self._joined(text, True) or self._by_name(text) or self._joined(text, False)

    def _common(self, quote: str) -> str:
        """The common spelling of a quote ticker: XBT is BTC."""
        holders = self.holders(quote)
        return holders[0].asset.ticker if holders and holders[0].via == "alias" else quote

    def _by_name(self, text: str) -> Resolution | None:
        ids = self._named.get(normalised(text))
        if not ids:
            return None
        first, *rest = sorted((self._assets[i] for i in ids), key=lambda a: (size_of(a), a.id))
        return Resolution(first, None, tuple(rest), "name")

    def _near(self, text: str) -> list[str]:
        """Up to three tickers or ids close to the text, compared with a bounded number of similar spellings."""
        word = text.lower()
        alike: dict[str, str] = {}
        loose: dict[str, str] = {}
        for length in sorted(range(max(1, len(word) - 2), len(word) + 3), key=lambda n: abs(n - len(word))):
            first = self._spellings.get((length, 0, word[0]), {})
            alike.update(islice(first.items(), ALIKE - len(alike)))
            last = self._spellings.get((length, -1, word[-1]), {})
            rest = (item for item in last.items() if item[0] not in alike)
            loose.update(islice(rest, LOOSE - len(loose)))
        pool = {**alike, **loose}
        place = {key: index for index, key in enumerate(pool)}
        matcher = difflib.SequenceMatcher(b=word)

        def distance(key: str) -> tuple[float, int]:
            matcher.set_seq1(key)
            return -matcher.ratio(), place[key]

        # Equally close spellings: the same first letter, then the larger asset.
        close = sorted(difflib.get_close_matches(word, pool, n=12, cutoff=0.6), key=distance)
        return [pool[key] for key in close[:3]]

    def search(self, text: str, limit: int = 20) -> list[Asset]:
        """Assets with the text as id or ticker, then those whose id, ticker or name starts with it, then those that
        had it as a ticker or contain it, each largest first.

        Raises InvalidParameter as `resolve` does.
        """
        word = _checked(text).lower()
        start = "\n" + word
        exact: dict[str, Asset] = {}
        later: dict[str, Asset] = {}
        for holder in self.holders(word.upper()):
            (later if holder.via == "rename" else exact)[holder.asset.id] = holder.asset
        if word in self._assets:
            exact.setdefault(word, self._assets[word])
        first: list[Asset] = []
        for key, asset in self._search:
            if word in key and asset.id not in exact:
                if start in key:
                    first.append(asset)
                    if len(first) >= limit:
                        break
                else:
                    later[asset.id] = asset
        ahead = {asset.id for asset in first}
        found = [*exact.values(), *first, *(asset for key, asset in later.items() if key not in ahead)]
        return found[: max(limit, 0)]


def ranking(assets: Iterable[Asset]) -> Ranking:
    """The walking order of these assets. Pure."""
    ranked = sorted(assets, key=lambda a: (size_of(a) or UNRANKED, a.id))
    spellings: dict[tuple[int, int, str], dict[str, str]] = {}
    for asset in ranked:
        for text in (asset.ticker, asset.id):
            word = text.lower()
            for end in (0, -1):
                spellings.setdefault((len(text), end, word[end]), {}).setdefault(word, text)
    return Ranking([(f"\n{a.id}\n{a.ticker}\n{a.name}\n".lower(), a) for a in ranked], spellings)


def _checked(text: str) -> str:
    clean = text.strip(" ")
    if not clean or len(text) > MAX_TEXT or not text.isprintable():
        raise InvalidParameter(
            "The symbol must be 1 to 64 printable characters, such as BTC, BTC-USD or bitcoin.",
            details={
                "parameter": "symbol",
                "got": ascii(text[:MAX_TEXT])[1:-1],
                "allowed": f"1 to {MAX_TEXT} printable characters",
            },
        )
    return clean
