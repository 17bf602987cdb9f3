"""Sentiment: what a model thinks of a text, and the fear and greed index.

Every score names the model and its revision. Shares are 0..1 and sum to 1; `score` is their balance, -1 (bearish) to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

LABELS = ("bearish", "neutral", "bullish")
"""The one scale every model's own labels are mapped to, in this order."""
TEXT_LIMIT = 10_000
"""Characters of one text."""
BATCH_LIMIT = 256
"""Texts of one batch."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one model makes of one text. `label` is one of LABELS, `confidence` that label's share. A model that cannot
    say one of the labels (a two-way model has no neutral) has 0 there. `raw_label` is the model's own word for it."""

    label: str
    confidence: float
    bearish: float
    neutral: float
    bullish: float
    raw_label: str
    model: str
    revision: str

    @property
    def score(self) -> float:
        """bullish - bearish, in -1..1."""
        return self.bullish - self.bearish


class FearGreed(NamedTuple):
    """One day of a fear and greed index: `value` 0 (fear) to 100 (greed) of the index named `series`, for the UTC day
    that begins at `day_ms`. Indices of different makers are different series."""

    provider: str
    series: str
    value: int
    classification: str
    day_ms: int
    received_ms: int
