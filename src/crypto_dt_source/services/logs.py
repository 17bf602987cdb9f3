"""The log as it can be asked for: filtered, page by page, counted, as a file, deleted. Reading happens in threads."""

from __future__ import annotations

import asyncio
import csv
import io
import re
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..clock import rfc3339
from ..model.errors import StoreUnavailable
from ..telemetry import Value
from .log_files import Deleted, LogFiles, at_ms, read_lines

LEVELS = ("debug", "info", "warning", "error", "critical")
ERRORS = frozenset({"error", "critical"})
MOST_BYTES = 64 * 1024 * 1024
"""Read for one question, the newest first; what is older is then not looked at, which the answer says."""
MOST_ROWS = 10_000
"""Rows of a question, those of the pages before included."""
NAMED = 50
"""Categories and providers that are counted by name, the most frequent first."""
EXPORTED_AT_ONCE = 2000
"""Rows that become bytes in one go."""
CSV_COLUMNS = ("timestamp", "level", "category", "provider", "message", "details")
_OWN = ("timestamp", "level", "component", "provider", "event")
_FORMULA = re.compile("[\\s\x00]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What a spreadsheet may take for a formula, also behind white space (OWASP, CSV injection)."""
_decode = msgspec.json.Decoder(dict[str, str | int | float | bool | None]).decode
_encode = msgspec.json.Encoder().encode
Row = dict[str, Any]


class LogUnavailable(StoreUnavailable):
    """The files of the log cannot be changed now."""

    @property
    def public(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: each filter that is given narrows the others. `category` is a line's component; `q` is part of the
    line's text, in any case; times are ms UTC, `until_ms` not included."""

    levels: frozenset[str] | None = None
    category: str | None = None
    provider: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    q: str | None = None

    def test(self) -> Callable[[bytes], dict[str, Value] | None]:
        """A function that reads a line: its fields where it is wanted, else None."""
        needle = None if self.q is None else _encode(self.q)[1:-1].decode().casefold()
        marks = [
            _encode({name: value})[1:-1]
            for name, value in (("component", self.category), ("provider", self.provider))
            if value is not None
        ]

        def wanted(line: bytes) -> dict[str, Value] | None:
            if any(mark not in line for mark in marks):
                return None
            if needle is not None and needle not in line.decode(errors="replace").casefold():
                return None
            try:
                fields = _decode(line)
            except msgspec.MsgspecError:
                # The end of what a killed process was writing.
                return None
            return fields if self._is(fields, line) else None

        return wanted

    def _is(self, fields: Mapping[str, Value], line: bytes) -> bool:
        if self.levels is not None and fields.get("level") not in self.levels:
            return False
        if self.category is not None and fields.get("component") != self.category:
            return False
        if self.provider is not None and fields.get("provider") != self.provider:
            return False
        if self.since_ms is None and self.until_ms is None:
            return True
        at = at_ms(line)
        return (
            at is not None
            and (self.since_ms is None or at >= self.since_ms)
            and (self.until_ms is None or at < self.until_ms)
        )


class Found(NamedTuple):
    """Rows, the newest first. `more`: there are others after them. `complete`: everything kept was looked through, or as
    much as was needed."""

    rows: list[Row]
    more: bool
    complete: bool


class Counts(NamedTuple):
    """How many lines, all together and by what they say of themselves. `complete` as in Found."""

    total: int
    by_level: dict[str, int]
    by_category: dict[str, int]
    by_provider: dict[str, int]
    oldest: str | None
    newest: str | None
    complete: bool


def row_of(fields: Mapping[str, Value]) -> Row:
    """A line on the wire."""
    provider = fields.get("provider")
    return {
        "timestamp": fields.get("timestamp"),
        "level": fields.get("level"),
        "category": fields.get("component"),
        "provider": None if provider is None else str(provider),
        "message": str(fields.get("event", "")),
        "details": {name: value for name, value in fields.items() if name not in _OWN},
    }


async def page(files: LogFiles, wanted: Wanted, *, number: int, size: int) -> Found:
    """One page of the lines that are wanted, the newest first; `number` is counted from 1. Nothing beyond MOST_ROWS."""
    skip = (number - 1) * size
    async with files.reading:
        return await asyncio.to_thread(_page, files, wanted, min(skip, MOST_ROWS), size)


def _page(files: LogFiles, wanted: Wanted, skip: int, size: int) -> Found:
    rows: list[Row] = []
    if skip >= MOST_ROWS:
        return Found(rows, False, False)
    test, read = wanted.test(), 0
    for path in reversed(files.files()):
        if wanted.since_ms is not None and _modified_ms(path) < wanted.since_ms:
            break
        lines = read_lines(path)
        read += sum(map(len, lines))
        for line in reversed(lines):
            fields = test(line)
            if fields is None:
                continue
            if skip:
                skip -= 1
            elif len(rows) == size:
                return Found(rows, True, True)
            else:
                rows.append(row_of(fields))
        if read > MOST_BYTES:
            return Found(rows, False, False)
    return Found(rows, False, True)


def _modified_ms(path: Path) -> float:
    """When a file was written to last; a file that is gone counts as new, and is then read as empty."""
    try:
        return path.stat().st_mtime * 1000 + 1000
    except OSError:
        return float("inf")


async def counts(files: LogFiles, wanted: Wanted) -> Counts:
    """What there is, counted."""
    async with files.reading:
        return await asyncio.to_thread(_counts, files, wanted)


def _counts(files: LogFiles, wanted: Wanted) -> Counts:
    levels, categories, providers = Counter[str](), Counter[str](), Counter[str]()
    times: list[str] = []
    test, read = wanted.test(), 0
    for path in reversed(files.files()):
        lines = read_lines(path)
        read += sum(map(len, lines))
        found = [fields for fields in map(test, lines) if fields is not None]
        for fields in found:
            levels[str(fields.get("level"))] += 1
            categories[str(fields.get("component"))] += 1
            if fields.get("provider") is not None:
                providers[str(fields["provider"])] += 1
        times += [str(fields.get("timestamp")) for fields in (*found[:1], *found[-1:])]
        if read > MOST_BYTES:
            break
    return Counts(
        sum(levels.values()),
        dict(levels.most_common()),
        dict(categories.most_common(NAMED)),
        dict(providers.most_common(NAMED)),
        min(times, default=None),
        max(times, default=None),
        read <= MOST_BYTES,
    )


async def delete(files: LogFiles, before_ms: int | None) -> Deleted:
    """Delete every line, or those from before a time. Raises LogUnavailable where the disk refuses, with some deleted."""
    try:
        async with files.reading:
            return await asyncio.to_thread(files.delete, before_ms)
    except OSError as error:
        raise LogUnavailable(
            f"The log could not be deleted, or not all of it: {error.strerror or type(error).__name__}."
        ) from error


def about(files: LogFiles) -> dict[str, Any]:
    """What the files take, and what could not be written. Blocks on the disk."""
    return {
        "kept": files.folder is not None,
        "files": len(files.files()),
        "size_bytes": files.size_bytes(),
        "room_bytes": files.room_bytes if files.folder is not None else 0,
        "waiting": files.waiting,
        "dropped": files.dropped,
        "error": files.error,
        "since_start": dict(sorted(files.counts.items())),
    }


async def rows_in(files: LogFiles, wanted: Wanted) -> AsyncGenerator[list[Row]]:
    """Every line that is wanted, the oldest first, some thousand at a time; one file is in memory at a time."""
    for path in await asyncio.to_thread(files.files):
        async with files.reading:
            found = await asyncio.to_thread(_rows, path, wanted)
        for at in range(0, len(found), EXPORTED_AT_ONCE):
            yield found[at : at + EXPORTED_AT_ONCE]


def _rows(path: Path, wanted: Wanted) -> list[Row]:
    test = wanted.test()
    return [row_of(fields) for fields in map(test, read_lines(path)) if fields is not None]


async def as_json(
    files: LogFiles, wanted: Wanted, told: Callable[[int], Mapping[str, Any]]
) -> AsyncGenerator[bytes]:
    """`{"data": […], "meta": …}` in parts; `told` gives the end's `meta` for a number of rows."""
    count = 0
    yield b'{"data":['
    async for rows in rows_in(files, wanted):
        yield (b"," if count else b"") + await asyncio.to_thread(_joined, rows)
        count += len(rows)
    yield b'],"meta":' + _encode(told(count)) + b"}"


async def as_csv(files: LogFiles, wanted: Wanted) -> AsyncGenerator[bytes]:
    """The same as CSV with a heading, in parts: `details` as JSON, an apostrophe before a text that a spreadsheet would
    take for a formula."""
    yield ",".join(CSV_COLUMNS).encode() + b"\r\n"
    async for rows in rows_in(files, wanted):
        yield await asyncio.to_thread(_csv, rows)


def _joined(rows: list[Row]) -> bytes:
    return b",".join(map(_encode, rows))


def _csv(rows: list[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for row in rows:
        texts = ["" if row[name] is None else str(row[name]) for name in CSV_COLUMNS[:-1]]
        writer.writerow([*map(_safe, texts), _encode(row["details"]).decode()])
    return text.getvalue().encode()


def _safe(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) else text


def wanted_of(
    *,
    level: str | None,
    category: str | None,
    provider: str | None,
    since_ms: int | None,
    until_ms: int | None,
    q: str | None,
) -> Wanted:
    """Filters as they are asked for; a level in any case."""
    levels = None if level is None else frozenset({level.lower()})
    return Wanted(levels, category, provider, since_ms, until_ms, q)


def told_times(wanted: Wanted) -> dict[str, str | None]:
    """The times of a question, as they were understood."""
    return {
        "since": None if wanted.since_ms is None else rfc3339(wanted.since_ms),
        "until": None if wanted.until_ms is None else rfc3339(wanted.until_ms),
    }
