"""Status and headers to an error, the error to a policy."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from gateway_rig import toy
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.gateway.classify import MAX_RETRY_AFTER_S, policy, refusal, retry_after_s
from crypto_dt_source.model import errors
from crypto_dt_source.providers.kit import Reply

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)


def reply(status: int, body: bytes = b"", **headers: str) -> Reply:
    return Reply("toy", status, body, NOW_MS, {k.replace("_", "-"): v for k, v in headers.items()})


TABLE: list[tuple[int, type[errors.UpstreamError], str]] = [
    (301, errors.PayloadChanged, "eject"),
    (302, errors.PayloadChanged, "eject"),
    (304, errors.PayloadChanged, "eject"),
    (308, errors.PayloadChanged, "eject"),
    (400, errors.UpstreamRejected, "stay"),
    (401, errors.KeyRefused, "rest"),
    (402, errors.PlanRequired, "stay"),
    (403, errors.RegionBlocked, "rest"),
    (404, errors.UpstreamRejected, "stay"),
    (405, errors.UpstreamRejected, "stay"),
    (408, errors.UpstreamTimeout, "breaker"),
    (410, errors.PayloadChanged, "eject"),
    (418, errors.UpstreamBanned, "cool+shrink"),
    (422, errors.UpstreamRejected, "stay"),
    (429, errors.UpstreamRateLimited, "cool+shrink"),
    (451, errors.RegionBlocked, "rest"),
    (500, errors.UpstreamBroken, "breaker"),
    (502, errors.UpstreamBroken, "breaker"),
    (503, errors.UpstreamBroken, "breaker"),
    (504, errors.UpstreamBroken, "breaker"),
    (520, errors.UpstreamBroken, "breaker"),
    (599, errors.UpstreamBroken, "breaker"),
]


def consequences(error: errors.UpstreamError) -> str:
    rule = policy(error)
    named = {
        "breaker": rule.breaker,
        "cool": rule.cool_s > 0,
        "shrink": rule.shrink,
        "rest": rule.rest_s > 0,
        "eject": rule.eject_s > 0,
    }
    return "+".join(name for name, on in named.items() if on) or "stay"


@pytest.mark.parametrize(("status", "cls", "consequence"), TABLE)
def test_every_status_has_its_error_and_its_policy(
    status: int, cls: type[errors.UpstreamError], consequence: str
) -> None:
    error = refusal(reply(status), toy())
    assert type(error) is cls
    assert consequences(error) == consequence
    assert policy(error).blames == (consequence != "stay")


@pytest.mark.parametrize("status", [200, 201, 204, 206, 299])
def test_a_2xx_is_no_refusal(status: int) -> None:
    assert refusal(reply(status), toy()) is None


@pytest.mark.parametrize("status", [100, 600, 999])
def test_an_absurd_status_is_some_upstream_error(status: int) -> None:
    assert isinstance(refusal(reply(status), toy()), errors.UpstreamError)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_the_adapter_may_know_more_than_the_status(status: int) -> None:
    assert type(refusal(reply(status, b"unlisted"), toy())) is errors.SymbolNotListed


@pytest.mark.parametrize("status", [418, 429, 451, 302])
def test_what_every_upstream_must_be_believed_is_not_explained_away(status: int) -> None:
    assert type(refusal(reply(status, b"unlisted"), toy())) is not errors.SymbolNotListed


def test_only_an_unreachable_host_is_asked_again_at_once() -> None:
    every = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.UpstreamError)]
    assert [c for c in every if policy(c("x")).retry] == [errors.UpstreamUnreachable]


def test_a_redirect_that_is_not_followed_rests_the_capability() -> None:
    assert consequences(errors.AddressRefused("x")) == "eject"


def test_what_was_never_sent_blames_nobody() -> None:
    for cls in (errors.BudgetExhausted, errors.CircuitOpen, errors.NotOffered, errors.SymbolNotListed):
        assert not policy(cls("x")).blames


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 30.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("0", None),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("1e400", None),
        ("99999999", MAX_RETRY_AFTER_S),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Fri, 31 Feb 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after_s(reply(429, retry_after=text)) == seconds
    error = refusal(reply(429, retry_after=text), toy())
    assert error is not None
    assert error.retry_after_s == seconds


def test_no_retry_after() -> None:
    assert retry_after_s(reply(429)) is None


def test_a_date_is_read_against_the_upstreams_own_clock() -> None:
    wrong = NOW + timedelta(hours=5)
    headers = {
        "retry_after": format_datetime(wrong + timedelta(seconds=20), usegmt=True),
        "date": format_datetime(wrong, usegmt=True),
    }
    assert retry_after_s(reply(503, **headers)) == 20.0


@given(st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,5} \w{3} \d{1,6} \d{2}:\d{2}:\d{2} \w{0,5}"))
def test_any_retry_after_is_none_or_a_sane_number(text: str) -> None:
    seconds = retry_after_s(reply(429, retry_after=text))
    assert seconds is None or (0 < seconds <= MAX_RETRY_AFTER_S and math.isfinite(seconds))
