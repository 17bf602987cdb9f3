"""News: feeds in, each article once, grouped into stories, scored by a model, searchable.

An article is stored in the same transaction as what its feed says of itself. Were the feed's ETag stored first, a crash
between the two would have the next poll answered with a 304, and the article would never be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from ..gateway.source import Source
from ..model.answer import Record
from ..model.ask import Capability, NewsAsk
from ..model.candle import DAY_MS
from ..model.errors import (
    AllProvidersFailed,
    CdtsError,
    InvalidParameter,
    ModelBusy,
    ModelUnavailable,
    NoDataYet,
    NotFound,
)
from ..model.news import Article, FeedState
from ..store import StoreError
from ..store.repos import news as repo
from ..store.repos.news import FeedRow, NewsFilter, NewsRow
from ..telemetry import logger
from .newsroom import CAPACITY, WINDOW_MS, article_id
from .runtime import Runtime
from .whole import LATE

log = logger("news")
EVERY_S = 1800
AT_ONCE = 6
"""Feeds read at the same time."""
SCORED_AT_ONCE = 64
"""Articles handed to the model together."""
SCORED_A_RUN = 2_000
MOOD = "mood"
"""First part of the cache keys of what is summed up of scores (`services/sentiment.py`)."""
CLOSE_MS = 300_000
"""A publication time this far ahead of the feed's answer is a clock that is off, and means now."""


class Story(NamedTuple):
    """One story: the article that told it first, and every telling of it, the first one included."""

    head: NewsRow
    members: list[NewsRow]


class StoryPage(NamedTuple):
    """One page of stories, newest first, out of `total`."""

    stories: list[Story]
    total: int


class Publisher(NamedTuple):
    """A feed in use: what it said of itself when it was read last (None: never), and its articles of the last day."""

    source: Source
    feed: FeedRow | None
    articles_24h: int


async def read_feeds(rt: Runtime) -> int:
    """Read every feed once; gives the number of new articles. A feed that fails costs only itself. Raises
    AllProvidersFailed when none answers, StoreError."""
    await _prepare(rt)
    known = {row.provider: row for row in await repo.feeds(rt.store)}
    gate = asyncio.Semaphore(AT_ONCE)
    failed: list[tuple[str, CdtsError]] = []
    refused: list[StoreError] = []

    async def one(source: Source) -> int:
        async with gate:
            try:
                return await read_feed(rt, source.entry.id, known.get(source.entry.id))
            except StoreError as error:
                refused.append(error)
                return 0
            except CdtsError as error:
                failed.append((source.entry.id, error))
                return 0

    sources = rt.gateway.offering(Capability.NEWS)
    taken = sum(await asyncio.gather(*map(one, sources)))
    if refused:
        raise refused[0]
    if sources and len(failed) == len(sources):
        raise AllProvidersFailed(
            "No news feed answered.",
            details={
                "capability": Capability.NEWS.value,
                "tried": [{"provider": name, "failure": error.code} for name, error in sorted(failed)],
            },
        )
    if taken:
        # A model that cannot answer now has health and the job of its own to say so; the articles are stored.
        with suppress(ModelUnavailable, ModelBusy):
            await score(rt)
    return taken


async def read_feed(rt: Runtime, provider: str, before: FeedRow | None) -> int:
    """Read one feed; gives how many of its articles are new. Raises an error of the gateway, StoreError."""
    ask = NewsAsk(before.etag, before.last_modified) if before is not None else NewsAsk()
    answer = await rt.gateway.ask_one(provider, ask, background=True)
    state = next((r for r in answer.records if isinstance(r, FeedState)), None)
    unchanged = state is not None and state.unchanged
    articles = [] if unchanged else await _new_articles(rt, answer.records)
    feed = FeedRow(
        provider,
        (state.title if state is not None else None) or (before.title if before is not None else None),
        state.etag if state is not None else None,
        state.last_modified if state is not None else None,
        answer.received_ms,
        before.changed_ms if unchanged and before is not None else answer.received_ms,
    )
    return await repo.take(rt.store, feed, articles)


async def _new_articles(rt: Runtime, records: tuple[Record, ...]) -> list[NewsRow]:
    """Articles the store does not have, oldest first, each placed in its story."""
    oldest = rt.clock.now_ms() - rt.limits.retention_days * DAY_MS
    found = {article_id(r.url): r for r in records if isinstance(r, Article)}
    stored = await repo.known(rt.store, list(found))
    rows: list[NewsRow] = []
    for key, article in found.items():
        published, dated = _published(article)
        if key not in stored and published >= oldest:
            assets = rt.newsroom.assets_in(article.title, article.summary)
            rows.append(_row(key, article, published, dated, assets))
            await rt.clock.sleep(0)
    rows.sort(key=lambda row: (row.published_ms, row.id))
    placed = []
    for row in rows:
        story = rt.newsroom.place(row.id, found[row.id], row.published_ms, row.assets)
        placed.append(row._replace(story=story))
        # Placing takes up to a millisecond: a first read has dozens of articles.
        await rt.clock.sleep(0)
    return placed


def _published(article: Article) -> tuple[int, bool]:
    """When an article counts as published and whether the feed said so: a time that is missing or lies in the future
    is that of the reply."""
    told = article.published_ms
    if told is None or told > article.received_ms + CLOSE_MS:
        return article.received_ms, False
    return min(told, article.received_ms), True


def _row(key: str, article: Article, published: int, dated: bool, assets: tuple[str, ...]) -> NewsRow:
    return NewsRow(
        id=key,
        provider=article.provider,
        url=article.url,
        link=article.link,
        guid=article.guid,
        title=article.title,
        summary=article.summary,
        author=article.author,
        image=article.image,
        tags=article.tags,
        published_ms=published,
        dated=dated,
        received_ms=article.received_ms,
        story=key,
        assets=assets,
        score=None,
        scored_ms=None,
    )


async def _prepare(rt: Runtime) -> None:
    """What recognising assets needs, and once after a start the stories of the last days."""
    await rt.newsroom.prepare()
    if not rt.newsroom.restored:
        since = rt.clock.now_ms() - WINDOW_MS
        rows = await repo.recent(rt.store, since, CAPACITY)
        await rt.newsroom.restore(rows)


async def score(rt: Runtime) -> int:
    """Score what has no score yet, newest first; gives how many were. Raises ModelUnavailable, StoreError."""
    if not rt.limits.sentiment:
        return 0
    async with rt.newsroom.scoring:
        done = 0
        while done < SCORED_A_RUN and (count := await _score_some(rt)):
            done += count
    if done:
        rt.cache.forget(lambda key: isinstance(key, tuple) and key[0] == MOOD)
    return done


async def _score_some(rt: Runtime) -> int:
    waiting = await repo.unscored(rt.store, SCORED_AT_ONCE)
    if waiting:
        scores = await rt.models.classify([_text(title, summary) for _, title, summary in waiting])
        at_ms = rt.clock.now_ms()
        done = [(row[0], score, at_ms) for row, score in zip(waiting, scores, strict=True)]
        await repo.write_scores(rt.store, done)
    return len(waiting)


def _text(title: str, summary: str | None) -> str:
    """What the model reads of an article: its headline. A feed's summary is often its first paragraph, cut anywhere, or
    an advertisement of the publisher; headlines are what the models were trained on."""
    return title if title.strip() else summary or "."


async def page(rt: Runtime, chosen: NewsFilter, *, number: int, size: int) -> StoryPage:
    """One page of stories. Raises StoreError."""
    total, heads = await repo.page(rt.store, chosen, (number - 1) * size, size)
    members = await repo.members(rt.store, [head.story for head in heads])
    return StoryPage([Story(head, members.get(head.story, [head])) for head in heads], total)


async def article(rt: Runtime, id: str) -> tuple[NewsRow, list[NewsRow]]:
    """One article, and every telling of its story. Raises NotFound, StoreError."""
    found = await repo.article(rt.store, id)
    if found is None:
        raise NotFound(f"There is no article {id!r}; GET /api/news lists them.", details={"id": id})
    members = await repo.members(rt.store, [found.story])
    return found, members.get(found.story, [found])


async def publishers(rt: Runtime) -> list[Publisher]:
    """Every feed in use. Raises StoreError."""
    feeds = {row.provider: row for row in await repo.feeds(rt.store)}
    counts = await repo.counts(rt.store, rt.clock.now_ms() - DAY_MS)
    return [
        Publisher(source, feeds.get(source.entry.id), counts.get(source.entry.id, 0))
        for source in rt.gateway.offering(Capability.NEWS)
    ]


def check_source(rt: Runtime, source: str | None) -> None:
    """Raises InvalidParameter for a source that is no news feed of the catalogue or the settings."""
    if source is None:
        return
    known = sorted(s.entry.id for s in rt.gateway.offering(Capability.NEWS))
    if source not in known:
        raise InvalidParameter(
            "source: name a feed; GET /api/news/sources lists them.",
            details={"parameter": "source", "got": source, "allowed": known},
        )


class ReadState(NamedTuple):
    """When the feeds of an answer were read, the oldest of them, and whether that is longer ago than news may be old."""

    read_ms: int
    stale: bool


async def read_state(rt: Runtime, feeds_of: Iterable[str] = ()) -> ReadState:
    """Of these feeds, or of all where none is named. Raises NoDataYet when no feed has ever been read, StoreError."""
    read = await known_state(rt, feeds_of)
    if read is None:
        raise NoDataYet("No news feed has been read yet.", retry_after=30)
    return read


async def known_state(rt: Runtime, feeds_of: Iterable[str] = ()) -> ReadState | None:
    """The same, None when no feed has ever been read. Raises StoreError."""
    named = frozenset(feeds_of)
    feeds = await repo.feeds(rt.store)
    # Without any article there is no oldest part: then it counts when anything was read at all.
    read = [feed.checked_ms for feed in feeds if feed.provider in named]
    if not feeds:
        return None
    at_ms = min(read) if read else max(feed.checked_ms for feed in feeds)
    age_s = (rt.clock.now_ms() - at_ms) / 1000
    return ReadState(at_ms, age_s > LATE * max(rt.freshness.news, EVERY_S))
