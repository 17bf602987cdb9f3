"""CoinLore, keyless and small.

https://www.coinlore.com/cryptocurrency-data-api
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, CoinAsk, CoinsAsk, ExchangesAsk, GlobalAsk, QuotesAsk
from ...model.errors import PayloadChanged, SymbolNotListed
from ...model.market import CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket
from ...model.quote import Quote
from ..kit import Adapter, Endpoint, Reply, Request, decoder, number, positive, read
from ..paging import id_lists, list_after, rows_asked
from ..text import link, plain

PER_PAGE = 100

Number = float | str | None
"""Most numbers come as text, some as numbers, unknown ones as null or as empty text."""


class _Ticker(msgspec.Struct):
    id: str
    symbol: str
    name: str
    rank: int | None = None
    price_usd: Number = None
    percent_change_1h: Number = None
    percent_change_24h: Number = None
    percent_change_7d: Number = None
    market_cap_usd: Number = None
    volume24: Number = None
    csupply: Number = None
    tsupply: Number = None
    msupply: Number = None


class _Page(msgspec.Struct):
    data: list[_Ticker]


_page = decoder(_Page)
_tickers = decoder(list[_Ticker])


def _rows(reply: Reply) -> list[_Ticker]:
    """`/tickers/` wraps its rows in `data`, `/ticker/` answers with the bare list."""
    return read(_page, reply.body).data if reply.body.lstrip()[:1] == b"{" else read(_tickers, reply.body)


def _tickers_from(start: int, rows: int) -> Request:
    return Request("/tickers/", (("start", str(start)), ("limit", str(min(rows, PER_PAGE)))))


def quotes_request(ask: QuotesAsk) -> Request:
    lists = id_lists(ask.ids, PER_PAGE)
    return Request("/ticker/", (("id", lists[0]),)) if lists else _tickers_from(0, PER_PAGE)


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(id_lists(ask.ids, PER_PAGE), previous, "id")
    return None if following is None else Request("/ticker/", (("id", following),))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    quotes = []
    for row in _rows(reply):
        price = positive(row.price_usd)
        base = row.symbol.strip().upper()
        if price is None or not base:
            continue
        quotes.append(
            Quote(
                reply.provider,
                row.id,
                base,
                "USD",
                price,
                None,
                None,
                None,
                number(row.volume24),
                number(row.percent_change_24h),
                None,
                None,
                None,
                reply.received_ms,
            )
        )
    return quotes


def coins_request(ask: CoinsAsk) -> Request:
    return _tickers_from(rows_asked(ask)[0], ask.per_page)


def coins_next(reply: Reply, ask: CoinsAsk, previous: Request) -> Request | None:
    sent = dict(previous.params)
    start, end = int(sent["start"]) + int(sent["limit"]), rows_asked(ask)[1]
    if start >= end or len(_rows(reply)) < int(sent["limit"]):
        return None
    return _tickers_from(start, end - start)


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    coins = []
    for row in _rows(reply):
        price = positive(row.price_usd)
        base = row.symbol.strip().upper()
        if price is None or not base:
            continue
        coins.append(
            CoinMarket(
                reply.provider,
                row.id,
                base,
                row.name,
                row.rank or None,
                price,
                positive(row.market_cap_usd),
                number(row.volume24),
                number(row.percent_change_1h),
                number(row.percent_change_24h),
                number(row.percent_change_7d),
                None,
                None,
                positive(row.csupply),
                positive(row.tsupply),
                positive(row.msupply),
                None,
                reply.received_ms,
            )
        )
    return coins


def coin_request(ask: CoinAsk) -> Request:
    return Request("/ticker/", (("id", ask.native_id),))


def coin_parse(reply: Reply, ask: CoinAsk) -> list[CoinDetail]:
    rows = _rows(reply)
    if not rows:
        raise SymbolNotListed("the aggregator does not know this id")
    row = rows[0]
    return [
        CoinDetail(
            provider=reply.provider,
            native_id=row.id,
            ticker=row.symbol.strip().upper(),
            name=row.name,
            rank=row.rank or None,
            price=positive(row.price_usd),
            market_cap=positive(row.market_cap_usd),
            volume_24h=number(row.volume24),
            change_24h_pct=number(row.percent_change_24h),
            circulating_supply=positive(row.csupply),
            total_supply=positive(row.tsupply),
            max_supply=positive(row.msupply),
        )
    ]


class _Global(msgspec.Struct):
    total_mcap: float
    coins_count: int | None = None
    total_volume: Number = None
    btc_d: Number = None
    eth_d: Number = None
    mcap_change: Number = None


_global = decoder(list[_Global])


def global_request(ask: GlobalAsk) -> Request:
    return Request("/global/")


def global_parse(reply: Reply, ask: GlobalAsk) -> list[GlobalMarket]:
    rows = read(_global, reply.body)
    if not rows:
        raise PayloadChanged("the list that holds the global market is empty", path="$[0]")
    row = rows[0]
    return [
        GlobalMarket(
            reply.provider,
            row.total_mcap,
            number(row.total_volume),
            number(row.btc_d),
            number(row.eth_d),
            row.coins_count,
            number(row.mcap_change),
            None,
            reply.received_ms,
        )
    ]


class _Exchange(msgspec.Struct):
    id: str
    name: str
    volume_usd: Number = None
    url: str | None = None
    country: str | None = None


_exchanges = decoder(dict[str, _Exchange])
_exchange_list = decoder(list[_Exchange])


def exchanges_request(ask: ExchangesAsk) -> Request:
    return Request("/exchanges/")


def exchanges_parse(reply: Reply, ask: ExchangesAsk) -> list[ExchangeInfo]:
    # A map by id, which turns into a list when the ids run without a hole.
    if reply.body.lstrip()[:1] == b"[":
        rows = read(_exchange_list, reply.body)
    else:
        rows = list(read(_exchanges, reply.body).values())
    rows.sort(key=lambda row: number(row.volume_usd) or 0.0, reverse=True)
    return [
        ExchangeInfo(
            reply.provider,
            row.id,
            row.name,
            plain(row.country),
            None,
            link(row.url),
            None,
            number(row.volume_usd),
            None,
        )
        for row in rows[(ask.page - 1) * ask.per_page : ask.page * ask.per_page]
    ]


ADAPTER = Adapter(
    name="coinlore",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.COINS: Endpoint(coins_request, coins_parse, coins_next),
        Capability.COIN: Endpoint(coin_request, coin_parse),
        Capability.GLOBAL: Endpoint(global_request, global_parse),
        Capability.EXCHANGES: Endpoint(exchanges_request, exchanges_parse),
    },
)
