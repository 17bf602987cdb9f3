"""From a model's own labels to one scale: which of its outputs is bearish, neutral or bullish, and with what share.

Nothing is assumed from the order of outputs: each index is read by its name in the checkpoint's `config.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model.errors import ModelUnavailable
from ..model.sentiment import LABELS, Score

Floats = NDArray[np.float32]

_WORDS = {
    "bearish": ("bearish", "bear", "negative", "neg", "very negative", "very bearish"),
    "neutral": ("neutral", "neu"),
    "bullish": ("bullish", "bull", "positive", "pos", "very positive", "very bullish"),
}
_KNOWN = {word: label for label, words in _WORDS.items() for word in words}
_SEPARATORS = re.compile(r"[\s_\-]+")


def _word(raw: str) -> str:
    return _SEPARATORS.sub(" ", raw.strip().lower())


def own_labels(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The checkpoint's labels by output index, from `id2label`, else from `label2id`.

    Raises ModelUnavailable where neither names every output once.
    """
    named = config.get("id2label")
    if not isinstance(named, Mapping) or not named:
        inverse = config.get("label2id")
        named = {index: raw for raw, index in inverse.items()} if isinstance(inverse, Mapping) else {}
    try:
        by_index = {int(index): str(raw) for index, raw in named.items()}
    except (TypeError, ValueError):
        by_index = {}
    if not by_index or sorted(by_index) != list(range(len(by_index))):
        raise ModelUnavailable(
            "The checkpoint's config.json names no labels: it needs id2label for every output."
        )
    return tuple(by_index[index] for index in range(len(by_index)))


def entailment_index(own: Sequence[str]) -> int:
    """The output that means entailment. Raises ModelUnavailable where not exactly one is named so."""
    found = [index for index, raw in enumerate(own) if _word(raw) in ("entailment", "entail")]
    if len(found) != 1:
        raise ModelUnavailable(f"The checkpoint's labels {', '.join(own)} do not name one entailment output.")
    return found[0]


@dataclass(frozen=True, slots=True)
class LabelMap:
    """`own[i]` is the model's word for output i; `scale[i]` is where that stands in LABELS."""

    own: tuple[str, ...]
    scale: tuple[int, ...]

    @classmethod
    def of(cls, own: Sequence[str], given: Mapping[str, str] | None = None) -> LabelMap:
        """`given` maps own words to LABELS and comes first; then words that mean one thing everywhere.

        A bare `LABEL_1` means one thing in one checkpoint and another in the next, so it is never guessed. Raises
        ModelUnavailable for a label that cannot be mapped, and for a model that cannot say bearish or bullish.
        """
        known = _KNOWN | {_word(raw): label for raw, label in (given or {}).items()}
        unknown = [raw for raw in own if _word(raw) not in known]
        if unknown:
            raise ModelUnavailable(
                f"The model's label {unknown[0]!r} is neither bearish, neutral nor bullish: name its outputs in "
                "id2label of its config.json."
            )
        scale = tuple(LABELS.index(known[_word(raw)]) for raw in own)
        if not {LABELS.index("bearish"), LABELS.index("bullish")} <= set(scale):
            raise ModelUnavailable(
                f"The model's labels {', '.join(own)} cannot say both bearish and bullish."
            )
        return cls(tuple(own), scale)


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Shares along the last axis, of logits divided by `temperature` (Guo et al. 2017, https://arxiv.org/abs/1706.04599:
    one number, fitted on held-out data, that leaves the order of labels as it is)."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=-1, keepdims=True)
    powers = np.exp(scaled)
    shares: Floats = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares


def scores_of(logits: Floats, labels: LabelMap, temperature: float, model: str, revision: str) -> list[Score]:
    """One Score a row of `logits` (rows, outputs). Raises ModelUnavailable where the checkpoint's outputs are not as
    many as its labels, or are not numbers."""
    if logits.ndim != 2 or logits.shape[1] != len(labels.own):
        raise ModelUnavailable(
            f"The model gives outputs of shape {logits.shape} for {len(labels.own)} labels: its files do not fit."
        )
    if not np.isfinite(logits).all():
        raise ModelUnavailable("The model gives outputs that are not numbers: its weights are damaged.")
    shares = softmax(logits, temperature)
    return [_score(row, labels, model, revision) for row in shares.tolist()]


def _score(row: Sequence[float], labels: LabelMap, model: str, revision: str) -> Score:
    sums = [0.0] * len(LABELS)
    for share, place in zip(row, labels.scale, strict=True):
        sums[place] += share
    total = sum(sums)
    sums = [share / total for share in sums]
    best = max(range(len(sums)), key=sums.__getitem__)
    # The model's own word among the outputs that count towards the label: several of them may.
    raw = max((i for i, place in enumerate(labels.scale) if place == best), key=row.__getitem__)
    return Score(LABELS[best], sums[best], sums[0], sums[1], sums[2], labels.own[raw], model, revision)
