"""Live connections to the stream, notices to all of them, and the stream as server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from ...services.stream_session import Session
from ..access import Admin, Who
from ..bodies import documented, reads
from ..deps import PageNumber, PageSize, Rt
from ..errors import responses
from ..schemas.sessions import BroadcastDone, BroadcastIn, SessionList, SessionStats
from ..sse import EventStream, place
from ..wrap import fresh_response, meta, page_of
from ..ws import named

router = APIRouter(tags=["stream"])
Notice = Annotated[BroadcastIn, Depends(reads(BroadcastIn))]
NOTICE = documented(BroadcastIn, BroadcastIn.example)


def _about(rt: Rt, **extra: Any) -> dict[str, Any]:
    return meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", **extra)


@router.get(
    "/api/sessions",
    response_model=SessionList,
    responses=responses(401, 403, 422),
    dependencies=[Admin],
    summary="Live stream connections",
)
async def sessions(rt: Rt, page: PageNumber = 1, page_size: PageSize = 50) -> Response:
    """Every WebSocket and event-stream connection of this process, the oldest first: who, since when, what it listens to
    and how far it is behind."""
    rows, about_page = page_of(list(rt.sessions.sessions), page, page_size)
    content = {"data": [_row(rt, session) for session in rows], "page": about_page}
    return fresh_response(content, _about(rt))


def _row(rt: Rt, session: Session) -> dict[str, Any]:
    caller = session.caller
    return {**rt.sessions.status(session), "key": caller.key, "address": caller.address}


@router.get(
    "/api/sessions/stats",
    response_model=SessionStats,
    responses=responses(401, 403),
    dependencies=[Admin],
    summary="Stream totals",
)
async def session_stats(rt: Rt) -> Response:
    """All stream connections of this process together."""
    return fresh_response({"data": rt.sessions.stats()}, _about(rt))


@router.get("/ws/stats", response_model=SessionStats, responses=responses(), summary="Stream totals")
async def socket_stats(rt: Rt) -> Response:
    """The same, for clients of the earlier API: nothing in it is of a single connection."""
    return fresh_response({"data": rt.sessions.stats()}, _about(rt))


@router.post(
    "/api/broadcast",
    response_model=BroadcastDone,
    responses=responses(400, 401, 403, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=NOTICE,
    summary="Tell every stream connection",
)
async def broadcast(rt: Rt, body: Notice) -> Response:
    """Publish a notice on the `system` channel, which every connection gets."""
    return fresh_response({"sent_to": rt.sessions.broadcast(body.message, body.level)}, _about(rt))


@router.get("/api/stream", include_in_schema=False)
async def stream(
    request: Request,
    rt: Rt,
    caller: Who,
    last_event_id: Annotated[str, Header(max_length=64)] = "",
    last: Annotated[str, Query(max_length=64, alias="last_event_id")] = "",
) -> Response:
    """The stream as server-sent events; `docs/stream.md` and /asyncapi.json describe it. Outside the OpenAPI document,
    which has no word for an answer without an end."""
    plan = named(rt, request.scope["query_string"], caller, None)
    return EventStream(rt, caller, plan, place(rt.hub.epoch, last_event_id or last))
