"""Discovery: what was found, what it has shown, and whether it is used."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from ...services import discovery
from ..access import Admin, Who
from ..deps import PageNumber, Rt
from ..errors import responses
from ..schemas.discovery import (
    STATES,
    CandidateList,
    CandidatePage,
    ReportPage,
    StartedPage,
    State,
    StatusPage,
)
from ..wrap import about_page, data_response, fresh_response, meta

router = APIRouter(tags=["providers"])
PATIENCE_S = 15.0
"""Seconds a request waits for a round; a longer one goes on by itself."""
CandidateId = Annotated[
    str, Path(description="Id of a candidate.", pattern=r"^[0-9a-f]{16}$", examples=["5f0c1ab2e37d9846"])
]
Background = Annotated[
    bool, Query(description="Answer at once; GET /api/discovery/status tells the rest.", examples=[True])
]


@router.get("/api/discovery/status", response_model=StatusPage, responses=responses(503), summary="Its state")
@router.get(
    "/api/resources/discovery/status",
    response_model=StatusPage,
    responses=responses(503),
    summary="The same, as the earlier API named it",
)
async def status(request: Request, rt: Rt) -> Response:
    """Whether rounds are made, where sources are looked for, how many candidates there are, and the newest round."""
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": await discovery.status(rt)}, about, ttl_s=1)


@router.get(
    "/api/discovery/candidates",
    response_model=CandidateList,
    responses=responses(422, 503),
    summary="Candidates",
)
async def candidates(
    request: Request,
    rt: Rt,
    state: Annotated[State | None, Query(description=STATES, examples=["shadow"])] = None,
    page: PageNumber = 1,
    size: Annotated[int, Query(ge=1, le=100, description="Rows a page, 1 to 100.", examples=[25])] = 25,
) -> Response:
    """Every source that was found, with each probe, the reason of each refusal, and what the trial has shown; those changed
    last first."""
    rows, total = await discovery.listed(rt, state, size, (page - 1) * size)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=total)
    shown = about_page(page, size, total, page * size < total)
    return data_response(request, {"data": rows}, {**about, "page": shown}, ttl_s=1)


@router.get(
    "/api/reports/discovery",
    response_model=ReportPage,
    responses=responses(503),
    summary="Report of discovery",
)
async def report(request: Request, rt: Rt) -> Response:
    """The rule, the newest rounds, and what became of the candidates, with their evidence."""
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": await discovery.report(rt)}, about, ttl_s=1)


@router.post(
    "/api/discovery/run",
    response_model=StartedPage,
    responses={
        202: {"model": StartedPage, "description": "It goes on."},
        **responses(401, 403, 409, 422, 503),
    },
    dependencies=[Admin],
    summary="Look for sources now",
)
@router.post(
    "/api/resources/discovery/run",
    response_model=StartedPage,
    responses={
        202: {"model": StartedPage, "description": "It goes on."},
        **responses(401, 403, 409, 422, 503),
    },
    dependencies=[Admin],
    summary="The same, as the earlier API named it",
)
async def run(rt: Rt, background: Background = False) -> Response:
    """One round: every directory is asked once, and what is new is probed. 409 while another one goes on. A round that takes
    longer than a request may wait goes on, with 202. Needs the admin scope."""
    ended = await discovery.run(rt, "person", wait_s=0.0 if background else PATIENCE_S)
    state: Literal["running", "done"] = "running" if ended is None else "done"
    answer = _answer(rt, {"status": state, "run": None if ended is None else discovery.run_view(ended)})
    answer.status_code = 202 if ended is None else 200
    return answer


@router.post(
    "/api/discovery/candidates/{id}/approve",
    response_model=CandidatePage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Admit a candidate",
)
async def approve(rt: Rt, caller: Who, id: CandidateId) -> Response:
    """Take a proven candidate into use. 409 for one that is not proven: its `reasons` say what is missing. Needs the admin
    scope."""
    return _answer(rt, await discovery.approve(rt, id, caller.key or ""))


@router.post(
    "/api/discovery/candidates/{id}/reject",
    response_model=CandidatePage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Refuse a candidate",
)
async def reject(rt: Rt, caller: Who, id: CandidateId) -> Response:
    """Refuse a candidate for good. 409 for one that is in use. Needs the admin scope."""
    return _answer(rt, await discovery.reject(rt, id, caller.key or ""))


@router.post(
    "/api/discovery/candidates/{id}/take-back",
    response_model=CandidatePage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Take an admission back",
)
async def take_back(rt: Rt, caller: Who, id: CandidateId) -> Response:
    """The source is asked no more, and its quotes leave every price at once. Needs the admin scope."""
    return _answer(rt, await discovery.take_back(rt, id, caller.key or ""))


def _answer(rt: Rt, found: dict[str, Any]) -> Response:
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return fresh_response({"data": found}, about)
