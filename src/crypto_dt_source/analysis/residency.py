"""Which models are in memory: loading with one flight a model, a budget, the least recently used going first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from ..clock import Clock
from ..model.errors import CdtsError, Conflict, ModelUnavailable
from ..telemetry import logger
from .batcher import PATIENCE_S as QUEUE_S
from .batcher import Batcher
from .catalog import EMBEDDED, GENERATION, ModelSpec
from .checkpoint import Checkpoint
from .loading import Scorer, Writer
from .states import FAILED, LOADING, MB, READY, UNLOADED, Slot
from .threads import Worker, told

log = logger("models")
T = TypeVar("T")
REST_S = 300.0
"""A model that failed to load is not tried again sooner, unless a person asks for it."""
LOAD_S = 1800.0
"""Longest a load may take, download and export included."""
PATIENCE_S = 2.0
"""How long after the begin of a load callers still wait for it."""
PROMPTS = 16
"""Prompts that may wait for a model of text."""


class Loader(Protocol):
    """See `loading.Loading`. `fetch` and `open` block."""

    def backend_for(self, spec: ModelSpec) -> str: ...

    def fetch(self, spec: ModelSpec) -> Checkpoint: ...

    def open(self, checkpoint: Checkpoint) -> Scorer | Writer: ...


class Residency:
    """The models of `slots` in memory, `budget` bytes of weights at most. The packaged one is exempt: it comes in
    whatever the budget is, and stays."""

    def __init__(
        self,
        clock: Clock,
        loader: Loader,
        slots: Mapping[str, Slot],
        budget: int,
        *,
        patience_s: float = QUEUE_S,
    ) -> None:
        self._clock = clock
        self._loader = loader
        self._slots = slots
        self._budget = budget
        self._patience_s = patience_s
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def begin(self, slot: Slot) -> asyncio.Task[None]:
        """The load of this model that is under way, begun now where there is none. Raises ModelUnavailable after `close`."""
        if self._closed:
            raise ModelUnavailable("The models are closed.")
        if slot.flight is None:
            self._set(slot, LOADING)
            slot.flight = asyncio.create_task(self._load(slot), name=f"load of {slot.spec.id}")
        return slot.flight

    async def ready(self, slot: Slot) -> Batcher[Any, Any]:
        """The model's queue, loaded first where it is not. For a load under way callers wait PATIENCE_S from its begin,
        for the packaged model's until it ends.

        Raises ModelUnavailable with the reason where it failed less than REST_S ago, is still loading, or cannot be
        loaded now.
        """
        if slot.model is not None and slot.model.ended:
            self._drop(slot)
            self._fail(slot, "Its process ended.")
        if slot.batcher is None:
            if slot.state == FAILED and self._clock.monotonic() < slot.not_before:
                raise self._failure(slot)
            await self.wait(slot, self.begin(slot))
        if slot.batcher is not None:
            return slot.batcher
        if slot.state == LOADING:
            raise ModelUnavailable(
                f"The model {slot.spec.id} is being loaded.", details={"model": slot.spec.id}, retry_after=10
            )
        raise self._failure(slot)

    async def wait(self, slot: Slot, flight: asyncio.Task[None]) -> None:
        """Until the load ends, or its callers' patience does."""
        if slot.spec.id == EMBEDDED:
            await asyncio.wait({flight})
            return
        left = PATIENCE_S - (self._clock.now_ms() - slot.since_ms) / 1000
        if left > 0:
            patience = asyncio.ensure_future(self._clock.sleep(left))
            await asyncio.wait({flight, patience}, return_when=asyncio.FIRST_COMPLETED)
            patience.cancel()

    async def unload(self, slot: Slot) -> None:
        """Take a model out of memory, or end its load. Raises Conflict for the packaged one."""
        if slot.spec.id == EMBEDDED:
            raise Conflict("The embedded model stays loaded: it answers where another cannot.")
        await self._out(slot)

    async def close(self) -> None:
        """End loads, take every model out of memory."""
        self._closed = True
        for slot in self._slots.values():
            await self._out(slot)
        if self._closing:
            await asyncio.wait(set(self._closing))

    async def _out(self, slot: Slot) -> None:
        if slot.flight is not None:
            slot.flight.cancel()
            await asyncio.wait({slot.flight})
        leaving = self._drop(slot)
        if leaving is not None:
            await asyncio.wait({leaving})

    async def _load(self, slot: Slot) -> None:
        worker = Worker(f"load-{slot.spec.id}")
        deadline = asyncio.ensure_future(self._clock.sleep(LOAD_S))
        model: Scorer | Writer | None = None
        try:
            checkpoint = await self._step(worker, partial(self._loader.fetch, slot.spec), deadline)
            await self._reserve(slot, checkpoint.size)
            model = await self._step(worker, partial(self._loader.open, checkpoint), deadline)
            self._settled(slot, model)
        except CdtsError as error:
            self._fail(slot, error.message)
        finally:
            if model is None:
                slot.reserved = 0
            if slot.state == LOADING:
                self._set(slot, UNLOADED)
            slot.flight = None
            deadline.cancel()
            worker.stop()

    async def _step(self, worker: Worker, call: Callable[[], T], deadline: asyncio.Future[None]) -> T:
        """What `call` returns. Raises ModelUnavailable with what it raised, or at the deadline; what a call that comes too
        late returns is closed."""
        step = worker.submit(call)
        either: list[asyncio.Future[Any]] = [step, deadline]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not step.done():
                step.add_done_callback(_too_late)
        if not step.done():
            raise ModelUnavailable(f"It was not loaded after {LOAD_S:.0f} s.")
        error = step.exception()
        if error is not None:
            raise error if isinstance(error, CdtsError) else ModelUnavailable(told(error)) from error
        return step.result()

    def _settled(self, slot: Slot, model: Scorer | Writer) -> None:
        """The model answers from now on."""
        spec = model.checkpoint.spec
        timed = partial(Batcher[Any, Any], spec.id, now=self._clock.monotonic, patience_s=self._patience_s)
        if spec.task == GENERATION:
            slot.batcher = timed(partial(_written, model), job=1, waiting=PROMPTS)
        else:
            slot.batcher = timed(getattr(model, "score"))  # noqa: B009
        slot.model = model
        slot.reserved = model.memory_bytes
        slot.revision = model.checkpoint.revision
        slot.used_at = self._clock.monotonic()
        slot.reason = ""
        self._set(slot, READY)
        log.info("a model is loaded", model=spec.id, revision=slot.revision, backend=slot.backend)

    async def _reserve(self, slot: Slot, size: int) -> None:
        """Make room: unload idle models, the one used longest ago first. Nothing is unloaded where that would not be
        enough. Raises ModelUnavailable then."""
        if slot.spec.id == EMBEDDED:
            slot.reserved = size
            return
        need = f"It needs {size / MB:.0f} MB and MODELS_MEMORY_MB allows {self._budget / MB:.0f}"
        used = sum(other.reserved for other in self._slots.values())
        idle = [
            other
            for other in self._slots.values()
            if other.batcher is not None and not other.batcher.busy and other.spec.id != EMBEDDED
        ]
        fixed = used - sum(other.reserved for other in idle)
        if fixed + size > self._budget:
            raise ModelUnavailable(f"{need}, {fixed / MB:.0f} of it in use." if fixed else f"{need}.")
        slot.reserved = size
        leaving = []
        for other in sorted(idle, key=lambda other: other.used_at):
            if used + size <= self._budget:
                break
            used -= other.reserved
            leaving.append(self._drop(other))
        if tasks := {task for task in leaving if task is not None}:
            await asyncio.wait(tasks)

    def _drop(self, slot: Slot) -> asyncio.Task[None] | None:
        """Unloaded from this moment; the task ends when its memory is free. None where it was not loaded."""
        batcher, model = slot.batcher, slot.model
        slot.batcher = slot.model = None
        slot.reserved = 0
        slot.reason = ""
        slot.not_before = 0.0
        self._set(slot, UNLOADED)
        if batcher is None or model is None:
            return None
        task = asyncio.create_task(batcher.close(model.close), name=f"unload of {slot.spec.id}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    def _fail(self, slot: Slot, reason: str) -> None:
        slot.not_before = self._clock.monotonic() + REST_S
        slot.reason = reason
        self._set(slot, FAILED)
        log.warning("a model cannot be used", model=slot.spec.id, reason=reason)

    def _set(self, slot: Slot, state: str) -> None:
        if slot.state != state:
            slot.state = state
            slot.since_ms = self._clock.now_ms()

    def _failure(self, slot: Slot) -> ModelUnavailable:
        name, reason = slot.spec.id, slot.reason or "It was unloaded."
        left = max(0, round(slot.not_before - self._clock.monotonic()))
        return ModelUnavailable(
            f"The model {name} cannot be used: {reason}",
            details={"model": name, "reason": reason},
            retry_after=left or None,
        )


def _written(model: Any, prompts: list[tuple[str, int]]) -> list[str]:
    return [model.generate(prompt, count) for prompt, count in prompts]


def _too_late(step: asyncio.Future[Any]) -> None:
    """Give back the memory of a model nobody waits for any more; closing one may block."""
    if not step.cancelled() and step.exception() is None and hasattr(step.result(), "close"):
        worker = Worker("late-load")
        worker.submit(step.result().close)
        worker.stop()
