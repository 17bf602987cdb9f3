"""What one reply holds: its records in normal form, and the names of those that are not."""

from __future__ import annotations

from typing import NamedTuple

from ..model.answer import Record
from ..model.ask import Ask
from ..model.normal import violation
from ..providers.kit import Endpoint, Reply

REJECTED_KEPT = 20
NAMED_BY = ("symbol", "native_id", "slug", "pool", "url", "name")
"""The field that names a rejected record: the first it has."""
REJECTED_NAME = 200
"""Characters of a rejected record's name and reason: what it was rejected for may be its length."""


class Page(NamedTuple):
    """One call's outcome: the reply, its records in normal form, how many were not, and the first of their names."""

    reply: Reply
    records: list[Record]
    rejected: list[str]
    rejected_count: int


def read_page(endpoint: Endpoint, reply: Reply, ask: Ask) -> Page:
    """Raises what the adapter raises."""
    kept: list[Record] = []
    rejected: list[str] = []
    count = 0
    for record in endpoint.parse(reply, ask):
        reason = violation(record, reply.received_ms)
        if reason is None:
            kept.append(record)
            continue
        count += 1
        if len(rejected) < REJECTED_KEPT:
            named = (getattr(record, field, None) for field in NAMED_BY)
            name = next((text for text in named if isinstance(text, str) and text), type(record).__name__)
            rejected.append(f"{name:.{REJECTED_NAME // 2}}: {reason}"[:REJECTED_NAME])
    return Page(reply, kept, rejected, count)
