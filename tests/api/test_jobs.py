"""The timetable over HTTP: what is shown, what an admin may do, what lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from in_process import Service, error_of, service

import harness
from crypto_dt_source.api.schemas.jobs import JobList, JobPage, JobRunList
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.jobs.runner import Runner
from crypto_dt_source.jobs.timetable import Job
from crypto_dt_source.model.errors import NoDataYet
from crypto_dt_source.services import access, jobs
from crypto_dt_source.store.repos import jobs as repo
from crypto_dt_source.stream import Event

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Work:
    """Stands in for what the hourly job does; goes on until it is let go."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.fails = False
        self.runs = 0

    async def __call__(self, rt: Any) -> int:
        self.runs += 1
        await self.gate.wait()
        if self.fails:
            raise NoDataYet("nobody has said cdts_live_0123456789abcdef anything")
        return 42


@asynccontextmanager
async def running(folder: Path, work: Work, clock: ManualClock | None = None) -> AsyncIterator[Service]:
    """A service that runs the job `sentiment` alone, whose client is an admin."""
    async with service(folder, collected=False, clock=clock or ManualClock(harness.START_MS)) as api:
        first = await access.first_key(api.rt.access)
        if first is not None:
            api.client.headers["X-API-Key"] = first
        api.rt.schedule.prepare()
        runner = Runner(
            api.rt, [Job("sentiment", 3600, work, cron="sentiment")], schedule=api.rt.schedule, collects=False
        )
        await api.rt.schedule.restore()
        runner.start()
        try:
            yield api
        finally:
            await runner.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def work() -> Work:
    return Work()


@pytest_asyncio.fixture(loop_scope="module")
async def api(tmp_path: Path, work: Work) -> AsyncIterator[Service]:
    async with running(tmp_path, work) as started:
        yield started


async def until(api: Service, state: str) -> Any:
    """The job once it is in that state: its run and the store work behind the request."""
    for _ in range(400):
        row = (await api.data("/api/jobs/sentiment"))["data"]
        if row["state"] == state:
            return row
        await api.clock.advance(1.1)
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(int))})
    raise AssertionError(f"still {row['state']}")


async def finished(api: Service, runs: int) -> list[dict[str, Any]]:
    """The job's runs once that many have ended."""
    for _ in range(400):
        body = await api.data("/api/jobs/sentiment/runs")
        if sum(row["outcome"] is not None for row in body["data"]) >= runs:
            JobRunList.model_validate(body, extra="forbid")
            found: list[dict[str, Any]] = body["data"]
            return found
        await api.clock.advance(1.1)
        await asyncio.wait({asyncio.ensure_future(asyncio.to_thread(int))})
    raise AssertionError("it does not end")


async def test_every_job_is_listed_with_its_times(api: Service) -> None:
    body = await api.data("/api/jobs")
    JobList.model_validate(body, extra="forbid")
    rows = {row["id"]: row for row in body["data"]}
    assert body["meta"]["total"] == len(rows) > 20
    assert body["scheduler"]["standing"] == "leads"
    timed = {name: (row["cron"], row["setting"]) for name, row in rows.items() if row["setting"]}
    assert (
        timed.items()
        >= {
            "store_prices": ("*/5 * * * *", "CRON_PRICES"),
            "defi": ("0 * * * *", "CRON_DEFI"),
            "news": ("*/30 * * * *", "CRON_NEWS"),
            "sentiment": ("5 * * * *", "CRON_SENTIMENT"),
            "provider_health": ("*/5 * * * *", "CRON_PROVIDER_HEALTH"),
            "clean_up": ("0 3 * * *", "CRON_CLEAN_UP"),
        }.items()
    )
    assert list(rows)[: len(timed)] == sorted(timed)
    assert rows["clean_up"]["next_run"] == "2026-09-22T03:00:00Z"
    assert (rows["budgets"]["every_seconds"], rows["budgets"]["cron"]) == (5, None)
    assert any(name.startswith("quotes:") for name in rows)


async def test_run_now_answers_at_once_and_a_second_time_with_a_conflict(api: Service, work: Work) -> None:
    told: list[Event] = []
    api.rt.bus.add(told.append)
    work.gate.set()
    await finished(api, 1)
    work.gate.clear()
    answer = await api.client.post("/api/jobs/sentiment/run")
    assert answer.status_code == 202, answer.text
    JobPage.model_validate(answer.json(), extra="forbid")
    await until(api, "running")
    error_of(await api.client.post("/api/jobs/sentiment/run"), 409, "conflict")
    work.gate.set()
    rows = await finished(api, 2)
    assert [(row["cause"], row["outcome"], row["rows"], row["error"]) for row in rows] == [
        ("person", "ok", 42, None),
        ("start", "ok", 42, None),
    ]
    assert [(event.channel, event.data["cause"]) for event in told] == [("jobs", "start"), ("jobs", "person")]


async def test_an_error_is_told_without_what_is_secret_in_it(api: Service, work: Work) -> None:
    work.fails = True
    work.gate.set()
    (row,) = await finished(api, 1)
    assert (row["outcome"], row["rows"]) == ("no_data_yet", None)
    assert row["error"] == "nobody has said cdts_live_… anything"


async def test_a_pause_lasts_over_a_restart_and_a_resume_makes_up_for_nothing(tmp_path: Path) -> None:
    work, clock = Work(), ManualClock(harness.START_MS)
    work.gate.set()
    async with running(tmp_path, work, clock) as api:
        await finished(api, 1)
        secret = api.client.headers["X-API-Key"]
        row = (await api.client.post("/api/jobs/sentiment/pause")).json()["data"]
        assert (row["state"], row["paused"], row["next_run"]) == ("paused", True, None)
    await clock.advance(5 * 3600)
    async with running(tmp_path, work, clock) as api:
        api.client.headers["X-API-Key"] = secret
        await clock.advance(5 * 3600)
        assert work.runs == 1
        row = (await api.client.post("/api/jobs/sentiment/resume")).json()["data"]
        assert row["state"] == "waiting"
        assert row["next_run"] > row["last_run"]["ended_at"]
        await clock.advance(60)
        assert work.runs == 1
        await clock.advance(3600)
        rows = await finished(api, 2)
        assert [row["cause"] for row in rows] == ["timetable", "start"]


async def test_a_job_nobody_would_run_is_a_conflict_and_one_there_is_not_is_not_found(api: Service) -> None:
    body = error_of(await api.client.post("/api/jobs/clean_up/run"), 409, "conflict")
    assert "ENABLE_BACKGROUND_TASKS" in body["error"]
    for path in ("/api/jobs/nothing", "/api/jobs/nothing/runs"):
        await api.error(path, 404, "not_found")
    for action in ("run", "pause", "resume"):
        error_of(await api.client.post(f"/api/jobs/nothing/{action}"), 404, "not_found")


async def test_only_admins_change_anything(api: Service) -> None:
    del api.client.headers["X-API-Key"]
    for action in ("run", "pause", "resume"):
        error_of(await api.client.post(f"/api/jobs/sentiment/{action}"), 401, "unauthenticated")
    assert (await api.get("/api/jobs")).status_code == 200


async def test_what_another_process_asked_for_and_paused_is_taken_up(api: Service, work: Work) -> None:
    work.gate.set()
    await finished(api, 1)
    await repo.ask(api.rt.store, "sentiment", api.clock.now_ms())
    assert await api.rt.schedule.follow() == 1
    assert [row["cause"] for row in await finished(api, 2)] == ["person", "start"]
    assert await api.rt.schedule.follow() == 0
    await repo.pause(api.rt.store, "sentiment", True, api.clock.now_ms())
    await api.rt.schedule.follow()
    assert api.rt.schedule.plans["sentiment"].paused


async def test_a_fix_begins_a_job_again(api: Service, work: Work) -> None:
    await until(api, "running")
    work.gate.set()
    assert jobs.restart(api.rt, "sentiment", "fix")
    rows = await finished(api, 2)
    assert [(row["cause"], row["outcome"]) for row in rows] == [("fix", "ok"), ("start", "interrupted")]


async def test_health_says_who_runs_the_timetable(api: Service) -> None:
    scheduler = (await api.data("/api/health"))["components"]["scheduler"]
    assert scheduler["leadership"]["standing"] == "leads"
    assert scheduler["leadership"]["since"] == "2026-09-21T09:37:17Z"
    assert ":" in scheduler["leadership"]["leader"]
    api.rt.schedule.leader.leads = lambda: False  # type: ignore[method-assign]
    assert jobs.leadership(api.rt) == {"standing": "unknown", "leader": None, "since": None}
