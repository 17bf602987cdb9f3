"""What the models said of articles: written once each, read by article, by day."""

from __future__ import annotations

from collections.abc import Sequence

from ...model.candle import DAY_MS
from ...model.sentiment import Score
from ..engine import Store
from ..rows import Scored, SentimentDay
from ..sql import Write, storable
from .news_rows import SCORE, words

_UNSCORED = """SELECT id, title, summary FROM news WHERE scored_ms IS NULL AND published_ms < ?
    ORDER BY published_ms DESC, id LIMIT ?"""
_REPLACE = """UPDATE news SET sentiment = ?, confidence = ?, bearish = ?, neutral = ?, bullish = ?, raw_label = ?, model = ?,
        revision = ?, scored_ms = ? WHERE id = ?"""
_PUT = f"{_REPLACE} AND scored_ms IS NULL"

_COLUMNS = f"n.provider, n.id, n.story, n.title, n.url, n.published_ms, n.assets, {SCORE}"
_SINCE = "FROM news n WHERE n.published_ms >= ? AND n.scored_ms IS NOT NULL"
_SINCE_OF = """FROM news_assets a JOIN news n ON n.number = a.news
    WHERE a.asset = ? AND a.published_ms >= ? AND n.scored_ms IS NOT NULL"""
_SCORED = f"SELECT {_COLUMNS} {_SINCE} ORDER BY n.published_ms DESC, n.id LIMIT ?"
# The same time by the asset's own key, which has that order.
_SCORED_OF = f"SELECT {_COLUMNS} {_SINCE_OF} ORDER BY a.published_ms DESC, n.id LIMIT ?"

_DAY = f"(n.published_ms / {DAY_MS}) * {DAY_MS}"
_SUMS = f"""SELECT {_DAY}, n.provider, COUNT(*), AVG(n.bullish - n.bearish),
        SUM(CASE WHEN n.sentiment = 'bearish' THEN 1 ELSE 0 END),
        SUM(CASE WHEN n.sentiment = 'neutral' THEN 1 ELSE 0 END),
        SUM(CASE WHEN n.sentiment = 'bullish' THEN 1 ELSE 0 END)"""
_DAYS = f"{_SUMS} {_SINCE} GROUP BY 1, 2"
_DAYS_OF = f"{_SUMS} {_SINCE_OF} GROUP BY 1, 2"
_ALWAYS = 2**62


async def unscored(
    store: Store, limit: int, *, before_ms: int | None = None
) -> list[tuple[str, str, str | None]]:
    """(id, title, summary) of articles without a score, the newest first; with `before_ms`, those published before."""
    rows = await store.fetch(_UNSCORED, (_ALWAYS if before_ms is None else before_ms, limit))
    return [(row[0], row[1], row[2]) for row in rows]


async def write_scores(
    store: Store, scores: Sequence[tuple[str, Score, int]], *, replace: bool = False
) -> None:
    """Store (article id, score, when). An article that has a score keeps it, but with `replace`. An id that is not there
    is passed over."""
    rows = [
        (
            s.label,
            s.confidence,
            s.bearish,
            s.neutral,
            s.bullish,
            storable(s.raw_label),
            storable(s.model),
            storable(s.revision),
            scored_ms,
            storable(key),
        )
        for key, s, scored_ms in scores
    ]
    await store.write([Write(_REPLACE if replace else _PUT, rows)])


async def scored(store: Store, since_ms: int, *, asset: str | None = None, limit: int = 5000) -> list[Scored]:
    """Articles with a score published since `since_ms`, the newest first, at most `limit`; with `asset`, those that name
    it."""
    if asset is None:
        rows = await store.fetch(_SCORED, (since_ms, limit))
    else:
        number = store.numbers.known_asset(storable(asset))
        rows = [] if number is None else await store.fetch(_SCORED_OF, (number, since_ms, limit))
    names = await store.numbers.provider_ids({row[0] for row in rows})
    return [
        Scored(row[1], row[2], names[row[0]], row[3], row[4], row[5], Score(*row[7:]), words(row[6]))
        for row in rows
    ]


async def sentiment_days(store: Store, since_ms: int, *, asset: str | None = None) -> list[SentimentDay]:
    """Scored articles published since `since_ms`, summed by UTC day and provider, ascending; with `asset`, those that
    name it. The first day holds what is left of it after `since_ms`."""
    if asset is None:
        rows = await store.fetch(_DAYS, (since_ms,))
    else:
        number = store.numbers.known_asset(storable(asset))
        rows = [] if number is None else await store.fetch(_DAYS_OF, (number, since_ms))
    names = await store.numbers.provider_ids({row[1] for row in rows})
    return sorted(SentimentDay(row[0], names[row[1]], *row[2:]) for row in rows)
