"""Asks that take more than one call: pages, and venues that answer one pair a call."""

from __future__ import annotations

import pytest
from gateway_rig import OK, PAGES, Rig, Step

from crypto_dt_source.gateway.health import FIRST_REST_S, OPEN_AFTER
from crypto_dt_source.gateway.source import Terms
from crypto_dt_source.model import errors
from crypto_dt_source.model.ask import InstrumentsAsk, QuotesAsk
from crypto_dt_source.model.quote import Pair

TERMS = Terms(timeout_s=8.0)


async def test_pages_are_followed_to_the_last() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"one"), Step(b"two"), Step(b"last"))
    answer = await rig.finish(rig.source("a").fetch(InstrumentsAsk(), TERMS))
    assert [r.symbol for r in answer.records] == ["one", "two", "last"]  # type: ignore[union-attr]
    assert [target for _, _, target in rig.transport.sent] == ["/ask", "/list?page=2", "/list?page=3"]
    assert rig.source("a").meter.lines()[0].used == 3


async def test_pages_without_end_are_cut() -> None:
    rig = Rig("a")
    rig.script("a", Step(b"more"))
    answer = await rig.finish(rig.source("a").fetch(InstrumentsAsk(), TERMS))
    assert (len(answer.records), rig.transport.calls("a")) == (PAGES, PAGES)


def pairs(*bases: str) -> QuotesAsk:
    return QuotesAsk(pairs=tuple(Pair(b, "USD") for b in bases))


async def test_a_pair_a_venue_does_not_list_costs_the_others_nothing() -> None:
    rig = Rig("a", per_pair=["a"])
    rig.script("a", Step(b"BTC,SOL"))
    answer = await rig.finish(rig.source("a").fetch(pairs("BTC", "XXX", "SOL"), TERMS))
    assert [q.base for q in answer.records] == ["BTC", "SOL"]  # type: ignore[union-attr]
    assert rig.transport.calls("a") == 3
    with pytest.raises(errors.SymbolNotListed):
        await rig.finish(rig.source("a").fetch(pairs("XXX", "YYY"), TERMS))
    with pytest.raises(errors.NotOffered):
        await rig.finish(rig.source("a").fetch(QuotesAsk(), TERMS))


async def test_one_failed_pair_is_left_out_and_all_failed_is_the_failure() -> None:
    rig = Rig("a", per_pair=["a"])
    rig.script("a", Step(status=500), OK)
    answer = await rig.finish(rig.source("a").fetch(pairs("BTC", "ETH", "SOL"), TERMS))
    assert len(answer.records) == 2
    rig.script("a", Step(b"BTC"), Step(b"unlisted"), Step(status=500))
    with pytest.raises(errors.UpstreamBroken):
        await rig.finish(rig.source("a").fetch(pairs("X", "Y", "Z"), TERMS))


async def test_many_pairs_at_a_half_open_host_are_one_probe_and_then_all() -> None:
    rig = Rig("a", per_pair=["a"])
    source = rig.source("a")
    for _ in range(OPEN_AFTER):
        source.breaker.failure(source.breaker.admit() or 0)
    await rig.clock.advance(FIRST_REST_S)
    names = [f"C{i}" for i in range(30)]
    rig.script("a", Step(status=500))
    with pytest.raises(errors.UpstreamBroken):
        await rig.finish(source.fetch(pairs(*names), TERMS))
    assert rig.transport.calls("a") == 1
    await rig.clock.advance(2 * FIRST_REST_S)
    rig.script("a", OK)
    answer = await rig.finish(source.fetch(pairs(*names), TERMS))
    assert len(answer.records) == 30
    assert rig.transport.calls("a") == 31
