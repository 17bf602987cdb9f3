"""What a wire module is made of. One module an adapter name; it exports `ROUTES` and `ERROR`.

`ROUTES: dict[str, Route]` maps a path template below the provider's prefix, exactly as the adapter's `Request.path`
has it (`/api/v3/klines`, `/products/{id}/ticker`), to a :class:`Route`. `ERROR(kind)` is the provider's own error:
`unknown_symbol`, and `rate_limited_in_200`, its error inside a 200 (where the API has none: its usual error body).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...model.ask import Capability
from ..market import Market, VenueView

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a provider. `now_ms` is the provider's own clock (a clock-skew fault moves it); `path` holds the
    template's placeholders, `query` the last value of each parameter, `headers` have lower-case names."""

    provider: str
    view: VenueView
    market: Market
    path: dict[str, str]
    query: dict[str, str]
    body: bytes
    now_ms: int
    headers: dict[str, str] = field(default_factory=dict)

    def whole(self, name: str, default: int, low: int = 1, high: int = 10**18) -> int:
        """An integer parameter forced into low..high; the default when it is absent or no number."""
        try:
            value = int(float(self.query[name]))
        except (KeyError, ValueError, OverflowError):
            value = default
        return min(max(value, low), high)

    def millis(self, name: str, unit_ms: int = 1) -> int | None:
        """A time parameter in ms (`unit_ms=1000` reads seconds), or None when it is absent or no number."""
        try:
            return int(float(self.query[name]) * unit_ms)
        except (KeyError, ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class SimReply:
    """What the provider answers. Header names in lower case."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


Handler = Callable[[Call], SimReply]
Weigh = Callable[[Mapping[str, str]], int]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler, the capabilities its path serves (faults name them), and what a request costs of the published limit
    by its query (None: 1)."""

    handler: Handler
    capabilities: tuple[Capability, ...]
    weigh: Weigh | None = None


def reply(payload: Any, status: int = 200, headers: dict[str, str] | None = None) -> SimReply:
    """`payload` as JSON."""
    return SimReply(_encode(payload), status, headers or {})


def text(value: float) -> str:
    """A number as exchanges print it in a JSON string: plain decimal, no exponent, 10 significant digits at most."""
    if value == 0:
        return "0"
    shown = f"{value:.10g}"
    if "e" in shown:
        digits = max(0, 9 - int(shown.split("e")[1]))
        shown = f"{value:.{digits}f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown
