"""Pages of stories against a plain reading of the same articles, and searches for any text."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crypto_dt_source.store import NewsFilter, NewsRow, Store, Write
from crypto_dt_source.store.repos import news, news_pages

from .conftest import T0
from .test_news import BEARISH, BULLISH, article, take, whole_text

WORDS = "alpha bravo charlie delta echo foxtrot golf hotel".split()


def _drawn(draw: random.Random, count: int) -> list[NewsRow]:
    rows: list[NewsRow] = []
    for n in range(count):
        joins = bool(rows) and draw.random() < 0.4
        rows.append(
            article(
                f"{n:03}",
                T0 + draw.randrange(20),
                provider=draw.choice(["coindesk", "theblock", "decrypt"]),
                title=" ".join(draw.sample(WORDS, 3)),
                summary=draw.choice([None, *WORDS]),
                story=draw.choice(rows).story if joins else f"{n:03}",
                assets=tuple(draw.sample(["bitcoin", "ethereum", "solana"], draw.randrange(3))),
                score=draw.choice([None, BULLISH, BEARISH]),
            )
        )
    return rows


def _plain(rows: Sequence[NewsRow], f: NewsFilter) -> list[str]:
    """The same filter, read off the articles one by one."""
    stories: defaultdict[str, list[NewsRow]] = defaultdict(list)
    for row in rows:
        stories[row.story].append(row)
    words = f.q.split() if f.q else []
    found = []
    for story, members in stories.items():
        head = next(row for row in members if row.id == story)
        if f.sentiment is not None and (head.score is None or head.score.label != f.sentiment):
            continue
        for row in members:
            said = f"{row.title} {row.summary or ''}".split()
            if (
                (f.source in (None, row.provider))
                and (f.asset is None or f.asset in row.assets)
                and (f.since_ms is None or row.published_ms >= f.since_ms)
                and (f.until_ms is None or row.published_ms < f.until_ms)
                and all(word in said for word in words[:-1])
                and (not words or any(word.startswith(words[-1]) for word in said))
            ):
                found.append(head)
                break
    return [row.id for row in sorted(found, key=lambda row: (-row.published_ms, row.id))]


FILTERS = [
    NewsFilter(source, asset, sentiment, q, since, until)
    for source in (None, "theblock")
    for asset in (None, "bitcoin")
    for sentiment in (None, "bullish")
    for q in (None, "echo", "alpha bra")
    for since, until in ((None, None), (T0 + 5, None), (None, T0 + 12), (T0 + 4, T0 + 15))
]


@pytest.mark.parametrize(("walk", "frequent"), [(2_000, 5_000), (0, 1)])
async def test_any_filter_finds_what_a_plain_reading_finds(
    store: Store, monkeypatch: pytest.MonkeyPatch, walk: int, frequent: int
) -> None:
    monkeypatch.setattr(news_pages, "_WALK", walk)
    monkeypatch.setattr(news_pages, "_FREQUENT", frequent)
    rows = _drawn(random.Random(7), 120)
    await take(store, *rows)
    await news.write_scores(store, [(row.id, row.score, T0) for row in rows if row.score is not None])
    hits = 0
    for f in FILTERS:
        expected = _plain(rows, f)
        total, first = await news.page(store, f, 0, 5)
        _, rest = await news.page(store, f, 5, 1000)
        assert ([row.id for row in (*first, *rest)], total) == (expected, len(expected)), f
        assert len(first) <= 5
        hits += bool(expected)
    assert hits > len(FILTERS) / 2


@pytest.mark.parametrize(("walk", "frequent"), [(2_000, 5_000), (-1, 1)])
async def test_pages_are_read_off_indexes(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, walk: int, frequent: int
) -> None:
    """The plans of every filter, of which SQLite makes one without having counted anything: each article but those of the
    page is met in an index, and those of one story by their story."""
    monkeypatch.setattr(news_pages, "_WALK", walk)
    monkeypatch.setattr(news_pages, "_FREQUENT", frequent)
    rows = _drawn(random.Random(7), 60)
    await take(sqlite_store, *rows)
    asked: list[tuple[str, Any]] = []
    fetch = sqlite_store.fetch

    async def noting(sql: str, params: Any = ()) -> list[Any]:
        asked.append((sql, params))
        return await fetch(sql, params)

    sqlite_store.fetch = noting  # type: ignore[method-assign]
    for f in FILTERS:
        await news.page(sqlite_store, f._replace(sentiment=None), 0, 5)
    walks = 0
    for sql, params in asked:
        steps = [row[3] for row in await fetch(f"EXPLAIN QUERY PLAN {sql}", params)]
        read = [step for step in steps if not step.endswith((" s", " every", " found"))]
        assert not [step for step in read if step.startswith("SCAN") and "INDEX" not in step], (sql, steps)
        if "m.head = n.number" in sql:
            walks += 1
            assert "SCAN n USING INDEX ix_news_heads" in steps
            assert all("(head=?" in step for step in steps if step.startswith("SEARCH m ")), (sql, steps)
            assert all("(news=?" in step for step in steps if step.startswith("SEARCH a ")), (sql, steps)
    assert bool(walks) == (walk < 0)


async def test_nothing_is_found_for_what_was_never_stored(store: Store) -> None:
    assert await news.page(store, NewsFilter(), 0, 9) == (0, [])
    await take(store, article("a"))
    for f in (
        NewsFilter(source="nobody"),
        NewsFilter(asset="nothing"),
        NewsFilter(sentiment="glad"),
        NewsFilter(sentiment="bullish"),
        NewsFilter(q=""),
        NewsFilter(q=" \t…—*"),
        NewsFilter(q="title absent"),
    ):
        assert await news.page(store, f, 0, 9) == (0, []), f
    assert await news.page(store, NewsFilter(), 1, 9) == (1, [])


async def test_words_are_stems_of_both_texts_and_of_any_script(store: Store) -> None:
    await take(
        store,
        article(
            "a",
            title="Crypto.com lists “wrapped-stake” tokens",
            summary="Regulators approved it’s ETF at $1.5",
        ),
        article("b", title="Zürich: ビットコイン急騰", summary="биткоин растёт"),
    )
    for q, expected in (
        ("crypto.com", "a"),
        ("LISTING token", "a"),
        ("stake wrapped", "a"),
        ("regulator approves etf", "a"),
        ("etf 1.5", "a"),
        ("zürich", "b"),
        ("ビットコ", "b"),
        ("Биткоин", "b"),
        ("approv", "a"),
    ):
        assert [row.id for row in (await news.page(store, NewsFilter(q=q), 0, 9))[1]] == [expected], q
    for q in ("crypto zürich", "regulat0r", "ctf", "cry tokens"):
        assert await news.page(store, NewsFilter(q=q), 0, 9) == (0, []), q


async def test_a_changed_text_is_found_by_its_new_words_alone(store: Store) -> None:
    await take(store, article("a", title="First words"))
    await store.write(
        [Write("UPDATE news SET title = ?, summary = ? WHERE id = ?", [("Second", "thoughts", "a")])]
    )
    totals = [(await news.page(store, NewsFilter(q=q), 0, 9))[0] for q in ("first", "second", "thoughts")]
    assert totals == [0, 1, 1]


OPERATORS = [
    '"', '""', "'", "''", "\\", "*", "title:alpha", "NEAR(alpha bravo)", "alpha NOT bravo", "alpha OR zulu", "-alpha",
    "^alpha", "{title}: alpha", "alpha + bravo", "alpha & | ! bravo", "<->", "alpha:*", "alpha <2> bravo", "(", "alpha)",
    '"alpha', "'alpha':A", "?", "$1", "%s", "; DROP TABLE news", "\x00", "\ud800", "a" * 5_000, "alpha " * 500,
    "\u0300", "e\u0301", "\U0001f680", "½", "़", "0x1F", "1e309", "a\u200bb",
]  # fmt: skip


@pytest.mark.parametrize("q", OPERATORS)
async def test_operators_are_words_or_nothing(loaded: Store, q: str) -> None:
    total, rows = await news.page(loaded, NewsFilter(q=q), 0, 9)
    assert total == len(rows)
    expected = {"title:alpha": 0, "alpha OR zulu": 0, "alpha NOT bravo": 1, "'alpha':A": 1, "alpha <2> bravo": 0, "-alpha": 1, "^alpha": 1, "alpha + bravo": 1,
        "alpha & | ! bravo": 1, "alpha:*": 1, '"alpha': 1, "alpha)": 1, "alpha " * 500: 1, "NEAR(alpha bravo)": 0,
    }  # fmt: skip
    assert total == expected.get(q, 0)


@pytest.fixture
async def loaded(store: Store) -> Store:
    """One article that says `alpha bravo`."""
    await take(store, article("a", title="alpha bravo"))
    return store


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.text(max_size=60) | st.lists(st.sampled_from(OPERATORS), max_size=4).map(" ".join))
@example(q='alpha" OR "zulu')
async def test_no_text_is_a_syntax_error(loaded: Store, q: str) -> None:
    total, rows = await news.page(loaded, NewsFilter(q=q), 0, 9)
    assert total == len(rows)
    # Only what begins like the article's own words can find it.
    words = [word.casefold() for word in news_pages._SPLIT.split(q) if word.strip()]
    if total:
        assert any(word[:3] in ("alp", "bra") for word in words)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(around=st.lists(st.text(max_size=12), min_size=1, max_size=4))
async def test_a_word_is_found_whatever_stands_around_it(store: Store, around: list[str]) -> None:
    await store.write([Write("DELETE FROM news", [()])])
    title = " ".join(f"{text} {word}" for text, word in zip(around, WORDS, strict=False))
    await take(store, article("a", title=title))
    for word in WORDS[: len(around)]:
        assert (await news.page(store, NewsFilter(q=word.upper()), 0, 9))[0] == 1
    await news.page(store, NewsFilter(q=title), 0, 9)
    await whole_text(store)
