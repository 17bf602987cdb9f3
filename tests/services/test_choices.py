"""An operator's choice for a provider: stored, in force at once in pools and prices, and again after a restart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import harness
from crypto_dt_source.jobs.timetable import polls
from crypto_dt_source.model.ask import BookAsk, Capability
from crypto_dt_source.model.errors import Conflict, NotFound, NotOffered
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.services import choices
from crypto_dt_source.services.choices import Choice
from crypto_dt_source.services.runtime import Runtime

pytestmark = pytest.mark.asyncio(loop_scope="module")
VENUES = ("kraken", "coinbase_exchange", "bitstamp", "gemini")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rt(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runtime]:
    """One for all tests here; they leave every choice as they found it."""
    async with harness.running(tmp_path_factory.mktemp("choices")) as (running, _, _):
        yield running


def quote(rt: Runtime, provider: str, price: float) -> Quote:
    now = rt.clock.now_ms()
    return Quote(
        provider, "BTC-USD", "BTC", "USD", price, None, None, 10.0, None, None, None, None, None, now
    )


def priced(rt: Runtime) -> None:
    """Four venues of one volume, and one price each."""
    for place, provider in enumerate(VENUES):
        rt.board.update(provider, [quote(rt, provider, 100.0 + 0.01 * place)])


def weights(rt: Runtime) -> dict[str, float]:
    return {v.provider: v.weight for v in rt.pricer.judge("bitcoin", "USD").verdicts}


async def test_a_provider_switched_off_is_asked_by_nobody_and_counts_in_nothing(rt: Runtime) -> None:
    priced(rt)
    assert weights(rt)["kraken"] > 0
    await choices.change(rt, "kraken", Choice(enabled=False))
    # Without any time passing.
    verdicts = {v.provider: v for v in rt.pricer.judge("bitcoin", "USD").verdicts}
    assert verdicts["kraken"].weight == 0
    assert verdicts["kraken"].excluded is not None
    assert verdicts["kraken"].excluded.value == "disabled"
    assert "kraken" not in {s.entry.id for s in rt.gateway.offering(Capability.BOOK)}
    with pytest.raises(NotOffered):
        await rt.gateway.ask_one("kraken", BookAsk(Pair("BTC", "USD"), 5))
    (poll,) = [job for job in polls(rt) if job.id == "quotes:kraken"]
    assert await poll.run(rt) == 0
    assert "kraken" not in {provider for provider, _ in harness.transport_of(rt).calls}
    assert (await choices.check(rt, "kraken")).failure is None
    await choices.change(rt, "kraken", Choice())
    assert weights(rt)["kraken"] > 0


async def test_a_priority_is_the_rank_in_every_pool(rt: Runtime) -> None:
    before = [s.entry.id for s in rt.gateway.offering(Capability.BOOK)]
    assert before[0] != "gemini"
    await choices.change(rt, "gemini", Choice(priority=1))
    assert rt.gateway.offering(Capability.BOOK)[0].entry.id == "gemini"
    await choices.change(rt, "gemini", Choice())
    assert [s.entry.id for s in rt.gateway.offering(Capability.BOOK)] == before


async def test_a_choice_outlives_a_restart(tmp_path: Path) -> None:
    chosen = Choice(enabled=False, priority=3, weight=0.25)
    async with harness.running(tmp_path) as (rt, sim, clock):
        await choices.change(rt, "kraken", chosen)
        await choices.change(rt, "gemini", Choice(weight=2.0))
    async with harness.running(tmp_path, clock=clock, sim=sim) as (rt, _, _):
        assert choices.chosen(rt.gateway.source("kraken")) == chosen
        assert rt.pricer.disabled == {"kraken"}
        assert rt.pricer.factors == {"kraken": 0.25, "gemini": 2.0}


async def test_a_weight_moves_the_share_and_never_past_the_cap(rt: Runtime) -> None:
    priced(rt)
    even = weights(rt)["gemini"]
    await choices.change(rt, "gemini", Choice(weight=0.5))
    assert weights(rt)["gemini"] < 0.6 * even
    await choices.change(rt, "gemini", Choice(weight=100.0))
    # One of four is a minority: less than half, however heavy.
    assert even < weights(rt)["gemini"] < 0.5
    await choices.change(rt, "gemini", Choice())


async def test_what_cannot_be_chosen_is_said(rt: Runtime) -> None:
    with pytest.raises(NotFound):
        await choices.change(rt, "nobody", Choice())
    keyed = next(e.id for e in rt.entries.values() if e.status == "keyed" and e.id not in rt.gateway.sources)
    with pytest.raises(Conflict, match="needs a key"):
        await choices.change(rt, keyed, Choice())
    gone = next(e.id for e in rt.entries.values() if e.status == "gone")
    with pytest.raises(Conflict, match="it is gone"):
        await choices.check(rt, gone)


async def test_what_is_polled_is_planned_alike_whatever_was_chosen(tmp_path: Path) -> None:
    """A start plans its jobs before the choices are restored, and begins them after."""
    keys = {"coingecko_api_key": "one", "coingecko_pro_api_key": "other"}
    async with harness.running(tmp_path, **keys) as (rt, _, _):
        planned = {job.id for job in polls(rt)}
        (poll,) = [job for job in polls(rt) if job.id.startswith("coins:coingecko")]
        named = poll.id.removeprefix("coins:")
        await choices.change(rt, named, Choice(enabled=False))
        assert {job.id for job in polls(rt)} == planned
        assert await poll.run(rt) > 0
        called = {provider for provider, _ in harness.transport_of(rt).calls}
        assert len(called) == 1
        assert {rt.entries[provider].source for provider in called} == {"coingecko"}
        assert named not in called
