"""Two services on one PostgreSQL: one collects, the other answers from what it left, and takes over when it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import harness
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.leading import Leading, timetable
from crypto_dt_source.services import asking, jobs
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.store.repos import jobs as job_repo


async def until(rt: Runtime, ready: Callable[[], bool], limit_s: float = 60.0) -> None:
    """Let time go on until it is so, no faster than the database answers: a heartbeat is not to be late by the clock of
    the test."""
    for _ in range(int(limit_s / STEP_S)):
        if ready():
            return
        await rt.store.fetch("SELECT 1")
        await cast(ManualClock, rt.clock).advance(STEP_S)
    raise AssertionError(f"not after {limit_s:g} s")


STEP_S = 0.1
CHOSEN = ("store_prices", "share_prices", "sentiment", "quotes:binance", "quotes:okx", "quotes:bitstamp")


@asynccontextmanager
async def process(
    folder: Path, url: str, clock: ManualClock, sim: SimApp
) -> AsyncIterator[tuple[Runtime, Leading]]:
    """A service with a part of the timetable."""
    async with harness.running(folder, clock=clock, sim=sim, database_url=url) as (rt, _, _):
        leading = Leading(rt, [job for job in timetable(rt, shared=True) if job.id in CHOSEN], None)
        await leading.start()
        try:
            yield rt, leading
        finally:
            await leading.stop()


async def test_one_collects_and_the_other_takes_over(postgres_url: str, tmp_path: Path) -> None:
    clock = ManualClock(harness.START_MS)
    sim = create_app(7, clock)
    async with (
        process(tmp_path / "a", postgres_url, clock, sim) as (first, leading),
        process(tmp_path / "b", postgres_url, clock, sim) as (second, _),
    ):
        assert [rt.schedule.leader.standing for rt in (first, second)] == ["leads", "follows"]
        await until(second, lambda: second.pricer.followed_ms > 0)
        told = (await asking.prices(second, ["BTC"], "USD")).found[0].point
        assert not told.stale
        assert len(told.providers) >= 2
        # It is the one that runs the timetable that does what is asked for here.
        await jobs.run(second, "sentiment")
        await until(first, lambda: asked(first))
        assert not harness.transport_of(second).calls
        let_go_ms = clock.now_ms()
        await leading.stop()
        await until(second, second.schedule.may_run, 10)
        await until(second, lambda: second.tasks.get("store_prices") == "ok")
        assert harness.transport_of(second).calls
        runs = await job_repo.between(second.store, 0, clock.now_ms() + 1)
        # What was under way as the first let go ended with it; nothing else did otherwise than well.
        over = [
            run
            for run in runs
            if run.ended_ms is not None and not run.started_ms <= let_go_ms <= run.ended_ms
        ]
        assert {run.outcome for run in over} == {"ok"}
        assert (await jobs.one(second, "store_prices"))["last_run"]["cause"] in ("start", "timetable")


def asked(rt: Runtime) -> bool:
    """Whether the job somebody asked for has run."""
    run = rt.schedule.plans["sentiment"].last
    return run is not None and run.cause == "person"
