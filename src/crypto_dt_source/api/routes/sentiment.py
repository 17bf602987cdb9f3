"""Sentiment: of the news, of one asset, by day; the fear and greed index; texts people hand in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from ...clock import rfc3339
from ...model.sentiment import Score
from ...services import analyze, fear_greed, news, sentiment, tier_caps
from ...services.sentiment import Aggregate, Mood
from ...store.cache import Cached
from ...store.repos.news import Scored
from ..access import KEY, KEY_OPTIONAL, Key, Who, check
from ..bodies import documented, reads
from ..deps import Days, Rt, Symbol
from ..errors import responses
from ..schemas.sentiment import (
    Analyzed,
    AnalyzedBatch,
    AnalyzedShort,
    CryptoAnalysis,
    EarlierRun,
    FearGreedHistory,
    Sentiment,
    SentimentHistory,
    SymbolSentiment,
    TextIn,
    TextsIn,
)
from ..views import score_view, tier_limit
from ..wrap import ambiguous, data_response, fresh_response, meta

router = APIRouter(prefix="/api", tags=["news and sentiment"])
REUSE_S = 60
OPEN_TEXTS = 16
"""Texts at a time that anybody may have scored; more need a key."""
OneText = Annotated[TextIn, Depends(reads(TextIn))]
SeveralTexts = Annotated[TextsIn, Depends(reads(TextsIn))]
ONE_TEXT = documented(TextIn, TextIn.example)
SEVERAL_TEXTS = documented(TextsIn, TextsIn.example)


@router.get("/sentiment", response_model=Sentiment, responses=responses(503), summary="How the market feels")
async def overall(request: Request, rt: Rt) -> Response:
    """The aggregate of the last day's news, the fear and greed index, and the strongest items."""
    mood = await sentiment.mood(rt)
    index = await _fear_greed(rt)
    named = mood.value.providers
    read = await (news.read_state(rt, named) if index is None else news.known_state(rt, named))
    content = {
        "overall_sentiment": _aggregate(rt, mood.value.aggregate),
        "fear_greed_index": index,
        "top_sentiments": [_strong(rt, item) for item in mood.value.top],
    }
    return data_response(request, content, _about(rt, mood, read), ttl_s=rt.freshness.sentiment)


@router.get(
    "/sentiment/history", response_model=SentimentHistory, responses=responses(422, 503), summary="By day"
)
async def history(request: Request, rt: Rt, caller: Who, days: Days = 30) -> Response:
    """One row a UTC day that has scored articles, ascending; today's still grows. No further back than the caller's tier
    goes."""
    days, cut = tier_caps.days(days, caller.tier.history_days)
    found = await sentiment.by_day(rt, days=days)
    read = await news.read_state(rt, found.providers)
    data = [
        {
            "date": rfc3339(row.day_ms)[:10],
            "label": row.label,
            "score": row.score,
            "items": row.items,
            "sources": row.sources,
            "bullish": row.bullish,
            "neutral": row.neutral,
            "bearish": row.bearish,
        }
        for row in found.days
    ]
    about = meta(
        rt,
        source=found.providers,
        fetched_ms=read.read_ms,
        state="stale" if read.stale else "hit",
        **tier_limit(caller, cut),
    )
    return data_response(request, {"data": data}, about, ttl_s=REUSE_S)


@router.get(
    "/sentiment/fear-greed",
    response_model=FearGreedHistory,
    responses=responses(422, 503),
    summary="Fear and greed by day",
)
async def fear_greed_history(request: Request, rt: Rt, days: Days = 30) -> Response:
    """One index, named in `meta`, ascending; days its maker left out are not there."""
    now = await fear_greed.now(rt)
    rows = await fear_greed.history(rt, days=days)
    data = [
        {"date": rfc3339(r.day_ms)[:10], "value": r.value, "classification": r.classification} for r in rows
    ]
    about = meta(
        rt,
        source={row.provider for row in rows},
        fetched_ms=now.fetched_ms,
        state=now.state,
        index=rows[-1].series if rows else None,
    )
    return data_response(request, {"data": data}, about, ttl_s=rt.freshness.fear_greed)


@router.get(
    "/sentiment/{symbol}",
    response_model=SymbolSentiment,
    responses=responses(404, 422, 503),
    summary="Of one asset",
)
async def of_symbol(request: Request, rt: Rt, symbol: Symbol) -> Response:
    """The aggregate of the last day's articles that name the asset."""
    resolution = rt.resolver.resolve(symbol)
    mood = await sentiment.mood(rt, resolution.asset)
    read = await news.read_state(rt, mood.value.providers)
    content = {
        "symbol": resolution.asset.ticker,
        "asset": resolution.asset.id,
        "overall_sentiment": _aggregate(rt, mood.value.aggregate),
        "top_sentiments": [_strong(rt, item) for item in mood.value.top],
    }
    about = {**_about(rt, mood, read), "ambiguous": ambiguous(resolution)}
    return data_response(request, content, about, ttl_s=rt.freshness.sentiment)


@router.post(
    "/analyze/text",
    response_model=Analyzed,
    responses=responses(400, 404, 409, 415, 422, 503),
    openapi_extra=ONE_TEXT,
    summary="Score a text",
)
async def analyze_text(rt: Rt, body: OneText) -> Response:
    """Bearish, neutral or bullish, by a transformer model that is named in `meta`."""
    score = await analyze.score(rt, body.text, body.model)
    content = {
        "text": body.text,
        "sentiment": score.label,
        "confidence": score.confidence,
        "label": score.raw_label,
        "scores": _shares(score),
    }
    return fresh_response(content, _scored_by(rt, score))


@router.post(
    "/analyze/batch",
    response_model=AnalyzedBatch,
    responses=responses(400, 401, 403, 404, 409, 415, 422, 503),
    dependencies=[Key],
    openapi_extra=SEVERAL_TEXTS,
    summary="Score many texts",
)
async def analyze_batch(rt: Rt, body: SeveralTexts) -> Response:
    """Up to 256 texts, in order. Needs a key."""
    scores = await analyze.scores(rt, body.texts, body.model)
    data = [
        {
            "text": text,
            "sentiment": score.label,
            "confidence": score.confidence,
            "label": score.raw_label,
            "scores": _shares(score),
            "model": score.model,
            "revision": score.revision,
        }
        for text, score in zip(body.texts, scores, strict=True)
    ]
    # Ten megabytes of text where there are as many as may be.
    return await asyncio.to_thread(fresh_response, {"data": data}, _scored_by(rt, scores[0]))


@router.post(
    "/sentiment/analyze",
    response_model=AnalyzedShort,
    responses=responses(400, 404, 409, 415, 422, 503),
    openapi_extra=ONE_TEXT,
    summary="Score a text",
)
async def sentiment_analyze(rt: Rt, body: OneText) -> Response:
    """The label and its share."""
    score = await analyze.score(rt, body.text, body.model)
    content = {
        "text": body.text,
        "label": score.label,
        "score": score.confidence,
        "timestamp": rfc3339(rt.clock.now_ms()),
    }
    return fresh_response(content, _scored_by(rt, score))


@router.post(
    "/sentiment/crypto-analysis",
    response_model=CryptoAnalysis,
    responses=responses(400, 404, 409, 415, 422, 503),
    openapi_extra=ONE_TEXT,
    summary="Shares of bearish, neutral and bullish",
)
async def crypto_analysis(rt: Rt, body: OneText) -> Response:
    """The three shares, by a model that can say all three; they sum to 1."""
    score = await analyze.shares(rt, body.text, body.model)
    content = {
        "text": body.text,
        "sentiment": score.label,
        "scores": _shares(score),
        "timestamp": rfc3339(rt.clock.now_ms()),
    }
    return fresh_response(content, _scored_by(rt, score))


@router.post(
    "/hf/run-sentiment",
    response_model=EarlierRun,
    responses=responses(400, 401, 403, 404, 409, 415, 422, 503),
    openapi_extra={**SEVERAL_TEXTS, **KEY_OPTIONAL},
    summary="Score texts, as the earlier API did",
)
async def run_sentiment(rt: Rt, body: SeveralTexts, caller: Who) -> Response:
    """Per text its label and share, and the label most of them have. More than 16 texts need a key."""
    if len(body.texts) > OPEN_TEXTS:
        check(caller, KEY, f"Scoring more than {OPEN_TEXTS} texts at a time")
    scores = await analyze.scores(rt, body.texts, body.model)
    results = [
        {"text": text, "sentiment": score.label, "score": score.confidence}
        for text, score in zip(body.texts, scores, strict=True)
    ]
    return fresh_response({"results": results, "vote": _vote(scores)}, _scored_by(rt, scores[0]))


def _vote(scores: list[Score]) -> str:
    ranked = Counter(score.label for score in scores).most_common(2)
    return "neutral" if len(ranked) == 2 and ranked[0][1] == ranked[1][1] else ranked[0][0]


def _shares(score: Score) -> dict[str, float]:
    return {"bearish": score.bearish, "neutral": score.neutral, "bullish": score.bullish}


def _scored_by(rt: Rt, score: Score) -> Mapping[str, Any]:
    return meta(
        rt,
        source=(score.model,),
        fetched_ms=rt.clock.now_ms(),
        state="miss",
        model=score.model,
        revision=score.revision,
    )


def _aggregate(rt: Rt, value: Aggregate) -> dict[str, Any]:
    return {
        "label": value.label,
        "score": value.score,
        "items": value.items,
        "sources": value.sources,
        "bullish": value.bullish,
        "neutral": value.neutral,
        "bearish": value.bearish,
        "window_hours": sentiment.WINDOW_H,
        "method": sentiment.METHOD,
        "enabled": rt.limits.sentiment,
        "models": list(value.models),
    }


async def _fear_greed(rt: Rt) -> dict[str, Any] | None:
    """The index beside the aggregate, which does not depend on it."""
    found = await fear_greed.known(rt)
    if found is None:
        return None
    day = found.value
    return {
        "index": day.series,
        "value": day.value,
        "classification": day.classification,
        "date": rfc3339(day.day_ms)[:10],
        "provider": day.provider,
        "fetched_at": rfc3339(found.fetched_ms),
        "stale": found.state == "stale",
    }


def _strong(rt: Rt, item: Scored) -> dict[str, Any]:
    known = (rt.resolver.by_id(asset) for asset in item.assets)
    return {
        "id": item.id,
        "title": item.title,
        "url": item.url,
        "source": item.provider,
        "published_at": rfc3339(item.published_ms),
        "assets": [{"id": a.id, "symbol": a.ticker, "name": a.name} for a in known if a is not None],
        "sentiment": score_view(item.score),
    }


def _about(rt: Rt, mood: Cached[Mood], read: news.ReadState | None) -> dict[str, Any]:
    """Without any feed read there is nothing of the news in the answer, and no time of it."""
    if read is None:
        return meta(rt, source=(), fetched_ms=None, state="hit")
    state = "stale" if read.stale else mood.state
    return meta(rt, source=mood.value.providers, fetched_ms=read.read_ms, state=state)
