"""CoinLore: numbers as text, two row wrappers, lists of one, exchanges as a map."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    QuotesAsk,
)
from crypto_dt_source.model.errors import PayloadChanged, SymbolNotListed
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers.adapters.coinlore import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000


def parse(content: Any, ask: Ask) -> list[Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[type(ask)]]
    records = list(endpoint.parse(Reply("coinlore", 200, body, NOW), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


def row(**changes: Any) -> dict[str, Any]:
    base = {
        "id": "90",
        "symbol": "btc",
        "name": "Bitcoin",
        "nameid": "bitcoin",
        "rank": 1,
        "price_usd": "64500.25",
        "percent_change_24h": "-1.5",
        "percent_change_1h": "0.25",
        "percent_change_7d": "",
        "market_cap_usd": "1270000000000.00",
        "volume24": 39976553.5,
        "csupply": "19700000.00",
        "tsupply": "19700000",
        "msupply": "",
    }
    return {**base, **changes}


def test_both_wrappers_give_quotes() -> None:
    wanted = (
        "coinlore",
        "90",
        "BTC",
        "USD",
        64500.25,
        None,
        None,
        None,
        39976553.5,
        -1.5,
        None,
        None,
        None,
        NOW,
    )
    assert parse({"data": [row()], "info": {"coins_num": 1, "time": 1777629600}}, QuotesAsk()) == [wanted]
    assert parse([row()], QuotesAsk(ids=("90",))) == [wanted]


@pytest.mark.parametrize("price", [None, "", "0", "?", "NaN", 0])
def test_a_row_without_a_price_is_left_out_and_the_rest_stays(price: Any) -> None:
    rows = [row(id="1", price_usd=price), row()]
    assert [q.symbol for q in parse(rows, QuotesAsk(ids=("1", "90")))] == ["90"]
    assert [c.native_id for c in parse({"data": rows}, CoinsAsk())] == ["90"]


def test_coins_keep_unknown_numbers_absent() -> None:
    (coin,) = parse({"data": [row(market_cap_usd=None)]}, CoinsAsk())
    assert (coin.market_cap, coin.change_7d_pct, coin.max_supply, coin.circulating_supply) == (
        None,
        None,
        None,
        19.7e6,
    )
    (detail,) = parse([row()], CoinAsk("90"))
    assert (detail.ticker, detail.price, detail.rank, detail.max_supply) == ("BTC", 64500.25, 1, None)


def test_an_unknown_coin_is_an_empty_list() -> None:
    with pytest.raises(SymbolNotListed):
        parse([], CoinAsk("999999"))
    assert parse([], QuotesAsk(ids=("999999",))) == []


def test_the_global_market_is_a_list_of_one() -> None:
    data = {
        "coins_count": 14000,
        "active_markets": 30000,
        "total_mcap": 2.5e12,
        "total_volume": 9.5e10,
        "btc_d": "57.25",
        "eth_d": "10.50",
        "mcap_change": "-0.75",
    }
    (market,) = parse([data], GlobalAsk())
    assert (market.market_cap, market.volume_24h, market.active_coins) == (2.5e12, 9.5e10, 14000)
    assert (market.btc_dominance_pct, market.eth_dominance_pct) == (57.25, 10.5)
    assert market.market_cap_change_24h_pct == -0.75
    with pytest.raises(PayloadChanged):
        parse([], GlobalAsk())


def test_exchanges_come_as_a_map_or_a_list() -> None:
    small = {"id": "5", "name": "Small", "volume_usd": "10.5", "url": "https://s.example", "country": "Japan"}
    large = {"id": "7", "name": "Large", "volume_usd": 99, "url": "", "country": None}
    for content in ({"5": small, "7": large}, [small, large]):
        found = parse(content, ExchangesAsk())
        assert [e.native_id for e in found] == ["7", "5"]
        assert found[1] == ("coinlore", "5", "Small", "Japan", None, "https://s.example", None, 10.5, None)
    assert [e.native_id for e in parse({"5": small, "7": large}, ExchangesAsk(page=2, per_page=1))] == ["5"]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (QuotesAsk(), "/tickers/?start=0&limit=100"),
        (QuotesAsk(ids=("90", " 80", "90")), "/ticker/?id=90%2C80"),
        (CoinsAsk(page=3, per_page=50), "/tickers/?start=100&limit=50"),
        (CoinsAsk(page=2, per_page=250), "/tickers/?start=250&limit=100"),
        (CoinAsk("90"), "/ticker/?id=90"),
        (GlobalAsk(), "/global/"),
        (ExchangesAsk(), "/exchanges/"),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


def test_many_ids_go_in_calls_of_a_hundred() -> None:
    ask = QuotesAsk(ids=tuple(str(i) for i in range(150)))
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    reply = Reply("coinlore", 200, b"[]", NOW)
    first = endpoint.request(ask)
    second = endpoint.next(reply, ask, first)
    assert second is not None
    assert endpoint.next(reply, ask, second) is None
    sent = dict(first.params)["id"].split(",") + dict(second.params)["id"].split(",")
    assert tuple(sent) == ask.ids


@pytest.mark.parametrize("body", [b"<html>", b'{"data":[{"id":', b"[{", b"\xff", b"1"])
@pytest.mark.parametrize("ask", [QuotesAsk(), CoinsAsk(), CoinAsk("90"), GlobalAsk(), ExchangesAsk()])
def test_broken_bodies(ask: Ask, body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"data": [row(), row(price_usd=[1])]}, QuotesAsk())
    assert caught.value.path == "$.data[1].price_usd"
