"""Funding rates and open interest of several venues side by side, under assets that their prices agree with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.asset import Asset
from crypto_dt_source.model.derivatives import FundingRate, OpenInterest
from crypto_dt_source.model.errors import AllProvidersFailed, NotFound
from crypto_dt_source.providers import catalog
from crypto_dt_source.services import collect, derivatives, together
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp
from crypto_dt_source.store.cache import Loaded

VENUES = {entry.id for entry in catalog.load().values() if Capability.FUNDING in entry.offers}
INTERESTED = {entry.id for entry in catalog.load().values() if Capability.OPEN_INTEREST in entry.offers}
Rig = tuple[Runtime, SimApp, ManualClock]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with harness.running(tmp_path) as (rt, sim, clock):
        await harness.drive(clock, collect.one_round(rt))
        yield rt, sim, clock


async def test_bitcoin_has_a_rate_and_open_interest_on_every_venue(rig: Rig) -> None:
    rt, _, clock = rig
    rates = await harness.drive(clock, derivatives.funding(rt, symbol="BTC"))
    assert {row.row.provider for row in rates.rows} == VENUES
    assert all(row.asset is not None and row.asset.id == "bitcoin" for row in rates.rows)
    interest = await harness.drive(clock, derivatives.open_interest(rt, symbol="BTC"))
    assert {row.row.provider for row in interest.rows} == INTERESTED
    assert {"binance_futures", "bybit_futures", "okx_futures", "deribit", "hyperliquid"} < INTERESTED < VENUES
    assert all(row.value_usd is not None and row.value_usd > 0 for row in interest.rows)
    assert not rates.errors
    assert rates.resolution is not None
    assert rates.resolution.asset.id == "bitcoin"


async def test_the_largest_assets_come_first(rig: Rig) -> None:
    rt, _, clock = rig
    rows = (await harness.drive(clock, derivatives.funding(rt))).rows
    ranks = [row.asset.rank or 10**9 for row in rows if row.asset is not None]
    assert ranks == sorted(ranks)
    assert len({row.row.base for row in rows}) >= 10


async def test_a_contract_on_another_coin_of_that_ticker_is_under_no_asset(rig: Rig) -> None:
    rt, _, clock = rig
    price = rt.pricer.point("bitcoin")
    assert price is not None
    assert price.price
    now = clock.now_ms()
    right = FundingRate("deribit", "BTC-PERPETUAL", "BTC", "USD", 1e-4, 8, price.price, None, None, now, now)
    other = right._replace(symbol="BTC_OTHER", mark_price=price.price / 1000)
    rt.cache.put("funding:deribit", Loaded([right, other], now, ("deribit",)))
    rows = (await derivatives.funding(rt, provider="deribit")).rows
    assert {row.row.symbol: row.asset and row.asset.id for row in rows} == {
        "BTC-PERPETUAL": "bitcoin",
        "BTC_OTHER": None,
    }


async def test_an_amount_without_a_value_is_valued_at_our_price(rig: Rig) -> None:
    rt, _, clock = rig
    price = rt.pricer.point("bitcoin")
    assert price is not None
    now = clock.now_ms()
    row = OpenInterest("deribit", "BTC_USDC-PERPETUAL", "BTC", "USDC", 10.0, None, now, now)
    rt.cache.put("open_interest:deribit", Loaded([row], now, ("deribit",)))
    (found,) = (await derivatives.open_interest(rt, provider="deribit")).rows
    assert found.value_usd == pytest.approx(10.0 * (price.price or 0))


async def test_a_dead_venue_costs_only_its_own_rows_and_is_named(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("okx_futures", "5xx")
    found = await harness.drive(clock, derivatives.funding(rt, symbol="ETH"))
    assert {row.row.provider for row in found.rows} == VENUES - {"okx_futures"}
    ((name, failure),) = found.errors
    assert (name, together.cause(failure)) == ("okx_futures", "upstream_server_error")
    with pytest.raises(NotFound) as error:
        await derivatives.funding(rt, provider="kraken")
    assert "deribit" in error.value.details["allowed"]


async def test_a_venue_that_hangs_is_left_out_after_two_seconds(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("deribit", "hang")
    started = clock.monotonic()
    found = await harness.drive(clock, derivatives.funding(rt))
    assert clock.monotonic() - started == pytest.approx(together.PATIENCE_S, abs=0.1)
    assert set(found.parts) == VENUES - {"deribit"}
    assert [(name, error.code) for name, error in found.errors] == [("deribit", "deadline_exceeded")]
    assert {row.row.provider for row in found.rows} == VENUES - {"deribit"}


async def test_without_any_venue_each_is_named_with_its_own_failure(rig: Rig) -> None:
    rt, sim, clock = rig
    sim.faults.add("*", "5xx")
    sim.faults.add("okx_futures", "html")
    with pytest.raises(AllProvidersFailed) as error:
        await harness.drive(clock, derivatives.funding(rt))
    failed = {row["name"]: row["code"] for row in error.value.details["failed"]}
    assert failed == dict.fromkeys(VENUES, "upstream_server_error") | {"okx_futures": "payload_changed"}
    assert {row["provider"]: row["failure"] for row in error.value.details["tried"]} == failed


async def test_rows_are_put_under_assets_once_for_the_requests_of_a_few_seconds(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _, clock = rig
    await harness.drive(clock, derivatives.collect(rt))
    looked_up: list[str] = []
    plain = rt.resolver.venue_asset

    def venue_asset(provider: str, ticker: str) -> Asset | None:
        looked_up.append(ticker)
        return plain(provider, ticker)

    monkeypatch.setattr(rt.resolver, "venue_asset", venue_asset)
    everything = await derivatives.funding(rt)
    assert len(looked_up) == len(everything.rows) > 50
    bitcoin = await derivatives.funding(rt, symbol="BTC")
    assert [row for row in everything.rows if row.asset and row.asset.id == "bitcoin"] == bitcoin.rows
    assert len(looked_up) == len(everything.rows)
    await clock.advance(derivatives.MAPPED_S + 1)
    await derivatives.funding(rt)
    assert len(looked_up) == 2 * len(everything.rows)


async def test_rows_of_earlier_fetches_do_not_stay_in_memory(rig: Rig) -> None:
    rt, _, clock = rig
    for _ in range(4):
        await harness.drive(clock, derivatives.collect(rt))
        await derivatives.funding(rt)
        await clock.advance(300)
    kept = [key for key in rt.cache._slots if isinstance(key, tuple) and key[:2] == ("contracts", "funding")]
    assert len(kept) <= 2


async def test_after_a_restart_with_every_venue_dead_the_last_rates_are_answered(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, sim, clock):
        assert await harness.drive(clock, derivatives.collect(rt)) > 50
    await clock.advance(3600)
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        harness.transport_of(rt).dead = True
        found = await derivatives.funding(rt)
        assert {part.state for part in found.parts.values()} == {"stale"}
        assert {row.row.provider for row in found.rows} == VENUES
        await harness.settled(rt)
        with pytest.raises(AllProvidersFailed) as error:
            await harness.drive(clock, derivatives.collect(rt))
        assert {one["provider"] for one in error.value.details["tried"]} == VENUES


def test_a_rate_is_told_by_the_year_where_its_interval_is_known() -> None:
    row = FundingRate("x", "X", "X", "USD", 0.0001, 8.0, None, None, None, None, 0)
    assert derivatives.annual_pct(row) == pytest.approx(0.0001 * 3 * 365 * 100)
    assert derivatives.annual_pct(row._replace(interval_h=None)) is None
