"""How records that several routes show look on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..clock import rfc3339
from ..model.sentiment import Score
from ..security.tiers import Caller
from ..services.market import Coin
from ..services.prices import PricePoint
from ..services.tier_caps import Cut
from ..store import CONSENSUS


def coin_view(coin: Coin, sparklines: Mapping[str, list[float]] | None = None) -> dict[str, Any]:
    """A market-list row under its canonical id, with its line of the week where these are given."""
    row = coin.row
    line = {} if sparklines is None else {"sparkline_7d": sparklines.get(coin.asset.id, [])}
    return {
        "id": coin.asset.id,
        "symbol": coin.asset.ticker,
        "name": coin.asset.name,
        "rank": row.rank,
        "price": row.price,
        "market_cap": row.market_cap,
        "volume_24h": row.volume_24h,
        "change_1h_pct": row.change_1h_pct,
        "change_24h_pct": row.change_24h_pct,
        "change_7d_pct": row.change_7d_pct,
        "high_24h": row.high_24h,
        "low_24h": row.low_24h,
        "circulating_supply": row.circulating_supply,
        "total_supply": row.total_supply,
        "max_supply": row.max_supply,
        **line,
    }


def sources_of(point: PricePoint) -> tuple[str, ...]:
    """Whom a price comes from: the providers that count, `consensus` where they are no longer known, nobody without a
    price."""
    return point.providers or (() if point.price is None else (CONSENSUS,))


def score_view(score: Score) -> dict[str, Any]:
    """What a model made of a text."""
    return {
        "label": score.label,
        "confidence": score.confidence,
        "score": score.score,
        "model": score.model,
        "revision": score.revision,
    }


def article_sentiment(score: Score | None, scored_ms: int | None) -> dict[str, Any] | None:
    """The score of an article; None before a model has read it."""
    if score is None or scored_ms is None:
        return None
    return {**score_view(score), "scored_at": rfc3339(scored_ms)}


def tier_limit(caller: Caller, cut: Cut | None) -> dict[str, dict[str, Any]]:
    """What `meta` says of a part that the caller's tier left off: nothing where it left off nothing."""
    if cut is None:
        return {}
    note = {"limit": cut.limit, "tier": caller.tier.name, "asked": cut.asked, "given": cut.given}
    return {"tier_limit": note}
