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
from ..gateway import Reach
from ..providers import catalog
from ..providers.assets import load as load_assets
from ..services.checks.every import CHECKS
from ..services.checks.finding import CRITICAL, ERROR, Scene, refused
from ..services.diagnostics import CheckRun, examine, found_in
from ..services.shipping import LOST
from ..settings import Settings, SettingsError, base_urls, load
from ..settings_ops import SPACE
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
        *_preset(settings),
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


def _preset(settings: Settings) -> Iterator[Line]:
    """What HF_SPACE chose, and whether anything outlives the container."""
    if settings.hf_space:
        chosen = [
            f"{name.upper()}={settings.data_dir if name == 'data_dir' else value}"
            for name, value in SPACE.items()
            if name == "data_dir" or getattr(settings, name) == value
        ]
        yield Line("preset", "ok", f"HF_SPACE: {' '.join(chosen)}", "What is set itself wins.")
    if not settings.kept():
        yield Line(
            "data folder", "warning", LOST, "Set SHIP_URL and API_KEY_SALT; docs/deploy.md has the ways."
        )


def _catalogue(settings: Settings) -> Iterator[Line]:
    entries = catalog.load().values()
    keys = settings.keys()
    reach = Reach(settings.ports(), settings.upstream_region)
    elsewhere = base_urls()
    usable = [e for e in entries if e.status == "live" or (e.auth and e.auth.env in keys)]
    away = sorted(e.id for e in usable if e.id not in elsewhere and reach.refusal(e) is not None)
    live = [e for e in usable if e.id not in away]
    for entry in live:
        catalog.adapter_of(entry)
    waiting = sorted(
        {e.auth.env for e in entries if e.status == "keyed" and e.auth and e.auth.env not in keys}
    )
    told = f"; out of reach from here: {', '.join(away)}" if away else ""
    yield Line(
        "providers", "ok", f"{len(live)} in use{told}", f"More with {', '.join(waiting)}." if waiting else ""
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
