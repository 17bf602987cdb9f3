"""Bodies of requests: read after the key was checked, decoded into a declared shape, refused in words.

A body is decoded by msgspec straight into its shape: what the shape does not name is skipped and never becomes an object.
One nested deeper than MAX_DEPTH is refused before that. A large one is decoded in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import numpy as np
from fastapi import Request
from starlette.requests import ClientDisconnect

from ..model.errors import BadRequest, CdtsError, InvalidParameter, Overloaded, UnsupportedMediaType
from .errors import shown

T = TypeVar("T", bound=msgspec.Struct)
THREAD_BYTES = 64 * 1024
"""Larger bodies are decoded beside the loop, and the errors in them name no value."""
LARGE_BYTES = 1024 * 1024
"""What is larger needs one of the service's few places for such bodies."""
LARGE_AT_ONCE = 2
MAX_DEPTH = 32
"""Lists and objects inside one another, at most."""
RETRY_AFTER_S = 5
STEP_BYTES = 16 * 1024
"""How much of a body is looked through for brackets at a time."""
_WHERE = re.compile(r" - at `\$\.?(.*)`$")
_GOT = re.compile(r", got `(\w+)`")
_MISSING = re.compile(r"missing required field `(\w+)`")
_PLACE = re.compile(r"\[(\d+)\]")
_ESCAPE = re.compile(
    rb"(\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_QUOTE = ord('"')
_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHER = bytes(set(range(256)) - set(b'[]{}"'))
_KINDS = {"dict": "an object", "list": "a list"}


class Places:
    """Room for a few large bodies at once, each with the texts made of it, until they are answered."""

    def __init__(self, free: int = LARGE_AT_ONCE) -> None:
        self.free = free

    def take(self) -> None:
        """Raises Overloaded where none is free."""
        if self.free < 1:
            raise Overloaded(
                f"Other bodies of more than {LARGE_BYTES} bytes are being read; try again in a moment.",
                retry_after=RETRY_AFTER_S,
            )
        self.free -= 1

    def give(self) -> None:
        self.free += 1


def reads(kind: type[T]) -> Callable[[Request], AsyncIterator[T]]:
    """A dependency: the request's body as a `kind`. Those before it, the operator's key among them, come first.

    Raises UnsupportedMediaType, BadRequest for what is no JSON, InvalidParameter for JSON of another shape, Overloaded.
    """
    decoder = msgspec.json.Decoder(kind)
    schema = schema_of(kind)

    async def body(request: Request) -> AsyncIterator[T]:
        _check_type(request.headers.get("content-type", ""))
        async with _received(request) as raw:
            if len(raw) > THREAD_BYTES:
                value = await asyncio.to_thread(_decoded, decoder, schema, raw)
            else:
                value = _decoded(decoder, schema, raw)
            raw.clear()
            yield value

    return body


def takes(media_type: str) -> Callable[[Request], AsyncIterator[bytes]]:
    """A dependency: the request's body as it came, for a service that reads it itself.

    Raises UnsupportedMediaType for a body of another type, BadRequest for JSON nested too deep, Overloaded.
    """

    async def body(request: Request) -> AsyncIterator[bytes]:
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if given != media_type:
            raise UnsupportedMediaType(
                f"Send the body as {media_type}, and say so in Content-Type.",
                details={"parameter": "Content-Type", "got": shown(given), "allowed": media_type},
            )
        async with _received(request) as raw:
            if media_type == "application/json" and await asyncio.to_thread(_too_deep, raw):
                raise BadRequest(
                    f"The body is nested deeper than {MAX_DEPTH} levels.",
                    details={"reason": "nested too deep", "allowed": MAX_DEPTH},
                )
            yield bytes(raw)

    return body


def documented(kind: type[msgspec.Struct], example: Mapping[str, Any]) -> dict[str, Any]:
    """The body's part of a route's OpenAPI entry (`openapi_extra`)."""
    content = {"application/json": {"schema": schema_of(kind), "example": dict(example)}}
    return {"requestBody": {"required": True, "content": content}}


def schema_of(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON Schema of a body, which names no other: the shapes in it are written out."""
    _, parts = msgspec.json.schema_components([kind])
    schema: dict[str, Any] = _whole(parts[kind.__name__], parts)
    return schema


def _whole(part: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_whole(item, parts) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _whole(parts[part["$ref"].rpartition("/")[2]], parts)
    return {name: _whole(value, parts) for name, value in part.items()}


def _check_type(given: str) -> None:
    """Raises UnsupportedMediaType for a body that does not say it is JSON."""
    kind = given.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaType(
            "Send the body as application/json, and say so in Content-Type.",
            details={"parameter": "Content-Type", "got": shown(given), "allowed": "application/json"},
        )


@asynccontextmanager
async def _received(request: Request) -> AsyncIterator[bytearray]:
    """The whole body; how much that may be, the edge has seen to."""
    places: Places = request.app.state.places
    large = False
    raw = bytearray()
    try:
        async for chunk in request.stream():
            raw += chunk
            if not large and len(raw) > LARGE_BYTES:
                places.take()
                large = True
        yield raw
    except ClientDisconnect as error:
        raise BadRequest("The connection ended before the body did.") from error
    finally:
        if large:
            places.give()


def _decoded(decoder: msgspec.json.Decoder[T], schema: Mapping[str, Any], raw: bytearray) -> T:
    """Raises BadRequest and InvalidParameter."""
    if not raw:
        raise _invalid("body", None, "an object", required=True)
    if _too_deep(raw):
        raise BadRequest(
            f"The body is nested deeper than {MAX_DEPTH} levels.",
            details={"reason": "nested too deep", "allowed": MAX_DEPTH},
        )
    try:
        try:
            return decoder.decode(raw)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            whole = _mended(raw)
            if whole == raw:
                raise
            return decoder.decode(whole)
    except msgspec.ValidationError as error:
        raise _refusal(str(error), schema, raw) from error
    except msgspec.DecodeError as error:
        raise BadRequest("The body is not JSON.", details={"reason": str(error)[:200]}) from error
    except UnicodeDecodeError as error:
        raise BadRequest("The body is not JSON.", details={"reason": "It is not UTF-8."}) from error


def _too_deep(raw: bytearray) -> bool:
    """Whether what the body opens is ever nested deeper than MAX_DEPTH. Linear in its length, and piece by piece, so that
    the loop goes on beside it."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return False
    depth = quotes = start = 0
    while start < len(raw):
        piece = raw[start : start + STEP_BYTES]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2 and start + len(piece) < len(raw):
            piece = piece[:-1]  # half an escape
        start += len(piece)
        kept = piece.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_BRACKETS, _OTHER)
        if not kept:
            continue
        signs = np.frombuffer(kept, np.uint8)
        ends = signs == _QUOTE
        within = (np.cumsum(ends, dtype=np.int32) + quotes) % 2 == 1
        # `[` is 91 and `]` is 93: what 92 is more than them is one up and one down.
        ups = np.cumsum(np.where(within | ends, 0, 92 - signs.astype(np.int32)), dtype=np.int32)
        if depth + int(ups.max()) > MAX_DEPTH:
            return True
        depth += int(ups[-1])
        quotes += int(ends.sum())
    return False


def _mended(raw: bytearray) -> bytes:
    """The body with U+FFFD in the place of escapes that are half a surrogate pair, which is no text."""
    return _ESCAPE.sub(lambda found: found[1] or rb"\ufffd", raw)


def _refusal(said: str, schema: Mapping[str, Any], raw: bytearray) -> CdtsError:
    """What msgspec says, in the words of this API."""
    missing = _MISSING.search(said)
    if missing is not None:
        return _invalid(missing[1], None, _words(_part(schema, missing[1])), required=True)
    where = _WHERE.search(said)
    name = _PLACE.sub(r".\1", where[1]) if where else ""
    kind = _GOT.search(said)
    got = _found(raw, name) if len(raw) <= THREAD_BYTES else (kind[1] if kind else "")
    return _invalid(name or "body", got, _words(_part(schema, name)))


def _invalid(name: str, got: Any, allowed: str, *, required: bool = False) -> InvalidParameter:
    return InvalidParameter(
        f"{name}: is required." if required else f"{name}: must be {allowed}.",
        details={"parameter": name, "got": got, "allowed": allowed},
    )


def _found(raw: bytearray, name: str) -> Any:
    """The value at `texts.1`, as an error shows it."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    for step in name.split(".") if name else ():
        value = value[int(step)] if isinstance(value, list) else value[step]
    return _KINDS.get(type(value).__name__) or shown(value)


def _part(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The schema of the value at `texts.1`."""
    for step in name.split(".") if name else ():
        kind = "items" if step.isdigit() else "properties"
        # Of a value that may be null the part is that of the other option.
        held = next((option for option in schema.get("anyOf", ()) if kind in option), schema)[kind]
        schema = held if step.isdigit() else held[step]
    return schema


def _words(schema: Mapping[str, Any]) -> str:
    """`a text of 1 to 10000 characters`, `a whole number from 1 to 128`."""
    if "anyOf" in schema:
        return " or ".join(_words(option) for option in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    match schema["type"]:
        case "string":
            if "maxLength" not in schema:
                return "a text"
            return f"a text of {schema.get('minLength', 0)} to {schema['maxLength']} characters"
        case "integer":
            return f"a whole number from {schema['minimum']} to {schema['maximum']}"
        case "number":
            return f"a number from {schema['minimum']:g} to {schema['maximum']:g}"
        case "boolean":
            return "true or false"
        case "array":
            items = _words(schema["items"]).removeprefix("an ").removeprefix("a ")
            items = items.replace("text", "texts", 1).replace("object", "objects", 1)
            return f"a list of {schema['minItems']} to {schema['maxItems']} {items}"
        case "null":
            return "null"
        case _:
            return "an object"
