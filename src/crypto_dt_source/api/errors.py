"""The one error shape, and how everything that can go wrong becomes it."""

from __future__ import annotations

from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ..model import errors
from ..model.errors import BadRequest, CdtsError, InvalidParameter, MethodNotAllowed, NotFound
from ..telemetry import logger

log = logger("api")


class ErrorBody(BaseModel):
    """What every error answer looks like."""

    error: str = Field(description="One sentence for a person, saying what to do.")
    code: str = Field(description="Snake-case code for a program.", examples=["unknown_symbol"])
    details: dict[str, Any] = Field(description="Facts for a program; may be empty.")
    request_id: str = Field(description="Also in the X-Request-ID header and the log.")
    retry_after: int | None = Field(default=None, description="Seconds to wait; also the Retry-After header.")


def error_body(error: CdtsError, request_id: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of an error answer."""
    body: dict[str, Any] = {
        "error": error.message,
        "code": error.code,
        "details": error.details,
        "request_id": request_id,
    }
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
    encoded = msgspec.json.encode(body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(encoded)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return encoded, headers


def _response(request: Request, error: CdtsError) -> Response:
    body, headers = error_body(error, request.scope.get("cdts.request_id", ""))
    kept = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    return Response(body, status_code=error.status, headers=kept)


def _from_validation(error: RequestValidationError) -> CdtsError:
    first = error.errors()[0]
    where, *path = first["loc"]
    if first["type"] == "json_invalid":
        return BadRequest(
            "The body is not JSON.", details={"reason": str(first.get("ctx", {}).get("error", ""))[:200]}
        )
    name = ".".join(str(part) for part in path) or str(where)
    got = first.get("input")
    shown = got if isinstance(got, str | int | float | bool) or got is None else type(got).__name__
    if isinstance(shown, str):
        shown = shown[:100]
    limits = {k: v for k, v in first.get("ctx", {}).items() if isinstance(v, str | int | float)}
    return InvalidParameter(
        f"{name}: {first['msg']}.",
        details={"parameter": name, "got": shown, "allowed": limits or first["msg"]},
    )


def _from_http(error: HTTPException) -> CdtsError:
    if error.status_code == 404:
        return NotFound("There is no such route; /docs lists them all.")
    if error.status_code == 405:
        return MethodNotAllowed("This route does not take that method.")
    if error.status_code == 400:
        return BadRequest("The request cannot be read.")
    return CdtsError("The request could not be answered.")


def install(app: FastAPI) -> None:
    """Every error of the application leaves in the one shape."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CdtsError)  # noqa: S101 - registered for this class
        return _response(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
        return _response(request, _from_validation(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        return _response(request, _from_http(error))

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected error", path=request.url.path, error=type(error).__name__)
        return _response(request, CdtsError("Something went wrong on this side; the log has the request id."))

    app.add_exception_handler(CdtsError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the error answers a route can give."""
    return {code: {"model": ErrorBody, "description": _described(code)} for code in codes}


def _described(status: int) -> str:
    found = sorted({c.code for c in _tree(CdtsError) if c.status == status and not _upstream(c)})
    return " / ".join(found) or "error"


def _tree(cls: type[CdtsError]) -> list[type[CdtsError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in _tree(child))]


def _upstream(cls: type[CdtsError]) -> bool:
    return issubclass(cls, errors.UpstreamError)
