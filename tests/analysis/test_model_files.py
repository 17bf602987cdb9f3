"""Files of a checkpoint that are missing, damaged, hostile or made here; processes that die."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

import checkpoints
import torch
from checkpoints import HEADLINES, loaded, renamed, snapshot, spec_of

from crypto_dt_source.analysis import export, loading
from crypto_dt_source.analysis.checkpoint import read_config
from crypto_dt_source.analysis.hosted import Hosted
from crypto_dt_source.analysis.loading import Loading, open_here
from crypto_dt_source.analysis.onnx_backend import OnnxRunner
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.analysis.scoring import SentimentModel
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import ModelUnavailable

Make = Callable[..., Models]


async def test_a_repositorys_own_onnx_file_is_used_and_torch_is_not_needed(
    real: Make, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = snapshot(tmp_path, "distilbert-sst-2")
    shutil.copytree(snapshot(folder, "distilbert-sst-2"), place)
    export.make_onnx(place, place / "onnx", "sentiment", int8=False)
    (place / "tokenizer.json").rename(place / "onnx" / "tokenizer.json")
    (place / "model.safetensors").unlink()
    monkeypatch.setattr(loading, "extra_installed", lambda: False)
    models = await loaded(real("onnx", kept=tmp_path), "distilbert-sst-2")
    assert models.state("distilbert-sst-2").reason == ""
    assert {score.model for score in await models.classify(HEADLINES, "distilbert-sst-2")} == {
        "distilbert-sst-2"
    }
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize("backend", ["torch", "onnx"])
async def test_without_the_extra_the_reason_says_what_to_install(
    real: Make, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str
) -> None:
    shutil.copytree(snapshot(folder, "finbert"), snapshot(tmp_path, "finbert"))
    monkeypatch.setattr(loading, "extra_installed", lambda: False)
    models = real(backend, kept=tmp_path, default="finbert")
    assert {score.model for score in await models.classify(HEADLINES)} == {"embedded"}
    assert "crypto-dt-source[transformers]" in models.state("finbert").reason


async def test_an_export_is_made_once(real: Make, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(snapshot(folder, "finbert"), snapshot(tmp_path, "finbert"))
    await loaded(real("onnx", kept=tmp_path), "finbert")
    prepared = tmp_path / "prepared" / "finbert" / spec_of("finbert").revision
    assert sorted(path.name for path in prepared.iterdir()) == ["model.onnx", "tokenizer.json"]
    made = {path.name: path.stat().st_mtime_ns for path in prepared.iterdir()}
    (snapshot(tmp_path, "finbert") / "model.safetensors").unlink()
    models = await loaded(real("onnx", kept=tmp_path), "finbert")
    assert models.state("finbert").state == "ready", "the float weights are not needed any more"
    assert {path.name: path.stat().st_mtime_ns for path in prepared.iterdir()} == made


async def test_an_export_that_broke_off_is_never_used(
    real: Make, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(snapshot(folder, "twitter-roberta"), snapshot(tmp_path, "twitter-roberta"))
    quantise = export.quantise

    def half(source: Path, target: Path) -> None:
        target.write_bytes(b"half a file")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "quantise", half)
    models = await loaded(real("onnx", kept=tmp_path), "twitter-roberta")
    assert models.state("twitter-roberta").reason == "OSError: No space left on device"
    prepared = tmp_path / "prepared" / "twitter-roberta" / spec_of("twitter-roberta").revision
    assert list(prepared.iterdir()) == []
    (prepared / ".partial-killed").mkdir()
    (prepared / ".partial-killed" / "model.onnx").write_bytes(b"left by a killed process")
    monkeypatch.setattr(export, "quantise", quantise)
    await models.load("twitter-roberta")
    assert models.state("twitter-roberta").state == "ready"
    assert [path.name for path in prepared.iterdir()] == ["model.onnx"]


@pytest.mark.slow
def test_an_export_runs_in_a_process_of_its_own(folder: Path, tmp_path: Path) -> None:
    source = snapshot(folder, "finbert")
    export.in_child(source, tmp_path / "made", "sentiment", tokenizer=True, onnx=True)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["model.onnx", "tokenizer.json"]
    OnnxRunner(tmp_path / "made" / "model.onnx", 1)


def test_a_process_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export.sys, "executable", shutil.which("false"))
    with pytest.raises(ModelUnavailable, match="The export failed: it ended with 1"):
        export.in_child(tmp_path, tmp_path, "sentiment", tokenizer=True, onnx=False)


@pytest.mark.slow
async def test_torch_has_a_process_of_its_own_that_may_die(folder: Path, embedded: Path) -> None:
    clock, name = ManualClock(), "distilbert-sst-2"
    loader = Loading(folder, backend="torch", offline=True)
    models = Models(clock, folder, embedded=embedded, loader=loader)
    await models.load(name)
    assert models.state(name).reason == ""
    hosted: Any = models._slots[name].model
    assert isinstance(hosted, Hosted)
    here = open_here(loader.fetch(spec_of(name)))
    assert isinstance(here, SentimentModel)
    found = await models.classify(HEADLINES, name)
    assert [score.score for score in found] == pytest.approx(
        [s.score for s in here.score(HEADLINES)], abs=1e-5
    )
    assert models.state(name).memory_mb == pytest.approx(here.memory_bytes / 1e6, abs=0.001)
    with pytest.raises(ModelUnavailable, match="AttributeError"):
        hosted.generate("a", 1)
    hosted._process.kill()
    assert (await models.classify(["another text"], name))[0].model == "embedded"
    await models.classify(["another text"], name)
    assert models.state(name).reason == "Its process ended."
    await models.close()
    assert hosted._process.returncode is not None


async def test_a_process_that_cannot_open_a_model_says_why_and_is_gone(tmp_path: Path, folder: Path) -> None:
    checkpoint = Loading(folder, backend="torch", offline=True).fetch(spec_of("opt-125m"))
    with pytest.raises(ModelUnavailable) as refused:
        Hosted(replace(checkpoint, weights=tmp_path, backend="onnx"))
    assert str(tmp_path) not in refused.value.message
    assert refused.value.message


async def test_pickled_weights_are_read_as_tensors(real: Make, folder: Path, tmp_path: Path) -> None:
    place = snapshot(tmp_path, "twitter-roberta")
    shutil.copytree(snapshot(folder, "twitter-roberta"), place)
    from safetensors.torch import load_file

    torch.save(load_file(place / "model.safetensors"), place / "pytorch_model.bin")
    (place / "model.safetensors").unlink()
    models = await loaded(real("torch", kept=tmp_path), "twitter-roberta")
    found = await models.classify(HEADLINES, "twitter-roberta")
    plain = await (await loaded(real("torch"), "twitter-roberta")).classify(HEADLINES, "twitter-roberta")
    assert [score.score for score in found] == pytest.approx([score.score for score in plain], abs=1e-6)


class Evil:
    """What a pickle can do when it is trusted."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.file),)


async def test_a_pickle_that_runs_code_is_not_run(real: Make, folder: Path, tmp_path: Path) -> None:
    place = snapshot(tmp_path, "twitter-roberta")
    shutil.copytree(snapshot(folder, "twitter-roberta"), place)
    (place / "model.safetensors").unlink()
    torch.save({"w": Evil(tmp_path / "pwned")}, place / "pytorch_model.bin", pickle_module=pickle)
    models = real("torch", kept=tmp_path, default="twitter-roberta")
    assert {score.model for score in await models.classify(HEADLINES)} == {"embedded"}
    assert models.state("twitter-roberta").state == "failed"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("file", "backend"),
    [
        ("model.safetensors", "torch"),
        ("tokenizer.json", "torch"),
        ("config.json", "torch"),
        ("model.onnx", "onnx"),
    ],
)
async def test_damaged_files_are_a_reason_and_the_packaged_model_answers(
    real: Make, folder: Path, tmp_path: Path, file: str, backend: str
) -> None:
    place = snapshot(tmp_path, "distilbert-sst-2")
    shutil.copytree(snapshot(folder, "distilbert-sst-2"), place)
    (place / file).write_bytes(b"\x00garbage")
    models = real(backend, kept=tmp_path, default="distilbert-sst-2")
    assert {score.model for score in await models.classify(HEADLINES)} == {"embedded"}
    state = models.state("distilbert-sst-2")
    assert state.state == "failed"
    assert state.reason
    assert str(tmp_path) not in state.reason


async def test_an_output_more_than_labels_is_found_when_it_is_loaded(
    real: Make, folder: Path, tmp_path: Path
) -> None:
    place = renamed(snapshot(folder, "distilbert-sst-2"), tmp_path / "own", {0: "negative", 1: "positive"})
    export.make_onnx(place, place, "sentiment", int8=False)
    more = read_config(place) | checkpoints.labelled({0: "negative", 1: "neutral", 2: "positive"})
    (place / "config.json").write_text(json.dumps(more))
    models = await loaded(real("onnx", default=str(place)), "own")
    assert "do not fit" in models.state("own").reason


async def test_a_writers_graph_cannot_pose_as_a_classifier(real: Make, folder: Path, tmp_path: Path) -> None:
    place = snapshot(tmp_path, "finbert")
    shutil.copytree(snapshot(folder, "opt-125m"), place)
    models = await loaded(real("torch", kept=tmp_path), "finbert")
    assert models.state("finbert").reason == "The checkpoint is made for generation, not for sentiment."


async def test_a_folder_that_went_away_is_a_reason(real: Make, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    models = real("onnx", default=str(tmp_path / "gone"))
    (tmp_path / "gone").rmdir()
    assert (await models.classify(["a"]))[0].model == "embedded"
    assert models.state("gone").reason == "Its folder is not there."


def test_without_a_models_folder_nothing_is_downloaded() -> None:
    with pytest.raises(ModelUnavailable, match="no folder to keep"):
        Loading(None).fetch(replace(spec_of("finbert")))
