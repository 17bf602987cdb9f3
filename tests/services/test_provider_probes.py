"""Providers that nobody asked lately are asked, within their budgets, and the state of all is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from crypto_dt_source.services import collect, provider_health
from crypto_dt_source.services.provider_health import LATELY_S, LONGEST_S, rest_s
from crypto_dt_source.store.repos import providers as repo


async def test_only_those_nobody_asked_lately_are_asked(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        for source in list(rt.gateway.sources.values()):
            source.enabled = source.entry.id in ("kraken", "okx", "gemini")
        await collect.venue_quotes(rt, "kraken")
        transport = harness.transport_of(rt)
        transport.calls.clear()
        assert await harness.drive(clock, provider_health.probe(rt)) == 2
        assert sorted(provider for provider, _ in transport.calls) == ["gemini", "okx"]
        assert await harness.drive(clock, provider_health.probe(rt)) == 0
        await clock.advance(LATELY_S)
        assert await harness.drive(clock, provider_health.probe(rt)) == 3
        states = {row.id: (row.status, row.last_check) for row in await repo.all_providers(rt.store)}
        assert states["okx"][0] == "up"
        assert states["okx"][1] >= clock.now_ms() - 5000
        assert states["binance"] == ("off", None)


async def test_one_that_does_not_answer_is_noted_and_costs_no_other(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        for source in list(rt.gateway.sources.values()):
            source.enabled = source.entry.id in ("kraken", "okx")
        harness.transport_of(rt).dead = True
        assert await harness.drive(clock, provider_health.probe(rt)) == 2
        states = {row.id: row for row in await repo.all_providers(rt.store)}
        assert (states["okx"].status, states["okx"].detail) == ("down", "upstream_unreachable")


async def test_a_small_budget_is_not_spent_on_probes(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        rests = {source.entry.id: rest_s(source) for source in rt.gateway.sources.values()}
        assert rests["binance"] == LATELY_S
        for source in rt.gateway.sources.values():
            for limit in source.entry.limits:
                asked = limit.per_s / rests[source.entry.id]
                assert asked <= 0.0501 * limit.amount or rests[source.entry.id] == pytest.approx(LONGEST_S)
        assert max(rests.values()) > LATELY_S
