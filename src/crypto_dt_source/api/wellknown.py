"""Whom to tell of a weakness: `/.well-known/security.txt` (https://www.rfc-editor.org/rfc/rfc9116)."""

from __future__ import annotations

from fastapi import FastAPI, Request, Response

from ..clock import rfc3339
from ..model.errors import NotFound
from .deps import Rt

PATH = "/.well-known/security.txt"
VALID_DAYS = 90
"""A copy somebody kept is out of date after this; the RFC wants less than a year."""
DAY_MS = 86_400_000
MAX_AGE_S = 86_400


def security_txt(contact: str, now_ms: int) -> str:
    """The file for a SECURITY_CONTACT. There is no `Canonical`: the server does not know what it is called outside."""
    expires_ms = (now_ms // DAY_MS + VALID_DAYS) * DAY_MS
    contacts = [part.strip() for part in contact.split(",")]
    lines = [f"Contact: {part}" for part in contacts if part]
    return "\n".join([*lines, f"Expires: {rfc3339(expires_ms)}", "Preferred-Languages: en", ""])


def install(app: FastAPI) -> None:
    """The route, outside the OpenAPI document. Without a contact there is no such file: none may be invented."""

    @app.get(PATH, include_in_schema=False)
    async def security(request: Request, rt: Rt) -> Response:
        contact: str = request.app.state.security_contact
        if not contact:
            raise NotFound("The operator of this server has named no contact for security.")
        headers = {"Cache-Control": f"public, max-age={MAX_AGE_S}"}
        return Response(security_txt(contact, rt.clock.now_ms()), media_type="text/plain", headers=headers)
