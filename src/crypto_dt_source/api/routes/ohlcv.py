"""Candles and what is stored of them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.candle import INTERVAL_MS, Candle
from ...services import candles, coverage, fetches
from ...store import Gap
from ..access import Who
from ..deps import Interval, Moment, ProviderQuery, Rt, SymbolQuery, moment
from ..errors import responses
from ..schemas.prices import Candles, CoverageList
from ..views import tier_limit
from ..wrap import ambiguous, data_response, meta

router = APIRouter(prefix="/api/ohlcv", tags=["market"])


def _gap(gap: Gap, interval: str) -> dict[str, object]:
    return {
        "start": rfc3339(gap.start_ms),
        "end": rfc3339(gap.end_ms),
        "candles": (gap.end_ms - gap.start_ms) // INTERVAL_MS[interval],
    }


def _row(candle: Candle, source: str) -> dict[str, Any]:
    return {
        "open_time": rfc3339(candle.open_ms),
        "open_time_ms": candle.open_ms,
        "open": candle.open,
        "high": candle.high,
        "low": candle.low,
        "close": candle.close,
        "volume": candle.volume,
        "quote_volume": candle.quote_volume,
        "trades": candle.trades,
        "closed": candle.closed,
        "source": source,
    }


@router.get("", response_model=Candles, responses=responses(404, 422, 503), summary="Candles")
async def ohlcv(
    request: Request,
    rt: Rt,
    caller: Who,
    symbol: SymbolQuery,
    interval: Interval = "1h",
    limit: Annotated[int, Query(ge=1, le=1000, description="Candles, 1 to 1000.", examples=[100])] = 100,
    start: Moment = None,
    end: Moment = None,
    provider: ProviderQuery = None,
) -> Response:
    """Candles of one venue's pair, ascending, the running one included and marked. Missing ones are in `meta.gaps`; one
    that another venue supplied names it in `source`. Without `start` and `end` the newest `limit` candles are answered
    whole; a window by time goes no further back than the caller's tier, and a `start` before that is moved up."""
    resolution = rt.resolver.resolve(symbol)
    answer = await candles.candles(
        rt,
        resolution.asset,
        resolution.quote,
        interval,
        limit=limit,
        start_ms=moment("start", start),
        end_ms=moment("end", end),
        provider=provider,
        history_days=caller.tier.history_days,
    )
    own = answer.series.provider
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "pair": f"{answer.series.base}/{answer.series.quote}",
        "interval": interval,
        "provider": own,
        "data": [_row(c, answer.repaired.get(c.open_ms, own)) for c in answer.candles],
    }
    about = meta(
        rt,
        source={answer.repaired.get(c.open_ms, own) for c in answer.candles},
        fetched_ms=answer.fetched_ms,
        state=answer.state,
        gaps=[_gap(g, interval) for g in answer.gaps[:1000]],
        ambiguous=ambiguous(resolution),
        **tier_limit(caller, answer.cut),
    )
    return data_response(request, content, about, ttl_s=rt.freshness.open_candle)


@router.get(
    "/coverage", response_model=CoverageList, responses=responses(404, 422, 503), summary="What is stored"
)
async def ohlcv_coverage(
    request: Request, rt: Rt, symbol: SymbolQuery, interval: Interval = "1h"
) -> Response:
    """Every stored series of the symbol in that interval: its range, and the candles missing inside it."""
    resolution = rt.resolver.resolve(symbol)
    rows = await coverage.stored(rt, resolution.asset, resolution.quote, interval)
    data = [
        {
            "provider": row.series.provider,
            "pair": f"{row.series.base}/{row.series.quote}",
            "interval": interval,
            "first": rfc3339(row.coverage.first_ms),
            "last": rfc3339(row.coverage.last_ms),
            "candles": row.coverage.candles,
            "gaps": [_gap(g, interval) for g in row.gaps],
        }
        for row in rows
    ]
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "interval": interval,
        "data": data,
    }
    fetched = [at for row in rows if (at := fetches.newest(rt, row.series)) is not None]
    about = meta(
        rt,
        source={row.series.provider for row in rows},
        fetched_ms=min(fetched) if len(fetched) == len(rows) > 0 else None,
        state="hit",
        ambiguous=ambiguous(resolution),
    )
    return data_response(request, content, about, ttl_s=60)
