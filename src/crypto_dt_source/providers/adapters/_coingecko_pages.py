"""CoinGecko's errors and its slow-moving pages: coins and their details, categories, search, exchanges.

https://docs.coingecko.com/reference/coins-id
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote as escape

import msgspec

from ...model.ask import AssetsAsk, CategoriesAsk, CoinAsk, ExchangesAsk, SearchAsk
from ...model.asset import AssetListing
from ...model.errors import (
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.market import Category, CoinDetail, ExchangeInfo, SearchHit
from ..kit import Reply, Request, T, decoder, iso_ms, positive, read
from ..paging import Pages
from ..text import link, plain

PER_PAGE = 250
EXCHANGE_PAGES = Pages(PER_PAGE)
BY_CODE: dict[int, type[UpstreamError]] = {
    429: UpstreamRateLimited,
    1020: RegionBlocked,
    10002: KeyRefused,
    10005: PlanRequired,
    10006: PlanRequired,
    10010: KeyRefused,
    10011: KeyRefused,
    10012: PlanRequired,
}
"""10010 and 10011 are a paid key on the public host and the reverse."""


def _status(content: Any) -> dict[str, Any] | None:
    """The `status` object of an error, at the top (429) or inside `error` (401)."""
    if not isinstance(content, dict):
        return None
    inner = content.get("error")
    status = inner.get("status") if isinstance(inner, dict) else content.get("status")
    return status if isinstance(status, dict) and "error_code" in status else None


def explain(reply: Reply) -> UpstreamError | None:
    """The meaning of an error body in any of its three shapes, or None for anything else."""
    try:
        content = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if (status := _status(content)) is not None:
        message = str(status.get("error_message", ""))[:200]
        code = status["error_code"]
        return BY_CODE.get(code if isinstance(code, int) else 0, UpstreamRejected)(message)
    text = content.get("error") if isinstance(content, dict) else None
    if not isinstance(text, str):
        return None
    if content.get("status") == 500:
        return UpstreamBroken(text[:200])
    if "not found" in text.lower():
        return SymbolNotListed("the aggregator does not know this id")
    return UpstreamRejected(text[:200]) if reply.status < 500 else None


def read_body(decode: msgspec.json.Decoder[T], reply: Reply) -> T:
    """The declared shape, or the error that came in its place under status 200."""
    try:
        return read(decode, reply.body)
    except PayloadChanged:
        if (error := explain(reply)) is not None:
            raise error from None
        raise


def ticker(symbol: str) -> str:
    """CoinGecko writes tickers in lower case, some with blanks around."""
    return symbol.strip().upper()


class _Category(msgspec.Struct):
    name: str
    id: str | None = None
    category_id: str | None = None
    market_cap: float | None = None
    market_cap_change_24h: float | None = None
    volume_24h: float | None = None
    updated_at: str | None = None


_categories = decoder(list[_Category])


def categories_request(ask: CategoriesAsk) -> Request:
    return Request("/coins/categories")


def categories_parse(reply: Reply, ask: CategoriesAsk) -> list[Category]:
    return [
        Category(
            reply.provider,
            row.id or row.category_id or "",
            row.name,
            row.market_cap,
            row.market_cap_change_24h,
            row.volume_24h,
            None,
            iso_ms(row.updated_at),
        )
        for row in read_body(_categories, reply)
        if row.id or row.category_id
    ]


class _Usd(msgspec.Struct):
    usd: float | None = None


class _UsdDate(msgspec.Struct):
    usd: str | None = None


class _CoinMarketData(msgspec.Struct):
    current_price: _Usd = msgspec.field(default_factory=_Usd)
    market_cap: _Usd = msgspec.field(default_factory=_Usd)
    total_volume: _Usd = msgspec.field(default_factory=_Usd)
    ath: _Usd = msgspec.field(default_factory=_Usd)
    ath_date: _UsdDate = msgspec.field(default_factory=_UsdDate)
    atl: _Usd = msgspec.field(default_factory=_Usd)
    atl_date: _UsdDate = msgspec.field(default_factory=_UsdDate)
    price_change_percentage_24h: float | None = None
    circulating_supply: float | None = None
    total_supply: float | None = None
    max_supply: float | None = None


class _Links(msgspec.Struct):
    homepage: list[str | None] = []


class _Coin(msgspec.Struct):
    id: str
    symbol: str
    name: str
    market_cap_rank: int | None = None
    description: dict[str, str | None] = {}
    links: _Links = msgspec.field(default_factory=_Links)
    categories: list[str | None] = []
    genesis_date: str | None = None
    hashing_algorithm: str | None = None
    platforms: dict[str, str | None] = {}
    market_data: _CoinMarketData | None = None
    last_updated: str | None = None


_coin = decoder(_Coin)


def coin_request(ask: CoinAsk) -> Request:
    off = ("localization", "tickers", "community_data", "developer_data", "sparkline")
    params = (*((name, "false") for name in off), ("market_data", "true"))
    return Request(f"/coins/{escape(ask.native_id, safe='')}", params)


def coin_parse(reply: Reply, ask: CoinAsk) -> list[CoinDetail]:
    coin = read_body(_coin, reply)
    data = coin.market_data or _CoinMarketData()
    homepage = next((address for text in coin.links.homepage if (address := link(text))), None)
    detail = CoinDetail(
        provider=reply.provider,
        native_id=coin.id,
        ticker=ticker(coin.symbol),
        name=coin.name,
        rank=coin.market_cap_rank,
        description=plain(coin.description.get("en")),
        homepage=homepage,
        categories=tuple(text for name in coin.categories if (text := plain(name))),
        genesis_date=coin.genesis_date or None,
        hashing_algorithm=plain(coin.hashing_algorithm),
        price=positive(data.current_price.usd),
        market_cap=positive(data.market_cap.usd),
        volume_24h=data.total_volume.usd,
        change_24h_pct=data.price_change_percentage_24h,
        ath=positive(data.ath.usd),
        ath_date=data.ath_date.usd,
        atl=positive(data.atl.usd),
        atl_date=data.atl_date.usd,
        circulating_supply=positive(data.circulating_supply),
        total_supply=positive(data.total_supply),
        max_supply=positive(data.max_supply),
        contracts=tuple((chain, address) for chain, address in coin.platforms.items() if chain and address),
        event_ms=iso_ms(coin.last_updated),
    )
    return [detail]


class _Listing(msgspec.Struct):
    id: str
    symbol: str
    name: str
    market_cap_rank: int | None = None


class _Search(msgspec.Struct):
    coins: list[_Listing]


_search = decoder(_Search)
_listings = decoder(list[_Listing])


def search_request(ask: SearchAsk) -> Request:
    return Request("/search", (("query", ask.text),))


def search_parse(reply: Reply, ask: SearchAsk) -> list[SearchHit]:
    return [
        SearchHit(reply.provider, row.id, ticker(row.symbol), row.name, row.market_cap_rank)
        for row in read_body(_search, reply).coins
        if ticker(row.symbol)
    ]


def assets_request(ask: AssetsAsk) -> Request:
    return Request("/coins/list")


def assets_parse(reply: Reply, ask: AssetsAsk) -> list[AssetListing]:
    return [
        AssetListing(reply.provider, row.id, ticker(row.symbol), row.name, None, True)
        for row in read_body(_listings, reply)
        # Of some 17 000 rows a few have a blank ticker or name: nothing to find them by.
        if row.id and row.name and ticker(row.symbol)
    ]


class _Exchange(msgspec.Struct):
    id: str
    name: str
    country: str | None = None
    year_established: int | None = None
    url: str | None = None
    trust_score_rank: int | None = None
    trade_volume_24h_btc: float | None = None


_exchanges = decoder(list[_Exchange])


def _exchanges_of(number: int, size: int) -> Request:
    return Request("/exchanges", (("per_page", str(size)), ("page", str(number + 1))))


def exchanges_request(ask: ExchangesAsk) -> Request:
    return _exchanges_of(*EXCHANGE_PAGES.first(ask))


def exchanges_next(reply: Reply, ask: ExchangesAsk, previous: Request) -> Request | None:
    sent = dict(previous.params)
    rows = len(read_body(_exchanges, reply))
    following = EXCHANGE_PAGES.after(ask, int(sent["page"]) - 1, int(sent["per_page"]), rows)
    return None if following is None else _exchanges_of(*following)


def exchanges_parse(reply: Reply, ask: ExchangesAsk) -> list[ExchangeInfo]:
    return [
        ExchangeInfo(
            reply.provider,
            row.id,
            row.name,
            row.country or None,
            row.year_established,
            link(row.url),
            row.trust_score_rank,
            None,
            row.trade_volume_24h_btc,
        )
        for row in read_body(_exchanges, reply)
    ]
