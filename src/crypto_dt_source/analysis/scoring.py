"""What a loaded model does with texts: sentiment by its own labels or by hypotheses, and text that goes on.

Blocking and for one thread at a time: the batcher gives each model one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from ..model.sentiment import LABELS, Score
from .catalog import HYPOTHESES
from .checkpoint import Checkpoint, own_section
from .encoding import Batch, Encoded, Encoder
from .labels import Floats, LabelMap, entailment_index, own_labels, scores_of
from .texts import as_tweet, without_links


class Runner(Protocol):
    """Weights that compute."""

    memory_bytes: int

    def logits_of(self, batches: Sequence[Batch]) -> list[Floats]: ...

    def continued(self, ids: Sequence[int], max_new_tokens: int, eos: frozenset[int]) -> list[int]: ...

    def close(self) -> None: ...


class SentimentModel:
    """Scores texts that are already clean. Raises ModelUnavailable at once where labels cannot be mapped."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner) -> None:
        self.checkpoint = checkpoint
        self.ended = False
        self.memory_bytes = runner.memory_bytes
        self._runner = runner
        self._labels = LabelMap.of(own_labels(checkpoint.config), checkpoint.spec.labels)
        self._temperature = checkpoint.temperature
        self._encoder = Encoder(checkpoint.tokenizer, checkpoint.config, checkpoint.max_length)
        self._reads = _reading(checkpoint)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score a text, in order."""
        spec = self.checkpoint.spec
        read = texts if self._reads is None else [self._reads(text) for text in texts]
        logits = _logits(self._runner, self._encoder, self._encoder.encode(read), len(self._labels.own))
        return scores_of(logits, self._labels, self._temperature, spec.id, self.checkpoint.revision)

    def close(self) -> None:
        self._runner.close()


class ZeroShotModel:
    """A model of entailment asked whether a text makes each of HYPOTHESES true; the three entailment logits are
    weighed against each other. Raises ModelUnavailable where its labels name no entailment."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner) -> None:
        self.checkpoint = checkpoint
        self.ended = False
        self.memory_bytes = runner.memory_bytes
        self._runner = runner
        self._own = own_labels(checkpoint.config)
        self._entails = entailment_index(self._own)
        self._labels = LabelMap.of(LABELS)
        self._temperature = checkpoint.temperature
        self._encoder = Encoder(checkpoint.tokenizer, checkpoint.config, checkpoint.max_length)

    def score(self, texts: Sequence[str]) -> list[Score]:
        """One score a text, in order."""
        pairs = [(text, HYPOTHESES[label]) for text in texts for label in LABELS]
        logits = _logits(self._runner, self._encoder, self._encoder.encode_pairs(pairs), len(self._own))
        entailed = np.ascontiguousarray(logits[:, self._entails].reshape(len(texts), len(LABELS)))
        spec = self.checkpoint.spec
        return scores_of(entailed, self._labels, self._temperature, spec.id, self.checkpoint.revision)

    def close(self) -> None:
        self._runner.close()


class TextModel:
    """Continues a prompt, always the likeliest way: the same prompt gives the same text."""

    def __init__(self, checkpoint: Checkpoint, runner: Runner) -> None:
        self.checkpoint = checkpoint
        self.ended = False
        self.memory_bytes = runner.memory_bytes
        self._runner = runner
        self._encoder = Encoder(checkpoint.tokenizer, checkpoint.config, checkpoint.max_length)
        ends = checkpoint.config.get("eos_token_id")
        self._eos = frozenset(
            end for end in (ends if isinstance(ends, list) else [ends]) if isinstance(end, int)
        )

    def generate(self, prompt: str, max_new_tokens: int) -> str:
        """What follows `prompt`, of at most `max_new_tokens` tokens and of no more than the model has positions for."""
        room = min(max_new_tokens, self._encoder.max_length - 1)
        ids = self._encoder.prompt(prompt, room)
        return self._encoder.decode(self._runner.continued(ids, room, self._eos))

    def close(self) -> None:
        self._runner.close()


def _reading(checkpoint: Checkpoint) -> Callable[[str], str] | None:
    """What a text goes through so that it looks like those the model was trained on; None where that is nothing."""
    if checkpoint.spec.tweets:
        return as_tweet
    return without_links if own_section(checkpoint.config) else None


def _logits(runner: Runner, encoder: Encoder, encoded: Sequence[Encoded], outputs: int) -> Floats:
    """Logits of every row in the order given, however the passes were put together."""
    found: list[Floats | None] = [None] * len(encoded)
    passes = encoder.batches(encoded)
    for (places, _), rows in zip(passes, runner.logits_of([batch for _, batch in passes]), strict=True):
        for place, row in zip(places, rows, strict=True):
            found[place] = row
    return (
        np.stack([row for row in found if row is not None]) if found else np.zeros((0, outputs), np.float32)
    )
