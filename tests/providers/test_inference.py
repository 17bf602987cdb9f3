"""What an unknown body is taken for: tables of prices in many styles, and hostile ones that are none."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crypto_dt_source.model.ask import Capability, QuotesAsk
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.inference import (
    DEPTH,
    MAX_GUESSES,
    document,
    guesses,
    kind_of,
    meaning_of,
    number_of,
)
from crypto_dt_source.providers.kit import Reply
from crypto_dt_source.providers.resolver import Resolver
from crypto_dt_source.sim.discovery_tables import IN_DOLLARS, STYLES, Row, Style

NOW = 1_789_983_437_000
PRICES = {"BTC": 91_000.5, "ETH": 3_050.25, "SOL": 142.125, "XRP": 2.1505, "ADA": 0.4601, "LTC": 93.5}
RESOLVER = Resolver()


def coin(ticker: str) -> bool:
    return any(asset.kind == "coin" for asset in RESOLVER.by_ticker(ticker)[:1])


def quotes(table: Any, body: bytes) -> dict[str, Quote]:
    """What an entry with this table reads, by base ticker."""
    fields = {
        **{"name": "x", "kind": "venue", "adapter": "json_table", "base_url": "https://x.example.org"},
        **{
            "docs": "https://x.example.org/",
            "limits": [{"amount": 1, "per_s": 60}],
            "offers": {"quotes": {"rank": 9}},
        },
        "tables": {"quotes": {"path": "/t", **table}},
    }
    endpoint = catalog.adapter_of(catalog.entry_of("exchange", "x_example", fields)).endpoints[
        Capability.QUOTES
    ]
    found = endpoint.parse(Reply("x_example", 200, body, NOW), QuotesAsk())
    return {record.base: record for record in found if isinstance(record, Quote) and record.base in PRICES}


@pytest.mark.parametrize("style", STYLES, ids=[style.__name__ for style in STYLES])
def test_the_first_guess_reads_a_table_as_it_was_meant(style: Style) -> None:
    quote = "USD" if style in IN_DOLLARS else "USDT"
    rows = [Row(base, quote, price, 5.0) for base, price in PRICES.items()]
    body = msgspec.json.encode(style(rows, NOW))
    assert kind_of(body) == "json"
    first = guesses(document(body), coin, NOW)[0]
    read = quotes(first.table, body)
    assert {base: (q.quote, q.price) for base, q in read.items()} == {
        b: (quote, p) for b, p in PRICES.items()
    }
    for found in read.values():
        assert found.bid is None or found.bid == pytest.approx(found.price * 0.9998, rel=1e-6)
        assert found.ask is None or found.ask == pytest.approx(found.price * 1.0002, rel=1e-6)
        assert found.event_ms is None or abs(found.event_ms - NOW) < 1000
        assert found.base_volume in (None, 5.0)


@pytest.mark.parametrize(
    ("name", "price", "rows"),
    [("binance/ticker_24hr_all", "lastPrice", ""), ("kucoin/all_tickers", "last", "data.ticker"),
     ("htx/tickers", "close", "data"), ("coingecko/coin_tickers", "last", "tickers")],
)  # fmt: skip
def test_recorded_lists_are_understood(wire: Path, name: str, price: str, rows: str) -> None:
    found = guesses(document((wire / f"{name}.json").read_bytes()), coin, NOW)
    assert (found[0].table["price"], found[0].table.get("rows", "")) == (price, rows)
    assert len(found) <= MAX_GUESSES


def test_volumes_are_read_only_where_one_confirms_the_other() -> None:
    rows = [{"pair": f"{b}_USD", "last": p, "volume": 7.0, "turnover": 7.0 * p} for b, p in PRICES.items()]
    confirmed = guesses(rows, coin, NOW)[0].table
    assert (confirmed["base_volume"], confirmed["quote_volume"]) == ("volume", "turnover")
    for row in rows:
        row["turnover"] = 3.0
    doubtful = guesses(rows, coin, NOW)[0].table
    assert not {"base_volume", "quote_volume"} & set(doubtful)


def test_a_time_of_another_year_and_a_bid_far_off_are_left_out() -> None:
    rows = [{"pair": f"{b}_USD", "last": p, "bid": p * 0.5, "ts": 1_500_000_000} for b, p in PRICES.items()]
    assert set(guesses(rows, coin, NOW)[0].table) == {"symbol", "symbol_form", "price"}


@pytest.mark.parametrize(
    "found",
    [
        pytest.param([], id="empty"),
        pytest.param({"data": None}, id="nothing"),
        pytest.param([{"symbol": "BTC_USDT", "last": 1.0}] * 2, id="too short"),
        pytest.param([{"user": n, "value": n} for n in range(9)], id="no pairs"),
        pytest.param([{"symbol": "BTC_USDT", "last": "NaN"}] * 9, id="no numbers"),
        pytest.param([{"symbol": "BTC_USDT", "last": True}] * 9, id="truth values"),
        pytest.param([["BTC_USDT", 1.0]] * 9, id="no names"),
        pytest.param([{"symbol": "EUR_USD", "last": 1.1}, {"symbol": "GBP_USD", "last": 1.3}] * 5, id="currencies"),
        pytest.param("BTC_USDT", id="text"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_prices_gives_no_guess(found: Any) -> None:
    assert guesses(found, coin, NOW) == []


def test_tables_below_the_bound_are_not_looked_for() -> None:
    rows: Any = [{"pair": f"{b}_USD", "last": p} for b, p in PRICES.items()]
    for depth in range(DEPTH):
        assert guesses(rows, coin, NOW), depth
        rows = {"down": rows}
    assert guesses({"down": rows}, coin, NOW) == []


def test_names_that_a_path_would_read_otherwise_are_not_columns() -> None:
    rows = [{"a.b": f"{b}_USD", "=last": p, "$last": p, "@key": p, "price": p} for b, p in PRICES.items()]
    assert guesses(rows, coin, NOW) == []


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b"{", b"\xff\xfe", b'{"a": "\xed\xa0\x80"}', b"<html>", b""],
    ids=["deep", "cut", "not text", "lone surrogate", "page", "empty"],
)
def test_what_is_no_json_says_so(body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        document(body)


def test_a_megabyte_of_anything_is_looked_at_in_bounded_time() -> None:
    wide = {f"k{n}": [{f"c{i}": "BTC_USDT" for i in range(8)}] * 3 for n in range(2_500)}
    many = [{f"f{i}": f"{t}USDT" for i in range(70)} for t in list(PRICES) * 160]
    begun = time.process_time()
    assert guesses(wide, coin, NOW) == []
    assert guesses(many, coin, NOW) == []
    assert time.process_time() - begun < 2.0


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000], ids=["lists", "objects"])
def test_a_source_that_turns_deep_has_changed_its_shape(body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        quotes({"symbol": "s", "symbol_form": "BASE_QUOTE", "price": "p"}, body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'\xef\xbb\xbf {"a": 1}', "json"),
        (b'<?xml version="1.0"?><rss version="2.0">', "feed"),
        (b"<feed xmlns='x'>", "feed"),
        (b"<!doctype html><title>rss</title>", "html"),
        (b"openapi: 3.0.0", "other"),
        (b"", "other"),
    ],
    ids=["json", "rss", "atom", "page", "yaml", "nothing"],
)
def test_kinds_are_told_by_how_a_body_begins(body: bytes, kind: str) -> None:
    assert kind_of(body) == kind


@pytest.mark.parametrize(
    ("found", "meaning"),
    [
        ({"openapi": "3.1.0", "paths": {}}, "openapi"),
        ({"swagger": "2.0", "paths": {}}, "openapi"),
        ({"linkset": []}, "linkset"),
        ({"apis": []}, "apis_json"),
        ({"version": "https://jsonfeed.org/version/1.1"}, "feed"),
        ({"paths": {}}, "table"),
        ([], "table"),
    ],
    ids=["openapi", "swagger", "linkset", "apis.json", "json feed", "paths alone", "list"],
)
def test_meanings_are_told_by_their_own_marks(found: Any, meaning: str) -> None:
    assert meaning_of(found) == meaning


@pytest.mark.parametrize(
    ("value", "number"),
    [("1.5", 1.5), (2, 2.0), (True, None), ("", None), ("1e999", None), (None, None), ("9" * 500, 9.99e39)],
    ids=["text", "whole", "truth", "empty", "infinite", "none", "long"],
)
def test_numbers_are_finite_or_nothing(value: Any, number: float | None) -> None:
    found = number_of(value)
    assert found == (None if number is None else pytest.approx(number, rel=0.01))
