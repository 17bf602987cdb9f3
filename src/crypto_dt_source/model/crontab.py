"""Times of a timetable: five fields of cron in UTC, as crontab(5) reads them (https://man7.org/linux/man-pages/man5/crontab.5.html),
or `@every SECONDS`, counted from 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

FORM = "five fields of cron in UTC (minute hour day month weekday)"
EVERY = "@every "
MINUTE_MS = 60_000
LONGEST_MS = 366 * 86_400_000 * 8
"""No time of a crontab is further from the next: the 29th of February may be missing once in a hundred years."""
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PIECE = re.compile(r"(?:\*|([0-7]|[a-z]{3})(?:-([0-7]|[a-z]{3}))?)(?:/([1-9]))?")


class Crontab:
    """The times of `text`, which is read when it is first used: the calendar's library takes a tenth of a second to load.
    `check` reads it at once."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.lower().split())
        self._every_ms = 0
        self._triggers: tuple[CronTrigger, ...] = ()

    def check(self) -> None:
        """Read the text. Raises ValueError for one that has no times."""
        self._read()
        if self.after(0) is None:
            raise ValueError(f"{FORM} that some day has")

    def _read(self) -> None:
        if self._every_ms or self._triggers:
            return
        if self.text.startswith(EVERY):
            self._every_ms = 1000 * int(self.text.removeprefix(EVERY))
            if self._every_ms <= 0:
                raise ValueError(FORM)
        else:
            self._triggers = _triggers(self.text)

    def __repr__(self) -> str:
        return f"Crontab({self.text!r})"

    def after(self, ms: int) -> int | None:
        """The first time later than `ms`; None where the calendar ends before one. Raises ValueError."""
        self._read()
        if self._every_ms:
            return (ms // self._every_ms + 1) * self._every_ms
        # The trigger takes an instant's own time too, and counts in whole minutes.
        start = datetime.fromtimestamp(ms // 1000, UTC) + timedelta(seconds=1)
        found = [t.get_next_fire_time(None, start) for t in self._triggers]
        return min((round(at.timestamp() * 1000) for at in found if at is not None), default=None)

    def latest(self, ms: int) -> int | None:
        """The last time that is not later than `ms`; None where there was none for years. Raises ValueError."""
        self._read()
        if self._every_ms:
            return ms // self._every_ms * self._every_ms
        span = MINUTE_MS
        while span < LONGEST_MS:
            at = self.after(ms - span)
            if at is not None and at <= ms:
                while (later := self.after(at)) is not None and later <= ms:
                    at = later
                return at
            span *= 2
        return None


def _triggers(text: str) -> tuple[CronTrigger, ...]:
    from apscheduler.triggers.cron import CronTrigger

    fields = text.split()
    if len(fields) != 5:
        raise ValueError(FORM)
    minute, hour, day, month, weekday = fields
    weekdays = _weekdays(weekday)
    # cron's rule: with both a day and a weekday given, either will do. The trigger would want both.
    days = ((day, "*"), ("*", weekdays)) if "*" not in (day[0], weekday[0]) else ((day, weekdays),)
    return tuple(
        CronTrigger(
            minute=minute, hour=hour, day=of_month, month=month, day_of_week=of_week, second=0, timezone="UTC"
        )
        for of_month, of_week in days
    )


def _weekdays(field: str) -> str:
    """The field with days by name: cron counts from Sunday, the trigger from Monday."""
    if field == "*":
        return field
    chosen: set[int] = set()
    for piece in field.split(","):
        found = _PIECE.fullmatch(piece)
        if found is None:
            raise ValueError(FORM)
        first, last, step = found.groups()
        if first is None:
            start, end = 0, 6
        else:
            start = _day(first)
            end = _day(last) if last else 6 if step else start
            if end < start:
                # fri-sun, 5-0
                end += 7
        chosen.update(day % 7 for day in range(start, end + 1, int(step or 1)))
    return ",".join(_DAYS[day] for day in sorted(chosen))


def _day(text: str) -> int:
    if text.isdigit():
        return int(text)
    try:
        return _DAYS.index(text)
    except ValueError:
        raise ValueError(FORM) from None
