"""Sentiment on the wire. Scores are -1 (bearish) to 1 (bullish), shares 0 to 1."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from .common import Meta
from .news import HeadlineScore, Label, NamedAsset


class FearGreedNow(BaseModel):
    """The newest day of an index."""

    index: str = Field(description="Whose index it is; those of different makers do not compare.")
    value: int = Field(ge=0, le=100, description="0: extreme fear, 100: extreme greed.")
    classification: str
    date: str = Field(description="Its UTC day.")
    provider: str
    fetched_at: str


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
    meta: SentimentMeta


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
    meta: Meta


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


def whole_text(text: str) -> str:
    """JSON may name half a surrogate pair, which is no text: shown and read as U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


Text = Annotated[str, AfterValidator(whole_text)]


class TextIn(BaseModel):
    """A text to score."""

    text: Text = Field(
        description="1 to 10 000 characters, any language; the model reads its first 128 or so words."
    )
    model: str | None = Field(
        default=None,
        max_length=200,
        description="An id of GET /api/models that is loaded; not given: the service's own.",
    )


class TextsIn(BaseModel):
    """Texts to score."""

    texts: list[Text] = Field(description="1 to 256 texts.")
    model: Text | None = Field(
        default=None, max_length=200, description="An id of GET /api/models that is loaded."
    )


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


class PromptIn(BaseModel):
    """A text to go on from."""

    prompt: Text = Field(min_length=1, max_length=10_000)
    max_new_tokens: int = Field(default=64, ge=1, le=128)


class Generated(BaseModel):
    model: str
    prompt: str
    text: str = Field(description="What the model adds to the prompt. It is invented, and no fact.")
    timestamp: str
    meta: ScoreMeta
