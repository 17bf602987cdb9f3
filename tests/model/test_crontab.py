"""Times of the timetable, as crontab(5) has them."""

from __future__ import annotations

import pytest

from crypto_dt_source.clock import parse_rfc3339, rfc3339
from crypto_dt_source.model.crontab import Crontab

SUNDAY = "2026-11-22T17:12:00Z"


@pytest.mark.parametrize(
    ("text", "after", "latest"),
    [
        ("*/5 * * * *", "2026-11-22T17:15:00Z", "2026-11-22T17:10:00Z"),
        ("12 17 * * *", "2026-11-23T17:12:00Z", "2026-11-22T17:12:00Z"),
        ("0 2 * * *", "2026-11-23T02:00:00Z", "2026-11-22T02:00:00Z"),
        ("0 0 * * 0", "2026-11-29T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * 7", "2026-11-29T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * SUN", "2026-11-29T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * 1-5", "2026-11-23T00:00:00Z", "2026-11-20T00:00:00Z"),
        ("0 0 * * 5-7", "2026-11-27T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * sat-mon", "2026-11-23T00:00:00Z", "2026-11-22T00:00:00Z"),
        ("0 0 * * */2", "2026-11-24T00:00:00Z", "2026-11-22T00:00:00Z"),
        # Either the day or the weekday.
        ("0 0 25 * 2", "2026-11-24T00:00:00Z", "2026-11-17T00:00:00Z"),
        ("0 0 23 * 2", "2026-11-23T00:00:00Z", "2026-11-17T00:00:00Z"),
        ("0 0 29 2 *", "2028-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("@every 7200", "2026-11-22T18:00:00Z", "2026-11-22T16:00:00Z"),
    ],
)
def test_the_times_around_a_moment(text: str, after: str, latest: str) -> None:
    crontab, now = Crontab(text), parse_rfc3339(SUNDAY)
    found, before = crontab.after(now), crontab.latest(now)
    assert found is not None
    assert before is not None
    assert (rfc3339(found), rfc3339(before)) == (after, latest)
    # A time is the latest at itself, and not after itself.
    assert crontab.latest(found) == found
    assert crontab.after(found - 1) == found
    assert (crontab.after(found) or 0) > found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "0 0 30 2 *",
        "0 0 * * 8",
        "0 0 * * abc",
        "0 0 * * 1-",
        "@every 0",
        "@daily",
    ],
)
def test_what_has_no_times_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Crontab(text).check()
