"""Any Unicode in, one readable line out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.analysis.texts import as_tweet, clean, without_links
from crypto_dt_source.model.errors import InvalidParameter
from crypto_dt_source.model.sentiment import TEXT_LIMIT


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("  Bitcoin\n\trises ", "Bitcoin rises"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("bell\x07 null\x00 rtl\u202e zero\u200bwidth", "bell null rtl zero width"),
        ("🚀🚀 to the 🌕", "🚀🚀 to the 🌕"),
        ("e\u0301t\u00e9 \u6bd4\u7279\u5e01", "e\u0301t\u00e9 \u6bd4\u7279\u5e01"),
    ],
)
def test_a_text_becomes_one_line(text: str, read: str) -> None:
    assert clean(text) == read


@pytest.mark.parametrize("text", ["", "   ", "\n\t\r", "\x00\x01", "\u200b\u2060\ufeff"])
def test_a_text_with_nothing_to_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        clean(text)
    assert refused.value.status == 422
    assert refused.value.details["parameter"] == "text"


@given(st.text(alphabet=st.characters(codec=None), max_size=300))
def test_whatever_comes_in_can_be_encoded_and_is_one_bounded_line(text: str) -> None:
    try:
        read = clean(text)
    except InvalidParameter:
        return
    read.encode("utf-8")
    assert read == read.strip()
    assert read.isprintable() or not any(character in read for character in "\n\r\t\x00\x1b")
    assert 0 < len(read) <= TEXT_LIMIT


def test_a_long_text_keeps_its_beginning() -> None:
    assert clean("a" * (TEXT_LIMIT + 50)) == "a" * TEXT_LIMIT


def test_names_and_links_become_the_placeholders_of_the_tweets_model() -> None:
    assert (
        as_tweet("@satoshi says http://x.io/1 and https://y.io @ noon") == "@user says http and http @ noon"
    )


def test_links_are_left_out_unless_there_is_nothing_else() -> None:
    assert without_links("Bitcoin rises https://t.co/abc today t.co/x") == "Bitcoin rises today"
    assert without_links("https://t.co/abc") == "https://t.co/abc"
