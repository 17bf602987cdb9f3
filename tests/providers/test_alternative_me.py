"""The fear and greed index: numbers as text, newest first, days that are missing, errors inside a 200."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.gateway.classify import refusal
from crypto_dt_source.model.ask import Capability, FearGreedAsk
from crypto_dt_source.model.errors import PayloadChanged, UpstreamBroken, UpstreamError, UpstreamRateLimited
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.sentiment import FearGreed
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.adapters.alternative_me import ADAPTER
from crypto_dt_source.providers.kit import Reply

DAY = 86_400
TODAY = 1_790_000_000 // DAY * DAY
NOW = TODAY * 1000 + 40_000_000
ENDPOINT = ADAPTER.endpoints[Capability.FEAR_GREED]
SERIES = "Alternative.me Fear and Greed Index"


def day(back: int, value: Any = "50", name: Any = "Neutral", **more: Any) -> dict[str, Any]:
    return {"value": value, "value_classification": name, "timestamp": str(TODAY - back * DAY), **more}


def index(*rows: Any, error: Any = None, name: Any = "Fear and Greed Index") -> dict[str, Any]:
    return {"name": name, "data": list(rows), "metadata": {"error": error}}


def parse(content: Any, days: int = 0) -> list[Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(ENDPOINT.parse(Reply("alternative_me", 200, body, NOW), FearGreedAsk(days)))


def test_days_of_a_named_series() -> None:
    found = parse(
        index(
            day(0, "73", "Greed", time_until_update="16018"), day(1, 74, "Greed"), day(4, "0", "Extreme Fear")
        )
    )
    assert [violation(row) for row in found] == [None] * 3
    assert found == [
        FearGreed("alternative_me", SERIES, 73, "Greed", TODAY * 1000, NOW),
        FearGreed("alternative_me", SERIES, 74, "Greed", (TODAY - DAY) * 1000, NOW),
        FearGreed("alternative_me", SERIES, 0, "Extreme Fear", (TODAY - 4 * DAY) * 1000, NOW),
    ]


def test_the_day_is_the_day_in_utc_and_the_newest_of_two_values_counts() -> None:
    late = {**day(0, "60"), "timestamp": str(TODAY + 3600)}
    assert [(row.value, row.day_ms) for row in parse(index(late, day(0, "50"), day(1)))] == [
        (60, TODAY * 1000),
        (50, (TODAY - DAY) * 1000),
    ]


def test_another_index_is_another_series() -> None:
    assert parse(index(day(0), name="Altcoin <b>Mood</b>"))[0].series == "Alternative.me Altcoin Mood"
    assert parse(index(day(0), name=""))[0].series == "Alternative.me"


@pytest.mark.parametrize("value", ["101", "-1", "1000000"])
def test_a_value_off_the_scale_does_not_pass(value: str) -> None:
    found = parse(index(day(0, value), day(1)))
    assert [violation(row) is None for row in found] == [False, True]


def test_a_time_that_cannot_be_does_not_pass() -> None:
    found = parse(index({**day(0), "timestamp": str(NOW)}, day(-3), day(1)))
    assert [violation(row) is None for row in found] == [False, False, True]


def test_a_bad_day_loses_no_other_and_many_are_a_change() -> None:
    found = parse(index(day(0, None), *(day(back) for back in range(1, 100))))
    assert sum(isinstance(row, Unreadable) for row in found) == 1
    assert sum(isinstance(row, FearGreed) for row in found) == 99
    with pytest.raises(PayloadChanged) as caught:
        parse(index(day(0, "high"), day(1)))
    assert caught.value.path == "$.data[0].value"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Too many requests", UpstreamRateLimited),
        ("Rate limit exceeded", UpstreamRateLimited),
        ("database is down", UpstreamBroken),
    ],
)
@pytest.mark.parametrize("data", [[], None, [day(0)]])
def test_an_error_inside_a_200(text: str, kind: type[UpstreamError], data: Any) -> None:
    body = {"name": "Fear and Greed Index", "data": data, "metadata": {"error": text}}
    with pytest.raises(kind):
        parse(body)
    answer = Reply("alternative_me", 400, json.dumps(body).encode(), NOW)
    assert type(refusal(answer, ADAPTER)) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"name":"Fear',
        b"\xff",
        b"1",
        b"[]",
        b"{}",
        b'{"name":"x","data":{}}',
        # format=csv, and date_format=us
        b'{"name":"x","data":[\nfng_value,fng_classification,date\n29-09-2026,73,Greed\n],"metadata":{"error":null}}',
        b'{"name":"x","data":[{"value":"73","value_classification":"Greed","timestamp":"09-29-2026"}]}',
    ],
)
def test_broken_bodies(body: bytes) -> None:
    with pytest.raises(PayloadChanged):
        parse(body)


def test_an_empty_index_is_empty() -> None:
    assert parse(index()) == []


@pytest.mark.parametrize(("days", "limit"), [(1, "1"), (30, "30"), (0, "0"), (-4, "0")])
def test_requests(days: int, limit: str) -> None:
    assert ENDPOINT.request(FearGreedAsk(days)).target() == f"/fng/?limit={limit}&format=json"


def test_recorded_bodies(wire: Path) -> None:
    newest = parse((wire / "alternative_me/fng.json").read_bytes())
    assert [(row.value, row.classification, row.day_ms) for row in newest] == [
        (73, "Greed", 1_790_640_000_000),
        (74, "Greed", 1_790_553_600_000),
    ]
    history = parse((wire / "alternative_me/fng_history.json").read_bytes())
    assert len({row.day_ms for row in history}) == 365
