"""Who may call: routes that change something or cost much ask for the operator's key."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader

from ..model.errors import Forbidden, Unauthenticated
from ..services.runtime import Runtime
from .deps import Rt

HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="CDTS_ADMIN_KEY of the server.")


Key = Annotated[str | None, Security(HEADER)]


async def operator(rt: Rt, key: Key) -> None:
    """What a route depends on that is the operator's. Raises as `admit`."""
    admit(rt, key)


def admit(rt: Runtime, key: str | None, what: str = "This route") -> None:
    """Raises Unauthenticated without a key, Forbidden for another than the operator's or where none is set. `what` begins
    the sentence that says so."""
    if not rt.admin_key:
        raise Forbidden(
            f"{what} needs the operator's key, and this server has none; set CDTS_ADMIN_KEY and restart it."
        )
    if not key:
        raise Unauthenticated(f"{what} needs a key: send it in the header X-API-Key.")
    if not secrets.compare_digest(key.encode(), rt.admin_key.encode()):
        raise Forbidden("The key in X-API-Key is not the one of this server.")


Operator = Depends(operator)
KEY_OPTIONAL: dict[str, list[dict[str, list[str]]]] = {"security": [{}]}
"""Of a route that asks for the key only for some requests: beside the key's own entry, none at all."""
