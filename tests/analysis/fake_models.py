"""Models that need no files: for the registry's own rules."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crypto_dt_source.analysis.catalog import GENERATION, ModelSpec
from crypto_dt_source.analysis.checkpoint import Checkpoint
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.analysis.states import ModelState
from crypto_dt_source.model.sentiment import Score

MB = 1_000_000


class FakeModel:
    """A model whose share of bullish is a fact of the text's first letter; writes prompts backwards."""

    def __init__(self, checkpoint: Checkpoint, loader: FakeLoader) -> None:
        self.checkpoint = checkpoint
        self.memory_bytes = checkpoint.size
        self.ended = False
        self.loader = loader
        self.seen: list[list[str]] = []

    def score(self, texts: Sequence[str]) -> list[Score]:
        name = self.checkpoint.spec.id
        self.seen.append(list(texts))
        if name in self.loader.breaks:
            raise RuntimeError("weights are damaged")
        share = 1.0 if name == "finbert" else 0.75
        return [
            Score("bullish", share, 0, 1 - share, share, "up", name, self.checkpoint.revision) for _ in texts
        ]

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        return prompt[::-1][:max_new_tokens]

    def close(self) -> None:
        self.loader.closed.append(self.checkpoint.spec.id)


@dataclass
class FakeLoader:
    """Sizes in MB by id, reasons of failure by id; loads of ids in `held` wait for `let_go`."""

    sizes: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)
    breaks: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    let_go: threading.Event = field(default_factory=threading.Event)
    fetched: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    opened: dict[str, FakeModel] = field(default_factory=dict)

    def backend_for(self, spec: ModelSpec) -> str:
        return "torch" if spec.task == GENERATION else "onnx"

    def fetch(self, spec: ModelSpec) -> Checkpoint:
        self.fetched.append(spec.id)
        if spec.id in self.held:
            assert self.let_go.wait(20)
        if spec.id in self.failures:
            raise self.failures[spec.id]
        path, size = Path(spec.id), self.sizes.get(spec.id, 20) * MB
        return Checkpoint(spec, {}, path, path, f"rev-{spec.id}", self.backend_for(spec), size)

    def open(self, checkpoint: Checkpoint) -> FakeModel:
        self.opened[checkpoint.spec.id] = FakeModel(checkpoint, self)
        return self.opened[checkpoint.spec.id]


async def settled(models: Models, id: str) -> ModelState:
    """The model's state once its load is over."""
    while models.state(id).state == "loading":
        await asyncio.to_thread(lambda: None)
    return models.state(id)
