"""Articles as the database holds them, to and from `NewsRow`. For the other news files here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from ...model.sentiment import Score
from ..engine import Store
from ..rows import NewsRow
from ..sql import storable

SCORE = "n.sentiment, n.confidence, n.bearish, n.neutral, n.bullish, n.raw_label, n.model, n.revision"
"""The columns of a Score, in its order."""
SELECT = f"""SELECT n.provider, n.id, n.url, n.link, n.guid, n.title, n.summary, n.author, n.image, n.tags, n.published_ms,
        n.dated, n.received_ms, n.story, n.assets, n.scored_ms, {SCORE}
    FROM news n"""  # noqa: S608 the columns above
"""What `read` takes. Providers are numbers: joining them in lets SQLite begin with them and sort every article."""

_PIECE = 500
_list = msgspec.json.Decoder(tuple[str, ...]).decode


def words(text: str | None) -> tuple[str, ...]:
    """A stored list of texts; NULL is an empty one."""
    return () if text is None else _list(text)


def stored(texts: Sequence[str]) -> str | None:
    """A list of texts as stored."""
    return msgspec.json.encode([storable(text) for text in texts]).decode() if texts else None


async def read(store: Store, sql: str, params: Sequence[Any]) -> list[NewsRow]:
    """The articles that a query beginning with SELECT finds, in its order."""
    found = await store.fetch(sql, params)
    names = await store.numbers.provider_ids({row[0] for row in found})
    return [
        NewsRow._make(
            (
                row[1],
                names[row[0]],
                *row[2:9],
                words(row[9]),
                row[10],
                bool(row[11]),
                row[12],
                row[13],
                words(row[14]),
                None if row[15] is None else Score(*row[16:]),
                row[15],
            )
        )
        for row in found
    ]


def pieces(values: Sequence[str]) -> Iterator[tuple[list[str], str]]:
    """`values` some at a time, each piece with its placeholders, as no database takes any number of them."""
    left = iter(dict.fromkeys(map(storable, values)))
    while piece := list(islice(left, _PIECE)):
        yield piece, ", ".join("?" * len(piece))
