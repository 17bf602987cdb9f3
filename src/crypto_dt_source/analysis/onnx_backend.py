"""Models run by onnxruntime. https://onnxruntime.ai/docs/api/python/api_summary.html"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from ..model.errors import ModelUnavailable
from .encoding import Batch
from .labels import Floats

THREADS = 4
"""Most threads one model computes with."""
SMALL = 64_000_000
"""Bytes of weights up to which a pass is too short to be shared among threads: they would wait for each other at every
operator. A small model's passes run side by side instead, a thread each."""
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
        small = size <= SMALL
        self._passes = ThreadPoolExecutor(threads if small else 1, thread_name_prefix="model-pass")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if small else threads
        options.inter_op_num_threads = 1
        # A thread that spins for its next piece of work takes the core the event loop needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(file), sess_options=options, providers=["CPUExecutionProvider"]
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
        """The same for several batches, side by side where the model is small."""
        if len(batches) == 1:
            return [self.logits(batches[0])]
        # The longest first: the threads then end together.
        return list(self._passes.map(self.logits, reversed(batches)))[::-1]

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
        self._passes.shutdown()
        del self._session
