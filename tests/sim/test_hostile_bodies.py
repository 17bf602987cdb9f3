"""Every adapter against bodies that are nearly right: it reads them or says so, and what passes can be stored.

Each body is the simulator's own answer with a few values replaced, or cut short.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import math
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.classify import refusal
from crypto_dt_source.model.ask import (
    Ask,
    AssetsAsk,
    BookAsk,
    CandlesAsk,
    Capability,
    CategoriesAsk,
    ChainStatsAsk,
    CoinAsk,
    CoinsAsk,
    DefiChainsAsk,
    DefiProtocolAsk,
    DefiProtocolsAsk,
    DexVolumesAsk,
    ExchangesAsk,
    FearGreedAsk,
    FundingAsk,
    GasAsk,
    GlobalAsk,
    InstrumentsAsk,
    NewsAsk,
    OpenInterestAsk,
    QuotesAsk,
    SearchAsk,
    StablecoinsAsk,
    TradesAsk,
    TrendingAsk,
    TvlHistoryAsk,
    YieldsAsk,
)
from crypto_dt_source.model.errors import UpstreamError
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.sim.app import create_app
from each_case import each

ROWS = 4
"""Rows kept of a long list: a body of thousands is no better to break."""
# An answer of the exchange library takes a conversation: test_exchange_library.py breaks those.
BY_ADAPTER = {
    (e.adapter, capability): e for e in ENTRIES.values() if not e.library_id for capability in e.offers
}
SPEAKERS = [
    pytest.param(entry, capability, id=f"{adapter}-{capability.value}")
    for (adapter, capability), entry in sorted(BY_ADAPTER.items())
]
VALUES: list[Any] = [
    None, True, "", " ", "x", "NaN", "nan", "-inf", "Infinity", "1e308", "1e400", "-1", "0", "9" * 400, "\x00", "\u202e<b>",
    "A" * 500, "<![<!--&#" + "9" * 5000, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", 0, -1, 0.5, 1e308, -1e308,
    2**53, 2**63, -(2**63) - 1, 10**30, -(10**30), 10**400, [], {}, [[]], [[[None]]], {"x": {}}, [None], ["1"],
]  # fmt: skip


class Spoken(NamedTuple):
    """One true exchange with the simulator."""

    ask: Ask
    request: Request
    reply: Reply
    paths: tuple[tuple[Any, ...], ...]


class Change(NamedTuple):
    """`where` picks one of the body's places, `value` stands there instead."""

    where: int
    value: Any


CHANGES = st.lists(st.builds(Change, st.integers(0, 10_000), st.sampled_from(VALUES)), max_size=4)


def shortened(value: Any) -> Any:
    if isinstance(value, list):
        rows = any(isinstance(item, list | dict) for item in value)
        return [shortened(item) for item in value[: ROWS if rows else 16]]
    if isinstance(value, dict):
        alike = len(value) > 40
        return {key: shortened(item) for key, item in list(value.items())[: ROWS if alike else None]}
    return value


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def changed(body: bytes, paths: tuple[tuple[Any, ...], ...], changes: list[Change]) -> bytes:
    whole = {"": json.loads(body)}
    for change in changes:
        *way, last = ("", *paths[change.where % len(paths)])
        holder: Any = whole
        try:
            for key in way:
                holder = holder[key]
            holder[last] = deepcopy(change.value)
        except (LookupError, TypeError):
            continue  # an earlier change took the place away
    return json.dumps(whole[""], separators=(",", ":")).encode()


def asks(entry: Entry, coin: str) -> dict[Capability, Ask]:
    pair = Pair("BTC", entry.quotes_in[0] if entry.quotes_in else "USD")
    quotes = catalog.adapter_of(entry).endpoints.get(Capability.QUOTES)
    per_pair = quotes is not None and quotes.per_pair
    chain = next(iter(entry.chains), "")
    return {
        Capability.QUOTES: QuotesAsk(pairs=(pair,)) if per_pair else QuotesAsk(ids=(coin,) if coin else ()),
        Capability.CANDLES: CandlesAsk(pair, "1h", limit=10),
        Capability.BOOK: BookAsk(pair, 5),
        Capability.TRADES: TradesAsk(pair, 10),
        Capability.INSTRUMENTS: InstrumentsAsk(),
        Capability.ASSETS: AssetsAsk(),
        Capability.COINS: CoinsAsk(per_page=10),
        Capability.GLOBAL: GlobalAsk(),
        Capability.TRENDING: TrendingAsk(),
        Capability.CATEGORIES: CategoriesAsk(),
        Capability.COIN: CoinAsk(coin),
        Capability.SEARCH: SearchAsk("bitcoin"),
        Capability.EXCHANGES: ExchangesAsk(),
        Capability.DEFI_PROTOCOLS: DefiProtocolsAsk(),
        Capability.DEFI_PROTOCOL: DefiProtocolAsk("juniper-lend"),
        Capability.DEFI_CHAINS: DefiChainsAsk(),
        Capability.TVL_HISTORY: TvlHistoryAsk(),
        Capability.YIELDS: YieldsAsk(),
        Capability.STABLECOINS: StablecoinsAsk(),
        Capability.DEX_VOLUMES: DexVolumesAsk(),
        Capability.FEAR_GREED: FearGreedAsk(5),
        Capability.NEWS: NewsAsk(),
        Capability.FUNDING: FundingAsk(),
        Capability.OPEN_INTEREST: OpenInterestAsk((pair,)),
        Capability.GAS: GasAsk(chain),
        Capability.CHAIN_STATS: ChainStatsAsk(chain),
    }


@cache
def client() -> Client:
    clock = ManualClock(START_MS)
    entries = {**catalog.load(), **ENTRIES}
    known = {i: e if i in ENTRIES else dataclasses.replace(e, status="off") for i, e in entries.items()}
    return Client(create_app(7, clock, known), clock)


@cache
def coin_of(provider: str) -> str:
    """The provider's own id of bitcoin; empty for who lists no coins."""
    entry = ENTRIES[provider]
    if entry.kind != "aggregator":
        return ""
    source = Capability.ASSETS if Capability.ASSETS in entry.offers else Capability.COINS
    listed = asyncio.run(client().ask(entry, source, asks(entry, "")[source]))
    return str(next(row.native_id for row in listed if row.ticker == "BTC"))


@cache
def spoken(provider: str, capability: Capability) -> Spoken:
    entry = ENTRIES[provider]
    ask = asks(entry, coin_of(provider))[capability]
    request = catalog.adapter_of(entry).endpoints[capability].request(ask)
    reply = asyncio.run(client().reply(entry, request))
    assert reply.status == 200
    body = json.loads(reply.body)
    if capability is not Capability.GAS:  # the lists of a fee history are of one length
        body = shortened(body)
    return Spoken(
        ask,
        request,
        dataclasses.replace(reply, body=json.dumps(body, separators=(",", ":")).encode()),
        tuple(places(body)),
    )


def values(record: Any) -> Iterator[Any]:
    """Every plain value of a record."""
    if dataclasses.is_dataclass(record):
        record = tuple(getattr(record, field.name) for field in dataclasses.fields(record))
    if isinstance(record, tuple):
        for item in record:
            yield from values(item)
    else:
        yield record


def storable(value: Any) -> bool:
    """What both databases take."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, str) and "\x00" not in value and len(value) <= 10_000)


def judge(entry: Entry, capability: Capability, reply: Reply) -> int:
    """Read a reply as the gateway does: nothing but an UpstreamError may come out, and nothing wrong pass. The number
    of records that passed."""
    said = spoken(entry.id, capability)
    adapter = catalog.adapter_of(entry)
    endpoint = adapter.endpoints[capability]
    try:
        error = refusal(reply, adapter)
        if error is not None:
            return 0
        passed = [r for r in endpoint.parse(reply, said.ask) if violation(r, reply.received_ms) is None]
        if endpoint.next is not None:
            endpoint.next(reply, said.ask, said.request)
    except UpstreamError:
        return 0
    assert [record for record in passed if not all(storable(value) for value in values(record))] == []
    return len(passed)


@each("speaker", sorted(BY_ADAPTER), lambda speaker: f"{speaker[0]}-{speaker[1].value}")
def test_the_unchanged_body_is_read(speaker: tuple[str, Capability]) -> None:
    entry, capability = BY_ADAPTER[speaker], speaker[1]
    assert judge(entry, capability, spoken(entry.id, capability).reply) > 0


@pytest.mark.parametrize(("entry", "capability"), SPEAKERS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=CHANGES,
    cut=st.sampled_from([None, None, None, 0, 1, 40, -1]),
    status=st.sampled_from([200, 200, 400]),
)
@example(changes=[Change(0, [])], cut=None, status=200)
def test_a_broken_body_is_refused_or_its_records_are(
    entry: Entry, capability: Capability, changes: list[Change], cut: int | None, status: int
) -> None:
    said = spoken(entry.id, capability)
    body = changed(said.reply.body, said.paths, changes)[:cut]
    judge(entry, capability, dataclasses.replace(said.reply, body=body, status=status))
