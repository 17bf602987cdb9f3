"""CoinPaprika v1, keyless.

https://api.coinpaprika.com/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote as escape

import msgspec

from ...model.ask import (
    AssetsAsk,
    Capability,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    QuotesAsk,
    SearchAsk,
)
from ...model.asset import AssetListing
from ...model.errors import (
    PlanRequired,
    SymbolNotListed,
    UpstreamError,
    UpstreamRejected,
)
from ...model.market import Category, CoinDetail, CoinMarket, ExchangeInfo, GlobalMarket, SearchHit
from ...model.quote import Quote
from ..kit import Adapter, Endpoint, Reply, Request, decoder, iso_ms, positive, read, seconds
from ..text import link, plain

SEARCH_LIMIT = 50


class _Usd(msgspec.Struct):
    price: float | None = None
    volume_24h: float | None = None
    market_cap: float | None = None
    percent_change_1h: float | None = None
    percent_change_24h: float | None = None
    percent_change_7d: float | None = None


class _Quotes(msgspec.Struct):
    USD: _Usd | None = None


class _Ticker(msgspec.Struct):
    id: str
    name: str
    symbol: str
    quotes: _Quotes
    rank: int | None = None
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None
    last_updated: str | None = None


class _PricedUsd(msgspec.Struct):
    price: float | None = None
    volume_24h: float | None = None
    percent_change_24h: float | None = None


class _PricedQuotes(msgspec.Struct):
    USD: _PricedUsd | None = None


class _Priced(msgspec.Struct):
    """What a quote needs of a ticker: the list has thousands of rows and is read often."""

    id: str
    symbol: str
    quotes: _PricedQuotes
    last_updated: str | None = None


_priced = decoder(_Priced)
_priced_list = decoder(list[_Priced])
_ticker = decoder(_Ticker)
_tickers = decoder(list[_Ticker])


def _ticker_rows(reply: Reply) -> list[_Ticker]:
    return [read(_ticker, reply.body)] if reply.body.lstrip()[:1] == b"{" else read(_tickers, reply.body)


def quotes_request(ask: QuotesAsk) -> Request:
    # The list of all coins costs one call, as one coin does; several ids are picked out of it.
    path = f"/tickers/{escape(ask.ids[0], safe='')}" if len(ask.ids) == 1 else "/tickers"
    return Request(path, (("quotes", "USD"),))


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Quote]:
    one = reply.body.lstrip()[:1] == b"{"
    rows = [read(_priced, reply.body)] if one else read(_priced_list, reply.body)
    provider, received = reply.provider, reply.received_ms
    wanted = frozenset(ask.ids)
    quotes = []
    for row in rows:
        usd = row.quotes.USD
        base = row.symbol.strip().upper()
        if (
            usd is None
            or usd.price is None
            or usd.price <= 0
            or not base
            or (wanted and row.id not in wanted)
        ):
            continue
        quotes.append(
            Quote(
                provider,
                row.id,
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
                iso_ms(row.last_updated),
                received,
            )
        )
    return quotes


def _page(rows: Sequence[_Ticker], page: int, per_page: int) -> Iterable[_Ticker]:
    """One page of rows by rank; 0 is the upstream's word for 'no rank'."""
    ordered = sorted(rows, key=lambda row: row.rank or len(rows) + 1_000_000)
    return ordered[(page - 1) * per_page : page * per_page]


def coins_request(ask: CoinsAsk) -> Request:
    return Request("/tickers", (("quotes", "USD"),))


def coins_parse(reply: Reply, ask: CoinsAsk) -> list[CoinMarket]:
    coins = []
    for row in _page(_ticker_rows(reply), ask.page, ask.per_page):
        usd = row.quotes.USD
        base = row.symbol.strip().upper()
        if usd is None or usd.price is None or usd.price <= 0 or not base:
            continue
        coins.append(
            CoinMarket(
                reply.provider,
                row.id,
                base,
                row.name,
                row.rank or None,
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
                iso_ms(row.last_updated),
                reply.received_ms,
            )
        )
    return coins


class _Global(msgspec.Struct):
    market_cap_usd: float
    volume_24h_usd: float | None = None
    bitcoin_dominance_percentage: float | None = None
    cryptocurrencies_number: int | None = None
    market_cap_change_24h: float | None = None
    last_updated: float | None = None


_global = decoder(_Global)


def global_request(ask: GlobalAsk) -> Request:
    return Request("/global")


def global_parse(reply: Reply, ask: GlobalAsk) -> list[GlobalMarket]:
    data = read(_global, reply.body)
    return [
        GlobalMarket(
            reply.provider,
            data.market_cap_usd,
            data.volume_24h_usd,
            data.bitcoin_dominance_percentage,
            None,
            data.cryptocurrencies_number,
            data.market_cap_change_24h,
            seconds(data.last_updated),
            reply.received_ms,
        )
    ]


class _Listing(msgspec.Struct):
    id: str
    name: str
    symbol: str
    rank: int | None = None
    is_active: bool = True


class _Search(msgspec.Struct):
    currencies: list[_Listing] = []


_listings = decoder(list[_Listing])
_search = decoder(_Search)


def assets_request(ask: AssetsAsk) -> Request:
    return Request("/coins")


def assets_parse(reply: Reply, ask: AssetsAsk) -> list[AssetListing]:
    return [
        AssetListing(
            reply.provider, row.id, row.symbol.strip().upper(), row.name, row.rank or None, row.is_active
        )
        for row in read(_listings, reply.body)
        if row.name and row.symbol.strip()
    ]


def search_request(ask: SearchAsk) -> Request:
    return Request("/search", (("q", ask.text), ("c", "currencies"), ("limit", str(SEARCH_LIMIT))))


def search_parse(reply: Reply, ask: SearchAsk) -> list[SearchHit]:
    return [
        SearchHit(reply.provider, row.id, row.symbol.strip().upper(), row.name, row.rank or None)
        for row in read(_search, reply.body).currencies
        if row.symbol.strip()
    ]


class _Tag(msgspec.Struct):
    id: str
    name: str
    coin_counter: int | None = None


_tags = decoder(list[_Tag])


def categories_request(ask: CategoriesAsk) -> Request:
    return Request("/tags")


def categories_parse(reply: Reply, ask: CategoriesAsk) -> list[Category]:
    return [
        Category(reply.provider, tag.id, tag.name, None, None, None, tag.coin_counter, None)
        for tag in read(_tags, reply.body)
    ]


class _Contract(msgspec.Struct):
    contract: str | None = None
    platform: str | None = None


class _Links(msgspec.Struct):
    website: list[str] | None = None


class _Coin(msgspec.Struct):
    id: str
    name: str
    symbol: str
    rank: int | None = None
    description: str | None = None
    links: _Links | None = None
    tags: list[_Tag] | None = None
    started_at: str | None = None
    hash_algorithm: str | None = None
    contracts: list[_Contract] | None = None


_coin = decoder(_Coin)


def coin_request(ask: CoinAsk) -> Request:
    return Request(f"/coins/{escape(ask.native_id, safe='')}")


def coin_parse(reply: Reply, ask: CoinAsk) -> list[CoinDetail]:
    coin = read(_coin, reply.body)
    websites = (coin.links.website if coin.links else None) or []
    contracts = ((c.platform, c.contract) for c in coin.contracts or [])
    return [
        CoinDetail(
            provider=reply.provider,
            native_id=coin.id,
            ticker=coin.symbol.strip().upper(),
            name=coin.name,
            rank=coin.rank or None,
            description=plain(coin.description),
            homepage=next((address for text in websites if (address := link(text))), None),
            categories=tuple(text for tag in coin.tags or [] if (text := plain(tag.name))),
            genesis_date=coin.started_at[:10] if coin.started_at else None,
            hashing_algorithm=plain(coin.hash_algorithm),
            contracts=tuple((chain, address) for chain, address in contracts if chain and address),
        )
    ]


class _ExchangeUsd(msgspec.Struct):
    adjusted_volume_24h: float | None = None


class _ExchangeQuotes(msgspec.Struct):
    USD: _ExchangeUsd | None = None


class _Exchange(msgspec.Struct):
    id: str
    name: str
    active: bool = True
    adjusted_rank: int | None = None
    links: _Links | None = None
    quotes: _ExchangeQuotes | None = None


_exchanges = decoder(list[_Exchange])


def exchanges_request(ask: ExchangesAsk) -> Request:
    return Request("/exchanges", (("quotes", "USD"),))


def exchanges_parse(reply: Reply, ask: ExchangesAsk) -> list[ExchangeInfo]:
    rows = [row for row in read(_exchanges, reply.body) if row.active]
    rows.sort(key=lambda row: row.adjusted_rank or len(rows) + 1_000_000)
    found = []
    for row in rows[(ask.page - 1) * ask.per_page : ask.page * ask.per_page]:
        websites = (row.links.website if row.links else None) or []
        usd = row.quotes.USD if row.quotes else None
        volume = usd.adjusted_volume_24h if usd else None
        url = next((address for text in websites if (address := link(text))), None)
        found.append(
            ExchangeInfo(
                reply.provider, row.id, row.name, None, None, url, row.adjusted_rank or None, volume, None
            )
        )
    return found


class _Error(msgspec.Struct):
    error: str


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    try:
        text = _error.decode(reply.body).error[:200]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if reply.status == 402:
        return PlanRequired(text)
    if reply.status == 404 or "not found" in text.lower():
        return SymbolNotListed("the aggregator does not know this id")
    return UpstreamRejected(text) if reply.status in (400, 422) else None


ADAPTER = Adapter(
    name="coinpaprika",
    endpoints={
        Capability.QUOTES: Endpoint(quotes_request, quotes_parse),
        Capability.COINS: Endpoint(coins_request, coins_parse),
        Capability.GLOBAL: Endpoint(global_request, global_parse),
        Capability.ASSETS: Endpoint(assets_request, assets_parse),
        Capability.SEARCH: Endpoint(search_request, search_parse),
        Capability.CATEGORIES: Endpoint(categories_request, categories_parse),
        Capability.COIN: Endpoint(coin_request, coin_parse),
        Capability.EXCHANGES: Endpoint(exchanges_request, exchanges_parse),
    },
    explain=explain,
)
