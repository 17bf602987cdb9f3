"""Sentiment: the onnx path against `transformers.pipeline` on the same checkpoint, and the packaged model at work.

    python -m bench.sentiment [--checkpoint FOLDER] [--data CSV] [--headlines 1000] [--onnx packaged|exported]

1. Same checkpoint: headlines a second through the registry in batches at least 5 times those of one-at-a-time
   `transformers.pipeline` on torch, with at least 99 % the same labels. `--checkpoint` is the folder of float weights
   that tools/train_sentiment.py leaves; the packaged model is its int8 export where both name one revision, else it is
   exported here. Without `--checkpoint` a network of that shape with random weights shows the rates; its labels say
   nothing, so they are no claim then. Needs torch and transformers; skipped in words where they are missing.
2. Packaged model, one headline at a time through the registry: median at most 3 ms.
3. Packaged model, batches: at least 500 headlines a second.
4. The event loop is held at most 20 ms while 2 and 3 run: how late a task comes that wants its turn every millisecond.

Headlines are those tools/evaluate_sentiment.py holds out of `--data`, all different; the registry's cache is off.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.evaluate_sentiment import CRYPTO, Headline, read, split

from crypto_dt_source import telemetry
from crypto_dt_source.analysis.catalog import EMBEDDED, EMBEDDED_FOLDER
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.clock import SystemClock
from crypto_dt_source.model.sentiment import BATCH_LIMIT

from .report import claim

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "twitter-financial-news" / "train.csv"
TIMES, SAME, ALONE_MS, RATE, HOLD_MS = 5.0, 0.99, 3.0, 500.0, 20.0
TICK_S = 0.001


@dataclass
class Ticker:
    """Wants its turn on the event loop every millisecond and notes how much too late each came."""

    late_ms: list[float] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            due = time.perf_counter() + TICK_S
            await asyncio.sleep(TICK_S)
            self.late_ms.append((time.perf_counter() - due) * 1000)


def headlines(data: Path | None, count: int) -> list[str]:
    """So many different ones, those held out first."""
    file = data or (DATA if DATA.exists() else CRYPTO)
    train, validation, held_out = split(read(file))
    print(f"  {len(held_out)} held-out headlines of {file.name}")
    every: list[Headline] = [*held_out, *validation, *train]
    return [headline.text for headline in every[:count]]


async def rate(models: Models, texts: Sequence[str]) -> tuple[float, list[str]]:
    """Texts a second in full batches, one after the other, and the labels."""
    labels: list[str] = []
    begun = time.perf_counter()
    for at in range(0, len(texts), BATCH_LIMIT):
        labels += [score.label for score in await models.classify(texts[at : at + BATCH_LIMIT])]
    return len(texts) / (time.perf_counter() - begun), labels


async def opened(folder: Path) -> Models:
    """A registry whose packaged model is the one in `folder`, loaded and warm, without a cache."""
    models = Models(SystemClock(), None, embedded=folder, cached=0)
    found = await models.classify(["Bitcoin ETF inflows hit a record as price breaks out"] * 2)
    print(f"  {EMBEDDED}: {found[0].label} {found[0].confidence:.2f} (revision {found[0].revision})")
    return models


async def one_by_one(models: Models, texts: Sequence[str]) -> list[float]:
    """Milliseconds of each."""
    taken = []
    for text in texts:
        begun = time.perf_counter()
        await models.classify([text])
        taken.append((time.perf_counter() - begun) * 1000)
    return taken


async def packaged(folder: Path, texts: Sequence[str], rounds: int) -> bool:
    """Claims 2 to 4."""
    models = await opened(folder)
    medians = [statistics.median(await one_by_one(models, texts[:500])) for _ in range(rounds)]
    # The ticker wakes a thousand times a second and is no part of what it watches: one by one is timed without it.
    ticker = Ticker()
    ticking = asyncio.create_task(ticker.run())
    watched = await one_by_one(models, texts[:500])
    rates = [(await rate(models, texts))[0] for _ in range(rounds)]
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    await models.close()
    median, most, held = min(medians), max(rates), max(ticker.late_ms)
    ok = claim(
        f"packaged model, one headline, median, best of {rounds} rounds",
        median,
        "ms",
        "",
        None,
        None,
        f"<= {ALONE_MS:g}",
        median <= ALONE_MS,
    )
    ok &= claim(
        f"packaged model, batches of {BATCH_LIMIT}, best of {rounds} rounds",
        most, "headlines/s", "", None, None, f">= {RATE:g}", most >= RATE,
    )  # fmt: skip
    ok &= claim(
        "event loop held meanwhile, longest", held, "ms", "", None, None, f"<= {HOLD_MS:g}", held <= HOLD_MS
    )
    print(
        f"  one headline beside a task that wakes every millisecond: median {statistics.median(watched):.2f} ms"
    )
    late = sorted(ticker.late_ms)
    print(f"  {len(late)} turns, 99 % of them at most {late[int(len(late) * 0.99)]:.2f} ms late")
    return ok


def random_checkpoint(packaged_folder: Path, folder: Path) -> Path:
    """Float weights of the packaged model's shape, and its tokenizer."""
    import torch
    import transformers

    torch.manual_seed(3)
    written = json.loads((packaged_folder / "config.json").read_text(encoding="utf-8"))
    written.pop("crypto_dt_source", None)
    model = transformers.BertForSequenceClassification(transformers.BertConfig(**written))
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_bytes((packaged_folder / "tokenizer.json").read_bytes())
    return folder


def onnx_of(checkpoint: Path, place: Path, packaged_folder: Path, which: str) -> Path:
    """The folder of the checkpoint's int8 ONNX: the packaged one, or an export made now."""
    from crypto_dt_source.analysis.export import make_onnx

    theirs, ours = revision(checkpoint), revision(packaged_folder)
    if which != "exported" and theirs is not None and theirs == ours:
        print(f"  onnx: the packaged model, revision {ours}")
        return packaged_folder
    print("  onnx: exported and quantised now, by the way a hub checkpoint takes")
    for name in ("config.json", "tokenizer.json"):
        (place / name).write_bytes((checkpoint / name).read_bytes())
    make_onnx(checkpoint, place, "sentiment")
    return place


def revision(folder: Path) -> str | None:
    """What training wrote into config.json; None where it is somebody else's."""
    section = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("crypto_dt_source") or {}
    found = section.get("revision")
    return str(found) if found else None


def one_at_a_time(checkpoint: Path, texts: Sequence[str]) -> tuple[float, list[str]]:
    """Texts a second of `transformers.pipeline`, a call a text, and the labels."""
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(checkpoint / "tokenizer.json"), pad_token="[PAD]", model_max_length=128
    )
    model: Any = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint)
    pipe = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    for text in texts[:10]:
        pipe(text, truncation=True)
    begun = time.perf_counter()
    labels = [str(pipe(text, truncation=True)[0]["label"]) for text in texts]
    return len(texts) / (time.perf_counter() - begun), labels


async def through_the_registry(folder: Path, texts: Sequence[str], rounds: int) -> tuple[float, list[str]]:
    """The best round's rate, and the labels."""
    models = await opened(folder)
    found = [await rate(models, texts) for _ in range(rounds)]
    await models.close()
    return max(texts_a_second for texts_a_second, _ in found), found[0][1]


def against_pipeline(
    checkpoint: Path | None, packaged_folder: Path, texts: Sequence[str], rounds: int, which: str
) -> bool:
    """Claim 1."""
    with tempfile.TemporaryDirectory() as folder:
        made, place = Path(folder, "float"), Path(folder, "onnx")
        made.mkdir()
        place.mkdir()
        weights = checkpoint or random_checkpoint(packaged_folder, made)
        onnx = onnx_of(weights, place, packaged_folder, which)
        # The same texts on both sides; turns in between would only let one side's threads idle into the other's time.
        their_rate, their_labels = one_at_a_time(weights, texts)
        our_rate, our_labels = asyncio.run(through_the_registry(onnx, texts, rounds))
    ratio = our_rate / their_rate
    ok = claim(
        "same checkpoint, onnx int8 in batches", our_rate, "headlines/s", "transformers.pipeline one at a time",
        their_rate, ratio, f">= {TIMES:g} times", ratio >= TIMES,
    )  # fmt: skip
    same = statistics.fmean(ours == theirs for ours, theirs in zip(our_labels, their_labels, strict=True))
    if checkpoint is None:
        print("  random weights: how many labels agree says nothing; give --checkpoint")
        return ok
    return ok & claim(
        "same checkpoint, same labels", same * 100, "%", "", None, None, f">= {SAME * 100:g} %", same >= SAME
    )


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every claim is met, 1 when one is not, 2 when the packaged model is not there."""
    parser = argparse.ArgumentParser(prog="bench.sentiment")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--headlines", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--onnx", choices=("packaged", "exported"), default="packaged")
    parser.add_argument("--embedded", type=Path, default=EMBEDDED_FOLDER)
    options = parser.parse_args(argv)
    if not (options.embedded / "model.onnx").exists():
        print(f"there is no model.onnx in {options.embedded}")
        return 2
    telemetry.configure("WARNING")
    texts = headlines(options.data, options.headlines)
    ok = asyncio.run(packaged(options.embedded, texts, options.rounds))
    if all(importlib.util.find_spec(name) for name in ("torch", "transformers")):
        ok &= against_pipeline(options.checkpoint, options.embedded, texts, options.rounds, options.onnx)
    else:
        print(
            "  torch and transformers are not installed: the comparison with transformers.pipeline is left out"
        )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
