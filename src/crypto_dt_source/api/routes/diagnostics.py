"""The service examines itself."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import parse_rfc3339
from ...services import diagnostics
from ...services.diagnostics import Order
from ..access import Admin, Who
from ..deps import Rt
from ..errors import responses
from ..schemas.diagnostics import Diagnosis
from ..wrap import fresh_response, meta

router = APIRouter(tags=["system"])
AutoFix = Annotated[
    bool,
    Query(
        description="Put right what is safe and reversible; each fix is in the audit log.", examples=[True]
    ),
]
DryRun = Annotated[
    bool, Query(description="With `auto_fix`: say what would be done, and do nothing.", examples=[True])
]
Thorough = Annotated[
    bool,
    Query(
        description="Read the whole database, indexes against tables: slow on a large one.", examples=[True]
    ),
]


@router.post(
    "/api/diagnostics/run",
    response_model=Diagnosis,
    responses=responses(401, 403, 409, 422),
    dependencies=[Admin],
    summary="Examine everything",
)
async def run(
    request: Request,
    rt: Rt,
    caller: Who,
    auto_fix: AutoFix = False,
    dry_run: DryRun = False,
    thorough: Thorough = False,
) -> Response:
    """Every check now. Nothing is changed without `auto_fix`; with it only what is safe and reversible, and never is
    anything installed or anything of a person's deleted. Needs the admin scope."""
    order = Order(
        auto_fix=auto_fix,
        dry_run=dry_run,
        thorough=thorough,
        actor=caller.key or "",
        request=request.scope.get("cdts.request_id", ""),
    )
    return _answer(rt, await diagnostics.run(rt, order))


@router.get(
    "/api/diagnostics/last",
    response_model=Diagnosis,
    responses=responses(401, 403, 503),
    dependencies=[Admin],
    summary="The newest diagnosis",
)
async def last(rt: Rt) -> Response:
    """What the newest diagnosis found, a person's or the hourly one's. Needs the admin scope."""
    return _answer(rt, await diagnostics.last(rt))


@router.get(
    "/api/reports/models",
    response_model=Diagnosis,
    responses=responses(401, 403),
    dependencies=[Admin],
    summary="Examine the models",
)
async def models(rt: Rt) -> Response:
    """The checks of the models alone, now: what cannot be loaded, does not answer or has damaged files. Needs the admin
    scope."""
    return _answer(rt, await diagnostics.models(rt))


def _answer(rt: Rt, found: dict[str, Any]) -> Response:
    about = meta(rt, source=(), fetched_ms=parse_rfc3339(found["timestamp"]), state="hit")
    return fresh_response(found, about)
