"""The service examines itself: every check at once, each with its time; what is safe is put right when that is asked for.

A check that fails or hangs is itself a finding. A fix is noted in the audit log before it is done, and believed only when
its check no longer finds what it was for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ..clock import parse_rfc3339, rfc3339
from ..model.errors import CdtsError, Conflict, NoDataYet
from ..store import AuditRow, StoreError
from ..store.repos import diagnoses as repo
from ..telemetry import logger
from . import access as access_service
from .checks.every import CHECKS, MODELS
from .checks.finding import ERROR, INFO, SEVERITIES, Check, Finding, Fix, Scene, refused, still_hanging
from .runtime import Runtime

log = logger("diagnostics")
FIX_S, AT_ONCE = 7.0, 8
"""How long all fixes together may take, and how many go on at a time; those asked for by a person must be over before the
request's time is."""
MOST_ISSUES = 300
"""Findings that a diagnosis lists, the most severe first."""
VERIFY_S, LOOK_AGAIN_S = 4.0, 0.4
"""How long it is looked whether a fix has helped, and how often."""
ENDED_S = 0.5
"""How long a check that was cancelled is waited for."""
UNHURRIED = 10.0
"""Times the usual patience, where nobody waits."""
THOROUGH_EVERY_MS = 86_400_000
ALONE = "machine.loop"
"""Would measure what the others do."""
TIMETABLE = "diagnostics"
"""Who the audit log names where nobody asked."""
EXPLAINS = {
    "database.lost": (
        "database.schema", "database.table_missing", "database.index_missing", "database.unavailable",
        "database.read_only",
    ),
    "database.damaged": ("database.unavailable",),
    "folders.read_only": ("database.read_only",),
    "queue.accounts_dropped": ("queue.accounts",),
}  # fmt: skip
"""Findings that others follow from: one cause is told once."""
OK, FOUND, FAILED, HUNG = "ok", "found", "failed", "hung"
FIRST_OF_ALL = frozenset(
    {
        *("database.damaged", "database.lost", "database.locked", "database.read_only", "database.schema"),
        *("database.unavailable", "database.writer_stopped", "machine.disk_full", "folders.read_only"),
    }
)
"""Where one of these is found nothing but a folder is put right: what is done could not be noted, or makes it worse."""
PLANNED, FIXED, NOT_FIXED = "planned", "fixed", "not_fixed"
APPLIED, REFUSED = 200, 500


class CheckRun(NamedTuple):
    """`outcome` is `ok`, `found`, `failed` (the check itself is at fault) or `hung`."""

    check: Check
    outcome: str
    took_ms: int
    findings: list[Finding]


class FixRun(NamedTuple):
    """`outcome` is `planned` (a dry run), `fixed`, `not_fixed` (done, and the finding is still there) or `failed`."""

    finding: Finding
    outcome: str
    detail: str


class Order(NamedTuple):
    """What is asked of a diagnosis. `actor` is the id of a key for the audit log, `request` the request's id."""

    auto_fix: bool = False
    dry_run: bool = False
    thorough: bool = False
    patience: float = 1.0
    actor: str = TIMETABLE
    request: str = ""


async def examine(scene: Scene, checks: Sequence[Check], patience: float = 1.0) -> list[CheckRun]:
    """Run the checks that can be run on this scene, all at once, each for its time (`patience` times as long)."""
    given = {"nothing", *(["store"] if scene.store else []), *(["store", "runtime"] if scene.rt else [])}
    able = [check for check in checks if check.needs in given]
    alone = [await _one(scene, check, patience) for check in able if check.id == ALONE]
    others = [check for check in able if check.id != ALONE]
    return alone + list(await asyncio.gather(*(_one(scene, check, patience) for check in others)))


async def _one(scene: Scene, check: Check, patience: float) -> CheckRun:
    loop = asyncio.get_running_loop()
    began = loop.time()

    def ended(outcome: str, findings: list[Finding]) -> CheckRun:
        return CheckRun(check, outcome, round((loop.time() - began) * 1000), findings)

    if still_hanging(check.id):
        return ended(HUNG, [_hangs(check, "since an earlier diagnosis")])
    timeout_s = check.timeout_s * patience
    task = asyncio.ensure_future(check.run(scene))
    try:
        await asyncio.wait({task}, timeout=timeout_s)
    finally:
        if not task.done():
            task.cancel()
    if not task.done():
        await asyncio.wait({task}, timeout=ENDED_S)
        return ended(HUNG, [_hangs(check, f"after {timeout_s:g} s")])
    error = task.exception()
    if isinstance(error, StoreError):
        return ended(FOUND, [refused(error)])
    if error is not None:
        log.error("a check failed", check=check.id, exc_info=error)
        return ended(FAILED, [_failed(check, error)])
    found = task.result()
    return ended(FOUND if found else OK, found)


def _hangs(check: Check, how: str) -> Finding:
    return Finding(
        "check.hangs",
        ERROR,
        f"looking at {check.about} had not ended {how}",
        "What it looks at does not answer: a disk, the database or the network behind it hangs.",
        "Look at what the other findings say of it; for a large database run `cdts db check`.",
        check.id,
    )


def _failed(check: Check, error: BaseException) -> Finding:
    return Finding(
        "check.failed",
        ERROR,
        f"looking at {check.about} failed ({type(error).__name__})",
        "Nothing is known of it.",
        "The log has the reason; report it, for that is a defect.",
        check.id,
    )


def found_in(runs: Iterable[CheckRun]) -> list[tuple[Check, Finding]]:
    """Every finding once, the most severe first, with the check that brought it; not what only follows from another."""
    once: dict[tuple[str, str], tuple[Check, Finding]] = {}
    for run in runs:
        for finding in run.findings:
            once.setdefault(finding.key, (run.check, finding))
    follows = {name for ident, _ in once for name in EXPLAINS.get(ident, ())}
    once = {key: pair for key, pair in once.items() if key[0] not in follows}
    return sorted(once.values(), key=lambda pair: (-SEVERITIES.index(pair[1].severity), pair[1].key))


async def run(rt: Runtime, order: Order) -> dict[str, Any]:
    """Examine everything, put right what may be, keep and give the outcome as the routes answer it. Raises Conflict while
    another diagnosis runs."""
    if rt.examined.lock.locked():
        raise Conflict("A diagnosis is under way; GET /api/diagnostics/last has its outcome in some seconds.")
    async with rt.examined.lock:
        began_ms = rt.clock.now_ms()
        scene = _scene(rt, order.thorough)
        runs = await examine(scene, CHECKS, order.patience)
        if order.thorough:
            rt.examined.thorough_ms = began_ms
        found = found_in(runs)
        fixes, left = await _put_right(rt, scene, found, order) if order.auto_fix else ([], found)
        _tell(rt, left)
        outcome = _outcome(rt, order, began_ms, runs, [*found, *_new(left, found)], fixes)
        rt.examined.last = outcome
        try:
            await repo.put(rt.store, began_ms, msgspec.json.encode(outcome).decode())
        except StoreError as error:
            log.warning("the diagnosis cannot be stored", reason=error.message)
        return outcome


async def last(rt: Runtime) -> dict[str, Any]:
    """The newest diagnosis of any process on this database. Raises NoDataYet where there was none, StoreError where this
    process had none and the database does not answer."""
    held = rt.examined.last
    try:
        payload = await repo.last(rt.store)
    except StoreError:
        if held is None:
            raise
        return held
    stored: dict[str, Any] | None = None if payload is None else msgspec.json.decode(payload)
    known = [one for one in (stored, held) if one is not None]
    if not known:
        raise NoDataYet("Nothing has been examined yet; POST /api/diagnostics/run does it.", retry_after=60)
    return max(known, key=lambda one: parse_rfc3339(one["timestamp"]))


async def models(rt: Runtime) -> dict[str, Any]:
    """The checks of the models alone, now. Nothing is put right or kept."""
    began_ms = rt.clock.now_ms()
    runs = await examine(_scene(rt, False), MODELS)
    return _outcome(rt, Order(), began_ms, runs, found_in(runs), [])


async def job(rt: Runtime) -> int:
    """The hourly diagnosis; gives the number of findings. It reports, and puts right only where the operator has said that
    it may. The database is read whole once a day."""
    if rt.examined.lock.locked():
        return 0
    due = rt.clock.now_ms() - rt.examined.thorough_ms >= THOROUGH_EVERY_MS
    order = Order(auto_fix=rt.installation.may_fix, thorough=due, patience=UNHURRIED)
    found: int = (await run(rt, order))["issues_found"]
    return found


def _scene(rt: Runtime, thorough: bool) -> Scene:
    return Scene(rt.clock, rt.installation, rt.store, rt, thorough)


def _new(
    left: Iterable[tuple[Check, Finding]], before: Iterable[tuple[Check, Finding]]
) -> list[tuple[Check, Finding]]:
    known = {finding.key for _, finding in before}
    return [pair for pair in left if pair[1].key not in known]


async def _put_right(
    rt: Runtime, scene: Scene, found: list[tuple[Check, Finding]], order: Order
) -> tuple[list[FixRun], list[tuple[Check, Finding]]]:
    """What was done, and what is found afterwards."""
    able = [(check, finding) for check, finding in found if finding.fix is not None]
    if order.dry_run:
        return [FixRun(finding, PLANNED, "") for _, finding in able], found
    unfit = next((finding.id for _, finding in found if finding.id in FIRST_OF_ALL), None)
    until = asyncio.get_running_loop().time() + FIX_S * order.patience
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(finding: Finding, fix: Fix) -> FixRun:
        if unfit is not None and not fix.first:
            return FixRun(finding, FAILED, f"Not done: {unfit} comes first.")
        async with gate:
            return await _apply(rt, finding, fix, order, until)

    done: list[FixRun] = []
    for first in (True, False):
        turn = [one(at, at.fix) for _, at in able if at.fix is not None and at.fix.first is first]
        done += await asyncio.gather(*turn)
    if not any(run.outcome == FIXED for run in done):
        return done, found
    checks = list({check.id: check for check, _ in able}.values())
    waits_for = {run.finding.key for run in done if run.outcome == FIXED}
    after = await _look_again(scene, checks, waits_for, order.patience)
    still = {finding.key for _, finding in after}
    done = [
        run._replace(outcome=NOT_FIXED) if run.outcome == FIXED and run.finding.key in still else run
        for run in done
    ]
    looked = {check.id for check in checks}
    return done, [pair for pair in found if pair[0].id not in looked] + after


async def _look_again(
    scene: Scene, checks: list[Check], waits_for: set[tuple[str, str]], patience: float
) -> list[tuple[Check, Finding]]:
    """What the checks find after the fixes, some of which take a moment to help."""
    loop = asyncio.get_running_loop()
    until = loop.time() + VERIFY_S * patience
    while True:
        after = found_in(await examine(scene, checks))
        if loop.time() >= until or not waits_for & {finding.key for _, finding in after}:
            return after
        await asyncio.wait({loop.create_future()}, timeout=LOOK_AGAIN_S)


async def _apply(rt: Runtime, finding: Finding, fix: Fix, order: Order, until: float) -> FixRun:
    """Do one fix until that time of the loop, noted in the audit log before and after."""
    if asyncio.get_running_loop().time() >= until:
        return FixRun(finding, FAILED, "Not begun: others took the time. Ask for another diagnosis.")
    row: AuditRow | None
    try:
        row = await access_service.note(
            rt.access,
            actor=order.actor,
            address="",
            action=f"diagnostics fix {finding.id}",
            target=f"{finding.subject}: {fix.action}"[:500],
            request=order.request,
        )
    except StoreError:
        if not fix.first:
            return FixRun(finding, FAILED, "Not done: the audit log cannot be written.")
        # It may be what keeps the audit log from being written; the log line below is then the trace.
        row = None
    status, outcome = APPLIED, FIXED
    try:
        async with asyncio.timeout_at(until):
            detail = await fix.apply()
    except TimeoutError:
        status, outcome, detail = (
            REFUSED,
            FAILED,
            f"Not done within {FIX_S * order.patience:g} s; it may still end.",
        )
    except CdtsError as error:
        status, outcome, detail = REFUSED, FAILED, error.public
    except OSError as error:
        status, outcome, detail = REFUSED, FAILED, f"The system refused: {error.strerror or error}."
    try:
        if row is not None:
            await access_service.noted(rt.access, row, status)
    except StoreError as error:
        log.error("the audit log cannot be written", reason=error.message)
    log.info("a fix was tried", finding=finding.id, subject=finding.subject, outcome=outcome, detail=detail)
    return FixRun(finding, outcome, detail)


def _tell(rt: Runtime, found: Iterable[tuple[Check, Finding]]) -> None:
    """Log what is found for the first time, and what is no longer."""
    now = {finding.key: finding for _, finding in found}
    for key, finding in now.items():
        if key not in rt.examined.known:
            tell = log.info if finding.severity == INFO else log.warning
            tell("a diagnosis found", id=finding.id, severity=finding.severity, found=finding.found)
    for ident, subject in sorted(rt.examined.known - now.keys()):
        log.info("a diagnosis finds no longer", id=ident, subject=subject)
    rt.examined.known = frozenset(now)


def _outcome(
    rt: Runtime,
    order: Order,
    began_ms: int,
    runs: list[CheckRun],
    found: list[tuple[Check, Finding]],
    fixes: list[FixRun],
) -> dict[str, Any]:
    """A diagnosis on the wire."""
    fixed = {run.finding.key for run in fixes if run.outcome == FIXED}
    left = [finding for _, finding in found if finding.key not in fixed]
    return {
        "timestamp": rfc3339(began_ms),
        "took_ms": rt.clock.now_ms() - began_ms,
        "auto_fix": order.auto_fix,
        "dry_run": order.dry_run,
        "thorough": order.thorough,
        "status": max((f.severity for f in left), key=SEVERITIES.index, default=OK),
        "total_checks": len(runs),
        "issues_found": len(found),
        "issues_left": len(left),
        "checks": [
            {"id": run.check.id, "about": run.check.about, "outcome": run.outcome, "took_ms": run.took_ms}
            for run in runs
        ],
        "issues": [_issue(check, finding, finding.key in fixed) for check, finding in found[:MOST_ISSUES]],
        "fixes_applied": [
            {
                "issue": run.finding.id,
                "subject": run.finding.subject or None,
                "action": run.finding.fix.action if run.finding.fix is not None else "",
                "outcome": run.outcome,
                "detail": run.detail or None,
            }
            for run in fixes
        ],
    }


def _issue(check: Check, finding: Finding, fixed: bool) -> dict[str, Any]:
    return {
        "id": finding.id,
        "check": check.id,
        "subject": finding.subject or None,
        "severity": finding.severity,
        "found": finding.found,
        "meaning": finding.meaning,
        "advice": finding.advice,
        "fixable": finding.fix is not None,
        "fix": None if finding.fix is None else finding.fix.action,
        "fixed": fixed,
    }
