"""DeFi: lists by size, TVL by day out of the store, and what is left of them when every upstream is dead."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.candle import DAY_MS
from crypto_dt_source.model.errors import AllProvidersFailed, NotFound
from crypto_dt_source.services import defi
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp

Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        yield rt, sim, clock


async def test_protocols_come_by_tvl_without_exchanges(rig: Rig) -> None:
    rt, _, _ = rig
    found = await defi.protocols(rt)
    sizes = [row.tvl for row in found.value]
    assert len(sizes) >= 20
    assert sizes == sorted(sizes, reverse=True)
    assert all(row.category != "CEX" for row in found.value)
    assert found.source == ("defillama",)


async def test_every_list_has_rows_the_largest_first(rig: Rig) -> None:
    rt, _, _ = rig
    chains = (await defi.chains(rt)).value
    pools = (await defi.yields(rt)).value
    coins = (await defi.stablecoins(rt)).value
    volumes = (await defi.dex_volumes(rt)).value
    for sizes in (
        [row.tvl for row in chains],
        [row.tvl for row in pools],
        [row.circulating * (row.price or 0) for row in coins],
        [row.volume_24h for row in volumes],
    ):
        assert len(sizes) >= 5
        assert sizes == sorted(sizes, reverse=True)


async def test_the_chart_has_every_day_once_and_today(rig: Rig) -> None:
    rt, _, clock = rig
    chart = await defi.tvl_chart(rt, days=30)
    today = clock.now_ms() // DAY_MS * DAY_MS
    assert [point.at_ms for point in chart.points] == [today - n * DAY_MS for n in reversed(range(30))]
    assert all(point.tvl > 0 for point in chart.points)


async def test_the_chart_of_one_chain_lies_below_that_of_all(rig: Rig) -> None:
    rt, _, _ = rig
    name = (await defi.chains(rt)).value[0].name
    whole = await defi.tvl_chart(rt, days=5)
    part = await defi.tvl_chart(rt, days=5, chain=name)
    assert part.subject == f"chain:{name}"
    assert all(p.tvl < w.tvl for p, w in zip(part.points, whole.points, strict=True))


async def test_a_protocol_nobody_lists_costs_no_call_of_its_own(rig: Rig) -> None:
    rt, _, _ = rig
    slug = (await defi.protocols(rt)).value[0].slug
    page = (await defi.protocol(rt, slug)).value
    assert page.slug == slug
    assert page.history
    sent = len(harness.transport_of(rt).calls)
    with pytest.raises(NotFound) as error:
        await defi.protocol(rt, slug[:5] + "-of-nowhere")
    assert slug in error.value.details["did_you_mean"]
    assert len(harness.transport_of(rt).calls) == sent


async def test_dead_upstreams_after_a_restart_leave_what_was_known_with_its_age(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        await harness.drive(clock, defi.collect(rt))
        slug = (await defi.protocols(rt)).value[0].slug
        before = await defi.protocol(rt, slug)
        fetched = (await defi.yields(rt)).fetched_ms
        read_ms = (await defi.tvl_chart(rt, days=30)).fetched_ms
    await clock.advance(2 * 86_400)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        for kept in (
            await defi.protocols(rt),
            await defi.chains(rt),
            await defi.yields(rt),
            await defi.stablecoins(rt),
            await defi.dex_volumes(rt),
        ):
            assert kept.value
            assert kept.state == "stale"
        assert (await defi.yields(rt)).fetched_ms == fetched
        assert (await defi.protocol(rt, slug)).value == before.value
        chart = await defi.tvl_chart(rt, days=30)
        assert len(chart.points) == 28
        assert (chart.state, chart.fetched_ms) == ("stale", read_ms)
        await harness.settled(rt)


async def test_without_anything_known_the_failure_names_who_was_tried(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        harness.transport_of(rt).dead = True
        with pytest.raises(AllProvidersFailed) as error:
            await harness.drive(clock, defi.tvl_chart(rt, days=30))
        assert error.value.details["tried"][0]["provider"] == "defillama"
        with pytest.raises(AllProvidersFailed):
            await harness.drive(clock, defi.collect(rt))


async def test_the_hourly_round_costs_one_call_a_list_and_rewrites_only_what_moves(rig: Rig) -> None:
    rt, _, clock = rig
    await harness.drive(clock, defi.collect(rt))
    calls = harness.transport_of(rt).calls
    assert len(calls) == len(set(calls)) == 6
    await clock.advance(3600)
    before = rt.cache.peek("defi_protocols")
    await harness.drive(clock, defi.collect(rt))
    assert len(calls) == 12
    after = rt.cache.peek("defi_protocols")
    assert before is not None
    assert after is not None
    assert after.fetched_ms >= before.fetched_ms + 3_600_000
