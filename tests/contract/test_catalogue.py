"""Every entry in use can be asked, read and simulated; what is not offered is not missing by accident.

That each simulated answer parses to records is tests/sim/test_wire_a.py and test_wire_b_coins.py; here, that no entry and
capability escapes those.
"""

from __future__ import annotations

from importlib import resources
from urllib.parse import urlsplit

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.sim.app import wire_routes
from each_case import each

IN_USE = [entry for entry in catalog.load().values() if entry.status in ("live", "keyed")]


@each("entry", IN_USE, lambda entry: entry.id)
def test_the_simulator_answers_every_capability_on_offer(entry: Entry) -> None:
    simulated = {capability for route in wire_routes(entry).values() for capability in route.capabilities}
    assert set(entry.offers) <= simulated


def test_every_adapter_is_in_use() -> None:
    folder = resources.files("crypto_dt_source.providers") / "adapters"
    files = {file.name.removesuffix(".py") for file in folder.iterdir() if file.name.endswith(".py")}
    assert {name for name in files if not name.startswith("_")} == {entry.adapter for entry in IN_USE}


STREAMED = [entry for entry in IN_USE if entry.stream]


@each("entry", STREAMED, lambda entry: entry.id)
def test_every_stream_is_on_a_port_that_a_space_can_reach(entry: Entry) -> None:
    """From a HuggingFace Space only 80, 443 and 8080 can be reached. Where the venue's API tells the address there is none
    in the catalogue."""
    address = urlsplit(entry.ws_url)
    assert (address.scheme, address.port or 443) == ("wss", 443) or (
        entry.ws_url == "" and catalog.stream(entry.stream).token is not None
    )


def test_there_are_streams() -> None:
    assert len(STREAMED) == 11


READ_ONLY = {
    ("coingecko", Capability.CANDLES): "asked by coin id, without volume; the budget belongs to the lists"
}
"""Capabilities an adapter reads for `cdts normalize` and that the service does not ask for, each with its reason."""


SHARED_OUT = {"defillama": "serves each kind of figure from a host of its own"}
"""Adapters whose entries offer a part each, with the reason: together they must offer everything."""


@each("entry", IN_USE, lambda entry: entry.id)
def test_an_adapter_can_do_nothing_that_is_not_on_offer(entry: Entry) -> None:
    together = [e for e in IN_USE if e.adapter == entry.adapter] if entry.adapter in SHARED_OUT else [entry]
    extra = set(catalog.adapter_of(entry).endpoints) - {c for e in together for c in e.offers}
    assert all((entry.adapter, capability) in READ_ONLY for capability in extra)
    assert set(entry.offers) <= set(catalog.adapter_of(entry).endpoints)


def test_ranks_of_one_capability_name_one_order() -> None:
    """Venues and aggregators are asked apart, so only within a kind would a shared rank leave the order to the id."""
    for capability in Capability:
        for kind in catalog.KINDS:
            ranks = [e.offers[capability].rank for e in IN_USE if e.kind == kind and capability in e.offers]
            assert len(ranks) == len(set(ranks)), (capability, kind)
