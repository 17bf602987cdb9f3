"""What single values of a record can be: the bounds that the checks of the normal form are made of."""

from __future__ import annotations

import math
import re

FIRST_MS = 1_230_768_000_000
"""2009-01-01: nothing in this field is older."""
LAST_MS = 4_102_444_800_000
"""2100-01-01: a later time is a wrong unit."""
FUTURE_MS = 86_400_000
"""How far an event may lie after the reply that told of it. A day is no clock that is off: it is a wrong field or unit.
Seconds and minutes are pricing's to judge."""
COUNT_LIMIT = 1 << 53
"""Counts are below it: what JSON numbers carry exactly, and well within a database's 64 bits."""
RANK_LIMIT = 1_000_000
NAME_LIMIT = 200
TEXT_LIMIT = 10_000
# NUL and lone surrogates would fail the whole batch they are stored with; the others rearrange the text around them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_UNPRINTABLE_TEXT = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_price(value: float) -> bool:
    """A positive finite number."""
    return 0 < value < math.inf


def is_positive(value: float | None) -> bool:
    """None, or a positive finite number."""
    return value is None or 0 < value < math.inf


def is_not_negative(value: float | None) -> bool:
    """None, 0, or a positive finite number."""
    return value is None or 0 <= value < math.inf


def is_finite(value: float | None) -> bool:
    """None or a finite number."""
    return value is None or math.isfinite(value)


def is_time(ms: int | None) -> bool:
    """None, or milliseconds between 2009 and 2100."""
    return ms is None or FIRST_MS <= ms < LAST_MS


def is_count(value: int | None) -> bool:
    """None, or a whole number from 0."""
    return value is None or 0 <= value < COUNT_LIMIT


def is_rank(value: int | None) -> bool:
    """None, or a place from 1."""
    return value is None or 1 <= value < RANK_LIMIT


def is_ticker(text: str) -> bool:
    """An upper-case ticker."""
    return 0 < len(text) <= 40 and text.isprintable() and " " not in text and text == text.upper()


def is_id(text: str) -> bool:
    """An upstream's own id: short and printable."""
    return 0 < len(text) <= NAME_LIMIT and text.isprintable()


def is_name(text: str) -> bool:
    """A short text of one line that shows as it reads."""
    return 0 < len(text) <= NAME_LIMIT and _UNPRINTABLE.search(text) is None


def is_text(text: str | None, limit: int = NAME_LIMIT) -> bool:
    """None, or a text of at most `limit` characters that shows as it reads; line breaks may be in it."""
    return text is None or (len(text) <= limit and _UNPRINTABLE_TEXT.search(text) is None)


def wrong_moments(event_ms: int | None, received_ms: int) -> str | None:
    """What is wrong with when a record happened and when it came, in ms, or None."""
    if not (is_time(event_ms) and is_time(received_ms)):
        return "time is out of range (wrong unit?)"
    return wrong_late(event_ms, received_ms)


def wrong_late(event_ms: int | None, received_ms: int) -> str | None:
    """The reason when a record tells of a time after its reply, or None."""
    late = event_ms is not None and event_ms > received_ms + FUTURE_MS
    return "time is more than a day after the reply" if late else None
