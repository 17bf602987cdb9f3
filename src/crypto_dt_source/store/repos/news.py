"""Articles and the feeds they come from. Pages are in `news_pages.py`, scores in `news_scores.py`; all of it is here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .. import tables
from ..engine import Store
from ..rows import FeedRow, NewsFilter, NewsRow, Scored, SentimentDay
from ..sql import Write, insert, storable, upsert
from .news_pages import page
from .news_rows import SELECT, pieces, read, stored
from .news_scores import scored, sentiment_days, unscored, write_scores

__all__ = [
    "FeedRow",
    "NewsFilter",
    "NewsRow",
    "Scored",
    "SentimentDay",
    "article",
    "counts",
    "feeds",
    "known",
    "members",
    "page",
    "recent",
    "scored",
    "sentiment_days",
    "take",
    "unscored",
    "write_scores",
]

_NOT_YET = ("number", "scored_ms", "confidence", "bearish", "neutral", "bullish", "sentiment", "raw_label", "model", "revision")  # fmt: skip
_ADD = f"{insert(tables.news, without=_NOT_YET)} ON CONFLICT (id) DO NOTHING"
_PUT_FEED = upsert(tables.news_feeds)

# A story's head is the article it is named after; where that one is gone, or never came, its oldest.
_HEAD = """SELECT m.number FROM news m WHERE m.story = news.story
    ORDER BY CASE WHEN m.id = m.story THEN 0 ELSE 1 END, m.published_ms, m.id LIMIT 1"""
_SET_HEAD = f"UPDATE news SET head = ({_HEAD}) WHERE story = ? AND head <> ({_HEAD})"  # noqa: S608 parts above
# An article that was there before has its assets already, or has others: its own list tells.
_ADD_ASSET = """INSERT INTO news_assets (asset, published_ms, news, head)
    SELECT CAST(? AS INTEGER), n.published_ms, n.number, n.head FROM news n WHERE n.id = ? AND n.assets = ?
    ON CONFLICT (asset, published_ms, news) DO NOTHING"""
_OWN_HEAD = "SELECT n.head FROM news n WHERE n.number = news_assets.news"
_SET_ASSET_HEAD = f"""UPDATE news_assets SET head = ({_OWN_HEAD})
    WHERE news IN (SELECT n.number FROM news n WHERE n.story = ?) AND head <> ({_OWN_HEAD})"""  # noqa: S608 parts above

_ONE = f"{SELECT} WHERE n.id = ?"
_RECENT = f"{SELECT} WHERE n.published_ms >= ? ORDER BY n.published_ms DESC, n.id LIMIT ?"
_FEEDS = """SELECT p.id, f.title, f.etag, f.last_modified, f.checked_ms, f.changed_ms
    FROM news_feeds f JOIN providers p ON p.number = f.provider ORDER BY p.id"""
_COUNTS = "SELECT provider, COUNT(*) FROM news WHERE published_ms >= ? GROUP BY provider"


async def known(store: Store, ids: Sequence[str]) -> frozenset[str]:
    """Those of `ids` that are stored."""
    found: set[str] = set()
    for piece, marks in pieces(ids):
        found.update(row[0] for row in await store.fetch(f"SELECT id FROM news WHERE id IN ({marks})", piece))  # noqa: S608 placeholders
    return frozenset(found)


async def take(store: Store, feed: FeedRow, articles: Sequence[NewsRow]) -> int:
    """Store what a feed had and how it was asked, and give how many of the articles are new. Scores are not taken.

    One transaction, because the state makes the feed answer 'nothing new' next time: stored without its articles it
    would hide them for good. An article whose id is there stays as it is.
    """
    providers = await store.numbers.providers({feed.provider, *(row.provider for row in articles)})
    assets = await store.numbers.assets({storable(asset) for row in articles for asset in row.assets})
    added: list[tuple[Any, ...]] = []
    named: list[tuple[Any, ...]] = []
    for row in articles:
        key, own = storable(row.id), tuple(dict.fromkeys(map(storable, row.assets)))
        listed = stored(own)
        added.append(_row(row, key, providers[row.provider], listed))
        named.extend((assets[asset], key, listed) for asset in own)
    stories = [(story,) for story in dict.fromkeys(storable(row.story) for row in articles)]
    state = (
        feed.checked_ms,
        feed.changed_ms,
        providers[feed.provider],
        _text(feed.title),
        _text(feed.etag),
        _text(feed.last_modified),
    )
    return await store.write(
        [
            Write(_ADD, added, counted=True),
            Write(_SET_HEAD, stories),
            Write(_ADD_ASSET, named),
            Write(_SET_ASSET_HEAD, stories),
            Write(_PUT_FEED, [state]),
        ]
    )


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value)


def _row(row: NewsRow, id: str, provider: int, assets: str | None) -> tuple[Any, ...]:
    """A row of `news` but for _NOT_YET. No article has the number 0: the head is found once all are there."""
    return (
        0,
        row.published_ms,
        row.received_ms,
        provider,
        row.dated,
        id,
        storable(row.story),
        assets,
        storable(row.title),
        storable(row.url),
        storable(row.link),
        _text(row.guid),
        _text(row.author),
        _text(row.image),
        stored(row.tags),
        _text(row.summary),
    )


async def article(store: Store, id: str) -> NewsRow | None:
    """One article, or None."""
    found = await read(store, _ONE, (storable(id),))
    return found[0] if found else None


async def recent(store: Store, since_ms: int, limit: int) -> list[NewsRow]:
    """Articles published since `since_ms`, the newest first, at most `limit`."""
    return await read(store, _RECENT, (since_ms, limit))


async def members(store: Store, stories: Sequence[str]) -> dict[str, list[NewsRow]]:
    """The articles of each story, the oldest first; a story without any is left out."""
    found: defaultdict[str, list[NewsRow]] = defaultdict(list)
    for piece, marks in pieces(stories):
        sql = f"{SELECT} WHERE n.story IN ({marks}) ORDER BY n.published_ms, n.id"
        for row in await read(store, sql, piece):
            found[row.story].append(row)
    return dict(found)


async def feeds(store: Store) -> list[FeedRow]:
    """Every feed that was asked, by provider."""
    return list(map(FeedRow._make, await store.fetch(_FEEDS)))


async def counts(store: Store, since_ms: int) -> dict[str, int]:
    """How many articles published since `since_ms` each provider has; one without any is left out."""
    found = await store.fetch(_COUNTS, (since_ms,))
    names = await store.numbers.provider_ids({row[0] for row in found})
    return {names[number]: count for number, count in found}
