"""Rows past their retention are written as Parquet before they leave (https://parquet.apache.org/docs/file-format/).

A file a dataset and UTC day: `prices/2026/prices-2026-08-24.parquet`. Where an archive is set, rows leave by whole days,
and only days that were archived. An archive that cannot be written holds them back until they are HELD times as old as
they are kept; then they leave all the same, for a full disk would lose more.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..clock import rfc3339
from ..model.candle import DAY_MS
from ..model.errors import CdtsError
from ..store.marker import admit
from ..store.repos import archives as archive_repo
from ..store.repos.archives import SOURCES, ArchiveRow
from ..store.repos.retention import Retention
from ..telemetry import logger
from .runtime import Runtime

if TYPE_CHECKING:
    from .exports_arrow import ParquetRows

log = logger("archive")
HELD = 2


async def before_leaving(rt: Runtime, keep: Retention, now_ms: int) -> Retention:
    """Archive what `keep` would let go; gives how long rows have to be kept now that some may not be archived."""
    if rt.keeping is None or rt.keeping.archive is None:
        return keep
    failed: list[str] = []
    spans: dict[str, int] = {}
    for dataset, source in SOURCES.items():
        span: int | None = getattr(keep, source.span)
        if span is None:
            continue
        cut = (now_ms - span) // DAY_MS * DAY_MS
        oldest = await archive_repo.oldest(rt.store, dataset)
        while oldest is not None and oldest < cut:
            day = oldest // DAY_MS * DAY_MS
            try:
                await _archive_day(rt, dataset, day, oldest)
            except CdtsError as error:
                log.warning("rows could not be archived", dataset=dataset, reason=error.message)
                failed.append(f"{dataset}: {error.message}")
                # The days before this one are archived and leave.
                cut = _held_back(rt, dataset, oldest, cut, now_ms - HELD * span)
                break
            oldest = await archive_repo.oldest(rt.store, dataset, day + DAY_MS)
        # Of two datasets that are kept equally long, the one held back longer counts.
        spans[source.span] = max(spans.get(source.span, 0), now_ms - cut)
    rt.keeping.unarchived = "; ".join(failed)[:500] or None
    return replace(keep, **spans)


def _held_back(rt: Runtime, dataset: str, oldest: int, cut: int, bound: int) -> int:
    """Rows may leave up to this time although the archive failed for those from `oldest` on."""
    if oldest < bound and rt.keeping is not None:
        log.error("rows leave without being archived", dataset=dataset, older_than=rfc3339(bound))
        rt.keeping.left_unarchived += 1
    return min(cut, max(bound, oldest))


async def _archive_day(rt: Runtime, dataset: str, day: int, oldest: int) -> None:
    assert rt.keeping is not None  # noqa: S101 - asked by `before_leaving`
    assert rt.keeping.archive is not None  # noqa: S101 - as above
    target, now_ms = rt.keeping.archive, rt.clock.now_ms()
    date = rfc3339(day)[:10]
    name = f"{dataset}/{date[:4]}/{dataset}-{date}.parquet"
    folder, _, file = name.rpartition("/")
    await admit(target, "archive", used=await archive_repo.went_to(rt.store, target.shown))
    if file in await target.sizes(folder):
        # Rows that came late, or a deletion that failed after the first file was written.
        name = f"{folder}/{dataset}-{date}-{now_ms}.parquet"
        file = name.rpartition("/")[2]
    with tempfile.TemporaryDirectory(prefix="cdts-archive-") as scratch:
        path = Path(scratch) / file
        rows = await _write(path, dataset, archive_repo.pages(rt.store, dataset, day, day + DAY_MS))
        size = (await asyncio.to_thread(path.stat)).st_size
        await target.put_file(name, path)
    await _seen(rt, name, size)
    row = ArchiveRow(now_ms, oldest, day + DAY_MS, rows, size, dataset, f"{target.shown}/{name}")
    await archive_repo.put(rt.store, row)
    log.info("archived", name=name, rows=rows, bytes=size)


async def _seen(rt: Runtime, name: str, size: int) -> None:
    from ..store.chain import size_seen

    assert rt.keeping is not None  # noqa: S101 - as above
    assert rt.keeping.archive is not None  # noqa: S101 - as above
    await size_seen(rt.keeping.archive, rt.clock, name, size)


async def _write(path: Path, dataset: str, pages: AsyncIterator[list[Any]]) -> int:
    """Write pages to a Parquet file, one after the other; gives the rows."""
    writer = await asyncio.to_thread(_writer, dataset)
    count = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for rows in pages:
            count += len(rows)
            await asyncio.to_thread(lambda rows=rows: file.write(writer.add(rows)))  # type: ignore[misc]
        await asyncio.to_thread(lambda: file.write(writer.end()))
    finally:
        await asyncio.to_thread(file.close)
    return count


def _writer(dataset: str) -> ParquetRows:
    from .exports_arrow import ParquetRows
    from .exports_columns import Column

    columns = [Column(name, kind) for name, kind in SOURCES[dataset].columns]  # type: ignore[arg-type]
    return ParquetRows(columns, {"dataset": dataset})


def component(rt: Runtime) -> dict[str, Any]:
    """What health says of the archive. Where none is set it is well."""
    keeping = rt.keeping
    if keeping is None or keeping.archive is None:
        return {"status": "ok", "reason": None, "target": None}
    reason = None
    if keeping.unarchived is not None:
        reason = f"rows past their retention are held back, for they cannot be archived: {keeping.unarchived}"
        if keeping.left_unarchived:
            reason += "; the oldest have left without"
    return {
        "status": "ok" if reason is None else "degraded",
        "reason": reason,
        "target": keeping.archive.shown,
    }
