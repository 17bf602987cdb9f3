"""Health: there within its time whatever hangs, with the reason and since when."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import harness
from crypto_dt_source.clock import ManualClock, rfc3339
from crypto_dt_source.model.errors import StoreUnavailable, UpstreamUnreachable
from crypto_dt_source.services import health, statistics
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.vitals import PATIENCE_S, SILENT_S, Silent, Vitals
from crypto_dt_source.store import StoreError

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Runtime, ManualClock]]:
    async with harness.running(tmp_path_factory.mktemp("vitals")) as (rt, _, clock):
        yield rt, clock


@pytest.fixture
def running(service: tuple[Runtime, ManualClock]) -> tuple[Runtime, ManualClock]:
    """A Runtime whose health nobody has looked at."""
    rt, clock = service
    rt.vitals = Vitals(clock)
    return rt, clock


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def test_the_last_answer_counts_until_the_silence_is_long() -> None:
    clock = ManualClock()
    vitals = Vitals(clock)

    async def yes() -> bool:
        return True

    assert await vitals.ask("it", yes) is True
    # A second question waits for the first, whatever it would ask.
    assert await vitals.ask("it", never)
    await clock.advance(SILENT_S)
    with pytest.raises(Silent) as silent:
        await vitals.ask("it", yes)
    assert silent.value.hangs
    await vitals.close()
    assert await vitals.ask("it", yes) is True
    await vitals.close()


async def test_an_answer_that_came_late_is_not_taken_for_a_new_one() -> None:
    vitals = Vitals(ManualClock())
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def late() -> str:
        await gate
        return "late"

    async def now() -> str:
        return "now"

    with pytest.raises(Silent) as silent:
        await vitals.ask("it", late)
    assert not silent.value.hangs
    gate.set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await vitals.ask("it", now) == "now"


async def test_a_failure_is_raised_to_each_and_forgotten_with_the_next_answer() -> None:
    vitals = Vitals(ManualClock())

    async def fails() -> str:
        raise StoreUnavailable("no disk")

    async def works() -> str:
        return "ok"

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="no disk"):
            await vitals.ask("it", fails)
    assert await vitals.ask("it", works) == "ok"


async def test_a_database_and_a_limiter_that_hang_do_not_hang_health(
    running: tuple[Runtime, ManualClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, clock = running
    before = (await health.report(rt))["components"]["database"]
    assert before["status"] == "ok"
    assert before["since"] == rfc3339(rt.started_ms)

    async def hangs(*_: Any) -> Any:
        await never()

    with monkeypatch.context() as patched:
        patched.setattr(rt.store, "fetch", hangs)
        patched.setattr(rt.access.limiter, "alive", hangs)
        begun = time.perf_counter()
        found = (await health.report(rt))["components"]
        assert time.perf_counter() - begun < PATIENCE_S + 0.2
        assert found["database"]["status"] == "ok"
        await clock.advance(5)
        report = await health.report(rt)
    found = report["components"]
    assert report["status"] == "down"
    assert found["database"]["reason"] == "no answer for 5.0 s; answers come from memory"
    assert found["database"]["since"] == rfc3339(clock.now_ms())
    assert found["limiter"]["status"] == "degraded"
    await rt.vitals.close()
    await clock.advance(1)
    back = (await health.report(rt))["components"]["database"]
    assert (back["status"], back["since"]) == ("ok", rfc3339(clock.now_ms()))


async def test_a_first_answer_that_is_only_late_says_nothing(
    running: tuple[Runtime, ManualClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _ = running

    async def hangs(*_: Any) -> Any:
        await never()

    with monkeypatch.context() as patched:
        patched.setattr(rt.store, "fetch", hangs)
        assert (await health.components(rt))["database"]["status"] == "ok"
    await rt.vitals.close()


async def test_since_stays_while_the_status_does(
    running: tuple[Runtime, ManualClock], capsys: pytest.CaptureFixture[str]
) -> None:
    rt, clock = running
    first = (await health.components(rt))["providers"]
    assert first["status"] == "degraded"
    await clock.advance(60)
    await statistics.watch(rt)
    assert (await health.components(rt))["providers"]["since"] == first["since"]
    said = capsys.readouterr().err
    assert said.count("part=providers") == 1
    assert "a component is not well" in said


async def test_a_database_that_fails_is_down_and_its_own_words_stay_in_the_log(
    running: tuple[Runtime, ManualClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, _ = running

    async def fails(*_: Any) -> Any:
        raise StoreError("disk I/O error at /secret/path", kind="io")

    with monkeypatch.context() as patched:
        patched.setattr(rt.store, "fetch", fails)
        found = await health.report(rt)
    assert found["status"] == "down"
    assert found["components"]["database"]["reason"] == "the last read failed (io); answers come from memory"


async def test_a_provider_that_goes_down_is_logged_once_down_and_once_up(
    running: tuple[Runtime, ManualClock], capsys: pytest.CaptureFixture[str]
) -> None:
    rt, _ = running
    assert await statistics.watch(rt) == 0
    source = rt.gateway.source("binance")
    source.health.failed("upstream_timeout", rt.clock.now_ms(), counts=True)
    assert await statistics.watch(rt) == 1
    assert await statistics.watch(rt) == 0
    said = capsys.readouterr().err
    assert "a provider is down" in said
    assert "provider=binance" in said
    for _ in range(99):
        source.health.outcomes.append(True)
    assert await statistics.watch(rt) == 1
    assert "state=up" in capsys.readouterr().err


async def test_without_a_network_one_line_stands_for_all_and_who_stays_down_is_named_after_it(
    running: tuple[Runtime, ManualClock], capsys: pytest.CaptureFixture[str]
) -> None:
    rt, clock = running
    sources = [rt.gateway.source(name) for name in ("kraken", "bitstamp", "okx", "gate", "htx")]
    for source in sources:
        source.health.outcomes.extend([True] * 100)
    await statistics.watch(rt)
    capsys.readouterr()
    for source in sources:
        source.health.outcomes.extend([False] * 100)
        source.health.failed("upstream_unreachable", clock.now_ms(), counts=True)
        rt.gateway.outage.failed(source.entry.source, UpstreamUnreachable("no route"))
    for _ in range(2):
        await statistics.watch(rt)
    said = capsys.readouterr().err
    assert said.count("the network seems unreachable") == 1
    assert "a provider is down" not in said
    rt.gateway.outage.heard()
    for source in sources[1:]:
        source.health.outcomes.extend([True] * 100)
    await clock.advance(60)
    assert await statistics.watch(rt) == 0, "nobody has failed since"
    sources[0].health.failed("upstream_unreachable", clock.now_ms(), counts=True)
    assert await statistics.watch(rt) == 1
    said = capsys.readouterr().err
    assert said.count("the network can be reached again") == 1
    assert said.count("a provider is down") == said.count("provider=kraken") == 1
