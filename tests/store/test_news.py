"""Articles: taken once with their feed's state, scored once, read back whole, forgotten with all that points at them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from crypto_dt_source.model.sentiment import Score
from crypto_dt_source.store import (
    FeedRow,
    NewsRow,
    Scored,
    SentimentDay,
    Store,
    StoreError,
    Write,
    open_store,
)
from crypto_dt_source.store.repos import assets, news, retention

from .conftest import DAY, T0

FEED = FeedRow("coindesk", "CoinDesk", '"abc"', "Tue, 14 Nov 2023 00:00:00 GMT", T0, T0)
BULLISH = Score("bullish", 0.75, 0.05, 0.2, 0.75, "LABEL_2", "embedded", "r1")
BEARISH = Score("bearish", 0.5, 0.5, 0.25, 0.25, "LABEL_0", "embedded", "r1")


def article(id: str, published_ms: int = T0, **given: Any) -> NewsRow:
    """An article that begins a story of its own, where nothing else is given."""
    url = f"https://news.example/{id}"
    fields = {
        "id": id, "provider": "coindesk", "url": url, "link": f"{url}?utm_source=rss", "guid": None,
        "title": f"Title of {id}", "summary": None, "author": None, "image": None, "tags": (),
        "published_ms": published_ms, "dated": True, "received_ms": published_ms + 60_000, "story": id,
    }  # fmt: skip
    return NewsRow(**{**fields, **given})


async def take(store: Store, *articles: NewsRow) -> int:
    return await news.take(store, FEED, articles)


async def whole_text(store: Store) -> None:
    """SQLite's own comparison of the full-text index with the articles. Raises StoreError where they differ."""
    if store.dialect == "sqlite":
        await store.write(
            [Write("INSERT INTO news_text (news_text, rank) VALUES ('integrity-check', 1)", [()])]
        )


async def test_an_article_is_read_back_as_it_was_taken(store: Store) -> None:
    row = article(
        "a", guid="g", summary="Sum\u2028mary", author="Ann", image="https://i.example/1.png", tags=("x", "y"),
        dated=False, assets=("ethereum", "bitcoin"),
    )  # fmt: skip
    assert await take(store, row) == 1
    assert await news.article(store, "a") == row
    assert await news.article(store, "b") is None
    assert await news.recent(store, T0, 10) == [row]
    assert await news.known(store, ["a", "b", "a"]) == {"a"}
    assert await news.known(store, []) == frozenset()


async def test_the_first_of_an_id_wins(store: Store) -> None:
    first = article("a", assets=("bitcoin",))
    assert await take(store, first, first._replace(title="Twice in one reply")) == 1
    later = first._replace(title="Changed", assets=("ethereum",), published_ms=T0 + 5, story="other")
    assert await take(store, later, article("b", T0 + 1)) == 1
    assert await news.recent(store, 0, 10) == [article("b", T0 + 1), first]
    assert len(await store.fetch("SELECT * FROM news_assets")) == 1
    bare = article("c")
    await take(store, bare)
    await take(store, bare._replace(assets=("bitcoin",)))
    assert (await news.article(store, "c")) == bare
    assert len(await store.fetch("SELECT * FROM news_assets")) == 1


async def test_two_polls_of_the_same_article_at_once_add_it_once(store: Store) -> None:
    rows = [article("a", assets=(f"asset{n}",), title=f"Title {n}") for n in range(8)]
    counts = await asyncio.gather(*(take(store, row) for row in rows))
    assert sum(counts) == 1
    kept = await news.article(store, "a")
    assert kept in rows
    assert await store.fetch("SELECT a.id FROM news_assets n JOIN assets a ON a.number = n.asset") == [
        (kept.assets[0],)
    ]


async def test_articles_and_feed_state_are_one_transaction(store: Store) -> None:
    """Either alone would be wrong: a state without its articles hides them behind the next 304."""
    await take(store, article("a"))
    batches: list[int] = []
    write = store._writer.write

    async def counting(batch: Any) -> int:
        batches.append(len(batch))
        return await write(batch)

    store._writer.write = counting  # type: ignore[method-assign]
    changed = FEED._replace(etag='"new"')
    await news.take(store, changed, [article("b"), article("c")])
    assert len(batches) == 1
    with pytest.raises(StoreError):
        await news.take(store, changed._replace(etag='"lost"'), [article("d"), article("e", dated=None)])
    with pytest.raises(StoreError):
        await news.take(store, changed._replace(checked_ms=2**80), [article("f")])
    assert await news.known(store, list("abcdef")) == set("abc")
    assert await news.feeds(store) == [changed]
    await whole_text(store)


async def test_feeds(store: Store) -> None:
    assert await news.feeds(store) == []
    assert await news.take(store, FeedRow("theblock", None, None, None, T0, None), []) == 0
    await news.take(store, FEED, [])
    unchanged = FEED._replace(checked_ms=T0 + 1)
    assert await news.take(store, unchanged, []) == 0
    assert await news.feeds(store) == [unchanged, FeedRow("theblock", None, None, None, T0, None)]


async def test_text_no_database_can_hold_is_replaced(store: Store) -> None:
    bad = "a\x00b\ud800"
    row = article(
        bad, title=bad, summary=bad, author=bad, guid=bad, url=bad, link=bad, image=bad, tags=(bad,), story=bad,
        assets=(bad,),
    )  # fmt: skip
    state = FEED._replace(title=bad, etag=bad, last_modified=bad)
    assert await news.take(store, state, [row]) == 1
    assert await news.take(store, state, [row]) == 0
    clean = "a\ufffdb\ufffd"
    found = await news.article(store, bad)
    assert found is not None
    assert (found.id, found.title, found.tags, found.story, found.assets) == (
        clean,
        clean,
        (clean,),
        clean,
        (clean,),
    )
    assert await news.known(store, [bad]) == {clean}
    assert list(await news.members(store, [bad])) == [clean]
    assert (await news.feeds(store))[0].etag == clean
    await news.write_scores(store, [(bad, BULLISH, T0)])
    assert await news.unscored(store, 9) == []


async def test_every_article_is_scored_once(store: Store) -> None:
    await take(store, article("old"), article("new", T0 + 2, summary="s"), article("mid", T0 + 1))
    assert await news.unscored(store, 2) == [("new", "Title of new", "s"), ("mid", "Title of mid", None)]
    assert await news.unscored(store, 9, before_ms=T0 + 1) == [("old", "Title of old", None)]
    await news.write_scores(store, [("new", BULLISH, T0 + 9), ("gone", BULLISH, T0 + 9)])
    await news.write_scores(store, [("new", BEARISH, T0 + 10), ("mid", BEARISH, T0 + 10)])
    assert [row[0] for row in await news.unscored(store, 9)] == ["old"]
    found = {row.id: (row.score, row.scored_ms) for row in await news.recent(store, 0, 9)}
    assert found == {"new": (BULLISH, T0 + 9), "mid": (BEARISH, T0 + 10), "old": (None, None)}
    await news.write_scores(store, [("new", BEARISH, T0 + 11)], replace=True)
    assert (await news.recent(store, 0, 1))[0].score == BEARISH
    again = article("new", T0 + 2)
    await take(store, again)
    assert (await news.recent(store, 0, 1))[0].scored_ms == T0 + 11
    await whole_text(store)


async def test_scored(store: Store) -> None:
    await take(store, article("a", assets=("bitcoin",)), article("b", T0 + DAY), article("c", T0 + DAY))
    await news.write_scores(store, [("a", BULLISH, T0), ("b", BEARISH, T0)])
    a = Scored("a", "a", "coindesk", "Title of a", "https://news.example/a", T0, BULLISH, ("bitcoin",))
    b = Scored("b", "b", "coindesk", "Title of b", "https://news.example/b", T0 + DAY, BEARISH, ())
    assert await news.scored(store, T0) == [b, a]
    assert await news.scored(store, T0, limit=1) == [b]
    assert await news.scored(store, T0 + 1) == [b]
    assert await news.scored(store, T0, asset="bitcoin") == [a]
    assert await news.scored(store, T0 + 1, asset="bitcoin") == []
    assert await news.scored(store, T0, asset="nothing") == []


async def test_sentiment_days(store: Store) -> None:
    await take(
        store,
        article("a", assets=("bitcoin",)),
        article("b", T0 + DAY - 1),
        article("c", T0 + 1, provider="theblock"),
        article("d", T0 + DAY, assets=("bitcoin",)),
        article("e", T0 + DAY),
    )
    await news.write_scores(store, [(key, BULLISH if key in "ad" else BEARISH, T0) for key in "abcd"])
    first = SentimentDay(T0, "coindesk", 2, 0.225, 1, 0, 1)
    other = SentimentDay(T0, "theblock", 1, -0.25, 1, 0, 0)
    last = SentimentDay(T0 + DAY, "coindesk", 1, 0.7, 0, 0, 1)
    assert [day._replace(score=round(day.score, 9)) for day in await news.sentiment_days(store, T0)] == [
        first,
        other,
        last,
    ]
    assert [day.day_ms for day in await news.sentiment_days(store, T0 + DAY)] == [T0 + DAY]
    assert [day.items for day in await news.sentiment_days(store, T0, asset="bitcoin")] == [1, 1]
    assert await news.sentiment_days(store, T0, asset="nothing") == []


async def test_counts_and_members(store: Store) -> None:
    rows = [article("a"), article("b", T0 + 1, story="a", provider="theblock"), article("c", T0 + 2)]
    await take(store, *rows)
    assert await news.counts(store, T0) == {"coindesk": 2, "theblock": 1}
    assert await news.counts(store, T0 + 1) == {"coindesk": 1, "theblock": 1}
    assert await news.members(store, ["a", "c", "nothing"]) == {"a": rows[:2], "c": rows[2:]}
    assert await news.members(store, []) == {}
    many = [article(f"n{n}") for n in range(1_100)]
    assert await take(store, *many) == 1_100
    ids = [row.id for row in many]
    assert await news.known(store, ids) == frozenset(ids)
    assert list(await news.members(store, ids)) == sorted(ids[:500]) + sorted(ids[500:1000]) + sorted(
        ids[1000:]
    )


async def test_retention_takes_articles_with_all_that_points_at_them(store: Store) -> None:
    ages = {"old": T0 - 91 * DAY, "older": T0 - 200 * DAY, "new": T0 - 89 * DAY}
    await take(store, *(article(key, at, assets=("bitcoin",)) for key, at in ages.items()))
    assert await retention.sweep(store, retention.Retention(), T0) == {"news": 2}
    assert await news.known(store, list(ages)) == {"new"}
    assert len(await store.fetch("SELECT * FROM news_assets")) == 1
    assert (await news.page(store, news.NewsFilter(q="title"), 0, 9))[0] == 1
    await whole_text(store)
    assert await retention.sweep(store, retention.Retention(), T0) == {}
    # The number of a deleted article may be given again; its words must not come with it.
    await take(store, article("newest", T0, title="Something else"))
    assert [row.id for row in (await news.page(store, news.NewsFilter(q="old"), 0, 9))[1]] == []
    await whole_text(store)
    assert await news.feeds(store) == [FEED]
    assert await assets.all_assets(store) == []


async def test_a_story_that_loses_its_head_is_headed_by_its_oldest(store: Store) -> None:
    cut = T0 - 90 * DAY
    head = article("head", cut - 1, assets=("bitcoin",))
    second = article("second", cut + 1, story="head", assets=("bitcoin",))
    third = article("third", cut + 2, story="head", assets=("ethereum",))
    lone = article("lone", cut + 3)
    await take(store, third, lone, second, head)
    everything = news.NewsFilter()
    assert await news.page(store, everything, 0, 9) == (2, [lone, head])
    await retention.sweep(store, retention.Retention(), T0)
    assert await news.page(store, everything, 0, 9) == (2, [lone, second])
    for asset in ("bitcoin", "ethereum"):
        assert await news.page(store, news.NewsFilter(asset=asset), 0, 9) == (1, [second])
    # What comes later joins under it, and the article the story is named after takes its place again.
    fourth = article("fourth", cut + 9, story="head", assets=("solana",))
    await take(store, fourth)
    assert await news.page(store, news.NewsFilter(asset="solana"), 0, 9) == (1, [second])
    back = head._replace(published_ms=cut + 4)
    await take(store, back)
    assert await news.page(store, everything, 0, 9) == (2, [back, lone])
    for asset in ("bitcoin", "ethereum", "solana"):
        assert await news.page(store, news.NewsFilter(asset=asset), 0, 9) == (1, [back])


async def test_a_restart_finds_it_all(url: str) -> None:
    store = await open_store(url)
    await news.take(store, FEED, [article("a", assets=("bitcoin",))])
    await store.close()
    store = await open_store(url)
    assert await news.page(store, news.NewsFilter("coindesk", "bitcoin"), 0, 9) == (
        1,
        [article("a", assets=("bitcoin",))],
    )
    assert await news.feeds(store) == [FEED]
    assert await store.integrity() == []
    await store.close()
