"""Models run by onnxruntime. https://onnxruntime.ai/docs/api/python/api_summary.html"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from ..model.errors import ModelUnavailable
from .encoding import Batch
from .labels import Floats

THREADS = 4
"""Most threads one model computes with."""
SMALL = 64_000_000
"""Bytes of weights up to which an operator takes less time than waking a thread for it does."""
SLOWER = "SkipLayerNormFusion"
"""Puts an addition and a layer normalisation into one operator, which on a CPU takes 2.6 times as long as the two."""
_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


def cores() -> int:
    """Cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


class OnnxRunner:
    """One session. `memory_bytes` is the size of its weights.

    Raises ModelUnavailable where the graph wants inputs a text does not have (a cache of earlier tokens, say).
    """

    def __init__(self, file: Path, size: int) -> None:
        threads = max(1, min(THREADS, cores()))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Between the operators of a small model a thread must not sleep, waking it takes longer than its work; between
        # passes one that spins takes the core the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "1" if size <= SMALL else "0")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"], disabled_optimizers=[SLOWER]
        )
        self._inputs = {found.name for found in self._session.get_inputs()}
        if not {"input_ids"} <= self._inputs <= _INPUTS:
            raise ModelUnavailable(
                f"The ONNX file wants the inputs {', '.join(sorted(self._inputs))}, which a text does not have."
            )
        self._output = self._session.get_outputs()[0].name
        self.memory_bytes = size

    def logits(self, batch: Batch) -> Floats:
        """The first output, for every row of the batch."""
        given = {"input_ids": batch.ids, "attention_mask": batch.mask, "token_type_ids": batch.types}
        found = self._session.run([self._output], {name: given[name] for name in self._inputs})[0]
        return np.asarray(found, np.float32)

    def logits_of(self, batches: Sequence[Batch]) -> list[Floats]:
        """The same for several batches."""
        return [self.logits(batch) for batch in batches]

    def continued(self, ids: Sequence[int], max_new_tokens: int, eos: frozenset[int]) -> list[int]:
        """The likeliest next token, again and again: no cache, the graph reads all of them each time."""
        whole = list(ids)
        for _ in range(max_new_tokens):
            row = np.asarray([whole], np.int64)
            last = self.logits(Batch(row, np.ones_like(row), np.zeros_like(row)))[0]
            token = int((last[-1] if last.ndim == 2 else last).argmax())
            if token in eos:
                break
            whole.append(token)
        return whole[len(ids) :]

    def close(self) -> None:
        """Give the session's memory back."""
        del self._session
