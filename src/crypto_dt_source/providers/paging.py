"""What takes more than one call: many ids in comma lists, and rows beyond the most one page holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..model.ask import CoinsAsk, ExchangesAsk
from ..model.errors import NotOffered
from .kit import Request


def id_lists(ids: Iterable[str], most: int, *, length: int | None = None, comma: int = 1) -> list[str]:
    """Ids as comma lists of one call each: at most `most` ids, and about `length` characters, where a comma counts for
    `comma` of them. Repetitions are left out, and so is what cannot be one id in a list: blank text, a comma. A blank
    beside a comma would cost its id, so blanks around go first."""
    lists: list[list[str]] = [[]]
    used = 0
    for text in dict.fromkeys(one.strip() for one in ids):
        if not text or "," in text:
            continue
        if len(lists[-1]) == most or (length is not None and used + len(text) > length):
            lists.append([])
            used = 0
        lists[-1].append(text)
        used += len(text) + comma
    return [",".join(one) for one in lists if one]


def list_after(lists: Sequence[str], previous: Request, name: str) -> str | None:
    """The list that follows the one `previous` sent in its parameter `name`; None after the last."""
    sent = dict(previous.params).get(name)
    if sent not in lists or sent == lists[-1]:
        return None
    return lists[lists.index(sent) + 1]


def rows_asked(ask: CoinsAsk | ExchangesAsk) -> tuple[int, int]:
    """First and last position of the asked page, counted from 0, the last one excluded."""
    return (ask.page - 1) * ask.per_page, ask.page * ask.per_page


def offset_in_one(ask: CoinsAsk | ExchangesAsk, most: int) -> int:
    """The asked page's first position, where one call must hold the page. Raises NotOffered for more than `most`
    rows: fewer than asked would shift every following page."""
    if ask.per_page > most:
        raise NotOffered(f"gives at most {most} rows a page")
    return rows_asked(ask)[0]


class Pages:
    """The asked rows in numbered pages, for APIs that count pages and not rows.

    `sizes` are page sizes in use, the largest first: each divides, or is a sum of, those after it. A page up to the
    largest is asked as it is. A longer one is put together of pages that begin where the one before ended and end
    where the asked one does, so that nothing is read twice and nothing left out; one that is no multiple of the
    smallest size raises NotOffered. Numbers count from 0.
    """

    __slots__ = ("_sizes",)

    def __init__(self, *sizes: int) -> None:
        self._sizes = sizes

    def first(self, ask: CoinsAsk | ExchangesAsk) -> tuple[int, int]:
        """Number and size of the first page."""
        if ask.per_page <= self._sizes[0]:
            return ask.page - 1, ask.per_page
        if ask.per_page % self._sizes[-1]:
            raise NotOffered(f"gives long pages in steps of {self._sizes[-1]} rows")
        return self._at(*rows_asked(ask))

    def after(
        self, ask: CoinsAsk | ExchangesAsk, number: int, size: int, rows: int
    ) -> tuple[int, int] | None:
        """Number and size of the page after one that held `rows` rows; None when that was the last of the list, or of
        what was asked."""
        at, end = (number + 1) * size, rows_asked(ask)[1]
        return None if rows < size or at >= end else self._at(at, end)

    def _at(self, at: int, end: int) -> tuple[int, int]:
        size = next(size for size in self._sizes if at % size == 0 and size <= end - at)
        return at // size, size
