"""Models run by transformers on torch, on the GPU where there is one.

https://huggingface.co/docs/transformers/main_classes/model
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .catalog import GENERATION
from .encoding import Batch
from .labels import Floats

# By name, for type checks are made with and without the extra.
torch: Any = importlib.import_module("torch")
transformers: Any = importlib.import_module("transformers")


def open_model(folder: Path, task: str, **options: Any) -> Any:
    """The checkpoint's model in float32, ready to run: weights from safetensors where there are any, else from pickles
    read as plain tensors. Nothing is downloaded and no code of the folder is run."""
    auto = (
        transformers.AutoModelForCausalLM
        if task == GENERATION
        else transformers.AutoModelForSequenceClassification
    )
    model = auto.from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=any(folder.glob("*.safetensors")),
        weights_only=True,
        dtype=torch.float32,
        **options,
    )
    return model.eval()


class TorchRunner:
    """One model. `memory_bytes` is that of its parameters and buffers."""

    def __init__(self, folder: Path, task: str) -> None:
        transformers.utils.logging.disable_progress_bar()
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = open_model(folder, task).to(self._device)
        tensors = (*self._model.parameters(), *self._model.buffers())
        self.memory_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        self._typed = int(getattr(self._model.config, "type_vocab_size", 0) or 0) > 1

    def logits(self, batch: Batch) -> Floats:
        """The model's logits, for every row of the batch."""
        given = {"input_ids": self._tensor(batch.ids), "attention_mask": self._tensor(batch.mask)}
        if self._typed:
            given["token_type_ids"] = self._tensor(batch.types)
        with torch.inference_mode():
            found: Floats = self._model(**given).logits.float().cpu().numpy()
        return found

    def logits_of(self, batches: Sequence[Batch]) -> list[Floats]:
        """The same for several batches, one after the other: torch shares each among its own threads."""
        return [self.logits(batch) for batch in batches]

    def continued(self, ids: Sequence[int], max_new_tokens: int, eos: frozenset[int]) -> list[int]:
        """The likeliest next token, again and again, by the library's own loop and its cache."""
        row = self._tensor(np.asarray([ids], np.int64))
        ends = sorted(eos)
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=row,
                attention_mask=torch.ones_like(row),
                do_sample=False,
                num_beams=1,
                max_new_tokens=max_new_tokens,
                eos_token_id=ends or None,
                pad_token_id=ends[0] if ends else 0,
            )
        new: list[int] = found[0, len(ids) :].tolist()
        end = next((place for place, token in enumerate(new) if token in eos), len(new))
        return new[:end]

    def close(self) -> None:
        """Give the weights back."""
        del self._model
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _tensor(self, values: Any) -> Any:
        return torch.from_numpy(values).to(self._device)
