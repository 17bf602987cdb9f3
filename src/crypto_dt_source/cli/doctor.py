"""`cdts doctor`: what a person should know before asking for help. It runs the checks of `POST /api/diagnostics/run` that
need no running service, and changes nothing."""

from __future__ import annotations

import argparse
import asyncio
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..clock import SystemClock
from ..providers import catalog
from ..providers.assets import load as load_assets
from ..services.checks.every import CHECKS
from ..services.checks.finding import CRITICAL, ERROR, Scene, refused
from ..services.diagnostics import CheckRun, examine, found_in
from ..settings import Settings, SettingsError, base_urls, load
from ..store import Store, StoreError, open_store, parse_url
from ..wiring import checked_base_urls
from ..wiring_access import installation_of

UNHURRIED = 20.0
"""Times the patience of a request: a large database takes its time to read."""
_DATABASE_ADVICE = "Set DATABASE_URL to another one, or remove it for SQLite in DATA_DIR; `cdts db upgrade` makes the tables."


class Line(NamedTuple):
    """One line. `level` is ok or the severity of a finding; `advice` says what to do."""

    check: str
    level: str
    found: str
    advice: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Print what every check found; exit 1 when something is an error or worse."""
    settings = load()
    lines = [
        Line("python", "ok", platform.python_version()),
        *asyncio.run(_examined(settings)),
        *_catalogue(settings),
    ]
    if arguments.json:
        print(msgspec.json.encode([line._asdict() for line in lines]).decode())
    else:
        for line in lines:
            print(f"{line.level:8} {line.check:18} {line.found}")
            if line.advice:
                print(f"{'':27} → {line.advice}")
    return 1 if any(line.level in (ERROR, CRITICAL) for line in lines) else 0


async def _examined(settings: Settings) -> list[Line]:
    """Reads only, so that it may look while a service runs, and makes no file."""
    store, opened = await _store(settings)
    try:
        # Replaced addresses are told below, where a wrong one is an error.
        scene = Scene(SystemClock(), installation_of(settings), store, thorough=True)
        return [opened, *_lines(await examine(scene, CHECKS, UNHURRIED))]
    finally:
        if store is not None:
            await store.close()


async def _store(settings: Settings) -> tuple[Store | None, Line]:
    """The database, opened for reading, where there is one; and what is to be said of opening it."""
    try:
        url = parse_url(settings.sql_url())
        file = Path(url.database or "")
        if url.get_backend_name() == "sqlite" and not await asyncio.to_thread(file.exists):
            return None, Line("database", "ok", f"{url.database} will be made at the first start")
        store = await open_store(settings.sql_url(), read_only=True)
    except StoreError as error:
        known = refused(error)
        if known.id == "database.unavailable":
            return None, Line("database", ERROR, error.message, _DATABASE_ADVICE)
        return None, Line("database", known.severity, error.message, known.advice)
    return store, Line("database", "ok", f"{store.dialect}, {await store.size_bytes() / 1e6:.1f} MB")


def _lines(runs: Sequence[CheckRun]) -> Iterator[Line]:
    found = found_in(runs)
    for run in runs:
        mine = [finding for check, finding in found if check.id == run.check.id]
        if not run.findings:
            yield Line(run.check.id, "ok", run.check.about)
        for finding in mine:
            yield Line(run.check.id, finding.severity, finding.found, finding.advice)


def _catalogue(settings: Settings) -> Iterator[Line]:
    entries = catalog.load().values()
    keys = settings.keys()
    live = [e for e in entries if e.status == "live" or (e.auth and e.auth.env in keys)]
    for entry in live:
        catalog.adapter_of(entry)
    waiting = sorted(
        {e.auth.env for e in entries if e.status == "keyed" and e.auth and e.auth.env not in keys}
    )
    yield Line(
        "providers", "ok", f"{len(live)} in use", f"More with {', '.join(waiting)}." if waiting else ""
    )
    yield Line("assets", "ok", f"{len(load_assets())} in the registry")
    try:
        urls = checked_base_urls(base_urls(), catalog.load())
    except SettingsError as error:
        yield Line("base urls", ERROR, str(error), "`cdts providers list` names the providers.")
        return
    if urls:
        yield Line(
            "base urls", "warning", f"{len(urls)} providers are asked elsewhere: {', '.join(sorted(urls))}"
        )
