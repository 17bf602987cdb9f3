"""Fine-tune a BERT classifier on labelled headlines: batches, loss, optimiser and the loop.

R-Drop: https://arxiv.org/abs/2106.14448.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional
from transformers import BertForSequenceClassification

import sentiment_grid
from evaluate_sentiment import LABELS, Figures, Headline, Logits, chunks, figures
from sentiment_onnx import Grid

MAX_LENGTH = 128
TICKER = re.compile(r"\$[A-Za-z]{1,5}\b")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one network is trained. The last `grid_epochs` epochs run on the int8 grid; with an `agreement` of 0 a batch is
    passed once, not twice."""

    seed: int = 7
    epochs: int = 5
    grid_epochs: int = 2
    batch: int = 32
    rate: float = 2e-4
    layer_decay: float = 0.85
    warm_up: float = 0.1
    weight_decay: float = 0.01
    smoothing: float = 0.05
    agreement: float = 1.0
    average: float = 0.99
    ticker_swap: float = 0.5
    class_weights: tuple[float, ...] = (1.3, 1.2, 0.9)
    bf16: bool = False


@dataclass(frozen=True, slots=True)
class Example:
    """A text and the share of each label it is to be given."""

    text: str
    shares: tuple[float, ...]


def certain(headline: Headline) -> Example:
    """The headline with its label alone."""
    return Example(headline.text, tuple(float(label == headline.label) for label in range(len(LABELS))))


class Texts:
    """Tokenises texts into padded tensors."""

    def __init__(self, tokenizer: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(MAX_LENGTH)
        self.tokenizer.enable_padding()

    def tensors(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Token ids and attention mask, [texts, tokens]."""
        encoded = self.tokenizer.encode_batch(list(texts))
        return torch.tensor([one.ids for one in encoded]), torch.tensor(
            [one.attention_mask for one in encoded]
        )


def batches(examples: Sequence[Example], size: int, order: random.Random) -> Iterator[list[Example]]:
    """All examples once, at random, in batches of like length."""
    places = list(range(len(examples)))
    order.shuffle(places)
    found = [
        batch
        for pool in chunks(places, size * 20)
        for batch in chunks(sorted(pool, key=lambda place: len(examples[place].text)), size)
    ]
    order.shuffle(found)
    for batch in found:
        yield [examples[place] for place in batch]


def network(folder: Path) -> BertForSequenceClassification:
    """The weights of a folder with a head for LABELS."""
    return BertForSequenceClassification.from_pretrained(
        folder,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={name: number for number, name in enumerate(LABELS)},
    )


def optimiser(model: BertForSequenceClassification, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW; the lower a layer, the smaller its rate, and the new head has twice the top layer's."""
    layers, groups = model.config.num_hidden_layers, []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        depth = re.search(r"\.layer\.(\d+)\.", name)
        below = layers - 1 - int(depth.group(1)) if depth else layers
        head = ".encoder." not in name and ".embeddings." not in name
        decay = recipe.weight_decay if weight.ndim > 1 else 0.0
        rate = recipe.rate * (2 if head else recipe.layer_decay**below)
        groups.append({"params": [weight], "lr": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=True)


def loss(logits: Tensor, shares: Tensor, recipe: Recipe) -> Tensor:
    """Cross-entropy and, of two passes over the same texts, the distance between their answers (R-Drop): dropout makes
    the passes differ, and the network learns to answer alike."""
    weights = torch.tensor(recipe.class_weights)
    if not recipe.agreement:
        return functional.cross_entropy(logits, shares, weights, label_smoothing=recipe.smoothing)
    wrong = functional.cross_entropy(logits, shares.repeat(2, 1), weights, label_smoothing=recipe.smoothing)
    one, other = functional.log_softmax(logits, 1).chunk(2)
    distance = functional.kl_div(one, other, log_target=True, reduction="batchmean")
    distance = distance + functional.kl_div(other, one, log_target=True, reduction="batchmean")
    return wrong + recipe.agreement * distance / 2


class Training:
    """One run: the network, its optimiser and the running average of its weights, which is what is kept."""

    def __init__(self, model: BertForSequenceClassification, texts: Texts, recipe: Recipe) -> None:
        self.model, self.texts, self.recipe = model, texts, recipe
        self.layers = sentiment_grid.prepare(model)
        self.weights = [weight for weight in model.parameters() if weight.requires_grad]
        self.average = [weight.detach().clone() for weight in self.weights]
        self.optimiser = optimiser(model, recipe)
        self.order = random.Random(recipe.seed)
        self.tickers: list[str] = []
        self.step = 0

    def run(self, examples: Sequence[Example], watched: Sequence[Headline]) -> None:
        """Train on the examples; the model is left with its averaged weights. The figures on the `watched` headlines are
        printed after every epoch and decide nothing."""
        self.tickers = sorted({found for example in examples for found in TICKER.findall(example.text)})
        steps = self.recipe.epochs * math.ceil(len(examples) / self.recipe.batch)
        warm = max(1, int(self.recipe.warm_up * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser,
            lambda step: min(1.0, (step + 1) / warm) * (1 + math.cos(math.pi * step / steps)) / 2,
        )
        begun = time.monotonic()
        for epoch in range(self.recipe.epochs):
            if epoch == self.recipe.epochs - self.recipe.grid_epochs:
                self.settle(examples)
            for batch in batches(examples, self.recipe.batch, self.order):
                self.learn(batch)
                schedule.step()
            self.exchange()
            quality = figures(self.logits([one.text for one in watched]), [one.label for one in watched])
            self.exchange()
            print(f"  epoch {epoch + 1}, {time.monotonic() - begun:.0f} s: {quality}", flush=True)
        self.exchange()

    def learn(self, batch: Sequence[Example]) -> None:
        """One step. Half of the time a text's tickers are replaced by others, so that a company's name says nothing."""
        self.model.train()
        texts = [self.swapped(one.text) for one in batch]
        ids, mask = self.texts.tensors(texts)
        shares = torch.tensor([one.shares for one in batch])
        if self.recipe.agreement:
            ids, mask = ids.repeat(2, 1), mask.repeat(2, 1)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.recipe.bf16):
            logits = self.model(ids, mask).logits.float()
        loss(logits, shares, self.recipe).backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.step += 1
        keep = min(self.recipe.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.weights, 1 - keep)

    def swapped(self, text: str) -> str:
        if not self.tickers or self.order.random() >= self.recipe.ticker_swap:
            return text
        return TICKER.sub(lambda _: self.order.choice(self.tickers), text)

    def exchange(self) -> None:
        """Swap the weights with their running average."""
        with torch.no_grad():
            for weight, average in zip(self.weights, self.average, strict=True):
                held = weight.clone()
                weight.copy_(average)
                average.copy_(held)

    def settle(self, examples: Sequence[Example]) -> None:
        """Observe the inputs of the dense layers on some examples and put the layers on the grid."""
        self.exchange()
        for layer in self.layers.values():
            layer.observing = True
        self.logits([one.text for one in self.order.sample(list(examples), min(1024, len(examples)))])
        for layer in self.layers.values():
            layer.settle()
        self.exchange()

    def bake(self) -> dict[str, Grid]:
        """Leave the weights on the grid for good, and say where the inputs' grids are."""
        return sentiment_grid.bake(self.layers)

    def logits(self, texts: Sequence[str]) -> Logits:
        """The network's logits in float32, [texts, labels], in the order given."""
        self.model.eval()
        found = np.zeros((len(texts), len(LABELS)), dtype=np.float32)
        with torch.inference_mode():
            for places in chunks(sorted(range(len(texts)), key=lambda i: len(texts[i])), 64):
                ids, mask = self.texts.tensors([texts[place] for place in places])
                found[places] = self.model(ids, mask).logits.numpy()
        return found

    def figures(self, headlines: Sequence[Headline]) -> Figures:
        return figures(self.logits([one.text for one in headlines]), [one.label for one in headlines])
