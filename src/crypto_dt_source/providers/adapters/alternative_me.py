"""The fear and greed index of alternative.me, one value a UTC day since 2018-02-01 with some days missing.

https://alternative.me/crypto/fear-and-greed-index/#api
"""

from __future__ import annotations

import msgspec

from ...model.ask import Capability, FearGreedAsk
from ...model.candle import DAY_MS
from ...model.errors import UpstreamError, UpstreamRateLimited
from ...model.sentiment import FearGreed
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, broken, decoder, read_rows
from ..text import plain

MAKER = "Alternative.me"


class _Day(msgspec.Struct):
    value: int
    value_classification: str
    timestamp: int


class _Metadata(msgspec.Struct):
    error: str | None = None


class _Index(msgspec.Struct):
    name: str
    data: list[_Day]
    metadata: _Metadata | None = None


class _Failure(msgspec.Struct):
    metadata: _Metadata


_index = decoder(_Index)
_failure = decoder(_Failure)


def _error_of(text: str) -> UpstreamError:
    limited = any(word in text.lower() for word in ("too many", "rate limit", "limit exceeded"))
    return UpstreamRateLimited(text[:200]) if limited else broken(text)


def explain(reply: Reply) -> UpstreamError | None:
    """The word in `metadata.error`, which comes under any status, 200 included."""
    try:
        text = _failure.decode(reply.body).metadata.error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return _error_of(text) if text else None


def fear_greed_request(ask: FearGreedAsk) -> Request:
    return Request("/fng/", (("limit", str(max(0, ask.days))), ("format", "json")))


def fear_greed_parse(reply: Reply, ask: FearGreedAsk) -> list[FearGreed | Unreadable]:
    """The series is named after its maker and the name in the body: an index of another name is another series."""
    body, unreadable = read_rows(_index, _Day, reply, explain, "data")
    if body.metadata is not None and body.metadata.error:
        raise _error_of(body.metadata.error)
    name = plain(body.name)
    series = f"{MAKER} {name}" if name else MAKER
    days: dict[int, FearGreed] = {}
    for row in body.data:  # newest first: of two values of a day the first is the later one
        day_ms = row.timestamp * 1000 // DAY_MS * DAY_MS
        found = FearGreed(
            reply.provider, series, row.value, row.value_classification, day_ms, reply.received_ms
        )
        days.setdefault(day_ms, found)
    return [*days.values(), *unreadable]


ADAPTER = Adapter(
    name="alternative_me",
    endpoints={Capability.FEAR_GREED: Endpoint(fear_greed_request, fear_greed_parse)},
    explain=explain,
)
