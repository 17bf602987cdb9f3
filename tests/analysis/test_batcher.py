"""Many callers, one thread: order, fairness, bounds, cancellation, errors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from crypto_dt_source.analysis.batcher import Batcher
from crypto_dt_source.analysis.threads import Worker, told
from crypto_dt_source.model.errors import ModelBusy, ModelUnavailable


class Model:
    """Notes its jobs. While `hold` is set, a job waits for `let_go`."""

    def __init__(self) -> None:
        self.jobs: list[list[str]] = []
        self.threads: set[str] = set()
        self.hold = False
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, items: list[str]) -> Sequence[str]:
        self.jobs.append(items)
        self.threads.add(threading.current_thread().name)
        if self.hold:
            self.begun.set()
            assert self.let_go.wait(20)
        if "bad" in items:
            raise RuntimeError("no luck in /srv/models/private/weights.onnx")
        return [item.upper() for item in items]


@pytest.fixture
def model() -> Model:
    return Model()


Make = Callable[..., Batcher[str, str]]


@pytest.fixture
async def make(model: Model) -> AsyncIterator[Make]:
    made: list[Batcher[str, str]] = []

    def build(**options: Any) -> Batcher[str, str]:
        made.append(Batcher("m", model, **options))
        return made[-1]

    yield build
    model.let_go.set()
    for batcher in made:
        await batcher.close()


async def running(model: Model) -> None:
    """Until a job is in the model."""
    await asyncio.to_thread(model.begun.wait, 20)


async def test_results_come_back_in_order_from_one_thread(model: Model, make: Make) -> None:
    batcher = make(job=3)
    items = [f"text {n}" for n in range(10)]
    assert await batcher.submit(items) == [item.upper() for item in items]
    assert [len(job) for job in model.jobs] == [3, 3, 3, 1]
    assert model.threads == {"model-m"}
    assert not batcher.busy


async def test_callers_of_one_moment_share_a_job(model: Model, make: Make) -> None:
    batcher = make()
    found = await asyncio.gather(*(batcher.submit([f"t{n}"]) for n in range(20)))
    assert found == [[f"T{n}"] for n in range(20)]
    assert len(model.jobs) == 1


async def test_what_comes_while_a_job_runs_makes_up_the_next(model: Model, make: Make) -> None:
    batcher = make()
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["first"]))
    await running(model)
    later = [asyncio.ensure_future(batcher.submit([f"l{n}"])) for n in range(5)]
    await asyncio.sleep(0)
    assert batcher.waiting == 5
    model.let_go.set()
    assert await first == ["FIRST"]
    assert await asyncio.gather(*later) == [[f"L{n}"] for n in range(5)]
    assert model.jobs == [["first"], ["l0", "l1", "l2", "l3", "l4"]]


async def test_one_text_does_not_stand_behind_a_batch(model: Model, make: Make) -> None:
    batcher = make(job=4)
    many = asyncio.ensure_future(batcher.submit([f"m{n}" for n in range(12)]))
    one = asyncio.ensure_future(batcher.submit(["one"]))
    assert await one == ["ONE"]
    assert not many.done()
    assert await many == [f"M{n}" for n in range(12)]
    assert model.jobs[0] == ["one", "m0", "m1", "m2"], "the small one whole, the large one what is left"


async def test_more_callers_than_a_job_takes_all_get_their_turn(model: Model, make: Make) -> None:
    batcher = make(job=2)
    found = await asyncio.gather(*(batcher.submit([f"a{n}", f"b{n}"]) for n in range(5)))
    assert found == [[f"A{n}", f"B{n}"] for n in range(5)]
    assert all(len(job) == 2 for job in model.jobs)
    assert model.jobs[0] == ["a0", "a1"], "a part of each, in the order they came"


async def test_a_full_queue_refuses_and_keeps_what_it_has(model: Model, make: Make) -> None:
    batcher = make(job=2, waiting=3)
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["a"]))
    await running(model)
    second = asyncio.ensure_future(batcher.submit(["b", "c"]))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusy) as busy:
        await batcher.submit(["d", "e"])
    assert (busy.value.status, busy.value.retry_after) == (503, 5)
    model.let_go.set()
    assert (await first, await second) == (["A"], ["B", "C"])
    assert await batcher.submit(["f"]) == ["F"]


class Pace:
    """Monotonic seconds: every look at the time is `step` seconds after the last."""

    def __init__(self, step: float) -> None:
        self.step = step
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


async def test_who_would_wait_too_long_is_refused_and_told_when_to_come_back(
    model: Model, make: Make
) -> None:
    batcher = make(job=2, now=Pace(1.0), patience_s=5.0)
    await batcher.submit(["a", "b"])  # two a second from here on, as far as anybody knows
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["c"]))
    await running(model)
    many = asyncio.ensure_future(batcher.submit([f"m{n}" for n in range(12)]))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusy) as busy:
        await batcher.submit([f"x{n}" for n in range(12)])
    assert (busy.value.status, busy.value.retry_after) == (503, 6)
    assert busy.value.details == {"model": "m", "waiting": 12, "expected_s": 6.0}
    small = asyncio.ensure_future(batcher.submit(["s"]))
    await asyncio.sleep(0)
    assert not small.done(), "one text comes in between those of the batch, and need not be refused"
    many.cancel()
    await asyncio.sleep(0)
    later = asyncio.ensure_future(batcher.submit(["y0", "y1"]))
    model.let_go.set()
    assert (await first, await small, await later) == (["C"], ["S"], ["Y0", "Y1"])


async def test_a_queue_that_is_empty_takes_what_it_would_be_long_at(model: Model, make: Make) -> None:
    batcher = make(job=1, now=Pace(100.0), patience_s=5.0)
    await batcher.submit(["slow"])
    assert await batcher.submit([f"t{n}" for n in range(4)]) == ["T0", "T1", "T2", "T3"]


async def test_texts_of_a_job_under_way_count_as_waiting_no_more_but_the_rest_does(
    model: Model, make: Make
) -> None:
    batcher = make(job=2, waiting=8)
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["a", "b", "c", "d", "e"]))
    await running(model)
    assert batcher.waiting == 3
    model.let_go.set()
    assert await first == ["A", "B", "C", "D", "E"]


async def test_a_caller_that_goes_takes_its_waiting_texts_along(model: Model, make: Make) -> None:
    batcher = make(job=2)
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["a"]))
    await running(model)
    gone = asyncio.ensure_future(batcher.submit(["x", "y", "z"]))
    stays = asyncio.ensure_future(batcher.submit(["s"]))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    model.let_go.set()
    assert (await first, await stays) == (["A"], ["S"])
    assert model.jobs == [["a"], ["s"]]
    assert gone.cancelled()


async def test_a_caller_that_goes_while_its_job_runs_harms_nobody(model: Model, make: Make) -> None:
    batcher = make()
    model.hold = True
    gone = asyncio.ensure_future(batcher.submit(["a"]))
    stays = asyncio.ensure_future(batcher.submit(["b"]))
    await running(model)
    gone.cancel()
    await asyncio.sleep(0)
    model.let_go.set()
    assert await stays == ["B"]


async def test_a_failing_job_fails_its_callers_by_name_and_nobody_after(model: Model, make: Make) -> None:
    batcher = make()
    with pytest.raises(ModelUnavailable) as failed:
        await batcher.submit(["bad"])
    assert "RuntimeError: no luck in weights.onnx" in failed.value.message
    assert await batcher.submit(["good"]) == ["GOOD"]


async def test_a_model_that_gives_too_few_results_fails_its_callers(model: Model) -> None:
    batcher = Batcher[str, str]("m", lambda items: items[:-1])
    with pytest.raises(ModelUnavailable, match="gave 1 results for 2"):
        await batcher.submit(["a", "b"])
    await batcher.close()


async def test_closing_ends_the_job_and_refuses_the_rest(model: Model, make: Make) -> None:
    batcher = make(job=1)
    model.hold = True
    first = asyncio.ensure_future(batcher.submit(["a"]))
    await running(model)
    later = asyncio.ensure_future(batcher.submit(["b"]))
    await asyncio.sleep(0)
    last: list[str] = []
    closing = asyncio.ensure_future(batcher.close(lambda: last.append(threading.current_thread().name)))
    await asyncio.sleep(0)
    model.let_go.set()
    await closing
    assert await first == ["A"]
    assert last == ["model-m"], "in the model's own thread, after its last job"
    with pytest.raises(ModelUnavailable, match="unloaded"):
        await later
    with pytest.raises(ModelUnavailable, match="unloaded"):
        await batcher.submit(["c"])
    assert model.jobs == [["a"]]


async def test_nothing_asked_is_nothing_done(model: Model, make: Make) -> None:
    assert await make().submit([]) == []
    assert model.jobs == []


async def test_a_worker_does_its_jobs_in_order_and_hands_errors_over() -> None:
    worker = Worker("w")
    done: list[int] = []
    first, second = worker.submit(lambda: done.append(1)), worker.submit(lambda: done.append(2))
    failed = worker.submit(lambda: 1 / 0)
    await asyncio.wait([first, second, failed])
    assert done == [1, 2]
    assert isinstance(failed.exception(), ZeroDivisionError)
    worker.stop()


async def test_a_worker_that_is_stopped_still_does_what_it_has_been_given() -> None:
    worker = Worker("w")
    given = worker.submit(lambda: 1)
    worker.stop()
    assert await given == 1
    await asyncio.to_thread(_gone, "w")
    assert await worker.submit(lambda: 2) == 2, "and begins anew when it is given more"
    worker.stop()


def _gone(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(20)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(28, "No space left on device", "/srv/models/x"), "OSError: No space left on device"),
        (ValueError("\n\nfirst\nsecond"), "ValueError: first"),
        (ValueError("see https://huggingface.co/a/b"), "ValueError: see https://huggingface.co/a/b"),
        (ModelUnavailable("As it is."), "As it is."),
        (RuntimeError("x" * 999), "RuntimeError: " + "x" * 286),
    ],
)
def test_a_reason_is_one_line_without_paths(error: Exception, line: str) -> None:
    assert told(error) == line
