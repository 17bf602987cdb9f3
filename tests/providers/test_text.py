"""Upstream text: what is left can be printed in a page without being markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.providers.text import PLAIN_LIMIT, link, plain

TAG = re.compile(r"<[A-Za-z/!?]")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("  <p> </p> ", None),
        ("a &amp; b", "a & b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ('one <a href="https://x">two</a> three', "one two three"),
        ("<p>one</p><p>two<br>three</p>", "one\ntwo\nthree"),
        ("a\r\n\r\n\r\nb\t c", "a\nb c"),
        ("x<script>alert('<b>')</script>y<style>p{}</style>", "xy"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;safe", "safe"),
        ("&amp;lt;img src=x onerror=f()&amp;gt;safe", "safe"),
        ("<!-- hidden -->shown", "shown"),
        ("left\u202eright\x00", "leftright"),
        ("cut <img src=", "cut img src="),
    ],
)
def test_plain(text: str | None, expected: str | None) -> None:
    assert plain(text) == expected


@given(st.text(alphabet=st.sampled_from("<>/!?&;abgltmpscri#60 ="), max_size=200))
def test_nothing_that_starts_a_tag_is_ever_left(text: str) -> None:
    assert not TAG.search(plain(text) or "")


def test_length_is_bounded() -> None:
    assert len(plain("word " * 50_000) or "") <= PLAIN_LIMIT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" https://x.example/a?b=1 ", "https://x.example/a?b=1"),
        ("HTTP://x.example", "HTTP://x.example"),
        ("javascript:alert(1)", None),
        ("data:text/html,x", None),
        ("//x.example", None),
        ("https://x.example/\"onclick='f()'", None),
        ("https://x.example/" + "a" * 3000, None),
        ("", None),
        (None, None),
    ],
)
def test_link(text: str | None, expected: str | None) -> None:
    assert link(text) == expected
