"""Who may call: routes that change something or cost much ask for the operator's key."""

from __future__ import annotations

import secrets
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import APIKeyHeader

from ..model.errors import Forbidden, Unauthenticated
from .deps import Rt

HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="CDTS_ADMIN_KEY of the server.")


def operator(rt: Rt, key: Annotated[str | None, Security(HEADER)]) -> None:
    """Raises Unauthenticated without a key, Forbidden for another than the operator's or where none is set."""
    if not rt.admin_key:
        raise Forbidden(
            "This route needs the operator's key, and this server has none; set CDTS_ADMIN_KEY and restart it."
        )
    if not key:
        raise Unauthenticated("This route needs a key: send it in the header X-API-Key.")
    if not secrets.compare_digest(key.encode(), rt.admin_key.encode()):
        raise Forbidden("The key in X-API-Key is not the one of this server.")


Operator = Depends(operator)
