"""Providers without code: every entry's tables read what its upstream documents, and say so when it is another shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from table_bodies import Documented
from table_bodies_markets import DOCUMENTED, RECORDED

from crypto_dt_source.model.ask import (
    Ask,
    Capability,
    ChainStatsAsk,
    CoinsAsk,
    FearGreedAsk,
    FundingAsk,
    GasAsk,
    GlobalAsk,
    OpenInterestAsk,
    QuotesAsk,
)
from crypto_dt_source.model.errors import NotOffered, PayloadChanged, UpstreamBroken, UpstreamRateLimited
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import CatalogError, Entry
from crypto_dt_source.providers.entry_fields import checked
from crypto_dt_source.providers.kit import Reply

NOW = 1_795_280_000_000
TABLES = [e for e in catalog.load().values() if e.adapter == "json_table" and e.status in ("live", "keyed")]


def ask_of(entry: Entry, capability: Capability, chain: str = "") -> Ask:
    chain = chain or next(iter(entry.chains), "")
    asks: dict[Capability, Ask] = {
        Capability.GAS: GasAsk(chain),
        Capability.CHAIN_STATS: ChainStatsAsk(chain),
        Capability.FUNDING: FundingAsk(),
        Capability.OPEN_INTEREST: OpenInterestAsk(),
        Capability.FEAR_GREED: FearGreedAsk(1),
        Capability.GLOBAL: GlobalAsk(),
        Capability.QUOTES: QuotesAsk(),
        Capability.COINS: CoinsAsk(),
    }
    return asks[capability]


def parsed(entry: Entry, capability: Capability, body: str | bytes, chain: str = "") -> list[Any]:
    endpoint = catalog.adapter_of(entry).endpoints[capability]
    reply = Reply(entry.id, 200, body.encode() if isinstance(body, str) else body, NOW)
    return list(endpoint.parse(reply, ask_of(entry, capability, chain)))


@pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: f"{row.provider}-{row.capability.value}")
def test_a_documented_body_becomes_normal_records(row: Documented) -> None:
    records = parsed(catalog.load()[row.provider], row.capability, row.body, row.chain)
    assert [violation(record, NOW) for record in records] == [None] * row.count
    assert {name: getattr(records[0], name) for name in row.first} == {
        name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.first.items()
    }


@pytest.mark.parametrize(("provider", "capability"), sorted(RECORDED))
def test_a_recorded_body_of_a_table_becomes_normal_records(
    wire: Path, provider: str, capability: Capability
) -> None:
    records = parsed(
        catalog.load()[provider], capability, (wire / RECORDED[provider, capability]).read_bytes()
    )
    assert len(records) >= 2
    assert [record for record in records if violation(record, NOW)] == []


def test_every_table_has_a_body() -> None:
    shown = {(row.provider, row.capability) for row in DOCUMENTED} | set(RECORDED)
    assert shown == {(entry.id, capability) for entry in TABLES for capability in entry.offers}


@pytest.mark.parametrize("row", DOCUMENTED[::7], ids=lambda row: f"{row.provider}-{row.capability.value}")
def test_another_shape_is_never_an_empty_list(row: Documented) -> None:
    entry = catalog.load()[row.provider]
    for body in (
        b"<html><title>Maintenance</title></html>",
        row.body[: len(row.body) // 2].encode(),
        b'{"x": {}}',
    ):
        with pytest.raises(PayloadChanged):
            parsed(entry, row.capability, body, row.chain)


# --- what a table may say ---------------------------------------------------------------------------------------------

QUOTES = {"path": "/t", "rows": "data", "symbol": "pair", "symbol_form": "BASE_QUOTE", "price": "last"}


def venue(table: dict[str, Any] | None = None, **fields: Any) -> Entry:
    tables = {"quotes": {**QUOTES, **(table or {})}}
    given: dict[str, Any] = {
        "name": "Harbour",
        "adapter": "json_table",
        "base_url": "https://api.harbour.example",
        "docs": "https://harbour.example/docs",
        "limits": [{"amount": 1, "per_s": 1}],
        "quotes_in": ["USDT"],
        "offers": {"quotes": {"rank": 1}},
        "tables": tables,
        **fields,
    }
    return checked("exchange", "harbour", given)


def pairs(table: dict[str, Any], body: Any) -> list[tuple[str, str, float]]:
    found = parsed(venue(table), Capability.QUOTES, json.dumps(body))
    return [(quote.base, quote.quote, quote.price) for quote in found]


@pytest.mark.parametrize(
    ("table", "body"),
    [
        ({}, {"data": [{"pair": "BTC_USDT", "last": "65000.5"}]}),
        ({"symbol_form": "BASEQUOTE"}, {"data": [{"pair": "btcusdt", "last": 65000.5}]}),
        ({"symbol_form": "QUOTE-BASE"}, {"data": [{"pair": "USDT-BTC", "last": 65000.5}]}),
        ({"symbol": "@key"}, {"data": {"BTC_USDT": {"last": 65000.5}}}),
        ({"symbol": "@key", "price": ""}, {"data": {"BTC_USDT": "65000.5"}}),
        ({"symbol": "0", "price": "2.0"}, {"data": [["BTC_USDT", 1, ["65000.5", "1"]]]}),
        ({"aliases": {"XBT": "BTC"}}, {"data": [{"pair": "XBT_USDT", "last": 65000.5}]}),
        ({"symbol_prefix": "SPOT_"}, {"data": [{"pair": "SPOT_BTC_USDT", "last": 65000.5}]}),
        ({"base": "b", "quote": "=USDT"}, {"data": [{"b": "btc", "pair": "", "last": 65000.5}]}),
        ({"scale": {"price": 0.01}}, {"data": [{"pair": "BTC_USDT", "last": 6500050}]}),
        ({"invert": True}, {"data": [{"pair": "BTC_USDT", "last": 1 / 65000.5}]}),
        (
            {"where": {"type": "spot"}},
            {
                "data": [
                    {"pair": "BTC_USDT", "last": 65000.5, "type": "spot"},
                    {"pair": "X_USDT", "type": "swap"},
                ]
            },
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) and "data" not in value else "",
)
def test_the_forms_rows_and_symbols_may_have(table: dict[str, Any], body: Any) -> None:
    assert pairs(table, body) == [("BTC", "USDT", pytest.approx(65000.5))]


def test_a_pair_without_a_price_is_no_quote_and_a_row_of_another_shape_is_named() -> None:
    rows = [{"pair": f"A{n}_USDT", "last": 1 + n} for n in range(60)]
    rows += [{"pair": "DEAD_USDT", "last": "0"}, {"pair": "ODD_USDT", "last": {"value": 1}}]
    found = parsed(venue(), Capability.QUOTES, json.dumps({"data": rows}))
    assert len(found) == 61
    assert found[-1] == Unreadable("ODD_USDT", "price is no number but an object")


def test_more_than_a_few_odd_rows_are_another_shape() -> None:
    rows = [{"pair": f"A{n}_USDT", "last": 1 + n if n % 10 else [1]} for n in range(60)]
    with pytest.raises(PayloadChanged) as caught:
        parsed(venue(), Capability.QUOTES, json.dumps({"data": rows}))
    assert caught.value.path == "$.data"


@pytest.mark.parametrize(
    "body", ['{"data": 1}', '{"data": {}, "x": 1}', '{"data": [{"pair": "A_B"}]}', "[]", "7"]
)
def test_rows_that_are_not_there_are_another_shape(body: str) -> None:
    if body.startswith('{"data": {}'):
        assert parsed(venue(), Capability.QUOTES, body) == []
        return
    with pytest.raises(PayloadChanged):
        parsed(venue(), Capability.QUOTES, body)


def test_an_error_inside_an_answer_is_the_upstreams_own() -> None:
    entry = venue({"error": "error"})
    with pytest.raises(UpstreamRateLimited):
        parsed(entry, Capability.QUOTES, '{"error": "Too many requests", "data": []}')
    with pytest.raises(UpstreamBroken):
        parsed(entry, Capability.QUOTES, '{"error": "down", "data": []}')
    refused = catalog.adapter_of(entry).explain(Reply("harbour", 503, b'{"error": "rate limit"}', NOW))
    assert isinstance(refused, UpstreamRateLimited)


def test_a_call_a_pair_asks_for_the_pair_in_the_upstreams_own_spelling() -> None:
    table = {"path": "/t/{BASE}-{quote}", "rows": "", "price": "last", "aliases": {"XBT": "BTC"}}
    entry = venue({**table, "symbol": "pair"})
    endpoint = catalog.adapter_of(entry).endpoints[Capability.QUOTES]
    assert endpoint.per_pair
    bitcoin = QuotesAsk((Pair("BTC", "USDT"),))
    assert endpoint.request(bitcoin).path == "/t/XBT-usdt"
    reply = Reply("harbour", 200, b'{"pair": "XBT_USDT", "last": 5}', NOW)
    (quote,) = endpoint.parse(reply, bitcoin)
    assert (quote.base, quote.quote, quote.price) == ("BTC", "USDT", 5)
    with pytest.raises(NotOffered):
        endpoint.request(QuotesAsk())


def test_a_hostile_pair_cannot_leave_its_place_in_the_path() -> None:
    entry = venue({"path": "/t/{BASE}", "rows": "", "price": "last"})
    request = (
        catalog.adapter_of(entry)
        .endpoints[Capability.QUOTES]
        .request(QuotesAsk((Pair("../../A?x=1#", "USD"),)))
    )
    assert request.target() == "/t/..%2F..%2FA%3Fx%3D1%23"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"price": 7}, "tables.quotes.price must be a text"),
        ({"prise": "last"}, "tables.quotes.prise is unknown"),
        ({"path": "t"}, "tables.quotes.path must begin with a slash"),
        ({"path": "/{chain}"}, "tables.quotes.path holds {chain}; allowed here: BASE, QUOTE, base, quote"),
        ({"symbol_form": "BASE+QUOTE"}, "tables.quotes.symbol_form 'BASE+QUOTE' is not one of"),
        ({"symbol_form": ""}, "tables.quotes.symbol is missing with its symbol_form, or base and quote"),
        ({"time_unit": "days"}, "tables.quotes.time_unit 'days' is not one of"),
        ({"scale": {"price": 0}}, "tables.quotes.scale.price must be a number other than 0"),
        ({"scale": {"high": 2}}, "tables.quotes.scale.high is no column"),
        ({"where": {"a": 1}}, "tables.quotes.where must be a table of texts"),
        ({"rows": "a.*.b"}, "tables.quotes.rows may end with *"),
        ({"body": "{}"}, "tables.quotes.body needs method POST"),
        ({"weight": 0}, "tables.quotes.weight must be a whole number"),
        ({"invert": "yes"}, "tables.quotes.invert must be true or false"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_table_is_named_by_its_field(table: dict[str, Any], words: str) -> None:
    with pytest.raises(CatalogError) as caught:
        catalog.adapter_of(venue(table))
    assert f"catalog/exchange.toml [harbour]: {words}" in str(caught.value)


def test_tables_and_offers_are_the_same() -> None:
    with pytest.raises(CatalogError, match=r"tables\.coins is missing, which is on offer"):
        catalog.adapter_of(venue(offers={"quotes": {"rank": 1}, "coins": {"rank": 1}}))
    with pytest.raises(CatalogError, match=r"tables\.quotes has no offer"):
        catalog.adapter_of(venue(offers={"coins": {"rank": 1}}))
    with pytest.raises(CatalogError, match=r"tables\.candles is none of what a table can serve"):
        catalog.adapter_of(venue(tables={"candles": {"path": "/"}}, offers={"candles": {"rank": 1}}))


def test_a_list_of_coins_is_paged_where_the_request_says_so() -> None:
    coins = {"path": "/c", "rows": "", "id": "i", "ticker": "s", "name": "n", "price": "p"}
    one = venue(kind="aggregator", offers={"coins": {"rank": 1}}, tables={"coins": coins})
    endpoint = catalog.adapter_of(one).endpoints[Capability.COINS]
    with pytest.raises(NotOffered):
        endpoint.request(CoinsAsk(2))
    body = json.dumps([{"i": f"c{n}", "s": "abc", "n": "Abc", "p": 1} for n in range(30)])
    assert len(list(endpoint.parse(Reply("harbour", 200, body.encode(), NOW), CoinsAsk(1, 10)))) == 10
    paged = venue(
        kind="aggregator",
        offers={"coins": {"rank": 1}},
        tables={"coins": {**coins, "params": {"start": "{offset}", "limit": "{per_page}"}}},
    )
    assert catalog.adapter_of(paged).endpoints[Capability.COINS].request(CoinsAsk(3, 50)).params == (
        ("start", "100"),
        ("limit", "50"),
    )
