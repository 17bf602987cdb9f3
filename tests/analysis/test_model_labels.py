"""A model's outputs are read by their names, never by their order."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from crypto_dt_source.analysis.labels import LabelMap, entailment_index, own_labels, scores_of, softmax
from crypto_dt_source.model.errors import ModelUnavailable


def logits(*rows: list[float]) -> Any:
    return np.asarray(rows, np.float32)


@pytest.mark.parametrize(
    ("config", "own"),
    [
        (
            {"id2label": {"0": "positive", "1": "negative", "2": "neutral"}},
            ("positive", "negative", "neutral"),
        ),
        (
            {"id2label": {"2": "neutral", "0": "positive", "1": "negative"}},
            ("positive", "negative", "neutral"),
        ),
        ({"label2id": {"Bullish": 1, "Bearish": 0}}, ("Bearish", "Bullish")),
    ],
)
def test_labels_are_read_by_index(config: dict[str, Any], own: tuple[str, ...]) -> None:
    assert own_labels(config) == own


@pytest.mark.parametrize(
    "config",
    [{}, {"id2label": {}}, {"id2label": {"0": "a", "2": "b"}}, {"id2label": {"x": "a"}}, {"id2label": [1]}],
)
def test_a_config_that_does_not_name_every_output_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ModelUnavailable, match="names no labels"):
        own_labels(config)


@pytest.mark.parametrize(
    ("own", "row", "label", "raw"),
    [
        (("positive", "negative", "neutral"), [4.0, 0.0, 0.0], "bullish", "positive"),
        (("negative", "neutral", "positive"), [4.0, 0.0, 0.0], "bearish", "negative"),
        (("bearish", "bullish", "neutral"), [0.0, 0.0, 4.0], "neutral", "neutral"),
        (("NEGATIVE", "POSITIVE"), [0.0, 4.0], "bullish", "POSITIVE"),
        (("POSITIVE", "NEGATIVE"), [0.0, 4.0], "bearish", "NEGATIVE"),
        (("Very_Negative", "neg", "Neutral", "pos"), [1.0, 3.0, 0.0, 0.0], "bearish", "neg"),
    ],
)
def test_each_output_counts_for_what_its_name_says(
    own: tuple[str, ...], row: list[float], label: str, raw: str
) -> None:
    (score,) = scores_of(logits(row), LabelMap.of(own), 1.0, "m", "r")
    assert (score.label, score.raw_label, score.model, score.revision) == (label, raw, "m", "r")
    assert score.confidence == max(score.bearish, score.neutral, score.bullish)
    assert math.isclose(score.bearish + score.neutral + score.bullish, 1.0)


def test_a_two_way_model_has_no_neutral_share() -> None:
    (score,) = scores_of(logits([0.3, 0.2]), LabelMap.of(("NEGATIVE", "POSITIVE")), 1.0, "m", "r")
    assert score.neutral == 0.0
    assert score.score == pytest.approx(score.bullish - score.bearish)


def test_outputs_of_one_meaning_are_added() -> None:
    own = ("very negative", "negative", "neutral", "positive", "very positive")
    (score,) = scores_of(logits([1.0, 1.0, 1.0, 1.4, 1.4]), LabelMap.of(own), 1.0, "m", "r")
    shares = softmax(logits([1.0, 1.0, 1.0, 1.4, 1.4]))[0]
    assert score.label == "bullish"
    assert score.bullish == pytest.approx(shares[3] + shares[4])


def test_the_specs_own_map_comes_first() -> None:
    labels = LabelMap.of(("up", "down"), {"UP": "bullish", "down": "bearish"})
    assert labels.scale == (2, 0)


@pytest.mark.parametrize(
    "own", [("LABEL_0", "LABEL_1", "LABEL_2"), ("joy", "anger"), ("negative", "neutral", "mixed")]
)
def test_labels_that_do_not_say_what_they_mean_are_refused(own: tuple[str, ...]) -> None:
    with pytest.raises(ModelUnavailable, match="is neither bearish, neutral nor bullish"):
        LabelMap.of(own)


def test_a_model_without_one_of_the_poles_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="both bearish and bullish"):
        LabelMap.of(("neutral", "positive"))


@pytest.mark.parametrize(
    ("own", "index"),
    [
        (("contradiction", "neutral", "entailment"), 2),
        (("entailment", "neutral", "contradiction"), 0),
        (("CONTRADICTION", "ENTAILMENT"), 1),
    ],
)
def test_the_entailment_output_is_found_by_name(own: tuple[str, ...], index: int) -> None:
    assert entailment_index(own) == index


@pytest.mark.parametrize("own", [("no", "yes"), ("entailment", "not_entailment", "entail")])
def test_without_one_entailment_output_there_is_no_zero_shot(own: tuple[str, ...]) -> None:
    with pytest.raises(ModelUnavailable, match="entailment"):
        entailment_index(own)


def test_a_temperature_changes_confidence_and_no_label() -> None:
    rows = logits([2.0, 0.5, -1.0], [0.0, 0.1, 3.0])
    labels = LabelMap.of(("negative", "neutral", "positive"))
    sharp, mild = scores_of(rows, labels, 1.0, "m", "r"), scores_of(rows, labels, 2.0, "m", "r")
    assert [score.label for score in sharp] == [score.label for score in mild] == ["bearish", "bullish"]
    assert mild[0].confidence == pytest.approx(math.exp(1) / (math.exp(1) + math.exp(0.25) + math.exp(-0.5)))
    assert all(b.confidence < a.confidence for a, b in zip(sharp, mild, strict=True))


def test_huge_logits_do_not_overflow() -> None:
    (score,) = scores_of(logits([3e38, -3e38]), LabelMap.of(("negative", "positive")), 1.0, "m", "r")
    assert (score.bearish, score.bullish) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("rows", "said"), [(logits([1.0, 2.0, 3.0]), "do not fit"), (logits([float("nan"), 1.0]), "not numbers")]
)
def test_outputs_that_do_not_fit_the_labels_are_an_error(rows: Any, said: str) -> None:
    with pytest.raises(ModelUnavailable, match=said):
        scores_of(rows, LabelMap.of(("negative", "positive")), 1.0, "m", "r")
