"""Rows as Apache Arrow, and from there as Parquet, an Arrow IPC stream or CSV. Imported when the first export needs it:
Arrow costs 50 MB and half a second.

https://arrow.apache.org/docs/python/, https://www.rfc-editor.org/rfc/rfc4180,
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from ..store.repos.export import Row
from .exports_columns import COLUMNS, Column, names_of

# The allocator Arrow brings keeps what was freed for itself; the system's gives large blocks back at once.
pa.set_memory_pool(pa.system_memory_pool())

EOL = b"\r\n"
ROW_GROUP = 25_000
"""Rows of a Parquet row group: what is held until it is written."""
_FORMULA = r"^[\s\x00\p{Z}]*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|^[\t\r\n]"
"""What a spreadsheet may take for a formula: OWASP's beginnings, their full-width forms, and each of them behind white
space."""
_TYPES: dict[str, Any] = {
    "time": pa.timestamp("ms", tz="UTC"),
    "number": pa.float64(),
    "count": pa.int64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
}


class _Taken(io.RawIOBase):
    """A file that is only written to, and emptied as it grows."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def schema_of(columns: Sequence[Column], facts: Mapping[str, str]) -> Any:
    """The Arrow schema of these columns, `facts` in its metadata."""
    fields = [pa.field(column.name, _TYPES[column.kind]) for column in columns]
    return pa.schema(fields, metadata=dict(facts))


def batch_of(schema: Any, columns: Sequence[Column], rows: Sequence[Row]) -> Any:
    """One Arrow record batch of these rows, at least one."""
    values = zip(*rows, strict=True)
    return pa.record_batch(
        [_array(column, of) for column, of in zip(columns, values, strict=True)], schema=schema
    )


def _array(column: Column, values: tuple[Any, ...]) -> Any:
    if column.kind == "flag":
        # SQLite has no booleans.
        return pa.array(list(map(bool, values)), pa.bool_())
    return pa.array(values, _TYPES[column.kind])


class _Rows(ABC):
    """Rows in, bytes out. `dataset` is one of COLUMNS, or the columns themselves."""

    def __init__(self, dataset: str | Sequence[Column], facts: Mapping[str, str]) -> None:
        self.columns = COLUMNS[dataset] if isinstance(dataset, str) else tuple(dataset)
        self.schema = schema_of(self.columns, facts)
        self.sink = _Taken()

    def add(self, rows: Sequence[Row]) -> bytes:
        """The next bytes of the file; maybe none yet."""
        if rows:
            self.put(batch_of(self.schema, self.columns, rows))
        return self.sink.take()

    @abstractmethod
    def put(self, batch: Any) -> None:
        """Write a batch to the sink, now or later."""

    @abstractmethod
    def end(self) -> bytes:
        """The rest of the file."""


class ArrowRows(_Rows):
    """An Arrow IPC stream (https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format)."""

    def __init__(self, dataset: str | Sequence[Column], facts: Mapping[str, str]) -> None:
        super().__init__(dataset, facts)
        self._writer = pa.ipc.new_stream(self.sink, self.schema)

    def put(self, batch: Any) -> None:
        self._writer.write_batch(batch)

    def end(self) -> bytes:
        self._writer.close()
        return self.sink.take()


class ParquetRows(_Rows):
    """A Parquet file, Zstandard inside (https://parquet.apache.org/docs/file-format/)."""

    def __init__(self, dataset: str | Sequence[Column], facts: Mapping[str, str]) -> None:
        super().__init__(dataset, facts)
        self._writer = pq.ParquetWriter(
            self.sink,
            self.schema,
            compression="zstd",
            # Prices seldom repeat: a dictionary of them is made in vain.
            use_dictionary=[column.name for column in self.columns if column.kind == "text"],
        )
        self._held: list[Any] = []
        self._rows = 0

    def put(self, batch: Any) -> None:
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= ROW_GROUP:
            self._write()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._held, self.schema)
        self._held, self._rows = [], 0
        self._writer.write_table(table, row_group_size=table.num_rows)

    def end(self) -> bytes:
        if self._held:
            self._write()
        self._writer.close()
        return self.sink.take()


class CsvRows(_Rows):
    """CSV with a header line: nothing where a value is absent, `""` for an empty text, floats in the shortest form that
    reads back as the same float64 and never as an integer's, lists joined by a space, and an apostrophe before a text
    that a spreadsheet would take for a formula."""

    def __init__(self, dataset: str | Sequence[Column], facts: Mapping[str, str]) -> None:
        super().__init__(dataset, facts)
        self._header = ",".join(name for column in self.columns for name in names_of(column)).encode() + EOL

    def add(self, rows: Sequence[Row]) -> bytes:
        self.sink.write(self._header)
        self._header = b""
        return super().add(rows)

    def put(self, batch: Any) -> None:
        fields: list[Any] = []
        for column, values in zip(self.columns, batch.columns, strict=True):
            if column.kind == "time":
                fields += (rfc3339_texts(values), values.cast(pa.int64()).cast(pa.string()))
            elif column.kind == "number":
                fields.append(float_texts(values))
            elif column.kind in ("text", "texts"):
                texts = pc.binary_join(values, " ") if column.kind == "texts" else values
                # A feed or a venue is the same in many rows.
                found = texts.dictionary_encode()
                fields.append(quoted(harmless(found.dictionary)).take(found.indices))
            else:
                fields.append(values.cast(pa.string()))
        last = pc.fill_null(fields.pop(), "")
        fields.append(pc.binary_join_element_wise(last, EOL.decode(), ""))
        lines = pc.binary_join_element_wise(*fields, ",", null_handling="replace", null_replacement="")
        # The texts of a column lie one after the other: that is the file.
        size = pc.sum(pc.binary_length(lines)).as_py()
        self.sink.write(lines.buffers()[2].slice(0, size))

    def end(self) -> bytes:
        return self.add(())


def quoted(texts: Any) -> Any:
    """Texts in quotes where CSV needs them, and where without them a text would be empty or lose white space."""
    special = pc.match_substring_regex(texts, r'[",\r\n]|^\s|\s$|^$')
    inside = pc.replace_substring(texts, '"', '""')
    return pc.if_else(special, pc.binary_join_element_wise('"', inside, '"', ""), texts)


def float_texts(values: Any) -> Any:
    """Floats as texts: `1.0`, not `1`. A reader that guesses a column's type from its first rows would take integers for
    it and fail at the first fraction."""
    texts = values.cast(pa.string())
    whole = pc.and_(pc.equal(pc.trunc(values), values), pc.is_finite(values))
    if not pc.any(whole).as_py():
        return texts
    # Large ones have an exponent.
    bare = pc.and_(whole, pc.invert(pc.match_substring(texts, "e")))
    return pc.if_else(bare, pc.binary_join_element_wise(texts, ".0", ""), texts)


def harmless(texts: Any) -> Any:
    """Texts with an apostrophe before each that a spreadsheet would take for a formula."""
    marked = pc.binary_join_element_wise("'", texts, "")
    return pc.if_else(pc.match_substring_regex(texts, _FORMULA), marked, texts)


def rfc3339_texts(times: Any) -> Any:
    """`clock.rfc3339` of a column."""
    ms = times.cast(pa.timestamp("ms"))
    # In seconds a time prints without a fraction.
    seconds = pc.floor_temporal(ms, unit="second")
    text = seconds.cast(pa.timestamp("s")).cast(pa.string())
    whole = pc.equal(seconds, ms)
    if not pc.all(whole).as_py():
        text = pc.if_else(whole, text, ms.cast(pa.string()))
    return pc.binary_join_element_wise(pc.utf8_replace_slice(text, 10, 11, "T"), "Z", "")
