"""Exports: a stored range as a file that is made while it is sent. Nothing is fetched from an upstream for it.

Rows come from the store a page at a time and become bytes in a thread. One page is read ahead; beyond that nothing is
made before the client has taken what was made before, so that an export of any length needs the memory of two pages.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from ..model.bounds import FIRST_MS
from ..model.errors import InvalidParameter, Overloaded, UnknownSymbol
from ..providers.resolver import Resolution
from ..store import CONSENSUS, SeriesKey
from ..store.repos import export as repo
from ..store.repos.export import Pages, Row
from . import fetches, news
from .exports_columns import Dataset, JsonRows, Seen
from .runtime import Runtime
from .series import by_quote, options, series_of, stored
from .tier_caps import Cut, days_back, first_open

T = TypeVar("T")
Format = Literal["json", "csv", "parquet", "arrow"]
PAGE = 5_000
"""Rows read at once."""
NEWS_PAGE = 1000
"""Articles read at once: their rows are long."""
AT_ONCE = 2
RETRY_AFTER_S = 10
_ids = msgspec.json.Decoder(tuple[str, ...]).decode


class Room:
    """Places for the exports under way: `with room:` takes one. Raises Overloaded where none is free."""

    def __init__(self, places: int = AT_ONCE) -> None:
        self.places = places
        self.free = places

    def __enter__(self) -> None:
        if self.free < 1:
            raise Overloaded(
                f"{self.places} exports are under way, which is as many as this service makes at once; try again in a "
                "moment.",
                details={"allowed": self.places},
                retry_after=RETRY_AFTER_S,
            )
        self.free -= 1

    def __exit__(self, *_: object) -> None:
        self.free += 1


class Window(NamedTuple):
    """Times from `start_ms` up to, not including, `end_ms`; `cut` is what the caller's days of history took off it."""

    start_ms: int
    end_ms: int
    cut: Cut | None


def window(
    now_ms: int, start_ms: int | None, end_ms: int | None, history_days: int | None, interval: str = "1h"
) -> Window:
    """The window an export covers: up to now and as far back as `history_days` goes (None: without a limit) where
    nothing else is asked for; those days begin where an `interval` does. Raises InvalidParameter when it would end before
    it starts."""
    end = now_ms + 1 if end_ms is None else end_ms
    if start_ms is not None and start_ms >= end:
        what = "start: lies in the future" if end_ms is None else "end: must be later than start"
        name, got = ("start", start_ms) if end_ms is None else ("end", end)
        allowed = f"up to {now_ms}" if end_ms is None else f"after {start_ms}"
        raise InvalidParameter(f"{what}.", details={"parameter": name, "got": got, "allowed": allowed})
    first = max(FIRST_MS, first_open(now_ms, interval, history_days) or FIRST_MS)
    start = first if start_ms is None else max(first, start_ms)
    # Without a start everything there is was asked for; it is cut where the tier has nothing of it.
    asked = end if start_ms is None else start_ms
    cut = None
    if history_days is not None and asked < first:
        cut = Cut("history_days", days_back(now_ms, asked), history_days)
    return Window(start, max(end, start), cut)


class Asked(NamedTuple):
    """What somebody wants exported. `interval` and `provider` are of candles alone."""

    dataset: Dataset
    symbol: str | None
    interval: str
    provider: str | None
    window: Window


@dataclass(frozen=True, slots=True)
class Export:
    """An export that can be made. `series` and `interval` are those of candles, `resolution` is what the symbol means;
    None where there is none. `fetched_ms` is when the newest of it was received, None: the time of the last row.
    `sources` are those known before a row was read. `open` starts reading."""

    dataset: Dataset
    window: Window
    open: Callable[[], Pages]
    resolution: Resolution | None = None
    series: SeriesKey | None = None
    sources: tuple[str, ...] = ()
    fetched_ms: int | None = None
    fetched_by_row: bool = False
    stale: bool = False

    def fetched(self, seen: Seen) -> int | None:
        """When the newest of what was exported was received, ms UTC; None where that is not known."""
        if not seen.rows:
            return None
        return seen.last_ms if self.fetched_by_row else self.fetched_ms


async def plan(rt: Runtime, asked: Asked) -> Export:
    """What will be exported. Raises UnknownSymbol, NotFound for an unknown provider, InvalidParameter for a symbol that
    is missing or not of use, StoreError."""
    resolution = _resolved(rt, asked)
    start, end, _ = asked.window
    if asked.dataset == "market":
        return Export(
            "market",
            asked.window,
            lambda: repo.market(rt.store, start, end, PAGE),
            fetched_by_row=True,
        )
    if asked.dataset == "news":
        asset = None if resolution is None else resolution.asset.id
        read = await news.known_state(rt)
        return Export(
            "news",
            asked.window,
            lambda: _with_symbols(rt, repo.news(rt.store, asset, start, end, NEWS_PAGE)),
            resolution,
            fetched_ms=None if read is None else read.read_ms,
            stale=read is not None and read.stale,
        )
    assert resolution is not None  # noqa: S101 - the others need a symbol
    if asked.dataset == "prices":
        asset_id = resolution.asset.id
        return Export(
            "prices",
            asked.window,
            lambda: repo.prices(rt.store, asset_id, start, end, PAGE),
            resolution,
            sources=(CONSENSUS,),
            fetched_by_row=True,
        )
    series = await _series(rt, resolution, asked)
    return Export(
        "ohlcv",
        asked.window,
        lambda: repo.candles(rt.store, series, start, end, PAGE),
        resolution,
        series,
        sources=(series.provider,),
        fetched_ms=fetches.newest(rt, series),
    )


def _resolved(rt: Runtime, asked: Asked) -> Resolution | None:
    if asked.symbol is not None and asked.dataset == "market":
        raise InvalidParameter(
            "symbol: the dataset market is of all coins together; leave it out.",
            details={"parameter": "symbol", "got": asked.symbol[:100], "allowed": "nothing"},
        )
    if asked.symbol is not None:
        return rt.resolver.resolve(asked.symbol)
    if asked.dataset in ("prices", "ohlcv"):
        raise InvalidParameter(
            f"symbol: the dataset {asked.dataset} is of one asset; name it.",
            details={"parameter": "symbol", "got": None, "allowed": "a ticker, pair or coin id"},
        )
    return None


async def _series(rt: Runtime, resolution: Resolution, asked: Asked) -> SeriesKey:
    """The stored series that GET /api/ohlcv would answer from: the best venue's of those that have candles in the
    window, else any of the asset's that has most of them. Without one the best venue's, empty."""
    asset, quote, (start, end, _) = resolution.asset, resolution.quote, asked.window
    try:
        groups = by_quote(rt, asset, options(rt, asset, quote, asked.interval, asked.provider))
        usual = list(dict.fromkeys(series_of(group[0], asked.interval) for group in groups))
        refusal = None
    except UnknownSymbol as error:
        usual, refusal = [], error
    for series in usual:
        if await repo.has_candles(rt.store, series, start, end):
            return series
    venue = None if asked.provider is None else rt.gateway.source(asked.provider).entry.source
    kept = [s for s in stored(rt, asset, quote, asked.interval) if venue in (None, s.provider)]
    counts = {series: await repo.count_candles(rt.store, series, start, end) for series in kept}
    best = max(counts, key=lambda series: counts[series], default=None)
    if best is not None and counts[best]:
        return best
    if usual:
        return usual[0]
    if best is not None:
        return best
    assert refusal is not None  # noqa: S101 - without a refusal there is a usual one
    raise refusal


async def _with_symbols(rt: Runtime, pages: Pages) -> AsyncGenerator[list[Row]]:
    """Pages of articles with the tickers of the assets they name in place of the stored list of ids."""

    def symbols(ids: str | None) -> tuple[str, ...]:
        assets = map(rt.resolver.by_id, () if ids is None else _ids(ids))
        return tuple(asset.ticker for asset in assets if asset is not None)

    async with aclosing(pages):
        async for page in pages:
            yield [(*row[:-1], symbols(row[-1])) for row in page]


class Rows(Protocol):
    """A format: rows in, bytes out. Both calls may take long and belong into a thread."""

    def add(self, rows: Sequence[Row]) -> bytes: ...

    def end(self) -> bytes: ...


def rows_of(
    export: Export, format: Format, facts: Mapping[str, str], meta: Callable[[Seen], dict[str, Any]]
) -> Rows:
    """The writer of a format. `facts` go into the schema of an Arrow or Parquet file, `meta` to the end of a JSON
    document. Call it in a thread."""
    if format == "json":
        return JsonRows(export.dataset, meta)
    from . import exports_arrow as arrow

    made: dict[str, type[arrow.ArrowRows | arrow.ParquetRows | arrow.CsvRows]] = {
        "arrow": arrow.ArrowRows,
        "parquet": arrow.ParquetRows,
        "csv": arrow.CsvRows,
    }
    return made[format](export.dataset, facts)


async def encoded(export: Export, make: Callable[[], Rows]) -> AsyncGenerator[bytes]:
    """The file in pieces, none of them empty. `make` is called in a thread. Raises StoreError."""
    async with aclosing(_ahead(export.open())) as pages:
        rows = await _in_thread(make)
        async for page in pages:
            if piece := await _in_thread(rows.add, page):
                yield piece
        if piece := await _in_thread(rows.end):
            yield piece


async def _ahead(pages: Pages) -> AsyncGenerator[list[Row]]:
    """The same pages, each read while the one before it is dealt with."""
    following: asyncio.Task[list[Row] | None] = asyncio.ensure_future(_next(pages))
    try:
        while (page := await following) is not None:
            following = asyncio.ensure_future(_next(pages))
            yield page
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await pages.aclose()


async def _next(pages: Pages) -> list[Row] | None:
    return await anext(pages, None)


async def _in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """`call` in a thread, which has ended when this returns or raises: what it works on is nobody else's meanwhile."""
    work = asyncio.ensure_future(asyncio.to_thread(call, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.gather(work, return_exceptions=True)
        raise
