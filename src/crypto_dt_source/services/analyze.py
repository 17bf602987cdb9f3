"""Texts people hand in, scored by a model."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.states import READY
from ..analysis.texts import readable
from ..model.errors import Conflict, InvalidParameter
from ..model.sentiment import BATCH_LIMIT, LABELS, TEXT_LIMIT, Score
from .runtime import Runtime

SHOWN = 100
"""Characters of a text that an error repeats."""


def check(name: str, text: str) -> None:
    """Raises InvalidParameter for the parameter `name`: a text without anything to read, or an overlong one."""
    if len(text) > TEXT_LIMIT:
        raise InvalidParameter(
            f"{name}: has {len(text)} characters; give 1 to {TEXT_LIMIT}.",
            details={"parameter": name, "got": len(text), "allowed": f"1 to {TEXT_LIMIT} characters"},
        )
    if not readable(text):
        raise InvalidParameter(
            f"{name}: has no readable character; give at least one.",
            details={
                "parameter": name,
                "got": text[:SHOWN],
                "allowed": f"1 to {TEXT_LIMIT} characters, not all blank or invisible",
            },
        )


def checked(texts: Sequence[str]) -> list[str]:
    """The texts as they are. Raises InvalidParameter for none, for more than BATCH_LIMIT, and with its place for one that
    cannot be read."""
    if not 0 < len(texts) <= BATCH_LIMIT:
        raise InvalidParameter(
            f"texts: give 1 to {BATCH_LIMIT} texts.",
            details={"parameter": "texts", "got": len(texts), "allowed": f"1 to {BATCH_LIMIT}"},
        )
    for place, text in enumerate(texts):
        check(f"texts.{place}", text)
    return list(texts)


def _loaded(rt: Runtime, model: str | None) -> str | None:
    """The model named. Raises UnknownModel, and Conflict for one that is not in memory: a text must not make the service
    fetch gigabytes."""
    if model is not None and rt.models.state(model).state != READY:
        raise Conflict(
            f"The model {model} is not loaded; the operator loads it with POST /api/models/{model}/load.",
            details={"model": model, "state": rt.models.state(model).state},
        )
    return model


async def scores(rt: Runtime, texts: Sequence[str], model: str | None = None) -> list[Score]:
    """One score a text, in order, by `model` or by the service's own. Raises InvalidParameter, UnknownModel,
    Conflict, ModelUnavailable, ModelBusy."""
    return await rt.models.classify(checked(texts), model=_loaded(rt, model))


async def score(rt: Runtime, text: str, model: str | None = None) -> Score:
    """The score of one text. Raises as `scores`."""
    check("text", text)
    (found,) = await rt.models.classify([text], model=_loaded(rt, model))
    return found


async def shares(rt: Runtime, text: str, model: str | None = None) -> Score:
    """The score of one text by a model that knows all three labels. Raises as `scores`, and InvalidParameter for a model
    that cannot say one of them: its share would not be 0, but unknown."""
    check("text", text)
    if model is not None:
        unsaid = [label for label in LABELS if label not in rt.models.says(model)]
        if unsaid:
            raise InvalidParameter(
                f"model: {model} cannot say {' or '.join(unsaid)}; leave it out, or name one that can say all three.",
                details={
                    "parameter": "model",
                    "got": model,
                    "allowed": [s.id for s in rt.models.states() if rt.models.says(s.id) == LABELS],
                },
            )
    (found,) = await rt.models.crypto_analysis([text], model=_loaded(rt, model))
    return found
