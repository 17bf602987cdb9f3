"""The catalogue as people read and move it: rows, export and import of all of it as JSON and CSV, and copies of it.

An exported catalogue that is imported again changes nothing. An import is read and checked whole before anything changes.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ..clock import rfc3339
from ..model.errors import CdtsError, InvalidParameter, StoreUnavailable
from ..providers.catalog import Entry
from ..providers.entry_fields import fields_of
from . import catalogue
from .catalogue import Change
from .runtime import Runtime

FORMAT, VERSION = "crypto-dt-source catalogue", 1
COLUMNS = (
    *("id", "category", "name", "kind", "source", "adapter", "base_url", "docs", "status", "attribution"),
    *("reason", "since", "poll_s", "stream", "ws_url", "library_id", "quotes_in", "chains", "refuses"),
    "limits",
    *("auth", "offers", "tickers", "listed_as", "tables"),
)
"""Of the CSV: the fields of an entry. What is no text is JSON; an empty cell is a field that is not given."""
AS_JSON = frozenset("poll_s quotes_in chains refuses limits auth offers tickers listed_as tables".split())
MOST_ROWS = 5_000
MOST_TOLD = 100
"""Wrong rows an error names."""
AT_ONCE = 50
COPIES_KEPT = 20
_FORMULA = re.compile("'*(?:[\\s\x00]*[=+\\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n])")
"""What a spreadsheet may take for a formula (OWASP, CSV injection), with the apostrophes before it: one more is put
there, and one is taken off again."""
_MARKED = re.compile(f"'{_FORMULA.pattern}")


class Given(NamedTuple):
    """One row of an import, unread: its place from 1."""

    place: int
    id: str
    category: str
    fields: Mapping[str, Any]


class Imported(NamedTuple):
    """Ids that are new, ids that were there and changed, and how many were there already."""

    added: list[str]
    replaced: list[str]
    unchanged: int


# --- rows -------------------------------------------------------------------------------------------------------------


def origin(rt: Runtime, entry: Entry) -> str:
    """`package`, `settings`, or who added it: `admin`, `import`, `discovery`."""
    added = rt.added.get(entry.id)
    if added is not None:
        return added.origin
    return "settings" if catalogue.of_settings(rt, entry.id) else "package"


def row(rt: Runtime, entry: Entry) -> dict[str, Any]:
    """One entry on the wire. Of a feed of the settings only the site is told: its address may hold a key."""
    own = catalogue.of_settings(rt, entry.id)
    return {
        "id": entry.id,
        "category": entry.category,
        "name": entry.name,
        "kind": entry.kind,
        "source": entry.source,
        "adapter": entry.adapter,
        "base_url": entry.docs if own else entry.base_url,
        "docs": entry.docs or None,
        "status": entry.status,
        "in_use": entry.id in rt.gateway.sources,
        "origin": origin(rt, entry),
        "capabilities": {c.value: offer.rank for c, offer in entry.offers.items()},
        "chains": list(entry.chains),
        "limits": [{"amount": limit.amount, "per_seconds": limit.per_s} for limit in entry.limits],
        "key": entry.auth.env if entry.auth else None,
        "attribution": entry.attribution or None,
        "reason": entry.reason or None,
        "since": entry.since or None,
    }


def listed(
    rt: Runtime,
    *,
    category: str | None = None,
    status: str | None = None,
    kind: str | None = None,
    origin: str | None = None,
    q: str | None = None,
) -> list[dict[str, Any]]:
    """Entries that match every filter given, by category and id."""
    rows = []
    for entry in sorted(rt.entries.values(), key=lambda e: (e.category, e.id)):
        if category not in (None, entry.category) or status not in (None, entry.status):
            continue
        if kind not in (None, entry.kind):
            continue
        if q is not None and q.casefold() not in f"{entry.id} {entry.name}".casefold():
            continue
        found = row(rt, entry)
        if origin in (None, found["origin"]):
            rows.append(found)
    return rows


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """How many entries that can be called each category has, by category."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry.status in ("live", "keyed"):
            found[entry.category] = found.get(entry.category, 0) + 1
    return dict(sorted(found.items()))


# --- out --------------------------------------------------------------------------------------------------------------


def _exported(rt: Runtime) -> list[Entry]:
    """All but the feeds of the settings, which are not the catalogue's to move."""
    return [
        entry
        for entry in sorted(rt.entries.values(), key=lambda e: (e.category, e.id))
        if not catalogue.of_settings(rt, entry.id)
    ]


def _pieces(entries: list[Entry]) -> Iterator[list[Entry]]:
    for at in range(0, len(entries), AT_ONCE):
        yield entries[at : at + AT_ONCE]


async def as_json(rt: Runtime) -> AsyncGenerator[bytes]:
    """The whole catalogue as JSON, in parts."""
    entries = _exported(rt)
    head = {"format": FORMAT, "version": VERSION, "generated_at": rfc3339(rt.clock.now_ms())}
    yield msgspec.json.encode(head)[:-1] + b',"entries":['
    for number, piece in enumerate(_pieces(entries)):
        yield (b",\n" if number else b"") + await asyncio.to_thread(_json, piece)
    yield b"]}\n"


def _json(entries: list[Entry]) -> bytes:
    rows = ({"id": e.id, "category": e.category, "fields": fields_of(e)} for e in entries)
    return b",\n".join(map(msgspec.json.encode, rows))


async def as_csv(rt: Runtime) -> AsyncGenerator[bytes]:
    """The same as CSV with a heading, in parts."""
    yield ",".join(COLUMNS).encode() + b"\r\n"
    for piece in _pieces(_exported(rt)):
        yield await asyncio.to_thread(_csv, piece)


def _csv(entries: list[Entry]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    for entry in entries:
        fields = {"id": entry.id, "category": entry.category, **fields_of(entry)}
        writer.writerow([_cell(name, fields.get(name)) for name in COLUMNS])
    return text.getvalue().encode()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    text = msgspec.json.encode(value).decode() if name in AS_JSON else str(value)
    return f"'{text}" if _FORMULA.match(text) else text


# --- in ---------------------------------------------------------------------------------------------------------------


def read_json(raw: bytes) -> list[Given]:
    """The rows of an exported catalogue, of its `entries` alone, or of one entry. Raises InvalidParameter."""
    try:
        whole = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable("body", "JSON as GET /api/resources/export/json gives it") from None
    if isinstance(whole, dict) and "entries" in whole:
        if whole.get("format", FORMAT) != FORMAT or whole.get("version", VERSION) != VERSION:
            raise _unreadable("version", f"{FORMAT!r} of version {VERSION}")
        whole = whole["entries"]
    rows = whole if isinstance(whole, list) else [whole]
    if not 1 <= len(rows) <= MOST_ROWS:
        raise _unreadable("entries", f"1 to {MOST_ROWS} entries")
    return [_given(place, found) for place, found in enumerate(rows, 1)]


def one_of(given: list[Given]) -> Given:
    """The only row. Raises InvalidParameter where there are more."""
    if len(given) != 1:
        raise _unreadable("entries", "one entry; POST /api/resources/import/json takes several")
    return given[0]


def _given(place: int, found: Any) -> Given:
    known = isinstance(found, dict) and set(found) <= {"id", "category", "fields"}
    texts = known and all(isinstance(found.get(name), str) for name in ("id", "category"))
    if not texts or not isinstance(found.get("fields"), dict):
        raise _unreadable(f"entries[{place - 1}]", "an object of id, category (texts) and fields (an object)")
    return Given(place, found["id"], found["category"], found["fields"])


def read_csv(raw: bytes) -> list[Given]:
    """The rows of an exported CSV; columns in any order, those that are not there are not given. Raises
    InvalidParameter."""
    try:
        text = raw.decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        head = next(reader, [])
        cells = [line for line in reader if line]
    except (UnicodeDecodeError, csv.Error):
        raise _unreadable("body", "CSV in UTF-8 as GET /api/resources/export/csv gives it") from None
    if not {"id", "category"} <= set(head) <= set(COLUMNS) or len(set(head)) != len(head):
        raise _unreadable("columns", f"each once, of {', '.join(COLUMNS)}; id and category have to be there")
    if not 1 <= len(cells) <= MOST_ROWS:
        raise _unreadable("rows", f"1 to {MOST_ROWS} rows")
    return [_of_line(place, head, line) for place, line in enumerate(cells, 1)]


def _of_line(place: int, head: list[str], line: list[str]) -> Given:
    if len(line) != len(head):
        raise _unreadable(f"row {place}", f"{len(head)} cells; this row has {len(line)}")
    fields: dict[str, Any] = {}
    for name, cell in zip(head, line, strict=True):
        text = cell[1:] if _MARKED.match(cell) else cell
        if not text:
            continue
        try:
            fields[name] = msgspec.json.decode(text) if name in AS_JSON else text
        except (msgspec.DecodeError, RecursionError):
            raise _unreadable(f"row {place}, {name}", "JSON") from None
    return Given(place, str(fields.pop("id", "")), str(fields.pop("category", "")), fields)


def _unreadable(name: str, allowed: str) -> InvalidParameter:
    return InvalidParameter(
        f"{name}: must be {allowed}.", details={"parameter": name, "got": None, "allowed": allowed}
    )


async def take_in(rt: Runtime, given: list[Given]) -> Imported:
    """Put all rows into the catalogue, or none. Raises InvalidParameter listing every wrong row, Conflict, StoreError."""
    entries = await asyncio.to_thread(_checked, rt, given)
    async with rt.changing:
        catalogue.room_for(rt, entries)
        changed = [entry for entry in entries if rt.entries.get(entry.id) != entry]
        added = [entry.id for entry in changed if entry.id not in rt.entries]
        replaced = [entry.id for entry in changed if entry.id in rt.entries]
        await catalogue.apply(rt, Change(puts=[(entry, "import") for entry in changed]))
    return Imported(added, replaced, len(entries) - len(changed))


def _checked(rt: Runtime, given: list[Given]) -> list[Entry]:
    entries: list[Entry] = []
    wrong: list[dict[str, Any]] = []
    seen: set[str] = set()
    for found in given:
        try:
            entries.append(_checked_one(rt, found, seen))
        except CdtsError as error:
            field = error.details.get("parameter", "entry")
            wrong.append(
                {"row": found.place, "id": found.id[:80], "field": field, "error": error.message[:300]}
            )
        seen.add(found.id)
    if wrong:
        raise InvalidParameter(
            f"{len(wrong)} of {len(given)} rows cannot be taken in, so nothing was changed; the first: row "
            f"{wrong[0]['row']}: {wrong[0]['error']}",
            details={
                "parameter": "entries",
                "got": len(given),
                "allowed": "rows without an error",
                "wrong_rows": len(wrong),
                "rows": wrong[:MOST_TOLD],
            },
        )
    return entries


def _checked_one(rt: Runtime, found: Given, seen: set[str]) -> Entry:
    if found.id in seen:
        raise _unreadable("id", "an id that no row before has")
    if catalogue.of_settings(rt, found.id):
        raise _unreadable("id", "an id that is not a feed of NEWS_FEEDS")
    known = rt.entries.get(found.id)
    if known is not None and known.category == found.category and fields_of(known) == dict(found.fields):
        return known
    return catalogue.usable(found.category, found.id, found.fields, origin="import")


# --- copies -----------------------------------------------------------------------------------------------------------


async def copy(rt: Runtime) -> dict[str, Any]:
    """Write the whole catalogue into a file of its own; the newest COPIES_KEPT stay. Raises StoreUnavailable where it
    cannot be written."""
    folder = rt.catalogue_folder
    if folder is None:
        raise StoreUnavailable("there is no folder for copies of the catalogue")
    body = b"".join([part async for part in as_json(rt)])
    stamp = re.sub(r"[-:]", "", rfc3339(rt.clock.now_ms()))
    try:
        name = await asyncio.to_thread(_write, folder, f"catalogue-{stamp}.json", body)
    except OSError as error:
        raise StoreUnavailable(f"the copy cannot be written: {type(error).__name__}") from None
    return {
        "file": name,
        "entries": len(_exported(rt)),
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }


def _write(folder: Path, name: str, body: bytes) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    part.write_bytes(body)
    part.replace(folder / name)
    for old in sorted(folder.glob("catalogue-*.json"))[:-COPIES_KEPT]:
        old.unlink(missing_ok=True)
    return name
