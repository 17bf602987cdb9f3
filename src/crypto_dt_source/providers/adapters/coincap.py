"""CoinCap v3, with a key.

https://rest.coincap.io/api-docs.json
"""

from __future__ import annotations

from urllib.parse import quote as escape

import msgspec

from ...model.ask import AssetsAsk, Capability, CoinAsk, CoinsAsk, ExchangesAsk, QuotesAsk, SearchAsk
from ...model.asset import AssetListing
from ...model.errors import KeyRefused, SymbolNotListed, UpstreamError, UpstreamRateLimited, UpstreamRejected
from ...model.market import CoinDetail, CoinMarket, ExchangeInfo, SearchHit
from ...model.quote import Quote
from ..kit import Adapter, Endpoint, Reply, Request, decoder, number, positive, read
from ..paging import id_lists, list_after, offset_in_one
from ..text import link

FIRST_PAGE = 250
MAX_ROWS = 2000
IDS_A_CALL = 200

Number = float | str | None
"""Numbers are text of 20 digits and more; nullable ones are null or empty text."""


class _Asset(msgspec.Struct):
    id: str
    symbol: str
    name: str
    rank: Number = None
    supply: Number = None
    maxSupply: Number = None
    marketCapUsd: Number = None
    volumeUsd24Hr: Number = None
    priceUsd: Number = None
    changePercent24Hr: Number = None


class _Answer(msgspec.Struct):
    data: list[_Asset] | _Asset


_answer = decoder(_Answer)


def _rows(reply: Reply) -> list[_Asset]:
    """`data` is a list on `/assets` and one object on `/assets/{slug}`."""
    data = read(_answer, reply.body).data
    return data if isinstance(data, list) else [data]


def _rank(value: Number) -> int | None:
    result = positive(value)
    return None if result is None else int(result)


def _quotes_of(ids: str) -> Request:
    return Request("/assets", (("ids", ids), ("limit", str(IDS_A_CALL))))


def quotes_request(ask: QuotesAsk) -> Request:
    if lists := id_lists(ask.ids, IDS_A_CALL):
        return _quotes_of(lists[0])
    return Request("/assets", (("limit", str(FIRST_PAGE)), ("offset", "0")))


def quotes_next(reply: Reply, ask: QuotesAsk, previous: Request) -> Request | None:
    following = list_after(id_lists(ask.ids, IDS_A_CALL), previous, "ids")
    return None if following is None else _quotes_of(following)


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    quotes = []
    for row in _rows(reply):
        price = positive(row.priceUsd)
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
                number(row.volumeUsd24Hr),
                number(row.changePercent24Hr),
                None,
                None,
                None,  # the envelope's timestamp is the time of the answer, not of the price
                reply.received_ms,
            )
        )
    return quotes


def coins_request(ask: CoinsAsk) -> Request:
    offset = offset_in_one(ask, MAX_ROWS)
    return Request("/assets", (("limit", str(ask.per_page)), ("offset", str(offset))))


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    coins = []
    for row in _rows(reply):
        price = positive(row.priceUsd)
        base = row.symbol.strip().upper()
        if price is None or not base:
            continue
        coins.append(
            CoinMarket(
                reply.provider,
                row.id,
                base,
                row.name,
                _rank(row.rank),
                price,
                positive(row.marketCapUsd),
                number(row.volumeUsd24Hr),
                None,
                number(row.changePercent24Hr),
                None,
                None,
                None,
                positive(row.supply),
                None,
                positive(row.maxSupply),
                None,
                reply.received_ms,
            )
        )
    return coins


def coin_request(ask: CoinAsk) -> Request:
    return Request(f"/assets/{escape(ask.native_id, safe='')}")


def coin_parse(reply: Reply, ask: CoinAsk) -> list[CoinDetail]:
    return [
        CoinDetail(
            provider=reply.provider,
            native_id=row.id,
            ticker=row.symbol.strip().upper(),
            name=row.name,
            rank=_rank(row.rank),
            price=positive(row.priceUsd),
            market_cap=positive(row.marketCapUsd),
            volume_24h=number(row.volumeUsd24Hr),
            change_24h_pct=number(row.changePercent24Hr),
            circulating_supply=positive(row.supply),
            max_supply=positive(row.maxSupply),
        )
        for row in _rows(reply)[:1]
    ]


def search_request(ask: SearchAsk) -> Request:
    return Request("/assets", (("search", ask.text), ("limit", "50")))


def search_parse(reply: Reply, ask: SearchAsk) -> list[SearchHit]:
    return [
        SearchHit(reply.provider, row.id, row.symbol.strip().upper(), row.name, _rank(row.rank))
        for row in _rows(reply)
        if row.symbol.strip()
    ]


def _assets_of(offset: int) -> Request:
    return Request("/assets", (("limit", str(MAX_ROWS)), ("offset", str(offset))))


def assets_request(ask: AssetsAsk) -> Request:
    return _assets_of(0)


def assets_next(reply: Reply, ask: AssetsAsk, previous: Request) -> Request | None:
    if len(_rows(reply)) < MAX_ROWS:
        return None
    return _assets_of(int(dict(previous.params)["offset"]) + MAX_ROWS)


def assets_parse(reply: Reply, ask: AssetsAsk) -> list[AssetListing]:
    return [
        AssetListing(reply.provider, row.id, row.symbol.strip().upper(), row.name, _rank(row.rank), True)
        for row in _rows(reply)
        if row.name and row.symbol.strip()
    ]


class _Exchange(msgspec.Struct):
    name: str
    id: str | None = None
    exchangeId: str | None = None
    rank: Number = None
    volumeUsd: Number = None
    exchangeUrl: str | None = None


class _Exchanges(msgspec.Struct):
    data: list[_Exchange]


_exchanges = decoder(_Exchanges)


def exchanges_request(ask: ExchangesAsk) -> Request:
    offset = offset_in_one(ask, MAX_ROWS)
    return Request("/exchanges", (("limit", str(ask.per_page)), ("offset", str(offset))))


def exchanges_parse(reply: Reply, ask: ExchangesAsk) -> list[ExchangeInfo]:
    return [
        ExchangeInfo(
            reply.provider,
            row.exchangeId or row.id or "",
            row.name,
            None,
            None,
            link(row.exchangeUrl),
            _rank(row.rank),
            number(row.volumeUsd),
            None,
        )
        for row in read(_exchanges, reply.body).data
        if row.exchangeId or row.id
    ]


class _Error(msgspec.Struct):
    error: str


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        text = _error.decode(reply.body).error[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if reply.status in (401, 403):
        return KeyRefused("the key is missing or not valid")
    if reply.status == 429:
        return UpstreamRateLimited(text)
    if reply.status == 404 or "not found" in text.lower():
        return SymbolNotListed("the aggregator does not know this id")
    return UpstreamRejected(text) if reply.status in (400, 422) else None


ADAPTER = Adapter(
    name="coincap",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse, quotes_next),
        Capability.COINS: Endpoint(coins_request, coins_parse),
        Capability.COIN: Endpoint(coin_request, coin_parse),
        Capability.SEARCH: Endpoint(search_request, search_parse),
        Capability.ASSETS: Endpoint(assets_request, assets_parse, assets_next),
        Capability.EXCHANGES: Endpoint(exchanges_request, exchanges_parse),
    },
    explain=explain,
)
