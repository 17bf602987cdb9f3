"""Who asks: tokens, what a key may do and has used, and the keys themselves."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from ...clock import rfc3339
from ...model.access import ApiKey
from ...model.errors import Forbidden, InvalidParameter, NotFound, Unauthenticated
from ...security.tiers import Caller, Tier
from ...security.verdict import DAY_MS
from ...security.verdict import Usage as Used
from ...services import access
from ..access import KEY_OPTIONAL, Admin, Key, Who, done_to
from ..bodies import documented, reads
from ..deps import PageNumber, PageSize, Rt, moment
from ..errors import responses
from ..gate import check_origin
from ..key_view import key_view, moment_or_none
from ..schemas.auth import (
    AuditList,
    HolderPage,
    KeyIn,
    KeyList,
    KeyPage,
    NewKeyPage,
    Token,
    TokenIn,
    UsagePage,
)
from ..wrap import fresh_response, meta, page_of

router = APIRouter(prefix="/api", tags=["auth"])
KeyId = Annotated[
    str, Path(min_length=1, max_length=64, description="Id of a key.", examples=["key_0123456789Ab"])
]
TOKEN_BODY = documented(TokenIn, TokenIn.example)
TOKEN_BODY["requestBody"]["required"] = False
_token_body = asynccontextmanager(reads(TokenIn))


@router.post(
    "/auth/token",
    response_model=Token,
    responses=responses(400, 401, 403, 415, 422),
    openapi_extra={**TOKEN_BODY, **KEY_OPTIONAL},
    summary="A token for a key",
)
async def token(request: Request, rt: Rt, caller: Who) -> Response:
    """A bearer token, so that the key itself need not travel with every request. The key is taken from X-API-Key, from
    `Authorization: Bearer`, or from the body. A token does not get another one: it ends when it ends, or with its key."""
    if caller.token_ends_ms is not None:
        raise Forbidden("A token does not get another token; send the API key.")
    key = await _shown_key(request, rt) if caller.key is None else _key_of(rt, caller)
    issued, expires_s = rt.access.keyring.tokens.issue(key)
    content = {"access_token": issued, "token_type": "bearer", "expires_in": expires_s}
    return fresh_response(content, _about(rt))


@router.get(
    "/auth/me",
    response_model=HolderPage,
    responses=responses(401, 403, 404),
    dependencies=[Key],
    summary="Whose key this is",
)
async def me(rt: Rt, caller: Who) -> Response:
    """The key a request comes with, itself or by a token, and what its tier allows."""
    key = _key_of(rt, caller)
    data = {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        "tier": key.tier,
        "scopes": sorted(key.scopes),
        "origins": key.origins,
        "created_at": rfc3339(key.created_ms),
        "expires_at": moment_or_none(key.expires_ms),
        "limits": _limits(caller.tier),
    }
    return fresh_response({"data": data}, _about(rt))


@router.get(
    "/usage",
    response_model=UsagePage,
    responses=responses(401, 403),
    dependencies=[Key],
    summary="What is used and left",
)
async def usage(rt: Rt, caller: Who) -> Response:
    """What the key has used of its limits, this request included. Null where it cannot be counted now."""
    used = await rt.access.limiter.usage(caller.bucket, caller.tier)
    return fresh_response({"data": _usage(rt.clock.now_ms(), caller.tier, used)}, _about(rt))


@router.get(
    "/auth/keys",
    response_model=KeyList,
    responses=responses(401, 403, 422, 503),
    dependencies=[Admin],
    summary="Every key",
)
async def keys(rt: Rt, page: PageNumber = 1, page_size: PageSize = 50) -> Response:
    """The oldest first, those that have ended among them. The one set as CDTS_ADMIN_KEY is not kept here. Needs the admin
    scope."""
    rows, about_page = page_of(await access.listed(rt.access), page, page_size)
    return fresh_response(
        {"data": [key_view(key, rt.clock.now_ms()) for key in rows], "page": about_page}, _about(rt)
    )


@router.post(
    "/auth/keys",
    status_code=201,
    response_model=NewKeyPage,
    responses=responses(400, 401, 403, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=documented(KeyIn, KeyIn.example),
    summary="Make a key",
)
async def create(request: Request, rt: Rt, body: Annotated[KeyIn, Depends(reads(KeyIn))]) -> Response:
    """The answer shows the secret, this once. Needs the admin scope."""
    secret, key = await access.create(
        rt.access,
        body.name,
        tier=body.tier,
        scopes=body.scopes,
        expires_ms=moment("expires", body.expires),
        origins=body.origins,
    )
    done_to(request, f"id={key.id}")
    return _made(rt, secret, key)


@router.delete(
    "/auth/keys/{id}",
    response_model=KeyPage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Revoke a key",
)
async def revoke(rt: Rt, id: KeyId) -> Response:
    """It ends at once, with its tokens and connections, in other processes on the same database within a second. Once more
    changes nothing. Needs the admin scope."""
    return fresh_response(
        {"data": key_view(await access.revoke(rt.access, id), rt.clock.now_ms())}, _about(rt)
    )


@router.post(
    "/auth/keys/{id}/rotate",
    status_code=201,
    response_model=NewKeyPage,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Replace a key",
)
async def rotate(
    request: Request,
    rt: Rt,
    id: KeyId,
    grace_seconds: Annotated[
        int,
        Query(
            ge=0,
            le=access.MAX_GRACE_S,
            description="How long the old secret stays good; 0 ends it at once.",
            examples=[3600],
        ),
    ] = 0,
) -> Response:
    """A new key with the name, tier, scopes, origins and expiry of the old one. The answer shows its secret, this once.
    Needs the admin scope."""
    secret, key = await access.rotate(rt.access, id, grace_s=grace_seconds)
    done_to(request, f"id={id}, replaced_by={key.id}")
    return _made(rt, secret, key)


@router.get(
    "/auth/audit",
    response_model=AuditList,
    responses=responses(401, 403, 422, 503),
    dependencies=[Admin],
    summary="What admins did",
)
async def audit(
    rt: Rt,
    limit: Annotated[int, Query(ge=1, le=250, description="Rows, 1 to 250.", examples=[50])] = 50,
    before: Annotated[
        int | None,
        Query(
            ge=1,
            le=2**53,
            description="Only actions with lower numbers: `next` of the answer before.",
            examples=[1000],
        ),
    ] = None,
) -> Response:
    """Every action that needed the admin scope, here or by `cdts keys`, the newest first, kept RETENTION_DAYS. Needs the
    admin scope."""
    rows = await access.actions(rt.access, limit + 1, before)
    data = [
        {
            "number": row.number,
            "at": rfc3339(row.at_ms),
            "actor": row.actor,
            "address": row.address,
            "action": row.action,
            "target": row.target,
            "request_id": row.request,
            "status": row.status,
        }
        for row in rows[:limit]
    ]
    more = data[-1]["number"] if len(rows) > limit else None
    return fresh_response({"data": data, "next": more}, _about(rt))


async def _shown_key(request: Request, rt: Rt) -> ApiKey:
    """The key in the body. Raises Unauthenticated, Forbidden, and what `reads` raises without the value it got."""
    if request.headers.get("content-length", "0") == "0" and "transfer-encoding" not in request.headers:
        raise Unauthenticated("Send an API key: in X-API-Key, or in a JSON body as api_key.")
    try:
        async with _token_body(request) as body:
            key = rt.access.keyring.of_secret(body.api_key.strip())
    except InvalidParameter as error:
        # It may be the key itself, in the wrong place.
        raise InvalidParameter(error.message, details={**error.details, "got": None}) from None
    check_origin(key, request.headers.get("origin", ""))
    return key


def _key_of(rt: Rt, caller: Caller) -> ApiKey:
    """Raises NotFound for the owner of the data, who has none."""
    key = rt.access.keyring.by_id(caller.key or "")
    if key is None:
        raise NotFound("`cdts get` asks as the owner of the data, without a key.")
    return key


def _about(rt: Rt) -> dict[str, Any]:
    return meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")


def _made(rt: Rt, secret: str, key: ApiKey) -> Response:
    answer = fresh_response({"data": {**key_view(key, rt.clock.now_ms()), "key": secret}}, _about(rt))
    answer.status_code = 201
    return answer


def _limits(tier: Tier) -> dict[str, int | None]:
    return {
        "requests": tier.rate.amount if tier.rate else None,
        "window_seconds": tier.rate.per_s if tier.rate else None,
        "requests_per_day": tier.per_day,
        "symbols": tier.symbols,
        "history_days": tier.history_days,
        "connections": tier.sockets,
        "subscriptions": tier.subscriptions,
    }


def _usage(now_ms: int, tier: Tier, used: Used | None) -> dict[str, Any]:
    rate = tier.rate
    in_window = used.window if used is not None and rate is not None else None
    frees_s = used.frees_s if used is not None and rate is not None else None
    today = None if used is None else used.today
    midnight_ms = (now_ms // DAY_MS + 1) * DAY_MS
    return {
        "tier": tier.name,
        "window": {
            "limit": rate.amount if rate else None,
            "seconds": rate.per_s if rate else None,
            "used": in_window,
            "remaining": _left(rate.amount if rate else None, in_window),
            # Rounded up: whoever waits for it finds room.
            "resets_at": None if frees_s is None else rfc3339(-(-now_ms // 1000) * 1000 + frees_s * 1000),
            "reset_seconds": frees_s,
        },
        "day": {
            "limit": tier.per_day,
            "used": today,
            "remaining": _left(tier.per_day, today),
            "resets_at": rfc3339(midnight_ms),
            "reset_seconds": -(-(midnight_ms - now_ms) // 1000),
        },
    }


def _left(limit: int | None, used: int | None) -> int | None:
    return None if limit is None or used is None else max(0, limit - used)
