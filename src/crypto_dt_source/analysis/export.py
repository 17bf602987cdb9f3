"""Makes, once, what a checkpoint does not bring: an int8 ONNX file, a fast tokenizer file.

    python -m crypto_dt_source.analysis.export FOLDER TARGET TASK [--tokenizer] [--onnx]

It runs in a process of its own: torch takes seconds to load and twice the model's memory, and all of that goes with the
process. A file appears in TARGET whole or not at all.
Sources: https://docs.pytorch.org/docs/stable/onnx.html,
https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
"""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..model.errors import ModelUnavailable
from .catalog import GENERATION
from .checkpoint import TOKENIZER

MODEL = "model.onnx"
OPSET = 17
TIMEOUT_S = 1800.0


def export_onnx(model: Any, task: str, file: Path) -> None:
    """Write a transformers model as float32 ONNX: `logits` of every row, for generation of the last token alone."""
    torch: Any = importlib.import_module("torch")

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
            given = {"input_ids": input_ids, "attention_mask": attention_mask}
            if token_type_ids is not None:
                given["token_type_ids"] = token_type_ids
            found = self.model(**given).logits
            return found[:, -1] if task == GENERATION else found

    # Two rows with padding, so that neither the batch nor the mask is taken for a constant. BART reads a sentence's
    # end where its end token stands: every row has one.
    width, end = 8, getattr(model.config, "eos_token_id", None)
    ids = torch.full((2, width), 4, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, width - 2 :] = 0
    if isinstance(end, int):
        ids[0, width - 1] = ids[1, width - 3] = end
    inputs = {"input_ids": ids, "attention_mask": mask}
    if int(getattr(model.config, "type_vocab_size", 0) or 0) > 1:
        inputs["token_type_ids"] = torch.zeros_like(ids)
    model.config.use_cache = False
    axes = {name: {0: "batch", 1: "length"} for name in inputs} | {"logits": {0: "batch"}}
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of every Python branch it settles; the tests compare its result with torch.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits().eval(),
            tuple(inputs.values()),
            str(file),
            input_names=list(inputs),
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


def quantise(source: Path, target: Path) -> None:
    """int8 weights, one scale a channel; activations are quantised as they come. Seven of the eight bits are used, so
    that sums do not overflow on processors without VNNI."""
    from onnxruntime.quantization import QuantType, quantize_dynamic  # type: ignore[import-untyped]

    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)


def make_onnx(folder: Path, target: Path, task: str, *, int8: bool = True) -> Path:
    """TARGET/model.onnx from the torch weights in `folder`."""
    from .torch_backend import open_model

    with _workplace(target) as place:
        whole = Path(place) / "float.onnx"
        export_onnx(open_model(folder, task, attn_implementation="eager"), task, whole)
        made = whole
        if int8:
            made = Path(place) / MODEL
            quantise(whole, made)
        os.replace(made, target / MODEL)
    return target / MODEL


def make_tokenizer(folder: Path, target: Path) -> Path:
    """TARGET/tokenizer.json from the vocabulary files in `folder`, by transformers' converter."""
    transformers: Any = importlib.import_module("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, use_fast=True
    )
    with _workplace(target) as place:
        made = Path(place) / TOKENIZER
        tokenizer.backend_tokenizer.save(str(made))
        os.replace(made, target / TOKENIZER)
    return target / TOKENIZER


def in_child(folder: Path, target: Path, task: str, *, tokenizer: bool, onnx: bool) -> None:
    """The same in a process of its own. Raises ModelUnavailable with its last line where it fails."""
    wanted = [name for name, wants in (("--tokenizer", tokenizer), ("--onnx", onnx)) if wants]
    command = [sys.executable, "-m", __name__, str(folder), str(target), task, *wanted]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S, check=False, text=True)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ModelUnavailable(f"The export took longer than {TIMEOUT_S:.0f} s.") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise ModelUnavailable(f"The export failed: {lines[-1][:300]}")


def _workplace(target: Path) -> tempfile.TemporaryDirectory[str]:
    """A folder on the same disk as TARGET, gone afterwards: renaming from it is one step."""
    target.mkdir(parents=True, exist_ok=True)
    for left in target.glob(".partial-*"):
        shutil.rmtree(left, ignore_errors=True)
    return tempfile.TemporaryDirectory(prefix=".partial-", dir=target)


def main(argv: Sequence[str] | None = None) -> int:
    """0 when the files asked for are there."""
    parser = argparse.ArgumentParser(prog="python -m crypto_dt_source.analysis.export")
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("task")
    parser.add_argument("--tokenizer", action="store_true")
    parser.add_argument("--onnx", action="store_true")
    asked = parser.parse_args(argv)
    if asked.tokenizer:
        make_tokenizer(asked.folder, asked.target)
    if asked.onnx:
        make_onnx(asked.folder, asked.target, asked.task)
    return 0


if __name__ == "__main__":
    sys.exit(main())
