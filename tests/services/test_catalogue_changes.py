"""Sources that come and go while the service runs: at once, after a start, never with a key, never inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

import harness
from crypto_dt_source.api.wrap import meta
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability, FearGreedAsk, GasAsk
from crypto_dt_source.model.errors import Conflict, InvalidParameter, NotFound, PayloadChanged
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.entry_fields import fields_of
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import catalogue, choices, collect
from crypto_dt_source.services.choices import Choice
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.repos import own_entries

FIELDS: dict[str, Any] = {
    "name": "Quay",
    "base_url": "https://api.quay-exchange.com",
    "docs": "https://quay-exchange.com/docs",
    "adapter": "json_table",
    "limits": [{"amount": 10, "per_s": 10}],
    "quotes_in": ["USDT"],
    "offers": {"quotes": {"rank": 900}},
    "tables": {
        "quotes": {
            "path": "/t",
            "rows": "data",
            "symbol": "pair",
            "symbol_form": "BASE_QUOTE",
            "price": "last",
        }
    },
}


class Outside:
    """The guarded way, answered here. `asked` is what went out."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.prices = {"BTC": 65_000.0}
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.asked.append((base_url + request.target(), headers))
        rows = [{"pair": f"{base}_USDT", "last": str(price)} for base, price in self.prices.items()]
        return Reply(provider, 200, msgspec.json.encode({"data": rows}), self.clock.now_ms())

    async def close(self) -> None:
        return None


def guarded(rt: Runtime, clock: ManualClock) -> Outside:
    outside = Outside(clock)
    rt.gateway._guarded = outside
    return outside


async def test_an_added_venue_is_asked_at_once_and_counts_only_once_proven(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        outside = guarded(rt, clock)
        await catalogue.add_entry(rt, "quay", "exchange", FIELDS, origin="admin")
        assert rt.entries["quay"] is rt.gateway.sources["quay"].entry
        outside.prices["BTC"] = sim.market.true_price("BTC", clock.now_ms())
        outside.prices["ETH"] = 10 * sim.market.true_price("ETH", clock.now_ms())
        await harness.drive(clock, catalogue.collect_added(rt))
        assert outside.asked == [("https://api.quay-exchange.com/t", {})]
        assert ("quay", "BTC_USDT") in rt.board.unproven["bitcoin"]
        assert "bitcoin" not in rt.board.quotes
        await harness.drive(clock, three_venues(rt))
        rt.pricer.judge("bitcoin", "USD")
        rt.pricer.judge("ethereum", "USD")
        assert ("quay", "BTC_USDT") in rt.board.quotes["bitcoin"]
        assert ("quay", "ETH_USDT") not in rt.board.quotes["ethereum"]


async def three_venues(rt: Runtime) -> None:
    """Enough for prices of the large coins."""
    for name in ("kraken", "okx", "gate"):
        await collect.venue_quotes(rt, name)


async def test_a_change_is_found_again_by_the_next_start(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        await catalogue.add_entry(rt, "quay", "exchange", FIELDS, origin="discovery")
        await catalogue.remove_entry(rt, "celo_forno")
        await choices.change(rt, "celo_drpc", Choice(False, None, None))
        await catalogue.remove_entry(rt, "celo_drpc")
        await catalogue.add_entry(
            rt, "celo_drpc", "rpc", fields_of(catalog.load()["celo_drpc"]), origin="admin"
        )
        assert not rt.gateway.sources["celo_drpc"].enabled, "what an operator chose still holds"
        await choices.change(rt, "celo_drpc", Choice(True, None, None))
    async with harness.running(tmp_path) as (rt, _, _):
        assert rt.added["quay"].origin == "discovery"
        assert rt.gateway.sources["quay"].transport is not rt.gateway.sources["kraken"].transport
        assert "celo_forno" not in rt.entries
        assert "celo_drpc" in rt.gateway.sources
        assert [row.id for row in await own_entries.everything(rt.store)] == ["celo_forno", "quay"]
        celo = [s.entry.id for s in rt.gateway.offering(Capability.GAS) if "celo" in s.entry.chains]
        assert celo == ["celo_publicnode", "celo_drpc", "blockscout_celo"]
        answer = await rt.gateway.ask_one("celo_drpc", GasAsk("celo"))
        assert len(answer.records) == 1


async def test_what_this_version_cannot_read_is_left_out(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        for name, payload in (("odd", "{"), ("older", '{"name": "x", "gone_field": 1}')):
            await own_entries.put(
                rt.store, [own_entries.OwnEntryRow(1, False, name, "exchange", "admin", payload)]
            )
    async with harness.running(tmp_path) as (rt, _, _):
        assert not {"odd", "older"} & set(rt.entries)


async def test_what_another_process_changed_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        payload = msgspec.json.encode(FIELDS).decode()
        now = clock.now_ms()
        there = [
            own_entries.OwnEntryRow(now, False, "quay", "exchange", "admin", payload),
            own_entries.OwnEntryRow(now, True, "kraken", "exchange", "admin", ""),
        ]
        await own_entries.put(rt.store, there)
        assert await catalogue.follow(rt) == 0, "a SQLite file has one process"
        monkeypatch.setattr(rt.store, "dialect", "postgresql")
        assert await catalogue.follow(rt) == 2
        assert "quay" in rt.added
        assert "kraken" not in rt.gateway.sources
        assert await catalogue.follow(rt) == 0
        await own_entries.put(rt.store, [], ["quay", "kraken"])
        assert await catalogue.follow(rt) == 2
        assert "quay" not in rt.entries
        assert "kraken" in rt.gateway.sources
        monkeypatch.undo()


async def test_a_removed_venue_leaves_every_price(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        await harness.drive(clock, three_venues(rt))
        assert any(key[0] == "kraken" for key in rt.board.quotes["bitcoin"])
        await catalogue.remove_entry(rt, "kraken")
        held = [*rt.board.quotes.values(), *rt.board.unproven.values()]
        assert not any(key[0] == "kraken" for by_source in held for key in by_source)
        with pytest.raises(NotFound):
            await catalogue.remove_entry(rt, "kraken")


async def test_an_id_that_is_taken_is_a_conflict(tmp_path: Path) -> None:
    async with harness.running(tmp_path, news_feeds="desk=https://desk.example.com/rss") as (rt, _, _):
        with pytest.raises(Conflict):
            await catalogue.add_entry(rt, "desk", "exchange", FIELDS, origin="admin")
        with pytest.raises(Conflict):
            await catalogue.remove_entry(rt, "desk")
        await catalogue.add_entry(rt, "quay", "exchange", FIELDS, origin="admin")
        with pytest.raises(Conflict):
            await catalogue.add_entry(rt, "quay", "exchange", FIELDS, origin="admin")


async def test_what_a_stranger_says_is_asked_last_bounded_and_named(tmp_path: Path) -> None:
    """Of what has no consensus: whatever rank it came with, until an admin gives it one on purpose."""
    mood = {
        **FIELDS,
        "offers": {"fear_greed": {"rank": 0}},
        "tables": {
            "fear_greed": {
                "path": "/m",
                "rows": "data",
                "value": "last",
                "classification": "pair",
                "time": "=1700006400000",
                "time_unit": "ms",
            }
        },
    }

    def order(rt: Runtime) -> list[str]:
        return [source.entry.id for source in rt.gateway.ranked(Capability.FEAR_GREED)]

    async with harness.running(tmp_path) as (rt, _, clock):
        outside = guarded(rt, clock)
        shipped = order(rt)
        assert shipped
        await catalogue.add_entry(rt, "quay", "sentiment", mood, origin="import")
        assert order(rt) == [*shipped, "quay"]
        about = meta(rt, source={"quay", *shipped}, fetched_ms=clock.now_ms(), state="miss")
        assert about["added"] == ["quay"]
        assert "added" not in meta(rt, source=shipped, fetched_ms=clock.now_ms(), state="miss")
        await choices.change(rt, "quay", Choice(priority=1))
        assert order(rt) == ["quay", *shipped]
        # The bounds are those of everybody: an index of 250 is none.
        outside.prices = {"BTC": 50}
        assert (await rt.gateway.ask_one("quay", FearGreedAsk())).records[0].value == 50  # type: ignore[union-attr]
        outside.prices = {"BTC": 250}
        with pytest.raises(PayloadChanged):
            await rt.gateway.ask_one("quay", FearGreedAsk())
        # Another rank for what the package reads itself is the admin's word.
        entry = rt.entries[shipped[-1]]
        (offer,) = entry.offers.values()
        changed = replace(entry, offers={offer.capability: replace(offer, rank=2)})
        await catalogue.apply(rt, catalogue.Change(puts=[(changed, "admin")]))
        assert order(rt) == ["quay", entry.id, *shipped[:-1]]
        about = meta(rt, source=[entry.id, "quay"], fetched_ms=clock.now_ms(), state="miss")
        assert about["added"] == ["quay"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"base_url": "http://api.quay-exchange.com"}, "base_url"),
    ({"base_url": "https://127.0.0.1"}, "base_url"),
    ({"base_url": "https://169.254.169.254/latest"}, "base_url"),
    ({"base_url": "https://[::1]"}, "base_url"),
    ({"base_url": "https://0x7f.1"}, "base_url"),
    ({"base_url": "https://intranet"}, "base_url"),
    ({"base_url": "https://db.internal"}, "base_url"),
    ({"base_url": "https://u:p@quay-exchange.com"}, "base_url"),
    ({"base_url": "https://quay-exchange.com:6379"}, "base_url"),
    ({"base_url": "https://quay-exchange.com?key=1"}, "base_url"),
    ({"auth": {"env": "COINGECKO_API_KEY", "place": "query", "name": "k"}}, "auth"),
    ({"adapter": "evm_rpc"}, "adapter"),
    ({"adapter": "no_such"}, "adapter"),
    ({"source": "binance"}, "source"),
    ({"stream": "kraken", "ws_url": "wss://quay-exchange.com"}, "stream"),
    ({"limits": [{"amount": 1000, "per_s": 1}]}, "limits"),
    ({"limits": [{"amount": "many", "per_s": 1}]}, "limits[0].amount"),
    ({"offers": {"gossip": {"rank": 1}}}, "offers"),
    ({"name": "a\u202eb"}, "name"),
    ({"colour": "red"}, "colour"),
    ({"tables": {}}, "tables.quotes"),
    ({"docs": "javascript:alert(1)"}, "docs"),
]


@pytest.mark.parametrize(
    ("changes", "field"), WRONG, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_may_not_be_added_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        catalogue.usable("exchange", "quay", {**FIELDS, **changes}, origin="admin")
    assert caught.value.details["parameter"] == field


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"method": "POST", "body": "{}"}, "tables.quotes.method"),
        ({"path": "/t\r\nHost: elsewhere"}, "tables.quotes.path"),
        ({"scale": {"price": 10**400}}, "tables.quotes.scale.price"),
    ],
    ids=["post", "line end", "scale"],
)
def test_a_table_that_does_more_than_read_is_not_added(changes: dict[str, Any], field: str) -> None:
    tables = {"quotes": {**FIELDS["tables"]["quotes"], **changes}}
    with pytest.raises(InvalidParameter) as caught:
        catalogue.usable("exchange", "quay", {**FIELDS, "tables": tables}, origin="admin")
    assert caught.value.details["parameter"] == field


@pytest.mark.parametrize(
    ("table", "changes", "field"),
    [
        ("markets", {"call": "withdraw"}, "tables.markets.call"),
        ("markets", {"name": "{B:>999999999}"}, "tables.markets.name"),
        ("markets", {"options": 5}, "tables.markets.options"),
        ("candles", {"max_rows": "x"}, "tables.candles.max_rows"),
        ("gossip", {}, "gossip"),
    ],
    ids=["call", "name", "options", "rows", "unknown"],
)
def test_of_the_exchange_library_an_addition_says_what_it_may(
    table: str, changes: dict[str, Any], field: str
) -> None:
    fields = fields_of(catalog.load()["bitget"])
    assert catalogue.usable("exchange", "again", {**fields, "source": "again"}, origin="admin")
    tables = {**fields["tables"], table: changes}
    with pytest.raises(InvalidParameter) as caught:
        catalogue.usable("exchange", "again", {**fields, "source": "again", "tables": tables}, origin="admin")
    assert caught.value.details["parameter"] == field


@pytest.mark.parametrize("name", ["Quay", "q", "scoreboard", "../x", "a" * 41])
def test_an_id_is_a_plain_word_and_none_of_the_apis(name: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        catalogue.usable("exchange", name, FIELDS, origin="admin")
    assert caught.value.details["parameter"] == "id"


def test_a_key_goes_only_where_the_package_sends_it() -> None:
    pro = fields_of(catalog.load()["coingecko_pro"])
    other = {**pro, "auth": {**pro["auth"], "env": "ETHERSCAN_API_KEY"}}
    with pytest.raises(InvalidParameter, match="auth names a key"):
        catalogue.usable("market", "coingecko_pro", other, origin="admin")
    elsewhere = {**pro, "auth": {"env": pro["auth"]["env"], "place": "query", "name": "k"}}
    with pytest.raises(InvalidParameter, match="not in this place"):
        catalogue.usable("market", "coingecko_pro", elsewhere, origin="admin")
    slower = {**pro, "poll_s": 900}
    assert catalogue.usable("market", "coingecko_pro", slower, origin="admin").poll_s == 900
    with pytest.raises(InvalidParameter, match="auth names a key"):
        catalogue.usable("market", "coingecko_pro", slower, origin="discovery")
