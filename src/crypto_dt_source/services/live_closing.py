"""Minutes that are over: the venue's own candle in the place of the one that was built from its trades."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

from ..model.ask import CandlesAsk
from ..model.candle import MINUTE_MS, Candle
from ..model.errors import CdtsError
from ..store import SeriesKey
from ..store.repos import candles as candle_repo
from ..stream import Event, Hub
from ..telemetry import logger
from . import persist
from .live_candles import CandleBuilder, Series
from .runtime import Runtime

log = logger("live")
LOOK_S = 1.0
WAITS_S = (2.0, 5.0, 20.0)
"""How long after a minute's end the venue is asked for its own candle of it, and after each time that it has none yet."""
OPEN_LIMIT = 2000
"""Minutes that may wait for their candle, the longest waiting leaving first."""


class _Waiting(NamedTuple):
    series: Series
    due_ms: int
    asked: int


class CandleCloser:
    """Publishes and stores closed candles of what somebody listens to. `run` until it is cancelled."""

    def __init__(self, rt: Runtime, candles: CandleBuilder, hub: Hub) -> None:
        self._rt = rt
        self._candles = candles
        self._hub = hub
        self._waiting: dict[tuple[str, int], _Waiting] = {}

    async def run(self) -> None:
        """Look each second which minutes are over and whose candle is due."""
        while True:
            await self._rt.clock.sleep(LOOK_S)
            now = self._rt.clock.now_ms()
            self._candles.end_minutes(now)
            self._take_over(now)
            due = [(key, held) for key, held in self._waiting.items() if held.due_ms <= now]
            await asyncio.gather(*(self._close(*key, held) for key, held in due))

    def _take_over(self, now_ms: int) -> None:
        done, self._candles.closed = self._candles.closed, []
        for symbol, series, open_ms in done:
            if self._hub.listened("candles", symbol):
                # One that another venue took over in mid-minute is told as that venue's.
                due_ms = max(now_ms, open_ms + MINUTE_MS) + int(WAITS_S[0] * 1000)
                self._waiting[symbol, open_ms] = _Waiting(series, due_ms, 0)
        for key in list(self._waiting)[:-OPEN_LIMIT]:
            del self._waiting[key]

    async def _close(self, symbol: str, open_ms: int, held: _Waiting) -> None:
        rt, series = self._rt, held.series
        del self._waiting[symbol, open_ms]
        candle = await self._own(series, open_ms)
        if candle is None:
            asked = held.asked + 1
            if asked < len(WAITS_S):
                due_ms = rt.clock.now_ms() + int(WAITS_S[asked] * 1000)
                self._waiting.setdefault((symbol, open_ms), _Waiting(series, due_ms, asked))
            return
        with persist.best_effort():
            key = SeriesKey(series.provider, series.pair.base, series.pair.quote, "1m")
            await candle_repo.write(rt.store, key, [candle])
        shown = self._candles.reconcile(series, candle)
        rt.bus.publish(Event("candles", symbol, shown, rt.clock.now_ms()))

    async def _own(self, series: Series, open_ms: int) -> Candle | None:
        """The venue's candle of a minute, once that is closed."""
        ask = CandlesAsk(series.pair, "1m", open_ms, open_ms + MINUTE_MS, 1)
        try:
            answer = await self._rt.gateway.ask_one(series.provider, ask, background=True)
        except CdtsError as error:
            log.debug("no candle of the venue's own", provider=series.provider, reason=error.message)
            return None
        found = cast("tuple[Candle, ...]", answer.records)
        return next((c for c in found if c.open_ms == open_ms and c.closed), None)
