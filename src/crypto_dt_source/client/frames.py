"""What the service says, as types."""

from __future__ import annotations

from typing import Any

import msgspec


class Price(msgspec.Struct, frozen=True):
    """One row of prices. `price` and `change_24h_pct` are null where no upstream delivered the value; `confidence` is half
    the width of the interval the price lies in; `stale`: older than its TTL."""

    symbol: str
    id: str
    vs: str
    price: float | None = None
    status: str = ""
    confidence: float | None = None
    sources: int = 0
    change_24h_pct: float | None = None
    volume_24h: float | None = None
    as_of: str | None = None
    stale: bool = False
    providers: tuple[str, ...] = ()


class Frame(msgspec.Struct, frozen=True):
    """One frame of the stream. `type` is `snapshot` or `update` where it is data; `gap` says that frames before it are
    lost. `seq` counts those of its channel and symbol within a run of the server, `epoch`. `symbols` is of `subscribed`."""

    type: str
    ts: str = ""
    channel: str = ""
    symbol: str | None = None
    seq: int = 0
    epoch: str = ""
    gap: bool = False
    symbols: tuple[str, ...] = ()
    data: Any = None
    code: str = ""
    error: str = ""
    details: dict[str, Any] = {}


def read_price(data: Any) -> Price:
    """A row of prices out of a frame or an answer. Raises ValueError for anything else."""
    return msgspec.convert(data, Price)


_decode = msgspec.json.Decoder(Frame).decode


def read_frame(text: str | bytes) -> Frame:
    """Raises ValueError for what is none."""
    try:
        return _decode(text)
    except RecursionError:
        raise ValueError("the frame is too deep") from None
