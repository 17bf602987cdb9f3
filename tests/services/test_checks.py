"""What single checks find, on a service that runs over the simulator. `bench/diagnostics.py` injects forty faults one by
one; here some that do not get in each other's way are injected together."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from bench.diagnosed import World, keys_of, world
from bench.diagnosed_faults import FAULTS

import harness
from crypto_dt_source import telemetry
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.crontab import Crontab
from crypto_dt_source.services.checks import contents, machine, upstreams, work
from crypto_dt_source.services.checks.finding import Finding, Scene
from crypto_dt_source.services.checks.installation import Installation
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.services.schedule import Plan
from crypto_dt_source.store import FeedRow
from crypto_dt_source.store.repos.jobs import JobRun

TOGETHER = (
    "an index dropped",
    "a secret others may read",
    "a misspelt setting",
    "a key revoked",
    "a venue with errors",
    "accounts that nobody takes",
    "a model file cut short",
    "a stored answer torn",
    "a backup that failed",
    "the writer ended",
)


def scene(rt: Runtime) -> Scene:
    return Scene(rt.clock, rt.installation, rt.store, rt)


def ids(found: Iterable[Finding]) -> list[tuple[str, str]]:
    return sorted(finding.key for finding in found)


async def test_faults_are_found_by_their_cause_and_the_fixable_ones_fixed() -> None:
    by_name = {fault.name: fault for fault in FAULTS}
    assert len(by_name) == len(FAULTS) >= 30
    chosen = [by_name[name] for name in TOGETHER]
    async with world(by_name["a key revoked"]) as at:
        clean = keys_of(await at.diagnose())
        for fault in chosen[:-1]:
            await fault.inject(at)
        found = await at.diagnose()
        assert {key[0] for key in keys_of(found) - clean} == {fault.finds for fault in chosen[:-1]}
        at.sim.faults.clear()
        mended = await at.diagnose(auto_fix=True)
        fixable = {fault.finds for fault in chosen if fault.fixable}
        assert {row["issue"]: row["outcome"] for row in mended["fixes_applied"]} == dict.fromkeys(
            fixable, "fixed"
        )
        after = await at.diagnose()
        assert keys_of(after) == {key for key in keys_of(found) if key[0] not in fixable}
        await by_name["the writer ended"].inject(at)
        assert ("database.writer_stopped", None) in keys_of(await at.diagnose())


async def test_a_file_that_was_replaced_is_one_finding_and_its_folder_comes_back() -> None:
    # The next line of the log would make the folder again.
    telemetry.configure("CRITICAL")
    removed = next(fault for fault in FAULTS if fault.name == "the data folder removed")
    async with world(removed) as at:
        await removed.inject(at)
        found = {key[0] for key in keys_of(await at.diagnose())}
        assert {"folders.lost", "database.lost", "folders.secret_lost"} <= found
        assert not {name for name in found if name.startswith("database.")} - {
            "database.lost",
            "database.sqlite_old",
        }
        mended = await at.diagnose(auto_fix=True)
        assert [(row["subject"], row["outcome"]) for row in mended["fixes_applied"]] == [
            ("DATA_DIR", "fixed")
        ]
        assert (at.folder / "data").is_dir()


def http_date(ms: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(ms / 1000))


@pytest.mark.parametrize(
    ("ahead_s", "found"),
    [
        ({"kraken": 0, "okx": 0, "gemini": 0}, None),
        ({"kraken": 60, "okx": 61, "gemini": 60}, "60 s fast, by 3 of 3"),
        ({"kraken": -9, "okx": -9, "gemini": -9}, "10 s slow, by 3 of 3"),
        ({"kraken": 60, "okx": 60}, None),
        ({"kraken": 60, "okx": 0, "gemini": 0, "htx": 0}, None),
        ({"kraken": 60, "okx": 60, "gemini": 60, "htx": 0, "bitstamp": 0, "kucoin": 0}, None),
    ],
    ids=["right", "fast", "slow", "two say nothing", "one is off", "half are off"],
)
def test_the_clock_is_wrong_when_several_upstreams_agree(
    shared: World, ahead_s: dict[str, int], found: str | None
) -> None:
    rt = shared.rt
    now = rt.clock.now_ms()
    for source in rt.gateway.sources.values():
        source.health.dated.clear()
    for provider, ahead in ahead_s.items():
        health = rt.gateway.source(provider).health
        # An answer out of a cache tells an older time; the newest counts.
        health.told_time(http_date(now - ahead * 1000 - 300_000), now)
        health.told_time(http_date(now - ahead * 1000), now)
        health.told_time("no date", now)
    told = asyncio.run(machine.clock(scene(rt)))
    assert [finding.id for finding in told] == ([] if found is None else ["machine.clock"])
    assert found is None or found in told[0].found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Sources and plans without anything that runs."""
    folder = tmp_path_factory.mktemp("checks")

    async def made() -> World:
        from contextlib import ExitStack

        async with harness.running(folder) as (rt, sim, clock):
            return World(rt, sim, clock, folder, ExitStack())

    return asyncio.run(made())


def plan(name: str, deadline_s: float = 300, **values: object) -> Plan:
    return Plan(name, 60, deadline_s=deadline_s, **values)  # type: ignore[arg-type]


async def test_jobs_that_hang_crash_fail_or_are_late(shared: World) -> None:
    rt, clock = shared.rt, shared.clock
    now = clock.now_ms()
    before, rt.schedule.plans = rt.schedule.plans, {}
    begun: list[str] = []

    def run_of(seconds: int, took_s: int | None = None, outcome: str = "ok") -> JobRun:
        began = now - seconds * 1000
        if took_s is None:
            return JobRun("x", "timetable", began, began)
        return JobRun("x", "timetable", began, began, began + took_s * 1000, outcome)

    for one in (
        plan("slow", running=run_of(200), last=run_of(900, 2)),
        plan("long", running=run_of(200), last=run_of(900, 150)),
        plan("uneven", 3600, running=run_of(900), last=run_of(9000, 2)),
        plan("failed early", running=run_of(200), last=run_of(900, 2, "store_error")),
        plan("over", running=run_of(400)),
        plan("crashed", begin=begun.append),
        plan("late", begin=begun.append, next_ms=now - 200_000),
        plan("paused", begin=begun.append, next_ms=now - 200_000, paused=True),
        plan("tried again", running=run_of(1)),
    ):
        rt.schedule.plans[one.id] = one
    rt.tasks.update(
        {
            "slow": "ok",
            "crashed": "crashed",
            "tried again": "crashed",
            "ended": "deadline_exceeded",
            "defi": "all_providers_failed",
            "quotes:kraken": "upstream_timeout",
            "fine": "ok",
        }
    )
    try:
        found = await work.jobs(scene(rt))
    finally:
        rt.tasks.clear()
        rt.schedule.plans = before
    assert ids(found) == [
        ("job.crashed", "crashed"),
        ("job.failing", "defi"),
        ("job.late", "late"),
        ("job.stuck", "ended"),
        ("job.stuck", "over"),
        ("job.stuck", "slow"),
    ]


async def test_a_feed_is_late_by_the_timetable_of_news(
    shared: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rt, now = shared.rt, shared.clock.now_ms()
    name = rt.gateway.offering(Capability.NEWS)[0].entry.id

    async def known(_: object) -> list[FeedRow]:
        return [FeedRow(name, None, None, None, now - 3 * 3_600_000, None)]

    monkeypatch.setattr(upstreams.news_repo, "feeds", known)
    monkeypatch.setattr(rt, "started_ms", 0)
    monkeypatch.setattr(rt, "first_round", asyncio.Event())
    before, rt.schedule.plans = rt.schedule.plans, {}
    found = {}
    try:
        for text, crontab in (
            ("", None),
            ("*/30 * * * *", Crontab("*/30 * * * *")),
            ("0 */6 * * *", Crontab("0 */6 * * *")),
            ("off", None),
        ):
            rt.schedule.plans["news"] = Plan("news", 1800, crontab=crontab, off=text == "off")
            found[text] = ids(await upstreams.feeds(scene(rt)))
    finally:
        rt.schedule.plans = before
    late = [("feed.dead", name)]
    assert found == {"": late, "*/30 * * * *": late, "0 */6 * * *": [], "off": []}


def safetensors(data: int, told: int) -> bytes:
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, told]}}).encode()
    return struct.pack("<Q", len(header)) + header + b"\0" * data


async def test_files_of_models_that_cannot_be_whole(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "own"
    folder.mkdir(parents=True)
    for name, content in {
        "whole.safetensors": safetensors(64, 64),
        "cut.safetensors": safetensors(10, 64),
        "noise.safetensors": b"\xff" * 64,
        "config.json": b'{"model_type": "bert"}',
        "tokenizer.json": b'{"model": {"vo',
        "model.onnx": b"",
        "README.md": b"",
    }.items():
        (folder / name).write_bytes(content)
    at = Scene(ManualClock(), Installation(data_dir=tmp_path))
    assert [finding.subject for finding in await contents.model_files(at)] == [
        "own/cut.safetensors",
        "own/model.onnx",
        "own/noise.safetensors",
        "own/tokenizer.json",
    ]


def test_each_failure_has_words_of_its_own() -> None:
    words = {ident for ident, *_ in upstreams._KNOWN.values()}
    assert {"provider.key_refused", "provider.region_blocked", "provider.schema_drift"} <= words
    for ident, severity, *texts in upstreams._KNOWN.values():
        assert ident.startswith("provider."), ident
        assert severity in ("info", "warning", "error")
        assert all(text.format(env="E", docs="D", name="N") for text in texts)
