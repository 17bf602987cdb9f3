"""`cdts providers list|check`."""

from __future__ import annotations

import argparse
import asyncio
from typing import Any

import msgspec

from ..model.errors import InvalidParameter
from ..providers import catalog
from .provider_check import check, table


def run(arguments: argparse.Namespace) -> int:
    """List the catalogue, or ask each provider in use once: exit 1 when one of those named does not answer."""
    if arguments.action == "list":
        return _list(arguments)
    return asyncio.run(check(arguments))


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
    table(
        ("id", "category", "status", "capabilities", "key"),
        [(r["id"], r["category"], r["status"], " ".join(r["capabilities"]), r["key"] or "") for r in rows],
    )
    return 0
