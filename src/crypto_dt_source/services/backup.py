"""The nightly backup."""

from __future__ import annotations

from typing import Any

from ..clock import rfc3339
from ..store import StoreError
from ..store import backup as store_backup
from ..store.marker import EMPTIED, admit
from ..store.repos import backups as backup_repo
from ..store.repos import identity
from ..store.repos.backups import BackupRow
from ..store.targets import TargetError
from ..telemetry import logger
from .keeping import Keeping
from .runtime import Runtime

log = logger("backup")
KEPT_MS = 400 * 86_400_000
"""How long it is remembered what was backed up when."""


async def job(rt: Runtime) -> int:
    """Back the database up, prove the copy, and let the oldest go; gives the rows in it. Raises StoreError where it could
    not be made or does not prove itself; the attempt is recorded either way."""
    keeping = rt.keeping
    if keeping is None:
        return 0
    started_ms = rt.clock.now_ms()
    row = BackupRow(started_ms, None, None, "backup", keeping.backups.shown, None, None)
    try:
        used = await backup_repo.went_to(rt.store, keeping.backups.shown)
        await admit(keeping.backups, "backup", used=used)
        database = await identity.of(rt.store)
        verdict = await store_backup.make(
            keeping.database_url, keeping.backups, started_ms, keeping.version, database
        )
        if verdict.problems:
            raise StoreError(f"{verdict.name} is not what was copied: {verdict.problems[0]}", kind="damaged")
    except StoreError as error:
        await _record(rt, row._replace(outcome=error.kind or error.code, detail=error.message))
        raise
    manifest = verdict.manifest
    await _record(rt, row._replace(size_bytes=manifest.size_bytes, outcome="ok", detail=verdict.name))
    removed = await _rotate(keeping, database)
    await backup_repo.forget(rt.store, started_ms - KEPT_MS)
    log.info(
        "backed up", name=verdict.name, rows=manifest.rows, bytes=manifest.size_bytes, removed=len(removed)
    )
    return manifest.rows


async def _rotate(keeping: Keeping, database: str) -> list[str]:
    try:
        return await store_backup.rotate(keeping.backups, keeping.keep, database)
    except TargetError as error:
        # Who may write and not delete keeps what a thief of the key could remove: no failure of the backup.
        log.warning("older backups could not be removed", reason=error.message)
        return []


async def _record(rt: Runtime, row: BackupRow) -> None:
    assert rt.keeping is not None  # noqa: S101 - asked by `job`
    row = row._replace(ended_ms=rt.clock.now_ms())
    rt.keeping.last_backup = row
    await backup_repo.put(rt.store, row)


async def recall(rt: Runtime) -> None:
    """Take up from the store how the newest attempt ended, and give it the id its backups go by. Raises StoreError."""
    if rt.keeping is not None:
        if rt.store.writable:
            await identity.of(rt.store)
        rt.keeping.last_backup = next(iter(await backup_repo.page(rt.store, 1)), None)


def component(rt: Runtime) -> dict[str, Any]:
    """What health says of backups: `status`, `reason`, `last`."""
    row = rt.keeping.last_backup if rt.keeping is not None else None
    if row is None:
        return {"status": "ok", "reason": None, "last": None}
    last = {
        "at": rfc3339(row.started_ms),
        "outcome": row.outcome,
        "size_bytes": row.size_bytes,
        "target": row.target,
    }
    if row.outcome == "ok":
        return {"status": "ok", "reason": None, "last": last}
    reason = row.detail if row.outcome == EMPTIED else None
    return {"status": "degraded", "reason": reason or f"the last backup failed ({row.outcome})", "last": last}
