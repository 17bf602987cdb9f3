"""CoinGecko v3, the same paths on the public host (keyless and demo key) and on the paid host.

https://docs.coingecko.com/reference/introduction
"""

from __future__ import annotations

from urllib.parse import quote as escape

import msgspec

from ...model.ask import CandlesAsk, Capability, CoinsAsk, GlobalAsk, QuotesAsk, TrendingAsk
from ...model.candle import Candle, floor_open
from ...model.errors import PayloadChanged
from ...model.market import CoinMarket, GlobalMarket, TrendingCoin
from ...model.quote import Quote
from ..kit import (
    Adapter,
    Endpoint,
    Reply,
    Request,
    decoder,
    is_closed,
    iso_ms,
    number,
    positive,
    seconds,
    window,
)
from ..paging import id_lists, list_after, offset_in_one
from . import _coingecko_pages as pages
from ._coingecko_pages import PER_PAGE, explain, read_body, ticker

IDS_LENGTH = 6000
"""Characters of `ids` in one call; longer addresses are refused at the edge."""


class _Market(msgspec.Struct):
    id: str
    symbol: str
    name: str
    current_price: float | None = None
    market_cap: float | None = None
    market_cap_rank: int | None = None
    total_volume: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    price_change_percentage_24h: float | None = None
    price_change_percentage_1h_in_currency: float | None = None
    price_change_percentage_7d_in_currency: float | None = None
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None
    last_updated: str | None = None


class _Simple(msgspec.Struct):
    usd: float | None = None
    btc: float | None = None
    usd_24h_vol: float | None = None
    usd_24h_change: float | None = None
    last_updated_at: float | None = None


_markets = decoder(list[_Market])
_simple = decoder(dict[str, _Simple])


def _id_lists(ids: tuple[str, ...]) -> list[str]:
    return id_lists(ids, PER_PAGE, length=IDS_LENGTH, comma=len("%2C"))


def _quotes_of(ids: str | None) -> Request:
    params = [("vs_currency", "usd")]
    if ids is not None:
        params.append(("ids", ids))
    return Request("/coins/markets", (*params, ("per_page", str(PER_PAGE)), ("page", "1")))


def quotes_request(ask: QuotesAsk) -> Request:
    lists = _id_lists(ask.ids)
    return _quotes_of(lists[0] if lists else None)


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(_id_lists(ask.ids), previous, "ids")
    return None if following is None else _quotes_of(following)


def _simple_quotes(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    """`/simple/price` names no ticker: only an answer about one coin whose pair was asked can be told."""
    if (error := explain(reply)) is not None:
        raise error
    rows = read_body(_simple, reply)
    if len(rows) != 1 or len(ask.pairs) != 1:
        return []
    native_id, row = next(iter(rows.items()))
    currency = ask.pairs[0].quote
    price = positive(row.btc if currency == "BTC" else row.usd)
    if price is None or currency not in ("BTC", "USD"):
        return []
    in_usd = currency == "USD"
    return [
        Quote(
            reply.provider,
            native_id,
            ask.pairs[0].base,
            currency,
            price,
            None,
            None,
            None,
            row.usd_24h_vol if in_usd else None,
            row.usd_24h_change if in_usd else None,
            None,
            None,
            seconds(row.last_updated_at),
            reply.received_ms,
        )
    ]


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    if reply.body.lstrip()[:1] == b"{":
        return _simple_quotes(reply, ask)
    provider, received = reply.provider, reply.received_ms
    quotes = []
    for row in read_body(_markets, reply):
        base = ticker(row.symbol)
        if row.current_price is None or row.current_price <= 0 or not base:
            continue
        quotes.append(
            Quote(
                provider,
                row.id,
                base,
                "USD",
                row.current_price,
                None,
                None,
                None,
                row.total_volume,
                row.price_change_percentage_24h,
                row.high_24h or None,
                row.low_24h or None,
                iso_ms(row.last_updated),
                received,
            )
        )
    return quotes


def coins_request(ask: CoinsAsk) -> Request:
    offset_in_one(ask, PER_PAGE)
    return Request(
        "/coins/markets",
        (
            ("vs_currency", "usd"),
            ("order", "market_cap_desc"),
            ("per_page", str(ask.per_page)),
            ("page", str(ask.page)),
            ("price_change_percentage", "1h,7d"),
        ),
    )


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    return [
        CoinMarket(
            reply.provider,
            row.id,
            ticker(row.symbol),
            row.name,
            row.market_cap_rank,
            row.current_price,
            row.market_cap,
            row.total_volume,
            row.price_change_percentage_1h_in_currency,
            row.price_change_percentage_24h,
            row.price_change_percentage_7d_in_currency,
            positive(row.high_24h),
            positive(row.low_24h),
            row.circulating_supply,
            row.total_supply,
            positive(row.max_supply),
            iso_ms(row.last_updated),
            reply.received_ms,
        )
        for row in read_body(_markets, reply)
        if row.current_price is not None and row.current_price > 0 and ticker(row.symbol)
    ]


INTERVALS = {"30m": "1", "4h": "30"}
"""Steps that `ohlc` really has: half an hour for one day, four hours for 7 to 30 days. Longer ranges step 4 days."""
_ohlc = decoder(list[tuple[int, float, float, float, float]])


def candles_request(ask: CandlesAsk) -> Request:
    # Coins are asked by id: the pair's base is the id in capitals (BITCOIN), never a ticker. The catalogue does not
    # offer candles here, since the budget belongs to the lists; `cdts normalize` and callers that know ids can ask.
    days = INTERVALS[ask.interval]
    if ask.interval == "4h" and ask.start_ms is None and ask.end_ms is None:
        days = "7" if ask.limit <= 42 else "14" if ask.limit <= 84 else "30"
    path = f"/coins/{escape(ask.pair.base.lower(), safe='')}/ohlc"
    return Request(path, (("vs_currency", ask.pair.quote.lower()), ("days", days)))


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Candle]:
    rows = []
    for close_ms, opened, high, low, close in read_body(_ohlc, reply):
        # The stamp is the close; one that is off the grid is the running candle's latest moment.
        open_ms = floor_open(close_ms - 1, ask.interval)
        closed = is_closed(open_ms, ask.interval, reply.received_ms)
        rows.append(Candle(open_ms, opened, high, low, close, None, None, None, closed))
    return window(rows, ask.start_ms, ask.end_ms, ask.limit)


class _GlobalData(msgspec.Struct):
    total_market_cap: dict[str, float]
    total_volume: dict[str, float] = {}
    market_cap_percentage: dict[str, float] = {}
    active_cryptocurrencies: int | None = None
    market_cap_change_percentage_24h_usd: float | None = None
    updated_at: float | None = None


class _Global(msgspec.Struct):
    data: _GlobalData


_global = decoder(_Global)


def global_request(ask: GlobalAsk) -> Request:
    return Request("/global")


def global_parse(reply: Reply, ask: GlobalAsk) -> list[GlobalMarket]:
    data = read_body(_global, reply).data
    if "usd" not in data.total_market_cap:
        raise PayloadChanged("the market cap in US dollars is missing", path="$.data.total_market_cap.usd")
    return [
        GlobalMarket(
            reply.provider,
            data.total_market_cap["usd"],
            data.total_volume.get("usd"),
            data.market_cap_percentage.get("btc"),
            data.market_cap_percentage.get("eth"),
            data.active_cryptocurrencies,
            data.market_cap_change_percentage_24h_usd,
            seconds(data.updated_at),
            reply.received_ms,
        )
    ]


class _Usd(msgspec.Struct):
    usd: float | None = None


class _TrendingData(msgspec.Struct):
    price: float | str | None = None
    price_change_percentage_24h: _Usd | None = None


class _TrendingItem(msgspec.Struct):
    id: str
    symbol: str
    name: str
    market_cap_rank: int | None = None
    data: _TrendingData | None = None


class _TrendingRow(msgspec.Struct):
    item: _TrendingItem


class _Trending(msgspec.Struct):
    coins: list[_TrendingRow]


_trending = decoder(_Trending)


def trending_request(ask: TrendingAsk) -> Request:
    return Request("/search/trending")


def trending_parse(reply: Reply, ask: TrendingAsk) -> list[TrendingCoin]:
    coins = []
    for position, row in enumerate(read_body(_trending, reply).coins, start=1):
        item = row.item
        data = item.data or _TrendingData()  # absent before 2024
        price = data.price.lstrip("$").replace(",", "") if isinstance(data.price, str) else data.price
        change = data.price_change_percentage_24h
        coins.append(
            TrendingCoin(
                reply.provider,
                item.id,
                ticker(item.symbol),
                item.name,
                position,
                item.market_cap_rank,
                positive(price),
                number(change.usd) if change else None,
            )
        )
    return coins


ADAPTER = Adapter(
    name="coingecko",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.COINS: Endpoint(coins_request, coins_parse),
        Capability.CANDLES: Endpoint(
            candles_request, candles_parse, intervals=INTERVALS, max_rows=180, window=False
        ),
        Capability.GLOBAL: Endpoint(global_request, global_parse),
        Capability.TRENDING: Endpoint(trending_request, trending_parse),
        Capability.CATEGORIES: Endpoint(pages.categories_request, pages.categories_parse),
        Capability.COIN: Endpoint(pages.coin_request, pages.coin_parse),
        Capability.SEARCH: Endpoint(pages.search_request, pages.search_parse),
        Capability.ASSETS: Endpoint(pages.assets_request, pages.assets_parse),
        Capability.EXCHANGES: Endpoint(pages.exchanges_request, pages.exchanges_parse, pages.exchanges_next),
    },
    explain=explain,
)
