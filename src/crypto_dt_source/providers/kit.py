"""What an adapter is made of, and the few helpers every adapter needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import msgspec

from ..model.answer import Record
from ..model.ask import CandlesAsk, Capability
from ..model.candle import INTERVAL_MS, Candle, floor_open
from ..model.errors import PayloadChanged, UpstreamBroken, UpstreamError
from ..model.quote import Pair
from ..model.unreadable import Unreadable

T = TypeVar("T")
LAST_S = 253_402_300_800
"""The year 10000 as a Unix time: a later one is no time."""
UNREADABLE_SHARE = 0.02
"""Of the rows of a list: with more of them unreadable the upstream has changed its shape."""
ROW_NAMES = ("symbol", "instId", "currency_pair", "pair", "i")
"""Where a venue's ticker has its own name."""
MEMORY = 20_000
"""Symbols a splitter remembers."""
MEMORY_SYMBOL = 40
"""Characters of the longest symbol it remembers."""


@dataclass(frozen=True, slots=True)
class Request:
    """One upstream request, below the entry's base URL. `weight` is what the upstream meters for it. `moves`: a redirect is
    followed, which APIs have no use for and documents live by."""

    path: str
    params: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    moves: bool = False

    def target(self) -> str:
        """Path and query, percent-encoded."""
        return f"{self.path}?{urlencode(self.params)}" if self.params else self.path


@dataclass(frozen=True, slots=True)
class Reply:
    """One upstream answer. `headers` have lower-case names; `received_ms` is our clock when the body was complete; `asked`
    is the request it answers, None for a body from elsewhere."""

    provider: str
    status: int
    body: bytes
    received_ms: int
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: Request | None = field(default=None, repr=False)


RequestFn = Callable[[Any], Request]
ParseFn = Callable[[Reply, Any], Iterable[Record]]
NextFn = Callable[[Reply, Any, Request], Request | None]
MergeFn = Callable[[Sequence[Reply], Any], Iterable[Record]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one capability is asked and read.

    `request(ask)` builds the first request; it raises NotOffered for an ask this API cannot serve. `parse(reply, ask)`
    reads a 2xx reply; it raises an UpstreamError for an error inside a 200 and PayloadChanged for a body of another
    shape. `next(reply, ask, previous)` gives the following page or None. `intervals` maps the service's interval names
    to the upstream's for candles; `max_rows` is the most candles, levels or trades a call returns; `window` says
    whether start and end can be asked for. `per_pair`: the API answers one pair a call, so the gateway asks for each
    pair of a QuotesAsk by itself (parse then gets an ask with exactly that pair). `merge(replies, ask)`: one record takes
    several pages; it makes the records of all of them, and what parse reads of a single page only shows that it is good.
    `threaded`: all of it is work for a thread, never for the event loop.
    """

    request: RequestFn
    parse: ParseFn
    next: NextFn | None = None
    intervals: Mapping[str, str] = field(default_factory=dict)
    max_rows: int = 1000
    window: bool = True
    per_pair: bool = False
    conditional: bool = False
    threaded: bool = False
    merge: MergeFn | None = None


@dataclass(frozen=True, slots=True)
class Adapter:
    """One upstream API. `explain` reads a non-2xx reply whose body says more than its status, or returns None."""

    name: str
    endpoints: Mapping[Capability, Endpoint]
    explain: Callable[[Reply], UpstreamError | None] = lambda reply: None


def decoder(shape: type[T], *, strict: bool = False) -> msgspec.json.Decoder[T]:
    """A decoder for the declared shape. `strict=False` reads numbers sent as strings."""
    return msgspec.json.Decoder(shape, strict=strict)


def path_of(error: msgspec.ValidationError) -> str:
    """Where in the body the value is that does not fit (`$.data[0].price`); `$` where it is not told."""
    text = str(error)
    return text.rsplit(" - at `", 1)[1].rstrip("`") if " - at `" in text else "$"


def read(decode: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode, turning any mismatch into PayloadChanged with its path."""
    try:
        return decode.decode(body)
    except msgspec.ValidationError as error:
        raise PayloadChanged(
            f"the body does not have the expected shape: {error}", path=path_of(error)
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        start = body[:80].lstrip()
        kind = "HTML" if start[:1] == b"<" else "not JSON, or cut short"
        raise PayloadChanged(f"the body is {kind}: {error}", path="$") from None


def read_reply(
    decode: msgspec.json.Decoder[T], reply: Reply, explain: Callable[[Reply], UpstreamError | None]
) -> T:
    """Like `read` on a 2xx reply; a body of another shape that `explain` knows as the API's error raises that error."""
    try:
        return read(decode, reply.body)
    except PayloadChanged:
        error = explain(reply)
        if error is None:
            raise
        raise error from None


def read_rows(
    decode: msgspec.json.Decoder[T],
    row: type,
    reply: Reply,
    explain: Callable[[Reply], UpstreamError | None],
    *path: str,
) -> tuple[T, list[Unreadable]]:
    """Like `read_reply` for a body with a list (or an object) of many `row` under the keys `path`: rows of another shape
    do not lose the others. They are left out and named, as long as they are at most UNREADABLE_SHARE of all."""
    try:
        return read_reply(decode, reply, explain), []
    except PayloadChanged:
        mended = _without_bad_rows(decode, row, reply.body, path)
        if mended is None:
            raise
        return mended


def _without_bad_rows(
    decode: msgspec.json.Decoder[T], row: type, body: bytes, path: Sequence[str]
) -> tuple[T, list[Unreadable]] | None:
    try:
        whole: Any = msgspec.json.decode(body)
        rows = whole
        for key in path:
            rows = rows[key]
        bad: dict[Any, str] = {}
        for place, value in rows.items() if isinstance(rows, dict) else enumerate(rows):
            try:
                msgspec.convert(value, row, strict=decode.strict)
            except msgspec.ValidationError as error:
                bad[place] = str(error)[:100]
        if len(bad) > UNREADABLE_SHARE * len(rows):
            return None
        named = [Unreadable(_row_name(place, rows[place]), reason) for place, reason in bad.items()]
        for place in reversed(bad):
            del rows[place]
        return msgspec.convert(whole, decode.type, strict=decode.strict), named
    except (msgspec.MsgspecError, UnicodeDecodeError, LookupError, TypeError, RecursionError):
        return None  # not JSON, no such list, or something beside its rows does not fit


def _row_name(place: int | str, row: object) -> str:
    names: list[object] = [place]
    if isinstance(row, dict):
        names += [row.get(key) for key in ROW_NAMES]
    elif isinstance(row, list):
        names += row[:1]
    texts = [name for name in names if isinstance(name, str)]
    return texts[0][:MEMORY_SYMBOL] if texts else f"row {place}"


def number(value: str | float | None) -> float | None:
    """A finite float, or None for null, empty text and text that is no number (`"NaN"`, `"-"`)."""
    if value is None or value == "":
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def positive(value: str | float | None) -> float | None:
    """Like `number`, and None for 0 and below: for fields where 0 is the upstream's word for 'nothing'."""
    result = number(value)
    return result if result is not None and result > 0 else None


def seconds(value: str | float | None) -> int | None:
    """Milliseconds of a Unix time in seconds, which may carry a fraction; None for null and what can be no time."""
    result = number(value)
    return None if result is None or abs(result) > LAST_S else round(result * 1000)


def iso_ms(text: str | None) -> int | None:
    """Milliseconds of an ISO 8601 time, UTC when it names no zone; None for null or text that is no time."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):  # the calendar's last day, in a zone that reaches beyond it
        return None


def iso(ms: int) -> str:
    """`2026-11-22T06:00:00Z` of milliseconds, for upstreams that take times as text."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _remember(known: dict[str, Pair | None], symbol: str, pair: Pair | None) -> None:
    if len(symbol) > MEMORY_SYMBOL:
        return
    if len(known) >= MEMORY:
        known.clear()
    known[symbol] = pair


class Splitter:
    """Splits a joined symbol (`BTCUSDT`) by the venue's own list of quote tickers, the longest that fits first.

    Results are remembered, so a payload of thousands of known pairs costs one dictionary look-up each; the memory is
    bounded in count and in length, and starts anew when it is full.
    """

    __slots__ = ("_aliases", "_known", "_quotes")

    def __init__(self, quotes: Sequence[str], aliases: Mapping[str, str] | None = None) -> None:
        self._quotes = tuple(sorted(quotes, key=len, reverse=True))
        self._aliases = dict(aliases or {})
        self._known: dict[str, Pair | None] = {}

    def __call__(self, symbol: str) -> Pair | None:
        """The pair, or None when no known quote ticker ends the symbol."""
        try:
            return self._known[symbol]
        except KeyError:
            return self._learn(symbol)

    def _learn(self, symbol: str) -> Pair | None:
        text = symbol.upper()
        pair = None
        for quote in self._quotes:
            if text.endswith(quote) and len(text) > len(quote):
                base = text[: -len(quote)].strip("-_/:")
                pair = Pair(self._aliases.get(base, base), self._aliases.get(quote, quote)) if base else None
                break
        _remember(self._known, symbol, pair)
        return pair


class Separated:
    """Splits `BTC-USD`, `BTC_USDT`, `BTC/USD` at its separator, with the venue's aliases (`XBT` is `BTC`)."""

    __slots__ = ("_aliases", "_known", "_separator")

    def __init__(self, separator: str, aliases: Mapping[str, str] | None = None) -> None:
        self._separator = separator
        self._aliases = dict(aliases or {})
        self._known: dict[str, Pair | None] = {}

    def __call__(self, symbol: str) -> Pair | None:
        """The pair, or None when the symbol does not have exactly two parts."""
        try:
            return self._known[symbol]
        except KeyError:
            return self._learn(symbol)

    def _learn(self, symbol: str) -> Pair | None:
        parts = symbol.upper().split(self._separator)
        pair = None
        if len(parts) == 2 and all(parts):
            pair = Pair(self._aliases.get(parts[0], parts[0]), self._aliases.get(parts[1], parts[1]))
        _remember(self._known, symbol, pair)
        return pair


def ascending(candles: Iterable[Candle]) -> list[Candle]:
    """Sorted by open time, one per open time, the last given winning."""
    return [candle for _, candle in sorted({c.open_ms: c for c in candles}.items())]


def is_closed(open_ms: int, interval: str, received_ms: int) -> bool:
    """Whether the candle had ended when the reply came, for upstreams that carry no flag."""
    return open_ms + INTERVAL_MS[interval] <= received_ms


def window(candles: Iterable[Candle], start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
    """What was asked of an upstream that answers with more: open times in [start, end), at most `limit` rows (the
    oldest when a start was given, else the newest)."""
    rows = [
        c
        for c in ascending(candles)
        if (start_ms is None or c.open_ms >= start_ms) and (end_ms is None or c.open_ms < end_ms)
    ]
    return rows[:limit] if start_ms is not None else rows[-limit:]


def span(ask: CandlesAsk, max_rows: int) -> tuple[int, int] | None:
    """The exact [start, end) in ms that holds what one call of at most `max_rows` can answer; None when both sides of
    the ask are open. With one side open venues disagree on which rows they give (the oldest, the newest, or all of
    the range ignored); with both sides given and no more rows than a call holds there is only one answer."""
    length = min(ask.limit, max_rows) * INTERVAL_MS[ask.interval]
    if ask.start_ms is not None:
        end = ask.start_ms + length
        return ask.start_ms, end if ask.end_ms is None else min(end, ask.end_ms)
    if ask.end_ms is not None:
        return max(0, ask.end_ms - length), ask.end_ms
    return None


def opens(ask: CandlesAsk, max_rows: int) -> tuple[int, int] | None:
    """First and last open time inside `span`, both belonging to it, for APIs whose range includes both ends."""
    bounds = span(ask, max_rows)
    if bounds is None:
        return None
    first = floor_open(bounds[0] + INTERVAL_MS[ask.interval] - 1, ask.interval)
    return first, max(first, floor_open(bounds[1] - 1, ask.interval))


def broken(message: str) -> UpstreamError:
    """The upstream's own word for 'internal error' inside a 200."""
    return UpstreamBroken(message[:200])
