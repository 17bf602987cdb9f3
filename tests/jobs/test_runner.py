"""The runner: what fails is noted, what crashes is seen and started again, what hangs is ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway.outage import UNHEARD, Outage
from crypto_dt_source.jobs.runner import CRASH_REST_S, CRASHED, FIRST_ROUND_S, Runner
from crypto_dt_source.jobs.timetable import Job
from crypto_dt_source.model.errors import NoDataYet, UpstreamUnreachable

Work = Callable[[Any], Awaitable[int]]


class Rig:
    """A runner of some jobs on a clock that is moved by hand."""

    def __init__(self, *jobs: Job) -> None:
        self.clock = ManualClock()
        self.outage = Outage()
        self.rt: Any = SimpleNamespace(
            clock=self.clock,
            tasks={},
            first_round=asyncio.Event(),
            gateway=SimpleNamespace(outage=self.outage),
        )
        self.runner = Runner(self.rt, jobs, seed=1)

    async def __aenter__(self) -> Rig:
        self.runner.start()
        await self.clock.settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.stop()


def counting(work: Callable[[int], None] = lambda count: None) -> tuple[Work, list[float]]:
    """A job that notes when it ran; `work` may raise."""
    times: list[float] = []

    async def run(rt: Any) -> int:
        times.append(rt.clock.monotonic())
        work(len(times))
        return 1

    return run, times


async def test_runs_on_time_with_a_little_jitter() -> None:
    run, times = counting()
    async with Rig(Job("a", 100, run, first_s=30)) as rig:
        await rig.clock.advance(1000)
    assert times[0] == 30
    gaps = [b - a for a, b in pairwise(times)]
    assert len(times) == 10
    assert all(95 <= gap <= 110 for gap in gaps)
    assert len(set(gaps)) > 1
    # The jitter of one wait does not move the ones after it.
    assert 930 <= times[-1] <= 936


async def test_a_failure_to_expect_is_noted_and_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    def work(count: int) -> None:
        if count < 4:
            raise NoDataYet("nothing yet")

    run, times = counting(work)
    async with Rig(Job("a", 10, run, provider="kraken")) as rig:
        assert rig.rt.tasks == {"a": "no_data_yet"}
        await rig.clock.advance(25)
        assert rig.rt.tasks == {"a": "no_data_yet"}
        await rig.clock.advance(10)
        assert rig.rt.tasks == {"a": "ok"}
    told = capsys.readouterr().err
    assert told.count("job failed") == 1
    assert told.count("job works again") == 1
    assert told.count("provider=kraken") == 2, "of each line, so that the log can be asked for one provider"
    assert len(times) >= 4


async def test_failures_while_nothing_can_be_reached_are_told_only_where_they_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(count: int) -> None:
        raise UpstreamUnreachable("no route")

    passes, _ = counting(lambda count: work(count) if count < 3 else None)
    lasts, _ = counting(work)
    async with Rig(Job("a", 10, passes, first_s=1), Job("b", 10, lasts, first_s=1)) as rig:
        for number in range(UNHEARD):
            rig.outage.failed(str(number), UpstreamUnreachable("no route"))
        await rig.clock.advance(15)
        assert rig.rt.tasks == {"a": "upstream_unreachable", "b": "upstream_unreachable"}
        assert "job failed" not in capsys.readouterr().err
        rig.outage.heard()
        await rig.clock.advance(25)
        assert rig.rt.tasks == {"a": "ok", "b": "upstream_unreachable"}
    told = capsys.readouterr().err
    assert told.count("job failed") == told.count("job=b") == 1
    assert "works again" not in told


async def test_a_bug_is_logged_with_its_traceback_and_the_job_starts_again_after_a_growing_rest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work(count: int) -> None:
        if count < 4:
            raise ZeroDivisionError("oops")

    run, times = counting(work)
    async with Rig(Job("a", 1000, run), Job("b", 10, counting()[0])) as rig:
        assert rig.rt.tasks["a"] == CRASHED
        await rig.clock.advance(CRASH_REST_S - 1)
        assert len(times) == 1
        await rig.clock.advance(10 * CRASH_REST_S)
        assert times == [0, CRASH_REST_S, 3 * CRASH_REST_S, 7 * CRASH_REST_S]
        assert rig.rt.tasks == {"a": "ok", "b": "ok"}
    told = capsys.readouterr().err
    assert told.count("job crashed") == 3
    assert "ZeroDivisionError" in told
    assert "in work" in told


async def test_a_crashed_poll_does_not_hold_the_first_round() -> None:
    def work(count: int) -> None:
        raise ZeroDivisionError

    async with Rig(Job("quotes:a", 60, counting(work)[0]), Job("quotes:b", 60, counting()[0])) as rig:
        await rig.clock.settle()
        assert rig.rt.first_round.is_set()


async def test_a_hanging_poll_does_not_hold_the_first_round() -> None:
    async def hang(rt: Any) -> int:
        await asyncio.get_running_loop().create_future()
        return 0

    async with Rig(Job("quotes:slow", 60, hang), Job("quotes:quick", 60, counting()[0])) as rig:
        assert not rig.rt.first_round.is_set()
        await rig.clock.advance(FIRST_ROUND_S)
        assert rig.rt.first_round.is_set()


async def test_the_first_round_is_over_when_every_poll_has_finished() -> None:
    async def slow(rt: Any) -> int:
        await rt.clock.sleep(1)
        return 1

    twin = Job("quotes:twin", 60, slow, first_s=30)
    async with Rig(Job("quotes:a", 60, slow), Job("quotes:b", 60, counting()[0]), twin) as rig:
        await rig.clock.advance(0.5)
        assert not rig.rt.first_round.is_set()
        await rig.clock.advance(0.6)
        assert rig.rt.first_round.is_set()


async def test_a_run_that_hangs_is_ended_at_its_deadline() -> None:
    starts = 0

    async def hang(rt: Any) -> int:
        nonlocal starts
        starts += 1
        await asyncio.get_running_loop().create_future()
        return 0

    job = Job("a", 10, hang, deadline_s=0.01)
    rig = Rig(job)
    await rig.runner.run(job)
    assert rig.rt.tasks == {"a": "deadline_exceeded"}
    assert starts == 1


async def test_a_slow_job_never_overlaps_itself() -> None:
    running = most = runs = 0

    async def slow(rt: Any) -> int:
        nonlocal running, most, runs
        running += 1
        most = max(most, running)
        await rt.clock.sleep(25)
        running -= 1
        runs += 1
        return 1

    async with Rig(Job("a", 10, slow)) as rig:
        await rig.clock.advance(200)
    assert most == 1
    assert runs == 7


async def test_stop_ends_every_job_and_starts_none_again() -> None:
    cancelled: list[str] = []

    async def long(rt: Any) -> int:
        try:
            await rt.clock.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append("long")
            raise
        return 1

    rig = Rig(Job("a", 10, long), Job("b", 10, counting()[0]))
    async with rig:
        pass
    await rig.clock.advance(100)
    assert cancelled == ["long"]
    assert rig.runner.runs == {"b": 1}
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not others
