"""The catalogue: it loads, what it offers exists, the dead stay listed, and a wrong entry is named."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Any

import pytest

from crypto_dt_source.model.ask import Capability, CoinsAsk
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import CatalogError, Entry
from each_case import each

MONTH_S = 2_592_000
ENTRIES = catalog.load()
IN_USE = [entry for entry in ENTRIES.values() if entry.status in ("live", "keyed")]
GONE = [entry for entry in ENTRIES.values() if entry.status == "gone"]


def ids(entry: Entry) -> str:
    return entry.id


def test_every_upstream_of_the_main_job_is_there() -> None:
    expected = {
        "binance", "binance_main", "coinbase_exchange", "kraken", "okx", "bybit", "kucoin", "gate", "bitstamp",
        "bitfinex", "gemini", "crypto_com", "htx", "mexc", "coingecko", "coingecko_demo", "coingecko_pro",
        "coinpaprika", "coinlore", "coincap", "cryptocompare", "coindesk_data", "coinmarketcap",
    }  # fmt: skip
    assert expected <= {entry.id for entry in IN_USE}


@each("entry", IN_USE, ids)
def test_an_entry_offers_only_what_its_adapter_does(entry: Entry) -> None:
    adapter = catalog.adapter_of(entry)
    assert adapter.name == entry.adapter
    assert set(entry.offers) <= set(adapter.endpoints)
    assert entry.offers
    assert entry.docs.startswith("https://")


@each("entry", IN_USE, ids)
def test_limits_are_positive_and_a_keyed_entry_names_its_key(entry: Entry) -> None:
    assert all(limit.amount > 0 and limit.per_s > 0 for limit in entry.limits)
    assert (entry.status == "keyed") == (entry.auth is not None)
    if entry.auth is not None:
        assert re.fullmatch(r"[A-Z_]+_API_KEY", entry.auth.env)


@each("entry", [e for e in IN_USE if e.kind == "aggregator"], ids)
def test_polling_the_market_list_leaves_half_of_a_month_to_other_asks(entry: Entry) -> None:
    """The page of 250 coins that is polled may take several calls, each with a weight of its own."""
    request = catalog.adapter_of(entry).endpoints[Capability.COINS].request(CoinsAsk(1, 250))
    weight = request.weight * entry.offers[Capability.COINS].page_limit
    months = [limit.amount for limit in entry.limits if limit.per_s == MONTH_S]
    assert all(weight * MONTH_S / entry.poll_s <= amount / 2 for amount in months)


def test_every_venue_is_named_as_coingecko_lists_it() -> None:
    venues = [e for e in IN_USE if e.kind == "venue" and not e.library_id and e.adapter != "json_table"]
    assert all(entry.listed_as["coingecko"] for entry in venues)
    ids_by_source = {(entry.source, entry.listed_as["coingecko"]) for entry in venues}
    assert len(ids_by_source) == len({i for _, i in ids_by_source}) == len({s for s, _ in ids_by_source})


def test_every_exchange_of_the_library_is_credited() -> None:
    entries = [e for e in catalog.load().values() if e.adapter == "exchange_library"]
    assert len(entries) > 50
    for entry in entries:
        assert re.fullmatch(
            rf"Data provided by {re.escape(entry.name)}, https://[a-z0-9.-]+", entry.attribution
        )
        # Only ids that CoinGecko's own answers proved.
        assert entry.listed_as in ({}, {"coingecko": entry.id})


def test_hosts_of_one_upstream_are_one_source() -> None:
    assert {ENTRIES[name].source for name in ("coingecko", "coingecko_demo", "coingecko_pro")} == {
        "coingecko"
    }
    assert ENTRIES["coindesk_data"].source == ENTRIES["cryptocompare"].source
    assert ENTRIES["binance"].source == ENTRIES["binance_main"].source


@each("entry", GONE, ids)
def test_a_dead_upstream_says_why_and_since_when(entry: Entry) -> None:
    assert re.fullmatch(r"[A-Z].{10,}\.", entry.reason)
    assert re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?", entry.since)
    assert not entry.offers


def test_the_known_dead_are_listed() -> None:
    assert {
        "bitmex", "bittrex", "ftx", "coinex", "coincap_v2", "cryptocompare_free", "coindesk_bpi", "nomics",
        "cryptowatch", "dydx_v3", "etherscan_v1", "thegraph_hosted", "messari_v1", "flipside", "coinbase_pro", "gdax",
        "probit", "bequant", "fmfw",
    } <= {entry.id for entry in GONE}  # fmt: skip


GOOD: dict[str, Any] = {
    "name": "X",
    "base_url": "https://x.example",
    "docs": "https://x.example/docs",
    "limits": [{"amount": 1, "per_s": 1}],
    "offers": {"quotes": {"rank": 1}},
}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"status": "asleep"}, "status"),
        ({"status": "gone"}, "reason and since"),
        ({"status": "off", "reason": "x"}, "reason and since"),
        ({"status": "keyed"}, "auth"),
        ({"kind": "bank"}, "kind"),
        ({"base_url": "http://x.example"}, "base_url"),
        ({"base_url": "https://x.example/"}, "base_url"),
        ({"auth": {"env": "X", "place": "cookie", "name": "k"}}, "auth.place"),
        ({"auth": {"env": "X", "place": "header"}}, "auth"),
        ({"auth": {"env": "X", "place": "header", "name": "k", "secret": "s"}}, "secret"),
        ({"name": ""}, "name"),
        ({"poll_s": "often"}, "poll_s"),
        ({"poll_s": 0}, "poll_s"),
        ({"listed_as": "harbour"}, "listed_as"),
        ({"listed_as": {"coingecko": 7}}, "listed_as"),
        ({"offers": {"gossip": {"rank": 1}}}, "gossip"),
        ({"offers": {"quotes": {"order": 1}}}, "order"),
        ({"limits": [{"amount": 1}]}, "per_s"),
        ({"limits": []}, "limits"),
        ({"offers": {}}, "offers"),
        ({"docs": ""}, "docs"),
    ],
)
def test_a_broken_entry_is_refused_by_file_entry_and_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(CatalogError) as caught:
        catalog.entry_of("market", "thing", {**GOOD, **changes})
    assert "catalog/market.toml [thing]" in str(caught.value)
    assert field in str(caught.value)


def test_the_good_entry_of_these_tests_is_good() -> None:
    entry = catalog.entry_of("market", "thing", GOOD)
    assert (entry.id, entry.category, entry.source, entry.adapter) == ("thing", "market", "thing", "thing")


def test_an_unknown_adapter_is_named() -> None:
    with pytest.raises(CatalogError, match="no_such_adapter"):
        catalog.adapter("no_such_adapter")


def test_no_entry_is_declared_in_two_files() -> None:
    folder = resources.files("crypto_dt_source.providers") / "catalog"
    names = [
        name
        for file in folder.iterdir()
        if file.name.endswith(".toml")
        for name in tomllib.loads(file.read_text(encoding="utf-8"))
    ]
    assert sorted(names) == sorted(ENTRIES)
