"""Health for people and for load balancers."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Response

from ... import __version__
from ...services import health
from ..deps import Rt
from ..errors import responses
from ..schemas.system import Health, Live, Ready

router = APIRouter(tags=["system"])


def _json(content: object) -> Response:
    return Response(
        msgspec.json.encode(content), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


@router.get("/api/health", response_model=Health, responses=responses(), summary="Every component")
async def report(rt: Rt) -> Response:
    """Every component with its reason and since when it is so. `degraded` still answers; `down` does not. No upstream is
    asked for it, and it is there within 50 ms whatever hangs."""
    return _json({"mode": rt.mode, "version": __version__, **await health.report(rt)})


@router.get("/health", response_model=Health, responses=responses(), summary="The same")
@router.get("/api/hf/health", response_model=Health, responses=responses(), summary="The same")
async def earlier(rt: Rt) -> Response:
    """GET /api/health, for clients of the earlier API."""
    return await report(rt)


@router.get("/api/health/live", response_model=Live, responses=responses(), summary="The process runs")
async def live() -> Response:
    """200 as long as the process answers at all."""
    return _json({"status": "ok"})


@router.get(
    "/api/health/ready", response_model=Ready, responses=responses(503), summary="Prices can be served"
)
async def ready(rt: Rt) -> Response:
    """200 once there is at least one price to serve, collected or stored; 503 before."""
    return _json({"status": "ok", "prices": health.ready(rt)})
