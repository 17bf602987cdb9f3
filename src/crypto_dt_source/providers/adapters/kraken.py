"""Kraken spot REST. Every answer is `{error, result}` with status 200; a filled `error` list is a refusal.

One market has several names: `XXBTZUSD` (key of old answers), `XBTUSD` (short), `XBT/USD` (socket) and `BTC/USD` (key
of answers with assetVersion=1). BTC is XBT and DOGE is XDG in all but the last.

https://docs.kraken.com/api/docs/rest-api/get-ticker-information
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from ...model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from ...model.asset import Instrument
from ...model.book import Level, OrderBook, Trade
from ...model.candle import Candle
from ...model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair, Quote
from ...model.unreadable import Unreadable
from ..kit import (
    Adapter,
    Endpoint,
    Reply,
    Request,
    Separated,
    Splitter,
    decoder,
    is_closed,
    read_reply,
    read_rows,
    seconds,
    window,
)

T = TypeVar("T")

# The first letter X or Z marks only these old codes; XTZ, ZRX and XCN are whole tickers.
LEGACY = {f"X{code}": code for code in "XBT XDG ETH ETC LTC MLN REP XLM XMR XRP ZEC".split()}
LEGACY |= {f"Z{code}": code for code in "USD EUR GBP CAD JPY AUD".split()}
RENAMED = {"XBT": "BTC", "XDG": "DOGE"}
ALIASES = RENAMED | {old: RENAMED.get(code, code) for old, code in LEGACY.items()}
_NATIVE = {common: native for native, common in RENAMED.items()}

_slashed = Separated("/", ALIASES)
_joined = Splitter("USDT USDC USD EUR GBP CAD JPY AUD CHF AED DAI XBT ETH".split(), ALIASES)
_legacy = re.compile(f"({'|'.join(LEGACY)}|USDT)({'|'.join(LEGACY)})")
# `PEARLUSD` is PEARL in dollars: RLUSD and PYUSD count as quotes only behind the coins they are traded with.
_stable = re.compile(r"(XBT|ETH|XRP|SOL|USDT|USDC)(RLUSD|PYUSD)")

# Weeks are left out: they open on Thursday there, the service's on Monday.
INTERVALS = {"1m": "1", "5m": "5", "15m": "15", "30m": "30", "1h": "60", "4h": "240", "1d": "1440"}
CANDLE_ROWS = 720


@lru_cache(maxsize=20_000)
def split(key: str) -> Pair | None:
    """The pair of a result key in either style; None for dark pools (`XXBTZUSD.d`) and for what no rule can split."""
    if "." in key:
        return None
    if "/" in key:
        return _slashed(key)
    found = _legacy.fullmatch(key) or _stable.fullmatch(key)
    if found is None:
        return _joined(key)
    base, quote = found.groups()
    return Pair(ALIASES.get(base, base), ALIASES.get(quote, quote))


def symbol(pair: Pair) -> str:
    """The short name, `XBTUSD`."""
    return _NATIVE.get(pair.base, pair.base) + _NATIVE.get(pair.quote, pair.quote)


class _Answer(msgspec.Struct, Generic[T]):
    error: list[str]
    result: T | None = None


def refusals(words: list[str]) -> list[str]:
    """The errors among the words of the `error` list; those that begin with `W` are warnings."""
    return [word for word in words if not word.startswith("W")]


def failure(errors: list[str]) -> UpstreamError:
    """The error class of the venue's words, `E` + category + `:` + text."""
    text = f"Kraken answered {'; '.join(errors)[:200]}"
    words = " ".join(errors)
    if "Unknown asset pair" in words or "Unknown asset" in words:
        return SymbolNotListed(text)
    if "Too many requests" in words or "Rate limit exceeded" in words or "lockout" in words:
        return UpstreamRateLimited(text)
    if "EService" in words or "Internal error" in words:
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def checked(answer: _Answer[T]) -> T:
    """The result of an answer; raises what its errors stand for."""
    if errors := refusals(answer.error):
        raise failure(errors)
    if answer.result is None:
        raise PayloadChanged("the body has no result", path="$.result")
    return answer.result


def only(result: dict[str, T]) -> tuple[str, T]:
    """Key and value of the one market in a result; its key may differ from the name that was asked."""
    found = [(key, value) for key, value in result.items() if key != "last"]
    if len(found) != 1:
        raise PayloadChanged(f"expected one market, got {len(found)}", path="$.result")
    return found[0]


class _First(msgspec.Struct, array_like=True, gc=False):
    price: float


class _Day(msgspec.Struct, array_like=True, gc=False):
    today: float
    day: float


class _Ticker(msgspec.Struct, gc=False):
    a: _First
    b: _First
    c: _First
    v: _Day
    p: _Day
    l: _Day  # noqa: E741 - wire name
    h: _Day


_tickers = decoder(_Answer[dict[str, _Ticker]])


def quotes_request(ask: QuotesAsk) -> Request:
    """One pair by its short name; anything else from the full list, since one unknown name fails a whole batch."""
    if len(ask.pairs) == 1:
        return Request("/0/public/Ticker", (("pair", symbol(ask.pairs[0])),))
    return Request("/0/public/Ticker", (("assetVersion", "1"),))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote | Unreadable]:
    """Last trade and the figures of the last 24 h (second of each pair). `o` is today's open, so there is no 24 h
    change. Quote volume is volume times the volume-weighted average price, which is what that average is made of.
    Tickers carry no time; a market without trades in 24 h has zeros and gives no quote."""
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "result")
    result = checked(answer)
    provider, received = reply.provider, reply.received_ms
    # The key of a single market may be any of its names; which market it is was asked.
    asked = ask.pairs[0] if len(ask.pairs) == 1 and only(result) else None
    wanted = set(ask.pairs)
    quotes: list[Quote | Unreadable] = [*unreadable]
    for key, row in result.items():
        price, volume = row.c.price, row.v.day
        if price <= 0 or volume == 0:
            continue
        pair = asked or split(key)
        if pair is None or (wanted and pair not in wanted):
            continue
        quotes.append(
            Quote(
                provider,
                key,
                pair[0],
                pair[1],
                price,
                row.b.price or None,
                row.a.price or None,
                volume,
                volume * row.p.day,
                None,
                row.h.day or None,
                row.l.day or None,
                None,
                received,
            )
        )
    return quotes


class _Bar(msgspec.Struct, array_like=True, gc=False):
    open_s: int
    open: float
    high: float
    low: float
    close: float
    vwap: float
    volume: float
    trades: int


_bars = decoder(_Answer[dict[str, list[_Bar] | int]])


def candles_request(ask: CandlesAsk) -> Request:
    """`since` is in seconds and exclusive; there is no end and no row count."""
    params = [("pair", symbol(ask.pair)), ("interval", INTERVALS[ask.interval])]
    if ask.start_ms is not None:
        params.append(("since", str((ask.start_ms - 1) // 1000)))
    return Request("/0/public/OHLC", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    """The venue keeps the last 720 rows of an interval and answers with those whatever `since` says; raises NotOffered
    for a range that begins (or, without a start, ends) before them, so that another venue is asked."""
    _, rows = only(checked(read_reply(_bars, reply, explain)))
    if isinstance(rows, int):
        raise PayloadChanged("the market has no rows", path="$.result[...]")
    received = reply.received_ms
    candles = [
        Candle(
            k.open_s * 1000,
            k.open,
            k.high,
            k.low,
            k.close,
            k.volume,
            k.volume * k.vwap,
            k.trades,
            is_closed(k.open_s * 1000, ask.interval, received),
        )
        for k in rows
    ]
    asked = window(candles, ask.start_ms, ask.end_ms, ask.limit)
    if len(rows) >= CANDLE_ROWS:
        oldest_ms = min(c.open_ms for c in candles)
        step_ms = int(INTERVALS[ask.interval]) * 60_000
        if not asked or (ask.start_ms is not None and ask.start_ms <= oldest_ms - step_ms):
            raise NotOffered("keeps the last 720 candles of an interval, the range is older")
    return asked


_Level = Annotated[list[float], msgspec.Meta(min_length=2)]


class _Depth(msgspec.Struct):
    asks: list[_Level]
    bids: list[_Level]


_depth = decoder(_Answer[dict[str, _Depth]])


def book_request(ask: BookAsk) -> Request:
    return Request("/0/public/Depth", (("pair", symbol(ask.pair)), ("count", str(min(ask.depth, 500)))))


def book_parse(reply: Reply, ask: BookAsk) -> list[OrderBook]:
    """A level is [price, size, second of its last change]; the book itself has no time."""
    key, book = only(checked(read_reply(_depth, reply, explain)))
    return [
        OrderBook(
            reply.provider,
            key,
            ask.pair.base,
            ask.pair.quote,
            tuple(Level(p[0], p[1]) for p in book.bids),
            tuple(Level(p[0], p[1]) for p in book.asks),
            None,
            reply.received_ms,
        )
    ]


class _Trade(msgspec.Struct, array_like=True):
    price: float
    size: float
    time_s: float
    side: Literal["b", "s"]
    order_type: str = ""
    misc: str = ""
    trade_id: int | None = None


_trades = decoder(_Answer[dict[str, list[_Trade] | str]])


def trades_request(ask: TradesAsk) -> Request:
    return Request("/0/public/Trades", (("pair", symbol(ask.pair)), ("count", str(min(ask.limit, 1000)))))


def trades_parse(reply: Reply, ask: TradesAsk) -> list[Trade]:
    """Oldest first; the newest `limit` are kept. Times are seconds with a fraction, `side` is the taker's."""
    key, rows = only(checked(read_reply(_trades, reply, explain)))
    if isinstance(rows, str):
        raise PayloadChanged("the market has no trades list", path="$.result[...]")
    pair = ask.pair
    return [
        Trade(
            reply.provider,
            key,
            pair.base,
            pair.quote,
            None if t.trade_id is None else str(t.trade_id),
            t.price,
            t.size,
            "buy" if t.side == "b" else "sell",
            seconds(t.time_s) or 0,  # 0 is no time, and the row is named for it
        )
        for t in rows[-ask.limit :]
    ]


class _Market(msgspec.Struct):
    altname: str
    wsname: str = ""
    status: str = "online"


_markets = decoder(_Answer[dict[str, _Market]])


def instruments_request(ask: InstrumentsAsk) -> Request:
    return Request("/0/public/AssetPairs")


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Instrument]:
    """`wsname` names base and quote apart. Post-only and cancel-only markets make no trades."""
    instruments = []
    for key, market in checked(read_reply(_markets, reply, explain)).items():
        pair = split(market.wsname or key)
        if pair is not None and "." not in key:
            active = market.status in ("online", "limit_only")
            instruments.append(Instrument(reply.provider, key, pair.base, pair.quote, active))
    return instruments


class _Error(msgspec.Struct):
    error: list[str]


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    """The body's error list; None for HTML (the edge's pages) and for a body without errors."""
    try:
        errors = refusals(_error.decode(reply.body).error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return failure(errors) if errors else None


ADAPTER = Adapter(
    name="kraken",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=CANDLE_ROWS
        ),
        Capability.BOOK: Endpoint(book_request, book_parse, max_rows=500, window=False),
        Capability.TRADES: Endpoint(trades_request, trades_parse, max_rows=1000, window=False),
        Capability.INSTRUMENTS: Endpoint(instruments_request, instruments_parse),
    },
    explain=explain,
)
