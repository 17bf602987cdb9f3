"""When an item says it was published, in any of the ways feeds write it.

RFC 822 as RSS has it (https://www.rssboard.org/rss-specification), RFC 3339 as Atom and JSON Feed have it, and what is
seen of both in the wild: other orders, missing parts, named zones, two-digit years, Unix times.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

FIRST_MS = 1_230_768_000_000
"""2009-01-01: nothing in this field is older."""
AHEAD_MS = 3 * 3_600_000
"""How far ahead of the reply a time may be: clocks differ by minutes and zones are mistaken, but no feed knows the
news of tomorrow."""
LONGEST = 64

_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_ZONES = {
    "edt": -4, "est": -5, "cdt": -5, "cst": -6, "mdt": -6, "mst": -7, "pdt": -7, "pst": -8, "akdt": -8, "akst": -9,
    "hst": -10, "bst": 1, "wet": 0, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "gst": 4, "sgt": 8,
    "hkt": 8, "jst": 9, "kst": 9, "aest": 10, "aedt": 11, "brt": -3,
}  # fmt: skip
_ISO = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)(?:[t ]+(\d\d):?(\d\d)(?::?(\d\d)(?:[.,]\d{1,12})?)?)?\s*([a-z]{1,4}|[+-]\d\d:?\d{0,2})?",
)
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,]\d{1,12})?)?\s*(am|pm)?")
_WORD = re.compile(r"[a-z]+|\d+", re.ASCII)
_UNIX = re.compile(r"(\d{10})(\d{3})?")
_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)?\b")


def published_ms(text: str, received_ms: int) -> int | None:
    """Milliseconds of a feed's date, or None for what is no time, lies before 2009 or more than AHEAD_MS after the
    reply. A time without a zone, or with one that is not known, counts as UTC."""
    moment = _moment(" ".join(text[: 4 * LONGEST].split())[:LONGEST].lower())
    if moment is None or not FIRST_MS <= moment <= received_ms + AHEAD_MS:
        return None
    return moment


def _moment(text: str) -> int | None:
    unix = _UNIX.fullmatch(text)
    if unix:
        return int(unix[1]) * 1000 + int(unix[2] or 0)
    if iso := _ISO.match(text):
        year, month, day, hour, minute, second, zone = iso.groups()
        return _ms(year, int(month), day, hour, minute, second, None, zone)
    return _written(text)


def _written(text: str) -> int | None:
    """A date with the month's name in it, its parts in any order."""
    clock = _CLOCK.search(text)
    before, after = (text[: clock.start()], text[clock.end() :]) if clock else (text, "")
    hour, minute, second, half = clock.groups() if clock else (None, None, None, None)
    # A sign before the time stands between the parts of the date.
    offset = _OFFSET.search(after)
    words = _WORD.findall(before) + _WORD.findall(_OFFSET.sub(" ", after))
    month = next((place for word in words if (place := _month(word))), 0)
    numbers = [word for word in words if word.isdigit()]
    year = next(
        (number for number in numbers if len(number) == 4), numbers[-1] if len(numbers) == 2 else None
    )
    if year is None or len(numbers) != 2:
        return None
    day = numbers[1] if numbers[0] is year else numbers[0]
    zone = offset[0] if offset else next((word for word in words if word in _ZONES), None)
    return _ms(year, month, day, hour, minute, second, half, zone)


def _month(name: str) -> int:
    if len(name) < 3:
        return 0
    return next((place for place, month in enumerate(_MONTHS, 1) if month.startswith(name)), 0)


def _ms(
    year: str,
    month: int,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    half: str | None,
    zone: str | None,
) -> int | None:
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 50 else 1900)
    of_day = int(hour or 0)
    if half is not None:
        of_day = of_day % 12 + (12 if half == "pm" else 0)
    try:
        # 60 is a leap second.
        moment = datetime(
            full, month, int(day), of_day, int(minute or 0), min(int(second or 0), 59), tzinfo=_zone(zone)
        )
        return round(moment.timestamp()) * 1000
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    offset = _OFFSET.search(text or "")
    if offset is None:
        return timezone(timedelta(hours=_ZONES.get(text or "", 0)))
    away = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    if away >= timedelta(hours=24):
        return UTC
    return timezone(away if offset[1] == "+" else -away)
