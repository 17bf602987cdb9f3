"""Running checks, and what is made of what they find."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import harness
from crypto_dt_source.clock import ManualClock, rfc3339
from crypto_dt_source.model.errors import Conflict, NoDataYet
from crypto_dt_source.services import diagnostics
from crypto_dt_source.services.checks import every, finding
from crypto_dt_source.services.checks.finding import (
    CRITICAL,
    ERROR,
    INFO,
    WARNING,
    Check,
    Finding,
    Fix,
    Scene,
    aside,
    refused,
    still_hanging,
)
from crypto_dt_source.services.checks.installation import Installation, Unknown, unknown_settings
from crypto_dt_source.services.diagnostics import Order, examine, found_in
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store import StoreError, Write
from crypto_dt_source.store.repos import audit, diagnoses

HERE = Scene(ManualClock(), Installation())


def told(ident: str, severity: str = WARNING, subject: str = "", fix: Fix | None = None) -> Finding:
    return Finding(ident, severity, "found", "meaning", "advice", subject, fix)


def check(ident: str, *findings: Finding, needs: str = "nothing", timeout_s: float = 5.0) -> Check:
    async def run(at: Scene) -> list[Finding]:
        return list(findings)

    return Check(ident, f"the part {ident}", run, needs, timeout_s)


async def test_a_check_that_hangs_or_fails_is_a_finding_and_holds_up_no_other() -> None:
    async def hang(at: Scene) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def crash(at: Scene) -> list[Finding]:
        raise LookupError("a defect")

    async def refuse(at: Scene) -> list[Finding]:
        raise StoreError("no", kind="SQLITE_BUSY")

    checks = [
        Check("hangs", "what hangs", hang, "nothing", 0.02),
        Check("crashes", "what crashes", crash, "nothing"),
        Check("refuses", "what refuses", refuse, "nothing"),
        check("well"),
    ]
    runs = {run.check.id: run for run in await examine(HERE, checks)}
    assert {name: run.outcome for name, run in runs.items()} == {
        "hangs": "hung",
        "crashes": "failed",
        "refuses": "found",
        "well": "ok",
    }
    assert runs["hangs"].findings[0].key == ("check.hangs", "hangs")
    assert "LookupError" in runs["crashes"].findings[0].found
    assert runs["refuses"].findings[0].id == "database.locked"


async def test_a_check_whose_thread_hangs_is_not_begun_again() -> None:
    disk = asyncio.Event()
    loop = asyncio.get_running_loop()
    began = 0

    async def look(at: Scene) -> list[Finding]:
        nonlocal began
        began += 1
        await aside("slow", lambda: asyncio.run_coroutine_threadsafe(disk.wait(), loop).result())
        return []

    slow = Check("slow", "a slow disk", look, "nothing", 0.05)
    assert [run.outcome for run in await examine(HERE, [slow])] == ["hung"]
    assert still_hanging("slow")
    (again,) = await examine(HERE, [slow])
    assert (again.outcome, began) == ("hung", 1)
    disk.set()
    while still_hanging("slow"):
        await asyncio.wait({loop.create_future()}, timeout=0.01)
    (after,) = await examine(HERE, [slow])
    assert (after.outcome, began) == ("ok", 2)


async def test_only_what_the_scene_has_is_looked_at() -> None:
    checks = [check("a"), check("b", needs="store"), check("c", needs="runtime")]
    assert [run.check.id for run in await examine(HERE, checks)] == ["a"]


async def test_findings_come_once_and_the_worst_first() -> None:
    checks = [
        check("a", told("x", INFO), told("y", CRITICAL)),
        check("b", told("y", CRITICAL), told("z", ERROR, "one"), told("z", ERROR, "two")),
    ]
    found = found_in(await examine(HERE, checks))
    assert [(at.id, one.key) for at, one in found] == [
        ("a", ("y", "")),
        ("b", ("z", "one")),
        ("b", ("z", "two")),
        ("a", ("x", "")),
    ]


@pytest.mark.parametrize(
    ("kind", "ident"),
    [
        ("SQLITE_CORRUPT", "database.damaged"),
        ("SQLITE_NOTADB", "database.damaged"),
        ("SQLITE_BUSY", "database.locked"),
        ("SQLITE_FULL", "machine.disk_full"),
        ("53100", "machine.disk_full"),
        ("SQLITE_READONLY", "database.read_only"),
        ("SQLITE_IOERR_READ", "database.unavailable"),
        (None, "database.unavailable"),
    ],
    ids=str,
)
def test_a_refusal_of_the_database_names_its_cause(kind: str | None, ident: str) -> None:
    assert refused(StoreError("its own words", kind=kind)).id == ident
    assert "its own words" not in refused(StoreError("its own words", kind=kind)).found


def test_names_that_were_meant_for_us_are_told_from_those_of_others() -> None:
    known = ["COLLECT_INTERVAL", "DATA_DIR", "PORT"]
    found = unknown_settings(
        ["collect_interval", "ANYTHING"],
        [
            "COLLECT_INTERVALL",
            "PATH",
            "PORTS",
            "HOME_DIR",
            "CDTS_DATADIR",
            "CDTS_BASE_URL__KRAKEN",
            "ANYTHING",
        ],
        known,
        ["CDTS_BASE_URL__"],
    )
    assert found == (
        Unknown("ANYTHING", ""),
        Unknown("CDTS_DATADIR", "DATA_DIR"),
        Unknown("COLLECT_INTERVALL", "COLLECT_INTERVAL"),
    )


def test_every_check_has_a_name_of_its_own_and_some_time() -> None:
    assert len({one.id for one in every.CHECKS}) == len(every.CHECKS)
    assert {one.needs for one in every.CHECKS} == {every.NOTHING, every.STORE, every.RUNTIME}
    # A request has twenty seconds for checks, fixes, and a look at what the fixes did.
    assert max(one.timeout_s for one in every.CHECKS) + diagnostics.FIX_S + diagnostics.VERIFY_S < 20
    assert finding.SEVERITIES == (INFO, WARNING, ERROR, CRITICAL)


class Broken:
    """Something that is broken until it is fixed. `helps`: whether the fix does anything."""

    def __init__(self, *, helps: bool = True) -> None:
        self.whole = False
        self.helps = helps
        self.tried = 0

    async def fix(self) -> str:
        self.tried += 1
        self.whole = self.helps
        return "Mended it."

    async def look(self, at: Scene) -> list[Finding]:
        return [] if self.whole else [told("thing.broken", ERROR, "it", Fix("mend it", self.fix))]

    def check(self) -> Check:
        return Check("thing", "a thing", self.look)


async def run(rt: Runtime, **order: Any) -> dict[str, Any]:
    found: dict[str, Any] = await diagnostics.run(rt, Order(**order))
    return found


def only(monkeypatch: pytest.MonkeyPatch, *checks: Check) -> None:
    monkeypatch.setattr(diagnostics, "CHECKS", checks)
    monkeypatch.setattr(diagnostics, "VERIFY_S", 0.0)


async def test_what_is_asked_for_is_done_noted_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing, stubborn = Broken(), Broken(helps=False)
    hopeless = Check("stubborn", "a stubborn thing", stubborn.look)
    async with harness.running(tmp_path) as (rt, _, _clock):
        with pytest.raises(NoDataYet):
            await diagnostics.last(rt)
        only(monkeypatch, thing.check())
        report = await run(rt)
        assert (thing.tried, report["issues_found"], report["fixes_applied"]) == (0, 1, [])
        assert (report["status"], report["issues"][0]["fix"]) == ("error", "mend it")
        planned = await run(rt, auto_fix=True, dry_run=True)
        assert thing.tried == 0
        assert [row["outcome"] for row in planned["fixes_applied"]] == ["planned"]
        assert await audit.page(rt.store, 10) == []

        fixed = await run(rt, auto_fix=True, actor="key_1", request="r1")
        assert thing.tried == 1
        assert fixed["fixes_applied"] == [
            {
                "issue": "thing.broken",
                "subject": "it",
                "action": "mend it",
                "outcome": "fixed",
                "detail": "Mended it.",
            }
        ]
        assert (fixed["status"], fixed["issues_left"], fixed["issues"][0]["fixed"]) == ("ok", 0, True)
        (noted,) = await audit.page(rt.store, 10)
        assert (noted.actor, noted.action, noted.target, noted.request, noted.status) == (
            "key_1",
            "diagnostics fix thing.broken",
            "it: mend it",
            "r1",
            200,
        )
        assert json.loads(await diagnoses.last(rt.store) or "") == fixed == await diagnostics.last(rt)

        only(monkeypatch, hopeless)
        still = await run(rt, auto_fix=True)
        assert [row["outcome"] for row in still["fixes_applied"]] == ["not_fixed"]
        assert (still["issues_left"], still["status"]) == (1, "error")
        # The hourly run only tells, unless the operator has switched it on.
        assert await diagnostics.job(rt) == 1
        assert stubborn.tried == 1
        rt.installation = Installation(may_fix=True)
        assert await diagnostics.job(rt) == 1
        assert stubborn.tried == 2
        async with rt.examined.lock:
            with pytest.raises(Conflict):
                await run(rt)
            assert await diagnostics.job(rt) == 0


async def test_the_newest_of_all_processes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, check("a", told("x")))
    async with harness.running(tmp_path) as (rt, _, clock):
        await run(rt)
        held, rt.examined.last = rt.examined.last, None
        assert (await diagnostics.last(rt)) == held
        # Another process on the same database examined later.
        rt.examined.last = held
        later = clock.now_ms() + 5000
        await diagnoses.put(rt.store, later, json.dumps({"timestamp": rfc3339(later), "by": "another"}))
        assert (await diagnostics.last(rt))["by"] == "another"


async def test_nothing_is_done_that_the_audit_log_cannot_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = Broken()
    only(monkeypatch, thing.check())
    async with harness.running(tmp_path) as (rt, _, _):
        await rt.store.tend("ALTER TABLE audit_log RENAME TO elsewhere")
        report = await run(rt, auto_fix=True)
        assert (thing.tried, report["fixes_applied"][0]["outcome"]) == (0, "failed")
        assert "audit log" in report["fixes_applied"][0]["detail"]


async def test_a_damaged_database_is_left_alone_and_folders_are_made_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def fix(name: str, *, first: bool = False) -> Fix:
        async def apply() -> str:
            order.append(name)
            return "Done."

        return Fix(name, apply, first)

    folder = told("folders.lost", fix=fix("folder", first=True))
    index = told("database.index_missing", fix=fix("index"))
    async with harness.running(tmp_path) as (rt, _, _clock):
        only(monkeypatch, check("a", index, folder))
        await run(rt, auto_fix=True)
        assert order == ["folder", "index"]
        order.clear()
        only(monkeypatch, check("a", index, folder, told("database.damaged", CRITICAL)))
        report = await run(rt, auto_fix=True)
        assert order == ["folder"]
        details = {row["issue"]: row["detail"] for row in report["fixes_applied"]}
        assert details["database.index_missing"] == "Not done: database.damaged comes first."


async def test_fixes_share_their_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang() -> str:
        await asyncio.Event().wait()
        return ""

    monkeypatch.setattr(diagnostics, "FIX_S", 0.1)
    many = [
        told("thing.broken", subject=str(n), fix=Fix("hang", hang)) for n in range(diagnostics.AT_ONCE + 1)
    ]
    async with harness.running(tmp_path) as (rt, _, _clock):
        only(monkeypatch, check("a", *many))
        report = await run(rt, auto_fix=True)
        details = sorted(row["detail"].split(":")[0].split(" within")[0] for row in report["fixes_applied"])
        assert details == ["Not begun", *["Not done"] * diagnostics.AT_ONCE]
        assert {row.status for row in await audit.page(rt.store, 20)} == {500}


async def test_a_bounded_number_of_diagnoses_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnoses, "KEPT", 3)
    async with harness.running(tmp_path) as (rt, _, _):
        for number in range(6):
            await diagnoses.put(rt.store, number, str(number))
        assert await rt.store.fetch("SELECT payload FROM diagnoses ORDER BY number") == [
            ("3",),
            ("4",),
            ("5",),
        ]
        assert await diagnoses.last(rt.store) == "5"
        await rt.store.write([Write("DELETE FROM diagnoses WHERE number > ?", [(0,)])])
        assert await diagnoses.last(rt.store) is None
