"""Perpetual contracts over all venues: funding rates and open interest."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...services import derivatives
from ...services.derivatives import Contracts
from ..deps import SYMBOL_TEXT, PageNumber, PageSize, ProviderQuery, Rt
from ..errors import responses
from ..schemas.derivatives import FundingList, InterestList
from ..wrap import ambiguous, data_response, failed, meta_of_parts, page_of, received

router = APIRouter(prefix="/api/derivatives", tags=["market"])
DIGITS = 12
"""More than any venue states."""
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
    """Each venue's own rate, the largest assets first. A venue that is slow to answer is left out and named in
    `meta.failed`."""
    found = await derivatives.funding(rt, symbol=symbol, provider=provider)
    shown, about_page = page_of(found.rows, page, page_size)
    data = [
        {
            "provider": row.provider,
            "contract": row.symbol,
            "asset": asset.id if asset else None,
            "symbol": row.base,
            "quote": row.quote,
            "rate_pct": _without_noise(100 * row.rate),
            "interval_hours": row.interval_h,
            "annual_pct": None if annual is None else _without_noise(annual),
            "mark_price": row.mark_price,
            "index_price": row.index_price,
            "next_funding": None if row.next_ms is None else rfc3339(row.next_ms),
            **received(found.parts[row.provider]),
        }
        for row, asset, _ in shown
        for annual in (derivatives.annual_pct(row),)
    ]
    about = _about(rt, found)
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
            **received(found.parts[row.provider]),
        }
        for row, asset, value_usd in shown
    ]
    known = [value for _, _, value in found.rows if value is not None]
    about = _about(rt, found, total_usd=sum(known) if known else None)
    return data_response(request, {"data": data, "page": about_page}, about, ttl_s=rt.freshness.derivatives)


def _about(rt: Rt, found: Contracts[Any], **extra: Any) -> dict[str, Any]:
    resolved = (found.resolution,) if found.resolution is not None else ()
    return meta_of_parts(
        rt, found.parts.values(), ambiguous=ambiguous(*resolved), failed=failed(found.errors), **extra
    )


def _without_noise(percent: float) -> float:
    """To 12 significant digits: a percentage of 0.0001 is 0.01, not 0.010000000000000002."""
    return float(f"{percent:.{DIGITS}g}")
