"""CoinCap v3: text numbers of twenty digits, one object or a list under `data`, its own slugs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    AssetsAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    QuotesAsk,
    SearchAsk,
)
from crypto_dt_source.model.errors import KeyRefused, PayloadChanged, SymbolNotListed, UpstreamRateLimited
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers.adapters.coincap import ADAPTER, MAX_ROWS
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000


def reply(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("coincap", status, body, NOW)


def parse(content: Any, ask: Ask) -> list[Any]:
    records = list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


@pytest.mark.parametrize(
    "ask",
    [QuotesAsk(), CoinsAsk(), AssetsAsk(), SearchAsk("x"), CoinAsk("bitcoin")],
    ids=lambda a: type(a).__name__,
)
@pytest.mark.parametrize(("name", "count"), [("v2_assets.json", 5), ("v3_asset_bitcoin.json", 1)])
def test_recorded_bodies(wire: Path, ask: Ask, name: str, count: int) -> None:
    records = parse((wire / "coincap" / name).read_bytes(), ask)
    assert len(records) == (1 if isinstance(ask, CoinAsk) else count)


def asset(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "binance-coin",
        "rank": "4",
        "symbol": "bnb",
        "name": "BNB",
        "supply": "140000000.0000000000000000",
        "maxSupply": None,
        "marketCapUsd": "91000000000.1234567890123456",
        "volumeUsd24Hr": "842700214.4413421823133572",
        "priceUsd": "650.1234567890123456789",
        "changePercent24Hr": "-1.4874930394008333",
        "vwap24Hr": None,
        "explorer": None,
        "tokens": {"56": ["0x1"]},
    }
    return {**row, **changes}


def test_text_numbers_and_nulls() -> None:
    (quote,) = parse({"data": [asset()], "timestamp": NOW}, QuotesAsk())
    assert quote[:5] == ("coincap", "binance-coin", "BNB", "USD", 650.1234567890124)
    assert (quote.quote_volume, quote.change_pct, quote.event_ms) == (
        842700214.4413422,
        -1.4874930394008333,
        None,
    )
    (coin,) = parse({"data": [asset(marketCapUsd="", rank=None)]}, CoinsAsk())
    assert (coin.market_cap, coin.max_supply, coin.rank, coin.circulating_supply) == (None, None, None, 1.4e8)


@pytest.mark.parametrize("price", [None, "", "0.0000", "NaN"])
def test_a_row_without_a_price_is_left_out(price: Any) -> None:
    rows = {"data": [asset(priceUsd=price), asset(id="x")]}
    assert [q.symbol for q in parse(rows, QuotesAsk())] == ["x"]
    assert [c.native_id for c in parse(rows, CoinsAsk())] == ["x"]


def test_exchanges() -> None:
    row = {
        "exchangeId": "gdax",
        "name": "Coinbase Exchange",
        "rank": "2",
        "percentTotalVolume": "9.03",
        "volumeUsd": "2549797968.95",
        "exchangeUrl": "https://c.example",
        "socket": None,
        "updated": NOW,
    }
    (found,) = parse({"data": [row]}, ExchangesAsk())
    assert found[1:] == ("gdax", "Coinbase Exchange", None, None, "https://c.example", 2, 2549797968.95, None)


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (QuotesAsk(), "/assets?limit=250&offset=0"),
        (QuotesAsk(ids=("xrp", " binance-coin")), "/assets?ids=xrp%2Cbinance-coin&limit=200"),
        (CoinsAsk(page=3, per_page=100), "/assets?limit=100&offset=200"),
        (CoinAsk("a b"), "/assets/a%20b"),
        (SearchAsk("bit"), "/assets?search=bit&limit=50"),
        (AssetsAsk(), "/assets?limit=2000&offset=0"),
        (ExchangesAsk(page=2, per_page=10), "/exchanges?limit=10&offset=10"),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


def test_the_list_of_assets_ends_with_a_short_page() -> None:
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[AssetsAsk]]
    assert endpoint.next is not None
    first = endpoint.request(AssetsAsk())
    full = reply({"data": [asset()] * MAX_ROWS})
    second = endpoint.next(full, AssetsAsk(), first)
    assert second is not None
    assert second.target() == "/assets?limit=2000&offset=2000"
    assert endpoint.next(reply({"data": [asset()]}), AssetsAsk(), second) is None


def test_many_ids_are_sent_in_several_calls() -> None:
    ask = QuotesAsk(ids=tuple(f"coin-{i}" for i in range(450)))
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    request, sent = endpoint.request(ask), []
    while request is not None:
        sent += dict(request.params)["ids"].split(",")
        request = endpoint.next(reply({"data": []}), ask, request)
    assert tuple(sent) == ask.ids


def test_errors() -> None:
    assert type(ADAPTER.explain(reply({"error": "Unauthorized"}, 401))) is KeyRefused
    assert type(ADAPTER.explain(reply({"error": "nope not found"}, 404))) is SymbolNotListed
    assert type(ADAPTER.explain(reply({"error": "slow down"}, 429))) is UpstreamRateLimited
    assert ADAPTER.explain(reply({"error": "down"}, 503)) is None
    assert ADAPTER.explain(reply(b"<html>401</html>", 401)) is None


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[{"id":', b"[]", b"\xff", b'{"timestamp":1}'])
@pytest.mark.parametrize(
    "ask", [QuotesAsk(), CoinsAsk(), CoinAsk("x"), AssetsAsk(), SearchAsk("x"), ExchangesAsk()]
)
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"data": [asset(priceUsd={})]}, QuotesAsk())
    assert caught.value.path == "$.data[0].priceUsd"
