"""Every architecture of the registry, as a real and very small checkpoint kept as a hub download is, on both backends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

from checkpoints import HEADLINES, loaded, renamed, snapshot, spec_of

from crypto_dt_source.analysis import export, loading
from crypto_dt_source.analysis.catalog import HYPOTHESES
from crypto_dt_source.analysis.checkpoint import read_config
from crypto_dt_source.analysis.encoding import Encoder
from crypto_dt_source.analysis.labels import softmax
from crypto_dt_source.analysis.onnx_backend import OnnxRunner
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.analysis.torch_backend import TorchRunner
from crypto_dt_source.model.sentiment import LABELS

CLASSIFIERS = ("distilbert-sst-2", "twitter-roberta", "finbert", "bart-large-mnli")
WRITERS = ("gpt-neo-125m", "opt-125m")
ODD = (
    "🚀🌕",
    "half \ud83d",
    "\x00a",
    "x" * 9000,
    "比特币",
    "</s> [SEP] <pad> </s>",
    "a\u202eb",
    "word " * 1500,
)
Make = Callable[..., Models]


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_export_computes_what_torch_computes(folder: Path, tmp_path: Path, name: str) -> None:
    spec, source = spec_of(name), snapshot(folder, name)
    export.make_onnx(source, tmp_path, spec.task, int8=False)
    if not (source / "tokenizer.json").exists():
        export.make_tokenizer(source, tmp_path)
    tokenizer = next(
        place / "tokenizer.json" for place in (source, tmp_path) if (place / "tokenizer.json").exists()
    )
    encoder = Encoder(tokenizer, read_config(source), spec.max_length)
    pairs = [(text, hypothesis) for text in HEADLINES for hypothesis in HYPOTHESES.values()]
    encoded = encoder.encode_pairs(pairs) if name == "bart-large-mnli" else encoder.encode(HEADLINES)
    torch_runner, onnx_runner = TorchRunner(source, spec.task), OnnxRunner(tmp_path / "model.onnx", 1)
    assert len({len(found.ids) for found in encoded}) > 2, "the batches are padded"
    for _, batch in encoder.batches(encoded):
        expected = torch_runner.logits(batch)
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(onnx_runner.logits(batch), expected, atol=1e-4)


@pytest.mark.parametrize("name", WRITERS)
def test_an_exported_writer_writes_what_torch_writes(folder: Path, tmp_path: Path, name: str) -> None:
    spec, source = spec_of(name), snapshot(folder, name)
    export.make_onnx(source, tmp_path, spec.task, int8=False)
    encoder = Encoder(source / "tokenizer.json", read_config(source), spec.max_length)
    ids = encoder.prompt(HEADLINES[0], 12)
    eos = frozenset({2})
    expected = TorchRunner(source, spec.task).continued(ids, 12, eos)
    assert expected
    assert OnnxRunner(tmp_path / "model.onnx", 1).continued(ids, 12, eos) == expected


@pytest.mark.parametrize("name", CLASSIFIERS)
async def test_both_backends_agree_through_the_registry(real: Make, folder: Path, name: str) -> None:
    """The onnx side runs the kept int8 export, so shares may differ a little and labels hardly."""
    scores = {}
    for backend in ("torch", "onnx"):
        models = await loaded(real(backend), name)
        scores[backend] = await models.classify(HEADLINES, name)
        state = models.state(name)
        assert (state.state, state.backend, state.revision) == ("ready", backend, spec_of(name).revision), (
            state.reason
        )
        assert state.memory_mb is not None
        assert 0 < state.memory_mb < 5
        assert (await models.unload(name)).memory_mb is None
    for ours, theirs in zip(scores["onnx"], scores["torch"], strict=True):
        assert ours.model == theirs.model == name
        assert ours.revision == theirs.revision
        assert abs(ours.score - theirs.score) < 0.3
        assert sum((ours.bearish, ours.neutral, ours.bullish)) == pytest.approx(1)
    same = sum(a.label == b.label for a, b in zip(scores["onnx"], scores["torch"], strict=True))
    assert same >= len(HEADLINES) - 2
    words = {score.raw_label for score in scores["torch"]}
    own = LABELS if name == "bart-large-mnli" else read_config(snapshot(folder, name))["id2label"].values()
    assert words <= set(own)


@pytest.mark.parametrize("backend", ["torch", "onnx"])
@pytest.mark.parametrize("name", WRITERS)
async def test_writers_write_the_same_text_each_time(real: Make, backend: str, name: str) -> None:
    models = await loaded(real(backend), name)
    text = await models.generate(name, "Bitcoin", 10)
    assert models.state(name).backend == backend
    assert text
    assert await models.generate(name, "Bitcoin", 10) == text
    assert len(await models.generate(name, "Bitcoin " * 2000, 100)) > 0, (
        "a prompt longer than the model can read"
    )


async def test_the_automatic_backend_writes_with_torch_and_classifies_with_onnx(real: Make) -> None:
    backends = {state.id: state.backend for state in real("auto").states()}
    assert backends["opt-125m"] == "torch"
    assert backends["embedded"] == "onnx"
    assert backends["finbert"] == ("torch" if loading.gpu_present() else "onnx")
    assert {state.id: state.backend for state in real("torch").states()}["embedded"] == "onnx"


@pytest.mark.parametrize("backend", ["torch", "onnx"])
@pytest.mark.parametrize("name", [*CLASSIFIERS, "embedded"])
async def test_no_text_breaks_a_model(real: Make, backend: str, name: str) -> None:
    models = await loaded(real(backend), name)
    scores = await models.classify(ODD, name)
    assert {score.model for score in scores} == {name}
    assert all(0 <= share <= 1 for s in scores for share in (s.bearish, s.neutral, s.bullish))


async def test_the_packaged_model_says_its_revision_and_is_calibrated(real: Make, embedded: Path) -> None:
    scores = await real().classify(HEADLINES)
    assert {(score.model, score.revision) for score in scores} == {("embedded", "tiny-1")}
    encoder = Encoder(embedded / "tokenizer.json", read_config(embedded), 32)
    runner = OnnxRunner(embedded / "model.onnx", 1)
    for score, text in zip(scores, HEADLINES, strict=True):
        ((_, batch),) = encoder.batches(encoder.encode([text]))
        bearish, bullish, neutral = softmax(runner.logits(batch), 1.5)[0].tolist()
        assert (score.bearish, score.bullish, score.neutral) == pytest.approx(
            (bearish, bullish, neutral), abs=0.05
        )


@pytest.mark.parametrize("backend", ["torch", "onnx"])
async def test_labels_follow_the_config_wherever_they_stand(
    real: Make, folder: Path, tmp_path: Path, backend: str
) -> None:
    source = snapshot(folder, "distilbert-sst-2")
    swapped = renamed(source, tmp_path / "swapped", {0: "positive", 1: "negative"})
    plain = await (await loaded(real(backend), "distilbert-sst-2")).classify(HEADLINES, "distilbert-sst-2")
    models = await loaded(real(backend, kept=tmp_path / "kept", default=str(swapped)), "swapped")
    other = await models.classify(HEADLINES)
    assert {score.model for score in other} == {"swapped"}
    assert [score.score for score in other] == pytest.approx([-score.score for score in plain], abs=1e-5)
    assert other[0].revision.startswith("sha256-")


async def test_entailment_is_found_where_the_config_has_it(real: Make, folder: Path, tmp_path: Path) -> None:
    source = snapshot(folder, "bart-large-mnli")
    moved = renamed(source, tmp_path / "moved", {0: "entailment", 1: "neutral", 2: "contradiction"})
    models = await loaded(real("torch", default=str(moved)), "moved")
    assert models.state("moved").task == "zero_shot"
    scores = await models.classify(HEADLINES)
    encoder = Encoder(source / "tokenizer.json", read_config(source), 1024)
    runner = TorchRunner(source, "zero_shot")
    for score, text in zip(scores, HEADLINES, strict=True):
        logits = []
        for label in LABELS:
            ((_, batch),) = encoder.batches(encoder.encode_pairs([(text, HYPOTHESES[label])]))
            logits.append(runner.logits(batch)[0][0])
        shares = softmax(np.asarray([logits], np.float32))[0].tolist()
        assert [score.bearish, score.neutral, score.bullish] == pytest.approx(shares, abs=1e-4)


async def test_labels_that_say_nothing_are_reported(real: Make, folder: Path, tmp_path: Path) -> None:
    nameless = renamed(
        snapshot(folder, "distilbert-sst-2"), tmp_path / "nameless", {0: "LABEL_0", 1: "LABEL_1"}
    )
    models = real("torch", default=str(nameless))
    assert {score.model for score in await models.classify(HEADLINES)} == {"embedded"}
    assert "LABEL_0" in models.state("nameless").reason
