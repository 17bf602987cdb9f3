"""Sentiment on the wire. Scores are -1 (bearish) to 1 (bullish), shares 0 to 1."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field

from ...model.sentiment import BATCH_LIMIT, TEXT_LIMIT
from .common import Meta, SymbolMeta, TierMeta
from .news import HeadlineScore, Label, NamedAsset


class FearGreedNow(BaseModel):
    """The newest day of an index."""

    index: str = Field(description="Whose index it is; those of different makers do not compare.")
    value: int = Field(ge=0, le=100, description="0: extreme fear, 100: extreme greed.")
    classification: str
    date: str = Field(description="Its UTC day.")
    provider: str
    fetched_at: str
    stale: bool = Field(description="Longer ago than it is usually read.")


class Aggregate(BaseModel):
    """What scored articles say together. Without any all of it is null and 0."""

    label: Label | None
    score: float | None = Field(description="Mean weighed by recency and source.")
    items: int = Field(description="Articles behind it.")
    sources: int = Field(description="Feeds behind it.")
    bullish: int
    neutral: int
    bearish: int
    window_hours: int
    method: str
    enabled: bool = Field(
        description="False where ENABLE_SENTIMENT_ANALYSIS is off: nothing new is scored then."
    )
    models: list[str] = Field(description="`model@revision` of every score in it.")


class StrongItem(BaseModel):
    """One of the strongest items."""

    id: str
    title: str
    url: str
    source: str
    published_at: str
    assets: list[NamedAsset]
    sentiment: HeadlineScore


class SentimentMeta(Meta):
    """Provenance of an aggregate: `source` are the feeds, `fetched_at` is when they were last read."""


class SymbolSentimentMeta(SymbolMeta):
    """Provenance of one asset's aggregate."""


class Sentiment(BaseModel):
    overall_sentiment: Aggregate
    fear_greed_index: FearGreedNow | None = Field(description="Null while no provider of it has answered.")
    top_sentiments: list[StrongItem] = Field(description="The strongest items of the window, one a story.")
    meta: SentimentMeta


class SymbolSentiment(BaseModel):
    symbol: str
    asset: str
    overall_sentiment: Aggregate
    top_sentiments: list[StrongItem]
    meta: SymbolSentimentMeta


class SentimentDay(BaseModel):
    """One UTC day with scored articles."""

    date: str
    label: Label
    score: float
    items: int
    sources: int
    bullish: int
    neutral: int
    bearish: int


class SentimentHistory(BaseModel):
    data: list[SentimentDay]
    meta: TierMeta


class FearGreedDay(BaseModel):
    """One day of the index."""

    date: str
    value: int
    classification: str


class FearGreedMeta(Meta):
    """Provenance of an index's history."""

    index: str | None = Field(description="The index; null without a row.")


class FearGreedHistory(BaseModel):
    data: list[FearGreedDay]
    meta: FearGreedMeta


Text = Annotated[
    str,
    msgspec.Meta(
        description=f"1 to {TEXT_LIMIT} characters with something to read among them. The packaged model knows English "
        "alone, and reads the first 128 word pieces and nothing after them.",
        extra_json_schema={"minLength": 1, "maxLength": TEXT_LIMIT},
    ),
]
ModelName = Annotated[
    str,
    msgspec.Meta(
        max_length=200,
        description="An id of GET /api/models that is loaded; not given: the service's own.",
    ),
]


class TextIn(msgspec.Struct):
    """A text to score."""

    example: ClassVar[dict[str, Any]] = {"text": "Bitcoin ETF inflows hit a record as price breaks out"}

    text: Text
    model: ModelName | None = None


class TextsIn(msgspec.Struct):
    """Texts to score."""

    example: ClassVar[dict[str, Any]] = {
        "texts": [TextIn.example["text"], "Exchange halts withdrawals after a hack"]
    }

    texts: Annotated[
        list[Text],
        msgspec.Meta(
            description=f"1 to {BATCH_LIMIT} texts.",
            extra_json_schema={"minItems": 1, "maxItems": BATCH_LIMIT},
        ),
    ]
    model: ModelName | None = None


class ScoreMeta(Meta):
    """`source` is the model that scored."""

    model: str
    revision: str


class Shares(BaseModel):
    bearish: float
    neutral: float
    bullish: float


class Analyzed(BaseModel):
    text: str
    sentiment: Label
    confidence: float = Field(description="Share of `sentiment`.")
    label: str = Field(description="The model's own word for it.")
    scores: Shares
    meta: ScoreMeta


class AnalyzedShort(BaseModel):
    text: str
    label: Label
    score: float = Field(description="Share of `label`.")
    timestamp: str
    meta: ScoreMeta


class CryptoAnalysis(BaseModel):
    text: str
    sentiment: Label
    scores: Shares
    timestamp: str
    meta: ScoreMeta


class AnalyzedRow(BaseModel):
    """One text of a batch."""

    text: str
    sentiment: Label
    confidence: float
    label: str
    scores: Shares
    model: str
    revision: str


class AnalyzedBatch(BaseModel):
    data: list[AnalyzedRow]
    meta: ScoreMeta


class EarlierRow(BaseModel):
    """One text, as the earlier API answered."""

    text: str
    sentiment: Label
    score: float


class EarlierRun(BaseModel):
    results: list[EarlierRow]
    vote: Label = Field(description="The label most texts have; neutral where two are level.")
    meta: ScoreMeta


class ModelRow(BaseModel):
    """One model of the registry."""

    id: str
    task: Literal["sentiment", "zero_shot", "generation"]
    hub_id: str | None
    revision: str | None
    backend: str | None = Field(description="What runs it: onnx or torch; null while it is not loaded.")
    state: Literal["unloaded", "loading", "ready", "failed"]
    reason: str | None = Field(description="Why it cannot be loaded.")
    since: str | None = Field(description="Since when it is in this state.")
    memory_mb: float | None
    latency_p50_ms: float | None = Field(description="Of recent calls.")
    calls: int
    default: bool = Field(description="Whether it scores the news.")
    licence: str | None
    link: str | None


class ModelList(BaseModel):
    data: list[ModelRow]
    meta: Meta


class ModelPage(BaseModel):
    data: ModelRow
    meta: Meta


class PromptIn(msgspec.Struct):
    """A text to go on from."""

    example: ClassVar[dict[str, Any]] = {"prompt": "Bitcoin is", "max_new_tokens": 32}

    prompt: Annotated[
        str,
        msgspec.Meta(
            description=f"1 to {TEXT_LIMIT} characters; of a longer one than the model takes, its end is read.",
            extra_json_schema={"minLength": 1, "maxLength": TEXT_LIMIT},
        ),
    ]
    max_new_tokens: Annotated[int, msgspec.Meta(ge=1, le=128, description="Tokens to add, at most.")] = 64


class Generated(BaseModel):
    model: str
    prompt: str
    text: str = Field(description="What the model adds to the prompt. It is invented, and no fact.")
    timestamp: str
    meta: ScoreMeta
