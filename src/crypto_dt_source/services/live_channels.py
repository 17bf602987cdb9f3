"""Channels that are whole states: looked at now and then, published when they changed and somebody listens."""

from __future__ import annotations

from typing import Any

from ..model.errors import CdtsError
from ..stream import Event
from ..telemetry import logger
from .runtime import Runtime
from .stream_state import StreamState

log = logger("live")
EVERY_S = {"market": 1.0, "sentiment": 10.0, "defi": 30.0, "health": 5.0}
"""How often each is looked at."""
STORIES_EVERY_S = 5.0
_TICK_S = 0.5
_KNOWN = 500


class ChannelTeller:
    """Publishes what changed. `run` until it is cancelled."""

    def __init__(self, rt: Runtime, state: StreamState) -> None:
        self._rt = rt
        self._state = state
        self._looked: dict[str, float] = {}
        self._last: dict[str, Any] = {}
        self._told: dict[str, None] | None = None

    async def run(self) -> None:
        """Look at each channel when its time comes."""
        clock = self._rt.clock
        while True:
            await clock.sleep(_TICK_S)
            now = clock.monotonic()
            for channel, every in (*EVERY_S.items(), ("news", STORIES_EVERY_S)):
                if now - self._looked.get(channel, -every) < every or not self._rt.hub.listened(
                    channel, None
                ):
                    continue
                self._looked[channel] = now
                try:
                    await self._look(channel)
                except CdtsError as error:
                    log.debug("a channel has nothing to tell", channel=channel, reason=error.message)

    async def _look(self, channel: str) -> None:
        await self._state.prepare(channel)
        data = self._state.state(channel, None)
        if channel == "news":
            self._stories(data or [])
        elif data is not None and data != self._last.get(channel):
            self._last[channel] = data
            self._rt.bus.publish(Event(channel, None, data, self._rt.clock.now_ms()))

    def _stories(self, newest: list[dict[str, Any]]) -> None:
        """Stories not told yet, the oldest first. What was there at the first look is in every snapshot."""
        if self._told is None:
            self._told = dict.fromkeys(row["id"] for row in newest)
            return
        for row in reversed(newest):
            if row["id"] not in self._told:
                self._told[row["id"]] = None
                self._rt.bus.publish(Event("news", None, row, self._rt.clock.now_ms()))
        for old in list(self._told)[:-_KNOWN]:
            del self._told[old]
