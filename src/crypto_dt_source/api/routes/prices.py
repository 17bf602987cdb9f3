"""Prices: consensus, the sources behind it, history."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.candle import INTERVAL_MS
from ...security.tiers import Caller
from ...services import asking, history, tier_caps
from ...services.asking import Priced
from ...services.live import price_row
from ...services.prices import METHOD
from ...telemetry import mask
from ..access import Who
from ..deps import Days, Interval, Rt, Symbol, Vs
from ..errors import responses
from ..misplaced import found_elsewhere
from ..schemas.prices import History, OnePrice, Prices, Sources
from ..views import sources_of, tier_limit
from ..wrap import ambiguous, data_response, meta

router = APIRouter(prefix="/api/prices", tags=["market"])
HISTORY_TTL_S = 300
"""Prices are stored every five minutes."""


def _view(priced: Priced) -> dict[str, Any]:
    asset, point = priced.resolution.asset, priced.point
    return price_row(asset.ticker, asset.name, point)


def _meta(rt: Rt, found: list[Priced], asked: bool, **extra: Any) -> dict[str, Any]:
    return meta(
        rt,
        source={name for p in found for name in sources_of(p.point)},
        fetched_ms=min((p.point.as_of_ms for p in found), default=None),
        state="stale" if any(p.point.stale for p in found) else "miss" if asked else "hit",
        ambiguous=ambiguous(*(p.resolution for p in found)),
        **extra,
    )


def _respond(request: Request, rt: Rt, content: dict[str, Any], about: dict[str, Any]) -> Response:
    """A price is decided anew each second, so no cache may go on using an answer for longer."""
    return data_response(request, content, about, ttl_s=rt.freshness.prices, reuse_s=1)


def _currency(rt: Rt, vs: str | None) -> str | None:
    return None if vs is None else rt.pricer.check_vs(vs)


@router.get("", response_model=Prices, responses=responses(422, 503), summary="Consensus prices")
async def prices(
    request: Request,
    rt: Rt,
    caller: Who,
    symbols: Annotated[
        str,
        Query(
            description="Tickers, pairs or coin ids, comma separated, at most 100.",
            min_length=1,
            max_length=4000,
            examples=["BTC,ETH,SOL"],
        ),
    ],
    vs: Vs = None,
) -> Response:
    """The consensus price of each symbol. Unknown ones are named in `errors`; the known ones are still answered. Texts
    that mean the same asset in the same currency (`BTC,btc,bitcoin`) are answered in one row. Those beyond what the
    caller's tier gives in a call are named in `errors` with `tier_limit`, and `meta.tier_limit` says so."""
    answer = await asking.prices_named(rt, symbols, _currency(rt, vs), caller.tier.symbols)
    errors = [
        {
            "symbol": mask(text),
            "code": error.code,
            "error": error.message,
            "did_you_mean": error.details.get("did_you_mean"),
        }
        for text, error in answer.errors
    ]
    errors += [_beyond(rt, caller, text) for text in answer.beyond]
    content = {"data": [_view(p) for p in answer.found], "errors": errors}
    about = _meta(rt, answer.found, answer.asked, **tier_limit(caller, answer.cut))
    return _respond(request, rt, content, about)


def _beyond(rt: Rt, caller: Caller, text: str) -> dict[str, Any]:
    """Of a symbol that the caller's tier leaves out."""
    tier = caller.tier
    more = tier_caps.with_more_symbols(rt.access.tiers, tier)
    if more is None:
        advice = "ask for the others in another call"
    else:
        advice = f"the {more.name} tier gives {min(more.symbols or asking.MAX_SYMBOLS, asking.MAX_SYMBOLS)}"
    return {
        "symbol": mask(text),
        "code": "tier_limit",
        "error": f"The {tier.name} tier gives {tier.symbols} symbols a call; {advice}.",
        "did_you_mean": None,
    }


@router.get(
    "/history/{symbol:path}",
    response_model=History,
    responses=responses(404, 422, 503),
    summary="Price history",
)
async def price_history(
    request: Request, rt: Rt, caller: Who, symbol: Symbol, days: Days = 7, interval: Interval = "1h"
) -> Response:
    """Stored consensus prices in US dollars, the last of each interval, ascending. Intervals without a stored price are
    left out. No further back than the caller's tier goes."""
    resolution = rt.resolver.resolve(symbol)
    days, cut = tier_caps.days(days, caller.tier.history_days)
    points = await history.prices(rt, resolution.asset, days=days, step_ms=INTERVAL_MS[interval])
    content = {
        "symbol": resolution.asset.ticker,
        "id": resolution.asset.id,
        "vs": "usd",
        "data": [{"timestamp": rfc3339(at), "price": price} for at, price in points],
    }
    about = meta(
        rt,
        source=("consensus",) if points else (),
        fetched_ms=points[-1][0] if points else None,
        state="hit",
        method=METHOD,
        days=days,
        interval=interval,
        ambiguous=ambiguous(resolution),
        **tier_limit(caller, cut),
    )
    return data_response(request, content, about, ttl_s=HISTORY_TTL_S)


@router.get(
    "/{symbol:path}/sources",
    response_model=Sources,
    responses=responses(404, 422, 503),
    summary="The quotes behind a price",
)
async def sources(request: Request, rt: Rt, symbol: Symbol, vs: Vs = None) -> Response:
    """Every provider's quote: its price, volume, age, weight and deviation, and why it does not count if it does not."""
    priced, asked = await asking.price(rt, symbol, _currency(rt, vs))
    verdict = rt.pricer.judge(priced.point.asset, priced.point.vs)
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
            "age_seconds": max(0, v.age_ms) / 1000,
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
        "vs": priced.point.vs.lower(),
        "price": verdict.price,
        "status": verdict.status,
        "confidence": verdict.half_width,
        "sources": verdict.sources,
        "dispersion_pct": verdict.dispersion_pct,
        "method": verdict.method,
        "data": rows,
    }
    return _respond(request, rt, content, _meta(rt, [priced], asked))


@router.get(
    "/{symbol:path}",
    response_model=OnePrice,
    responses=responses(404, 422, 503),
    summary="One consensus price",
)
async def price(request: Request, rt: Rt, symbol: Symbol, vs: Vs = None) -> Response:
    """One symbol's consensus price. A pair may be written with its slash (`/api/prices/BTC/EUR`)."""
    with found_elsewhere(rt, symbol):
        priced, asked = await asking.price(rt, symbol, _currency(rt, vs))
    return _respond(request, rt, {"data": _view(priced)}, _meta(rt, [priced], asked))
