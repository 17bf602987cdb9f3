"""The service in numbers: status, statistics, freshness, upstream failures and budgets."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...services import ages, statistics, upstreams
from ..deps import Rt
from ..errors import responses
from ..schemas.stats import BudgetList, FailureList, FreshnessList, StatisticsPage, StatusPage
from ..wrap import data_response, meta, meta_of

router = APIRouter(prefix="/api", tags=["system"])
Format = Annotated[
    Literal["json", "csv"], Query(description="`csv`: two columns, name and value.", examples=["csv"])
]
Hours = Annotated[
    int, Query(ge=1, le=168, description="Hours counted back from now, 1 to 168.", examples=[24])
]


@router.get("/status", response_model=StatusPage, responses=responses(), summary="On one screen")
async def status(request: Request, rt: Rt) -> Response:
    """How the service is, since when it runs and what it does. GET /api/health says why a component is not well."""
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": await statistics.status(rt)}, about, ttl_s=1)


@router.get("/stats", response_model=StatisticsPage, responses=responses(), summary="Statistics")
async def stats(request: Request, rt: Rt) -> Response:
    """What was asked of this process, and by it of the upstreams."""
    held = await statistics.held(rt)
    return data_response(request, {"data": held.value}, meta_of(rt, held), ttl_s=statistics.HELD_S)


@router.get(
    "/stats/export",
    response_model=StatisticsPage,
    responses={
        **responses(422),
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": "name,value\r\nassets.priced,250\r\n"}
            }
        },
    },
    summary="Statistics as a file",
)
async def export(request: Request, rt: Rt, format: Format = "json") -> Response:
    """The same to be saved. In CSV each figure is a row, the parts of its name joined by dots."""
    held = await statistics.held(rt)
    name = f'attachment; filename="crypto-dt-source-statistics.{format}"'
    if format == "json":
        answer = data_response(request, {"data": held.value}, meta_of(rt, held), ttl_s=statistics.HELD_S)
    else:
        answer = Response(statistics.as_csv(held.value), media_type="text/csv", headers={"X-Mode": rt.mode})
        answer.headers["Cache-Control"] = "no-store"
    answer.headers["Content-Disposition"] = name
    return answer


@router.get(
    "/freshness", response_model=FreshnessList, responses=responses(), summary="How old everything is"
)
async def freshness(request: Request, rt: Rt) -> Response:
    """Each kind of data against its TTL, as it is held here. Nothing is fetched for it: what nobody has asked for and no job
    renews is not held."""
    rows = await ages.listed(rt)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=1)


@router.get(
    "/failures", response_model=FailureList, responses=responses(422, 503), summary="What upstreams refused"
)
async def failures(request: Request, rt: Rt, hours: Hours = 24) -> Response:
    """Upstream calls that failed, by class, with what the class means and what to do about it. Another source has answered
    in nearly all of these cases."""
    held = await upstreams.held_failures(rt, hours)
    since_ms, rows = held.value
    about = meta_of(rt, held, since=rfc3339(since_ms), hours=hours, total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=upstreams.HELD_S)


@router.get(
    "/budgets", response_model=BudgetList, responses=responses(), summary="What is left of upstream limits"
)
async def budgets(request: Request, rt: Rt) -> Response:
    """Every published limit of an upstream in use, what is used of it and what is left."""
    rows = upstreams.budgets(rt)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=1)
