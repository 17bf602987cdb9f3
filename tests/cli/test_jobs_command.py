"""`cdts jobs`: the timetable of a folder, also while a service has it open."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from pathlib import Path

import pytest

import harness
from crypto_dt_source.cli.jobs import _one
from crypto_dt_source.cli.main import main
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.model.errors import Conflict
from crypto_dt_source.services import collect
from crypto_dt_source.services import jobs as service
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.settings import BASE_URL_PREFIX, Settings
from crypto_dt_source.store.repos import budgets, providers
from crypto_dt_source.store.repos import jobs as repo
from crypto_dt_source.store.repos.jobs import JobRun
from crypto_dt_source.wiring import open_runtime

Said = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without settings, and no variable of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.upper().startswith(BASE_URL_PREFIX):
            monkeypatch.delenv(name)
    return tmp_path


async def opened(tmp_path: Path, started_ms: int | None = None) -> None:
    """A folder a server has used; with `started_ms`, one whose backup is under way."""
    async with harness.running(tmp_path) as (rt, _, _):
        if started_ms is not None:
            await repo.begin(
                rt.store, JobRun("clean_up", "timetable", started_ms, started_ms), expired_ms=0, taken=True
            )


def jobs(*arguments: str) -> int:
    return main(["jobs", *arguments])


def test_the_timetable_is_listed_and_a_job_run(tmp_path: Path, capsys: Said) -> None:
    asyncio.run(opened(tmp_path))
    folder = str(tmp_path / "data")
    capsys.readouterr()
    assert jobs("--data-dir", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "times", "state", "next", "last", "outcome", "rows"]
    assert any(line.startswith("clean_up ") and "0 3 * * *" in line for line in lines)
    assert jobs("run", "clean_up", "--data-dir", folder, "--json") == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["cause"], run["outcome"], run["job"]) == ("command", "ok", "clean_up")
    assert jobs("pause", "news", "--data-dir", folder) == 0
    assert jobs("list", "--json", "--data-dir", folder) == 0
    rows = {row["id"]: row for row in json.loads(capsys.readouterr().out.splitlines()[-1])}
    assert rows["clean_up"]["last_run"]["cause"] == "command"
    assert (rows["news"]["state"], rows["news"]["next_run"]) == ("paused", None)


def test_what_runs_elsewhere_is_left_alone(tmp_path: Path, capsys: Said) -> None:
    asyncio.run(opened(tmp_path, SystemClock().now_ms()))
    assert jobs("run", "clean_up", "--data-dir", str(tmp_path / "data")) == 2
    assert "is running in another process" in capsys.readouterr().err


def test_an_unknown_job_and_a_folder_without_a_database_are_told(tmp_path: Path, capsys: Said) -> None:
    assert jobs("list", "--data-dir", str(tmp_path / "nowhere")) == 2
    assert "There is no database in" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


async def _metered(rt: Runtime) -> tuple[object, ...]:
    calls = await rt.store.fetch("SELECT count(*) FROM api_calls", ())
    return await budgets.all_budgets(rt.store), await providers.all_providers(rt.store), calls


async def test_a_command_beside_a_service_keeps_what_that_measured(tmp_path: Path) -> None:
    """It asks upstreams of its own, and knows of nothing else: its figures replace none."""
    async with harness.running(tmp_path) as (owner, sim, clock):
        await harness.drive(clock, collect.venue_quotes(owner, "kraken"))
        await harness.drive(clock, collect.venue_quotes(owner, "kraken"))
        await collect.store_accounts(owner)
        await collect.store_budgets(owner)
        before = await _metered(owner)
        opened = open_runtime(
            harness.settings(tmp_path),
            clock=clock,
            transport=harness.SimTransport(sim, clock),
            background=False,
            beside=True,
        )
        async with opened as rt:
            await service.pause(rt, "news")
            await harness.drive(clock, collect.venue_quotes(rt, "kraken"))
            for job in ("budgets", "scores"):
                with pytest.raises(Conflict, match="only that can run it"):
                    await _one(rt, argparse.Namespace(id=job, json=False))
        assert await _metered(owner) == before
        assert (await repo.states(owner.store))["news"].paused
    async with harness.running(tmp_path) as (owner, _, clock):
        # Alone with the file it is the one that knows.
        await harness.drive(clock, collect.venue_quotes(owner, "kraken"))
    async with harness.running(tmp_path) as (owner, _, _):
        assert await _metered(owner) != before
