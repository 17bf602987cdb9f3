"""What a word of a news text may stand for: tickers and names of assets, each with the evidence it needs.

A handle is enough by itself where it can mean nothing else. One that is a word too (`ambiguous_words.txt`, every ticker
of one or two letters) needs evidence beside it. A ticker of an asset that is small or of unknown size needs a cashtag or
the asset's name: of ten thousand coins nearly every word is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from ..model.asset import Asset
from ..providers.asset_index import UNRANKED, size_of
from ..providers.assets import Registered, load

OPEN, CAPITALS, EVIDENCE, STRONG, NAMED = range(5)
"""What a handle needs beyond being there: nothing; nothing unless the whole text is in capitals; a word beside it; a
pair, brackets after its name or a cashtag; brackets after its name or a cashtag."""
LARGEST = 300
"""Ranks up to this one have a ticker that people know."""
MAX_NAME_WORDS = 8

GENERIC = frozenset("network protocol hub dao finance".split())
"""Last words of names that people leave out: Lido DAO is Lido. Not `coin` and `token`: Binance and Bitget are companies."""
COIN_LIKE = ("coin", "token", "swap", "protocol", "network", "finance", "dao", "inu", "chain")
"""Endings that make a name that nobody looked over a coin's and not a company's or a word."""
COLLOQUIAL = {"ethereum": ("Ether",), "bitcoin-cash": ("BCash",)}
OTHER_LISTINGS = frozenset(
    """COIN MSTR HOOD MARA RIOT CLSK IREN HUT CORZ CIFR WULF BTBT BITF GLXY CRCL SBET BMNR TSLA NVDA AAPL MSFT GOOGL
    AMZN META PYPL SQ XYZ GME IBIT FBTC ARKB BITB GBTC ETHA FETH ETHE BITO SPY QQQ DXY VIX""".split()
)
"""Shares, funds and indices that crypto news writes as tickers, with a dollar sign too; coins of these tickers exist."""

_WORD = re.compile(r"[^\W_]+")


class Handle(NamedTuple):
    """The asset that a ticker or a name stands for, and the evidence it needs (`OPEN` to `NAMED`)."""

    asset: str
    needs: int


class Name(NamedTuple):
    """One name as words: case folded, and as its asset spells them."""

    words: tuple[str, ...]
    spelling: tuple[str, ...]
    handle: Handle


class Word(NamedTuple):
    """Letters and digits in a row, and where in the text they are."""

    text: str
    start: int
    end: int


def words_of(text: str) -> list[Word]:
    """The words of a text, in order."""
    return [Word(found[0], found.start(), found.end()) for found in _WORD.finditer(text)]


@cache
def ambiguous_words() -> dict[str, int]:
    """Case-folded lines of `ambiguous_words.txt`, each with what such a handle needs."""
    text = (resources.files(__package__) / "ambiguous_words.txt").read_text(encoding="utf-8")
    lines = [line.strip().casefold() for line in text.splitlines() if line.strip() and line[0] != "#"]
    needs = {"!": STRONG, "^": CAPITALS}
    return {line.lstrip("!^"): needs.get(line[0], EVIDENCE) for line in lines}


class Handles:
    """Tickers and names of `assets`; `registry` is the packaged one, whose names are looked over and which brings other
    names in use. Of several assets with one handle a packaged one, then the largest, has it; currencies have none."""

    def __init__(self, assets: Iterable[Asset], registry: Iterable[Registered] | None = None) -> None:
        known = {entry.asset.id: entry for entry in (load() if registry is None else registry)}
        self.tickers: dict[str, Handle] = {}
        self._names: dict[tuple[str, ...], Name] = {}
        self._longest: dict[str, int] = {}  # first word -> words of the longest name that begins so
        self._own: dict[str, frozenset[str]] = {}
        coins = [asset for asset in assets if asset.kind != "fiat"]
        coins.sort(key=lambda asset: (asset.id not in known, size_of(asset), asset.id))
        former = {asset.id: tuple(rename.ticker for rename in asset.renames) for asset in coins}
        taken = {
            entry.asset.ticker for entry in known.values() if entry.asset.kind == "fiat"
        } | OTHER_LISTINGS
        for asset in coins:
            entry = known.get(asset.id)
            others = () if entry is None else (entry.asset.name, *entry.names, *COLLOQUIAL.get(asset.id, ()))
            for name in (asset.name, *others):
                self._add_name(asset, name, entry is not None)
            self._own[asset.id] = frozenset((asset.ticker, *asset.aliases, *former[asset.id]))
        for asset in coins:
            self._add_tickers(asset, (asset.ticker,), taken)
        for asset in coins:
            self._add_tickers(asset, (*asset.aliases, *former[asset.id]), taken)

    def begins(self, word: str) -> int:
        """Words of the longest name that begins with the case-folded word; 0 when none does."""
        return self._longest.get(word, 0)

    def name(self, words: tuple[str, ...]) -> Name | None:
        """The name of these case-folded words."""
        return self._names.get(words)

    def uses(self, asset: str, ticker: str) -> bool:
        """Whether the asset has or had the ticker."""
        return ticker in self._own[asset]

    def _add_tickers(self, asset: Asset, tickers: Sequence[str], taken: set[str]) -> None:
        for ticker in tickers:
            if ticker in self.tickers or ticker in taken:
                continue
            needs = ambiguous_words().get(ticker.casefold(), OPEN)
            if len(ticker) <= 2:
                needs = STRONG if needs >= EVIDENCE else EVIDENCE
            self.tickers[ticker] = Handle(asset.id, NAMED if size_of(asset) > LARGEST else needs)

    def _add_name(self, asset: Asset, name: str, vetted: bool) -> None:
        spelling = tuple(word.text for word in words_of(name))
        # `Sonic (prev. FTM)` and `Dog (Bitcoin)` are a list's remarks, not what an author writes.
        if not 0 < len(spelling) <= MAX_NAME_WORDS or "(" in name or "[" in name:
            return
        self._add_spelling(asset, spelling, vetted)
        if not vetted or len(spelling) == 1:
            return
        if spelling[-1].casefold() in GENERIC:
            self._add_spelling(asset, spelling[:-1], vetted)
        if spelling[-1].upper() == asset.ticker and not spelling[-1].isupper() | spelling[-1].istitle():
            self._add_spelling(asset, spelling[-1:], vetted)  # Ethena USDe is written USDe

    def _add_spelling(self, asset: Asset, spelling: tuple[str, ...], vetted: bool) -> None:
        words = tuple(word.casefold() for word in spelling)
        joined = " ".join(words)
        if words in self._names:
            return
        needs = ambiguous_words().get(joined, OPEN)
        if len(joined) < 3 or joined.isdigit():
            needs = STRONG
        elif not vetted and not (needs == OPEN and joined.endswith(COIN_LIKE) and len(joined) > 6):
            # A name that nobody looked over may be anything: Tesla, The Fed, Pain.
            needs = max(needs, STRONG if (asset.rank or UNRANKED) > LARGEST else EVIDENCE)
        self._names[words] = Name(words, spelling, Handle(asset.id, needs))
        self._longest[words[0]] = max(len(words), self._longest.get(words[0], 0))
