"""How far shipping is, for health."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Shipped:
    """How far shipping is. `superseded` is the epoch of a newer start; this one then ships nothing more. `behind_ms`: when
    the oldest transaction that is not at the target was committed."""

    target: str
    epoch: str | None = None
    confirmed_ms: int | None = None
    behind_ms: int | None = None
    segments: int = 0
    copies: int = 0
    error: str | None = None
    superseded: str | None = None
