"""The scoreboard of providers."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from ...services import scoreboard
from ..deps import TEXT, Rt
from ..errors import responses
from ..schemas.scoreboard import ProviderScorePage, ScoreList, Window
from ..wrap import data_response, meta

router = APIRouter(prefix="/api/providers", tags=["providers"])
TTL_S = 300


@router.get("/scoreboard", response_model=ScoreList, responses=responses(422, 503), summary="Scoreboard")
async def all_scores(
    request: Request,
    rt: Rt,
    window: Annotated[Window, Query(description="How far back.", examples=["7d"])] = "24h",
    category: Annotated[
        str | None,
        Query(max_length=40, pattern=TEXT, description="A category of the catalogue.", examples=["exchange"]),
    ] = None,
    history: Annotated[
        bool, Query(description="With the availability by parts of the window.", examples=[True])
    ] = False,
) -> Response:
    """How each provider did: availability, latency, age of its quotes, their distance from the consensus, drifts of its
    answers' shape, exclusions. The most available first. Full hours only."""
    rows = await scoreboard.board(rt, window, category, history=history)
    about = meta(
        rt,
        source=(),
        fetched_ms=rt.clock.now_ms(),
        state="hit",
        total=len(rows),
        **scoreboard.span(rt, window),
    )
    return data_response(request, {"data": rows}, about, ttl_s=TTL_S)


@router.get(
    "/{provider_id}/scoreboard",
    response_model=ProviderScorePage,
    responses=responses(404, 422, 503),
    summary="One provider's scores",
)
async def scores_of(
    request: Request,
    rt: Rt,
    provider_id: Annotated[
        str, Path(description="Id of the catalogue.", min_length=1, max_length=64, examples=["binance"])
    ],
) -> Response:
    """The same of one provider over 24 hours, 7 and 90 days."""
    content = {"data": await scoreboard.of_provider(rt, provider_id)}
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, content, about, ttl_s=TTL_S)
