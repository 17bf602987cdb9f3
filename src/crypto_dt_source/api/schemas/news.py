"""News on the wire. Texts are plain: no markup, no control characters."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from .common import ListMeta, Meta, Page, SymbolMeta

Label = Literal["bearish", "neutral", "bullish"]


class HeadlineScore(BaseModel):
    """What a model makes of a headline."""

    label: Label
    confidence: float = Field(description="The label's share, 0 to 1.")
    score: float = Field(description="Share of bullish less share of bearish, -1 to 1.")
    model: str
    revision: str


class ArticleSentiment(HeadlineScore):
    """What a model makes of an article's headline, and since when."""

    scored_at: str


class NamedAsset(BaseModel):
    """An asset a text names."""

    id: str
    symbol: str
    name: str


class Telling(BaseModel):
    """One source's telling of a story."""

    id: str
    source: str = Field(description="Provider id of the feed.")
    source_name: str
    title: str
    url: str
    published_at: str


class NewsItem(BaseModel):
    """One story: the article that told it first, and everyone who tells it."""

    id: str = Field(description="The article's id, from its address.")
    story: str = Field(description="Id of the story: that of the article that told it first.")
    title: str
    summary: str | None
    url: str = Field(description="As the feed gave it, http or https.")
    image: str | None
    author: str | None
    source: str
    source_name: str
    published_at: str
    dated: bool = Field(
        description="Whether the feed told the time. If not (or one in the future), `published_at` is when it was read."
    )
    tags: list[str] = Field(description="The feed's own categories.")
    assets: list[NamedAsset] = Field(description="Assets named in it, the strongest first.")
    sentiment: ArticleSentiment | None = Field(description="Null until a model has read it.")
    sources: list[Telling] = Field(description="Every telling, this one included, oldest first.")


class NewsList(BaseModel):
    data: list[NewsItem]
    page: Page
    meta: SymbolMeta


class NewsPage(BaseModel):
    data: NewsItem
    meta: Meta


class NewsSource(BaseModel):
    """One feed."""

    id: str
    name: str
    title: str | None = Field(description="What the feed calls itself.")
    docs: str | None
    state: Literal["up", "degraded", "down", "idle", "no_key", "off", "gone"]
    read_at: str | None = Field(description="When it last answered, null: never.")
    changed_at: str | None = Field(description="When it last had something new to say.")
    articles_24h: int


class NewsSourceList(BaseModel):
    data: list[NewsSource]
    meta: ListMeta
