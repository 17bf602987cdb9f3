"""Answers of several chains or venues over HTTP when some are missing; chains by name on every route that takes one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from in_process import Service, service

import harness
from crypto_dt_source.api.schemas import derivatives, onchain
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.services import derivatives as venues

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.asyncio(loop_scope="function")
async def test_a_venue_that_failed_is_named_with_the_upstreams_own_failure(tmp_path: Path) -> None:
    clock = ManualClock(harness.START_MS)
    async with service(tmp_path, collected=False, clock=clock) as slow:
        slow.sim.faults.add("deribit", "5xx")
        slow.sim.faults.add("okx_futures", "hang")
        body = await harness.drive(clock, slow.data("/api/derivatives/funding?symbol=BTC"))
        derivatives.FundingList.model_validate(body, extra="forbid")
        server_error = [{"provider": "deribit", "failure": "upstream_server_error"}]
        failed = [(row["name"], row["code"], row["tried"]) for row in body["meta"]["failed"]]
        assert failed == [
            ("deribit", "upstream_server_error", server_error),
            ("okx_futures", "deadline_exceeded", []),
        ]
        told = {row["provider"] for row in body["data"]}
        assert {"binance_futures", "bybit_futures", "hyperliquid"} < told
        assert not {"deribit", "okx_futures"} & told
        alone = slow.error("/api/derivatives/funding?provider=deribit", 503, "all_providers_failed")
        details = (await harness.drive(clock, alone))["details"]
        assert details["failed"] == [{"name": "deribit", "code": "upstream_server_error"}]
        assert details["tried"] == server_error


async def test_each_row_tells_its_own_age(fresh: Service) -> None:
    await venues.collect(fresh.rt)
    await fresh.data("/api/blockchain/gas?chain=ethereum")
    await fresh.pass_time(3600)
    await venues.collect(fresh.rt)
    fresh.sim.faults.add("deribit", "5xx")
    loaded = fresh.rt.cache.peek("funding:deribit")
    assert loaded is not None
    fresh.rt.cache._slots["funding:deribit"].loaded = type(loaded)(
        loaded.value, loaded.fetched_ms - 3_600_000, loaded.source
    )
    body = await fresh.data("/api/derivatives/funding?symbol=BTC")
    ages = {row["provider"]: (row["stale"], row["fetched_at"]) for row in body["data"]}
    assert ages.pop("deribit") == (True, body["meta"]["fetched_at"])
    assert {stale for stale, _ in ages.values()} == {False}
    assert all(at > body["meta"]["fetched_at"] for _, at in ages.values())
    assert body["meta"]["stale"] is True
    gas = await fresh.data("/api/blockchain/gas")
    onchain.GasList.model_validate(gas, extra="forbid")
    assert {row["chain"]: row["stale"] for row in gas["data"]}["ethereum"] is True


async def test_a_shared_ticker_is_said_to_be_ambiguous(api: Service) -> None:
    found = next(
        resolution
        for asset in api.rt.resolver.ranked()
        if (resolution := api.rt.resolver.resolve(asset.ticker)).ambiguous
    )
    others = {found.asset.ticker: [other.id for other in found.ambiguous]}
    for path in ("/api/derivatives/funding", "/api/derivatives/open-interest"):
        asked = await api.data(f"{path}?symbol={found.asset.ticker}")
        assert asked["meta"]["ambiguous"] == others
        assert (await api.data(path))["meta"]["ambiguous"] == {}


async def test_percentages_have_no_noise(api: Service) -> None:
    rows = (await api.data("/api/derivatives/funding?page_size=250"))["data"]
    assert len(rows) > 50
    for row in rows:
        for field in ("rate_pct", "annual_pct"):
            assert row[field] is None or row[field] == float(f"{row[field]:.12g}")


@pytest.mark.parametrize("route", ["/api/blockchain/gas", "/api/blockchain/stats"])
async def test_a_chain_is_known_in_any_case(api: Service, route: str) -> None:
    (row,) = (await api.data(f"{route}?chain=Ethereum"))["data"]
    assert row["chain"] == "ethereum"


ROUTES = ("/api/defi", "/api/defi/yields", "/api/defi/tvl-chart")


def _rows(body: Any) -> Any:
    return (
        body["data"],
        {k: v for k, v in body["meta"].items() if k in ("total", "subject")},
        body.get("page"),
    )


@pytest.mark.parametrize("route", ROUTES)
async def test_every_spelling_of_a_chain_is_the_same_chain(api: Service, route: str) -> None:
    plain = _rows(await api.data(f"{route}?chain=BSC"))
    assert plain[0]
    for spelling in ("bsc", "Binance", "BINANCE"):
        assert _rows(await api.data(f"{route}?chain={spelling}")) == plain
    assert _rows(await api.data(f"{route}?chain=optimism")) == _rows(
        await api.data(f"{route}?chain=OP%20Mainnet")
    )


@pytest.mark.parametrize("route", ROUTES)
async def test_what_is_no_chain_is_answered_with_the_nearest(api: Service, route: str) -> None:
    error = await api.error(f"{route}?chain=etherium", 404, "not_found")
    assert error["details"]["did_you_mean"] == ["Ethereum"]


async def test_protocols_of_a_chain_keep_their_rank_among_all(api: Service) -> None:
    everything = {row["slug"]: row for row in (await api.data("/api/defi?limit=100"))["data"]}
    found = (await api.data("/api/defi?chain=Binance&limit=100"))["data"]
    assert found
    assert all(row == everything[row["slug"]] and "BSC" in row["chains"] for row in found)
    dexs = (await api.data("/api/defi?chain=Binance&category=dexs&limit=100"))["data"]
    assert dexs == [row for row in found if row["category"] == "Dexs"]


async def test_stablecoins_have_their_worth_in_dollars(api: Service) -> None:
    rows = (await api.data("/api/defi/stablecoins"))["data"]
    euro = next(row for row in rows if row["pegged_to"] == "EUR")
    assert euro["circulating_usd"] == euro["circulating"] * euro["price"] != euro["circulating"]
    assert all((row["circulating_usd"] is None) == (row["price"] is None) for row in rows)
