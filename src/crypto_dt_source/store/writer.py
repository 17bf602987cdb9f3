"""The one writer: batches in, one commit for everything that waits, an answer only after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from ..telemetry import logger
from .errors import UNREACHABLE, StoreClosed, StoreError
from .sql import Params, Write

log = logger("store")
_BUGS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What a database raises that does not keep to `Transactions`: it costs its batch, never the writer."""


class Transactions(Protocol):
    """What runs a list of statements as one transaction (`SqliteDatabase`, `PostgresDatabase`)."""

    async def apply(self, writes: Sequence[Write]) -> list[int]:
        """Raises StoreError, and then nothing of them is there."""


class _Batch(NamedTuple):
    writes: Sequence[Write]
    done: asyncio.Future[int]

    def rows(self) -> int:
        return sum(len(write.rows) for write in self.writes)


class Writer:
    """Owns the queue of batches. `write` returns when the batch is committed; a full queue makes callers wait.

    A batch is atomic. Batches that wait together are committed together, in order; when that fails each is tried by
    itself, so that only the broken one's caller sees an error.
    """

    QUEUE = 256
    """Batches that may wait. Callers await their batch, so this also bounds the rows held."""
    GROUP_ROWS = 50_000
    """Rows after which a group is committed: bounds the log's growth and how long the next caller waits."""

    last_error: StoreError | None
    """Why the last transaction failed; None once one succeeded."""
    on_commit: Callable[[Sequence[Write]], None] | None
    """Told of every transaction, in their order, before its callers are."""
    between: asyncio.Lock
    """Held during each transaction: whoever holds it sees the database between two of them."""

    def __init__(self, database: Transactions) -> None:
        self.last_error = None
        self.on_commit = None
        self.between = asyncio.Lock()
        self._database = database
        self._queue: asyncio.Queue[_Batch | None] = asyncio.Queue(self.QUEUE)
        self._task: asyncio.Task[None] | None = None
        self._open = False

    def start(self) -> None:
        """Begin to take batches. Needs a running loop."""
        self._open = True
        self._task = asyncio.create_task(self._run(), name="store-writer")

    @property
    def waiting(self) -> int:
        """Batches in the queue now."""
        return self._queue.qsize()

    @property
    def alive(self) -> bool:
        """Whether batches are taken."""
        return self._open and self._task is not None and not self._task.done()

    async def write(self, writes: Sequence[Write]) -> int:
        """Commit `writes` as one. Returns rows changed by the counted ones. Raises StoreError, StoreClosed."""
        if not self._open:
            raise StoreClosed("the store is closed")
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Batch(writes, done))
        if self._task is None or self._task.done():
            self._refuse()
        return await done

    async def close(self) -> None:
        """Commit what waits, then stop."""
        if self._task is None:
            return
        self._open = False
        await self._queue.put(None)
        await asyncio.wait([self._task])
        self._task = None

    async def _run(self) -> None:
        try:
            while True:
                group, last = self._group(await self._queue.get())
                if group:
                    await self._commit(group)
                if last:
                    return
        finally:
            self._open = False
            self._refuse()

    def _group(self, first: _Batch | None) -> tuple[list[_Batch], bool]:
        """Everything that waits, up to GROUP_ROWS, and whether the end was among it."""
        group: list[_Batch] = []
        rows = 0
        batch = first
        while batch is not None:
            if not batch.done.cancelled():
                group.append(batch)
                rows += batch.rows()
            if rows >= self.GROUP_ROWS or self._queue.empty():
                return group, False
            batch = self._queue.get_nowait()
        return group, True

    async def _commit(self, group: list[_Batch]) -> StoreError | None:
        """Gives the last error, None where there was none."""
        try:
            counts = await self._transact(group)
        except StoreError as error:
            if len(group) == 1:
                _fail(group[0], error)
                return error
            failed: StoreError | None = error
            for batch in group:
                if failed is not None and failed.kind == UNREACHABLE:
                    # Each by itself would wait as long again for a server that is not there.
                    _fail(batch, failed)
                else:
                    failed = await self._commit([batch])
            return failed
        except BaseException:
            for batch in group:
                _fail(batch, StoreClosed("the store stopped before the commit was confirmed"))
            raise
        if self.last_error is not None:
            self.last_error = None
            log.info("writes work again")
        for batch, count in zip(group, counts, strict=True):
            if not batch.done.done():
                batch.done.set_result(count)
        return None

    async def _transact(self, group: list[_Batch]) -> list[int]:
        """`_apply` with nothing but StoreError for a failure, which is logged once down and once up."""
        try:
            return await self._apply(group)
        except StoreError as error:
            # Otherwise a group is tried again batch by batch: only then it is known whether anything failed.
            if len(group) == 1 or error.kind == UNREACHABLE:
                self._note(error)
            raise
        except _BUGS as error:
            log.error("a write crashed", exc_info=error)
            failed = StoreError(f"a write crashed: {error!r}")
            if len(group) == 1:
                self._note(failed)
            raise failed from error

    def _note(self, error: StoreError) -> None:
        if self.last_error is None:
            log.warning("a write failed", kind=error.kind, reason=error.message)
        self.last_error = error

    async def _apply(self, group: list[_Batch]) -> list[int]:
        """One transaction of all batches. Neighbours with the same statement share one `executemany`."""
        merged: list[Write] = []
        owners: list[int] = []
        for index, batch in enumerate(group):
            for write in batch.writes:
                if not write.rows:
                    continue
                if merged and not write.counted and not merged[-1].counted and merged[-1].sql == write.sql:
                    rows: list[Params] = [*merged[-1].rows, *write.rows]
                    merged[-1] = Write(write.sql, rows)
                else:
                    merged.append(write)
                    owners.append(index)
        counts = [0] * len(group)
        if merged:
            async with self.between:
                changes = await self._database.apply(merged)
                if self.on_commit is not None:
                    self.on_commit(merged)
            for owner, changed in zip(owners, changes, strict=True):
                counts[owner] += changed
        return counts

    def _refuse(self) -> None:
        while not self._queue.empty():
            batch = self._queue.get_nowait()
            if batch is not None:
                _fail(batch, StoreClosed("the store closed before this batch was written"))


def _fail(batch: _Batch, error: StoreError) -> None:
    if not batch.done.done():
        batch.done.set_exception(error)
