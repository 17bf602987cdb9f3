"""What `bench.limits` concludes from the outside: only what must have been so."""

from __future__ import annotations

import pytest
from bench.limits import Asked, judge


def yes(*sent: float, took: float = 0.1) -> list[Asked]:
    return [Asked(at, at + took, True) for at in sent]


def no(*sent: float, took: float = 0.1) -> list[Asked]:
    return [Asked(at, at + took, False) for at in sent]


@pytest.mark.parametrize(
    ("third", "over"),
    [(1.0, 1), (9.8, 1), (9.9, 0), (9.95, 0), (10.0, 0), (12.0, 0)],
    ids=["at once", "just inside", "may be at the end", "across the end", "after it", "long after"],
)
def test_over_is_what_lies_inside_one_window_for_sure(third: float, over: int) -> None:
    assert judge(yes(0.0, 0.5, third), 2, 10).over == over


def test_every_request_too_many_is_counted() -> None:
    assert judge(yes(0, 1, 2, 3, 4), 2, 10).over == 3
    assert judge(yes(0, 1, 2, 3, 4), 5, 10).over == 0
    # One that took the whole window to be answered may have been decided anywhere.
    assert judge([Asked(0, 10, True), *yes(1, 2)], 2, 10).over == 0
    assert judge([Asked(0, 9.9, True), *yes(1, 2)], 2, 10).over == 1


def test_wrong_is_a_refusal_for_which_too_few_can_have_been_accepted() -> None:
    assert judge([*yes(0), *no(1)], 2, 10)[2:] == (1, 1, 0)
    assert judge([*yes(0, 0.5), *no(1)], 2, 10)[2:] == (1, 0, 0)
    # The first has left the window, or just may have.
    assert judge([*yes(0, 5), *no(10.2)], 2, 10)[2:] == (1, 1, 0)
    assert judge([*yes(0, 5), *no(10.05)], 2, 10)[2:] == (1, 0, 1)
    # One that was under way meanwhile may have come before; one whose answer was lost may have been accepted.
    assert judge([*yes(0, 1.05), *no(1)], 2, 10)[2:] == (1, 0, 1)
    assert judge([*yes(0), Asked(0.5, 0.7, None), *no(1)], 2, 10)[2:] == (1, 0, 1)
    assert judge([*yes(0), Asked(1.2, 1.3, None), *no(1)], 2, 10)[2:] == (1, 1, 0)
