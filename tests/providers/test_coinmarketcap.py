"""CoinMarketCap: the status envelope, lists and maps of coins, credits as weight."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    AssetsAsk,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    GlobalAsk,
    QuotesAsk,
)
from crypto_dt_source.model.errors import (
    KeyRefused,
    NotOffered,
    PayloadChanged,
    PlanRequired,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers.adapters.coinmarketcap import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000


def reply(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("coinmarketcap", status, body, NOW)


def parse(content: Any, ask: Ask) -> list[Any]:
    records = list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


def test_recorded_bodies(wire: Path) -> None:
    folder = wire / "coinmarketcap"
    assert len(parse((folder / "global_metrics.json").read_bytes(), GlobalAsk())) == 1
    element = json.loads((folder / "ticker_element.json").read_bytes())
    assert [q.symbol for q in parse({"data": [element]}, QuotesAsk())] == ["1"]
    assert [c.ticker for c in parse({"data": {"1": element}}, CoinsAsk())] == ["BTC"]
    mapped = json.loads((folder / "map_element.json").read_bytes())
    assert parse({"data": [mapped]}, AssetsAsk()) == [("coinmarketcap", "1", "BTC", "Bitcoin", 1, True)]


def coin(native_id: int = 5426, **usd: Any) -> dict[str, Any]:
    quote = {
        "price": 151.5,
        "volume_24h": 3e9,
        "percent_change_24h": -1.25,
        "last_updated": "2026-05-01T10:00:00.000Z",
    }
    return {
        "id": native_id,
        "name": "Solana",
        "symbol": "sol",
        "slug": "solana",
        "cmc_rank": 6,
        "max_supply": None,
        "platform": None,
        "quote": {"USD": {**quote, **usd}},
    }


@pytest.mark.parametrize(
    "data",
    [[coin()], {"5426": coin()}, {"SOL": [coin()]}],
    ids=["listings", "quotes by id", "quotes by ticker"],
)
def test_every_arrangement_gives_the_same_quote(data: Any) -> None:
    assert parse({"status": {"error_code": 0}, "data": data}, QuotesAsk(ids=("5426",))) == [
        (
            "coinmarketcap",
            "5426",
            "SOL",
            "USD",
            151.5,
            None,
            None,
            None,
            3e9,
            -1.25,
            None,
            None,
            1777629600000,
            NOW,
        )
    ]


def test_rows_without_a_price_are_left_out() -> None:
    rows = {"data": [coin(1, price=None), {**coin(2), "quote": {}}, {**coin(3), "symbol": " "}, coin(4)]}
    assert [q.symbol for q in parse(rows, QuotesAsk())] == ["4"]
    (row,) = parse(rows, CoinsAsk())
    assert (row.native_id, row.rank, row.max_supply, row.market_cap) == ("4", 6, None, None)


def test_categories_and_coin_pages() -> None:
    category = {
        "id": "abc", "name": "DeFi", "num_tokens": 300, "market_cap": 9e10, "market_cap_change": 1.5,
        "volume": None, "last_updated": "2026-05-01T10:00:00.000Z",
    }  # fmt: skip
    assert parse({"data": [category]}, CategoriesAsk()) == [
        ("coinmarketcap", "abc", "DeFi", 9e10, 1.5, None, 300, 1777629600000)
    ]
    info = {
        "id": 5426,
        "name": "Solana",
        "symbol": "SOL",
        "description": "Solana <i>is</i> a chain",
        "urls": {"website": ["https://s.example/"]},
        "tags": ["layer-1"],
        "date_launched": "2020-03-16T00:00:00.000Z",
        "contract_address": [{"contract_address": "So1", "platform": {"name": "Solana", "coin": {}}}],
    }
    (page,) = parse({"data": {"5426": info}}, CoinAsk("5426"))
    assert (page.description, page.homepage, page.genesis_date) == (
        "Solana is a chain",
        "https://s.example/",
        "2020-03-16",
    )
    assert (page.categories, page.contracts) == (("layer-1",), (("Solana", "So1"),))
    bare = {"id": 5426, "name": "S", "symbol": "S", "tags": None, "urls": None, "contract_address": None}
    assert parse({"data": {"5426": bare}}, CoinAsk("5426"))[0].homepage is None
    with pytest.raises(SymbolNotListed):
        parse({"data": {}}, CoinAsk("5426"))


@pytest.mark.parametrize(
    ("ask", "expected", "weight"),
    [
        (QuotesAsk(), "/v1/cryptocurrency/listings/latest?start=1&limit=200&convert=USD", 1),
        (
            QuotesAsk(ids=("1", "x", "1027", "1")),
            "/v2/cryptocurrency/quotes/latest?id=1%2C1027&convert=USD&skip_invalid=true",
            1,
        ),
        (CoinsAsk(page=3), "/v1/cryptocurrency/listings/latest?start=501&limit=250&convert=USD", 2),
        (CoinsAsk(per_page=5000), "/v1/cryptocurrency/listings/latest?start=1&limit=5000&convert=USD", 25),
        (GlobalAsk(), "/v1/global-metrics/quotes/latest?convert=USD", 1),
        (AssetsAsk(), "/v1/cryptocurrency/map?listing_status=active&start=1&limit=5000&sort=cmc_rank", 1),
        (CategoriesAsk(), "/v1/cryptocurrency/categories?start=1&limit=200", 1),
        (CoinAsk("1"), "/v2/cryptocurrency/info?id=1&skip_invalid=true", 1),
    ],
)
def test_requests(ask: Ask, expected: str, weight: int) -> None:
    request = ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask)
    assert (request.target(), request.weight) == (expected, weight)


@pytest.mark.parametrize("ask", [QuotesAsk(ids=("bitcoin",)), CoinAsk("bitcoin")])
def test_ids_that_are_no_numbers_are_not_sent(ask: Ask) -> None:
    with pytest.raises(NotOffered):
        ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask)


def test_long_lists_are_read_page_by_page() -> None:
    quotes = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    ask = QuotesAsk(ids=tuple(str(i) for i in range(1, 251)))
    assert quotes.next is not None
    request, sent = quotes.request(ask), []
    while request is not None:
        sent += dict(request.params)["id"].split(",")
        request = quotes.next(reply({"data": {}}), ask, request)
    assert tuple(sent) == ask.ids

    assets = ADAPTER.endpoints[CAPABILITY_OF[AssetsAsk]]
    assert assets.next is not None
    row = {"id": 1, "name": "B", "symbol": "B"}
    second = assets.next(reply({"data": [row] * 5000}), AssetsAsk(), assets.request(AssetsAsk()))
    assert second is not None
    assert dict(second.params)["start"] == "5001"
    assert assets.next(reply({"data": [row]}), AssetsAsk(), second) is None


ERRORS: list[tuple[int, type[UpstreamError]]] = [
    (1001, KeyRefused),
    (1002, KeyRefused),
    (1003, PlanRequired),
    (1006, PlanRequired),
    (1008, UpstreamRateLimited),
    (1009, UpstreamRateLimited),
    (1010, UpstreamRateLimited),
    (1011, UpstreamRateLimited),
]


@pytest.mark.parametrize(("code", "expected"), ERRORS)
def test_error_codes_mean_the_same_under_any_status(code: int, expected: type[UpstreamError]) -> None:
    content = {"status": {"error_code": code, "error_message": "m", "credit_count": 0}, "data": {}}
    assert type(ADAPTER.explain(reply(content, 401))) is expected
    for ask in (QuotesAsk(), CoinsAsk(), GlobalAsk(), AssetsAsk(), CategoriesAsk(), CoinAsk("1")):
        with pytest.raises(expected):
            parse(content, ask)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"status":{"error_code":0}}', b"{}", b"\xff"])
def test_other_bodies_explain_nothing(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 500)) is None


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[{"id":', b"[]", b"\xff", b"{}"])
@pytest.mark.parametrize(
    "ask", [QuotesAsk(), CoinsAsk(), GlobalAsk(), AssetsAsk(), CategoriesAsk(), CoinAsk("1")]
)
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"data": [coin(price="a lot")]}, QuotesAsk())
    assert caught.value.path == "$.data[0].quote.USD.price"
