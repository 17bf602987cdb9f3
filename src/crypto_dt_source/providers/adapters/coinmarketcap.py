"""CoinMarketCap's pro API, with a key. A request's weight is what it costs in credits.

https://coinmarketcap.com/api/documentation/v1/
"""

from __future__ import annotations

from math import ceil

import msgspec

from ...model.ask import Capability, CoinsAsk, GlobalAsk, QuotesAsk
from ...model.errors import NotOffered
from ...model.market import CoinMarket, GlobalMarket
from ...model.quote import Quote
from ..kit import Adapter, Endpoint, Reply, Request, decoder, iso_ms, positive
from ..paging import id_lists, list_after, offset_in_one
from . import _coinmarketcap_pages as pages
from ._coinmarketcap_pages import explain, read_body

FIRST_PAGE = 200
LISTED_A_CREDIT = 200
QUOTED_A_CREDIT = 100
LISTINGS_MAX = 5000
USD = ("convert", "USD")


class _Usd(msgspec.Struct):
    price: float | None = None
    volume_24h: float | None = None
    market_cap: float | None = None
    percent_change_1h: float | None = None
    percent_change_24h: float | None = None
    percent_change_7d: float | None = None
    last_updated: str | None = None


class _Quotes(msgspec.Struct):
    USD: _Usd | None = None


class _Coin(msgspec.Struct):
    id: int
    name: str
    symbol: str
    quote: _Quotes
    cmc_rank: int | None = None
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None


class _Coins(msgspec.Struct):
    data: list[_Coin] | dict[str, _Coin | list[_Coin]]


_coins = decoder(_Coins)


def _rows(reply: Reply) -> list[_Coin]:
    """Listings are a list; quotes are keyed by id (objects) or by ticker (lists: coins share tickers)."""
    data = read_body(_coins, reply).data
    if isinstance(data, list):
        return data
    rows: list[_Coin] = []
    for value in data.values():
        rows.extend(value if isinstance(value, list) else (value,))
    return rows


def _id_lists(ids: tuple[str, ...]) -> list[str]:
    return id_lists((text for text in ids if text.strip().isdecimal()), QUOTED_A_CREDIT)


def _quotes_of(ids: str) -> Request:
    # Without skip_invalid one unknown id refuses the whole call.
    params = (("id", ids), USD, ("skip_invalid", "true"))
    return Request("/v2/cryptocurrency/quotes/latest", params)


def quotes_request(ask: QuotesAsk) -> Request:
    if not ask.ids:
        params = (("start", "1"), ("limit", str(FIRST_PAGE)), USD)
        return Request("/v1/cryptocurrency/listings/latest", params)
    lists = _id_lists(ask.ids)
    if not lists:
        raise NotOffered("ids are numbers here")
    return _quotes_of(lists[0])


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(_id_lists(ask.ids), previous, "id")
    return None if following is None else _quotes_of(following)


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    quotes = []
    for row in _rows(reply):
        usd = row.quote.USD
        base = row.symbol.strip().upper()
        if usd is None or usd.price is None or usd.price <= 0 or not base:
            continue
        quotes.append(
            Quote(
                reply.provider,
                str(row.id),
                base,
                "USD",
                usd.price,
                None,
                None,
                None,
                usd.volume_24h,
                usd.percent_change_24h,
                None,
                None,
                iso_ms(usd.last_updated),
                reply.received_ms,
            )
        )
    return quotes


def coins_request(ask: CoinsAsk) -> Request:
    start = offset_in_one(ask, LISTINGS_MAX) + 1
    params = (("start", str(start)), ("limit", str(ask.per_page)), USD)
    return Request("/v1/cryptocurrency/listings/latest", params, weight=ceil(ask.per_page / LISTED_A_CREDIT))


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    coins = []
    for row in _rows(reply):
        usd = row.quote.USD
        base = row.symbol.strip().upper()
        if usd is None or usd.price is None or usd.price <= 0 or not base:
            continue
        coins.append(
            CoinMarket(
                reply.provider,
                str(row.id),
                base,
                row.name,
                row.cmc_rank,
                usd.price,
                positive(usd.market_cap),
                usd.volume_24h,
                usd.percent_change_1h,
                usd.percent_change_24h,
                usd.percent_change_7d,
                None,
                None,
                positive(row.circulating_supply),
                positive(row.total_supply),
                positive(row.max_supply),
                iso_ms(usd.last_updated),
                reply.received_ms,
            )
        )
    return coins


class _GlobalUsd(msgspec.Struct):
    total_market_cap: float
    total_volume_24h: float | None = None
    total_market_cap_yesterday_percentage_change: float | None = None
    last_updated: str | None = None


class _GlobalQuote(msgspec.Struct):
    USD: _GlobalUsd


class _GlobalData(msgspec.Struct):
    quote: _GlobalQuote
    active_cryptocurrencies: int | None = None
    btc_dominance: float | None = None
    eth_dominance: float | None = None


class _Global(msgspec.Struct):
    data: _GlobalData


_global = decoder(_Global)


def global_request(ask: GlobalAsk) -> Request:
    return Request("/v1/global-metrics/quotes/latest", (USD,))


def global_parse(reply: Reply, ask: GlobalAsk) -> list[GlobalMarket]:
    data = read_body(_global, reply).data
    usd = data.quote.USD
    return [
        GlobalMarket(
            reply.provider,
            usd.total_market_cap,
            usd.total_volume_24h,
            data.btc_dominance,
            data.eth_dominance,
            data.active_cryptocurrencies,
            usd.total_market_cap_yesterday_percentage_change,
            iso_ms(usd.last_updated),
            reply.received_ms,
        )
    ]


ADAPTER = Adapter(
    name="coinmarketcap",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.COINS: Endpoint(coins_request, coins_parse),
        Capability.GLOBAL: Endpoint(global_request, global_parse),
        Capability.ASSETS: Endpoint(pages.assets_request, pages.assets_parse, pages.assets_next),
        Capability.CATEGORIES: Endpoint(pages.categories_request, pages.categories_parse),
        Capability.COIN: Endpoint(pages.coin_request, pages.coin_parse),
    },
    explain=explain,
)
