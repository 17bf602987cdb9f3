"""Reads the rows of an answer as a TableSpec says. A value of another kind than declared fails its row by name; a body
without its rows, or with more than a few that cannot be read, is PayloadChanged, never an empty list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from ..model.errors import PayloadChanged, UpstreamBroken, UpstreamError, UpstreamRateLimited
from ..model.quote import Pair
from ..model.unreadable import Unreadable
from .kit import (
    MEMORY_SYMBOL,
    UNREADABLE_SHARE,
    Reply,
    Separated,
    Splitter,
    decoder,
    iso_ms,
    number,
    read,
)
from .table import Column, TableSpec
from .text import plain

MAX_ROWS = 100_000
LIST_LIMIT = 500
LIMITED = ("too many", "rate limit", "limit exceeded", "throttle")
_UNITS = {"ms": 1.0, "s": 1_000.0, "us": 1e-3, "ns": 1e-6}
_LAST_MS = 4_102_444_800_000
_TRUE = frozenset({"true", "1", "yes", "online", "active", "enabled", "trading"})
_body = decoder(object)


class Row(NamedTuple):
    """One row's values by column; absent ones are None. `name` is what the row is called in the quarantine, `place` where
    it stands, from 0."""

    name: str
    place: int
    values: dict[str, Any]


class _Odd(Exception):
    """A value that cannot be what it is declared to be. Never leaves this module."""


class Reader:
    """Reads the answers of one table. `pair` tells the pair a row names, by the upstream's form of symbols."""

    __slots__ = ("_split", "spec")

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self._split = _splitter(spec)

    def rows(self, reply: Reply) -> tuple[list[Row], list[Unreadable]]:
        """Every row that counts, and those that cannot be read: at most UNREADABLE_SHARE of all. Raises PayloadChanged,
        and what the upstream says where it sends its error inside an answer."""
        whole = read(_body, reply.body)
        self._refused(whole)
        good: list[Row] = []
        bad: list[Unreadable] = []
        for place, key, row in self._walk(whole):
            try:
                if self._counts(row):
                    good.append(Row(self._name(place, key, row), place, self._values(row, key, whole)))
            except _Odd as odd:
                bad.append(Unreadable(self._name(place, key, row), str(odd)[:100]))
        if bad and len(bad) > UNREADABLE_SHARE * (len(good) + len(bad)):
            raise PayloadChanged(bad[0].reason, path=_shown(self.spec.rows))
        return good, bad

    def pair(self, values: Mapping[str, Any]) -> Pair | None:
        """The pair of a row in common spelling, or None for a symbol that is not of the declared form."""
        if self._split is not None and values.get("symbol"):
            text = values["symbol"]
            spec = self.spec
            if not (text.startswith(spec.symbol_prefix) and text.endswith(spec.symbol_suffix)):
                return None
            return self._split(text[len(spec.symbol_prefix) : len(text) - len(spec.symbol_suffix) or None])
        base, quote = (str(values.get(name) or "").strip().upper() for name in ("base", "quote"))
        if not base or not quote:
            return None
        aliases = self.spec.aliases
        return Pair(aliases.get(base, base), aliases.get(quote, quote))

    def _refused(self, whole: object) -> None:
        if not self.spec.error:
            return
        said = _at(whole, self.spec.error)
        if said in (None, "", 0, False, [], {}) or said is _MISSING:
            return
        text = (plain(said) if isinstance(said, str) else None) or "the upstream's own error"
        raise refusal_of(text)

    def _walk(self, whole: object) -> Iterator[tuple[int, str | None, object]]:
        found = _at(whole, self.spec.rows)
        if found is _MISSING:
            raise PayloadChanged("the rows are not there", path=_shown(self.spec.rows))
        many = self.spec.keyed or self.spec.per_pair
        items: Iterable[tuple[str | None, object]]
        if self.spec.keyed and isinstance(found, dict):
            items = found.items()
        elif many and isinstance(found, list):
            items = ((None, row) for row in found)
        elif self.spec.keyed:
            raise PayloadChanged("the rows are neither a list nor an object", path=_shown(self.spec.rows))
        else:
            items = ((None, found),)
        for place, (key, row) in enumerate(items):
            if place >= MAX_ROWS:
                raise PayloadChanged(f"there are more than {MAX_ROWS} rows", path=_shown(self.spec.rows))
            yield place, key, row

    def _counts(self, row: object) -> bool:
        for path, wanted in self.spec.where:
            value = _at(row, path)
            text = "" if value is _MISSING else _word(value)
            if not (text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted):
                return False
        return True

    def _values(self, row: object, key: str | None, whole: object) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, column in self.spec.columns.items():
            unit = self.spec.next_time_unit if name == "next_time" else self.spec.time_unit
            try:
                values[name] = _value(column, row, key, whole, unit)
            except _Odd as odd:
                raise _Odd(f"{name} {odd}") from None
        return values

    def _name(self, place: int, key: str | None, row: object) -> str:
        texts: list[object] = [key]
        for name in ("symbol", "id", "slug", "pool", "name", "base"):
            column = self.spec.columns.get(name)
            if column is not None and column.path and not column.whole:
                texts.append(_at(row, column.path))
        named = next((text for text in texts if isinstance(text, str) and text), None)
        return named[:MEMORY_SYMBOL] if named else f"row {place}"


def refusal_of(text: str) -> UpstreamError:
    """The error an upstream tells in words: a limit that is used up, or that it is broken."""
    limited = any(word in text.lower() for word in LIMITED)
    return UpstreamRateLimited(text[:200]) if limited else UpstreamBroken(text[:200])


_MISSING = object()


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        if isinstance(value, dict):
            value = value.get(key, _MISSING)
        elif isinstance(value, list) and key.lstrip("-").isdecimal() and key.isascii() and len(key) < 7:
            place = int(key)
            value = value[place] if -len(value) <= place < len(value) else _MISSING
        else:
            return _MISSING
    return value


def _shown(path: tuple[str, ...]) -> str:
    return ".".join(("$", *path))


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _value(column: Column, row: object, key: str | None, whole: object, unit: str) -> Any:
    if column.constant is not None:
        found: object = column.constant
    elif column.key:
        found = key
    else:
        found = _at(whole if column.whole else row, column.path)
    if found is None or found is _MISSING or found == "":
        return None
    match column.kind:
        case "text":
            return _text(found)
        case "ticker":
            return _text(found).upper()
        case "list":
            return _list(found)
        case "flag":
            return found if isinstance(found, bool) else _word(found).lower() in _TRUE
        case "time":
            return _time(found, unit)
    return _amount(column, found)


def _amount(column: Column, found: object) -> float | int | None:
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise _Odd(f"is no number but {_what(found)}")
    amount = number(found)
    if amount is None:
        return None
    amount *= column.factor
    if column.kind == "count":
        # A whole number as it was sent: a float would round beyond 2^53.
        exact = isinstance(found, int) and column.factor == 1.0
        return int(found) if exact else round(amount)
    return None if column.kind == "positive" and amount <= 0 else amount


def _text(found: object) -> str:
    if isinstance(found, str):
        return found.strip()
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    raise _Odd(f"is no text but {_what(found)}")


def _list(found: object) -> tuple[str, ...]:
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise _Odd(f"is no list of texts but {_what(found)}")
    return tuple(found[:LIST_LIMIT])


def _time(found: object, unit: str) -> int | None:
    """Milliseconds UTC; a number where a text was declared, or the other way round, is another unit."""
    if unit == "iso":
        if not isinstance(found, str):
            raise _Odd(f"is no time but {_what(found)}")
        return iso_ms(found)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise _Odd(f"is no time but {_what(found)}")
    amount = number(found)
    if amount is None:
        return None
    moment = amount * _UNITS[unit]
    # 0 is the upstream's word for never.
    return round(moment) if 0 < moment < _LAST_MS * 1000 else None


def _what(found: object) -> str:
    return {dict: "an object", list: "a list", bool: "true or false", str: "text"}.get(
        type(found), "a number"
    )


def _splitter(spec: TableSpec) -> Separated | Splitter | _Reversed | None:
    if not spec.symbol_form:
        return None
    if spec.symbol_form == "BASEQUOTE":
        return Splitter(spec.quotes, spec.aliases)
    separated = Separated(spec.symbol_form.strip("BASEQUOT"), spec.aliases)
    return _Reversed(separated) if spec.symbol_form.startswith("QUOTE") else separated


class _Reversed:
    """Symbols with the quote ticker before the base."""

    __slots__ = ("_separated",)

    def __init__(self, separated: Separated) -> None:
        self._separated = separated

    def __call__(self, symbol: str) -> Pair | None:
        pair = self._separated(symbol)
        return None if pair is None else Pair(pair.quote, pair.base)


def body_error(reply: Reply, spec: TableSpec) -> UpstreamError | None:
    """What a non-2xx answer says in the place of its error, or None."""
    try:
        said = _at(msgspec.json.decode(reply.body), spec.error)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return refusal_of(said) if isinstance(said, str) and said else None
