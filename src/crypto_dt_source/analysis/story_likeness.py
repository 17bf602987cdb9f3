"""How likely two articles report one event: a logistic sum of a few signals that a person can check.

`SIGNALS` says what each signal is and what it weighs. The weights without a remark were fitted by `bench/stories.py --fit
--among` on the tuning half of a labelled set. The others are set by hand: hardly a pair of that half has such a
contradiction and one event all the same, and a regression would only say how few it has seen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from ..model.candle import DAY_MS
from .story_text import Text, lexicon

BACKGROUND = 300
"""Articles that each window is taken to have besides, so that words weigh something before many were seen."""
NEVER_SEEN = 0.6

SIGNALS = {
    "title": 7.7,  # cosine of the titles' words
    "shared": 3.7,  # weight of all words in common, the summaries' by half; five rare words are 1
    "rarest": 11.7,  # weight of the rarest word in common, in one title at least
    "amount": 3.0,  # a number of one title is in the other article
    "other_amount": -10.0,  # by hand: both titles have numbers of one kind, none in common
    "other_asset": -12.0,  # by hand: both titles name assets, none in common
    "other_name": -6.0,  # by hand: both titles have proper names, none of them in the other article
    "other_event": -0.5,  # both titles have events, none in common
    "other_stage": -2.0,  # by hand: one title has a step that follows an event, the other has none or another
    "days": -6.0,  # time between them
    "opposite": -6.0,  # by hand: rises and falls, approves and delays
    "other_date": -10.0,  # by hand: different quarters, months or years in the titles
    "same_source": -5.0,  # by hand: a publisher rarely tells one story twice, and has daily columns
}
BIAS = -11.6


class Signals(NamedTuple):
    """One value for each of `SIGNALS`, in its order: 0 to 1, `days` to 2."""

    title: float
    shared: float
    rarest: float
    amount: float
    other_amount: float
    other_asset: float
    other_name: float
    other_event: float
    other_stage: float
    days: float
    opposite: float
    other_date: float
    same_source: float

    def score(self) -> float:
        """Log-odds that both are of one event."""
        return BIAS + math.fsum(weight * value for weight, value in zip(SIGNALS.values(), self, strict=True))


class Vocabulary:
    """Words of the articles in the window: how many articles have each, and whether it is written as a name."""

    def __init__(self) -> None:
        self._articles = 0
        self._weights: dict[int, float] = {}  # by the number of articles having a word, for the present state
        self._names: Counter[str] = Counter()
        self._small: Counter[str] = Counter()
        self._having: Counter[str] = Counter()

    def add(self, text: Text) -> None:
        self._articles += 1
        self._weights.clear()
        self._having.update(text.title | text.body)
        self._names.update(text.names)
        self._small.update(text.small)

    def remove(self, text: Text) -> None:
        """Takes out a text that was added."""
        self._articles -= 1
        self._weights.clear()
        for counted, words in (
            (self._having, text.title | text.body), (self._names, text.names), (self._small, text.small)
        ):  # fmt: skip
            for word in words:
                left = counted[word] - 1
                if left:
                    counted[word] = left
                else:
                    del counted[word]

    def having(self, word: str) -> int:
        """Articles that have the word."""
        return self._having[word]

    def weight(self, word: str) -> float:
        """Inverse document frequency, about 1 for a word of one article, 0 for one of every article."""
        having = self._having.get(word, 0)
        known = self._weights.get(having)
        if known is None:
            total = self._articles + BACKGROUND
            rare = math.log(total / (1 + NEVER_SEEN))
            known = self._weights[having] = max(0.0, math.log(total / (having + NEVER_SEEN)) / rare)
        return known

    def proper(self, text: Text) -> frozenset[str]:
        """Those of the title's words that are written with a capital, where a capital tells; failing that, those that
        the window never has small. Events are no names."""
        # Counters answer a missing word slowly, and this is asked of every candidate.
        names, small, events = self._names.get, self._small.get, lexicon().events
        return frozenset(
            [
                word
                for word in text.title
                if word not in events
                and (
                    names(word, 0) > 2 * small(word, 0) or (word in text.doubtful and word not in self._small)
                )
            ]
        )


class Side(NamedTuple):
    """An article prepared for comparison against one state of the vocabulary."""

    text: Text
    length: float
    names: frozenset[str]
    source: str
    published_ms: int


def side(text: Text, source: str, published_ms: int, vocabulary: Vocabulary) -> Side:
    """Length and names of an article's title as the window has its words now."""
    weight = vocabulary.weight
    length = math.sqrt(math.fsum([weight(word) ** 2 for word in text.title]))
    return Side(text, length, vocabulary.proper(text), source, published_ms)


def signals(one: Side, other: Side, weights: Mapping[str, float]) -> Signals:
    """What speaks for and against one event; symmetric. `weights` are those of all words of either article."""
    a, b = one.text, other.text
    twice = [weights[word] for word in a.title & b.title]
    once = [weights[word] for word in (a.title & b.body) | (a.body & b.title)]
    never = [weights[word] for word in a.body & b.body]
    product = math.fsum([w**2 for w in twice])
    shared = math.fsum([*twice, *(0.5 * w for w in once), *(0.25 * w for w in never)])
    rarest = max(max(twice, default=0.0), max(once, default=0.0))
    amount = any(x.close_to(y) for x in a.amounts for y in b.all_amounts) or any(
        x.close_to(y) for x in b.amounts for y in a.all_amounts
    )
    kinds = {x.kind for x in a.amounts} & {x.kind for x in b.amounts}
    return Signals(
        product / (one.length * other.length) if product else 0.0,
        min(1.0, shared / 5),
        rarest,
        amount,
        bool(kinds) and not amount,
        _apart(a.assets, b.assets),
        _strangers(one, other),
        _apart(a.events, b.events),
        _staged(a.title, b.title),
        min(2.0, abs(one.published_ms - other.published_ms) / DAY_MS),
        _opposite(a.events, b.events),
        bool(a.dates and b.dates)
        and any(_apart(_of_kind(a.dates, kind), _of_kind(b.dates, kind)) for kind in ("q", "month", "year")),
        one.source == other.source,
    )


def _strangers(one: Side, other: Side) -> bool:
    if not (one.names and other.names):
        return False
    return not any(
        side.names & text.title or side.names & text.body
        for side, text in ((one, other.text), (other, one.text))
    )


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one and other) and not one & other


def _staged(one: frozenset[str], other: frozenset[str]) -> bool:
    stages = lexicon().stages
    return bool((one | other) & stages) and not one & other & stages


def _of_kind(dates: frozenset[str], kind: str) -> frozenset[str]:
    return frozenset(date for date in dates if date.startswith(kind))


def _opposite(one: frozenset[str], other: frozenset[str]) -> bool:
    if not (one and other) or one == other:
        return False
    return any(
        bool(one & left and other & right) and not one & right and not other & left
        for left, right in lexicon().opposites
    )
