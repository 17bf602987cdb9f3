"""Registries over models that need no files, and over very small real checkpoints."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from fake_models import FakeLoader

from crypto_dt_source.analysis import export
from crypto_dt_source.analysis.loading import Loading
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.clock import ManualClock

Make = Callable[..., Models]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def loader() -> FakeLoader:
    return FakeLoader()


@pytest.fixture
async def make(clock: ManualClock, loader: FakeLoader) -> AsyncIterator[Make]:
    """Makes registries whose models are fakes; closes them."""
    made: list[Models] = []

    def build(**options: Any) -> Models:
        made.append(Models(clock, None, loader=loader, **options))
        return made[-1]

    yield build
    loader.let_go.set()
    for models in made:
        await models.close()


def inline(folder: Path, target: Path, task: str, *, tokenizer: bool, onnx: bool) -> None:
    """The export in this process, where torch is loaded already; one test has it in a process of its own."""
    if tokenizer:
        export.make_tokenizer(folder, target)
    if onnx:
        export.make_onnx(folder, target, task)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models folder with every model of the registry in it."""
    import checkpoints

    return checkpoints.hub(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package brings: config, tokenizer and an int8 ONNX file, no float weights."""
    import checkpoints

    place = checkpoints.bert(
        tmp_path_factory.mktemp("embedded"),
        {0: "bearish", 1: "bullish", 2: "neutral"},
        temperature=1.5,
        max_length=32,
        revision="tiny-1",
    )
    export.make_onnx(place, place, "sentiment")
    (place / "model.safetensors").unlink()
    return place


@pytest.fixture
async def real(folder: Path, embedded: Path) -> AsyncIterator[Make]:
    """Makes registries over real checkpoints, torch in this process; closes them."""
    made: list[Models] = []

    def build(backend: str = "onnx", kept: Path | None = folder, **options: Any) -> Models:
        loading = Loading(kept, backend=backend, offline=True, exporter=inline, hosted=False)
        made.append(Models(ManualClock(), kept, embedded=embedded, loader=loading, **options))
        return made[-1]

    yield build
    for models in made:
        await models.close()
