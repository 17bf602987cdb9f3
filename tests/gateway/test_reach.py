"""What cannot be called from where the service runs is not used, whoever added it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from gateway_rig import ScriptedTransport

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import Gateway, GatewayPolicy, Reach
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.entry_fields import checked, fields_of

SPACE = Reach(frozenset({80, 443, 8080}), "US")


def gateway(*entries: Entry, **options: object) -> Gateway:
    clock = ManualClock(0)
    named = {entry.id: entry for entry in entries}
    return Gateway(named, ScriptedTransport(clock), clock, policy=GatewayPolicy(reach=SPACE), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "open_"),
    [
        ("https://example.org", True),
        ("http://example.org/feed", True),
        ("wss://example.org:443/ws", True),
        ("https://[2001:db8::1]:8080/x", True),
        ("https://example.org:8443", False),
        ("wss://stream.example.org:9443", False),
    ],
)
def test_an_address_is_open_by_its_port(url: str, open_: bool) -> None:
    assert (SPACE.closed(url) is None) is open_
    assert Reach().closed(url) is None


def test_every_packaged_source_can_be_reached_from_a_space_but_those_that_refuse_it() -> None:
    entries = [entry for entry in catalog.load().values() if entry.status in ("live", "keyed")]
    assert {entry.id for entry in entries if SPACE.refusal(entry)} == {
        entry.id for entry in entries if "US" in entry.refuses
    }
    assert not [entry.id for entry in entries if entry.ws_url and SPACE.closed(entry.ws_url)]


def test_a_source_out_of_reach_is_taken_out_of_use_and_one_that_was_pointed_elsewhere_is_not() -> None:
    kraken, bybit = catalog.load()["kraken"], catalog.load()["bybit"]
    closed = replace(kraken, base_url="https://api.kraken.com:8443")
    here = gateway(kraken, bybit)
    assert set(here.sources) == {"kraken"}
    assert here.add(closed) is False
    assert here.sources == {}
    assert here.out_of_reach(closed) == "port 8443 is not among UPSTREAM_PORTS"
    moved = gateway(bybit, base_urls={"bybit": "http://127.0.0.1:9000/bybit"})
    assert set(moved.sources) == {"bybit"}


def test_the_countries_an_entry_refuses_are_told_on() -> None:
    bybit = catalog.load()["bybit"]
    assert bybit.refuses == ("US",)
    assert checked(bybit.category, bybit.id, fields_of(bybit)) == bybit
    with pytest.raises(catalog.CatalogError, match="refuses"):
        checked(bybit.category, bybit.id, {**fields_of(bybit), "refuses": ["usa"]})
