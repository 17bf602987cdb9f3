"""What a client of the stream may say, read with bounds, and the frames that answer it. `docs/stream.md` tells it whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import Raw

from ..clock import rfc3339
from ..model.errors import BadRequest, CdtsError, InvalidParameter
from ..telemetry import mask

MESSAGE_BYTES: Final = 64 * 1024
"""A longer message closes the connection with 1009."""
MOST_SYMBOLS: Final = 500
"""Symbols one message may name."""
ID_BYTES: Final = 256
"""An `id` is echoed as it came; no longer one is."""
LARGEST: Final = 2**53
"""No number of a frame is beyond it: every JSON reader knows integers up to there."""
ANY_SYMBOL: Final = "*"
_SHOWN = 100
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Number = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
NO_ID = Raw()


class Close:
    """Codes a connection is closed with. Those from 4000 on are this service's own."""

    NORMAL = 1000
    POLICY = 1008
    TOO_BIG = 1009
    UNANSWERED = 1011
    RESTART = 1012
    TOO_SLOW = 1013
    KEY_ENDED = 4401
    AUTH_TIMEOUT = 4408
    TOO_MANY = 4429


CLOSE_CODES: Final[dict[int, tuple[str, str]]] = {
    Close.NORMAL: ("done", "The client asked for it."),
    1002: ("not WebSocket", "Mend the client; do not reconnect by itself."),
    1007: ("text that is not UTF-8", "Mend the client."),
    Close.POLICY: ("too many errors or messages", "Mend the client; reconnect after a minute."),
    Close.TOO_BIG: ("a message beyond 64 KiB", "Send smaller messages."),
    Close.UNANSWERED: ("no sign of life, or an error of the server", "Reconnect with backoff and resume."),
    Close.RESTART: ("the server stops", "Reconnect after a random 1 to 5 s and resume."),
    Close.TOO_SLOW: (
        "the client reads too slowly",
        "Subscribe to less or read faster; reconnect and resume.",
    ),
    Close.KEY_ENDED: ("the key was revoked or has expired", "Do not reconnect with this key."),
    Close.AUTH_TIMEOUT: (
        "no key came in time",
        "Send auth as the first message, or close other connections.",
    ),
    Close.TOO_MANY: ("the key has as many connections as it may", "Close others first."),
}
"""What each code means, and what a client should do."""


class Auth(msgspec.Struct, tag_field="action", tag="auth"):
    """Who the client is: a token or an API key."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=8192)]
    id: Raw = msgspec.field(default_factory=Raw)


class Subscribe(msgspec.Struct, tag_field="action", tag="subscribe"):
    """`channel` None is that of the connection's address. Without symbols a channel that has some gives the largest
    assets. `since` is the last number the client has, of one sequence or by symbol, of the run `epoch`."""

    channel: Text | None = None
    symbols: Annotated[list[Text], msgspec.Meta(max_length=MOST_SYMBOLS)] | None = None
    since: Number | dict[Text, Number] | None = None
    epoch: Text | None = None
    id: Raw = msgspec.field(default_factory=Raw)


class Unsubscribe(msgspec.Struct, tag_field="action", tag="unsubscribe"):
    """Without symbols all of the channel."""

    channel: Text | None = None
    symbols: Annotated[list[Text], msgspec.Meta(max_length=MOST_SYMBOLS)] | None = None
    id: Raw = msgspec.field(default_factory=Raw)


class GetStatus(msgspec.Struct, tag_field="action", tag="get_status"):
    """What the connection has subscribed to, and how far it is behind."""

    id: Raw = msgspec.field(default_factory=Raw)


class Ping(msgspec.Struct, tag_field="action", tag="ping"):
    """Answered with pong."""

    id: Raw = msgspec.field(default_factory=Raw)


Message = Auth | Subscribe | Unsubscribe | GetStatus | Ping
ACTIONS: Final = ("auth", "get_status", "ping", "subscribe", "unsubscribe")


class _Named(msgspec.Struct):
    """What is read of a message that is wrong."""

    action: str = ""
    id: Raw = msgspec.field(default_factory=Raw)


_decode = msgspec.json.Decoder(Message).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_encode = msgspec.json.Encoder().encode


class BadMessage(Exception):
    """A message that cannot be followed; `id` is its own where it could be read."""

    def __init__(self, error: CdtsError, id: Raw = NO_ID) -> None:
        super().__init__(error.message)
        self.error = error
        self.id = id


def read(text: str) -> Message:
    """A client's message. Raises BadMessage."""
    try:
        message: Message = _decode(text)
    except msgspec.ValidationError as error:
        raise _invalid(text, str(error)) from None
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise BadMessage(BadRequest("The message is not JSON.")) from None
    if len(bytes(message.id)) > ID_BYTES:
        raise BadMessage(_parameter("id", f"at most {ID_BYTES} bytes of JSON", "something longer"))
    return message


def _invalid(text: str, reason: str) -> BadMessage:
    try:
        named = _decode_named(text)
    except (msgspec.DecodeError, RecursionError):
        return BadMessage(
            _parameter("action", f"an object whose action is one of {', '.join(ACTIONS)}", "something else")
        )
    own = named.id if len(bytes(named.id)) <= ID_BYTES else NO_ID
    if named.action not in ACTIONS:
        got = named.action[:_SHOWN] if named.action else "none"
        return BadMessage(_parameter("action", f"one of {', '.join(ACTIONS)}", got), own)
    sentence, _, path = reason.partition(" - at `$")
    field = path.strip("`.").split("[")[0].split(".")[0] or named.action
    return BadMessage(InvalidParameter(f"{field}: {sentence}.", details={"parameter": field}), own)


def _parameter(name: str, allowed: str, got: str) -> InvalidParameter:
    return InvalidParameter(
        f"{name}: must be {allowed}.", details={"parameter": name, "got": got, "allowed": allowed}
    )


def binary() -> BadMessage:
    """For a message that is not text."""
    return BadMessage(BadRequest("Messages are JSON text; this one was binary."))


def frame(kind: str, at_ms: int, id: Raw = NO_ID, **fields: Any) -> bytes:
    """A frame for one client, with the `id` of what it answers."""
    made: dict[str, Any] = {"type": kind}
    if bytes(id):
        made["id"] = id
    return _encode({**made, **fields, "ts": rfc3339(at_ms)})


def error_frame(error: CdtsError, at_ms: int, id: Raw = NO_ID, **fields: Any) -> bytes:
    """The error as the REST API tells it. A key that was typed into the wrong place is not repeated."""
    said: dict[str, Any] = {"code": error.code, "error": error.public, "details": error.details}
    if error.retry_after is not None:
        said["retry_after"] = error.retry_after
    masked = msgspec.json.decode(mask(_encode(said).decode()))
    return frame("error", at_ms, id, **fields, **masked)


def subscribed(kind: str, at_ms: int, channel: str, symbols: Iterable[str] | None, id: Raw) -> bytes:
    """What has been begun or ended; `symbols` None for a channel that has none."""
    told: Mapping[str, Any] = {} if symbols is None else {"symbols": list(symbols)}
    return frame(kind, at_ms, id, channel=channel, **told)
