"""CryptoCompare's older min-api, with a key: CCCAGG averages keyed by ticker.

https://min-api.cryptocompare.com/documentation
"""

from __future__ import annotations

import msgspec

from ...model.ask import AssetsAsk, CandlesAsk, Capability, CoinsAsk, QuotesAsk
from ...model.asset import AssetListing
from ...model.candle import INTERVAL_MS, Candle
from ...model.errors import KeyRefused, SymbolNotListed, UpstreamError, UpstreamRateLimited, UpstreamRejected
from ...model.market import CoinMarket
from ...model.normal import ROUNDING
from ...model.quote import Quote
from ..kit import (
    Adapter,
    Endpoint,
    Reply,
    Request,
    decoder,
    is_closed,
    number,
    positive,
    read,
    seconds,
    window,
)
from ..paging import Pages, id_lists, list_after

TOP_ROWS = 100
TOP_PAGES = Pages(TOP_ROWS, 50, 20, 10)
FSYMS_LENGTH = 900
"""Characters of `fsyms` in one call; the API allows 1000."""
MAX_ROWS = 2000
RATE_LIMIT_TYPE = 99
INTERVALS = {"1m": "histominute", "1h": "histohour", "1d": "histoday"}


class _Failure(msgspec.Struct):
    Response: str = ""
    Message: str = ""
    Type: int = 0


_failure = decoder(_Failure)


def _meaning(failure: _Failure) -> UpstreamError | None:
    if failure.Response != "Error":
        return None
    text = failure.Message.lower()
    if failure.Type == RATE_LIMIT_TYPE or "rate limit" in text:
        return UpstreamRateLimited("the key's calls are used up")
    if "api key" in text or "auth key" in text or "api_key" in text:
        return KeyRefused("the key is missing or not valid")
    if "market does not exist" in text or "no data for" in text:
        return SymbolNotListed("the aggregator does not know this ticker")
    return UpstreamRejected(failure.Message[:200])


def explain(reply: Reply) -> UpstreamError | None:
    """The meaning of a `Response: "Error"` body under any status, or None for another body."""
    try:
        return _meaning(_failure.decode(reply.body))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _refuse_errors(reply: Reply) -> None:
    """Errors come with status 200; success bodies may name no `Response` at all."""
    if reply.body.lstrip()[:1] == b"{" and (error := explain(reply)) is not None:
        raise error


Number = float | str | None


class _Raw(msgspec.Struct):
    PRICE: Number = None
    FROMSYMBOL: str | None = None
    TOSYMBOL: str | None = None
    LASTUPDATE: Number = None
    VOLUME24HOUR: Number = None
    VOLUME24HOURTO: Number = None
    TOTALVOLUME24HTO: Number = None
    CHANGEPCT24HOUR: Number = None
    CHANGEPCTHOUR: Number = None
    HIGH24HOUR: Number = None
    LOW24HOUR: Number = None
    MKTCAP: Number = None
    CIRCULATINGSUPPLY: Number = None
    SUPPLY: Number = None


class _Full(msgspec.Struct):
    RAW: dict[str, dict[str, _Raw]]


class _Average(msgspec.Struct):
    RAW: _Raw


class _CoinInfo(msgspec.Struct):
    Name: str
    FullName: str
    MaxSupply: Number = None


class _RawUsd(msgspec.Struct):
    USD: _Raw | None = None


class _TopRow(msgspec.Struct):
    CoinInfo: _CoinInfo
    RAW: _RawUsd | None = None


class _Top(msgspec.Struct):
    Data: list[_TopRow]


_fields = decoder(dict[str, msgspec.Raw])
_full = decoder(_Full)
_average = decoder(_Average)
_prices = decoder(dict[str, dict[str, Number]])
_price = decoder(dict[str, Number])
_top = decoder(_Top)


def _symbol_lists(ids: tuple[str, ...]) -> list[str]:
    return id_lists(ids, FSYMS_LENGTH, length=FSYMS_LENGTH)


def _quotes_of(symbols: str) -> Request:
    return Request("/data/pricemultifull", (("fsyms", symbols), ("tsyms", "USD")))


def _top_of(page: int, size: int) -> Request:
    return Request("/data/top/mktcapfull", (("limit", str(size)), ("page", str(page)), ("tsym", "USD")))


def quotes_request(ask: QuotesAsk) -> Request:
    lists = _symbol_lists(ask.ids)
    return _quotes_of(lists[0]) if lists else _top_of(0, TOP_ROWS)


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(_symbol_lists(ask.ids), previous, "fsyms")
    return None if following is None else _quotes_of(following)


def _quote(reply: Reply, symbol: str, currency: str, raw: _Raw) -> Quote | None:
    price = positive(raw.PRICE)
    base, quote = symbol.strip().upper(), currency.strip().upper()
    if price is None or not base or not quote:
        return None
    return Quote(
        reply.provider,
        symbol,
        base,
        quote,
        price,
        None,
        None,
        number(raw.VOLUME24HOUR),
        number(raw.VOLUME24HOURTO),
        number(raw.CHANGEPCT24HOUR),
        positive(raw.HIGH24HOUR),
        positive(raw.LOW24HOUR),
        seconds(positive(raw.LASTUPDATE)),
        reply.received_ms,
    )


def _priced(reply: Reply, ask: QuotesAsk) -> list[tuple[str, str, _Raw]]:
    """Ticker, currency and figures of every answer about prices: `pricemultifull`, the top list, `generateAvg`,
    `pricemulti`, and `price`, whose ticker only the asked pair tells."""
    body = read(_fields, reply.body)
    if "RAW" in body:
        if "PRICE" in read(_fields, bytes(body["RAW"])):
            raw = read(_average, reply.body).RAW
            return [(raw.FROMSYMBOL or "", raw.TOSYMBOL or "", raw)]
        full = read(_full, reply.body).RAW
        return [(symbol, to, raw) for symbol, row in full.items() for to, raw in row.items()]
    if "Data" in body:
        rows = read(_top, reply.body).Data
        return [(row.CoinInfo.Name, "USD", row.RAW.USD) for row in rows if row.RAW and row.RAW.USD]
    if any(bytes(value)[:1] == b"{" for value in body.values()):
        prices = read(_prices, reply.body)
        return [
            (symbol, to, _Raw(PRICE=price)) for symbol, row in prices.items() for to, price in row.items()
        ]
    known = {pair.quote: pair.base for pair in ask.pairs}
    return [(known[to], to, _Raw(PRICE=p)) for to, p in read(_price, reply.body).items() if to in known]


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    _refuse_errors(reply)
    priced = (_quote(reply, symbol, currency, raw) for symbol, currency, raw in _priced(reply, ask))
    return [quote for quote in priced if quote is not None]


def coins_request(ask: CoinsAsk) -> Request:
    return _top_of(*TOP_PAGES.first(ask))


def coins_next(reply: Reply, ask: CoinsAsk, previous: Request) -> Request | None:
    sent = dict(previous.params)
    rows = len(read(_top, reply.body).Data)
    following = TOP_PAGES.after(ask, int(sent["page"]), int(sent["limit"]), rows)
    return None if following is None else _top_of(*following)


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    _refuse_errors(reply)
    coins = []
    for row in read(_top, reply.body).Data:
        raw = row.RAW.USD if row.RAW else None
        price = positive(raw.PRICE) if raw else None
        if raw is None or price is None:
            continue
        supply = positive(raw.CIRCULATINGSUPPLY)
        coins.append(
            CoinMarket(
                reply.provider,
                row.CoinInfo.Name,
                row.CoinInfo.Name.strip().upper(),
                row.CoinInfo.FullName,
                None,
                price,
                positive(raw.MKTCAP),
                number(raw.TOTALVOLUME24HTO),
                number(raw.CHANGEPCTHOUR),
                number(raw.CHANGEPCT24HOUR),
                None,
                positive(raw.HIGH24HOUR),
                positive(raw.LOW24HOUR),
                supply if supply is not None else positive(raw.SUPPLY),
                None,
                positive(row.CoinInfo.MaxSupply),
                seconds(positive(raw.LASTUPDATE)),
                reply.received_ms,
            )
        )
    return coins


class _Bar(msgspec.Struct):
    time: int
    open: float
    high: float
    low: float
    close: float
    volumefrom: float | None = None
    volumeto: float | None = None


class _Wrapped(msgspec.Struct):
    Data: list[_Bar] = []


class _History(msgspec.Struct):
    Data: list[_Bar] | _Wrapped


_history = decoder(_History)


def candles_request(ask: CandlesAsk) -> Request:
    step = INTERVAL_MS[ask.interval]
    rows = min(ask.limit, MAX_ROWS)
    end_ms = ask.end_ms
    if ask.start_ms is not None:
        full = ask.start_ms + rows * step
        end_ms = full if end_ms is None else min(end_ms, full)
        rows = max(1, min(rows, -(-(end_ms - ask.start_ms) // step)))
    params = [("fsym", ask.pair.base), ("tsym", ask.pair.quote)]
    params.append(("limit", str(max(1, rows - 1))))  # limit + 1 rows come back
    if end_ms is not None:
        params.append(("toTs", str((end_ms - 1) // 1000)))  # toTs is inclusive
    return Request(f"/data/v2/{INTERVALS[ask.interval]}", tuple(params))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    _refuse_errors(reply)
    data = read(_history, reply.body).Data
    bars = data.Data if isinstance(data, _Wrapped) else data
    if bars:
        # High and low of the running bar lag behind its close; such a bar contradicts itself and is left out.
        last, slack = bars[-1], bars[-1].high * ROUNDING
        if (
            not last.low - slack
            <= min(last.open, last.close)
            <= max(last.open, last.close)
            <= last.high + slack
        ):
            bars = bars[:-1]
    candles = [
        Candle(
            bar.time * 1000,
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volumefrom,
            bar.volumeto,
            None,
            is_closed(bar.time * 1000, ask.interval, reply.received_ms),
        )
        for bar in bars
        if bar.low > 0  # times before the coin had a price are filled with zeros
    ]
    return window(candles, ask.start_ms, ask.end_ms, ask.limit)


class _Listing(msgspec.Struct):
    Symbol: str
    CoinName: str
    IsTrading: bool = True


class _CoinList(msgspec.Struct):
    Data: dict[str, _Listing]


_coin_list = decoder(_CoinList)


def assets_request(ask: AssetsAsk) -> Request:
    return Request("/data/all/coinlist")


def assets_parse(reply: Reply, ask: AssetsAsk) -> list[AssetListing]:
    _refuse_errors(reply)
    return [
        AssetListing(
            reply.provider, row.Symbol, row.Symbol.strip().upper(), row.CoinName.strip(), None, row.IsTrading
        )
        for row in read(_coin_list, reply.body).Data.values()
        if row.Symbol.strip() and row.CoinName.strip()
    ]


ADAPTER = Adapter(
    name="cryptocompare",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.COINS: Endpoint(coins_request, coins_parse, coins_next),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=MAX_ROWS, window=True
        ),
        Capability.ASSETS: Endpoint(assets_request, assets_parse),
    },
    explain=explain,
)
