"""What an exported row holds: the columns of each dataset, their kinds, and rows as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from ..clock import rfc3339
from ..store.repos.export import Row

Dataset = Literal["prices", "ohlcv", "news", "market"]
Kind = Literal["time", "number", "count", "flag", "text", "texts"]
JSON_ROWS = 1000
"""Rows encoded in one call, which other threads wait for."""


class Column(NamedTuple):
    """A column. A `time` is ms UTC in a row; in JSON and CSV it becomes two columns, RFC 3339 text under `name` and the
    milliseconds under `name`_ms. A `number` is a float64, a `count` an int64, `texts` a sequence of texts. None is
    absent."""

    name: str
    kind: Kind


def _columns(*named: tuple[str, Kind]) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in named)


COLUMNS: dict[str, tuple[Column, ...]] = {
    "prices": _columns(
        ("timestamp", "time"),
        ("price", "number"),
        ("status", "text"),
        ("confidence", "number"),
        ("dispersion_pct", "number"),
        ("sources", "count"),
        ("method", "text"),
    ),
    "ohlcv": _columns(
        ("open_time", "time"),
        ("open", "number"),
        ("high", "number"),
        ("low", "number"),
        ("close", "number"),
        ("volume", "number"),
        ("quote_volume", "number"),
        ("trades", "count"),
        ("source", "text"),
        ("closed", "flag"),
    ),
    "news": _columns(
        ("published_at", "time"),
        ("id", "text"),
        ("title", "text"),
        ("url", "text"),
        ("source", "text"),
        ("sentiment", "text"),
        ("confidence", "number"),
        ("model", "text"),
        ("symbols", "texts"),
    ),
    "market": _columns(
        ("timestamp", "time"),
        ("provider", "text"),
        ("btc_price", "number"),
        ("eth_price", "number"),
        ("market_cap", "number"),
        ("volume_24h", "number"),
        ("btc_dominance_pct", "number"),
        ("eth_dominance_pct", "number"),
        ("active_coins", "count"),
        ("market_cap_change_24h_pct", "number"),
    ),
}
"""The columns of each dataset, in the order in which `store.repos.export` gives their values. The time is the first."""

SOURCE: dict[str, str] = {"ohlcv": "source", "news": "source", "market": "provider"}
"""The column that names whom a row comes from, of the datasets that have one."""


class Seen(NamedTuple):
    """What went by: how many rows, whom they came from, and the time of the last one (None without a row)."""

    rows: int
    sources: frozenset[str]
    last_ms: int | None


class JsonRows:
    """`{"data":[…],"meta":{…}}` in pieces. `meta` is asked for once, at the end."""

    def __init__(self, dataset: str, meta: Callable[[Seen], dict[str, Any]]) -> None:
        columns = COLUMNS[dataset]
        self._names = [name for column in columns for name in names_of(column)]
        self._times = [i for i, column in enumerate(columns) if column.kind == "time"]
        self._flags = [i for i, column in enumerate(columns) if column.kind == "flag"]
        named = SOURCE.get(dataset)
        self._source = next((i for i, column in enumerate(columns) if column.name == named), None)
        self._meta = meta
        self._rows = 0
        self._sources: set[str] = set()
        self._last_ms: int | None = None

    def add(self, rows: Sequence[Row]) -> bytes:
        """The next piece of the document."""
        if not rows:
            return b""
        opening = b"," if self._rows else b'{"data":['
        self._rows += len(rows)
        self._last_ms = rows[-1][0]
        if self._source is not None:
            self._sources.update(row[self._source] for row in rows)
        parts = [
            msgspec.json.encode([self._object(row) for row in rows[at : at + JSON_ROWS]])[1:-1]
            for at in range(0, len(rows), JSON_ROWS)
        ]
        return opening + b",".join(parts)

    def end(self) -> bytes:
        """The rest of the document."""
        meta = self._meta(Seen(self._rows, frozenset(self._sources), self._last_ms))
        opening = b"" if self._rows else b'{"data":['
        return opening + b'],"meta":' + msgspec.json.encode(meta) + b"}"

    def _object(self, row: Row) -> dict[str, Any]:
        values = list(row)
        for at in self._flags:
            values[at] = bool(values[at])
        # From the right: each one makes the row longer by one.
        for at in reversed(self._times):
            ms = values[at]
            values[at : at + 1] = (None, None) if ms is None else (rfc3339(ms), ms)
        return dict(zip(self._names, values, strict=True))


def names_of(column: Column) -> tuple[str, ...]:
    """The column's names in JSON and CSV."""
    return (column.name, f"{column.name}_ms") if column.kind == "time" else (column.name,)
