"""How likely two articles report one event: a logistic sum of a few signals that a person can check.

`SIGNALS` says what each signal is and what it weighs. The weights without a remark were fitted by `bench/stories.py --fit
--among` on the tuning half of a labelled set. The others are set by hand: hardly a pair of that half has such a
contradiction and one event all the same, and a regression would only say how few it has seen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from typing import NamedTuple

from ..model.candle import DAY_MS
from .story_text import Text, lexicon, plain_words

BACKGROUND = 300
"""Articles that each window is taken to have besides, so that words weigh something before many were seen."""
NEVER_SEEN = 0.6
USUAL, PLAIN, ASSET, FIRST_DIGIT, SECOND_DIGIT = 30, 6, 6, 6, 1
"""Of those articles, how many have a word that every other headline has, one that is no name, an asset that is not the
first two, a number of one digit, one of two."""
INFORMATIVE = 0.3
LEAST_SHARED = 3
"""Words of at least that weight that articles of one event share, one of them in a title,"""
RARE = 0.65
"""or a name or an exact amount in both titles, this rare: a story of MEMBERS articles leaves its own name so."""
TEMPLATE = 0.5
"""Share of both titles' words from which on what they have in common can be a template that names were put in."""

SIGNALS = {
    "title": 9.0,  # cosine of the titles' words
    "shared": 3.6,  # weight of all words in common, the summaries' by half; five rare words are 1
    "rarest": 6.6,  # weight of the rarest word in common, in one title at least
    "amount": 2.6,  # a number of one title is in the other article
    "other_amount": -10.0,  # by hand: both titles have numbers of one kind, none in common
    "other_name": -6.0,  # by hand: both titles have proper names, none of them in the other article
    "other_event": -0.7,  # both titles have events, none in common
    "other_stage": -2.0,  # by hand: one title has a step that follows an event, the other has none or another
    "days": -6.6,  # time between them
    "opposite": -6.0,  # by hand: the titles go opposite ways and both articles have both
    "other_date": -10.0,  # by hand: different quarters, months or years in the titles
    "same_source": -5.0,  # by hand: a publisher rarely tells one story twice, and has daily columns
}
BIAS = -7.7


class Signals(NamedTuple):
    """One value for each of `SIGNALS`, in its order: 0 to 1, `days` to 2."""

    title: float
    shared: float
    rarest: float
    amount: float
    other_amount: float
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
        """Inverse document frequency, about 1 for a word of one article, 0 for one of every article. Words that are no
        names count as seen before."""
        having = self._having.get(word, 0) + _before(word)
        known = self._weights.get(having)
        if known is None:
            total = self._articles + BACKGROUND
            rare = math.log(total / (1 + NEVER_SEEN))
            known = self._weights[having] = max(0.0, math.log(total / (having + NEVER_SEEN)) / rare)
        return known

    def proper(self, text: Text) -> frozenset[str]:
        """Those of the title's words that are written with a capital, where a capital tells; failing that, those that
        the window never has small. Events are no names, kinds of
        firms neither; countries and authorities always are."""
        # Counters answer a missing word slowly, and this is asked of every candidate.
        names, small, known = self._names.get, self._small.get, lexicon()
        return frozenset(
            [
                word
                for word in text.title
                if word not in known.events
                and word not in known.common
                and (
                    word in known.names
                    or word in known.places
                    or names(word, 0) > 2 * small(word, 0)
                    or (word in text.doubtful and word not in self._small)
                )
            ]
        )


@cache
def _usual() -> Mapping[str, int]:
    known = lexicon()
    words = plain_words() | frozenset(known.meaning.values())
    return dict.fromkeys(words, PLAIN) | dict.fromkeys(known.usual, USUAL)


def _before(word: str) -> int:
    """Of BACKGROUND articles, how many are taken to have the word: few numbers are as rare as a name."""
    if word[1:2] == ":":  # an amount
        return FIRST_DIGIT if word[3:5] == ".0" else SECOND_DIGIT
    return PLAIN if word.isdigit() else _usual().get(word, ASSET if word.startswith("asset:") else 0)


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
        _strangers(one, other),
        _apart(a.events, b.events),
        _staged(a.title, b.title),
        min(2.0, abs(one.published_ms - other.published_ms) / DAY_MS),
        bool(_opposed(a, b)),
        bool(a.dates and b.dates)
        and any(_apart(_of_kind(a.dates, kind), _of_kind(b.dates, kind)) for kind in ("q", "month", "year")),
        one.source == other.source,
    )


def contradict(one: Side, other: Side) -> bool:
    """Whether the titles cannot be of one event whatever else they share; symmetric.

    They do when their main clauses go opposite ways, when both name assets and none in common, and when one title is the
    other with another name put in.
    """
    a, b = one.text, other.text
    return (
        any(not _both(a, b, line) for line in _opposed(a, b))
        or _apart(a.assets, b.assets)
        or _exchanged(one, other)
    )


def informed(one: Text, other: Text, weights: Mapping[str, float]) -> bool:
    """Whether the articles share enough words that say something; symmetric."""
    if one.title == other.title:
        return True
    twice = one.title & other.title
    if any(weights[word] >= RARE and _before(word) <= SECOND_DIGIT for word in twice):
        return True
    shared = twice | (one.title & other.body) | (one.body & other.title) | (one.body & other.body)
    return sum(weights[word] >= INFORMATIVE for word in shared) >= LEAST_SHARED


def _opposed(one: Text, other: Text) -> list[str]:
    """Lines of opposites that the main clauses are at different ends of."""
    lines = {end.split(":")[0] for end in one.ends}
    return [line for line in lines if _apart(_of_kind(one.ends, line), _of_kind(other.ends, line))]


def _both(one: Text, other: Text, line: str) -> bool:
    ends = _of_kind(one.ends | other.ends, line)
    return ends <= one.all_ends and ends <= other.all_ends


def _strangers(one: Side, other: Side) -> bool:
    """Both titles have names, and the other article has none of them."""
    if not (one.names and other.names):
        return False
    return not (
        one.names & (other.text.title | other.text.body) or other.names & (one.text.title | one.text.body)
    )


def _exchanged(one: Side, other: Side) -> bool:
    """One title has another name, asset or small number where the other has its own, and the rest is much the same."""
    a, b = one.text.title, other.text.title
    if len(a & b) < TEMPLATE * max(len(a), len(b)):
        return False
    left, right = _own(one, a - b - other.text.body), _own(other, b - a - one.text.body)
    if not (left and right):
        return False
    sure = not (left & one.text.doubtful or right & other.text.doubtful)
    (first, mine), (second, yours) = sorted(((one.text.order, left), (other.text.order, right)))
    changes = SequenceMatcher(None, first, second, autojunk=False).get_opcodes()
    if not sure and sum(change != "equal" for change, *_ in changes) > 1:
        return False
    return any(
        change == "replace" and _in_one_role(first[i:j], mine, second[m:n], yours, sure or i + m == 0)
        for change, i, j, m, n in changes
    )


def _in_one_role(
    one: Sequence[str], mine: frozenset[str], other: Sequence[str], yours: frozenset[str], sure: bool
) -> bool:
    """Whether two parts of titles are a name each, with a word beside it at most; a name and an asset only where
    `sure`, as a capital is no proof of a name everywhere."""
    left, right = mine.intersection(one), yours.intersection(other)
    if not (left and right) or len(one) > len(left) + 1 or len(other) > len(right) + 1:
        return False
    kinds = set(map(_kind, left)), set(map(_kind, right))
    return bool(kinds[0] & kinds[1]) or (sure and kinds[0] | kinds[1] == {"asset", "name"})


def _kind(word: str) -> str:
    if word.startswith("asset:"):
        return "asset"
    if any(map(str.isdigit, word)):
        return "number"
    return "place" if word in lexicon().places else "name"


def _own(side: Side, words: frozenset[str]) -> frozenset[str]:
    return frozenset(
        word
        for word in words
        if word in side.names
        or word.startswith("asset:")
        or (any(map(str.isdigit, word)) and ":" not in word)
    )


def _apart(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one and other) and not one & other


def _staged(one: frozenset[str], other: frozenset[str]) -> bool:
    stages = lexicon().stages
    return bool((one | other) & stages) and not one & other & stages


def _of_kind(dates: frozenset[str], kind: str) -> frozenset[str]:
    return frozenset(date for date in dates if date.startswith(kind))
