"""Near-duplicates from several publishers, grouped as one story.

Articles come one at a time. Each is compared with the recent ones that have its rarest words (an inverted index, so that
the cost does not grow with the window), and goes to the story of the likest one when the log-odds of `story_likeness`
are high enough, else it starts a story of its own. The method is deterministic: it depends on which articles are in the
window and not on the order of a set, and a window restored from the store places articles as the old one would have.

Placed articles stay where they are. One that fits two stories goes to the older of them; the two are not merged.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ..model.candle import HOUR_MS
from .story_likeness import Side, Vocabulary, contradict, informed, side, signals
from .story_text import Text, text_of

WINDOW_MS = 48 * HOUR_MS
CAPACITY = 5_000
CANDIDATES = 6
"""Articles compared in full with a new one."""
VISITS = 200
"""Entries of the index read for one article, the rarest words first."""
MEMBERS = 8
"""Members of a story that an article is held against as a whole, the latest ones."""
LIKE = 0.0
"""Log-odds with one member that make an article one of its story,"""
LIKE_ALL = -0.75
"""and the mean with all of them: a chain of small steps is not one story."""
TIE = 1.0
"""Stories this close in log-odds to the best one fit as well."""


class Item(NamedTuple):
    """One article. `id` and `source` are any text; `published_ms` is UTC; `assets` are canonical ids (`Mentions.find`)."""

    id: str
    source: str
    title: str
    summary: str | None
    published_ms: int
    assets: tuple[str, ...] = ()


class _Placed(NamedTuple):
    id: str
    story: str
    source: str
    published_ms: int
    text: Text


class Stories:
    """The stories of a window of recent articles, in memory.

    Holds at most `capacity` articles; beyond, the longest published leave. Articles published more than `window_ms`
    apart are never of one story.
    """

    def __init__(self, window_ms: int = WINDOW_MS, capacity: int = CAPACITY) -> None:
        if window_ms < 0 or capacity < 1:
            raise ValueError("a window has a length and room for an article")
        self._window_ms = window_ms
        self._capacity = capacity
        self._placed: dict[str, _Placed] = {}
        self._oldest: list[tuple[int, str]] = []  # heap of (published_ms, id)
        self._having: dict[str, set[str]] = {}  # word -> ids
        self._members: dict[str, set[str]] = {}  # story -> ids
        self._vocabulary = Vocabulary()

    def __len__(self) -> int:
        return len(self._placed)

    def restore(self, items: Iterable[tuple[Item, str]]) -> None:
        """Takes up articles with the story each was placed in, in any order; those known already are left as they are."""
        for item, story in items:
            if item.id not in self._placed:
                text = text_of(item.title, item.summary, item.assets)
                self._vocabulary.add(text)
                self._keep(item, story, text)

    def place(self, item: Item) -> str:
        """The id of the article's story: that of the first article placed in it, the article's own when it is new.

        Placing an article again gives the same story while the window still holds it.
        """
        known = self._placed.get(item.id)
        if known is not None:
            return known.story
        text = text_of(item.title, item.summary, item.assets)
        self._vocabulary.add(text)
        story = self._story_of(item, text) or item.id
        self._keep(item, story, text)
        return story

    # -- choosing

    def _story_of(self, item: Item, text: Text) -> str | None:
        vocabulary = self._vocabulary
        new = side(text, item.source, item.published_ms, vocabulary)
        weights = {word: vocabulary.weight(word) for word in text.title | text.body}
        scores: dict[str, float] = {}

        def score(known: str) -> float:
            if known not in scores:
                placed = self._placed[known]
                old = side(placed.text, placed.source, placed.published_ms, vocabulary)
                scores[known] = -math.inf if contradict(new, old) else signals(new, old, weights).score()
            return scores[known]

        best: dict[str, float] = {}
        for known in self._candidates(new, weights):
            story = self._placed[known].story
            if not informed(text, self._placed[known].text, weights):
                continue
            if score(known) >= max(LIKE, best.get(story, LIKE)):
                best[story] = score(known)
        fitting = {story: value for story, value in best.items() if self._fits(story, score)}
        if not fitting:
            return None
        top = max(fitting.values())
        return min((story for story, value in fitting.items() if value >= top - TIE), key=self._age)

    def _fits(self, story: str, score: Callable[[str], float]) -> bool:
        """Whether the latest members agree: more are like the article than contradict it, since one odd wording should
        not part a story, and those that do not contradict are near it on the whole."""
        members = self._members[story]
        if len(members) > MEMBERS:
            latest = heapq.nlargest(MEMBERS, ((self._placed[known].published_ms, known) for known in members))
            members = {known for _, known in latest}
        values = [value for value in map(score, members) if value > -math.inf]
        against = len(members) - len(values)
        alike = sum(value >= LIKE for value in values)
        return alike > against and math.fsum(values) / len(values) >= LIKE_ALL

    def _candidates(self, new: Side, weights: Mapping[str, float]) -> list[str]:
        """Articles of the window that share the rarest words, those that share most first; none with a third of what the
        first one shares, or less."""
        total: dict[str, float] = {}
        visits = 0
        for word in sorted(weights, key=lambda word: (-weights[word], word)):
            ids = self._having.get(word, ())
            visits += len(ids)
            if visits > VISITS:
                break
            worth = weights[word] if word in new.text.title else weights[word] / 2
            for known in ids:
                total[known] = total.get(known, 0.0) + worth
        least = max(total.values(), default=0.0) / 3
        near = [
            (-value, known)
            for known, value in total.items()
            if value >= least and abs(self._placed[known].published_ms - new.published_ms) <= self._window_ms
        ]
        return [known for _, known in heapq.nsmallest(CANDIDATES, near)]

    def _age(self, story: str) -> tuple[int, str]:
        return min((self._placed[known].published_ms, known) for known in self._members[story])

    # -- keeping

    def _keep(self, item: Item, story: str, text: Text) -> None:
        self._placed[item.id] = _Placed(item.id, story, item.source, item.published_ms, text)
        heapq.heappush(self._oldest, (item.published_ms, item.id))
        self._members.setdefault(story, set()).add(item.id)
        for word in text.title | text.body:
            self._having.setdefault(word, set()).add(item.id)
        while len(self._placed) > self._capacity:
            self._forget(heapq.heappop(self._oldest)[1])

    def _forget(self, known: str) -> None:
        gone = self._placed.pop(known)
        self._vocabulary.remove(gone.text)
        for word in gone.text.title | gone.text.body:
            ids = self._having[word]
            ids.discard(known)
            if not ids:
                del self._having[word]
        members = self._members[gone.story]
        members.discard(known)
        if not members:
            del self._members[gone.story]
