"""Pairs of headlines that are of one event, and of two that differ in a word, alone and among the simulated market's."""

from __future__ import annotations

import csv
import pickle
from functools import cache
from pathlib import Path

import pytest

from crypto_dt_source.analysis.mentions import Mentions
from crypto_dt_source.analysis.stories import Item, Stories
from crypto_dt_source.analysis.story_likeness import BACKGROUND, Vocabulary
from crypto_dt_source.analysis.story_text import text_of
from crypto_dt_source.model.candle import HOUR_MS
from crypto_dt_source.providers.assets import load
from crypto_dt_source.sim.wordings import WORDINGS

T0 = 1_791_244_800_000
PAIRS = Path(__file__).with_name("story_pairs.csv")
COINS = ("Bitcoin", "BTC"), ("Ethereum", "ETH"), ("Solana", "SOL"), ("Cardano", "ADA"), ("Dogecoin", "DOGE")


def pairs(same: str) -> list[tuple[str, str]]:
    with PAIRS.open(encoding="utf-8", newline="") as file:
        return [(row["one"], row["other"]) for row in csv.DictReader(file) if row["same"] == same]


@cache
def packaged() -> Mentions:
    return Mentions(entry.asset for entry in load())


def article(id: str, title: str, hours: float = 0, recognised: bool = True) -> Item:
    assets = packaged().find(title) if recognised else ()
    return Item(id, f"source {id}", title, None, T0 + int(hours * HOUR_MS), assets)


@cache
def background() -> tuple[Item, ...]:
    titles = [title for tones in WORDINGS.values() for wording in tones.values() for title in wording.titles]
    found = []
    for n, title in enumerate((*titles, *titles)):
        name, ticker = COINS[n * 3 % len(COINS)]
        facts = {"pct": f"{n % 9 + 1}.{n % 7}%", "price": f"${n * 137 + 900:,}", "amount": f"${20 + n * 3}"}
        told = title.format(
            name=name, ticker=ticker, count=f"{100 + n},000", sign="-", place="Japan", **facts
        )
        found.append(article(f"z{n}", told, n / 60))
    return tuple(found)


@cache
def placed_before(many: bool) -> bytes:
    """Stories with the background in them, or none; placing it takes a hundred times as long as reading it again."""
    stories = Stories()
    for item in background() if many else ():
        stories.place(item)
    return pickle.dumps(stories)


def stories_among(many: bool) -> Stories:
    stories: Stories = pickle.loads(placed_before(many))
    return stories


@pytest.mark.parametrize("many", [False, True], ids=["alone", "among"])
def test_two_events_are_two_stories(many: bool) -> None:
    wrong = []
    for one, other in pairs("no"):
        for first, second in ((one, other), (other, one)):
            stories = stories_among(many)
            placed = stories.place(article("a", first, 4)), stories.place(article("b", second, 5))
            if placed[0] == placed[1]:
                wrong.append((first, second))
    assert wrong == []


def test_two_events_are_two_stories_where_no_asset_is_recognised() -> None:
    wrong = []
    for one, other in pairs("no"):
        for first, second in ((one, other), (other, one)):
            stories = Stories()
            stories.place(article("a", first, recognised=False))
            if stories.place(article("b", second, 1, recognised=False)) == "a":
                wrong.append((first, second))
    assert wrong == []


@pytest.mark.parametrize("many", [False, True], ids=["alone", "among"])
def test_one_event_in_other_words_is_one_story(many: bool) -> None:
    wrong = []
    for one, other in pairs("yes"):
        for first, second in ((one, other), (other, one)):
            stories = stories_among(many)
            placed = stories.place(article("a", first, 4)), stories.place(article("b", second, 5))
            if placed[0] != placed[1]:
                wrong.append((first, second))
    assert wrong == []


def test_there_are_pairs_of_both_kinds() -> None:
    assert len(pairs("no")) >= 55
    assert len(pairs("yes")) >= 25


def test_a_story_takes_no_article_that_as_many_members_contradict_as_are_like_it() -> None:
    stories = Stories()
    assert stories.place(article("a", "Bitcoin rises above $90,000")) == "a"
    assert stories.place(article("b", "BTC tops $90K", 1)) == "a"
    assert stories.place(article("c", "Bitcoin falls below $90,000", 2)) == "c"


def test_both_ends_in_both_headlines_are_no_contradiction() -> None:
    stories = Stories()
    assert stories.place(article("a", "Kelpline halts, then resumes withdrawals")) == "a"
    assert stories.place(article("b", "Kelpline resumes withdrawals after halt", 1)) == "a"


def test_ordinary_words_are_not_rare_in_an_empty_window() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(text_of("Kelpline miner wins 2 record price", None))
    assert vocabulary.weight("kelplin") == pytest.approx(1, abs=0.01)
    for word in ("record", "miner", "2", "price"):
        assert vocabulary.weight(word) < 0.75, word
    for _ in range(BACKGROUND):
        vocabulary.add(text_of("Something else entirely", None))
    assert vocabulary.weight("record") < vocabulary.weight("kelplin")
