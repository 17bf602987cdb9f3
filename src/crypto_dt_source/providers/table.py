"""Where values stand in an answer that needs no code of its own: the `tables` of a catalogue entry, checked and ready to
be read by. docs/add-a-provider.md shows how they are written; `table_rows.py` reads with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..model.ask import Capability
from .catalog import CatalogError, Entry
from .kit import number
from .table_columns import PAIR_WORDS, SHAPES, Kind, Shape

SYMBOL_FORMS = (
    *("BASE_QUOTE", "BASE-QUOTE", "BASE/QUOTE", "BASE:QUOTE", "BASEQUOTE"),
    *("QUOTE_BASE", "QUOTE-BASE", "QUOTE/BASE"),
)
TIME_UNITS = ("ms", "s", "us", "ns", "iso")
METHODS = ("GET", "POST")
MAX_PATH = 400
MAX_BODY = 2_000
MAX_NAMES = 500
CONSTANT, WHOLE, KEY = "=", "$", "@key"
EVERY = "*"
_WORD = re.compile(r"\{(\w+)\}")
_TARGET = re.compile(r"/[\x21-\x7e]*")
_PAIRED = (Capability.QUOTES, Capability.INSTRUMENTS, Capability.FUNDING, Capability.OPEN_INTEREST)


@dataclass(frozen=True, slots=True)
class Column:
    """Where one value stands: a path in the row (or in the whole body), a constant, or the row's key. Numbers are
    multiplied by `factor`."""

    kind: Kind
    path: tuple[str, ...] = ()
    constant: str | None = None
    whole: bool = False
    key: bool = False
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One capability of an entry that needs no code.

    `rows` leads to the list or object of rows, empty where the body is it; `keyed`: it is an object of rows by key. `words`
    are those of the ask that the request holds. `aliases` turn the upstream's tickers into common ones, `chain_names` a
    chain into the upstream's name of it. A row counts only where every path of `where` holds its value (`text*`: begins
    with text). `error` leads to what the body holds when it is no answer.
    """

    capability: Capability
    path: str
    rows: tuple[str, ...]
    keyed: bool
    columns: Mapping[str, Column]
    params: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: str = ""
    words: frozenset[str] = frozenset()
    symbol_form: str = ""
    symbol_prefix: str = ""
    symbol_suffix: str = ""
    quotes: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    chain_names: Mapping[str, str] = field(default_factory=dict)
    where: tuple[tuple[tuple[str, ...], str], ...] = ()
    error: tuple[str, ...] = ()
    invert: bool = False
    time_unit: str = "ms"
    next_time_unit: str = "ms"
    weight: int = 1

    @property
    def per_pair(self) -> bool:
        """Whether the answer is about the one pair that was asked for."""
        return bool(self.words & PAIR_WORDS)


_OPTIONS = {
    *("path", "rows", "params", "method", "body", "symbol_form", "symbol_prefix", "symbol_suffix", "quotes"),
    *("aliases", "chain_names", "where", "error", "invert", "time_unit", "next_time_unit", "weight", "scale"),
}
Fail = Callable[[str], CatalogError]


def specs_of(entry: Entry) -> dict[Capability, TableSpec]:
    """The tables of an entry. Raises CatalogError naming the entry, the table and the field that is wrong."""

    def fail(what: str) -> CatalogError:
        return CatalogError(f"catalog/{entry.category}.toml [{entry.id}]: tables{what}")

    made: dict[Capability, TableSpec] = {}
    for name, raw in entry.tables.items():
        try:
            capability = Capability(name)
            shape = SHAPES[capability]
        except (ValueError, KeyError):
            allowed = ", ".join(sorted(c.value for c in SHAPES))
            raise fail(f".{name} is none of what a table can serve: {allowed}") from None
        if capability not in entry.offers:
            raise fail(f".{name} has no offer; offers.{name} is missing")
        if not isinstance(raw, Mapping):
            raise fail(f".{name} must be a table")
        made[capability] = _spec(entry, capability, shape, raw, lambda what, at=name: fail(f".{at}.{what}"))  # type: ignore[misc]
    missing = next((c.value for c in entry.offers if c not in made), None)
    if missing is not None:
        raise fail(f".{missing} is missing, which is on offer")
    return made


def _spec(
    entry: Entry, capability: Capability, shape: Shape, raw: Mapping[str, Any], fail: Fail
) -> TableSpec:
    if unknown := sorted(set(raw) - _OPTIONS - set(shape.columns)):
        raise fail(f"{unknown[0]} is unknown; allowed: {', '.join(sorted({*_OPTIONS, *shape.columns}))}")
    path, body = _text(raw, "path", MAX_PATH, fail), _text(raw, "body", MAX_BODY, fail)
    if path and not _TARGET.fullmatch(path):
        raise fail("path must begin with a slash and hold neither blanks nor letters beyond ASCII")
    params = tuple(_texts(raw, "params", fail).items())
    method = _one_of(raw, "method", METHODS, "GET", fail)
    if body and method != "POST":
        raise fail("body needs method POST")
    words = frozenset(_WORD.findall(" ".join((path, body, *(value for _, value in params)))))
    if wrong := sorted(words - shape.words):
        allowed = ", ".join(sorted(shape.words)) or "none"
        raise fail(f"path holds {{{wrong[0]}}}; allowed here: {allowed}")
    rows, keyed = _rows(raw, shape, words, fail)
    spec = TableSpec(
        capability=capability,
        path=path,
        rows=rows,
        keyed=keyed,
        columns=_all_columns(raw, shape, fail),
        params=params,
        method=method,
        body=body,
        words=words,
        symbol_form=_one_of(raw, "symbol_form", ("", *SYMBOL_FORMS), "", fail),
        symbol_prefix=_text(raw, "symbol_prefix", 40, fail),
        symbol_suffix=_text(raw, "symbol_suffix", 40, fail),
        quotes=_tickers(raw, entry, fail),
        aliases=_texts(raw, "aliases", fail),
        chain_names=_texts(raw, "chain_names", fail),
        where=tuple((_path(p), value) for p, value in _texts(raw, "where", fail).items()),
        error=_path(_text(raw, "error", MAX_PATH, fail)),
        invert=_flag(raw, "invert", fail),
        time_unit=_one_of(raw, "time_unit", TIME_UNITS, "ms", fail),
        next_time_unit=_one_of(raw, "next_time_unit", TIME_UNITS, str(raw.get("time_unit", "ms")), fail),
        weight=_weight(raw, fail),
    )
    _whole(spec, entry, shape, fail)
    return spec


def _whole(spec: TableSpec, entry: Entry, shape: Shape, fail: Fail) -> None:
    """What the fields must be together."""
    for name in shape.needed:
        if name not in spec.columns:
            raise fail(f"{name} is missing")
    if spec.capability in _PAIRED and not spec.per_pair:
        _names_pairs(spec, fail)
    if spec.capability is Capability.OPEN_INTEREST and not {"amount", "value"} & set(spec.columns):
        raise fail("amount is missing, and value too")
    if spec.capability is Capability.CHAIN_STATS and not set(spec.columns) - {"time"}:
        raise fail("block is missing, and every other column too")
    if spec.capability in (Capability.GAS, Capability.CHAIN_STATS):
        chains = entry.chains_of(spec.capability)
        if not chains:
            raise fail("path serves chains, and the entry names none in chains")
        if "chain" not in spec.words and len(chains) > 1:
            raise fail("path must hold {chain} where the entry has several chains")
        if spec.chain_names and (absent := sorted(set(chains) - set(spec.chain_names))):
            raise fail(f"chain_names has none for {absent[0]}")


def _names_pairs(spec: TableSpec, fail: Fail) -> None:
    has = set(spec.columns)
    if "symbol" in has and spec.symbol_form:
        if spec.symbol_form == "BASEQUOTE" and not spec.quotes:
            raise fail("quotes is missing: the quote tickers a joined symbol ends with")
    elif not {"base", "quote"} <= has:
        raise fail("symbol is missing with its symbol_form, or base and quote")


def _rows(
    raw: Mapping[str, Any], shape: Shape, words: frozenset[str], fail: Fail
) -> tuple[tuple[str, ...], bool]:
    path = _path(_text(raw, "rows", MAX_PATH, fail))
    if EVERY in path[:-1]:
        raise fail("rows may end with *, and hold it nowhere else")
    if path[-1:] == (EVERY,):
        return path[:-1], True
    return path, not shape.single and not words & PAIR_WORDS


def _all_columns(raw: Mapping[str, Any], shape: Shape, fail: Fail) -> dict[str, Column]:
    factors = raw.get("scale", {})
    if not isinstance(factors, Mapping):
        raise fail("scale must be a table of numbers")
    for name, factor in factors.items():
        if name not in raw or name not in shape.columns:
            raise fail(f"scale.{name} is no column of this table")
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not number(factor):
            raise fail(f"scale.{name} must be a number other than 0")
    return {
        name: _column(kind, _text(raw, name, MAX_PATH, fail), float(factors.get(name, 1.0)))
        for name, kind in shape.columns.items()
        if name in raw
    }


def _column(kind: Kind, text: str, factor: float) -> Column:
    if text.startswith(CONSTANT):
        return Column(kind, constant=text[1:], factor=factor)
    if text == KEY:
        return Column(kind, key=True, factor=factor)
    if text == WHOLE or text.startswith(f"{WHOLE}."):
        return Column(kind, _path(text[2:]), whole=True, factor=factor)
    return Column(kind, _path(text), factor=factor)


def _path(text: str) -> tuple[str, ...]:
    return tuple(text.split(".")) if text else ()


def _text(raw: Mapping[str, Any], name: str, limit: int, fail: Fail) -> str:
    value = raw.get(name, "")
    if not isinstance(value, str) or len(value) > limit:
        raise fail(f"{name} must be a text of at most {limit} characters")
    return value


def _texts(raw: Mapping[str, Any], name: str, fail: Fail) -> dict[str, str]:
    value = raw.get(name, {})
    if not isinstance(value, Mapping) or not all(isinstance(v, str) for v in value.values()):
        raise fail(f"{name} must be a table of texts")
    if len(value) > MAX_NAMES:
        raise fail(f"{name} has more than {MAX_NAMES} lines")
    return dict(value)


def _one_of(raw: Mapping[str, Any], name: str, allowed: tuple[str, ...], default: str, fail: Fail) -> str:
    value = raw.get(name, default)
    if value not in allowed:
        raise fail(f"{name} {value!r} is not one of {', '.join(filter(None, allowed))}")
    return str(value)


def _flag(raw: Mapping[str, Any], name: str, fail: Fail) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise fail(f"{name} must be true or false")
    return value


def _weight(raw: Mapping[str, Any], fail: Fail) -> int:
    value = raw.get("weight", 1)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10_000:
        raise fail("weight must be a whole number from 1 to 10000")
    return value


def _tickers(raw: Mapping[str, Any], entry: Entry, fail: Fail) -> tuple[str, ...]:
    value = raw.get("quotes", list(entry.quotes_in))
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise fail("quotes must be a list of tickers")
    return tuple(value)
