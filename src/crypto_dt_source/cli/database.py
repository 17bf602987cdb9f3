"""`cdts db upgrade|check`."""

from __future__ import annotations

import argparse
import asyncio

import msgspec

from ..settings import load
from ..store import open_store
from ..store.repos import integrity


def run(arguments: argparse.Namespace) -> int:
    """Upgrade the schema, or check the database (exit 1 when something is wrong)."""
    return asyncio.run(_upgrade() if arguments.action == "upgrade" else _check(arguments.json))


async def _upgrade() -> int:
    store = await open_store(load().sql_url())
    try:
        print(f"{store.address} is up to date")
    finally:
        await store.close()
    return 0


async def _check(as_json: bool) -> int:
    store = await open_store(load().sql_url(), read_only=True)
    try:
        report = await integrity.check(store)
    finally:
        await store.close()
    if as_json:
        print(msgspec.json.encode(report._asdict()).decode())
    else:
        print(f"{store.address}  schema {report.schema}  {report.size_bytes / 1e6:.1f} MB")
        for table, count in sorted(report.rows.items()):
            print(f"  {table:20} {count}")
        for problem in report.problems:
            print(f"  PROBLEM {problem}")
        if not report.problems:
            print("  integrity ok")
    return 1 if report.problems else 0
