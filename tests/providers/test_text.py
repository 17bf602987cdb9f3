"""Upstream text: what is left can be printed in a page without being markup."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.providers import text as scanner
from crypto_dt_source.providers.text import INPUT_LIMIT, PLAIN_LIMIT, link, plain

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
        ('<a title="1 > 0">one</a>', "one"),
        ("<a href='x>one</a> two", "one two"),
        ("<SCRIPT >a<b></ScRiPt\n>shown</script>", "shown"),
        ("<svg/>shown", "shown"),
        ("shown<script>never closed", "shown"),
        ("shown<!-- never closed", "shown"),
        ("<!-->shown<![CDATA[x]]></ >too", "showntoo"),
        ("<<b>script>hidden<</b>/script>shown", "shown"),
        ("a &lt; b, &#x41;&#66;&nbsp;c", "a < b, AB c"),
        ("a&#" + "9" * 9000 + ";b", "ab"),
        ("\ud800a\U000e0041\u061cb", "ab"),
    ],
)
def test_plain(text: str | None, expected: str | None) -> None:
    assert plain(text) == expected


@given(st.text(alphabet=st.sampled_from("<>/!?&;abgltmpscri#60 ="), max_size=200))
def test_nothing_that_starts_a_tag_is_ever_left(text: str) -> None:
    assert not TAG.search(plain(text) or "")


def test_length_is_bounded() -> None:
    assert len(plain("word " * 50_000) or "") <= PLAIN_LIMIT


HOSTILE = {
    "tags left open": "<a ",
    "angle brackets": "<",
    "quotes left open": "<a \"'>",
    "comments left open": "<!--",
    "comments": "<!-->",
    "declarations": "<![",
    "escaped brackets": "&lt;",
    "escaped escapes": "&amp;",
    "numbers": "&#9",
    "hidden": "<svg></svg>",
    "hidden left open": "<script></script",
    "ends left open": "</script",
    "blank lines": " \n",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_costs_what_its_length_costs(monkeypatch: pytest.MonkeyPatch, unit: str) -> None:
    """Ten times the length that is read in service takes 0.1 s at most; work that grew with the square took minutes."""
    monkeypatch.setattr(scanner, "INPUT_LIMIT", 10 * INPUT_LIMIT)
    started = time.process_time()
    result = plain(unit * (10 * INPUT_LIMIT // len(unit)) + " ")
    assert time.process_time() - started < 10
    assert not TAG.search(result or "")


MARKUP = ["<", ">", "!", "[", "--", "/", "script", "svg", "a", " ", '"', "'", "&#", "9", "&lt;", "\n"]


@given(st.lists(st.sampled_from(MARKUP), max_size=60).map("".join))
def test_no_markup_makes_the_scanner_fail(text: str) -> None:
    assert not TAG.search(plain(text) or "")


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
        ("https://x.example/\u202egpj.exe", None),
        ("https://x.example/\x00", None),
        ("", None),
        (None, None),
    ],
)
def test_link(text: str | None, expected: str | None) -> None:
    assert link(text) == expected
