"""The AsyncAPI document of the stream: made from the channels and the message types themselves.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b
from typing import Any

import msgspec
from fastapi import FastAPI, Response

from .. import __version__
from ..stream import CHANNELS
from ..stream.channels import ALL
from ..stream.protocol import CLOSE_CODES, MESSAGE_BYTES, Auth, GetStatus, Ping, Subscribe, Unsubscribe

PATH = "/asyncapi.json"
SENT = {
    "auth": Auth,
    "subscribe": Subscribe,
    "unsubscribe": Unsubscribe,
    "get_status": GetStatus,
    "ping": Ping,
}
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "format": "date-time", "description": "RFC 3339 UTC."}
_ANY: dict[str, Any] = {}
_ID = {"description": "The `id` of the message this answers, as it came."}
RECEIVED: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "welcome": (
        "The first frame: the session's id, the epoch, what the tier allows, seconds between heartbeats.",
        {"data": {"type": "object"}},
        ("data",),
    ),
    "authenticated": (
        "The key was taken; the connection is of its tier from now on.",
        {"id": _ID, "data": {"type": "object"}},
        ("data",),
    ),
    "subscribed": (
        "What is sent from now on; a snapshot or what was missed follows.",
        {"id": _ID, "channel": _TEXT, "symbols": {"type": "array", "items": _TEXT}},
        ("channel",),
    ),
    "unsubscribed": (
        "What is no longer sent; without symbols all of the channel.",
        {"id": _ID, "channel": _TEXT, "symbols": {"type": "array", "items": _TEXT}},
        ("channel",),
    ),
    "snapshot": (
        "What a sequence is at. `gap`: frames between the number given and this one are no longer there.",
        {
            "channel": _TEXT,
            "symbol": _TEXT,
            "seq": _COUNT,
            "epoch": _TEXT,
            "gap": {"const": True},
            "data": _ANY,
        },
        ("channel", "seq", "epoch", "data"),
    ),
    "update": (
        "Something new. `seq` rises by one; on channels of whole states a slow client is given the newest alone.",
        {"channel": _TEXT, "symbol": _TEXT, "seq": _COUNT, "epoch": _TEXT, "data": _ANY},
        ("channel", "seq", "epoch", "data"),
    ),
    "heartbeat": ("The connection lives.", {}, ()),
    "status": (
        "What the connection has subscribed to, and how far it is behind.",
        {"id": _ID, "data": {"type": "object"}},
        ("data",),
    ),
    "pong": ("The answer to ping.", {"id": _ID}, ()),
    "error": (
        "What was wrong with a message; the connection stays open.",
        {
            "id": _ID,
            "code": _TEXT,
            "error": {"type": "string", "description": "One sentence for a person."},
            "details": {"type": "object"},
            "retry_after": _COUNT,
        },
        ("code", "error", "details"),
    ),
}
"""Every frame of the server: what it says, its fields beside `type` and `ts`, and which of them are always there."""

TOLD = ("welcome", "snapshot", "update", "error")
"""What an event stream has of them: nobody asks it anything, and its heartbeats are comments."""
QUERY = {
    "type": "object",
    "properties": {
        "token": {"type": "string"},
        "channels": {"type": "string", "description": "Comma list; not on /ws/{channel}."},
        "symbols": {"type": "string", "description": "Comma list; `*` is every one."},
    },
}
HEADERS = {
    "type": "object",
    "properties": {"X-API-Key": _TEXT, "Authorization": _TEXT},
    "description": "Either, or none: who shows no key counts by network address.",
}


@cache
def document() -> dict[str, Any]:
    """The document; made once."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Crypto-DT-Source stream", "version": __version__, "description": _description()},
        "defaultContentType": "application/json",
        "channels": {
            "everything": _channel("/ws", "All channels: what is subscribed to, at first the market and the "
                                          "prices of the largest assets.", {}),
            "one": _channel("/ws/{channel}", "One channel from the beginning; others can be subscribed to.", {
                "channel": {"enum": [*CHANNELS, ALL], "description": "Which."},
            }),
            "events": _events(),
        },
        "operations": {
            **{f"send_{at}": _operation("receive", at, SENT) for at in ("everything", "one")},
            **{f"receive_{at}": _operation("send", at, RECEIVED) for at in ("everything", "one")},
            "receive_events": {
                **_operation("send", "events", TOLD),
                "bindings": {"http": {"method": "GET", "query": QUERY, "bindingVersion": "0.3.0"}},
            },
        },
        "components": {
            "messages": {**_sent(), **_received()},
            "schemas": _schemas(),
            "securitySchemes": {
                "key": {"type": "httpApiKey", "in": "header", "name": "X-API-Key", "description": "An API key."},
                "bearer": {"type": "http", "scheme": "bearer", "description": "A key, or a token of POST /api/auth/token."},
                "query": {
                    "type": "httpApiKey", "in": "query", "name": "token",
                    "description": "The same for what cannot send headers; a token rather than a key, for addresses end "
                    "up in logs.",
                },
            },
        },
    }  # fmt: skip


def _description() -> str:
    channels = "\n".join(
        f"- `{c.name}`{' (by symbol)' if c.by_symbol else ''}: {c.about}"
        f"{'' if c.whole else ' Every frame counts.'}"
        for c in CHANNELS.values()
    )
    codes = "\n".join(f"- {code}: {what}. {do}" for code, (what, do) in CLOSE_CODES.items())
    return (
        "Live data over WebSocket. The same frames come as server-sent events from `/api/stream`.\n\n"
        f"Channels:\n{channels}\n\nClose codes:\n{codes}\n\nMessages are at most {MESSAGE_BYTES} bytes."
    )


def _events() -> dict[str, Any]:
    return {
        "address": "/api/stream",
        "description": "The same as server-sent events, for what can only read: each event's data is a frame, its id the "
        "place in all sequences, which comes back as Last-Event-ID. Heartbeats are comments.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in TOLD},
    }


def _channel(address: str, about: str, parameters: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "address": address,
        "description": about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in (*SENT, *RECEIVED)},
        "bindings": {
            "ws": {
                "method": "GET",
                "query": QUERY,
                "headers": HEADERS,
                "bindingVersion": "0.1.0",
            }
        },
    }
    return {**made, "parameters": parameters} if parameters else made


def _operation(action: str, channel: str, messages: Iterable[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages],
    }


def _schemas() -> dict[str, Any]:
    _, parts = msgspec.json.schema_components(list(SENT.values()), ref_template="#/components/schemas/{name}")
    return parts


def _sent() -> dict[str, Any]:
    return {
        name: {
            "name": name,
            "title": name,
            "summary": (kind.__doc__ or "").splitlines()[0],
            "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        }
        for name, kind in SENT.items()
    }


def _received() -> dict[str, Any]:
    return {
        name: {
            "name": name,
            "title": name,
            "summary": about,
            "payload": {
                "type": "object",
                "properties": {"type": {"const": name}, "ts": _TIME, **fields},
                "required": ["type", "ts", *required],
            },
        }
        for name, (about, fields, required) in RECEIVED.items()
    }


def install(app: FastAPI) -> None:
    """`/asyncapi.json`, outside the OpenAPI document like that itself."""

    @app.get(PATH, include_in_schema=False)
    async def asyncapi() -> Response:
        body = msgspec.json.encode(document())
        etag = f'"{blake2b(body, digest_size=10).hexdigest()}"'
        headers = {"ETag": etag, "Cache-Control": "public, max-age=300"}
        return Response(body, media_type="application/json", headers=headers)
