"""What the news feel like: the aggregate of scored articles now, by asset and by day.

An article's weight is `2 ** (-age / HALF_LIFE) / sqrt(n)`, where n is how many articles its source has in the window: one
that publishes ten times as much as another weighs about three times as much, not ten. The aggregate is the weighted mean
of `bullish - bearish` over the window, -1 to 1; beyond NEUTRAL to either side it has a direction.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple

from ..model.asset import Asset
from ..model.candle import DAY_MS, HOUR_MS
from ..store.cache import Cached, Loaded
from ..store.repos import news as repo
from ..store.repos.news import Scored, SentimentDay
from .news import MOOD
from .runtime import Runtime

WINDOW_H = 24
HALF_LIFE_H = 8.0
NEUTRAL = 0.1
"""The aggregate is neutral within this distance of 0."""
TOP = 10
MOST_DAYS = 3650
MOST_ITEMS = 5_000
METHOD = "cdts-news-1"


class Aggregate(NamedTuple):
    """What stands behind one figure. `score` is None, and the label too, without any item."""

    label: str | None
    score: float | None
    items: int
    sources: int
    bullish: int
    neutral: int
    bearish: int
    models: tuple[str, ...]
    newest_ms: int | None


class Mood(NamedTuple):
    """The aggregate of a window and its strongest items, one a story."""

    aggregate: Aggregate
    top: list[Scored]
    providers: tuple[str, ...]


class MoodDays(NamedTuple):
    """Days with scored articles, ascending, and the feeds behind them."""

    days: list[MoodDay]
    providers: tuple[str, ...]


class MoodDay(NamedTuple):
    """One UTC day."""

    day_ms: int
    label: str
    score: float
    items: int
    sources: int
    bullish: int
    neutral: int
    bearish: int


def label_of(score: float) -> str:
    """The direction of an aggregate."""
    return "bullish" if score > NEUTRAL else "bearish" if score < -NEUTRAL else "neutral"


def aggregate(items: Sequence[Scored], now_ms: int) -> Aggregate:
    """The weighted mean of what the items say."""
    if not items:
        return Aggregate(None, None, 0, 0, 0, 0, 0, (), None)
    by_source = Counter(item.provider for item in items)
    total = weights = 0.0
    for item in items:
        weight = _recency(item, now_ms) / sqrt(by_source[item.provider])
        total += weight * item.score.score
        weights += weight
    score = total / weights
    labels = Counter(item.score.label for item in items)
    return Aggregate(
        label=label_of(score),
        score=score,
        items=len(items),
        sources=len(by_source),
        bullish=labels["bullish"],
        neutral=labels["neutral"],
        bearish=labels["bearish"],
        models=tuple(sorted({f"{item.score.model}@{item.score.revision}" for item in items})),
        newest_ms=max(item.published_ms for item in items),
    )


def strongest(items: Iterable[Scored], now_ms: int, count: int = TOP) -> list[Scored]:
    """The items that say most, recent ones first among equals, one a story; neutral ones say nothing."""
    best: dict[str, tuple[float, Scored]] = {}
    for item in items:
        if item.score.label == "neutral":
            continue
        strength = abs(item.score.score) * _recency(item, now_ms)
        if item.story not in best or strength > best[item.story][0]:
            best[item.story] = (strength, item)
    ordered = sorted(best.values(), key=lambda pair: (-pair[0], pair[1].id))
    return [item for _, item in ordered[:count]]


def _recency(item: Scored, now_ms: int) -> float:
    age_h = max(0, now_ms - item.published_ms) / HOUR_MS
    return float(2.0 ** (-age_h / HALF_LIFE_H))


async def mood(rt: Runtime, asset: Asset | None = None) -> Cached[Mood]:
    """The mood of the last day, of everything or of one asset. Raises StoreError."""

    async def load() -> Loaded[Mood]:
        now = rt.clock.now_ms()
        items = await repo.scored(
            rt.store, now - WINDOW_H * HOUR_MS, asset=asset.id if asset else None, limit=MOST_ITEMS
        )
        providers = tuple(sorted({item.provider for item in items}))
        value = Mood(aggregate(items, now), strongest(items, now), providers)
        return Loaded(value, now, providers)

    key = (MOOD, asset.id if asset else None)
    # Summed up anew rather than answered late: it is made of what is here.
    return await rt.cache.get(key, rt.freshness.sentiment, rt.freshness.sentiment, load)


async def sum_up(rt: Runtime) -> int:
    """The mood of the last day, of everything and of each asset that is named, anew for whoever asks next; gives how many
    aggregates. Raises StoreError."""
    now = rt.clock.now_ms()
    items = await repo.scored(rt.store, now - WINDOW_H * HOUR_MS, limit=MOST_ITEMS)
    named: dict[str | None, list[Scored]] = defaultdict(list, {None: items})
    if len(items) < MOST_ITEMS:
        # All of the day's: no asset's part of them is cut off.
        for item in items:
            for mentioned in item.assets:
                named[mentioned].append(item)
    for asset, part in named.items():
        providers = tuple(sorted({item.provider for item in part}))
        value = Mood(aggregate(part, now), strongest(part, now), providers)
        rt.cache.put((MOOD, asset), Loaded(value, now, providers))
        await rt.clock.sleep(0)
    return len(named)


async def by_day(rt: Runtime, *, days: int, asset: Asset | None = None) -> MoodDays:
    """One row a UTC day that has scored articles, ascending; each source's mean weighs with the square root of how many
    it has. Raises StoreError."""

    async def load() -> Loaded[list[SentimentDay]]:
        start = _first_day(rt, MOST_DAYS)
        rows = await repo.sentiment_days(rt.store, start, asset=asset.id if asset else None)
        return Loaded(rows, rt.clock.now_ms(), ())

    key = (MOOD, "days", asset.id if asset else None)
    held = await rt.cache.get(key, rt.freshness.sentiment, rt.freshness.sentiment, load)
    start = _first_day(rt, days)
    rows = [row for row in held.value if row.day_ms >= start]
    grouped: dict[int, list[SentimentDay]] = defaultdict(list)
    for row in rows:
        grouped[row.day_ms].append(row)
    providers = tuple(sorted({row.provider for row in rows}))
    return MoodDays([_day(day, grouped[day]) for day in sorted(grouped)], providers)


def _first_day(rt: Runtime, days: int) -> int:
    return rt.clock.now_ms() // DAY_MS * DAY_MS - (days - 1) * DAY_MS


def _day(day_ms: int, rows: Sequence[SentimentDay]) -> MoodDay:
    # sqrt(n) for n items of one source: what the aggregate gives them together, had they one age.
    weights = sum(sqrt(row.items) for row in rows)
    score = sum(sqrt(row.items) * row.score for row in rows) / weights
    return MoodDay(
        day_ms,
        label_of(score),
        score,
        sum(row.items for row in rows),
        len(rows),
        sum(row.bullish for row in rows),
        sum(row.neutral for row in rows),
        sum(row.bearish for row in rows),
    )
