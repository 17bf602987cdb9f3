"""What an unknown body is: a table of prices, and then where in it each value stands; a feed; a description of an API.

Pure, and for bodies of strangers: everything is looked at up to a bound. A table is guessed by what its values are, and
by the names of its fields only where values cannot tell: a column names pairs because known tickers are in it. Guesses
are many and ordered; which of them is right is shown by prices (`services/discovery_probe.py`), never assumed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

import msgspec

from ..model.errors import PayloadChanged
from .kit import Splitter, iso_ms, number

QUOTE_TICKERS = (
    "USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "DAI", "EUR", "GBP", "JPY", "KRW", "TRY", "BRL", "AUD", "CAD",
    "CHF", "INR", "IDR", "MXN", "ZAR", "PLN", "UAH", "THB", "NGN", "BTC", "ETH", "BNB",
)  # fmt: skip
"""Currencies that venues quote in: what ends a joined symbol."""
MIN_ROWS = 3
SAMPLE = 120
"""Rows of a table that are looked at, spread over it."""
NODES, DEPTH = 2_000, 4
"""Values below the top that are looked at for tables, and how far below."""
COLUMNS = 80
MAX_GUESSES = 10
NAMED_SHARE = 0.3
"""Of the sampled rows as many must name a pair whose base is known: venues list much that nobody knows."""
PRICED_SHARE = 0.5
NEAR_MS = 2 * 86_400_000
"""A column is a time when its values lie this close to now."""

Known = Callable[[str], bool]
"""Whether a base ticker (upper case) means a coin: no currency, and nothing that stands for one."""
_MARKS = "_-/:"
_KEY = "@key"
_NOT_NAMES = ("=", "$", "@", "*")
"""What a path in `providers/table.py` reads in another way."""
_PRICES = (
    "last", "lastprice", "lastpr", "lasttradeprice", "lasttradedprice", "lastdealprice", "pricelast", "ltp", "tradeprice",
    "price", "priceusd", "usdprice", "currentprice", "close", "closeprice", "lastusd", "rate", "rateusd", "usd", "value", "c",
)  # fmt: skip
_NAMES: Mapping[str, tuple[str, ...]] = {
    "bid": ("bid", "bidprice", "bestbid", "bestbidprice", "highestbid", "bid1price", "bidpr", "buy"),
    "ask": ("ask", "askprice", "bestask", "bestaskprice", "lowestask", "ask1price", "askpr", "sell"),
    "base_volume": ("basevolume", "volume", "vol", "volume24h", "vol24h", "basevol", "volumebase", "amount", "v"),
    "quote_volume": ("quotevolume", "turnover", "turnover24h", "quotevol", "volumequote", "targetvolume", "volvalue", "q"),
    "high": ("high", "high24h", "highprice", "highprice24h", "high24hr", "h"),
    "low": ("low", "low24h", "lowprice", "lowprice24h", "low24hr", "l"),
    "time": ("time", "timestamp", "ts", "at", "updated", "updatedat", "closetime", "lastupdated", "t"),
}  # fmt: skip
_JOINED = Splitter(QUOTE_TICKERS)
_WORDS = re.compile(r"[^a-z0-9]")
_FEED = re.compile(r"<(?:rss|feed|rdf:rdf)[\s>]", re.IGNORECASE)


class Guess(NamedTuple):
    """How a body may be read: `table` are the fields of `tables.quotes` of a catalogue entry, without its path. `rows` are
    all the rows there, `named` is the share of them that name a pair of a known asset."""

    table: Mapping[str, Any]
    rows: int
    named: float


class _Rows(NamedTuple):
    path: str
    length: int
    columns: Mapping[str, Sequence[Any]]
    """Values of the sampled rows by column, None where a row has none."""


def kind_of(body: bytes) -> str:
    """`feed`, `html`, `json` or `other`, by how it begins."""
    head = body[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[:1] in (b"{", b"["):
        return "json"
    if head[:1] != b"<":
        return "other"
    return "feed" if _FEED.search(head.decode("latin-1")) else "html"


def document(body: bytes) -> Any:
    """The JSON of a body. Raises PayloadChanged for what is none, or is nested beyond all reason."""
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise PayloadChanged("the body is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadChanged(f"the body is not JSON: {error}") from None


def meaning_of(found: Any) -> str:
    """What a JSON document is: `openapi`, `linkset`, `apis_json`, `feed`, or `table` for any other."""
    if isinstance(found, dict):
        if isinstance(found.get("paths"), dict) and ("openapi" in found or "swagger" in found):
            return "openapi"
        if isinstance(found.get("linkset"), list):
            return "linkset"
        if isinstance(found.get("apis"), list):
            return "apis_json"
        if str(found.get("version", "")).startswith("https://jsonfeed.org/"):
            return "feed"
    return "table"


def guesses(found: Any, known: Known, received_ms: int) -> list[Guess]:
    """How the tables of a JSON document may be read as quotes, the likeliest first, MAX_GUESSES at most; none where no
    table names pairs of known assets beside something that can be a price. Times are compared with `received_ms`."""
    made: list[Guess] = []
    for rows in _tables(found):
        pairs = _pairs(rows, known)
        prices = _prices(rows)
        for share, fields in pairs[:3]:
            for price in prices[:4]:
                if price in fields.values():
                    continue
                table: dict[str, Any] = {
                    "rows": rows.path,
                    **fields,
                    "price": price,
                    **_others(rows, price, received_ms),
                }
                if fields.get("symbol_form") == "BASEQUOTE":
                    table["quotes"] = list(QUOTE_TICKERS)
                made.append(Guess({k: v for k, v in table.items() if v or k != "rows"}, rows.length, share))
    made.sort(key=lambda guess: -min(guess.rows, SAMPLE) * guess.named)
    return made[:MAX_GUESSES]


def _tables(found: Any) -> Iterator[_Rows]:
    """Lists of objects and objects of objects, from the top down."""
    waiting: list[tuple[str, Any]] = [("", found)]
    seen = 0
    while waiting and seen < NODES:
        path, value = waiting.pop(0)
        seen += 1
        if isinstance(value, list):
            if _objects(value[:SAMPLE]):
                yield _sampled(path, value, None)
        elif isinstance(value, dict):
            if _objects(list(value.values())[:SAMPLE]):
                yield _sampled(path, list(value.values()), list(value))
            if path.count(".") < DEPTH - 1:
                for key, item in list(value.items())[:NODES]:
                    if isinstance(item, list | dict) and _nameable(key) and len(waiting) < NODES:
                        waiting.append((f"{path}.{key}" if path else key, item))


def _objects(rows: Sequence[Any]) -> bool:
    return len(rows) >= MIN_ROWS and sum(isinstance(row, dict) for row in rows) >= 0.8 * len(rows)


def _nameable(name: str) -> bool:
    """Whether a path can lead to it."""
    return 0 < len(name) <= 60 and "." not in name and not name.startswith(_NOT_NAMES)


def _sampled(path: str, rows: Sequence[Any], keys: Sequence[str] | None) -> _Rows:
    step = max(1, len(rows) // SAMPLE)
    chosen = [place for place in range(0, len(rows), step) if isinstance(rows[place], dict)][:SAMPLE]
    columns: dict[str, list[Any]] = {}
    if keys is not None:
        columns[_KEY] = [keys[place] for place in chosen]
    for at, place in enumerate(chosen):
        for name, value in _flat(rows[place]):
            if name not in columns and len(columns) >= COLUMNS:
                continue
            columns.setdefault(name, [None] * len(chosen))[at] = value
    return _Rows(path, len(rows), columns)


def _flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A row's plain values, and those of objects in it, by path."""
    for name, value in list(row.items())[:COLUMNS]:
        if not _nameable(name):
            continue
        if isinstance(value, str | int | float):
            yield name, value
        elif isinstance(value, dict):
            for inner, item in list(value.items())[:COLUMNS]:
                if isinstance(item, str | int | float) and _nameable(inner):
                    yield f"{name}.{inner}", item


def _pairs(rows: _Rows, known: Known) -> list[tuple[float, dict[str, str]]]:
    """Ways to read a row's pair, each with the share of rows where it works, the best first."""
    found: list[tuple[float, int, dict[str, str]]] = []
    bases: list[tuple[float, str]] = []
    quotes: list[tuple[float, str]] = []
    for name, column in rows.columns.items():
        texts = [value.strip().upper() for value in column if isinstance(value, str) and 0 < len(value) <= 40]
        if len(texts) < PRICED_SHARE * len(column):
            continue
        for mark in _MARKS:
            share, turned = _shares(texts, mark, known, len(column))
            found.append((share, 0, {"symbol": name, "symbol_form": f"BASE{mark}QUOTE"}))
            if mark != ":":
                found.append((turned, 1, {"symbol": name, "symbol_form": f"QUOTE{mark}BASE"}))
        pairs = [pair for text in texts if (pair := _JOINED(text)) is not None]
        joined = sum(known(pair.base) for pair in pairs) / len(column)
        found.append((joined, 1, {"symbol": name, "symbol_form": "BASEQUOTE"}))
        quotes.append((sum(text in QUOTE_TICKERS for text in texts) / len(column), name))
        # Of a list of coins each has its own row; of a list of pairs the quote repeats.
        bases.append((sum(map(known, texts)) / len(column), name))
    quoted = [name for share, name in sorted(quotes, reverse=True) if share >= 0.9][:2]
    for share, name in sorted(bases, key=lambda row: (-row[0], _hint(row[1]), row[1]))[:3]:
        alone = [quote for quote in quoted if quote != name]
        found += [(share, 2, {"base": name, "quote": quote}) for quote in alone]
        if not alone and len({*rows.columns[name]}) > len(rows.columns[name]) / 2:
            found += [
                (share, 3, {"base": name, "quote": "=USD"}),
                (share, 4, {"base": name, "quote": "=USDT"}),
            ]
    best = sorted((row for row in found if row[0] >= NAMED_SHARE), key=lambda row: (-row[0], row[1]))
    return [(share, fields) for share, _, fields in best]


def _hint(name: str) -> int:
    word = _plain(name)
    return 0 if word in ("base", "basecurrency", "baseasset", "basecoin", "symbol", "ticker", "code") else 1


def _shares(texts: Sequence[str], mark: str, known: Known, rows: int) -> tuple[float, float]:
    """Of how many rows the text is a pair: base first, and quote first."""
    right = turned = 0
    for text in texts:
        first, found, second = text.partition(mark)
        if found and mark not in second:
            right += second in QUOTE_TICKERS and known(first)
            turned += first in QUOTE_TICKERS and known(second)
    return right / rows, turned / rows


def _prices(rows: _Rows) -> list[str]:
    """Columns that may be the price, the likeliest name first."""
    found = []
    for name, column in rows.columns.items():
        word = _plain(name)
        values = _numbers(column)
        if word in _PRICES and sum(value > 0 for value in values) >= PRICED_SHARE * len(column):
            found.append((_PRICES.index(word), name))
    return [name for _, name in sorted(found)]


def _others(rows: _Rows, price: str, received_ms: int) -> dict[str, str]:
    """The other columns, each only where its values can be what its name says: nothing doubtful is read."""
    columns = {what: _column(rows, names) for what, names in _NAMES.items()}
    last = rows.columns[price]
    found: dict[str, str] = {}
    for what, low, high in (("bid", 0.8, 1.05), ("ask", 0.95, 1.25), ("high", 0.99, 3.0), ("low", 0.3, 1.01)):
        name = columns[what]
        if name and name != price and low <= _ratio(rows.columns[name], last) <= high:
            found[what] = name
    base, quote = columns["base_volume"], columns["quote_volume"]
    if base and quote and base != quote:
        paid = [
            None if v is None or p is None else v * p for v, p in zip(*_both(rows, base, price), strict=True)
        ]
        bought = _ratio(rows.columns[quote], paid)
        if 0.7 <= bought <= 1.4:
            found |= {"base_volume": base, "quote_volume": quote}
    name = columns["time"]
    if name and (unit := _unit(rows.columns[name], received_ms)):
        found |= {"time": name, "time_unit": unit}
    return found


def _both(rows: _Rows, one: str, other: str) -> tuple[list[float | None], list[float | None]]:
    return [number_of(v) for v in rows.columns[one]], [number_of(v) for v in rows.columns[other]]


def _unit(column: Sequence[Any], now_ms: int) -> str:
    """`ms`, `s` or `iso`; empty where the values are no times of about now."""
    values = _numbers(column)
    if values:
        middle = median(values)
        for unit, factor in (("ms", 1), ("s", 1000)):
            if abs(middle * factor - now_ms) <= NEAR_MS:
                return unit
        return ""
    times = [ms for v in column if isinstance(v, str) and len(v) <= 40 and (ms := iso_ms(v)) is not None]
    return "iso" if times and abs(median(times) - now_ms) <= NEAR_MS else ""


def _ratio(column: Sequence[Any], other: Sequence[Any]) -> float:
    """The median of one column over another; 0 where they have nothing in common."""
    found = [
        a / b
        for one, two in zip(column, other, strict=True)
        if (a := number_of(one)) is not None and (b := number_of(two)) is not None and a > 0 and b > 0
    ]
    return median(found) if len(found) >= MIN_ROWS else 0.0


def _column(rows: _Rows, names: Sequence[str]) -> str:
    places = {_plain(name): name for name in reversed(list(rows.columns))}
    return next((places[word] for word in names if word in places), "")


def _numbers(column: Sequence[Any]) -> list[float]:
    return [value for item in column if (value := number_of(item)) is not None]


def number_of(value: Any) -> float | None:
    """A finite number or one sent as text; None for anything else, a truth value too."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return number(value[:40] if isinstance(value, str) else value)


def _plain(name: str) -> str:
    """The last step of a path as a word."""
    return _WORDS.sub("", name.rpartition(".")[2].lower())
