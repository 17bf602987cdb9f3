"""The service's own log: asked for, counted, taken away as a file, deleted. All of it needs the admin scope."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator

from ...clock import rfc3339
from ...services import logs
from ...services.logs import ERRORS, Found, Wanted
from ..access import Admin, done_to
from ..deps import TEXT, Moment, PageNumber, PageSize, Rt, moment
from ..errors import responses
from ..schemas.logs import LogExport, LogList, LogPage, LogsDeleted, LogStats
from ..streams import Streamed
from ..wrap import about_page, fresh_response, meta

router = APIRouter(prefix="/api/logs", tags=["system"])
CSV = "text/csv; charset=utf-8"
_FILE = 'attachment; filename="crypto-dt-source-log.{ending}"'
_CSV_EXAMPLE = (
    "timestamp,level,category,provider,message,details\r\n"
    '2026-11-22T06:00:00.000000Z,warning,gateway,kraken,a stream stopped,"{""reason"":""no data""}"\r\n'
)
_CSV_ANSWERS: dict[int | str, dict[str, Any]] = {
    **responses(401, 403, 422, 503),
    200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}}},
}

Level = Annotated[
    Literal["debug", "info", "warning", "error", "critical"] | None,
    BeforeValidator(lambda text: text.lower() if isinstance(text, str) else text),
    Query(description="Lines of this level alone, in any case.", examples=["warning"]),
]
Category = Annotated[
    str | None,
    Query(description="The component.", min_length=1, max_length=64, pattern=TEXT, examples=["gateway"]),
]
Provider = Annotated[
    str | None,
    Query(description="Id of a provider.", min_length=1, max_length=64, pattern=TEXT, examples=["binance"]),
]
Words = Annotated[
    str | None,
    Query(
        description="Part of the line's text, in any case.",
        min_length=1,
        max_length=100,
        pattern=TEXT,
        examples=["rests"],
    ),
]
Limit = Annotated[int, Query(ge=1, le=250, description="Rows, 1 to 250.", examples=[50])]


def wanted(
    level: Level = None,
    category: Category = None,
    provider: Provider = None,
    since: Moment = None,
    until: Moment = None,
    q: Words = None,
) -> Wanted:
    """The filters of a request; all that are given must fit. Raises InvalidParameter."""
    return logs.wanted_of(
        level=level,
        category=category,
        provider=provider,
        since_ms=moment("since", since),
        until_ms=moment("until", until),
        q=q,
    )


Filters = Annotated[Wanted, Depends(wanted)]


def _about(rt: Rt, asked: Wanted, **extra: Any) -> dict[str, Any]:
    now = rt.clock.now_ms()
    return meta(rt, source=(), fetched_ms=now, state="hit", **logs.told_times(asked), **extra)


def _list(rt: Rt, asked: Wanted, found: Found) -> Response:
    return fresh_response({"data": found.rows}, _about(rt, asked, complete=found.complete))


@router.get(
    "",
    response_model=LogPage,
    responses=responses(401, 403, 422),
    dependencies=[Admin],
    summary="The log",
)
async def page(rt: Rt, asked: Filters, page: PageNumber = 1, page_size: PageSize = 50) -> Response:
    """Lines that fit every filter given, the newest first. Up to 10 000 rows can be paged through; narrow the times for
    those before. Needs the admin scope."""
    found = await logs.page(rt.logs, asked, number=page, size=page_size)
    content = {"data": found.rows, "page": about_page(page, page_size, None, found.more)}
    return fresh_response(content, _about(rt, asked, complete=found.complete))


@router.get(
    "/recent",
    response_model=LogList,
    responses=responses(401, 403, 422),
    dependencies=[Admin],
    summary="The newest lines",
)
async def recent(rt: Rt, asked: Filters, limit: Limit = 50) -> Response:
    """The newest lines that fit. Needs the admin scope."""
    return _list(rt, asked, await logs.page(rt.logs, asked, number=1, size=limit))


@router.get(
    "/errors",
    response_model=LogList,
    responses=responses(401, 403, 422),
    dependencies=[Admin],
    summary="The newest errors",
)
async def errors(
    rt: Rt,
    category: Category = None,
    provider: Provider = None,
    since: Moment = None,
    until: Moment = None,
    q: Words = None,
    limit: Limit = 50,
) -> Response:
    """The newest lines of level error and critical that fit. Needs the admin scope."""
    asked = Wanted(ERRORS, category, provider, moment("since", since), moment("until", until), q)
    return _list(rt, asked, await logs.page(rt.logs, asked, number=1, size=limit))


@router.get(
    "/stats",
    response_model=LogStats,
    responses=responses(401, 403, 422),
    dependencies=[Admin],
    summary="The log in numbers",
)
async def stats(rt: Rt, asked: Filters) -> Response:
    """Lines that fit, by level, category and provider, and the files they are kept in. Needs the admin scope."""
    found = await logs.counts(rt.logs, asked)
    data = found._asdict()
    complete = data.pop("complete")
    data["storage"] = await asyncio.to_thread(logs.about, rt.logs)
    return fresh_response({"data": data}, _about(rt, asked, complete=complete))


@router.get(
    "/export/json",
    response_model=LogExport,
    responses=responses(401, 403, 422, 503),
    dependencies=[Admin],
    summary="The log as JSON",
)
async def export_json(request: Request, rt: Rt, asked: Filters) -> Response:
    """Every line that fits, the oldest first, as a file. A connection that is broken off before the end of the body means
    that the export failed. Needs the admin scope."""
    return Streamed(
        lambda: logs.as_json(rt.logs, asked, lambda rows: _about(rt, asked, rows=rows)),
        request.app.state.exports,
        "application/json",
        {"Content-Disposition": _FILE.format(ending="json"), "Cache-Control": "no-store"},
    )


@router.get(
    "/export/csv",
    response_class=Response,
    responses=_CSV_ANSWERS,
    dependencies=[Admin],
    summary="The log as CSV",
)
async def export_csv(request: Request, rt: Rt, asked: Filters) -> Response:
    """The same as CSV: `details` as JSON in one column, an apostrophe before a text that a spreadsheet would take for a
    formula. Needs the admin scope."""
    return Streamed(
        lambda: logs.as_csv(rt.logs, asked),
        request.app.state.exports,
        CSV,
        {"Content-Disposition": _FILE.format(ending="csv"), "Cache-Control": "no-store", "X-Mode": rt.mode},
    )


@router.delete(
    "",
    response_model=LogsDeleted,
    responses=responses(401, 403, 422, 503),
    dependencies=[Admin],
    summary="Delete the log",
)
async def delete(request: Request, rt: Rt, before: Moment = None) -> Response:
    """Delete the kept lines from before a time; without one, all of them. What is logged on standard error stays where it
    went. The audit log says who did it. Needs the admin scope."""
    before_ms = moment("before", before)
    told = None if before_ms is None else rfc3339(before_ms)
    done_to(request, f"before={told or 'now'}")
    gone = await logs.delete(rt.logs, before_ms)
    content = {"deleted_lines": gone.lines, "deleted_bytes": gone.size_bytes, "before": told}
    return fresh_response(content, meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit"))
