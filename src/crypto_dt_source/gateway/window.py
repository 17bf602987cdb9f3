"""One sliding window of a meter: what was used when, by whom, and when there is room again."""

from __future__ import annotations

from collections import deque
from math import inf

from ..providers.catalog import Limit

MARGIN = 0.9
"""Share of a published amount that is ever used; amounts below 10 keep their number and rely on STRETCH."""
STRETCH_S = 0.3
"""Seconds added to every window for requests that travel at different speeds."""
CLASS_SHARE = 0.7
"""Share of a window that people alone, or the timetable alone, may use."""
PEOPLE_SHARE_SPREAD = 0.35
"""People's share where a day's calls are few and spread: what the timetable keeps is enough for what it plans."""
DETAIL_S = 60
"""Windows up to here are counted by the instant; longer ones in buckets, never less than exact."""
BUCKETS = 60
BURST_S = 3600.0
"""How much of an even pace scheduled work may save up and spend at once."""

_TOTAL, _PEOPLE, _TIMETABLE = 1, 2, 3


class Window:
    """At most `amount` in any `limit.per_s` seconds. Times are ms of the meter's monotonic clock; `offset_ms` makes
    them wall time. `spread`: a part of a long quota, or that quota itself."""

    def __init__(
        self, limit: Limit, amount: int, published: bool, offset_ms: int, *, spread: bool = False
    ) -> None:
        self.limit = limit
        self.amount = amount
        self.published = published
        self._offset_ms = offset_ms
        self._paced = spread and published
        self._people_share = PEOPLE_SHARE_SPREAD if spread else CLASS_SHARE
        self._bucket_ms = limit.per_s * 1000 // BUCKETS if limit.per_s > DETAIL_S else 1
        self.span_ms = int((limit.per_s + STRETCH_S) * 1000) + self._bucket_ms - 1
        # [time, total, by people, by the timetable]; total is more than the two where use was restored.
        self._log: deque[list[int]] = deque()
        self._used = [0, 0, 0, 0]
        self._pace_ms = -inf

    def _forget(self, now_ms: int) -> None:
        log, used = self._log, self._used
        while log and log[0][0] + self.span_ms <= now_ms:
            entry = log.popleft()
            for column in (_TOTAL, _PEOPLE, _TIMETABLE):
                used[column] -= entry[column]

    def holds(self, weight: int, factor: float) -> bool:
        """Whether so much fits at once beside what is used now."""
        return self._used[_TOTAL] + weight <= max(1, int(self.amount * factor))

    def wait_s(self, weight: int, background: bool, factor: float, now_ms: int) -> float:
        """Seconds until `weight` fits; infinite when it never can."""
        self._forget(now_ms)
        if weight > self.amount:
            return inf
        # A call heavier than the whole share waits until nothing is in the way and then goes alone.
        room = max(1, weight, int(self.amount * factor))
        column, part = (_TIMETABLE, CLASS_SHARE) if background else (_PEOPLE, self._people_share)
        share = max(1, weight, int(self.amount * part * factor))
        at = max(self._free_at(_TOTAL, room - weight), self._free_at(column, share - weight))
        wait = max(0.0, at - now_ms)
        if background and self._paced:
            cost = self._cost_ms(weight, factor)
            wait = max(wait, self._pace_ms - now_ms - max(BURST_S * 1000 - cost, 0))
        return wait / 1000

    def _free_at(self, column: int, most: int) -> float:
        """When at most `most` is left in the column."""
        excess = self._used[column] - most
        if excess > 0:
            for entry in self._log:
                excess -= entry[column]
                if excess <= 0:
                    return entry[0] + self.span_ms
        return -inf

    def _cost_ms(self, weight: int, factor: float) -> float:
        """Milliseconds of an even pace that `weight` takes of the timetable's share."""
        return weight * self.limit.per_s * 1000 / (self.amount * CLASS_SHARE * factor)

    def take(self, weight: int, background: bool, factor: float, now_ms: int) -> None:
        column = _TIMETABLE if background else _PEOPLE
        entry = self._entry(self._stamp(now_ms))
        for each in (_TOTAL, column):
            entry[each] += weight
            self._used[each] += weight
        if background and self._paced:
            self._pace_ms = max(self._pace_ms, now_ms) + self._cost_ms(weight, factor)

    def _stamp(self, now_ms: int) -> int:
        # Buckets begin at round wall times, so that a restarted process goes on with the same ones.
        wall = now_ms + self._offset_ms
        return wall // self._bucket_ms * self._bucket_ms - self._offset_ms

    def _entry(self, stamp: int) -> list[int]:
        if not self._log or self._log[-1][0] < stamp:
            self._log.append([stamp, 0, 0, 0])
        return self._log[-1]

    def state(self, now_ms: int) -> tuple[int, int]:
        """Used now, and when the oldest of it leaves the window."""
        self._forget(now_ms)
        return self._used[_TOTAL], self._log[0][0] + self.span_ms if self._log else now_ms

    def kept(self, since_ms: int, now_ms: int) -> list[tuple[int, int]]:
        """(wall time, used) of each bucket that ended at or after `since_ms`; of a short window only that it was used,
        by the minute."""
        self._forget(now_ms)
        if not self._log:
            return []
        if self.limit.per_s <= DETAIL_S:
            minute = DETAIL_S * 1000
            newest = self._log[-1][0] + self._offset_ms
            return [(newest // minute * minute, self._used[_TOTAL])] if newest >= since_ms else []
        found = []
        for entry in reversed(self._log):
            at_ms = entry[0] + self._offset_ms
            if at_ms + self._bucket_ms < since_ms:
                break
            found.append((at_ms, entry[_TOTAL]))
        return found[::-1]

    def restore(self, at_ms: int, used: int, now_ms: int) -> None:
        """Take up a bucket by its wall time; one from the future counts as just used."""
        stamp = min(at_ms - self._offset_ms, self._stamp(now_ms))
        if used > 0 and stamp + self.span_ms > now_ms:
            self._log = deque(sorted([*self._log, [stamp, used, 0, 0]]))
            self._used[_TOTAL] += used

    def fill(self, now_ms: int) -> None:
        """Leave only what the margin holds: whatever was used before, both together stay within what is published."""
        spare = max(0, self.limit.amount - self.amount)
        self.restore(now_ms + self._offset_ms, max(0, self.amount - spare), now_ms)

    def resume_pace(self, spent: int, now_ms: int) -> None:
        """After a restart the pace is as far ahead as the last hour's use makes it."""
        if self._paced and spent:
            self._pace_ms = max(self._pace_ms, now_ms + self._cost_ms(spent, 1.0))
