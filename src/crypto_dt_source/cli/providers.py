"""`cdts providers list|check`."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

from ..model.errors import NotFound
from ..providers import catalog
from ..services.providers import probe_ask
from ..settings import base_urls, load
from ..wiring import open_runtime


def run(arguments: argparse.Namespace) -> int:
    """List the catalogue, or ask each provider in use once: exit 1 when one of those named does not answer."""
    if arguments.action == "list":
        return _list(arguments)
    return asyncio.run(_check(arguments))


def _list(arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = [
        {
            "id": e.id,
            "name": e.name,
            "category": e.category,
            "kind": e.kind,
            "status": e.status,
            "capabilities": [c.value for c in e.offers],
            "key": e.auth.env if e.auth else None,
            "reason": e.reason or None,
        }
        for e in sorted(catalog.load().values(), key=lambda e: (e.category, e.id))
        if arguments.category in (None, e.category)
    ]
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    table = Table("id", "name", "category", "status", "capabilities", "key")
    for row in rows:
        offered = " ".join(row["capabilities"])
        table.add_row(row["id"], row["name"], row["category"], row["status"], offered, row["key"])
    Console().print(table)
    return 0


async def _check(arguments: argparse.Namespace) -> int:
    results: list[dict[str, Any]] = []
    async with open_runtime(load(), base_urls=base_urls(), background=False) as rt:
        chosen = arguments.id or sorted(rt.gateway.sources)
        for name in chosen:
            if name not in rt.gateway.sources:
                raise NotFound(f"{name} is not in use; `cdts providers list` names them, some need a key.")
        console = Console(stderr=True)
        for name in track(
            chosen, "asking", console=console, disable=arguments.json or not console.is_terminal
        ):
            source = rt.gateway.source(name)
            failure = await rt.gateway.probe(name, probe_ask(source.entry))
            median = source.health.overall_percentile(0.5)
            results.append({"id": name, "ok": failure is None, "failure": failure, "ms": median})
    if arguments.json:
        print(msgspec.json.encode(results).decode())
    else:
        table = Table("id", "answer", "ms")
        for row in results:
            table.add_row(
                row["id"], "ok" if row["ok"] else row["failure"], f"{row['ms']:.0f}" if row["ms"] else "–"
            )
        Console().print(table)
    return 0 if all(row["ok"] for row in results) else 1
