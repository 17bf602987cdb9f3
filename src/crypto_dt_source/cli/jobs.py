"""`cdts jobs [list|run|pause|resume]`: on the database itself, also while a server has it open. `run` does the work in this
process; a server beside it leaves that job alone meanwhile. Nothing but that is written then: what the server knows of
providers and of what is spent stays as it is."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from ..jobs.leading import timetable
from ..jobs.runner import Runner
from ..model.errors import Conflict, NotFound
from ..services import collect, jobs
from ..services.runtime import Runtime
from ..services.schedule import OK, run_row
from ..settings import Settings, base_urls, load
from ..store.repos.jobs import COMMAND
from ..telemetry import configure
from ..wiring import open_runtime
from .running import Stop, run_until_stopped

STOPPED = 130


def run(arguments: argparse.Namespace) -> int:
    """Show the timetable, run one of its jobs (exit 1 when it fails), or pause and resume it."""
    configure("WARNING")
    return run_until_stopped(partial(_run, arguments), stopped=STOPPED)


async def _run(arguments: argparse.Namespace, _: Stop) -> int:
    settings = load(data_dir=Path(arguments.data_dir) if arguments.data_dir else None)
    _check_folder(settings)
    async with open_runtime(settings, base_urls=base_urls(), background=False, beside=True) as rt:
        if arguments.action == "run":
            return await _one(rt, arguments)
        if arguments.action == "pause":
            rows = [await jobs.pause(rt, arguments.id)]
        elif arguments.action == "resume":
            rows = [await jobs.resume(rt, arguments.id)]
        else:
            rows = await jobs.listed(rt)
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
    else:
        _show(rows)
    return 0


def _check_folder(settings: Settings) -> None:
    """Raises NotFound for a folder that no server has used: one was meant that is another."""
    database = Path(settings.sql_url().removeprefix("sqlite:///"))
    if not settings.database_url and not database.exists():
        raise NotFound(
            f"There is no database in {settings.data_dir}; name the folder of the server with --data-dir."
        )


async def _one(rt: Runtime, arguments: argparse.Namespace) -> int:
    plan = jobs.plan_of(rt, arguments.id)
    job = next(job for job in timetable(rt, shared=rt.store.dialect != "sqlite") if job.id == plan.id)
    if job.measured and not rt.meters:
        raise Conflict(
            f"The job {job.id!r} stores what the service itself has measured; only that can run it.",
            details={"job": job.id},
        )
    if job.quoted:
        await collect.one_round(rt)
    await Runner(rt, [job], schedule=rt.schedule, collects=False).run(job, COMMAND)
    if plan.last is None:
        raise Conflict(f"The job {job.id!r} is running in another process.", details={"job": job.id})
    row = run_row(plan.last)
    if arguments.json:
        print(msgspec.json.encode(row).decode())
    elif plan.last.outcome == OK:
        print(f"{job.id}  ok  {row['rows']} rows  {row['duration_ms']} ms")
    else:
        print(f"cdts: {job.id}: {row['outcome']}: {row['error']}", file=sys.stderr)
    return 0 if plan.last.outcome == OK else 1


def _show(rows: list[dict[str, Any]]) -> None:
    head = ("id", "times", "state", "next", "last", "outcome", "rows")
    lines = [head, *map(_line, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    last = row["last_run"] or {}
    every = row["every_seconds"]
    return (
        row["id"],
        row["cron"] or (f"every {every:g} s" if every else "off"),
        row["state"],
        row["next_run"] or "–",
        last.get("started_at") or "–",
        last.get("outcome") or "–",
        "–" if last.get("rows") is None else str(last["rows"]),
    )
