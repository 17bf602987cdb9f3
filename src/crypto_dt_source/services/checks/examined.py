"""What is remembered of diagnoses from one to the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Examined:
    """`lock` is held while a diagnosis runs. `last` is the newest as it was answered, `thorough_ms` when the database was
    last read whole. `known` are the findings of the newest by id and subject."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    last: dict[str, Any] | None = None
    thorough_ms: int = 0
    known: frozenset[tuple[str, str]] = frozenset()
