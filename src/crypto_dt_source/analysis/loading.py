"""From a spec to a model that answers: fetch its files, make what is missing, open it with a backend. All of it blocks;
the registry calls it in a thread.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..model.errors import ModelUnavailable
from ..model.sentiment import Score
from .catalog import EMBEDDED, GENERATION, ZERO_SHOT, ModelSpec
from .checkpoint import (
    TOKENIZER,
    Checkpoint,
    digest,
    hub_folder,
    names_in,
    own_onnx,
    own_section,
    read_config,
    weight_files,
    with_task,
)
from .export import MODEL, in_child

EXTRA = "install the extra crypto-dt-source[transformers]"


FIRST = "Markets open."


class Scorer(Protocol):
    """A loaded model of sentiment."""

    checkpoint: Checkpoint
    memory_bytes: int
    ended: bool

    def score(self, texts: Sequence[str]) -> list[Score]: ...

    def close(self) -> None: ...


class Writer(Protocol):
    """A loaded model of text."""

    checkpoint: Checkpoint
    memory_bytes: int
    ended: bool

    def generate(self, prompt: str, max_new_tokens: int) -> str: ...

    def close(self) -> None: ...


class Exporter(Protocol):
    """See `export.in_child`."""

    def __call__(self, folder: Path, target: Path, task: str, *, tokenizer: bool, onnx: bool) -> None: ...


def extra_installed() -> bool:
    """Whether torch and transformers are there, without loading either."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "transformers"))


def gpu_present() -> bool:
    """Whether the system has an NVIDIA device, without loading torch."""
    return os.path.exists("/dev/nvidia0")


class Loading:
    """`folder` keeps downloads (`hub`) and what was made of them (`prepared`); None: only complete local folders can be
    loaded. `backend` is `onnx`, `torch`, or `auto`: torch for generation and on a GPU where it is installed, else
    onnx. `hosted` gives each torch model a process of its own."""

    def __init__(
        self,
        folder: Path | None,
        *,
        backend: str = "auto",
        offline: bool = False,
        exporter: Exporter = in_child,
        hosted: bool = True,
    ) -> None:
        self._folder = folder
        self._backend = backend
        self._offline = offline
        self._exporter = exporter
        self._hosted = hosted

    def backend_for(self, spec: ModelSpec) -> str:
        """What the spec's model runs on here. The packaged model is an ONNX file whatever the setting says."""
        if spec.id == EMBEDDED:
            return "onnx"
        if self._backend != "auto":
            return self._backend
        wants_torch = spec.task == GENERATION or gpu_present()
        return "torch" if wants_torch and extra_installed() else "onnx"

    def fetch(self, spec: ModelSpec) -> Checkpoint:
        """The files, ready to be opened. Raises ModelUnavailable, or what the network or the disk raised."""
        backend = self.backend_for(spec)
        if backend == "torch" and not extra_installed():
            raise ModelUnavailable(f"The torch backend needs torch and transformers: {EXTRA}.")
        folder = self._files(spec, backend)
        config = read_config(folder)
        spec = with_task(spec, config)
        names = names_in(folder)
        own = own_onnx(spec, names) if backend == "onnx" else None
        weights = [own] if own else weight_files(names)
        revision = _revision(spec, folder, config, weights)
        tokenizer = next((folder / name for name in (TOKENIZER, f"onnx/{TOKENIZER}") if name in names), None)
        exports = backend == "onnx" and own is None
        if tokenizer is None or exports:
            made = self._made(spec, folder, revision, tokenizer is None, exports)
            tokenizer = tokenizer or made / TOKENIZER
        if exports:
            file = made / MODEL
            return Checkpoint(spec, config, tokenizer, file, revision, backend, file.stat().st_size)
        if not weights:
            raise ModelUnavailable(
                "There are no whole torch weights (safetensors or pytorch_model.bin) in its files."
            )
        if own:
            weights = [name for name in (own, f"{own}_data") if name in names]
        size = sum((folder / name).stat().st_size for name in weights)
        file = folder / own if own else folder
        return Checkpoint(spec, config, tokenizer, file, revision, backend, size)

    def _files(self, spec: ModelSpec, backend: str) -> Path:
        """The folder of the spec's own files, downloaded where it is a hub repository's."""
        if spec.folder is not None:
            if not spec.folder.is_dir():
                raise ModelUnavailable("Its folder is not there.")
            return spec.folder
        exported = (self._kept(spec, "prepared") / spec.id / spec.revision / MODEL).is_file()
        weights = backend == "torch" or not exported
        return hub_folder(spec, self._kept(spec, "hub"), backend, weights=weights, offline=self._offline)

    def open(self, checkpoint: Checkpoint) -> Scorer | Writer:
        """The model, ready to answer: in this process on onnxruntime, in one of its own on torch."""
        if checkpoint.backend == "torch" and self._hosted:
            from .hosted import Hosted

            return Hosted(checkpoint)
        return open_here(checkpoint)

    def _kept(self, spec: ModelSpec, name: str) -> Path:
        if self._folder is None:
            raise ModelUnavailable(f"There is no folder to keep the files of {spec.id} in.")
        return self._folder / name

    def _made(self, spec: ModelSpec, folder: Path, revision: str, tokenizer: bool, onnx: bool) -> Path:
        """The folder of what the repository does not bring, made at the first call and kept."""
        target = self._kept(spec, "prepared") / spec.id / re.sub(r"[^\w.-]", "-", revision)
        tokenizer = tokenizer and not (target / TOKENIZER).is_file()
        onnx = onnx and not (target / MODEL).is_file()
        if not tokenizer and not onnx:
            return target
        what = " and ".join(name for name, wants in (("ONNX", onnx), (TOKENIZER, tokenizer)) if wants)
        if onnx and not weight_files(names_in(folder)):
            raise ModelUnavailable("There are neither ONNX files nor whole torch weights in its files.")
        if not extra_installed():
            raise ModelUnavailable(f"Its files have no {what}, and making one needs torch: {EXTRA}.")
        self._exporter(folder, target, spec.task, tokenizer=tokenizer, onnx=onnx)
        return target


def open_here(checkpoint: Checkpoint) -> Scorer | Writer:
    """The model in this process's memory. Libraries are imported here, so that a service without a model has none of
    them."""
    from .scoring import Runner, SentimentModel, TextModel, ZeroShotModel

    task = checkpoint.spec.task
    runner: Runner
    if checkpoint.backend == "torch":
        from .torch_backend import TorchRunner

        runner = TorchRunner(checkpoint.weights, task)
    else:
        from .onnx_backend import OnnxRunner

        runner = OnnxRunner(checkpoint.weights, checkpoint.size)
    # One text through it: what does not fit shows now, and not in the first caller's answer.
    if task == GENERATION:
        writer = TextModel(checkpoint, runner)
        writer.generate(FIRST, 1)
        return writer
    scorer = ZeroShotModel(checkpoint, runner) if task == ZERO_SHOT else SentimentModel(checkpoint, runner)
    scorer.score([FIRST])
    return scorer


def _revision(spec: ModelSpec, folder: Path, config: Mapping[str, Any], weights: Sequence[str]) -> str:
    """A hub snapshot's commit, what training wrote into config.json, else what the files' bytes say."""
    if spec.folder is None:
        return folder.name
    return str(own_section(config).get("revision") or "") or digest(folder, weights)
