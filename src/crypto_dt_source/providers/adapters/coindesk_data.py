"""CoinDesk Data, the successor of CryptoCompare's API, with the same key: the CADLI index of each coin.

https://developers.coindesk.com/documentation/data-api/introduction
"""

from __future__ import annotations

import msgspec

from ...model.ask import CandlesAsk, Capability, CoinsAsk, QuotesAsk
from ...model.candle import INTERVAL_MS, Candle
from ...model.errors import (
    KeyRefused,
    PayloadChanged,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.market import CoinMarket
from ...model.quote import Quote
from ..kit import Adapter, Endpoint, Reply, Request, T, decoder, is_closed, positive, read, seconds, window
from ..paging import Pages, id_lists, list_after

MARKET = ("market", "cadli")
IDS_A_CALL = 50
TOP_ROWS = 100
TOP_PAGES = Pages(TOP_ROWS, 50, 20, 10)
MAX_ROWS = 2000
RATE_LIMIT_TYPE = 99
INTERVALS = {"1m": "minutes", "1h": "hours", "1d": "days"}


class _Info(msgspec.Struct):
    param: str | None = None


class _Err(msgspec.Struct):
    type: int | None = None
    message: str = ""
    other_info: _Info | None = None


class _Failure(msgspec.Struct):
    Err: _Err = msgspec.field(default_factory=_Err)


_failure = decoder(_Failure)


def explain(reply: Reply) -> UpstreamError | None:
    """The meaning of `Err`, or None when it is empty or the body is another one."""
    try:
        err = _failure.decode(reply.body).Err
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not err.message:
        return None
    text = err.message.lower()
    if err.type == RATE_LIMIT_TYPE or "rate limit" in text:
        return UpstreamRateLimited("the key's calls are used up")
    if "api key" in text or "api_key" in text or reply.status == 401:
        return KeyRefused("the key is missing or not valid")
    if err.other_info is not None and err.other_info.param in ("instrument", "instruments"):
        return SymbolNotListed("the aggregator does not know this pair")
    return UpstreamRejected(err.message[:200])


def _read(decode: msgspec.json.Decoder[T], reply: Reply) -> T:
    try:
        return read(decode, reply.body)
    except PayloadChanged:
        if (error := explain(reply)) is not None:
            raise error from None
        raise


class _Tick(msgspec.Struct):
    INSTRUMENT: str
    VALUE: float | None = None
    VALUE_LAST_UPDATE_TS: float | None = None
    MOVING_24_HOUR_VOLUME: float | None = None
    MOVING_24_HOUR_QUOTE_VOLUME: float | None = None
    MOVING_24_HOUR_HIGH: float | None = None
    MOVING_24_HOUR_LOW: float | None = None
    MOVING_24_HOUR_CHANGE_PERCENTAGE: float | None = None


class _Ticks(msgspec.Struct):
    Data: dict[str, _Tick]


class _Ranks(msgspec.Struct):
    CIRCULATING_MKT_CAP_USD: int | None = None


class _Coin(msgspec.Struct):
    SYMBOL: str
    NAME: str
    PRICE_USD: float | None = None
    PRICE_USD_LAST_UPDATE_TS: float | None = None
    CIRCULATING_MKT_CAP_USD: float | None = None
    SPOT_MOVING_24_HOUR_QUOTE_VOLUME_USD: float | None = None
    SPOT_MOVING_24_HOUR_CHANGE_PERCENTAGE_USD: float | None = None
    SPOT_MOVING_7_DAY_CHANGE_PERCENTAGE_USD: float | None = None
    SUPPLY_CIRCULATING: float | None = None
    SUPPLY_TOTAL: float | None = None
    SUPPLY_MAX: float | None = None
    TOPLIST_BASE_RANK: _Ranks | None = None


class _List(msgspec.Struct):
    LIST: list[_Coin]


class _Top(msgspec.Struct):
    Data: _List


_ticks = decoder(_Ticks)
_top = decoder(_Top)


def _instrument_lists(ids: tuple[str, ...]) -> list[str]:
    """Coins are tickers here and quoted in dollars; an id that is a pair already (`BTC-EUR`) stays as it is."""
    names = (text if "-" in text else f"{text}-USD" for i in ids if (text := i.strip().upper()))
    return id_lists(names, IDS_A_CALL)


def _quotes_of(instruments: str) -> Request:
    params = (MARKET, ("instruments", instruments), ("apply_mapping", "true"))
    return Request("/index/cc/v1/latest/tick", params)


def _top_of(number: int, size: int) -> Request:
    params = (
        ("page", str(number + 1)),
        ("page_size", str(size)),
        ("sort_by", "CIRCULATING_MKT_CAP_USD"),
        ("sort_direction", "DESC"),
        ("groups", "ID,BASIC,SUPPLY,PRICE,MKT_CAP,VOLUME,CHANGE,TOPLIST_RANK"),
        ("toplist_quote_asset", "USD"),
    )
    return Request("/asset/v1/top/list", params)


def quotes_request(ask: QuotesAsk) -> Request:
    lists = _instrument_lists(ask.ids)
    return _quotes_of(lists[0]) if lists else _top_of(0, TOP_ROWS)


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(_instrument_lists(ask.ids), previous, "instruments")
    return None if following is None else _quotes_of(following)


def _tick_quote(reply: Reply, tick: _Tick) -> Quote | None:
    base, _, quote = tick.INSTRUMENT.upper().rpartition("-")
    price = positive(tick.VALUE)
    if price is None or not base or not quote:
        return None
    return Quote(
        reply.provider,
        base if quote == "USD" else tick.INSTRUMENT,
        base,
        quote,
        price,
        None,
        None,
        tick.MOVING_24_HOUR_VOLUME,
        tick.MOVING_24_HOUR_QUOTE_VOLUME,
        tick.MOVING_24_HOUR_CHANGE_PERCENTAGE,
        positive(tick.MOVING_24_HOUR_HIGH),
        positive(tick.MOVING_24_HOUR_LOW),
        seconds(tick.VALUE_LAST_UPDATE_TS),
        reply.received_ms,
    )


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    if ask.ids:
        # Unknown instruments leave a note in `Err` beside the data of the known ones.
        quotes = [_tick_quote(reply, tick) for tick in _read(_ticks, reply).Data.values()]
        found = [quote for quote in quotes if quote is not None]
        if not found and (error := explain(reply)) is not None:
            raise error
        return found
    return [
        Quote(
            reply.provider,
            coin.native_id,
            coin.ticker,
            "USD",
            coin.price,
            None,
            None,
            None,
            coin.volume_24h,
            coin.change_24h_pct,
            None,
            None,
            coin.event_ms,
            coin.received_ms,
        )
        for coin in coins_parse(reply, CoinsAsk())
    ]


def coins_request(ask: CoinsAsk) -> Request:
    return _top_of(*TOP_PAGES.first(ask))


def coins_next(reply: Reply, ask: CoinsAsk, previous: Request) -> Request | None:
    sent = dict(previous.params)
    rows = len(_read(_top, reply).Data.LIST)
    following = TOP_PAGES.after(ask, int(sent["page"]) - 1, int(sent["page_size"]), rows)
    return None if following is None else _top_of(*following)


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    return [
        CoinMarket(
            reply.provider,
            coin.SYMBOL,
            coin.SYMBOL.strip().upper(),
            coin.NAME,
            coin.TOPLIST_BASE_RANK.CIRCULATING_MKT_CAP_USD if coin.TOPLIST_BASE_RANK else None,
            coin.PRICE_USD,
            positive(coin.CIRCULATING_MKT_CAP_USD),
            coin.SPOT_MOVING_24_HOUR_QUOTE_VOLUME_USD,
            None,
            coin.SPOT_MOVING_24_HOUR_CHANGE_PERCENTAGE_USD,
            coin.SPOT_MOVING_7_DAY_CHANGE_PERCENTAGE_USD,
            None,
            None,
            positive(coin.SUPPLY_CIRCULATING),
            positive(coin.SUPPLY_TOTAL),
            positive(coin.SUPPLY_MAX),
            seconds(positive(coin.PRICE_USD_LAST_UPDATE_TS)),
            reply.received_ms,
        )
        for coin in _read(_top, reply).Data.LIST
        if coin.PRICE_USD is not None and coin.PRICE_USD > 0 and coin.SYMBOL.strip()
    ]


class _Bar(msgspec.Struct):
    TIMESTAMP: int
    OPEN: float
    HIGH: float
    LOW: float
    CLOSE: float
    VOLUME: float | None = None
    QUOTE_VOLUME: float | None = None


class _Bars(msgspec.Struct):
    Data: list[_Bar]


_bars = decoder(_Bars)


def candles_request(ask: CandlesAsk) -> Request:
    step = INTERVAL_MS[ask.interval]
    rows = min(ask.limit, MAX_ROWS)
    end_ms = ask.end_ms
    if ask.start_ms is not None:
        full = ask.start_ms + rows * step
        end_ms = full if end_ms is None else min(end_ms, full)
        rows = max(1, min(rows, -(-(end_ms - ask.start_ms) // step)))
    params = [MARKET, ("instrument", f"{ask.pair.base}-{ask.pair.quote}"), ("limit", str(rows))]
    if end_ms is not None:
        params.append(("to_ts", str((end_ms - 1) // 1000)))  # to_ts is inclusive
    return Request(f"/index/cc/v1/historical/{INTERVALS[ask.interval]}", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    bars = _read(_bars, reply).Data
    if not bars and (error := explain(reply)) is not None:
        raise error
    candles = [
        Candle(
            bar.TIMESTAMP * 1000,
            bar.OPEN,
            bar.HIGH,
            bar.LOW,
            bar.CLOSE,
            bar.VOLUME,
            bar.QUOTE_VOLUME,
            None,
            is_closed(bar.TIMESTAMP * 1000, ask.interval, reply.received_ms),
        )
        for bar in bars
        if bar.LOW > 0
    ]
    return window(candles, ask.start_ms, ask.end_ms, ask.limit)


ADAPTER = Adapter(
    name="coindesk_data",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.CANDLES: Endpoint(candles_request, candles_parse, intervals=INTERVALS, max_rows=MAX_ROWS),
        Capability.COINS: Endpoint(coins_request, coins_parse, coins_next),
    },
    explain=explain,
)
