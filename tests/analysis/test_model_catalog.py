"""What a name can mean, and which files of a checkpoint are needed."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.analysis import checkpoint
from crypto_dt_source.analysis.catalog import GENERATION, SENTIMENT, SPECS, ZERO_SHOT, spec_for
from crypto_dt_source.analysis.checkpoint import (
    Checkpoint,
    hub_folder,
    needed,
    own_onnx,
    positions,
    read_config,
    with_task,
)
from crypto_dt_source.model.errors import ModelUnavailable, UnknownModel

SMALL = ["config.json", "tokenizer.json"]


def test_every_model_of_the_issue_is_listed_with_a_pinned_revision() -> None:
    hub = {spec.hub_id: spec for spec in SPECS if spec.hub_id}
    assert {name: spec.task for name, spec in hub.items()} == {
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english": SENTIMENT,
        "cardiffnlp/twitter-roberta-base-sentiment-latest": SENTIMENT,
        "ProsusAI/finbert": SENTIMENT,
        "facebook/bart-large-mnli": ZERO_SHOT,
        "EleutherAI/gpt-neo-125M": GENERATION,
        "facebook/opt-125m": GENERATION,
    }
    assert all(re.fullmatch("[0-9a-f]{40}", spec.revision) for spec in hub.values())
    assert all(re.fullmatch("[a-z0-9-]+", spec.id) for spec in SPECS)
    assert len({spec.id for spec in SPECS}) == len(SPECS)


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("embedded", "embedded"),
        ("finbert", "finbert"),
        ("ProsusAI/finbert", "finbert"),
        ("prosusai/FinBERT", "finbert"),
        ("distilbert-base-uncased-finetuned-sst-2-english", "distilbert-sst-2"),
        (" EleutherAI/gpt-neo-125M ", "gpt-neo-125m"),
    ],
)
def test_a_registered_model_is_found_by_id_and_by_hub_id(name: str, id: str) -> None:
    assert spec_for(name).id == id


def test_another_hub_id_is_taken_with_its_revision() -> None:
    spec = spec_for("someone/Crypto_BERT@v1.2")
    assert (spec.id, spec.hub_id, spec.revision, spec.folder) == (
        "crypto-bert",
        "someone/Crypto_BERT",
        "v1.2",
        None,
    )
    assert spec_for("someone/finbert").id == "finbert-own"
    assert spec_for("someone/other").revision == "main"


def test_a_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "My Model").mkdir()
    spec = spec_for(str(tmp_path / "My Model"))
    assert (spec.id, spec.hub_id, spec.folder) == ("my-model", None, tmp_path / "My Model")


@pytest.mark.parametrize(
    "name", ["", "nothing", "/no/such/folder", "a/b/c", "../up", "a/b@", "http://x.io/y"]
)
def test_anything_else_is_unknown(name: str) -> None:
    with pytest.raises(UnknownModel) as unknown:
        spec_for(name)
    assert "finbert" in unknown.value.details["known"]


def config(architecture: str, *labels: str) -> dict[str, Any]:
    return {"architectures": [architecture], "id2label": {str(i): label for i, label in enumerate(labels)}}


@pytest.mark.parametrize(
    ("found", "task"),
    [
        (config("BertForSequenceClassification", "negative", "positive"), SENTIMENT),
        (config("BartForSequenceClassification", "contradiction", "neutral", "entailment"), ZERO_SHOT),
        (
            {"architectures": ["XForSequenceClassification"], "label2id": {"Entailment": 0, "other": 1}},
            ZERO_SHOT,
        ),
    ],
)
def test_the_task_of_another_model_is_what_its_config_says(found: dict[str, Any], task: str) -> None:
    assert with_task(spec_for("someone/model"), found).task == task


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("someone/model", config("GPT2ForCausalLM")),
        ("opt-125m", config("BertForSequenceClassification", "negative", "positive")),
        ("someone/model", config("BertForMaskedLM")),
        ("someone/model", {"architectures": "x"}),
        ("someone/model", {}),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused(name: str, found: dict[str, Any]) -> None:
    with pytest.raises(ModelUnavailable):
        with_task(spec_for(name), found)


@pytest.mark.parametrize(
    ("names", "backend", "chosen"),
    [
        ([*SMALL, "model.safetensors", "pytorch_model.bin"], "torch", [*SMALL, "model.safetensors"]),
        ([*SMALL, "model.safetensors", "pytorch_model.bin"], "onnx", [*SMALL, "model.safetensors"]),
        ([*SMALL, "pytorch_model.bin", "tf_model.h5"], "torch", [*SMALL, "pytorch_model.bin"]),
        ([*SMALL, "model.safetensors", "onnx/model.onnx"], "torch", [*SMALL, "model.safetensors"]),
        ([*SMALL, "model.safetensors", "onnx/model.onnx"], "onnx", [*SMALL, "onnx/model.onnx"]),
        (
            [*SMALL, "onnx/model.onnx", "onnx/model.onnx_data", "onnx/model_fp16.onnx"],
            "onnx",
            [*SMALL, "onnx/model.onnx", "onnx/model.onnx_data"],
        ),
        (
            [*SMALL, "onnx/model.onnx", "onnx/model_quantized.onnx"],
            "onnx",
            [*SMALL, "onnx/model_quantized.onnx"],
        ),
        (
            ["config.json", "vocab.txt", "model.safetensors", "run.py"],
            "torch",
            ["config.json", "vocab.txt", "model.safetensors"],
        ),
        ([*SMALL, "onnx/model.onnx"], "torch", None),
        ([*SMALL], "onnx", None),
        (["config.json", "model.safetensors"], "torch", None),
        (["tokenizer.json", "model.safetensors"], "torch", None),
    ],
)
def test_only_the_files_of_the_backend_are_asked_for(
    names: list[str], backend: str, chosen: list[str] | None
) -> None:
    assert needed(spec_for("someone/model"), names, backend, weights=True) == chosen


def test_weights_in_parts_are_whole_or_not_there() -> None:
    parts = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = "model.safetensors.index.json"
    spec = spec_for("someone/model")
    assert needed(spec, [*SMALL, *parts, index], "torch", weights=True) == [*SMALL, *parts, index]
    assert needed(spec, [*SMALL, parts[0], index], "torch", weights=True) is None
    assert needed(spec, [*SMALL, *parts], "torch", weights=True) is None


def test_a_kept_export_needs_no_weights() -> None:
    assert needed(spec_for("someone/model"), [*SMALL, "model.safetensors"], "onnx", weights=False) == SMALL


def test_a_writer_never_takes_a_repositorys_onnx_file() -> None:
    assert own_onnx(spec_for("opt-125m"), ["onnx/model.onnx"]) is None
    assert (
        own_onnx(spec_for("distilbert-sst-2"), ["onnx/model.onnx", "onnx/model_quantized.onnx"])
        == "onnx/model.onnx"
    )


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ({"max_position_embeddings": 512, "model_type": "bert", "pad_token_id": 0}, 512),
        ({"max_position_embeddings": 514, "model_type": "roberta", "pad_token_id": 1}, 512),
        ({"max_position_embeddings": "many"}, None),
        ({}, None),
    ],
)
def test_positions_a_model_can_read(found: dict[str, Any], count: int | None) -> None:
    assert positions(found) == count


@pytest.mark.parametrize("written", ["", "[]", "{", "[" * 100_000, "\xff"])
def test_a_config_that_is_no_json_object_is_refused(tmp_path: Path, written: str) -> None:
    (tmp_path / "config.json").write_text(written, encoding="latin-1")
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        read_config(tmp_path)


def test_a_missing_config_is_refused_without_naming_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as refused:
        read_config(tmp_path)
    assert str(tmp_path) not in refused.value.message


@pytest.mark.parametrize(
    ("section", "temperature", "max_length"),
    [({}, 1.0, 512), ({"temperature": 1.7, "max_length": 96}, 1.7, 96), ({"max_length": 0}, 1.0, 512)],
)
def test_calibration_and_length_come_from_the_checkpoint(
    section: dict[str, Any], temperature: float, max_length: int
) -> None:
    spec, path = spec_for("finbert"), Path("x")
    found = Checkpoint(spec, {"crypto_dt_source": section}, path, path, "r", "onnx", 1)
    assert (found.temperature, found.max_length) == (temperature, max_length)


@pytest.mark.parametrize("temperature", [0, -1.0, "2", True, None])
def test_a_temperature_that_is_no_positive_number_is_refused(temperature: object) -> None:
    found = Checkpoint(
        spec_for("finbert"),
        {"crypto_dt_source": {"temperature": temperature}},
        Path("x"),
        Path("x"),
        "r",
        "onnx",
        1,
    )
    with pytest.raises(ModelUnavailable, match="temperature"):
        _ = found.temperature


class Hub:
    """Stands for the hub's client: a repository of `names`, and what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
        import huggingface_hub

        self.asked: list[Any] = []
        self._real = huggingface_hub.snapshot_download

        def snapshot_download(repo_id: str, **options: Any) -> str:
            if options.get("local_files_only"):
                return self._real(repo_id, **options)
            self.asked.append((repo_id, options["revision"], options["allow_patterns"]))
            folder = (
                Path(options["cache_dir"])
                / f"models--{repo_id.replace('/', '--')}/snapshots/{options['revision']}"
            )
            for name in options["allow_patterns"]:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text("{}")
            return str(folder)

        asked = self.asked

        class Api:
            def list_repo_files(self, repo_id: str, revision: str) -> list[str]:
                asked.append((repo_id, revision))
                return names

        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        monkeypatch.setattr(huggingface_hub, "HfApi", Api)


FINBERT = next(spec for spec in SPECS if spec.id == "finbert")


def test_a_download_asks_for_the_pinned_revision_and_no_other_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = Hub(
        monkeypatch, ["README.md", "config.json", "vocab.txt", "pytorch_model.bin", "tf_model.h5", "evil.py"]
    )
    folder = hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=False)
    files = ["config.json", "vocab.txt", "pytorch_model.bin"]
    assert hub.asked == [
        ("ProsusAI/finbert", FINBERT.revision),
        ("ProsusAI/finbert", FINBERT.revision, files),
    ]
    assert folder.name == FINBERT.revision
    hub.asked.clear()
    assert hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=False) == folder
    assert hub.asked == [], "what is kept is not asked for again"


def test_a_download_that_broke_off_is_taken_up_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = Hub(monkeypatch, ["config.json", "vocab.txt", "pytorch_model.bin"])
    folder = hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=False)
    (folder / "pytorch_model.bin").unlink()
    hub.asked.clear()
    hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=False)
    assert len(hub.asked) == 2


def test_without_downloads_only_what_is_kept_can_be_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = Hub(monkeypatch, [])
    with pytest.raises(ModelUnavailable, match="downloads are off"):
        hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=True)
    assert hub.asked == []


def test_a_repository_without_usable_files_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Hub(monkeypatch, ["config.json", "vocab.txt", "tf_model.h5"])
    with pytest.raises(ModelUnavailable, match="no config, tokenizer or weights"):
        hub_folder(FINBERT, tmp_path, "torch", weights=True, offline=False)


def test_a_folders_revision_changes_with_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({}))
    (tmp_path / "model.safetensors").write_bytes(b"a")
    first = checkpoint.digest(tmp_path, ["model.safetensors"])
    (tmp_path / "model.safetensors").write_bytes(b"b")
    assert checkpoint.digest(tmp_path, ["model.safetensors"]) != first
    assert re.fullmatch("sha256-[0-9a-f]{12}", first)


def test_a_spec_without_a_hub_id_is_in_no_repository(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable):
        hub_folder(replace(FINBERT, hub_id=None), tmp_path, "onnx", weights=True, offline=True)
