"""Shipping a SQLite database all the time, for hosts whose disk does not last.

What is committed is kept as the statements it was made by and put at the target as a segment every few seconds, at once
for what people decided. `chain.py` says what lies there and which of it counts, `refill.py` makes the database from it.

That two containers of one redeploy cannot both win rests on one order of steps. A start makes its claim visible and only
then reads (again: it has read most before). Whoever ships makes a segment visible and only then looks for claims above its
own; finding one, it confirms nothing more. So what was confirmed was visible before the claim was, and is in what the newer
start read. This is for good once that ships. One that fails before gives its claim back; one that was killed leaves it, and
the older start claims an epoch above it after AWAIT_S: the same steps keep the two apart where it was only slow.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import msgspec

from ..clock import Clock
from ..telemetry import logger
from . import chain
from .chain import FORMAT, Manifest, Ref
from .copies import clear_older, put_copy
from .engine import Store
from .errors import NotShipped, StoreError
from .marker import TargetEmptied, admit, marked
from .refill import Refilled
from .ship_state import Cut, awaited, overtaken
from .ship_state import Shipped as Shipped
from .snapshots import View
from .sql import Write
from .takeup import TakenUp, enlist
from .targets import Target

log = logger("shipping")
CONFIRM_S = 15.0
"""How long a caller waits until what he decided is safe."""
RETRY_S = 3.0
MANY_ROWS = 50_000
"""Rows that are shipped at once, whatever the interval."""
MOST_ROWS = 200_000
"""Rows that may wait to be shipped; with more a whole copy is shipped instead."""
SEGMENTS = 500
"""Segments after which a whole copy is made, so that a start has not too many to replay."""
LEAST_BYTES = 16_000_000
"""Bytes of segments after which one is made, where the last copy is smaller than that."""
COPY_REST_S = 600.0
AWAIT_S = 600.0
"""How long a start may take between its claim and its first shipment."""
AWAIT_LOOK_S = 0.5
END_S = 2.5


class Shipper:
    """Owns the log of one open store and the task that ships it. `start` once, `close` once, before the store's own.

    `taken` is what the start did about the database's file, `schema` the revision it is open with.
    """

    def __init__(
        self, store: Store, target: Target, clock: Clock, taken: TakenUp, *, every_s: float, schema: str
    ) -> None:
        self._store, self._target, self._clock, self._lineage = store, target, clock, taken.lineage
        self._path, self.every_s, self._schema = taken.lineage.database, every_s, schema
        self.state = Shipped(target.shown)
        self._epoch, self._admitted, self._awaited_since = taken.epoch, False, 0.0
        self._base = taken.base
        self._newest: Manifest | None = None
        self._log: list[list[Write]] = []
        self._rows = 0
        self._committed = self._confirmed = 0
        self._since_ms: int | None = None
        self._others: int | None = None
        self._broken = self._base is None or self._base.schema != schema
        self._seq, self._last = 0, ""
        self._unconfirmed: Cut | None = None
        self._after_copy = self._after_copy_bytes = 0
        self._copy_bytes, self._copy_not_before = 0, 0.0
        self._copying: asyncio.Task[None] | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._urgent = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what the store asks ---

    def committed(self, writes: Sequence[Write]) -> None:
        """See `engine.Follower`."""
        self._committed += 1
        if self._since_ms is None:
            self._since_ms = self._clock.now_ms()
        self.state.behind_ms = self.state.behind_ms or self._since_ms
        if self.state.superseded is not None or self._broken:
            return  # the next copy holds it
        self._log.append(list(writes))
        self._rows += sum(len(write.rows) for write in writes)
        if self._rows > MANY_ROWS:
            self._urgent.set()
        if self._rows > MOST_ROWS:
            self._break()
            log.warning("too much waits to be shipped; a whole copy follows", rows=MOST_ROWS)

    def ready(self) -> None:
        """See `engine.Follower`. Raises NotShipped once a newer start takes over."""
        if self.state.superseded is not None:
            raise overtaken()
        if self.state.awaited is not None:
            raise awaited()

    async def landed(self) -> None:
        """See `engine.Follower`. Raises NotShipped."""
        wanted = self._committed
        if self._confirmed >= wanted:
            return
        if self.state.superseded is not None:
            raise overtaken()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, done))
        self._urgent.set()
        try:
            async with asyncio.timeout(CONFIRM_S):
                await done
        except TimeoutError:
            raise NotShipped(
                "The change was made here and is not yet safe where SHIP_URL says; look whether it is there, then try again."
            ) from None

    # --- the task ---

    def start(self) -> None:
        """Follow the store and begin to ship."""
        self._store.follow(self)
        self._task = asyncio.create_task(self._run(), name="shipping")
        self._task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.state.error = "shipping has crashed; the log tells why"
            log.error("shipping crashed", exc_info=error)

    async def close(self) -> None:
        """Ship what is left, for at most END_S, then stop."""
        if tasks := [task for task in (self._task, self._copying) if task is not None]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        with contextlib.suppress(StoreError, TimeoutError, OSError):
            async with asyncio.timeout(END_S):
                await self._ship()
        if self._confirmed < self._committed:
            log.warning("not everything was shipped", since_ms=self.state.behind_ms)

    async def _run(self) -> None:
        while self.state.superseded is None:
            begun = self._clock.monotonic()
            rest_s = self.every_s
            self._urgent.clear()
            try:
                await self._ship()
                if self.state.error is not None:
                    log.info("shipping works again")
                    self.state.error = None
            except (StoreError, OSError) as error:
                reason = error.message if isinstance(error, StoreError) else str(error.strerror)
                if self.state.error is None:
                    log.warning("shipping failed", reason=reason)
                self.state.error = reason
                await self._clock.sleep(min(RETRY_S, self.every_s))
                rest_s = 0.0
            if self.state.awaited is not None:
                await self._clock.sleep(min(AWAIT_LOOK_S, self.every_s))
                rest_s = 0.0
            await self._pause(begun + rest_s)

    async def _pause(self, until: float) -> None:
        """Wait until then, or until somebody waits for what he decided."""
        left = until - self._clock.monotonic()
        if left <= 0 or any(wanted > self._confirmed for wanted, _ in self._waiting):
            return
        either = {asyncio.ensure_future(way) for way in (self._clock.sleep(left), self._urgent.wait())}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in either:
                way.cancel()

    async def _ship(self) -> None:
        """One shipment: everything committed until now. Raises StoreError; what was cut off is then tried again."""
        if not self._admitted:
            # Not any folder: a segment may have been on its way when the disk went.
            there = bool(await chain.claims(self._target))
            await admit(self._target, "ship", used=self._lineage.at_target, there=there)
            self._admitted = True
        if self._epoch is None:
            self._epoch, newer = await enlist(self._target, self._clock, self._lineage)
            if newer is not None:
                self._supersede(newer)
        if await self._outrun():
            self._go_above()
            return
        if self._base is not None:
            await self._inherit(self._base)
        # What an earlier attempt cut off comes first.
        if await self._confirm():
            await self._cut()
            await self._confirm()

    async def _inherit(self, base: Refilled) -> None:
        """Say of this epoch that it begins where another ended: nothing is copied."""
        epoch = self._epoch or ""
        # The time is the base's, so that an attempt after a failed one says the same under the same name.
        manifest = Manifest(FORMAT, epoch, 0, base.until_ms, base.schema, base.snapshot, base.segments, "")
        name = chain.name_of(epoch, "manifest", 0)
        await chain.put_seen(self._target, self._clock, name, msgspec.json.encode(manifest))
        self._after_copy, self._base, self._newest = len(base.segments), None, manifest
        self._after_copy_bytes = sum(ref.size for ref in base.segments)
        self._copy_bytes = base.snapshot.size

    async def _outrun(self) -> bool:
        """Whether a newer start has made itself known. Raises StoreError."""
        if self.state.superseded is not None:
            return True
        above = await chain.above(self._target, self._epoch or "")
        if above.begun is not None:
            self._supersede(above.begun)
            return True
        if above.claimed != self.state.awaited:
            log.warning("a newer start is taking over shipping, or has given up", newer=above.claimed)
            self.state.awaited, self._awaited_since = above.claimed, self._clock.monotonic()
        if above.claimed is None and self._epoch is not None and not above.own:
            await self._emptied(self._epoch)
        return above.claimed is not None

    def _go_above(self) -> None:
        """Where a newer start was killed between its claim and its first shipment: take another epoch next."""
        if self.state.awaited is None or self._clock.monotonic() < self._awaited_since + AWAIT_S:
            return
        log.warning("the newer start ships nothing; shipping goes on above it", newer=self.state.awaited)
        if self._copying is not None:
            self._copying.cancel()
        self._epoch = self._base = self._unconfirmed = self.state.awaited = None
        self._seq += 1
        self._break()

    async def _emptied(self, epoch: str) -> None:
        """The claim is gone from the target, so the rest may be: a segment would be on top of nothing. Raises StoreError;
        TargetEmptied where it may not be the target at all."""
        if not await marked(self._target):
            raise TargetEmptied(self._target, "ship")
        self._break()
        self._base = self._unconfirmed = None
        self._seq += 1
        await chain.put_seen(self._target, self._clock, f"{chain.CLAIMS}/{epoch}", b"{}\n")
        raise StoreError("what was shipped is no longer at the target; a whole copy follows")

    def _supersede(self, by: str) -> None:
        self.state.superseded, self.state.awaited = by, None
        self._log, self._rows = [], 0
        log.error("a newer start has taken over shipping; this one ships nothing more", newer=by)
        for _, done in self._waiting:
            if not done.done():
                done.set_exception(overtaken())
        self._waiting = []

    def _break(self) -> None:
        """The log no longer holds everything: the next thing shipped is a whole copy."""
        self._log, self._rows, self._broken = [], 0, True

    async def _cut(self) -> None:
        """Take what was logged off the log, as a segment or, where the log does not hold everything, as a copy."""
        async with self._store.between() as others:
            if self._others not in (None, others):
                # Somebody beside this process: no statement of his is in the log.
                self._break()
            self._others = others
            whole, batches, until, since_ms = self._broken, self._log, self._committed, self._since_ms
            if not whole and not batches:
                self._note(until)
                return
            view = await asyncio.to_thread(View, self._path) if whole or self._wants_copy() else None
            self._log, self._rows, self._since_ms, self._broken = [], 0, None, False
        try:
            if whole:
                assert view is not None  # noqa: S101 - opened above
                await self._whole(view, until)
            else:
                await self._pack(batches, until, since_ms, view)
        except BaseException:
            # What was taken off the log is nowhere now.
            self._break()
            raise

    async def _pack(
        self, batches: list[list[Write]], until: int, since_ms: int | None, view: View | None
    ) -> None:
        seq, epoch = self._seq + 1, self._epoch or ""
        try:
            data = await asyncio.to_thread(chain.pack, epoch, seq, self._clock.now_ms(), self._last, batches)
        except BaseException as error:
            if view is not None:
                view.close()
            if isinstance(error, (TypeError, OverflowError, ValueError)):
                raise StoreError(f"a transaction cannot be put in a segment: {error}") from error
            raise
        self._unconfirmed = Cut(seq, data, until, since_ms)
        if view is not None:
            copy = self._copy_behind(view, seq, chain.digest(data), until)
            self._copying = asyncio.create_task(copy, name="shipping a copy")

    async def _confirm(self) -> bool:
        """Whether nothing that was cut off is left."""
        segment = self._unconfirmed
        if segment is None:
            return True
        epoch = self._epoch or ""
        name = chain.name_of(epoch, "segment", segment.seq)
        await chain.put_seen(self._target, self._clock, name, segment.data)
        # A copy beside it may have found meanwhile that what it follows is gone.
        if await self._outrun() or self._unconfirmed is not segment:
            return False
        self._unconfirmed = None
        self._seq, self._last = segment.seq, chain.digest(segment.data)
        self._after_copy += 1
        self._after_copy_bytes += len(segment.data)
        self.state.segments += 1
        self._note(segment.until)
        return True

    def _note(self, until: int) -> None:
        """Everything up to the transaction of this number is at the target."""
        self._confirmed = until
        self.state.epoch = self._epoch
        self.state.confirmed_ms = self._clock.now_ms()
        self.state.behind_ms = self._since_ms
        for wanted, done in self._waiting:
            if wanted <= until and not done.done():
                done.set_result(None)
        self._waiting = [(wanted, done) for wanted, done in self._waiting if not done.done()]

    # --- copies ---

    def _wants_copy(self) -> bool:
        """Whether there are so many segments that a copy is better."""
        if self._copying is not None and not self._copying.done():
            return False
        many = self._after_copy >= SEGMENTS or self._after_copy_bytes > max(LEAST_BYTES, self._copy_bytes)
        return many and self._clock.monotonic() >= self._copy_not_before

    async def _whole(self, view: View, until: int) -> None:
        """Ship a copy in the place of a segment: what follows it does not follow what came before."""
        # A number of its own for each attempt: a late flush of one must not lie under the name of the next.
        self._seq += 1
        seq = self._seq
        ref = await self._put(view, seq)
        last = f"copy:{ref.sha256}"
        manifest = await self._manifest(ref, seq, last)
        if await self._outrun():
            # Of the log it stands for nothing is left.
            self._break()
            return
        self._last = last
        self._note(until)
        await self._replaced(manifest)

    async def _copy_behind(self, view: View, seq: int, last: str, until: int) -> None:
        """Ship a copy beside the segments, to shorten what a start has to replay; `last` is the segment it stands for."""
        self._copy_not_before = self._clock.monotonic() + COPY_REST_S
        try:
            ref = await self._put(view, seq)
            while self._confirmed < until:
                if self.state.superseded is not None:
                    return
                await self._clock.sleep(RETRY_S)
            manifest = await self._manifest(ref, seq, last)
            if not await self._outrun():
                await self._replaced(manifest)
        except (StoreError, OSError) as error:
            log.warning("a copy could not be shipped", reason=str(error))

    async def _put(self, view: View, seq: int) -> Ref:
        name = chain.name_of(self._epoch or "", "snapshot", seq)
        return await put_copy(self._target, self._clock, view, self._path, name)

    async def _manifest(self, ref: Ref, seq: int, last: str) -> Manifest:
        epoch = self._epoch or ""
        manifest = Manifest(FORMAT, epoch, seq, self._clock.now_ms(), self._schema, ref, (), last)
        name = chain.name_of(epoch, "manifest", seq)
        await chain.put_seen(self._target, self._clock, name, msgspec.json.encode(manifest))
        return manifest

    async def _replaced(self, manifest: Manifest) -> None:
        """A copy is there: segments count from it, and what it replaces may go."""
        self.state.copies += 1
        self._after_copy, self._after_copy_bytes = self._seq - manifest.seq, 0
        self._copy_bytes = manifest.snapshot.size
        before, self._newest = self._newest, manifest
        await clear_older(self._target, manifest, before)
