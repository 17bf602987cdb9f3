"""Measure the embedded sentiment model on headlines it never saw: quality, calibration, speed.

    python tools/evaluate_sentiment.py --data train.csv [--model FOLDER] [--crypto CSV]

Needs onnxruntime, tokenizers and numpy, no network. `--data` is a CSV with the columns text and label (0 bearish,
1 bullish, 2 neutral), the one tools/train_sentiment.py was given: which headlines are held out follows from their text
alone, so both tools agree on it. Exits 1 when a requirement is missed, 0 otherwise.

Expected calibration error: Guo et al., On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
EMBEDDED = ROOT / "src" / "crypto_dt_source" / "analysis" / "embedded"
CRYPTO = ROOT / "tools" / "crypto_headlines.csv"

LABELS = ("bearish", "bullish", "neutral")
PROBE = "Bitcoin ETF inflows hit a record as price breaks out"
TEST_PERCENT, VALIDATION_PERCENT = 12, 8
CRYPTO_TEST_PERCENT = 26
BINS = 15

REQUIRED = {
    "accuracy": 0.86,
    "macro_f1": 0.82,
    "ece": 0.05,
    "megabytes": 25.0,
    "alone_p50_ms": 3.0,
    "per_second": 500.0,
}
AT_MOST = {"ece", "megabytes", "alone_p50_ms"}

_LINK = re.compile(r"(?:https?://|\bt\.co/)\S*")

Logits = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Headline:
    """One labelled text; `label` is an index into LABELS."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class Figures:
    """Quality on one set. `f1` per class in the order of LABELS; `ece` over BINS equally wide confidence bins."""

    headlines: int
    accuracy: float
    macro_f1: float
    f1: tuple[float, ...]
    ece: float

    def __str__(self) -> str:
        classes = "  ".join(f"{name} {value:.3f}" for name, value in zip(LABELS, self.f1, strict=True))
        return (
            f"{self.headlines} headlines  accuracy {self.accuracy:.4f}  macro-F1 {self.macro_f1:.4f}"
            f"  ECE {self.ece:.4f}  F1: {classes}"
        )


# --- the labelled sets ------------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """The text as the model reads it: links removed, whitespace collapsed."""
    return " ".join(_LINK.sub(" ", text).split())


def key(text: str) -> str:
    """What makes two texts the same: their letters and digits, whatever the case, links and punctuation."""
    return " ".join(re.findall(r"\w+", clean(text).casefold()))


def percentile(text: str) -> int:
    """0 to 99, fixed by the text's key."""
    return int.from_bytes(hashlib.sha256(key(text).encode()).digest()[:8], "big") % 100


def read(path: Path) -> list[Headline]:
    """The file's headlines, cleaned, each key once (the first label counts)."""
    found: dict[str, Headline] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            headline = Headline(clean(row["text"]), int(row["label"]))
            if key(headline.text):
                found.setdefault(key(headline.text), headline)
    return list(found.values())


def split(headlines: Sequence[Headline]) -> tuple[list[Headline], list[Headline], list[Headline]]:
    """Training, validation and held-out part."""
    parts: tuple[list[Headline], ...] = ([], [], [])
    for headline in headlines:
        place = percentile(headline.text)
        held_out, validation = place < TEST_PERCENT, place < TEST_PERCENT + VALIDATION_PERCENT
        parts[2 if held_out else 1 if validation else 0].append(headline)
    return parts[0], parts[1], parts[2]


def split_crypto(headlines: Sequence[Headline]) -> tuple[list[Headline], list[Headline]]:
    """Training and held-out part of the crypto headlines."""
    held_out = [headline for headline in headlines if percentile(headline.text) < CRYPTO_TEST_PERCENT]
    return [headline for headline in headlines if headline not in held_out], held_out


# --- figures ----------------------------------------------------------------------------------------------------------


def softmax(logits: Logits, temperature: float = 1.0) -> Logits:
    """Probabilities of logits divided by the temperature, row by row."""
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def calibration_error(confidence: NDArray[np.float32], right: NDArray[np.bool_]) -> float:
    """Mean distance between confidence and accuracy, weighted by how many texts fall into each bin; 0 is best."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float(confidence[bins == b].sum()) - float(right[bins == b].sum())) for b in range(BINS)]
    return sum(gaps) / len(confidence)


def figures(logits: Logits, labels: Sequence[int], temperature: float = 1.0) -> Figures:
    """Quality of logits against labels."""
    probabilities, truth = softmax(logits, temperature), np.asarray(labels)
    said = probabilities.argmax(axis=1)
    f1 = tuple(
        float(2 * ((said == c) & (truth == c)).sum() / max(1, (said == c).sum() + (truth == c).sum()))
        for c in range(len(LABELS))
    )
    return Figures(
        headlines=len(truth),
        accuracy=float((said == truth).mean()),
        macro_f1=sum(f1) / len(f1),
        f1=f1,
        ece=calibration_error(probabilities.max(axis=1), said == truth),
    )


# --- the model --------------------------------------------------------------------------------------------------------


class Model:
    """An ONNX classifier in a folder with model.onnx, tokenizer.json and config.json."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        ours = config["crypto_dt_source"]
        self.megabytes = sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) / 1e6
        self.revision = str(ours["revision"])
        self.temperature = float(ours["temperature"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(int(ours["max_length"]))
        self.tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # As the service runs it: the fusion is slower on a CPU, and between passes no thread spins.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            str(folder / "model.onnx"),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )

    def batch(self, texts: Sequence[str]) -> Logits:
        """Logits, [texts, labels], of one run of the network."""
        encoded = self.tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([one.ids for one in encoded], dtype=np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], dtype=np.int64),
            "token_type_ids": np.array([one.type_ids for one in encoded], dtype=np.int64),
        }
        return np.asarray(self.session.run(["logits"], feed)[0], dtype=np.float32)

    def logits(self, texts: Sequence[str], size: int = 32) -> Logits:
        """Logits, [texts, labels] in the order given; batches hold texts of like length, so little is padded."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        found = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
        for places in chunks(order, size):
            found[places] = self.batch([texts[i] for i in places])
        return found


def chunks(items: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def speed(model: Model, texts: Sequence[str]) -> dict[str, float]:
    """Median milliseconds of a headline alone, and headlines a second in batches, tokenising included."""
    model.logits(texts[:64])
    alone = []
    for text in texts[:300]:
        begun = time.perf_counter()
        model.batch([text])
        alone.append(time.perf_counter() - begun)
    rates = []
    for _ in range(3):
        begun = time.perf_counter()
        model.logits(texts)
        rates.append(len(texts) / (time.perf_counter() - begun))
    return {"alone_p50_ms": float(np.median(alone)) * 1e3, "per_second": float(np.median(rates))}


# --- the command ------------------------------------------------------------------------------------------------------


def missed(measured: dict[str, float]) -> list[str]:
    """The requirements that the measurements do not meet, in words."""
    return [
        f"{name} {measured[name]:.4f}, required {'at most' if name in AT_MOST else 'at least'} {bound:g}"
        for name, bound in REQUIRED.items()
        if (measured[name] > bound if name in AT_MOST else measured[name] < bound)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="CSV of labelled headlines (text, label)")
    parser.add_argument("--crypto", type=Path, default=CRYPTO, help="CSV of labelled crypto headlines")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="folder of the model")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args(arguments)

    model = Model(given.model, given.threads)
    held_out, crypto = split(read(given.data))[2], split_crypto(read(given.crypto))[1]
    texts = [headline.text for headline in held_out]
    quality = figures(model.logits(texts), [headline.label for headline in held_out], model.temperature)
    of_crypto = figures(
        model.logits([headline.text for headline in crypto]), [h.label for h in crypto], model.temperature
    )
    pace = speed(model, texts)
    probe = softmax(model.batch([PROBE]), model.temperature)[0]
    print(
        f"model     revision {model.revision}, {model.megabytes:.1f} MB, temperature {model.temperature:.3f}"
    )
    print(f"held out  {quality}")
    print(f"crypto    {of_crypto}")
    print(
        f"speed     {pace['alone_p50_ms']:.2f} ms a headline alone (p50), {pace['per_second']:.0f} a second in batches"
    )
    print(f"probe     {PROBE!r}: {LABELS[int(probe.argmax())]} {probe.max():.3f}")

    wrong = missed({**asdict(quality), **pace, "megabytes": model.megabytes})
    if LABELS[int(probe.argmax())] != "bullish":
        wrong.append("the probe is not bullish")
    for line in wrong:
        print(f"MISSED    {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
