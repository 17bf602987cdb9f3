"""Dates as feeds write them, and what is no date."""

from __future__ import annotations

import pytest
from feed_desk import NOON_MS, NOW_MS
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.providers.feeds.dates import AHEAD_MS, published_ms

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 03 Oct 2026 12:00:00 GMT",
        "Sat, 03 Oct 2026 12:00:00 +0000",
        "Sat, 03 Oct 2026 12:00:00 -0000",
        "Sat, 3 Oct 2026 12:00 UT",
        "Sat, 03 Oct 26 12:00:00 Z",
        "03 Oct 2026 12:00:00",
        "Saturday, 03-Oct-26 12:00:00 GMT",
        "Sat, 03 Oct 2026 08:00:00 EDT",
        "Sat, 03 Oct 2026 14:00:00 +02:00",
        "Sat, 03 Oct 2026 14:00:00 CEST",
        "Sat, 03 Oct 2026 14:00:00 GMT+0200",
        "Sat, 03 October 2026 17:30:00 +0530",
        "Sun, 04 Oct 2026 01:00:00 +1300",
        "sat,  03 oct 2026\n 12:00:00 gmt",
        "Sat, 03 Oct 2026 12:00:00 XYZ",
        "3 Oct 2026 12:00 PM",
        "Sat Oct 3 12:00:00 2026",
        "Sat Oct 03 12:00:00 GMT 2026",
        "October 3, 2026 12:00",
        "Oct 3, 2026, 8:00 am EDT",
        "Oct. 3, 2026 at 12:00",
        "2026-10-03T12:00:00Z",
        "2026-10-03T12:00:00.123456789Z",
        "2026-10-03T12:00:00,5Z",
        "2026-10-03T14:00:00+02:00",
        "2026-10-03T14:00:00+0200",
        "2026-10-03T14:00+02",
        "2026-10-03T12:00Z",
        "2026-10-03 12:00:00",
        "2026-10-03 12:00:00 UTC",
        "2026-10-03 14:00:00 +0200",
        "20261003T120000Z",
        "  2026-10-03T12:00:00Z  ",
        f"{NOON_MS // 1000}",
        f"{NOON_MS}",
    ],
)
def test_noon_by_any_name(text: str) -> None:
    assert published_ms(text, NOW_MS) == NOON_MS


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-10-03", NOON_MS - 12 * HOUR_MS),
        ("03 Oct 2026", NOON_MS - 12 * HOUR_MS),
        ("Sat, 03 Oct 2026 11:59:60 GMT", NOON_MS - 1000),
        ("2026-10-03 1:00", NOON_MS - 12 * HOUR_MS),
    ],
)
def test_parts_that_are_missing_are_naught(text: str, ms: int) -> None:
    assert published_ms(text, NOW_MS) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Sat, 99 Oct 2026 12:00:00 GMT",
        "Sat, 03 Xyz 2026 12:00:00 GMT",
        "Sat, 03 Oct 2026 25:00:00 GMT",
        "Sat, 30 Feb 2026 12:00:00 GMT",
        "2026-13-01T00:00:00Z",
        "0000-00-00 00:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1970-01-01T00:00:00Z",
        "2008-12-31T23:59:59Z",
        "Thu, 01 Jan 70 00:00:00 GMT",
        "2026-10-05T00:00:00Z",
        "2062-10-03T12:00:00Z",
        "Oct 3 12:00",
        "0",
        "-1",
        "99999999999999999999",
        "9" * 100_000,
        "²²²²-10-03",
    ],
)
def test_what_is_no_time_of_news(text: str) -> None:
    assert published_ms(text, NOW_MS) is None


def test_a_clock_a_little_ahead_is_believed() -> None:
    assert published_ms(str(NOW_MS + AHEAD_MS), NOW_MS) == NOW_MS + AHEAD_MS
    assert published_ms(str(NOW_MS + AHEAD_MS + 1), NOW_MS) is None


PIECES = st.sampled_from(
    [
        "Sat",
        ",",
        " ",
        "03",
        "3",
        "Oct",
        "2026",
        "26",
        "12:00",
        ":",
        "12",
        "GMT",
        "+0200",
        "T",
        "Z",
        "-",
        "pm",
        "²",
        "Ü",
        ".",
    ]
)


@given(st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=20).map("".join)))
def test_any_text_is_a_time_or_none(text: str) -> None:
    found = published_ms(text, NOW_MS)
    assert found is None or 1_230_768_000_000 <= found <= NOW_MS + AHEAD_MS
