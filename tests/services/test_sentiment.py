"""What scored articles say together: weights, directions, days, and who stands behind it."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import harness
from crypto_dt_source.model.candle import DAY_MS, HOUR_MS
from crypto_dt_source.model.errors import InvalidParameter
from crypto_dt_source.model.sentiment import BATCH_LIMIT, TEXT_LIMIT, Score
from crypto_dt_source.services import analyze, sentiment
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.repos import news as repo
from crypto_dt_source.store.repos.news import FeedRow, NewsRow, Scored

NOW = harness.START_MS


def score(balance: float, model: str = "m") -> Score:
    """A score whose bullish less bearish is `balance`."""
    bullish, bearish = max(balance, 0.0), max(-balance, 0.0)
    label = "bullish" if balance > 0.5 else "bearish" if balance < -0.5 else "neutral"
    return Score(label, 1.0, bearish, 1 - bullish - bearish, bullish, label, model, "1")


def item(id: str, balance: float, *, provider: str = "a", age_h: float = 0.0, story: str = "") -> Scored:
    at = NOW - round(age_h * HOUR_MS)
    return Scored(id, story or id, provider, f"title {id}", f"https://x.example/{id}", at, score(balance), ())


def test_nothing_behind_it_is_no_figure() -> None:
    none = sentiment.aggregate([], NOW)
    assert (none.label, none.score, none.items) == (None, None, 0)


def test_newer_items_weigh_more_by_the_half_life() -> None:
    items = [item("new", 1.0), item("old", -1.0, age_h=sentiment.HALF_LIFE_H)]
    found = sentiment.aggregate(items, NOW)
    assert found.score == pytest.approx((1.0 - 0.5) / 1.5)
    assert found.label == "bullish"
    assert (found.bullish, found.bearish, found.neutral) == (1, 1, 0)


def test_a_source_with_many_items_weighs_with_their_root() -> None:
    many = [item(f"m{n}", -1.0, provider="loud") for n in range(9)]
    found = sentiment.aggregate([*many, item("one", 1.0, provider="quiet")], NOW)
    assert found.score == pytest.approx((1.0 - sqrt(9)) / (1.0 + sqrt(9)))
    assert (found.items, found.sources) == (10, 2)


@given(
    st.lists(st.tuples(st.floats(-1, 1), st.sampled_from("abc"), st.floats(0, 48)), min_size=1, max_size=30)
)
def test_the_aggregate_lies_within_its_items(rows: list[tuple[float, str, float]]) -> None:
    items = [item(str(n), b, provider=p, age_h=age) for n, (b, p, age) in enumerate(rows)]
    found = sentiment.aggregate(items, NOW)
    assert found.score is not None
    assert min(b for b, _, _ in rows) - 1e-9 <= found.score <= max(b for b, _, _ in rows) + 1e-9
    assert found == sentiment.aggregate(items, NOW)
    assert found.label == sentiment.label_of(found.score)


def test_the_strongest_are_one_a_story_and_never_neutral() -> None:
    items = [
        item("weak", 0.6, story="s1"),
        item("strong", 0.9, story="s1"),
        item("calm", 0.1),
        item("down", -0.95, age_h=1),
        item("faded", -1.0, age_h=24),
    ]
    assert [one.id for one in sentiment.strongest(items, NOW)] == ["strong", "down", "faded"]


async def _store(rt: Runtime, rows: list[tuple[str, str, int, float, tuple[str, ...]]]) -> None:
    """Articles of (id, provider, published, balance, assets), scored."""
    for provider in {row[1] for row in rows}:
        articles = [
            NewsRow(
                id=key, provider=own, url=f"https://x.example/{key}", link=f"https://x.example/{key}", guid=None,
                title=key, summary=None, author=None, image=None, tags=(), published_ms=at, dated=True,
                received_ms=at, story=key, assets=assets, score=None, scored_ms=None,
            )
            for key, own, at, _, assets in rows
            if own == provider
        ]  # fmt: skip
        await repo.take(rt.store, FeedRow(provider, None, None, None, NOW, NOW), articles)
    await repo.write_scores(rt.store, [(key, score(balance), NOW) for key, _, _, balance, _ in rows])


async def test_days_and_assets_come_from_the_store(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        today = clock.now_ms()
        await _store(
            rt,
            [
                ("a", "coindesk", today - HOUR_MS, 0.9, ("bitcoin",)),
                ("b", "decrypt", today - HOUR_MS, -0.8, ("ethereum",)),
                ("c", "coindesk", today - 26 * HOUR_MS, 0.9, ("bitcoin",)),
                ("d", "coindesk", today - 26 * HOUR_MS, 0.7, ("bitcoin", "ethereum")),
                ("e", "decrypt", today - 26 * HOUR_MS, -0.9, ()),
                ("f", "decrypt", today - 40 * DAY_MS, -0.9, ()),
            ],
        )
        bitcoin = rt.resolver.resolve("BTC").asset
        of_bitcoin = (await sentiment.mood(rt, bitcoin)).value
        assert (of_bitcoin.aggregate.items, of_bitcoin.aggregate.label) == (1, "bullish")
        assert [one.id for one in of_bitcoin.top] == ["a"]
        days, providers = await sentiment.by_day(rt, days=30)
        assert providers == ("coindesk", "decrypt")
        assert [day.items for day in days] == [3, 2]
        assert days[0].score == pytest.approx((sqrt(2) * 0.8 + 1 * -0.9) / (sqrt(2) + 1))
        assert days[0].sources == 2
        only, _ = await sentiment.by_day(rt, days=2, asset=rt.resolver.resolve("ETH").asset)
        assert [day.items for day in only] == [1, 1]


@pytest.mark.parametrize(
    "texts", [[], [""], [" \n\t"], ["a"] * (BATCH_LIMIT + 1), ["ok", ""], ["x" * (TEXT_LIMIT + 1)]]
)
def test_texts_outside_the_bounds_are_refused_with_what_is_allowed(texts: list[str]) -> None:
    with pytest.raises(InvalidParameter) as error:
        analyze.checked(texts)
    assert error.value.details["allowed"]
    assert error.value.details["parameter"].startswith("text")


def test_texts_at_the_bounds_pass() -> None:
    texts = ["é" * TEXT_LIMIT, "x"] + ["\U0001f680"] * (BATCH_LIMIT - 2)
    assert analyze.checked(texts) == texts
