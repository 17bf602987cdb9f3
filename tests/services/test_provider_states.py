"""The state of a provider, by what its calls came to."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import BookAsk, DefiProtocolAsk, NewsAsk, YieldsAsk
from crypto_dt_source.model.errors import SymbolNotListed, UpstreamRejected
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import providers
from crypto_dt_source.services.runtime import Runtime


def gone(rt: Runtime, *, status: int = 404, body: bytes = b"") -> None:
    """Every upstream answers with this."""

    def bend(provider: str, request: Request, reply: Reply) -> Reply:
        return Reply(provider, status, body, reply.received_ms, {"content-type": "text/html"})

    harness.transport_of(rt).bend = bend


async def test_a_feed_whose_address_is_gone_is_down_and_says_why(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        feed = next(e.id for e in rt.entries.values() if e.kind == "feed" and e.id in rt.gateway.sources)
        assert providers.one(rt, feed)["state"] == "idle"
        gone(rt)
        with pytest.raises(UpstreamRejected):
            await rt.gateway.ask_one(feed, NewsAsk())
        row = providers.one(rt, feed)
        assert (row["state"], row["success_rate"], row["last_failure_code"]) == (
            "down",
            0.0,
            "upstream_rejected",
        )
        assert row["last_failure"] is not None
        assert row["breaker"] == "closed", "the host answers: it is asked again when its time comes"
        assert providers.stats(rt, feed)["failures"] == {"upstream_rejected": 1}


async def test_a_feed_that_worked_and_went_away_is_no_longer_up(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        feed = next(e.id for e in rt.entries.values() if e.kind == "feed" and e.id in rt.gateway.sources)
        await rt.gateway.ask_one(feed, NewsAsk())
        assert providers.one(rt, feed)["state"] == "up"
        gone(rt)
        for _ in range(2):
            await _later(clock)
            with pytest.raises(UpstreamRejected):
                await rt.gateway.ask_one(feed, NewsAsk())
        assert providers.one(rt, feed)["state"] == "down"


async def _later(clock: ManualClock) -> None:
    await clock.advance(3600)


async def test_a_source_of_other_data_that_refuses_its_list_is_down(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        gone(rt, status=400)
        with pytest.raises(UpstreamRejected):
            await rt.gateway.ask_one("defillama_yields", YieldsAsk())
        assert providers.one(rt, "defillama_yields")["state"] == "down"


async def test_a_name_that_somebody_does_not_know_is_no_fault_of_theirs(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, _):
        with pytest.raises(SymbolNotListed):
            await rt.gateway.ask_one("defillama", DefiProtocolAsk("nope"))
        row = providers.one(rt, "defillama")
        assert (row["state"], row["last_failure_code"]) == ("idle", None)
        gone(rt, status=400)
        with pytest.raises(UpstreamRejected):
            await rt.gateway.ask_one("kraken", BookAsk(Pair("NOSUCH", "USD"), 5))
        assert providers.one(rt, "kraken")["last_failure_code"] is None
