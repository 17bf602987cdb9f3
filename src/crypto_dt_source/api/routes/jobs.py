"""The timetable: every job, its runs, run now, pause, resume."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from ...services import jobs
from ..access import Admin
from ..deps import TEXT, PageNumber, PageSize, Rt
from ..errors import responses
from ..schemas.jobs import JobList, JobPage, JobRunList
from ..wrap import about_page, data_response, fresh_response, meta

router = APIRouter(prefix="/api/jobs", tags=["system"])
JobId = Annotated[
    str,
    Path(description="Id of a job.", min_length=1, max_length=80, pattern=TEXT, examples=["store_prices"]),
]


def _about(rt: Rt, **extra: Any) -> dict[str, Any]:
    return meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", **extra)


@router.get("", response_model=JobList, responses=responses(503), summary="The timetable")
async def all_jobs(request: Request, rt: Rt) -> Response:
    """Every job with its times, when it runs next and what became of its last run; those of the timetable first, then
    internal work, which has a period. `scheduler` says which process runs them."""
    rows = await jobs.listed(rt)
    content = {"data": rows, "scheduler": jobs.leadership(rt)}
    return data_response(request, content, _about(rt, total=len(rows)), ttl_s=1)


@router.get("/{job_id}", response_model=JobPage, responses=responses(404, 422, 503), summary="One job")
async def one_job(request: Request, rt: Rt, job_id: JobId) -> Response:
    """One job."""
    return data_response(request, {"data": await jobs.one(rt, job_id)}, _about(rt), ttl_s=1)


@router.get(
    "/{job_id}/runs", response_model=JobRunList, responses=responses(404, 422, 503), summary="Its runs"
)
async def runs(
    request: Request, rt: Rt, job_id: JobId, page: PageNumber = 1, page_size: PageSize = 50
) -> Response:
    """The runs of 30 days, newest first: all of a job of the timetable; of internal work those that ended otherwise than
    the one before, and those that were asked for."""
    rows, total = await jobs.runs(rt, job_id, page, page_size)
    content = {"data": rows, "page": about_page(page, page_size, total, page * page_size < total)}
    return data_response(request, content, _about(rt), ttl_s=1)


@router.post(
    "/{job_id}/run",
    response_model=JobPage,
    status_code=202,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Run a job now",
)
async def run(rt: Rt, job_id: JobId) -> Response:
    """Begin a run and answer without waiting for its end, which the list of its runs and the stream's channel `jobs` tell.
    Where another process runs the timetable, that one begins it within two seconds. Needs the admin scope."""
    answer = fresh_response({"data": await jobs.run(rt, job_id)}, _about(rt))
    answer.status_code = 202
    return answer


@router.post(
    "/{job_id}/pause",
    response_model=JobPage,
    responses=responses(401, 403, 404, 422, 503),
    dependencies=[Admin],
    summary="Pause a job",
)
async def pause(rt: Rt, job_id: JobId) -> Response:
    """Let its times pass until it is resumed, also over a restart; a run under way goes on, and POST …/run still begins
    one. Needs the admin scope."""
    return fresh_response({"data": await jobs.pause(rt, job_id)}, _about(rt))


@router.post(
    "/{job_id}/resume",
    response_model=JobPage,
    responses=responses(401, 403, 404, 422, 503),
    dependencies=[Admin],
    summary="Resume a job",
)
async def resume(rt: Rt, job_id: JobId) -> Response:
    """Take up its times again from the next on; those that passed meanwhile are not made up for. Needs the admin scope."""
    return fresh_response({"data": await jobs.resume(rt, job_id)}, _about(rt))
