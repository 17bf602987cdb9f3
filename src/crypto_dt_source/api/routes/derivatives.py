"""Perpetual contracts over all venues: funding rates and open interest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...model.errors import CdtsError
from ...services import derivatives
from ...store.cache import Cached
from ..deps import SYMBOL_TEXT, PageNumber, PageSize, ProviderQuery, Rt
from ..errors import responses
from ..schemas.derivatives import FundingList, InterestList
from ..wrap import data_response, meta, page_of

router = APIRouter(prefix="/api/derivatives", tags=["market"])
OneSymbol = Annotated[
    str | None,
    Query(description=f"Only this asset. {SYMBOL_TEXT}", min_length=1, max_length=64, examples=["BTC"]),
]


@router.get(
    "/funding", response_model=FundingList, responses=responses(404, 422, 503), summary="Funding rates"
)
async def funding(
    request: Request,
    rt: Rt,
    symbol: OneSymbol = None,
    provider: ProviderQuery = None,
    page: PageNumber = 1,
    page_size: PageSize = 100,
) -> Response:
    """Each venue's own rate, the largest assets first."""
    found = await derivatives.funding(rt, symbol=symbol, provider=provider)
    shown, about_page = page_of(found.rows, page, page_size)
    data = [
        {
            "provider": row.provider,
            "contract": row.symbol,
            "asset": asset.id if asset else None,
            "symbol": row.base,
            "quote": row.quote,
            "rate_pct": 100 * row.rate,
            "interval_hours": row.interval_h,
            "annual_pct": derivatives.annual_pct(row),
            "mark_price": row.mark_price,
            "index_price": row.index_price,
            "next_funding": None if row.next_ms is None else rfc3339(row.next_ms),
        }
        for row, asset, _ in shown
    ]
    about = _about(rt, found.parts, found.errors)
    return data_response(request, {"data": data, "page": about_page}, about, ttl_s=rt.freshness.derivatives)


@router.get(
    "/open-interest", response_model=InterestList, responses=responses(404, 422, 503), summary="Open interest"
)
async def open_interest(
    request: Request,
    rt: Rt,
    symbol: OneSymbol = None,
    provider: ProviderQuery = None,
    page: PageNumber = 1,
    page_size: PageSize = 100,
) -> Response:
    """Each venue's own figures, the largest assets first. Of a venue that answers one contract a call only those on its
    largest assets are here."""
    found = await derivatives.open_interest(rt, symbol=symbol, provider=provider)
    shown, about_page = page_of(found.rows, page, page_size)
    data = [
        {
            "provider": row.provider,
            "contract": row.symbol,
            "asset": asset.id if asset else None,
            "symbol": row.base,
            "quote": row.quote,
            "amount": row.amount,
            "value": row.value,
            "value_usd": value_usd,
        }
        for row, asset, value_usd in shown
    ]
    known = [value for _, _, value in found.rows if value is not None]
    about = _about(rt, found.parts, found.errors, total_usd=sum(known) if known else None)
    return data_response(request, {"data": data, "page": about_page}, about, ttl_s=rt.freshness.derivatives)


def _about(
    rt: Rt, parts: Sequence[Cached[Any]], errors: Iterable[tuple[str, CdtsError]], **extra: Any
) -> dict[str, Any]:
    state = next((s for s in ("miss", "stale") if any(part.state == s for part in parts)), "hit")
    return meta(
        rt,
        source={name for part in parts for name in part.source},
        fetched_ms=min(part.fetched_ms for part in parts),
        state=state,
        stale=any(part.state == "stale" for part in parts),
        failed=[{"name": name, "code": error.code, "error": error.public} for name, error in errors],
        **extra,
    )
