"""JSON-RPC 2.0 as the nodes of chains speak it: the envelope, its errors, hexadecimal quantities.

https://www.jsonrpc.org/specification and https://ethereum.org/en/developers/docs/apis/json-rpc/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from ..model.errors import (
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from .kit import Reply, Request, decoder, read

T = TypeVar("T")

Quantity = Annotated[str, msgspec.Meta(pattern=r"^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,15})\Z")]
"""A number of at most 64 bits as `0x`, hexadecimal digits, no leading zero. No block number, time or fee per gas needs
more, and Python would turn megabytes of digits into one number."""

LIMIT_CODES = (-32005, 429)
NO_METHOD, WRONG_PARAMS = -32601, -32602
SAID_LIMIT = (
    "rate limit",
    "too many request",
    "limit exceeded",
    "request limit",
    "count exceeded",
    "quota",
    "throttl",
)
SAID_KEY = ("api key", "apikey", "unauthorized", "authenticat")
SAID_NO_METHOD = ("method not found", "does not exist/is not available", "unsupported method")
SAID_WRONG = ("is limited to", "invalid argument", "invalid params")
SAID_LATE = ("timeout", "timed out")
SAID_PLAN = ("freetier", "free tier", "paid plan", "paid tier", "upgrade your")


class Failure(msgspec.Struct):
    """The `error` of an answer."""

    code: int | None = None
    message: str = ""


class Answer(msgspec.Struct, Generic[T]):
    """Either `result` or `error`. Some nodes put the text of an error in place of the object."""

    result: T | None = None
    error: Failure | str | None = None


_any = decoder(Answer[msgspec.Raw])


def call(method: str, params: Sequence[Any] = (), request_id: int = 1) -> Request:
    """A call of `method`. The path is empty: a node's address is its whole URL."""
    body = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return Request(
        "", method="POST", body=msgspec.json.encode(body), headers=(("Content-Type", "application/json"),)
    )


def known_failure(error: Failure | str) -> UpstreamError | None:
    """What an error stands for, None where neither its code nor its words say. A method the node does not have is a
    PayloadChanged: like a withdrawn path, it fails for every ask and so the capability rests."""
    failed = Failure(message=error) if isinstance(error, str) else error
    text = (
        f"the node answered {failed.code if failed.code is not None else 'an error'}: {failed.message[:200]}"
    )
    words = failed.message[:1000].lower()

    def said(phrases: tuple[str, ...]) -> bool:
        return any(phrase in words for phrase in phrases)

    if failed.code in LIMIT_CODES or said(SAID_LIMIT):
        return UpstreamRateLimited(text)
    if said(SAID_KEY):
        return KeyRefused(text)
    if failed.code == NO_METHOD or said(SAID_NO_METHOD):
        return PayloadChanged(text, path="$.error")
    if failed.code == WRONG_PARAMS or said(SAID_WRONG):
        return UpstreamRejected(text)
    if said(SAID_LATE):
        return UpstreamBroken(text)
    if said(SAID_PLAN):
        return PlanRequired(text)
    return None


def failure(error: Failure | str) -> UpstreamError:
    """Like `known_failure`; an error that says nothing known (-32000, `missing trie node`) is the node's own."""
    known = known_failure(error)
    if known is not None:
        return known
    message = error if isinstance(error, str) else error.message
    return UpstreamBroken(f"the node failed: {message[:200]}")


def result(decode: msgspec.json.Decoder[Answer[T]], reply: Reply) -> T:
    """The result of an answer. Raises what its error stands for; UpstreamBroken for `null`, a node's word for a block it
    does not have, which for the newest ones means that it is behind."""
    answer = read(decode, reply.body)
    if answer.error is not None:
        raise failure(answer.error)
    if answer.result is None:
        raise UpstreamBroken("the node has no such block")
    return answer.result


def explain(reply: Reply) -> UpstreamError | None:
    """The error in the body of a non-2xx reply, where it says more than the status."""
    try:
        answer = read(_any, reply.body)
    except PayloadChanged:
        return None
    return None if answer.error is None else known_failure(answer.error)
