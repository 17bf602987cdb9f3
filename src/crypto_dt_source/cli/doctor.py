"""`cdts doctor`: what a person should know before asking for help."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..providers import catalog
from ..providers.assets import load as load_assets
from ..settings import Settings, SettingsError, base_urls, load
from ..store import StoreError, open_store, parse_url
from ..store.repos import integrity
from ..wiring import checked_base_urls

LEAST_DISK = 1_000_000_000
_DATABASE_ADVICE = "Set DATABASE_URL to another one, or remove it for SQLite in DATA_DIR; `cdts db upgrade` makes the tables."


class Finding(NamedTuple):
    """One check. `level` is ok, warning or error; `advice` says what to do."""

    check: str
    level: str
    found: str
    advice: str = ""


def run(arguments: argparse.Namespace) -> int:
    """Print every finding; exit 1 when one is an error."""
    settings = load()
    findings = [*_machine(settings), *asyncio.run(_database(settings)), *_catalogue(settings)]
    if arguments.json:
        print(msgspec.json.encode([f._asdict() for f in findings]).decode())
    else:
        for finding in findings:
            print(f"{finding.level:8} {finding.check:12} {finding.found}")
            if finding.advice:
                print(f"{'':21} → {finding.advice}")
    return 1 if any(f.level == "error" for f in findings) else 0


def _machine(settings: Settings) -> Iterator[Finding]:
    level = "ok" if sys.version_info >= (3, 11) else "error"
    yield Finding(
        "python", level, platform.python_version(), "" if level == "ok" else "Install Python 3.11 or newer."
    )
    folder = settings.data_dir
    existing = next((p for p in (folder, *folder.resolve().parents) if p.exists()), folder)
    if existing.is_dir() and os.access(existing, os.W_OK):
        yield Finding("data folder", "ok", str(folder))
    else:
        yield Finding(
            "data folder", "error", f"{folder} cannot be written", "Set DATA_DIR to a folder you own."
        )
    free = shutil.disk_usage(existing).free
    if free < LEAST_DISK:
        yield Finding(
            "disk", "warning", f"{free / 1e9:.1f} GB free", "90 days of prices need about a gigabyte."
        )
    else:
        yield Finding("disk", "ok", f"{free / 1e9:.1f} GB free")


async def _database(settings: Settings) -> list[Finding]:
    """Reads only, so that it may look while a service runs, and makes no file."""
    try:
        url = parse_url(settings.sql_url())
    except StoreError as error:
        return [Finding("database", "error", error.message, _DATABASE_ADVICE)]
    file = Path(url.database or "")
    if url.get_backend_name() == "sqlite" and not await asyncio.to_thread(file.exists):
        return [Finding("database", "ok", f"{url.database} will be made at the first start")]
    try:
        store = await open_store(settings.sql_url(), read_only=True)
    except StoreError as error:
        return [Finding("database", "error", error.message, _DATABASE_ADVICE)]
    try:
        report = await integrity.check(store)
    except StoreError as error:
        return [Finding("database", "error", error.message, _DATABASE_ADVICE)]
    finally:
        await store.close()
    if report.problems:
        advice = "Restore a backup; keep the broken file."
        return [Finding("database", "error", "; ".join(report.problems[:3]), advice)]
    rows = sum(report.rows.values())
    return [Finding("database", "ok", f"{report.dialect}, schema {report.schema}, {rows} rows")]


def _catalogue(settings: Settings) -> Iterator[Finding]:
    entries = catalog.load().values()
    keys = settings.keys()
    live = [e for e in entries if e.status == "live" or (e.auth and e.auth.env in keys)]
    for entry in live:
        catalog.adapter_of(entry)
    waiting = sorted(
        {e.auth.env for e in entries if e.status == "keyed" and e.auth and e.auth.env not in keys}
    )
    yield Finding(
        "providers", "ok", f"{len(live)} in use", f"More with {', '.join(waiting)}." if waiting else ""
    )
    yield Finding("assets", "ok", f"{len(load_assets())} in the registry")
    try:
        urls = checked_base_urls(base_urls(), catalog.load())
    except SettingsError as error:
        yield Finding("base urls", "error", str(error), "`cdts providers list` names the providers.")
        return
    if urls:
        yield Finding(
            "base urls", "warning", f"{len(urls)} providers are asked elsewhere: {', '.join(sorted(urls))}"
        )
