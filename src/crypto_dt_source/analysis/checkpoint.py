"""The files of one model: where they are, which of them a backend needs, and what config.json says of them.

A hub repository is downloaded at the spec's revision, only the files named here, and only when a model is to be loaded.
Code of a repository is never run, and pickled weights are taken only where there are no safetensors.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..model.errors import ModelUnavailable
from .catalog import GENERATION, SENTIMENT, ZERO_SHOT, ModelSpec

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
_TOKENIZER_PARTS = (
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt", "vocab.json", "merges.txt",
)  # fmt: skip
_OWN_ONNX = (
    "onnx/model_quantized.onnx", "onnx/model_int8.onnx", "model_quantized.onnx", "onnx/model.onnx", "model.onnx",
)  # fmt: skip
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.(safetensors|bin)$")
CONFIG_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Files ready to be opened by `backend`. `spec` has the task config.json says; `weights` is the ONNX file for onnx
    and the folder for torch; `size` is the bytes of the weights."""

    spec: ModelSpec
    config: Mapping[str, Any]
    tokenizer: Path
    weights: Path
    revision: str
    backend: str
    size: int

    @property
    def temperature(self) -> float:
        """What logits are divided by: 1 where the checkpoint names none. Raises ModelUnavailable for one that is no
        positive number."""
        value = own_section(self.config).get("temperature", 1.0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
            raise ModelUnavailable(
                f"The temperature in config.json is {value!r}: it must be a positive number."
            )
        return float(value)

    @property
    def max_length(self) -> int:
        """Tokens: the checkpoint's own word, else the spec's."""
        value = own_section(self.config).get("max_length")
        return value if isinstance(value, int) and value > 0 else self.spec.max_length


def own_section(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What this project's training writes into config.json; empty for everybody else's."""
    section = config.get("crypto_dt_source")
    return section if isinstance(section, Mapping) else {}


def read_config(folder: Path) -> dict[str, Any]:
    """config.json. Raises ModelUnavailable where it is not there, or is not a JSON object."""
    try:
        raw = (folder / CONFIG).read_bytes()
        config = json.loads(raw) if len(raw) <= CONFIG_LIMIT else None
    except OSError as error:
        raise ModelUnavailable(f"{CONFIG} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelUnavailable(f"{CONFIG} is not JSON.") from error
    if not isinstance(config, dict):
        raise ModelUnavailable(f"{CONFIG} is not a JSON object of a model.")
    return config


def positions(config: Mapping[str, Any]) -> int | None:
    """Tokens the architecture has positions for; RoBERTa's begin after its padding number. None where not said."""
    value = config.get("max_position_embeddings")
    if not isinstance(value, int) or value < 1:
        return None
    pad = config.get("pad_token_id")
    offset = pad + 1 if "roberta" in str(config.get("model_type")) and isinstance(pad, int) else 0
    return value - offset


def with_task(spec: ModelSpec, config: Mapping[str, Any]) -> ModelSpec:
    """The spec with the task its architecture has. Raises ModelUnavailable for one of another kind, and where what is
    meant to classify turns out to write, or the other way round."""
    named = config.get("architectures")
    architecture = str(named[0]) if isinstance(named, list) and named else ""
    if architecture.endswith("ForCausalLM"):
        task = GENERATION
    elif architecture.endswith("ForSequenceClassification"):
        labels = config.get("label2id")
        words = {str(word).lower() for word in labels} if isinstance(labels, Mapping) else set()
        named_by_index = config.get("id2label")
        if isinstance(named_by_index, Mapping):
            words |= {str(word).lower() for word in named_by_index.values()}
        task = ZERO_SHOT if words & {"entailment", "entail"} else SENTIMENT
    else:
        raise ModelUnavailable(
            f"config.json names the architecture {architecture!r}, which is not one used here."
        )
    if (spec.task == GENERATION) != (task == GENERATION):
        raise ModelUnavailable(f"The checkpoint is made for {task}, not for {spec.task}.")
    return replace(spec, task=task)


def own_onnx(spec: ModelSpec, names: Iterable[str]) -> str | None:
    """The ONNX file a repository or folder brings. Generation has none: such files want a cache as input."""
    there = set(names)
    if spec.task == GENERATION:
        return None
    return next((name for name in filter(None, (spec.onnx_file, *_OWN_ONNX)) if name in there), None)


def weight_files(names: Iterable[str]) -> list[str]:
    """The torch weights: safetensors, and pickled ones only where there are none. Empty where a part is missing."""
    there = list(names)
    for stem, suffix in (("model", "safetensors"), ("pytorch_model", "bin")):
        if f"{stem}.{suffix}" in there:
            return [f"{stem}.{suffix}"]
        shards = [name for name in there if name.startswith(f"{stem}-") and _SHARD.search(name)]
        index = f"{stem}.{suffix}.index.json"
        if shards and index in there and all(_shards(name) == len(shards) for name in shards):
            return [*sorted(shards), index]
    return []


def _shards(name: str) -> int:
    found = _SHARD.search(name)
    return int(found[1]) if found else 0


def needed(spec: ModelSpec, names: Iterable[str], backend: str, *, weights: bool) -> list[str] | None:
    """The files to have for `backend` out of `names`; without `weights` (an export is kept) only the small ones. None
    where something is missing that no other file makes up for."""
    there = set(names)
    small = [CONFIG, "generation_config.json", TOKENIZER, f"onnx/{TOKENIZER}", *_TOKENIZER_PARTS]
    chosen = [name for name in small if name in there]
    if CONFIG not in there or not there & {TOKENIZER, f"onnx/{TOKENIZER}", "vocab.txt", "vocab.json"}:
        return None
    if not weights:
        return chosen
    onnx = own_onnx(spec, there) if backend == "onnx" else None
    if onnx is not None:
        return [*chosen, *(name for name in (onnx, f"{onnx}_data") if name in there)]
    torch = weight_files(there)
    return [*chosen, *torch] if torch else None


def names_in(folder: Path) -> list[str]:
    """Files of a checkpoint's folder and of its `onnx` folder, as a hub repository names them."""
    found = [path.name for path in folder.iterdir() if path.is_file()]
    onnx = folder / "onnx"
    return found + (
        [f"onnx/{path.name}" for path in onnx.iterdir() if path.is_file()] if onnx.is_dir() else []
    )


def digest(folder: Path, names: Iterable[str]) -> str:
    """What stands for a revision where a folder has none: the first 12 digits of the SHA-256 of config and weights."""
    sha = hashlib.sha256()
    for name in (CONFIG, *sorted(names)):
        with (folder / name).open("rb") as file:
            sha.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256-{sha.hexdigest()[:12]}"


def hub_folder(spec: ModelSpec, cache: Path, backend: str, *, weights: bool, offline: bool) -> Path:
    """The snapshot of the spec's revision, downloaded where it is not kept yet.

    What is kept is taken without asking the hub. Raises ModelUnavailable where it is not kept and may not or cannot be
    had; errors of the network and of the disk come through as they are.
    Source: https://huggingface.co/docs/huggingface_hub/guides/download
    """
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if spec.hub_id is None:
        raise ModelUnavailable(f"{spec.id} is in no hub repository.")
    try:
        kept = Path(
            huggingface_hub.snapshot_download(
                spec.hub_id,
                revision=spec.revision,
                cache_dir=cache,
                local_files_only=True,
                allow_patterns=[CONFIG],
            )
        )
    except LocalEntryNotFoundError:
        kept = None
    if kept is not None and needed(spec, names_in(kept), backend, weights=weights) is not None:
        return kept
    if offline:
        raise ModelUnavailable(f"{spec.hub_id} is not in the models folder, and downloads are off.")
    disable_progress_bars()
    names = huggingface_hub.HfApi().list_repo_files(spec.hub_id, revision=spec.revision)
    wanted = needed(spec, names, backend, weights=weights)
    if wanted is None:
        raise ModelUnavailable(f"{spec.hub_id} has no config, tokenizer or weights that can be used here.")
    return Path(
        huggingface_hub.snapshot_download(
            spec.hub_id, revision=spec.revision, cache_dir=cache, allow_patterns=wanted
        )
    )
