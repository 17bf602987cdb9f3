"""Metrics: JSON for people, Prometheus text for machines. METRICS_ACCESS says who may read them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from ...services import metrics, metrics_summary
from ..access import ADMIN, KEY_OPTIONAL, PRIVATE, Who, check
from ..deps import Rt
from ..errors import responses
from ..schemas.metrics import MetricsPage
from ..wrap import data_response, meta


async def may_read(request: Request, rt: Rt, caller: Who) -> None:
    """Raises Unauthenticated and Forbidden where METRICS_ACCESS is `admin` and the caller is none."""
    if rt.metrics_access == ADMIN:
        request.scope[PRIVATE] = True
        check(caller, ADMIN)


router = APIRouter(tags=["system"], dependencies=[Depends(may_read)])
_EXAMPLE = (
    "# HELP cdts_http_requests_total Answers to clients\n"
    "# TYPE cdts_http_requests_total counter\n"
    'cdts_http_requests_total{route="/api/prices",status="200"} 42.0\n'
)
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(401, 403),
    200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": _EXAMPLE}}},
}


@router.get(
    "/api/metrics",
    response_model=MetricsPage,
    responses=responses(401, 403),
    openapi_extra=KEY_OPTIONAL,
    summary="Metrics for people",
)
async def summary(request: Request, rt: Rt) -> Response:
    """Requests, upstreams, budgets, cache, store, stream, limiter, models, jobs and the process, summed up since the start.
    For everybody, or with METRICS_ACCESS=admin for the admin scope."""
    found = await metrics_summary.summary(rt)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": found}, about, ttl_s=1)


@router.get(
    "/metrics",
    response_class=Response,
    responses=_ANSWERS,
    openapi_extra=KEY_OPTIONAL,
    summary="Metrics for Prometheus",
)
async def text(rt: Rt) -> Response:
    """Prometheus' text format; docs/operations.md names every metric. Without a key it is counted by no limit. For everybody, or with
    METRICS_ACCESS=admin for the admin scope."""
    headers = {"Content-Type": metrics.CONTENT_TYPE, "Cache-Control": "no-cache"}
    return Response(await metrics.held(rt), headers=headers)
