"""The models: which there are, what they are at, loading and asking them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from ...analysis.states import ModelState
from ...clock import rfc3339
from ...services import analyze
from ..access import Admin, Key
from ..bodies import documented, reads
from ..deps import Rt
from ..errors import responses
from ..schemas.sentiment import Generated, ModelList, ModelPage, PromptIn
from ..wrap import data_response, fresh_response, meta

router = APIRouter(prefix="/api/models", tags=["news and sentiment"])
ModelId = Annotated[
    str, Path(min_length=1, max_length=200, description="Id of a model.", examples=["embedded"])
]


@router.get("", response_model=ModelList, responses=responses(), summary="The registry of models")
async def registry(request: Request, rt: Rt) -> Response:
    """Every model, whether it is loaded, and if not why."""
    data = [_row(state) for state in rt.models.states()]
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return data_response(request, {"data": data}, about, ttl_s=1)


@router.post(
    "/{id}/load",
    response_model=ModelPage,
    responses=responses(401, 403, 404, 422, 503),
    dependencies=[Admin],
    summary="Load a model",
)
async def load(rt: Rt, id: ModelId) -> Response:
    """Begin to load it, fetching its files from the hub if need be, and wait for two seconds; GET /api/models tells when
    it is ready. Needs the admin scope."""
    return _one(rt, await rt.models.load(id))


@router.post(
    "/{id}/unload",
    response_model=ModelPage,
    responses=responses(401, 403, 404, 409, 422),
    dependencies=[Admin],
    summary="Unload a model",
)
async def unload(rt: Rt, id: ModelId) -> Response:
    """Give its memory back. The packaged model stays: it answers for the others. Needs the admin scope."""
    return _one(rt, await rt.models.unload(id))


@router.post(
    "/{id}/generate",
    response_model=Generated,
    responses=responses(400, 401, 403, 404, 415, 422, 503),
    dependencies=[Key],
    openapi_extra=documented(PromptIn, PromptIn.example),
    summary="Go on from a text",
)
async def generate(rt: Rt, id: ModelId, body: Annotated[PromptIn, Depends(reads(PromptIn))]) -> Response:
    """What a language model adds to a prompt. It is invented: no number in it is a fact. Needs a key."""
    analyze.check("prompt", body.prompt)
    text = await rt.models.generate(id, body.prompt, body.max_new_tokens)
    state = rt.models.state(id)
    now = rt.clock.now_ms()
    content = {"model": state.id, "prompt": body.prompt, "text": text, "timestamp": rfc3339(now)}
    about = meta(
        rt, source=(state.id,), fetched_ms=now, state="miss", model=state.id, revision=state.revision
    )
    return fresh_response(content, about)


def _one(rt: Rt, state: ModelState) -> Response:
    about = meta(rt, source=(), fetched_ms=rt.clock.now_ms(), state="hit")
    return fresh_response({"data": _row(state)}, about)


def _row(state: ModelState) -> dict[str, Any]:
    return {
        "id": state.id,
        "task": state.task,
        "hub_id": state.hub_id,
        "revision": state.revision or None,
        "backend": state.backend or None,
        "state": state.state,
        "reason": state.reason or None,
        "since": rfc3339(state.since_ms),
        "memory_mb": state.memory_mb,
        "latency_p50_ms": state.latency_ms,
        "calls": state.calls,
        "default": state.default,
        "licence": state.licence or None,
        "link": state.link or None,
    }
