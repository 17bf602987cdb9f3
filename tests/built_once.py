"""What every application and every simulated market of a test process would compute again to the same result."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from crypto_dt_source.clock import Clock
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.sim.market import HONEST, Market, Sight, SimTicker, VenueView
from crypto_dt_source.sim.noise import Path

_Tickers = list[tuple[Pair, SimTicker]]
_MOMENTS = 2_000
"""Lists of tickers that are kept."""
_known: dict[tuple[object, ...], _Tickers] = {}
_curves: dict[int, tuple[dict[str, Path], dict[tuple[int, Pair], Path]]] = {}


class KnownView(VenueView):
    """A view of a market that nobody moved: the same seed, provider and time have the same tickers in each."""

    def tickers(self, at_ms: int) -> _Tickers:
        if self.market.version or (self._tickers is not None and self._tickers[0] == (at_ms // 1000, 0)):
            return super().tickers(at_ms)
        key = (self.market.seed, self.entry.source, self._pairs, self.sight, at_ms)
        found = _known.get(key)
        if found is None:
            if len(_known) >= _MOMENTS:
                _known.clear()
            found = _known[key] = super().tickers(at_ms)
        self._tickers = ((at_ms // 1000, 0), found)
        return found


class KnownMarket(Market):
    """The market of a simulator that stands behind a service; tests of the simulator itself have the real one."""

    def __init__(self, seed: int, clock: Clock, entries: Mapping[str, Entry]) -> None:
        super().__init__(seed, clock, entries=entries)
        # Curves are functions of the seed that remember what they drew.
        self._paths, self._noise = _curves.setdefault(seed, (self._paths, self._noise))

    def view(self, provider_id: str, sight: Sight = HONEST) -> VenueView:
        return KnownView(self, self.entries[provider_id], sight)


def simulator(seed: int, clock: Clock) -> SimApp:
    """A simulator of every provider over a KnownMarket."""
    app = create_app(seed, clock)
    app.market = KnownMarket(seed, clock, app.market.entries)
    return app


def share_document() -> None:
    """The document of the routes, which FastAPI makes anew for each application. Where `api.app` is loaded, its applications
    have it from the first of them."""
    application: Any = sys.modules.get("crypto_dt_source.api.app")
    if application is None:
        return
    made: dict[Any, bytes] = {}
    make = application.documents.get_openapi

    def get_openapi(**of: Any) -> Any:
        key = tuple((route.path, *sorted(route.methods)) for route in of["routes"])
        if key not in made:
            made[key] = msgspec.json.encode(make(**of))
        return msgspec.json.decode(made[key])

    application.documents.get_openapi = get_openapi
