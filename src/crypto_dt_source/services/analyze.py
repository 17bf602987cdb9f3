"""Texts people hand in, scored by a model."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.states import READY
from ..model.errors import Conflict, InvalidParameter
from ..model.sentiment import BATCH_LIMIT, TEXT_LIMIT, Score
from .runtime import Runtime


def checked(texts: Sequence[str]) -> list[str]:
    """The texts as they are. Raises InvalidParameter for none, more than BATCH_LIMIT, an empty or an overlong one."""
    if not 0 < len(texts) <= BATCH_LIMIT:
        raise InvalidParameter(
            f"texts: give 1 to {BATCH_LIMIT} texts.",
            details={"parameter": "texts", "got": len(texts), "allowed": f"1 to {BATCH_LIMIT}"},
        )
    for place, text in enumerate(texts):
        if not text.strip() or len(text) > TEXT_LIMIT:
            name = "text" if len(texts) == 1 else f"texts.{place}"
            raise InvalidParameter(
                f"{name}: give a text of 1 to {TEXT_LIMIT} characters that is not blank.",
                details={"parameter": name, "got": len(text), "allowed": f"1 to {TEXT_LIMIT} characters"},
            )
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


async def shares(rt: Runtime, text: str, model: str | None = None) -> Score:
    """The score of one text by a model that knows all three labels. Raises as `scores`."""
    (score,) = await rt.models.crypto_analysis(checked([text]), model=_loaded(rt, model))
    return score
