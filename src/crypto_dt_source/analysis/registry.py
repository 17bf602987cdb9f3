"""The registry: one place that knows which models there are, loads and unloads them, and asks them.

Nothing blocks the event loop: files, downloads and weights are dealt with in threads, one flight a model. A model that
cannot answer is reported with its reason, and the packaged one answers in its place under its own name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..clock import Clock
from ..model.errors import InvalidParameter, ModelUnavailable, TooLarge, UnknownModel
from ..model.sentiment import BATCH_LIMIT, LABELS, Score
from ..telemetry import logger
from .batcher import PATIENCE_S
from .catalog import EMBEDDED, GENERATION, SENTIMENT, SPECS, ZERO_SHOT, spec_for
from .loading import Loading
from .residency import Loader, Residency
from .states import MB, READY, ModelState, ScoreCache, Slot
from .texts import clean

log = logger("models")
CACHED = 20_000
"""Scores kept: about 10 MB."""
NEW_TOKENS = 128
"""Longest text generated at a time, in tokens."""
TURN = 50_000
"""Characters cleaned before others get their turn on the loop: about 2 ms."""


class Models:
    """Every model of the service. `default` is a registry id, a hub id or a folder; `folder` keeps what is downloaded or
    exported (None: nothing is downloaded); `backend` is `auto`, `onnx` or `torch`; `memory_mb` bounds the weights in
    memory, in 10^6 bytes; `load` is `lazy` or `start`; `offline` forbids downloads; `embedded` is a folder that takes the
    place of the packaged model's; `patience_s` is how long a question may wait for those before it.

    Raises UnknownModel where `default` names nothing.
    """

    def __init__(
        self,
        clock: Clock,
        folder: Path | None,
        *,
        backend: str = "auto",
        memory_mb: int = 2048,
        default: str = EMBEDDED,
        load: str = "lazy",
        offline: bool = False,
        embedded: Path | None = None,
        loader: Loader | None = None,
        cached: int = CACHED,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._clock = clock
        self._load = load
        self._cache = ScoreCache(cached)
        chosen = spec_for(default)
        if chosen.task == GENERATION:
            raise UnknownModel(f"The model {chosen.id} writes text and cannot be the default for sentiment.")
        self.default = chosen.id
        specs = {spec.id: spec for spec in (*SPECS, chosen)}
        if embedded is not None:
            specs[EMBEDDED] = replace(specs[EMBEDDED], folder=embedded)
        loader = loader or Loading(folder, backend=backend, offline=offline)
        now = clock.now_ms()
        self._slots = {name: Slot(spec, loader.backend_for(spec), now) for name, spec in specs.items()}
        self._residency = Residency(clock, loader, self._slots, memory_mb * MB, patience_s=patience_s)

    async def start(self) -> None:
        """With `load="start"`, begin to load the default model, and the packaged one that answers meanwhile. Returns at
        once."""
        if self._load == "start":
            for name in {self.default, EMBEDDED}:
                self._residency.begin(self._slots[name])

    async def close(self) -> None:
        """End loads, take every model out of memory. Questions from now on raise ModelUnavailable."""
        await self._residency.close()

    async def classify(self, texts: Sequence[str], model: str | None = None) -> list[Score]:
        """One score a text, in order, by the named or the default model; by the packaged one, as Score.model says, where
        that cannot answer. A text longer than the model's max_length tokens is read up to there.

        Raises InvalidParameter for a text with nothing to read and for a model that writes, TooLarge above BATCH_LIMIT
        texts, UnknownModel, ModelBusy, and ModelUnavailable where not even the packaged model answers.
        """
        slot = self._slot(model or self.default)
        if slot.spec.task == GENERATION:
            raise InvalidParameter(
                f"The model {slot.spec.id} writes text, it does not classify.",
                details={
                    "parameter": "model",
                    "got": slot.spec.id,
                    "allowed": self._ids(GENERATION, wanted=False),
                },
            )
        read = await self._read(texts)
        embedded = self._slots[EMBEDDED]
        if slot is not embedded:
            try:
                return await self._scores(slot, read)
            except ModelUnavailable as error:
                log.debug("the embedded model answers", instead_of=slot.spec.id, reason=error.message)
        return await self._scores(embedded, read)

    async def crypto_analysis(self, texts: Sequence[str], model: str | None = None) -> list[Score]:
        """As `classify`, by a model that can say all of bullish, neutral and bearish: the zero-shot model where it is
        loaded, else the packaged one. The shares are in the scores."""
        loaded = (s.spec.id for s in self._slots.values() if s.spec.task == ZERO_SHOT and s.state == READY)
        return await self.classify(texts, model or next(loaded, EMBEDDED))

    def says(self, model: str) -> tuple[str, ...]:
        """The LABELS that a model can say: none for one that writes, all for one that is not known to lack any before its
        own words are read. Raises UnknownModel."""
        slot = self._slot(model)
        spec = slot.model.checkpoint.spec if slot.model is not None else slot.spec
        if spec.task == GENERATION:
            return ()
        words = set(spec.labels.values())
        if not words and slot.model is not None and spec.task == SENTIMENT:
            # It needs numpy, which the model has brought into memory.
            from .labels import LabelMap, own_labels

            words = {LABELS[place] for place in LabelMap.of(own_labels(slot.model.checkpoint.config)).scale}
        return tuple(label for label in LABELS if not words or label in words)

    async def generate(self, model: str, prompt: str, max_new_tokens: int = 64) -> str:
        """What follows `prompt`, the likeliest way, at most `max_new_tokens` (1 to NEW_TOKENS) tokens of it.

        Raises UnknownModel, InvalidParameter for an empty prompt, a count out of bounds and a model that does not write,
        ModelBusy, and ModelUnavailable where it is not loaded yet or cannot be.
        """
        slot = self._slot(model)
        if slot.spec.task != GENERATION:
            raise InvalidParameter(
                f"The model {slot.spec.id} does not write text.",
                details={"parameter": "model", "got": slot.spec.id, "allowed": self._ids(GENERATION)},
            )
        if not 1 <= max_new_tokens <= NEW_TOKENS:
            allowed = f"1 to {NEW_TOKENS}"
            raise InvalidParameter(
                f"max_new_tokens is {max_new_tokens}: {allowed} is allowed.",
                details={"parameter": "max_new_tokens", "got": max_new_tokens, "allowed": allowed},
            )
        text = clean(prompt)
        batcher = await self._residency.ready(slot)
        began = self._clock.monotonic()
        written: list[str] = await batcher.submit([(text, max_new_tokens)])
        slot.called(self._clock.monotonic(), began)
        return written[0]

    async def load(self, model: str) -> ModelState:
        """Begin to load a model, even one that failed a moment ago, and wait a little; the state says how far it is.
        Raises UnknownModel."""
        slot = self._slot(model)
        if slot.batcher is None:
            await self._residency.wait(slot, self._residency.begin(slot))
        return self.state(model)

    async def unload(self, model: str) -> ModelState:
        """Take a model out of memory; the next question to it loads it again. Raises UnknownModel, and Conflict for the
        packaged one."""
        await self._residency.unload(self._slot(model))
        return self.state(model)

    def state(self, model: str) -> ModelState:
        """One model's line of the registry. Raises UnknownModel."""
        return self._slot(model).shown(self._clock.monotonic(), model == self.default)

    def states(self) -> list[ModelState]:
        """Every model of the registry, the packaged one first."""
        return [self.state(name) for name in self._slots]

    def _slot(self, model: str) -> Slot:
        slot = self._slots.get(model)
        if slot is None:
            raise UnknownModel(f"There is no model {model!r} here.", details={"known": list(self._slots)})
        return slot

    def _ids(self, task: str, *, wanted: bool = True) -> list[str]:
        return [name for name, slot in self._slots.items() if (slot.spec.task == task) == wanted]

    async def _read(self, texts: Sequence[str]) -> list[str]:
        """The texts made clean, a part of them at a time."""
        if len(texts) > BATCH_LIMIT:
            raise TooLarge(
                f"{len(texts)} texts at a time: {BATCH_LIMIT} are allowed.",
                details={"parameter": "texts", "got": len(texts), "allowed": BATCH_LIMIT},
            )
        read: list[str] = []
        characters = 0
        for text in texts:
            read.append(clean(text))
            characters += len(text)
            if characters > TURN:
                characters = 0
                await self._clock.sleep(0)
        return read

    async def _scores(self, slot: Slot, texts: Sequence[str]) -> list[Score]:
        """Of one model: from the cache, and from the model for texts it has not seen."""
        batcher = await self._residency.ready(slot)
        keys = [
            (slot.spec.id, slot.revision, hashlib.blake2b(text.encode(), digest_size=16).digest())
            for text in texts
        ]
        found = {key: score for key in keys if (score := self._cache.get(key)) is not None}
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        slot.used_at = began = self._clock.monotonic()
        if new:
            scores: list[Score] = await batcher.submit(list(new.values()))
            slot.called(self._clock.monotonic(), began)
            for key, score in zip(new, scores, strict=True):
                found[key] = score
                self._cache.put(key, score)
        return [found[key] for key in keys]
