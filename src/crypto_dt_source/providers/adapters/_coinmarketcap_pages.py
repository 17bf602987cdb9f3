"""CoinMarketCap's errors and its slow-moving pages: the map of coins, categories, coin details.

https://coinmarketcap.com/api/documentation/v1/
"""

from __future__ import annotations

import msgspec

from ...model.ask import AssetsAsk, CategoriesAsk, CoinAsk
from ...model.asset import AssetListing
from ...model.errors import (
    KeyRefused,
    NotOffered,
    PlanRequired,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.market import Category, CoinDetail
from ..kit import Reply, Request, T, decoder, iso_ms, read
from ..text import link, plain

MAP_ROWS = 5000

BY_CODE: dict[int, type[UpstreamError]] = {
    400: UpstreamRejected,
    500: UpstreamBroken,
    1001: KeyRefused,
    1002: KeyRefused,
    1003: PlanRequired,
    1004: PlanRequired,
    1005: KeyRefused,
    1006: PlanRequired,
    1007: KeyRefused,
    1008: UpstreamRateLimited,
    1009: UpstreamRateLimited,
    1010: UpstreamRateLimited,
    1011: UpstreamRateLimited,
}


class _Status(msgspec.Struct):
    error_code: int = 0
    error_message: str | None = None


class _Envelope(msgspec.Struct):
    status: _Status | None = None


_envelope = decoder(_Envelope)


def explain(reply: Reply) -> UpstreamError | None:
    """The meaning of `status.error_code`, or None for 0, for an unknown code and for another body."""
    try:
        status = _envelope.decode(reply.body).status
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if status is None or status.error_code not in BY_CODE:
        return None
    return BY_CODE[status.error_code]((status.error_message or "no reason given")[:200])


def read_body(decode: msgspec.json.Decoder[T], reply: Reply) -> T:
    """The declared shape; an error inside a 200 is raised as what it means."""
    # An error's `data` is empty and may fit the shape, so the status is asked first.
    if (error := explain(reply)) is not None:
        raise error
    return read(decode, reply.body)


class _Listing(msgspec.Struct):
    id: int
    name: str
    symbol: str
    rank: int | None = None
    is_active: int = 1


class _Map(msgspec.Struct):
    data: list[_Listing]


_map = decoder(_Map)


def _map_from(start: int) -> Request:
    params = (
        ("listing_status", "active"),
        ("start", str(start)),
        ("limit", str(MAP_ROWS)),
        ("sort", "cmc_rank"),
    )
    return Request("/v1/cryptocurrency/map", params)


def assets_request(ask: AssetsAsk) -> Request:
    return _map_from(1)


def assets_next(reply: Reply, ask: AssetsAsk, previous: Request) -> Request | None:
    if len(read_body(_map, reply).data) < MAP_ROWS:
        return None
    return _map_from(int(dict(previous.params)["start"]) + MAP_ROWS)


def assets_parse(reply: Reply, ask: AssetsAsk) -> list[AssetListing]:
    return [
        AssetListing(
            reply.provider,
            str(row.id),
            row.symbol.strip().upper(),
            row.name,
            row.rank or None,
            row.is_active == 1,
        )
        for row in read_body(_map, reply).data
        if row.name and row.symbol.strip()
    ]


class _Category(msgspec.Struct):
    id: str
    name: str
    market_cap: float | None = None
    market_cap_change: float | None = None
    volume: float | None = None
    num_tokens: int | None = None
    last_updated: str | None = None


class _Categories(msgspec.Struct):
    data: list[_Category]


_categories = decoder(_Categories)


def categories_request(ask: CategoriesAsk) -> Request:
    return Request("/v1/cryptocurrency/categories", (("start", "1"), ("limit", "200")))


def categories_parse(reply: Reply, ask: CategoriesAsk) -> list[Category]:
    return [
        Category(
            reply.provider,
            row.id,
            row.name,
            row.market_cap,
            row.market_cap_change,
            row.volume,
            row.num_tokens,
            iso_ms(row.last_updated),
        )
        for row in read_body(_categories, reply).data
    ]


class _Platform(msgspec.Struct):
    name: str | None = None


class _Contract(msgspec.Struct):
    contract_address: str | None = None
    platform: _Platform | None = None


class _Urls(msgspec.Struct):
    website: list[str] = []


class _Info(msgspec.Struct):
    id: int
    name: str
    symbol: str
    description: str | None = None
    urls: _Urls | None = None
    tags: list[str] | None = None
    date_launched: str | None = None
    contract_address: list[_Contract] | None = None


class _Infos(msgspec.Struct):
    data: dict[str, _Info]


_infos = decoder(_Infos)


def coin_request(ask: CoinAsk) -> Request:
    if not ask.native_id.isdecimal():
        raise NotOffered("ids are numbers here")
    return Request("/v2/cryptocurrency/info", (("id", ask.native_id), ("skip_invalid", "true")))


def coin_parse(reply: Reply, ask: CoinAsk) -> list[CoinDetail]:
    info = read_body(_infos, reply).data.get(ask.native_id)
    if info is None:
        raise SymbolNotListed("the aggregator does not know this id")
    contracts = (
        (c.platform.name if c.platform else None, c.contract_address) for c in info.contract_address or []
    )
    return [
        CoinDetail(
            provider=reply.provider,
            native_id=str(info.id),
            ticker=info.symbol.strip().upper(),
            name=info.name,
            description=plain(info.description),
            homepage=next((url for text in (info.urls or _Urls()).website if (url := link(text))), None),
            categories=tuple(text for tag in info.tags or [] if (text := plain(tag))),
            genesis_date=info.date_launched[:10] if info.date_launched else None,
            contracts=tuple((chain, address) for chain, address in contracts if chain and address),
        )
    ]
