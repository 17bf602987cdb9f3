"""Who may call a route: the access levels of the contract, as what a route depends on.

`Public` asks for nothing and is what a route without a level has. Every level is told in the OpenAPI document.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from ..model.errors import CdtsError, Forbidden, Unauthenticated
from ..security.tiers import PRO, Caller
from ..services import access as access_service
from ..services.runtime import Runtime
from ..telemetry import mask
from .deps import Rt
from .gate import CALLER

PUBLIC, KEY, PRO_TIER, ADMIN = "public", "key", "pro", "admin"
AUDITED = "cdts.audited"
"""Where in a request's scope the row is that was written into the audit log for it."""
PRIVATE = "cdts.private"
"""Set in the scope of a request whose answer is not for everybody."""
SAFE = ("GET", "HEAD")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key of this server.")
BEARER = HTTPBearer(
    auto_error=False, description="A token of POST /api/auth/token, or an API key.", scheme_name="Bearer"
)


def caller_of(request: Request) -> Caller:
    """Who the request is from."""
    caller: Caller = request.scope[CALLER]
    return caller


Who = Annotated[Caller, Depends(caller_of)]


class Level:
    """A dependency that refuses callers below an access level; `level` is its name."""

    def __init__(self, level: str) -> None:
        self.level = level

    async def __call__(
        self,
        request: Request,
        rt: Rt,
        header: Annotated[str | None, Security(HEADER)] = None,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)] = None,
    ) -> None:
        """Raises Unauthenticated without a key, Forbidden with one that does not reach; notes what an admin does."""
        request.scope[PRIVATE] = True
        caller = caller_of(request)
        check(caller, self.level)
        if self.level == ADMIN and request.method not in SAFE:
            await _note(rt, request, caller)


def check(caller: Caller, level: str, what: str = "This route") -> None:
    """Raises Unauthenticated and Forbidden. `what` begins the sentence that says so."""
    refusal: CdtsError | None = None
    if caller.key is None:
        refusal = Unauthenticated(
            f"{what} needs a key: send it in X-API-Key, or a token as Authorization: Bearer.",
            details={"needs": level},
        )
    elif level == PRO_TIER and not (caller.tier.at_least(PRO) or caller.admin):
        refusal = Forbidden(
            f"{what} needs a key of the pro tier or above; this one is {caller.tier.name}.",
            details={"needs": level, "tier": caller.tier.name},
        )
    elif level == ADMIN and not caller.admin:
        refusal = Forbidden(f"{what} needs a key with the admin scope.", details={"needs": level})
    if refusal is not None:
        raise refusal


async def _note(rt: Runtime, request: Request, caller: Caller) -> None:
    """Before the action, so that nothing is done without a trace; the edge adds how it ended."""
    route: Any = request.scope.get("route")
    template = getattr(route, "path_format", request.url.path)
    target = mask(", ".join(f"{name}={value}" for name, value in request.path_params.items()))[:500]
    request.scope[AUDITED] = await access_service.note(
        rt.access,
        actor=caller.key or "",
        address=caller.address,
        action=f"{request.method} {template}",
        target=target,
        request=request.scope.get("cdts.request_id", ""),
    )


def done_to(request: Request, target: str) -> None:
    """Say in the audit log what an admin's action made, which its path does not name."""
    row = request.scope.get(AUDITED)
    if row is not None:
        request.scope[AUDITED] = row._replace(target=target[:500])


Key = Depends(Level(KEY))
Pro = Depends(Level(PRO_TIER))
Admin = Depends(Level(ADMIN))
KEY_OPTIONAL: dict[str, list[dict[str, list[str]]]] = {"security": [{}, {"APIKeyHeader": []}, {"Bearer": []}]}
"""Of a route that asks for a key only for some requests: none at all, a key, or a token."""
