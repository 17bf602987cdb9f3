"""Pools of sources: who is asked first, and what happened among them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from ...model.pool import Member, PoolEvent
from ...services import pool_changes, pool_rows, pools
from ...services.runtime import Runtime
from ..access import Admin, done_to
from ..bodies import documented, reads
from ..deps import TEXT, Rt, moment
from ..errors import responses
from ..schemas.pools import (
    FailoverIn,
    MemberIn,
    PoolChangeIn,
    PoolGonePage,
    PoolHistory,
    PoolIn,
    PoolList,
    PoolPage,
)
from ..wrap import data_response, fresh_response, meta

router = APIRouter(prefix="/api/pools", tags=["providers"])
PoolId = Annotated[
    str,
    Path(min_length=1, max_length=40, pattern=TEXT, description="Id of a pool.", examples=["exchanges"]),
]
MemberId = Annotated[
    str,
    Path(min_length=1, max_length=64, pattern=TEXT, description="Id of a provider.", examples=["kraken"]),
]
Limit = Annotated[int, Query(ge=1, le=250, description="Rows, 1 to 250.", examples=[50])]
Before = Annotated[
    int | None,
    Query(
        ge=1,
        le=2**53,
        description="Only what has lower numbers: `next` of the answer before.",
        examples=[1000],
    ),
]
CHANGES = responses(400, 401, 403, 404, 409, 415, 422, 503)
PLAIN = responses(401, 403, 404, 409, 422, 503)


@router.get("", response_model=PoolList, responses=responses(), summary="Every pool")
async def every_pool(request: Request, rt: Rt) -> Response:
    """Who stands in for whom, and in which order the next ask would be tried. Pools of the operator's own come first, the
    oldest first."""
    rows = pool_rows.listed(rt)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=1)


@router.get("/history", response_model=PoolHistory, responses=responses(422, 503), summary="What happened")
async def every_history(rt: Rt, limit: Limit = 50, before: Before = None) -> Response:
    """The newest first, of all pools, deleted ones among them. What happens by itself is stored within 5 seconds, of each
    member at most once a minute."""
    return _happened(rt, await pools.history(rt, limit + 1, before=before), limit)


@router.get("/{pool_id}", response_model=PoolPage, responses=responses(404, 422), summary="One pool")
async def one_pool(request: Request, rt: Rt, pool_id: PoolId) -> Response:
    """One pool."""
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": pool_rows.one(rt, pool_id)}, about, ttl_s=1)


@router.get(
    "/{pool_id}/history",
    response_model=PoolHistory,
    responses=responses(404, 422, 503),
    summary="Its history",
)
async def pool_history(rt: Rt, pool_id: PoolId, limit: Limit = 50, before: Before = None) -> Response:
    """What happened in one pool, the newest first."""
    return _happened(rt, await pools.history(rt, limit + 1, before=before, pool=pool_id), limit)


@router.post(
    "",
    status_code=201,
    response_model=PoolPage,
    responses=responses(400, 401, 403, 409, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=documented(PoolIn, PoolIn.example),
    summary="Make a pool",
)
async def create(request: Request, rt: Rt, body: Annotated[PoolIn, Depends(reads(PoolIn))]) -> Response:
    """Its members are asked first, in the order of its strategy, for what it serves; everybody else follows by rank. Needs
    the admin scope."""
    pool = await pool_changes.create(
        rt,
        body.id,
        name=body.name,
        category=body.category,
        capabilities=body.capabilities,
        strategy=body.strategy,
        members=[Member(m.provider, m.priority, m.weight, m.enabled) for m in body.members],
        enabled=body.enabled,
    )
    done_to(request, f"pool_id={pool.id}")
    return _shown(rt, pool.id, status=201)


@router.put(
    "/{pool_id}",
    response_model=PoolPage,
    responses=CHANGES,
    dependencies=[Admin],
    openapi_extra=documented(PoolChangeIn, PoolChangeIn.example),
    summary="Change a pool",
)
async def change(
    rt: Rt, pool_id: PoolId, body: Annotated[PoolChangeIn, Depends(reads(PoolChangeIn))]
) -> Response:
    """What is not given stays. `members` are those of a pool of one's own; of a shipped pool those that are to differ from
    the catalogue. Needs the admin scope."""
    members = body.members
    await pool_changes.change(
        rt,
        pool_id,
        name=body.name,
        category=body.category,
        capabilities=body.capabilities,
        strategy=body.strategy,
        members=None
        if members is None
        else [Member(m.provider, m.priority, m.weight, m.enabled) for m in members],
        enabled=body.enabled,
    )
    return _shown(rt, pool_id)


@router.delete(
    "/{pool_id}", response_model=PoolGonePage, responses=PLAIN, dependencies=[Admin], summary="Delete a pool"
)
async def delete(rt: Rt, pool_id: PoolId) -> Response:
    """A shipped pool is as it came after it. Needs the admin scope."""
    restored = await pool_changes.delete(rt, pool_id)
    return fresh_response({"data": {"id": pool_id, "restored": restored}}, _about(rt))


@router.post(
    "/{pool_id}/members/{provider_id}",
    status_code=201,
    response_model=PoolPage,
    responses=CHANGES,
    dependencies=[Admin],
    openapi_extra=documented(MemberIn, MemberIn.example),
    summary="Add a member",
)
async def add_member(
    rt: Rt, pool_id: PoolId, provider_id: MemberId, body: Annotated[MemberIn, Depends(reads(MemberIn))]
) -> Response:
    """Of a shipped pool only one that was taken out of it. Needs the admin scope."""
    member = Member(provider_id, body.priority, body.weight, body.enabled)
    await pool_changes.put_member(rt, pool_id, member, new=True)
    return _shown(rt, pool_id, status=201)


@router.put(
    "/{pool_id}/members/{provider_id}",
    response_model=PoolPage,
    responses=CHANGES,
    dependencies=[Admin],
    openapi_extra=documented(MemberIn, MemberIn.example),
    summary="Change a member",
)
async def change_member(
    rt: Rt, pool_id: PoolId, provider_id: MemberId, body: Annotated[MemberIn, Depends(reads(MemberIn))]
) -> Response:
    """What is not given is as if it had never been. Needs the admin scope."""
    member = Member(provider_id, body.priority, body.weight, body.enabled)
    await pool_changes.put_member(rt, pool_id, member, new=False)
    return _shown(rt, pool_id)


@router.delete(
    "/{pool_id}/members/{provider_id}",
    response_model=PoolPage,
    responses=PLAIN,
    dependencies=[Admin],
    summary="Take a member out",
)
async def remove_member(rt: Rt, pool_id: PoolId, provider_id: MemberId) -> Response:
    """The pool asks it last from then on, as everybody who is in no pool. Needs the admin scope."""
    await pool_changes.remove_member(rt, pool_id, provider_id)
    return _shown(rt, pool_id)


@router.post(
    "/{pool_id}/members/{provider_id}/return",
    response_model=PoolPage,
    responses=PLAIN,
    dependencies=[Admin],
    summary="Bring a member back",
)
async def bring_back(rt: Rt, pool_id: PoolId, provider_id: MemberId) -> Response:
    """One that was set aside takes its place again. Needs the admin scope."""
    await pool_changes.bring_back(rt, pool_id, provider_id)
    return _shown(rt, pool_id)


@router.post(
    "/{pool_id}/rotate",
    response_model=PoolPage,
    responses=PLAIN,
    dependencies=[Admin],
    summary="Next one first",
)
async def rotate(rt: Rt, pool_id: PoolId) -> Response:
    """The first goes behind the others and the next takes over; when each was first it begins anew. Where the strategy
    shares out asks, whoever is next has had a turn. Needs the admin scope."""
    await pool_changes.rotate(rt, pool_id)
    return _shown(rt, pool_id)


@router.post(
    "/{pool_id}/failover",
    response_model=PoolPage,
    responses=CHANGES,
    dependencies=[Admin],
    openapi_extra=documented(FailoverIn, FailoverIn.example),
    summary="Set a member aside",
)
async def fail_over(
    rt: Rt, pool_id: PoolId, body: Annotated[FailoverIn, Depends(reads(FailoverIn))]
) -> Response:
    """Until a time, or until it is brought back, the others are asked before it. The last one in front stays. Needs the
    admin scope."""
    await pool_changes.fail_over(
        rt,
        pool_id,
        provider=body.provider,
        until_ms=moment("until", body.until),
        reason=body.reason,
    )
    return _shown(rt, pool_id)


def _about(rt: Runtime) -> dict[str, Any]:
    return meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")


def _shown(rt: Runtime, pool_id: str, *, status: int = 200) -> Response:
    answer = fresh_response({"data": pool_rows.one(rt, pool_id)}, _about(rt))
    answer.status_code = status
    return answer


def _happened(rt: Runtime, rows: list[tuple[int, PoolEvent]], limit: int) -> Response:
    data = [{"number": number, **pools.event_row(event)} for number, event in rows[:limit]]
    more = data[-1]["number"] if len(rows) > limit else None
    return fresh_response({"data": data, "next": more}, _about(rt))
