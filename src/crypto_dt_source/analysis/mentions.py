"""Assets recognised in a headline and its summary, without taking plain English for tickers.

One pass over the words of a text with dictionary look-ups, in time linear in the text. `handles` says what each ticker
and name needs to count; here is what makes it stand: a cashtag, its ticker in brackets after its name, a pair, a word
like `token` or `price` beside it, or a list with an asset that is certain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ..model.asset import Asset
from ..model.news import SUMMARY_LIMIT, TITLE_LIMIT
from ..providers.assets import Registered
from .handles import CAPITALS, EVIDENCE, NAMED, OPEN, Handle, Handles, Name, words_of

LOWER_CASE = frozenset(
    (
        "bitcoin",
        "bitcoin cash",
        "ether",
        "ethereum",
        "litecoin",
        "dogecoin",
        "zcash",
        "solana",
        "monero",
        "cardano",
    )
)
"""Names that some publishers write without a capital, as of a currency."""
NEXT = frozenset(
    """token tokens coin coins memecoin foundation dao blockchain holders mainnet testnet network protocol validators
    staking stakers ecosystem l1 l2 chain labs founder cofounder developers dapp dapps tvl airdrop futures perpetuals
    etf etfs finance whales treasury governance rollup sidechain subnet bulls bears""".split()
)
FIRM = frozenset("token tokens protocol network foundation dao blockchain mainnet testnet".split())
"""Words that are evidence where the capitals of the handle say nothing."""
BEFORE = frozenset("blockchain protocol token altcoin memecoin cryptocurrency dex".split())
MOVES = frozenset(
    """rallies surges soars jumps plunges tumbles slides climbs drops falls rises gains sinks dips slips leaps rockets
    crashes slumps rebounds outperforms underperforms""".split()
)
AFTER_PRICE = MOVES | frozenset(
    "prediction analysis forecast outlook could will eyes targets hits reclaims".split()
)
CURRENCIES = frozenset("USD USDT USDC EUR BUSD FDUSD GBP KRW JPY TRY DAI PERP".split())
QUOTES = CURRENCIES | frozenset("BTC ETH BNB SOL XBT".split())
JOINS = frozenset((",", ", ", " and ", " & ", "/", " / ", " or ", " vs ", " vs. ", ", and ", " + "))

_BLANKS = re.compile(r"\s+")
_INSIDE = frozenset(" .-–/")


class _Hit(NamedTuple):
    """A handle found: words `first` to `last` (exclusive). `capitals`: its letters are all capitals in a text whose
    other words are not."""

    asset: str
    first: int
    last: int
    needs: int
    capitals: bool


class Mentions:
    """Finds the assets that a text is about.

    `assets` are those known now (`Resolver.snapshot()`), `registry` is the packaged one. Make a new one when assets are
    learned: 10 000 take about 0.1 s.
    """

    def __init__(self, assets: Iterable[Asset], registry: Iterable[Registered] | None = None) -> None:
        self._handles = Handles(assets, registry)

    def find(self, title: str, summary: str | None = None) -> tuple[str, ...]:
        """Canonical ids of the assets mentioned, the strongest first; empty when none is.

        Reads 500 characters of the title and 2 000 of the summary. A mention in the title weighs four times one in the
        summary, further ones an eighth of the first; equal weights go by position. Currencies are never reported.
        """
        weights: dict[str, float] = {}
        for text, weight in ((title[:TITLE_LIMIT], 4.0), ((summary or "")[:SUMMARY_LIMIT], 1.0)):
            seen: set[str] = set()
            for asset in _Reading(self._handles, _BLANKS.sub(" ", text)).assets():
                weights[asset] = weights.get(asset, 0.0) + (weight / 8 if asset in seen else weight)
                seen.add(asset)
        return tuple(sorted(weights, key=lambda asset: -weights[asset]))


class _Reading:
    """One text while it is read."""

    def __init__(self, handles: Handles, text: str) -> None:
        self.handles = handles
        self.text = text
        found = words_of(text)
        # The tail of `don't` and `Bitcoin's` is no word, nor is a capital S there Sonic's ticker.
        self.words = [
            w
            for w in found
            if not (w.start > 1 and text[w.start - 1] in "'’" and text[w.start - 2].isalnum())
        ]
        self.all_capitals = self._all_capitals()
        self.title_case = self._title_case()

    def _all_capitals(self) -> bool:
        plain = [
            w.text for w in self.words if len(w.text) > 2 and w.text.isalpha() and not self._certain(w.text)
        ]
        return len(plain) >= 3 and sum(map(str.isupper, plain)) >= 0.8 * len(plain)

    def _title_case(self) -> bool:
        # Names of assets have their capital in any sentence.
        plain = [
            w.text
            for w in self.words[1:]
            if len(w.text) > 3 and w.text.isalpha() and not self.handles.begins(w.text.casefold())
        ]
        return sum(text[0].isupper() for text in plain) > 0.6 * len(plain)

    def _certain(self, text: str) -> bool:
        handle = self.handles.tickers.get(text)
        return handle is not None and handle.needs == OPEN

    def assets(self) -> list[str]:
        """Asset ids in the order they stand in the text, one for each mention."""
        hits = list(self._hits())
        stands = [hit.needs == OPEN or self._evident(hit) for hit in hits]
        # A list carries the certainty of one member over to its neighbours, in both directions.
        for i in range(1, len(hits)):
            stands[i] = stands[i] or (stands[i - 1] and self._listed(hits[i - 1], hits[i], hits[i]))
        for i in range(len(hits) - 2, -1, -1):
            stands[i] = stands[i] or (stands[i + 1] and self._listed(hits[i], hits[i + 1], hits[i]))
        return [hit.asset for hit, sure in zip(hits, stands, strict=True) if sure]

    # -- what is there

    def _hits(self) -> Iterator[_Hit]:
        at = 0
        while at < len(self.words):
            hit = self._cashtag(at) or self._name(at) or self._ticker(at)
            if hit is None:
                at += 1
                continue
            yield hit
            at = hit.last
            if self._quoted(hit) and self.words[at].text in CURRENCIES:
                at += 1

    def _cashtag(self, at: int) -> _Hit | None:
        word = self.words[at]
        if self.text[word.start - 1 : word.start] != "$" or not word.text[0].isalpha():
            return None
        handle = self.handles.tickers.get(word.text.upper())
        return None if handle is None else _Hit(handle.asset, at, at + 1, OPEN, True)

    def _ticker(self, at: int) -> _Hit | None:
        handle = self.handles.tickers.get(self.words[at].text)
        if handle is None:
            return None
        needs = self._need(handle)
        if needs != OPEN and self._hyphenated(at, at + 1) and not self._quote_at(at + 1):
            return None
        return _Hit(handle.asset, at, at + 1, needs, not self.all_capitals)

    def _need(self, handle: Handle) -> int:
        if handle.needs == CAPITALS:
            return EVIDENCE if self.all_capitals else OPEN
        return handle.needs

    def _name(self, at: int) -> _Hit | None:
        for name in self._names(at):
            last = at + len(name.words)
            if not self._spelled(name, at):
                continue
            needs = self._need(name.handle)
            if needs != OPEN and self.handles.uses(name.handle.asset, self._bracketed(last)):
                needs = OPEN
            if needs != OPEN and self._hyphenated(at, last):
                continue
            if needs != OPEN and len(name.words) == 1 and self.words[at].text in self.handles.tickers:
                return None  # a ticker is found with less: `NEAR` before `Near`
            shown = not self.all_capitals and all(self.words[i].text.isupper() for i in range(at, last))
            return _Hit(name.handle.asset, at, last, needs, shown)
        return None

    def _names(self, at: int) -> Iterator[Name]:
        """Names whose words stand at `at`, the longest first; a plural counts where nothing else could be meant."""
        first = self.words[at].text.casefold()
        most = max(self.handles.begins(first), self.handles.begins(first.removesuffix("s")) and 1)
        folded = [word.text.casefold() for word in self.words[at : at + most]]
        for count in range(len(folded), 0, -1):
            name = self.handles.name(tuple(folded[:count]))
            if name is not None:
                yield name
                continue
            one = self.handles.name((*folded[: count - 1], folded[count - 1].removesuffix("s")))
            if one is not None and one.handle.needs == OPEN:
                yield one

    def _spelled(self, name: Name, at: int) -> bool:
        """Whether the words at `at` are joined as one name and written as a proper one."""
        run = self.words[at : at + len(name.words)]
        if any(self.text[a.end : b.start] not in _INSIDE for a, b in pairwise(run)):
            return False
        pairs = zip(run, name.spelling, strict=True)
        if all(w.text[0].isupper() or not w.text[0].isalpha() or w.text == s for w, s in pairs):
            return True
        return " ".join(name.words) in LOWER_CASE and all(w.text.islower() for w in run)

    # -- what makes it stand

    def _evident(self, hit: _Hit) -> bool:
        if hit.needs == NAMED:
            return False
        if self._quoted(hit):
            return True
        return hit.needs == EVIDENCE and (self._context_after(hit) or self._context_before(hit))

    def _context_after(self, hit: _Hit) -> bool:
        following = self._following(hit.last)
        after = following[0]
        if self.all_capitals:
            return after in FIRM
        if after in NEXT or (hit.capitals and after in MOVES):
            return True
        # `Core price index`, `Near price floor`: a price beside a mere capital needs a word that goes on about it.
        return after in ("price", "prices") and (hit.capitals or following[1] in AFTER_PRICE)

    def _context_before(self, hit: _Hit) -> bool:
        if hit.first == 0 or not (hit.capitals or not (self.title_case or self.all_capitals)):
            return False
        before = self.words[hit.first - 1]
        if self.text[before.end : self.words[hit.first].start] != " ":
            return False
        if not hit.capitals and not self.words[hit.first].text[0].isupper():
            return False
        if before.text.casefold() in BEFORE:
            return True
        earlier = self.words[hit.first - 2].text.casefold() if hit.first > 1 else ""
        return hit.capitals and before.text == "of" and earlier in ("price", "holders", "supply")

    def _following(self, last: int) -> tuple[str, str]:
        """The next two words, case folded, as far as only blanks or an apostrophe's tail stand between."""
        found = ["", ""]
        end = self.words[last - 1].end
        for i in range(2):
            if last + i >= len(self.words):
                break
            word = self.words[last + i]
            if self.text[end : word.start] not in (" ", "'s ", "’s ", "' ", "’ ", "'S "):
                break
            found[i] = word.text.casefold()
            end = word.end
        return found[0], found[1]

    def _bracketed(self, last: int) -> str:
        """The word in brackets right after word `last - 1`, in upper case; empty when there is none."""
        if last >= len(self.words):
            return ""
        word = self.words[last]
        opened = self.text[self.words[last - 1].end : word.start]
        closed = self.text[word.end : word.end + 1]
        return (
            word.text.upper() if opened in (" (", " ($", " [", "(") and closed in (")", "]", ":", "/") else ""
        )

    def _quote_at(self, at: int) -> bool:
        if not 0 < at < len(self.words) or self.words[at].text not in QUOTES:
            return False
        return self.text[self.words[at - 1].end : self.words[at].start] in ("/", "-", " / ")

    def _quoted(self, hit: _Hit) -> bool:
        """Whether the handle is the base of a pair: `NEAR/USDT`."""
        return self._quote_at(hit.last) and self.words[hit.first].text.isupper()

    def _hyphenated(self, first: int, last: int) -> bool:
        """Whether the words are part of a compound: `ONE-stop`, `near-term`."""
        start, end = self.words[first].start, self.words[last - 1].end
        return self.text[end : end + 1] in ("-", "‑") or self.text[start - 1 : start] in ("-", "‑")

    def _listed(self, one: _Hit, other: _Hit, doubtful: _Hit) -> bool:
        """Whether two neighbours stand in one list, where the doubtful one can only be an item."""
        if (
            doubtful.needs == NAMED
            or self.all_capitals
            or not (doubtful.capitals or doubtful.needs == EVIDENCE)
        ):
            return False
        if self.text[self.words[one.last - 1].end : self.words[other.first].start] not in JOINS:
            return False
        return doubtful.capitals or not self.title_case or self._closed(doubtful)

    def _closed(self, hit: _Hit) -> bool:
        """Whether the item ends where it ends: before a mark, another item or a verb of prices."""
        end = self.words[hit.last - 1].end
        rest = self.text[end : end + 2]
        following = self._following(hit.last)[0]
        return (
            rest[:1] in ("", ",", ":", ".", ";", "?", "!", "/")
            or following in MOVES
            or following in ("and", "or")
        )
