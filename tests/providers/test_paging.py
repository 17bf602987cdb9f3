"""Comma lists of ids, and long pages put together of short ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.model.ask import CoinsAsk, ExchangesAsk
from crypto_dt_source.model.errors import NotOffered
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.kit import Request
from crypto_dt_source.providers.paging import Pages, id_lists, list_after, offset_in_one

TOP = Pages(100, 50, 20, 10)


def walked(pages: Pages, ask: CoinsAsk | ExchangesAsk, held: int) -> list[range]:
    """The positions each call reads of an upstream that holds `held` rows."""
    parts = []
    following: tuple[int, int] | None = pages.first(ask)
    while following is not None:
        number, size = following
        parts.append(range(min(number * size, held), min((number + 1) * size, held)))
        following = pages.after(ask, number, size, len(parts[-1]))
    return parts


@given(
    st.integers(1, 60), st.integers(11, 50).map(lambda n: 10 * n) | st.integers(1, 100), st.integers(0, 9000)
)
def test_a_page_of_any_length_is_exactly_the_asked_rows(page: int, per_page: int, held: int) -> None:
    parts = walked(TOP, CoinsAsk(page, per_page), held)
    assert [at for part in parts for at in part] == list(
        range(min((page - 1) * per_page, held), min(page * per_page, held))
    )
    assert all(len(part) <= 100 for part in parts)


@pytest.mark.parametrize("page", range(1, 81))
def test_250_coins_take_three_calls_wherever_they_are(page: int) -> None:
    assert len(walked(TOP, CoinsAsk(page, 250), 100_000)) == 3


def test_exchanges_are_read_to_the_short_page() -> None:
    assert [len(p) for p in walked(Pages(250), ExchangesAsk(1, 1000), 620)] == [250, 250, 120]
    assert [len(p) for p in walked(Pages(250), ExchangesAsk(1, 1000), 9000)] == [250] * 4


def test_what_would_shift_the_following_pages_is_refused() -> None:
    with pytest.raises(NotOffered):
        TOP.first(CoinsAsk(1, 255))
    with pytest.raises(NotOffered):
        offset_in_one(CoinsAsk(2, 251), 250)
    assert offset_in_one(CoinsAsk(3, 250), 250) == 500


@pytest.mark.parametrize("provider", ["coingecko", "coinmarketcap", "coincap"])
def test_an_api_of_one_page_a_call_says_so(provider: str) -> None:
    entry = catalog.load()[provider]
    with pytest.raises(NotOffered):
        catalog.adapter_of(entry).endpoints[list(entry.offers)[1]].request(CoinsAsk(1, 6000))


def test_ids_are_cut_by_number_and_by_length() -> None:
    assert id_lists([" b", "a", "", "b", "x,y", "c "], 2) == ["b,a", "c"]
    assert id_lists(["aaaa", "bbb", "cc"], 10, length=8) == ["aaaa,bbb", "cc"]
    assert id_lists(["aaaa", "bbb"], 10, length=8, comma=3) == ["aaaa", "bbb"]
    assert id_lists([], 5) == []


def test_the_list_after_the_one_that_was_sent() -> None:
    lists = ["a,b", "c"]
    assert list_after(lists, Request("/", (("ids", "a,b"),)), "ids") == "c"
    assert list_after(lists, Request("/", (("ids", "c"),)), "ids") is None
    assert list_after(lists, Request("/"), "ids") is None
