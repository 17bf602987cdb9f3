"""The registry's data: which models the service knows, where they are and how they are read.

A model is named by its id here, by its hub id, or by a folder; all three take the same way. Revisions are commits, so
that a changed repository changes nothing here. Licences as the models' cards state them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..model.errors import UnknownModel

SENTIMENT = "sentiment"
ZERO_SHOT = "zero_shot"
GENERATION = "generation"
EMBEDDED = "embedded"
EMBEDDED_FOLDER = Path(__file__).resolve().parent / "embedded"
HYPOTHESES = {
    "bearish": "This text is bearish for the market.",
    "neutral": "This text is neutral for the market.",
    "bullish": "This text is bullish for the market.",
}
"""What a zero-shot model is asked to hold true of a text, one a label (Yin et al. 2019,
https://arxiv.org/abs/1909.00161)."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model. `hub_id` is None for one that is only a folder; `revision` is a commit of the hub repository, or ''
    where it is read from the files. `labels` maps the model's own words to bearish, neutral, bullish where they do not
    say it by themselves. `max_length` is in tokens: a longer text is cut there. `onnx_file` is the repository's own
    ONNX file. `tweets` marks models trained on texts with names and links replaced."""

    id: str
    task: str
    hub_id: str | None
    revision: str
    licence: str
    link: str
    max_length: int
    labels: Mapping[str, str] = field(default_factory=dict)
    onnx_file: str | None = None
    tweets: bool = False
    folder: Path | None = None
    aliases: tuple[str, ...] = ()


_POLAR = {"negative": "bearish", "positive": "bullish"}
_THREE = {**_POLAR, "neutral": "neutral"}


def _hub(
    id: str, task: str, hub_id: str, revision: str, licence: str, max_length: int, **more: object
) -> ModelSpec:
    link = f"https://huggingface.co/{hub_id}"
    return ModelSpec(id, task, hub_id, revision, licence, link, max_length, **more)  # type: ignore[arg-type]


SPECS: tuple[ModelSpec, ...] = (
    ModelSpec(
        EMBEDDED,
        SENTIMENT,
        None,
        "",
        "see MODEL_CARD.md in the package",
        "https://github.com/microsoft/unilm/tree/master/minilm",
        128,
        folder=EMBEDDED_FOLDER,
    ),
    _hub(
        "distilbert-sst-2",
        SENTIMENT,
        "distilbert/distilbert-base-uncased-finetuned-sst-2-english",
        "714eb0fa89d2f80546fda750413ed43d93601a13",
        "Apache-2.0",
        512,
        labels=_POLAR,
        onnx_file="onnx/model.onnx",
        aliases=("distilbert-base-uncased-finetuned-sst-2-english",),
    ),
    _hub(
        "twitter-roberta",
        SENTIMENT,
        "cardiffnlp/twitter-roberta-base-sentiment-latest",
        "3216a57f2a0d9c45a2e6c20157c20c49fb4bf9c7",
        "CC-BY-4.0",
        512,
        labels=_THREE,
        tweets=True,
    ),
    _hub(
        "finbert",
        SENTIMENT,
        "ProsusAI/finbert",
        "4556d13015211d73dccd3fdd39d39232506f3e43",
        "Apache-2.0",
        512,
        labels=_THREE,
    ),
    _hub(
        "bart-large-mnli",
        ZERO_SHOT,
        "facebook/bart-large-mnli",
        "d7645e127eaf1aefc7862fd59a17a5aa8558b8ce",
        "MIT",
        1024,
    ),
    _hub(
        "gpt-neo-125m",
        GENERATION,
        "EleutherAI/gpt-neo-125M",
        "21def0189f5705e2521767faed922f1f15e7d7db",
        "MIT",
        2048,
    ),
    _hub(
        "opt-125m",
        GENERATION,
        "facebook/opt-125m",
        "27dcfa74d334bc871f3234de431e71c6eeba5dd6",
        "OPT-175B licence, non-commercial research",
        2048,
    ),
)

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")


def spec_for(name: str) -> ModelSpec:
    """The spec of a registry id, of a hub id (`owner/name`, `owner/name@revision`) or of a folder that exists.

    A hub id or a folder the registry does not list is taken for a sentiment model until its own config.json says what
    it is. Raises UnknownModel for anything else.
    """
    name = name.strip()
    lowered = name.lower()
    for spec in SPECS:
        if name and lowered in (spec.id, (spec.hub_id or "").lower(), *spec.aliases):
            return spec
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        folder = folder.resolve()
        return ModelSpec(
            _slug(folder.name), SENTIMENT, None, "", "not stated", folder.as_uri(), 512, folder=folder
        )
    if _HUB_ID.fullmatch(name):
        hub_id, _, revision = name.partition("@")
        return ModelSpec(
            _slug(hub_id.partition("/")[2]),
            SENTIMENT,
            hub_id,
            revision or "main",
            "as its card states",
            f"https://huggingface.co/{hub_id}",
            512,
        )
    raise UnknownModel(
        f"No model {name!r}: give a registry id, a hub id (owner/name) or a folder that exists.",
        details={"known": [spec.id for spec in SPECS]},
    )


def _slug(name: str) -> str:
    """A name that can stand in a URL, and is none of the registry's."""
    slug = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.") or "model"
    return f"{slug}-own" if any(slug == spec.id for spec in SPECS) else slug
