"""Pages of stories, and the words a search is made of.

A page of any filter out of a hundred thousand articles has to be there at once, and so has the number of all its stories.
The number comes from indexes that hold each article's story (`head`). The page comes by one of two ways: stories many
articles match are met soon by walking down the heads, newest first; the others are few enough to be gathered and sorted.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from ..engine import Store
from ..news_tables import SEPARATORS, WORDS
from ..rows import NewsFilter, NewsRow
from ..sql import storable
from .news_rows import SELECT, read

_SPLIT = re.compile(rf"(?:{SEPARATORS}|\s)+")
_STOP_WORDS = frozenset(
    """i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it its
    itself they them their theirs themselves what which who whom this that these those am is are was were be been being have
    has had having do does did doing a an the and but if or because as until while of at by for with about against between
    into through during before after above below to from up down in out on off over under again further then once here there
    when where why how all any both each few more most other some such no nor not only own same so than too very s t can will
    just don should now""".split()
)
"""Words PostgreSQL leaves out of an English text (its `english.stop`). Left out of searches of SQLite too, which then find
the same and never read a list of nearly all articles."""
_WORDS_LIMIT = 16
_WORD_LIMIT = 100
_PREFIX_MIN = 3
"""Letters from which the last word may be a beginning: one letter begins a tenth of all words, and all are read."""
_WALK = 2_000
"""Stories from which walking is cheaper: gathering reads this many, walking a page's share of all heads."""
_FREQUENT = 5_000
"""Found articles from which SQLite reads their stories out of an index of all faster than row by row."""

_FOUND = {
    "sqlite": "SELECT rowid FROM news_text WHERE news_text MATCH ?",
    "postgresql": f"SELECT number FROM news WHERE {WORDS} @@ to_tsquery('english', ?)",  # noqa: S608 the schema's own text
}
_HOW_OFTEN = "SELECT COUNT(*) FROM (SELECT 1 FROM news_text WHERE news_text MATCH ? LIMIT ?) AS found"
_ORDER = "ORDER BY n.published_ms DESC, n.id LIMIT ? OFFSET ?"


class _Clause(NamedTuple):
    """Text of a query and what its placeholders stand for."""

    sql: str
    params: tuple[Any, ...]


def match(dialect: str, q: str) -> str | None:
    """The search for every word of `q` but the commonest, in the database's own language; None where that leaves none.
    Each word is quoted and holds no quote, so nothing in it is an operator."""
    said = [word[:_WORD_LIMIT] for word in _SPLIT.split(storable(q)) if any(map(str.isalnum, word))]
    found = [word for word in said[:_WORDS_LIMIT] if word.lower() not in _STOP_WORDS]
    if not found:
        return None
    prefix = found[-1] == said[-1] and len(found[-1]) >= _PREFIX_MIN
    if dialect == "sqlite":
        return " ".join(f'"{word}"' for word in found) + ("*" if prefix else "")
    return " & ".join(f"'{word}'" for word in found) + (":*" if prefix else "")


class _Search(NamedTuple):
    """A filter in the store's own numbers. `plus` keeps SQLite from looking the found articles up one by one."""

    asset: int | None
    provider: int | None
    since_ms: int | None
    until_ms: int | None
    found: str
    text: str | None
    plus: str

    def articles(self, *, of_story: bool = False) -> _Clause:
        """The conditions on an article `m`. Those of one story are found by it: nothing else may lead there."""
        plus = "+" if of_story else ""
        parts: list[tuple[str, Any]] = [
            (f"{plus}m.provider = ?", self.provider),
            (f"{plus}m.published_ms >= ?", self.since_ms),
            (f"{plus}m.published_ms < ?", self.until_ms),
            ("EXISTS (SELECT 1 FROM news_assets a WHERE a.news = m.number AND a.asset = ?)", self.asset),
            (f"{plus or self.plus}m.number IN ({self.found})", self.text),
        ]
        return _all(parts)

    def heads(self) -> _Clause:
        """The query for the heads of the matching articles, some of them several times."""
        if self.asset is None or self.provider is not None:
            where = self.articles()
            return _Clause(f"SELECT m.head AS head FROM news m WHERE {where.sql}", where.params)  # noqa: S608 parts above
        where = _all(
            [
                ("m.asset = ?", self.asset),
                ("m.published_ms >= ?", self.since_ms),
                ("m.published_ms < ?", self.until_ms),
                (f"m.news IN ({self.found})", self.text),
            ]
        )
        return _Clause(f"SELECT m.head AS head FROM news_assets m WHERE {where.sql}", where.params)  # noqa: S608 parts above


def _all(parts: list[tuple[str, Any]]) -> _Clause:
    given = [(sql, value) for sql, value in parts if value is not None]
    return _Clause(" AND ".join(sql for sql, _ in given), tuple(value for _, value in given))


async def page(
    store: Store, filter: NewsFilter, offset: int = 0, limit: int = 20
) -> tuple[int, list[NewsRow]]:
    """How many stories match, and those from `offset` on, at most `limit`: the newest first, each by its head (the
    article it is named after; the oldest one left where retention took that)."""
    label = None if filter.sentiment is None else storable(filter.sentiment)
    search = await _search(store, filter)
    if search is None:
        return 0, []
    has_label = _all([("n.sentiment = ?", label)])
    anything = not search.articles().sql
    total = await _total(store, search, label, anything)
    if offset >= total:
        return total, []
    conditions = [has_label]
    if anything or total > _WALK:
        conditions.append(_Clause("n.head = n.number", ()))
        if not anything:
            member = search.articles(of_story=True)
            sql = f"EXISTS (SELECT 1 FROM news m WHERE m.head = n.number AND {member.sql})"  # noqa: S608 parts above
            conditions.append(_Clause(sql, member.params))
    else:
        heads = search.heads()
        conditions.append(_Clause(f"n.number IN ({heads.sql})", heads.params))
    where = " AND ".join(c.sql for c in conditions if c.sql)
    params = [value for c in conditions for value in c.params]
    return total, await read(store, f"{SELECT} WHERE {where} {_ORDER}", [*params, limit, offset])


async def _search(store: Store, filter: NewsFilter) -> _Search | None:
    """The filter in numbers, None where nothing can match it."""
    asset = provider = text = None
    if filter.asset is not None and (asset := store.numbers.known_asset(storable(filter.asset))) is None:
        return None
    if (
        filter.source is not None
        and (provider := store.numbers.known_provider(storable(filter.source))) is None
    ):
        return None
    plus = ""
    if filter.q is not None:
        text = match(store.dialect, filter.q)
        if text is None:
            return None
        if store.dialect == "sqlite" and provider is None and asset is None:
            ((often,),) = await store.fetch(_HOW_OFTEN, (text, _FREQUENT))
            plus = "+" if often == _FREQUENT else ""
    return _Search(asset, provider, filter.since_ms, filter.until_ms, _FOUND[store.dialect], text, plus)


async def _total(store: Store, search: _Search, label: str | None, anything: bool) -> int:
    """How many stories match. The plus makes SQLite look heads up in the index that holds their label too."""
    if anything:
        where = _all([("sentiment = ?", label)])
        condition = f" AND {where.sql}" if where.sql else ""
        sql, params = f"SELECT COUNT(*) FROM news WHERE head = number{condition}", where.params  # noqa: S608 parts above
    else:
        heads = search.heads()
        sql = f"SELECT COUNT(*) FROM (SELECT DISTINCT head FROM ({heads.sql}) AS every) AS s"  # noqa: S608 parts above
        params = heads.params
        if label is not None:
            sql += " JOIN news h ON h.head = s.head AND +h.number = s.head WHERE h.sentiment = ?"
            params = (*params, label)
    ((total,),) = await store.fetch(sql, params)
    return int(total)
