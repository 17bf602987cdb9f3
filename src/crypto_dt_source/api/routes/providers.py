"""Providers: the catalogue and how each does now."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from ...model.errors import NotFound
from ...services import choices, providers
from ...services.choices import Choice
from ..access import Admin, done_to
from ..bodies import documented, reads
from ..deps import TEXT, Rt
from ..errors import responses
from ..schemas.system import ProviderChecked, ProviderIn, ProviderList, ProviderPage, ProviderStats
from ..wrap import data_response, fresh_response, meta

router = APIRouter(prefix="/api/providers", tags=["providers"])
ProviderId = Annotated[
    str, Path(description="Id of the catalogue.", min_length=1, max_length=64, examples=["binance"])
]


@router.get("", response_model=ProviderList, responses=responses(422), summary="Every provider")
async def all_providers(
    request: Request,
    rt: Rt,
    category: Annotated[
        str | None,
        Query(max_length=40, pattern=TEXT, description="A category of the catalogue.", examples=["exchange"]),
    ] = None,
    status: Annotated[
        str | None,
        Query(
            max_length=20,
            pattern=TEXT,
            description="live, keyed, off, gone; or up, degraded, down, idle, no_key.",
            examples=["live"],
        ),
    ] = None,
    q: Annotated[
        str | None,
        Query(max_length=64, pattern=TEXT, description="Part of the id or name.", examples=["bin"]),
    ] = None,
) -> Response:
    """The catalogue with health, latency, breaker and budget of what is in use."""
    rows = providers.listed(rt, category=category, status=status, q=q)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=1)


@router.get(
    "/category/{category}", response_model=ProviderList, responses=responses(404, 422), summary="One category"
)
async def of_category(
    request: Request,
    rt: Rt,
    category: Annotated[
        str, Path(description="A category.", min_length=1, max_length=40, examples=["exchange"])
    ],
) -> Response:
    """Providers of one category."""
    if category not in providers.categories(rt):
        raise NotFound(
            f"There is no category {category!r}; choose one of {', '.join(providers.categories(rt))}.",
            details={"category": category, "allowed": providers.categories(rt)},
        )
    rows = providers.listed(rt, category=category, status=None, q=None)
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit", total=len(rows))
    return data_response(request, {"data": rows}, about, ttl_s=1)


@router.get(
    "/{provider_id}", response_model=ProviderPage, responses=responses(404, 422), summary="One provider"
)
async def one_provider(request: Request, rt: Rt, provider_id: ProviderId) -> Response:
    """One provider."""
    content = {"data": providers.one(rt, provider_id)}
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, content, about, ttl_s=1)


@router.get(
    "/{provider_id}/stats", response_model=ProviderStats, responses=responses(404, 422), summary="Its counts"
)
async def provider_stats(request: Request, rt: Rt, provider_id: ProviderId) -> Response:
    """Calls since start, by capability and by failure."""
    content = {"data": providers.stats(rt, provider_id)}
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, content, about, ttl_s=1)


@router.post(
    "/{provider_id}/health-check",
    response_model=ProviderChecked,
    responses=responses(401, 403, 404, 409, 422, 503),
    dependencies=[Admin],
    summary="Probe it now",
)
async def check(rt: Rt, provider_id: ProviderId) -> Response:
    """Ask it something cheap, past its breaker, within its budget, whether or not it is switched off. How that ended is the
    answer, not an error. Needs the admin scope."""
    checked = await choices.check(rt, provider_id)
    content = {"data": {**choices.told(checked), "provider": providers.one(rt, provider_id)}}
    return fresh_response(content, meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit"))


@router.patch(
    "/{provider_id}",
    response_model=ProviderPage,
    responses=responses(400, 401, 403, 404, 409, 415, 422, 503),
    dependencies=[Admin],
    openapi_extra=documented(ProviderIn, ProviderIn.example),
    summary="Enable, rank, weigh",
)
async def patch(
    request: Request,
    rt: Rt,
    provider_id: ProviderId,
    body: Annotated[ProviderIn, Depends(reads(ProviderIn))],
) -> Response:
    """Change what the body names and leave the rest; null gives the catalogue's value back. It is stored, in force at once
    in pools and prices, and again after a restart. Needs the admin scope."""
    before = choices.chosen(choices.in_use(rt, provider_id))
    given = {name: v for name, v in msgspec.structs.asdict(body).items() if v is not msgspec.UNSET}
    done_to(request, f"provider_id={provider_id}, " + ", ".join(f"{n}={v}" for n, v in given.items()))
    choice = Choice(
        enabled=given.get("enabled", before.enabled),
        priority=given.get("priority", before.priority),
        weight=given.get("weight", before.weight),
    )
    await choices.change(rt, provider_id, choice)
    content = {"data": providers.one(rt, provider_id)}
    return fresh_response(content, meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit"))
