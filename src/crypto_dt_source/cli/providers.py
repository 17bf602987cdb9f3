"""`cdts providers list|check`."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Any

import msgspec

from ..model.errors import InvalidParameter, NotFound
from ..providers import catalog


def run(arguments: argparse.Namespace) -> int:
    """List the catalogue, or ask each provider in use once: exit 1 when one of those named does not answer."""
    if arguments.action == "list":
        return _list(arguments)
    return asyncio.run(_check(arguments))


def _list(arguments: argparse.Namespace) -> int:
    entries = catalog.load().values()
    categories = sorted({e.category for e in entries})
    if arguments.category not in (None, *categories):
        raise InvalidParameter(f"--category: got {arguments.category!r}; allowed: {', '.join(categories)}.")
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
        for e in sorted(entries, key=lambda e: (e.category, e.id))
        if arguments.category in (None, e.category)
    ]
    if arguments.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    _table(
        ("id", "category", "status", "capabilities", "key"),
        [(r["id"], r["category"], r["status"], " ".join(r["capabilities"]), r["key"] or "") for r in rows],
    )
    return 0


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their longest cell, the last one open: one line a row, in a pipe too."""
    lines = [head, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


async def _check(arguments: argparse.Namespace) -> int:
    from ..services.providers import probe_ask
    from ..settings import base_urls, load
    from ..telemetry import configure
    from ..wiring import open_runtime

    configure("WARNING")
    results: list[dict[str, Any]] = []
    async with open_runtime(load(), base_urls=base_urls(), background=False) as rt:
        chosen = arguments.id or sorted(rt.gateway.sources)
        for name in chosen:
            if name not in rt.gateway.sources:
                raise NotFound(_not_in_use(name))

        async def ask(name: str) -> None:
            source = rt.gateway.source(name)
            failure = await rt.gateway.probe(name, probe_ask(source.entry))
            median = source.health.overall_percentile(0.5)
            results.append({"id": name, "ok": failure is None, "failure": failure, "ms": median})
            if not arguments.json and sys.stderr.isatty():
                print(f"\rasked {len(results)} of {len(chosen)}", end="", file=sys.stderr, flush=True)

        await asyncio.gather(*map(ask, dict.fromkeys(chosen)))
    results.sort(key=lambda row: str(row["id"]))
    if arguments.json:
        print(msgspec.json.encode(results).decode())
    else:
        if sys.stderr.isatty():
            print("\r", end="", file=sys.stderr)
        _table(("id", "answer", "ms"), [_row(row) for row in results])
    return 0 if all(row["ok"] for row in results) else 1


def _row(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["id"], "ok" if row["ok"] else row["failure"], f"{row['ms']:.0f}" if row["ms"] else "–"


def _not_in_use(name: str) -> str:
    entry = catalog.load().get(name)
    if entry is None:
        return f"There is no provider {name!r}; `cdts providers list` names them."
    if entry.status == "keyed" and entry.auth is not None:
        return f"{name} is in use once {entry.auth.env} is set."
    return f"{name} is {entry.status}: {entry.reason}"
