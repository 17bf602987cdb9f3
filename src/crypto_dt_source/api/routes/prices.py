"""Prices: consensus, the sources behind it, history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.candle import INTERVAL_MS
from ...model.errors import InvalidParameter
from ...services import asking, history
from ...services.asking import Priced
from ...services.prices import METHOD
from ..deps import Days, Interval, Rt, Symbol, Vs
from ..errors import responses
from ..schemas import History, OnePrice, Prices, Sources
from ..wrap import data_response, meta

router = APIRouter(prefix="/api/prices", tags=["market"])
MAX_SYMBOLS = 100


def _view(priced: Priced) -> dict[str, Any]:
    asset, point = priced.resolution.asset, priced.point
    return {
        "symbol": asset.ticker,
        "id": asset.id,
        "name": asset.name,
        "price": point.price,
        "vs": point.vs.lower(),
        "status": point.status,
        "confidence": point.half_width,
        "sources": point.sources,
        "dispersion_pct": point.dispersion_pct,
        "change_24h_pct": point.change_24h_pct,
        "volume_24h": point.volume_24h,
        "as_of": rfc3339(point.as_of_ms),
        "stale": point.stale,
        "providers": list(point.providers),
        "method": point.method,
    }


def _meta(rt: Rt, found: list[Priced]) -> dict[str, Any]:
    ambiguous = {
        p.resolution.asset.ticker: [a.id for a in p.resolution.ambiguous]
        for p in found
        if p.resolution.ambiguous
    }
    return meta(
        rt,
        source={name for p in found for name in p.point.providers},
        fetched_ms=min((p.point.as_of_ms for p in found), default=None),
        state="stale" if any(p.point.stale for p in found) else "hit",
        ambiguous=ambiguous,
    )


@router.get("", response_model=Prices, responses=responses(422, 503), summary="Consensus prices")
async def prices(
    request: Request,
    rt: Rt,
    symbols: Annotated[
        str,
        Query(
            description="Tickers, pairs or coin ids, comma separated, at most 100.",
            min_length=1,
            max_length=4000,
            examples=["BTC,ETH,SOL"],
        ),
    ],
    vs: Vs = "usd",
) -> Response:
    """The consensus price of each symbol. Unknown ones are named in `errors`; the known ones are still answered."""
    texts = [text.strip() for text in symbols.split(",") if text.strip()]
    if not 0 < len(set(texts)) <= MAX_SYMBOLS:
        raise InvalidParameter(
            f"symbols: name 1 to {MAX_SYMBOLS} symbols, separated by commas.",
            details={"parameter": "symbols", "got": len(set(texts)), "allowed": f"1 to {MAX_SYMBOLS}"},
        )
    answer = await asking.prices(rt, list(dict.fromkeys(texts)), rt.pricer.check_vs(vs))
    if not answer.found and all(error.status >= 500 for _, error in answer.errors):
        raise answer.errors[0][1]
    errors = [
        {
            "symbol": text,
            "code": error.code,
            "error": error.message,
            "did_you_mean": error.details.get("did_you_mean"),
        }
        for text, error in answer.errors
    ]
    content = {"data": [_view(p) for p in answer.found], "errors": errors}
    return data_response(request, content, _meta(rt, answer.found), ttl_s=1)


@router.get(
    "/{symbol}", response_model=OnePrice, responses=responses(404, 422, 503), summary="One consensus price"
)
async def price(request: Request, rt: Rt, symbol: Symbol, vs: Vs = "usd") -> Response:
    """One symbol's consensus price."""
    priced = await asking.price(rt, symbol, rt.pricer.check_vs(vs))
    return data_response(request, {"data": _view(priced)}, _meta(rt, [priced]), ttl_s=1)


@router.get(
    "/{symbol}/sources",
    response_model=Sources,
    responses=responses(404, 422, 503),
    summary="The quotes behind a price",
)
async def sources(request: Request, rt: Rt, symbol: Symbol, vs: Vs = "usd") -> Response:
    """Every provider's quote: its price, volume, age, weight and deviation, and why it does not count if it does not."""
    currency = rt.pricer.check_vs(vs)
    priced = await asking.price(rt, symbol, currency)
    verdict = rt.pricer.judge(priced.point.asset, currency)
    rows = [
        {
            "provider": v.provider,
            "source": v.source,
            "kind": v.kind,
            "symbol": v.symbol,
            "currency": v.currency,
            "price": v.price,
            "converted": v.converted,
            "volume": v.volume,
            "age_seconds": v.age_ms / 1000,
            "weight": v.weight,
            "deviation_pct": v.deviation_pct,
            "excluded": v.excluded.value if v.excluded else None,
            "detail": v.detail,
        }
        for v in sorted(verdict.verdicts, key=lambda v: (-v.weight, v.provider, v.symbol))
    ]
    content = {
        "symbol": priced.resolution.asset.ticker,
        "id": priced.point.asset,
        "vs": currency.lower(),
        "price": verdict.price,
        "status": verdict.status,
        "confidence": verdict.half_width,
        "sources": verdict.sources,
        "dispersion_pct": verdict.dispersion_pct,
        "method": verdict.method,
        "data": rows,
    }
    return data_response(request, content, _meta(rt, [priced]), ttl_s=1)


@router.get(
    "/history/{symbol}", response_model=History, responses=responses(404, 422, 503), summary="Price history"
)
async def price_history(
    request: Request, rt: Rt, symbol: Symbol, days: Days = 7, interval: Interval = "1h"
) -> Response:
    """Stored consensus prices in US dollars, the last of each interval, ascending. Intervals without a stored price are
    left out."""
    resolution = rt.resolver.resolve(symbol)
    points = await history.prices(rt, resolution.asset, days=days, step_ms=INTERVAL_MS[interval])
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "vs": "usd",
        "data": [
            {
                "timestamp": rfc3339(p.timestamp),
                "price": p.price,
                "confidence": p.half_width,
                "sources": p.sources,
            }
            for p in points
        ],
    }
    about = meta(
        rt,
        source=("consensus",) if points else (),
        fetched_ms=points[-1].timestamp if points else None,
        state="hit",
        method=METHOD,
        days=days,
        interval=interval,
    )
    return data_response(request, content, about, ttl_s=60)
