"""The one error shape, and how everything that can go wrong becomes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from ..model import errors
from ..model.errors import BadRequest, CdtsError, InvalidParameter, MethodNotAllowed, NotFound
from ..telemetry import logger, mask

log = logger("api")
SHOWN = 100
"""Characters of a wrong value that are repeated in the error."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HTTP_ERRORS: dict[int, CdtsError] = {
    400: BadRequest("The request cannot be read."),
    401: errors.Unauthenticated("This route needs a key or a token."),
    403: errors.Forbidden("The key does not allow this."),
    404: NotFound("There is no such route; /docs lists them all."),
    405: MethodNotAllowed("This route does not take that method."),
    409: errors.Conflict("The resource's state forbids the change."),
    413: errors.TooLarge("The body is too large."),
    415: errors.UnsupportedMediaType("Send the body as application/json."),
}
"""What an error of the framework itself becomes."""


class ErrorBody(BaseModel):
    """What every error answer looks like."""

    error: str = Field(description="One sentence for a person, saying what to do.")
    code: str = Field(description="Snake-case code for a program.", examples=["unknown_symbol"])
    details: dict[str, Any] = Field(description="Facts for a program; may be empty.")
    request_id: str = Field(description="Also in the X-Request-ID header and the log.")
    retry_after: int | None = Field(default=None, description="Seconds to wait; also the Retry-After header.")


def error_body(error: CdtsError, request_id: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Body and headers of an error answer. A key or token that a client sent in a wrong place is not repeated."""
    body: dict[str, Any] = {
        "error": error.public,
        "code": error.code,
        "details": error.details,
        "request_id": request_id,
    }
    if error.retry_after is not None:
        body["retry_after"] = error.retry_after
    encoded = mask(msgspec.json.encode(body).decode()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(encoded)).encode()),
        (b"cache-control", b"no-store"),
    ]
    if error.status == errors.Unauthenticated.status:
        headers.append((b"www-authenticate", b'Bearer realm="crypto-dt-source"'))
    if error.retry_after is not None:
        headers.append((b"retry-after", str(error.retry_after).encode()))
    return encoded, headers


def _response(request: Request, error: CdtsError, extra: Mapping[str, str] | None = None) -> Response:
    body, headers = error_body(error, request.scope.get("cdts.request_id", ""))
    kept = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    return Response(body, status_code=error.status, headers={**kept, **(extra or {})})


def _from_validation(scope: Scope, error: RequestValidationError) -> CdtsError:
    first = error.errors()[0]
    where, *path = first["loc"]
    name = ".".join(str(part) for part in path) or str(where)
    if first["type"] == "missing":
        return InvalidParameter(
            f"{name}: is required.",
            details={"parameter": name, "got": None, "allowed": _allowed(scope, name) or "a value"},
        )
    allowed = _allowed(scope, name) or first["msg"]
    words = ", ".join(allowed) if isinstance(allowed, list) else allowed
    return InvalidParameter(
        f"{name}: must be {words}.",
        details={"parameter": name, "got": shown(first.get("input")), "allowed": allowed},
    )


def shown(got: Any) -> str | int | float | None:
    """A wrong value as an error repeats it: the beginning of a text, the type of anything with parts."""
    if isinstance(got, str):
        # Half a surrogate pair is no text and cannot be sent back.
        return got[:SHOWN].encode(errors="replace").decode()
    return got if isinstance(got, int | float) or got is None else type(got).__name__


def _allowed(scope: Scope, name: str) -> str | list[str] | None:
    """What a parameter of the matched route may be, in words or as the list of its values."""
    route = getattr(scope.get("route"), "dependant", None)
    # Those of what the route depends on too: filters that several routes share.
    waiting = [] if route is None else [route]
    while waiting:
        dependant = waiting.pop()
        for field in (*dependant.path_params, *dependant.query_params):
            if field.alias == name:
                info = field.field_info
                return _values(info.annotation) or _range(info.annotation, info.metadata)
        waiting += dependant.dependencies
    return None


def _values(annotation: Any) -> list[str] | None:
    """The values of a Literal, optional or not."""
    for option in (annotation, *get_args(annotation)):
        if get_origin(option) is Literal:
            return [str(value) for value in get_args(option)]
    return None


def _range(annotation: Any, limits: Iterable[Any]) -> str:
    """`a whole number from 1 to 100`, `a text of 1 to 64 characters`."""
    found = {
        key: value
        for limit in limits
        for key in ("ge", "le", "min_length", "max_length", "pattern")
        if (value := getattr(limit, key, None)) is not None
    }
    kinds = (annotation, *get_args(annotation))
    if bool in kinds:
        return "true or false"
    if float in kinds:
        return f"a number from {_plain(found.get('ge', 'any'))} to {_plain(found.get('le', 'any'))}"
    if int in kinds:
        return f"a whole number from {found.get('ge', 'any')} to {found.get('le', 'any')}"
    text = f"a text of {found.get('min_length', 0)} to {found.get('max_length', 'any number of')} characters"
    return f"{text} without control characters" if "pattern" in found else text


def _plain(bound: Any) -> str:
    """1e+12 as people write it."""
    return f"{bound:.0f}" if isinstance(bound, float) and bound.is_integer() else str(bound)


def _from_http(error: HTTPException) -> CdtsError:
    known = HTTP_ERRORS.get(error.status_code)
    return known if known is not None else CdtsError("The request could not be answered.")


def _allow(request: Request) -> str:
    """Every method some route takes at this path."""
    taken = [
        method
        for method in METHODS
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
    return ", ".join([*taken, "HEAD"] if "GET" in taken else taken)


def install(app: FastAPI) -> None:
    """Every error of the application leaves in the one shape."""

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, CdtsError)  # noqa: S101 - registered for this class
        return _response(request, error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
        return _response(request, _from_validation(request.scope, error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
        extra = {"Allow": _allow(request)} if error.status_code == MethodNotAllowed.status else None
        return _response(request, _from_http(error), extra)

    async def unexpected(request: Request, error: Exception) -> Response:
        request_id = request.scope.get("cdts.request_id", "")
        route: Any = request.scope.get("route")
        template = getattr(route, "path_format", None)
        log.error("unexpected error", route=template, request_id=request_id, exc_info=error)
        return _response(request, CdtsError("Something went wrong on this side; the log has the request id."))

    app.add_exception_handler(CdtsError, known)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unexpected)


ANY_ROUTE = (413, 504)
"""A URL or body beyond its bound, an answer not ready in time: these can happen to every request."""


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries of the error answers a route can give."""
    return {
        code: {"model": ErrorBody, "description": _described(code)} for code in sorted({*codes, *ANY_ROUTE})
    }


def _described(status: int) -> str:
    found = sorted({c.code for c in _tree(CdtsError) if c.status == status and not _upstream(c)})
    return " / ".join(found) or "error"


def _tree(cls: type[CdtsError]) -> list[type[CdtsError]]:
    return [cls, *(sub for child in cls.__subclasses__() for sub in _tree(child))]


def _upstream(cls: type[CdtsError]) -> bool:
    return issubclass(cls, errors.UpstreamError)
