"""The fields of a catalogue entry as plain data: what types they may have, and an entry back as fields. An entry written
out and read in again is the same entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from .catalog import DEFAULT_POLL_S, CatalogError, Entry, entry_of

ID_PATTERN = r"^[a-z][a-z0-9_]{1,39}$"
MAX_RANK = 1_000_000
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Line = Annotated[str, Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$")]
"""A text of one line; nothing in it rearranges the text around it."""
Text = Annotated[str, Meta(max_length=500, pattern=r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$")]
Word = Annotated[str, Meta(max_length=80, pattern=r"^[\x20-\x7e]*$")]
Address = Annotated[str, Meta(max_length=2048, pattern=r"^[\x21-\x7e]*$")]
Positive = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Words = Annotated[list[Word], Meta(max_length=500)]
WordTable = Annotated[dict[Word, Word], Meta(max_length=500)]


_Rows = Annotated[int, Meta(ge=1, le=10_000)]


class _Limit(Struct, forbid_unknown_fields=True):
    amount: Positive
    per_s: Positive


class _Auth(Struct, forbid_unknown_fields=True):
    env: Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
    place: Word
    name: Word
    prefix: Word = ""


class _Offer(Struct, forbid_unknown_fields=True):
    rank: Annotated[int, Meta(ge=0, le=MAX_RANK)]
    page_limit: Annotated[int, Meta(ge=1, le=1000)] = 1
    chains: Words = []


class _Fields(Struct, forbid_unknown_fields=True):
    name: Line
    base_url: Address
    kind: Literal["venue", "aggregator", "feed", "data"] = "venue"
    source: Id | UnsetType = UNSET
    adapter: Id | UnsetType = UNSET
    docs: Address = ""
    status: Literal["live", "keyed", "off", "gone"] = "live"
    offers: Annotated[dict[Word, _Offer], Meta(max_length=40)] = {}
    limits: Annotated[list[_Limit], Meta(max_length=8)] = []
    auth: _Auth | UnsetType = UNSET
    attribution: Text = ""
    reason: Text = ""
    since: Word = ""
    quotes_in: Words = []
    poll_s: Annotated[int, Meta(ge=1, le=2_592_000)] = DEFAULT_POLL_S
    tickers: WordTable = {}
    listed_as: WordTable = {}
    chains: Words = []
    stream: Word = ""
    ws_url: Address = ""
    library_id: Word = ""
    tables: Annotated[dict[Word, dict[str, Any]], Meta(max_length=40)] = {}
    refuses: Annotated[list[Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]], Meta(max_length=250)] = []


class _Markets(Struct, forbid_unknown_fields=True):
    call: Annotated[str, Meta(pattern=r"^(fetch_[a-z0-9_]*markets[a-z0-9_]*)?$")] = ""
    name: Annotated[str, Meta(max_length=40, pattern=r"^([^{}]|\{[BQbq]\})*$")] = ""
    options: dict[str, Any] = {}
    untold: bool = False
    plain_numbers: bool = False


class _Quotes(Struct, forbid_unknown_fields=True):
    all: bool = False
    one: bool = True
    rolling: bool = False


class _Candles(Struct, forbid_unknown_fields=True):
    intervals: Annotated[list[str], Meta(max_length=40)] = []
    max_rows: _Rows = 1
    window: bool = True


class _Book(Struct, forbid_unknown_fields=True):
    depths: Annotated[list[_Rows], Meta(max_length=20)] = []


class _Trades(Struct, forbid_unknown_fields=True):
    max_rows: _Rows = 1


class _LibraryTables(Struct, forbid_unknown_fields=True):
    markets: _Markets | UnsetType = UNSET
    quotes: _Quotes | UnsetType = UNSET
    candles: _Candles | UnsetType = UNSET
    book: _Book | UnsetType = UNSET
    trades: _Trades | UnsetType = UNSET


def check_library_tables(entry: Entry) -> None:
    """The tables of an exchange of the exchange library (docs/exchanges.md) may be somebody's addition: a method of ccxt that
    lists pairs, and no other, a name without a format. Raises CatalogError."""
    try:
        msgspec.convert({name: dict(table) for name, table in entry.tables.items()}, _LibraryTables)
    except msgspec.ValidationError as error:
        told = _sentence(str(error))
        raise CatalogError(f"catalog/{entry.category}.toml [{entry.id}]: tables.{told}") from None


def checked(category: str, entry_id: str, fields: Mapping[str, Any]) -> Entry:
    """The entry these fields describe. Raises CatalogError naming the field that is wrong, in its type or beside the
    others."""
    where = f"catalog/{category}.toml [{entry_id}]"
    for name, text in (("category", category), ("id", entry_id)):
        try:
            msgspec.convert(text, Id)
        except msgspec.ValidationError:
            raise CatalogError(
                f"{where}: {name} must be 2 to 40 lower-case letters, digits and _, a letter first"
            ) from None
    try:
        msgspec.convert(dict(fields), _Fields)
    except msgspec.ValidationError as error:
        raise CatalogError(f"{where}: {_sentence(str(error))}") from None
    return entry_of(category, entry_id, dict(fields))


def _sentence(text: str) -> str:
    """`limits[0].amount: expected int >= 1` of what msgspec says."""
    said, found, place = text.partition(" - at `$")
    named = place.rstrip("`").lstrip(".") if found else ""
    return f"{named}: {said[:1].lower()}{said[1:]}" if named else said[:1].lower() + said[1:]


def fields_of(entry: Entry) -> dict[str, Any]:
    """The fields `checked` makes this very entry of; those that hold what is usual are left out."""
    fields: dict[str, Any] = {"name": entry.name}
    usual = {
        "kind": "venue",
        "source": entry.id,
        "adapter": entry.id,
        "status": "live",
        "poll_s": DEFAULT_POLL_S,
    }
    for name in ("kind", "source", "adapter", "base_url", "docs", "status", "attribution", "reason", "since"):
        _put(fields, name, getattr(entry, name), usual.get(name, ""))
    for name in ("poll_s", "stream", "ws_url", "library_id"):
        _put(fields, name, getattr(entry, name), usual.get(name, ""))
    for name in ("quotes_in", "chains", "refuses"):
        _put(fields, name, list(getattr(entry, name)), [])
    for name in ("tickers", "listed_as"):
        _put(fields, name, dict(getattr(entry, name)), {})
    if entry.limits:
        fields["limits"] = [{"amount": limit.amount, "per_s": limit.per_s} for limit in entry.limits]
    if entry.auth is not None:
        auth = {"env": entry.auth.env, "place": entry.auth.place, "name": entry.auth.name}
        fields["auth"] = {**auth, "prefix": entry.auth.prefix} if entry.auth.prefix else auth
    if entry.offers:
        fields["offers"] = {}
    for capability, offer in entry.offers.items():
        row: dict[str, Any] = {"rank": offer.rank}
        _put(row, "page_limit", offer.page_limit, 1)
        _put(row, "chains", list(offer.chains), [])
        fields["offers"][capability.value] = row
    if entry.tables:
        fields["tables"] = {name: dict(table) for name, table in entry.tables.items()}
    return fields


def _put(fields: dict[str, Any], name: str, value: Any, usual: Any) -> None:
    if value != usual:
        fields[name] = value
