"""What the registry says of one model, and what it keeps to say it."""

from __future__ import annotations

import asyncio
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from ..model.sentiment import Score
from .batcher import Batcher
from .catalog import ModelSpec
from .loading import Scorer, Writer

UNLOADED = "unloaded"
LOADING = "loading"
READY = "ready"
FAILED = "failed"
RECENT = 256
"""Calls the latency is taken from."""
RECENT_S = 3600.0
"""Older calls say nothing of how fast the model is now."""
MB = 1_000_000


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the registry. `state` is `unloaded`, `loading`, `ready` or `failed`, since `since_ms`; `reason` says
    why it failed, or is ''. `backend` and `revision` are what is loaded, else what would be. `memory_mb` (10^6 bytes) is
    that of the weights, None while not loaded. `latency_ms` is the median of `calls` recent calls, None without any."""

    id: str
    task: str
    hub_id: str | None
    revision: str
    licence: str
    link: str
    backend: str
    state: str
    reason: str
    since_ms: int
    memory_mb: float | None
    latency_ms: float | None
    calls: int
    default: bool


@dataclass(slots=True)
class Slot:
    """One model of the registry and what it is at. `reserved` counts towards the memory budget."""

    spec: ModelSpec
    backend: str
    since_ms: int
    state: str = UNLOADED
    reason: str = ""
    revision: str = ""
    reserved: int = 0
    used_at: float = 0.0
    not_before: float = 0.0
    model: Scorer | Writer | None = None
    batcher: Batcher[Any, Any] | None = None
    flight: asyncio.Task[None] | None = None
    latencies: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=RECENT))

    def called(self, now: float, began: float) -> None:
        """A call that began at `began` has been answered; both are monotonic seconds."""
        self.used_at = now
        self.latencies.append((now, (now - began) * 1000))

    def shown(self, now: float, default: bool) -> ModelState:
        """The slot as a line, at the monotonic second `now`."""
        recent = [taken for at, taken in self.latencies if now - at <= RECENT_S]
        spec = self.model.checkpoint.spec if self.model else self.spec
        return ModelState(
            spec.id,
            spec.task,
            spec.hub_id,
            self.revision or spec.revision,
            spec.licence,
            spec.link,
            self.backend,
            self.state,
            self.reason,
            self.since_ms,
            round(self.reserved / MB, 3) if self.state == READY else None,
            round(statistics.median(recent), 3) if recent else None,
            len(recent),
            default,
        )


class ScoreCache:
    """Scores by model, revision and text; the ones used longest ago go first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._scores: dict[tuple[str, str, bytes], Score] = {}

    def __len__(self) -> int:
        return len(self._scores)

    def get(self, key: tuple[str, str, bytes]) -> Score | None:
        found = self._scores.pop(key, None)
        if found is not None:
            self._scores[key] = found
        return found

    def put(self, key: tuple[str, str, bytes], score: Score) -> None:
        self._scores.pop(key, None)
        self._scores[key] = score
        while len(self._scores) > self._size:
            del self._scores[next(iter(self._scores))]
