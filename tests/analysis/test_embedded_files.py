"""The embedded sentiment model as shipped: its files agree with each other and it says what its card says."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")

ROOT = Path(__file__).resolve().parents[2]
EMBEDDED = ROOT / "src" / "crypto_dt_source" / "analysis" / "embedded"
DATA = ROOT.parent / "shared" / "data" / "twitter-financial-news" / "train.csv"

OBVIOUS = {
    "Bitcoin ETF inflows hit a record as price breaks out": "bullish",
    "Ether rallies 11% to its highest price this year": "bullish",
    "SEC approves spot solana ETF": "bullish",
    "Hedge fund doubles its bitcoin position after strong quarter": "bullish",
    "Exchange stock upgraded to buy as volumes soar": "bullish",
    "DeFi protocol hacked, attackers steal $80 million": "bearish",
    "Bitcoin plunges 12% in worst day of the year": "bearish",
    "Crypto exchange files for bankruptcy after run on deposits": "bearish",
    "Ether tumbles as $500 million of longs are liquidated": "bearish",
    "Regulator sues token issuer for fraud": "bearish",
    "How to choose a hardware wallet": "neutral",
    "Ethereum developers to meet on Thursday": "neutral",
    "Company to publish second quarter results on August 3": "neutral",
}


@pytest.fixture(scope="module")
def evaluation() -> ModuleType:
    """tools/evaluate_sentiment.py."""
    spec = importlib.util.spec_from_file_location(
        "evaluate_sentiment", ROOT / "tools" / "evaluate_sentiment.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["evaluate_sentiment"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(evaluation: ModuleType) -> Any:
    return evaluation.Model(EMBEDDED, threads=1)


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return dict(json.loads((EMBEDDED / "config.json").read_text(encoding="utf-8")))


def test_files_fit_the_package() -> None:
    assert {"model.onnx", "tokenizer.json", "config.json", "MODEL_CARD.md"} <= {
        p.name for p in EMBEDDED.iterdir()
    }
    assert sum(path.stat().st_size for path in EMBEDDED.glob("*.*")) <= 25_000_000


def test_config_describes_the_file(config: dict[str, Any]) -> None:
    ours = config["crypto_dt_source"]
    assert hashlib.sha256((EMBEDDED / "model.onnx").read_bytes()).hexdigest().startswith(ours["revision"])
    assert len(ours["revision"]) >= 12
    assert config["id2label"] == {"0": "bearish", "1": "bullish", "2": "neutral"}
    assert config["label2id"] == {"bearish": 0, "bullish": 1, "neutral": 2}
    assert config["model_type"] == "bert"
    assert 0 < ours["max_length"] <= config["max_position_embeddings"]
    assert 0.3 < ours["temperature"] < 3


def test_card_carries_the_figures_of_the_config(config: dict[str, Any]) -> None:
    card = (EMBEDDED / "MODEL_CARD.md").read_text(encoding="utf-8")
    ours = config["crypto_dt_source"]
    for expected in (
        ours["revision"],
        f"{ours['held_out']['macro_f1']:.3f}",
        f"{ours['crypto']['accuracy']:.3f}",
    ):
        assert expected in card


def test_tokenizer_neither_pads_nor_cuts_by_itself() -> None:
    tokenizer = json.loads((EMBEDDED / "tokenizer.json").read_text(encoding="utf-8"))
    assert tokenizer["padding"] is None
    assert tokenizer["truncation"] is None


def test_obvious_headlines(evaluation: ModuleType, model: Any) -> None:
    said = model.logits(list(OBVIOUS)).argmax(1)
    wrong = {
        text: evaluation.LABELS[label]
        for (text, expected), label in zip(OBVIOUS.items(), said, strict=True)
        if evaluation.LABELS[label] != expected
    }
    assert wrong == {}


def test_a_text_scores_the_same_alone_and_among_others(model: Any) -> None:
    texts = [*OBVIOUS, "BTC", "one long text " * 40, "日本語のニュース", "🚀" * 30]
    together = model.batch(texts)
    alone = [model.batch([text])[0] for text in texts]
    assert abs(together - alone).max() < 1e-3


def test_held_out_headlines(evaluation: ModuleType, model: Any, config: dict[str, Any]) -> None:
    if not DATA.exists():
        pytest.skip("the labelled headlines (../shared/data) are not here")
    held_out = evaluation.split(evaluation.read(DATA))[2]
    logits = model.logits([headline.text for headline in held_out])
    found = evaluation.figures(logits, [headline.label for headline in held_out], model.temperature)
    assert found.headlines > 1000
    # What this revision reached. The aims (0.86, 0.82, 0.05) are those of tools/evaluate_sentiment.py, which says so.
    assert found.accuracy >= 0.838
    assert found.macro_f1 >= 0.787
    assert found.ece <= 0.05
    # The figures published in the card were measured on this file, give or take the rounding of another processor.
    assert found.accuracy == pytest.approx(config["crypto_dt_source"]["held_out"]["accuracy"], abs=0.005)


def test_held_out_crypto_headlines(evaluation: ModuleType, model: Any) -> None:
    training, held_out = evaluation.split_crypto(evaluation.read(evaluation.CRYPTO))
    assert len(training) + len(held_out) >= 450
    logits = model.logits([headline.text for headline in held_out])
    found = evaluation.figures(logits, [headline.label for headline in held_out], model.temperature)
    assert found.headlines >= 120
    assert found.macro_f1 >= 0.8


def test_the_same_story_never_falls_into_two_parts(evaluation: ModuleType) -> None:
    plain = "SEC drops case against exchange"
    variants = [
        plain.upper(),
        f"  {plain} ",
        f"{plain} https://t.co/abc123",
        f"{plain}!",
        "SEC drops case: against exchange…",
    ]
    assert {evaluation.percentile(text) for text in variants} == {evaluation.percentile(plain)}


def test_calibration_error_by_hand(evaluation: ModuleType) -> None:
    import numpy as np

    sure = np.array([0.95, 0.95, 0.55, 0.55], dtype=np.float32)
    right = np.array([True, True, True, False])
    assert evaluation.calibration_error(sure, right) == pytest.approx((0.05 * 2 + 0.05 * 2) / 4, abs=1e-6)
