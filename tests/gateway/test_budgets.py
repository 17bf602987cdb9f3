"""The published limits hold with the whole service at work: a crowd, a hostile crowd, a kill and a restart.

The simulator is the judge: it meters each upstream's published limits on arrival. `bench/budgets.py` is the long form.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from bench import budgets
from bench.simulated import DayClock, service

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import Gateway
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Limit
from crypto_dt_source.services.collect import store_budgets
from crypto_dt_source.sim.log import RequestLog


@pytest.mark.slow
async def test_a_crowd_breaks_no_limit_and_shares_its_calls() -> None:
    outcome = await budgets.simulate(4 / 60, keys=True, backfill_days=2)
    assert outcome.breaches == {}
    assert outcome.refused == 0
    assert outcome.crowd.undocumented == []
    assert outcome.requests > 400_000
    # The first minutes also fetch every book, page and candle for the first time.
    assert outcome.ratio > 300


@pytest.mark.slow
async def test_a_hostile_crowd_breaks_no_limit_and_is_told_why() -> None:
    outcome = await budgets.simulate(0.25 / 60, keys=False, hostile=10, backfill_days=2)
    assert outcome.breaches == {}
    assert outcome.refused == 0
    assert outcome.crowd.undocumented == []
    assert outcome.crowd.answers["200"] > 0
    refused = {code.split()[0] for code in outcome.crowd.answers} - {"200"}
    assert refused <= {"404", "422", "503"}


@pytest.mark.slow
async def test_a_kill_and_a_restart_break_no_limit(tmp_path: Path) -> None:
    """The second run has only what was on disk when the first was killed, a few seconds old."""
    clock = DayClock()
    async with service(tmp_path / "first", keys=False, clock=clock, backfill_days=2) as (rt, sim, _, _):
        await clock.advance(40)
        before = sum(sim.log.requests.values())
        await asyncio.to_thread(shutil.copytree, tmp_path / "first", tmp_path / "killed")
    async with service(tmp_path / "killed", keys=False, clock=clock, sim=sim, backfill_days=2) as (
        rt,
        _,
        _,
        _,
    ):
        await clock.advance(70)
        assert rt.gateway.budgets()
        month = next(
            line for line in rt.gateway.budgets() if line.scope == "coinpaprika" and line.per_s > 86_400
        )
    assert sum(sim.log.requests.values()) > before + 50
    assert dict(sim.log.limit_breaches) == {}
    assert month.used == sim.log.requests["coinpaprika"]


async def test_stored_use_is_read_back_whole(tmp_path: Path) -> None:
    """Every bucket of every window, over a clean restart hours later."""
    clock = DayClock()
    async with service(tmp_path, keys=False, clock=clock, background=False) as (rt, sim, _, _):
        meter = rt.gateway.source("coingecko").meter
        for _ in range(5):
            assert meter.take(1) == 0
            await clock.advance(60_000)
            await store_budgets(rt)
        kept = {(use.per_s, use.bucket_ms): use.used for use in meter.kept() if use.per_s > 60}
        assert len([key for key in kept if key[0] == 2_592_000]) > 3
    async with service(tmp_path, keys=False, clock=clock, sim=sim, background=False) as (rt, _, _, _):
        again = rt.gateway.source("coingecko").meter
        assert {(use.per_s, use.bucket_ms): use.used for use in again.kept() if use.per_s > 60} == kept


def _gateway(keys: dict[str, str]) -> Gateway:
    class Silent:
        async def send(self, *_: object) -> object:
            raise AssertionError("nothing is sent")

        async def close(self) -> None:
            return None

    return Gateway(catalog.load(), Silent(), ManualClock(), keys=keys)  # type: ignore[arg-type]


def test_entries_on_one_key_share_a_meter_and_hosts_of_one_venue_too() -> None:
    gateway = _gateway({"CRYPTOCOMPARE_API_KEY": "k", "COINGECKO_API_KEY": "k", "COINGECKO_PRO_API_KEY": "p"})
    meters = {name: source.meter for name, source in gateway.sources.items()}
    assert meters["cryptocompare"] is meters["coindesk_data"]
    assert meters["binance"] is meters["binance_main"]
    assert len({id(meters[name]) for name in ("coingecko", "coingecko_demo", "coingecko_pro")}) == 3
    amounts = {line.per_s: line.amount for line in meters["cryptocompare"].lines()}
    assert amounts == {limit.per_s: limit.amount for limit in catalog.load()["cryptocompare"].limits}


def test_every_read_in_pages_has_a_bound_and_no_other_read_claims_one() -> None:
    for entry in catalog.load().values():
        if entry.status not in ("live", "keyed"):
            continue
        for capability, offer in entry.offers.items():
            paged = catalog.adapter_of(entry).endpoints[capability].next is not None
            # What the exchange library may have to ask before (a list of pairs) is a step of the same read.
            assert (offer.page_limit > 1) == paged or entry.library_id, (entry.id, capability)
            assert offer.page_limit <= 5


def test_the_judge_counts_a_key_apart_from_its_address() -> None:
    log = RequestLog()
    entries = catalog.load()
    for entry_id, calls in (("coingecko_demo", 30), ("coingecko", 5)):
        for _ in range(calls):
            log.meter(entries[entry_id], 1, 0)
    assert log.limit_breaches == {}
    log.meter(entries["coingecko"], 1, 59_999)
    assert log.limit_breaches == {"coingecko": 1}
    assert Limit(5, 60) in entries["coingecko"].limits
