"""How a chain stands, gathered from several answers of one upstream: each tells a part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from ..model.ask import ChainStatsAsk
from ..model.onchain import ChainStats
from .kit import MergeFn, NextFn, ParseFn, Reply, Request

Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A whole number as JSON carries it exactly."""


def part(reply: Reply, chain: str, **known: Any) -> ChainStats:
    """The fields of ChainStats that one answer tells; the others are None."""
    blank = ChainStats(
        reply.provider, chain, None, None, None, None, None, None, None, None, None, None, reply.received_ms
    )
    return blank._replace(**known)


def whole_of(parse: ParseFn) -> MergeFn:
    """One record of all parts: of each field the first value told, and when the last part came."""

    def merge(replies: Sequence[Reply], ask: ChainStatsAsk) -> list[ChainStats]:
        parts = [record for reply in replies for record in parse(reply, ask)]
        fields = (next((v for v in values if v is not None), None) for values in zip(*parts, strict=True))
        whole = ChainStats(*fields)  # type: ignore[arg-type]
        return [whole._replace(received_ms=max(reply.received_ms for reply in replies))]

    return merge


def path_after(*paths: str) -> NextFn:
    """The next of `paths`, asked in this order without parameters."""

    def following(reply: Reply, ask: ChainStatsAsk, previous: Request) -> Request | None:
        place = paths.index(previous.path) + 1
        return Request(paths[place]) if place < len(paths) else None

    return following
