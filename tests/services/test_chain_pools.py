"""Fees and statistics of chains: each has its own pool of sources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import AllProvidersFailed, NotFound
from crypto_dt_source.services import fear_greed, onchain, together
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


async def test_every_chain_has_its_fee_in_its_own_unit(rig: Rig) -> None:
    rt, _, clock = rig
    found = await harness.drive(clock, onchain.all_gas(rt))
    assert not found.errors
    assert list(found.found)[:2] == ["bitcoin", "ethereum"]
    assert len(found.found) >= 5
    for chain, cached in found.found.items():
        fee = cached.value
        assert fee.chain == chain
        assert fee.unit == ("sat/vB" if chain in ("bitcoin", "litecoin", "liquid") else "gwei")
        assert 0 <= fee.slow <= fee.standard <= fee.fast


async def test_a_dead_node_is_covered_by_the_next_and_a_chain_is_never_answered_by_anothers(rig: Rig) -> None:
    rt, sim, clock = rig
    nodes = [s.entry.id for s in rt.gateway.offering(Capability.GAS) if "ethereum" in s.entry.chains]
    assert len(nodes) >= 4
    for node in nodes[:-1]:
        sim.faults.add(node, "5xx")
    fee = (await harness.drive(clock, onchain.gas(rt, "ethereum"))).value
    assert fee.provider == nodes[-1]
    assert fee.chain == "ethereum"


async def test_one_chain_that_fails_does_not_cost_the_others(rig: Rig) -> None:
    rt, sim, clock = rig
    for source in rt.gateway.offering(Capability.CHAIN_STATS):
        if "base" in source.entry.chains:
            sim.faults.add(source.entry.id, "5xx")
    found = await harness.drive(clock, onchain.all_stats(rt))
    assert "base" not in found.found
    assert found.found["ethereum"].value.block
    assert [chain for chain, _ in found.errors] == ["base"]


async def test_a_chain_that_hangs_is_left_out_after_two_seconds_and_asked_on(rig: Rig) -> None:
    rt, sim, clock = rig
    nodes = [s.entry.id for s in rt.gateway.offering(Capability.GAS) if "base" in s.entry.chains]
    faults = [sim.faults.add(node, "hang") for node in nodes]
    started = clock.monotonic()
    found = await harness.drive(clock, onchain.all_gas(rt))
    assert clock.monotonic() - started == pytest.approx(together.PATIENCE_S, abs=0.1)
    assert [(chain, error.code) for chain, error in found.errors] == [("base", "deadline_exceeded")]
    assert "ethereum" in found.found
    assert rt.cache.peek("gas:base") is None
    for fault in faults:
        sim.faults.remove(fault.id)
    await clock.advance(5)
    await harness.settled(rt)
    asked = len(harness.transport_of(rt).calls)
    assert rt.cache.peek("gas:base") is not None, "the load went on without anybody who waits"
    again = await onchain.all_gas(rt)
    assert "base" in again.found
    assert len(harness.transport_of(rt).calls) == asked


async def test_with_something_held_of_every_chain_a_hanging_one_costs_no_time(rig: Rig) -> None:
    rt, sim, clock = rig
    await harness.drive(clock, onchain.all_gas(rt))
    await clock.advance(600)
    sim.faults.add("*", "hang")
    started = clock.monotonic()
    found = await onchain.all_gas(rt)
    assert clock.monotonic() == started
    assert not found.errors
    assert {cached.state for cached in found.found.values()} == {"stale"}


async def test_without_any_chain_each_is_named_with_its_cause(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("*", "5xx")
    for ask, capability in ((onchain.all_gas, Capability.GAS), (onchain.all_stats, Capability.CHAIN_STATS)):
        with pytest.raises(AllProvidersFailed) as error:
            await harness.drive(clock, ask(rt))
        failed = {row["name"]: row["code"] for row in error.value.details["failed"]}
        assert set(failed) == set(onchain.chains(rt, capability))
        assert failed["ethereum"] == failed["bitcoin"] == "upstream_server_error"
        assert set(failed.values()) <= {"upstream_server_error", "budget_exhausted"}
        nodes = {s.entry.id for s in rt.gateway.offering(capability)}
        assert {row["provider"] for row in error.value.details["tried"]} == nodes


@pytest.mark.parametrize("name", ["Ethereum", "ETHEREUM"])
async def test_a_chain_is_known_in_any_case(rig: Rig, name: str) -> None:
    rt, _, clock = rig
    fee = (await harness.drive(clock, onchain.gas(rt, name))).value
    assert fee.chain == "ethereum"
    assert (await harness.drive(clock, onchain.stats(rt, name))).value.chain == "ethereum"
    assert rt.cache.peek("gas:ethereum") is not None


async def test_a_chain_nobody_knows_is_named_with_those_that_are(rig: Rig) -> None:
    rt, _, _ = rig
    with pytest.raises(NotFound) as error:
        await onchain.gas(rt, "atlantis")
    assert "ethereum" in error.value.details["allowed"]
    assert not harness.transport_of(rt).calls


async def test_the_last_fee_outlives_a_restart_with_dead_nodes(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        before = await harness.drive(clock, onchain.gas(rt, "ethereum"))
        await harness.drive(clock, onchain.collect(rt))
    await clock.advance(600)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        kept = await onchain.gas(rt, "ethereum")
        assert (kept.value, kept.fetched_ms, kept.state) == (before.value, before.fetched_ms, "stale")
        assert (await onchain.stats(rt, "bitcoin")).value.difficulty
        await harness.settled(rt)


async def test_fear_and_greed_takes_all_of_history_once_then_the_newest_days(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        now = (await harness.drive(clock, fear_greed.now(rt))).value
        assert 0 <= now.value <= 100
        assert "Fear" in now.series
        days = await fear_greed.history(rt, days=90)
        assert len(days) >= 85
        assert days[-1].day_ms == now.day_ms
        assert [day.day_ms for day in days] == sorted({day.day_ms for day in days})
        await clock.advance(3 * 86_400)
        await harness.drive(clock, fear_greed.collect(rt))
        asked = [path for provider, path in harness.transport_of(rt).calls if provider == "alternative_me"]
        assert "limit=0" in asked[0]
        assert "limit=10" in asked[-1]
        assert len(await fear_greed.history(rt, days=4)) >= 3
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        await clock.advance(2 * 86_400)
        kept = await fear_greed.known(rt)
        assert kept is not None
        assert kept.state == "stale"
        await harness.settled(rt)
