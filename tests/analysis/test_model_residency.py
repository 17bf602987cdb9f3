"""What is in memory and why: loads, the budget, rests, unloading."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from fake_models import FakeLoader, FakeModel, settled

from crypto_dt_source.analysis.checkpoint import Checkpoint
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.analysis.residency import LOAD_S, PATIENCE_S, REST_S
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import Conflict, ModelUnavailable

Make = Callable[..., Models]


async def test_start_loads_the_default_and_the_packaged_model_in_the_background(
    make: Make, loader: FakeLoader
) -> None:
    loader.held = {"finbert"}
    models = make(default="finbert", load="start")
    await models.start()
    assert models.state("finbert").state == "loading"
    loader.let_go.set()
    assert (await settled(models, "finbert")).state == "ready"
    assert (await settled(models, "embedded")).state == "ready"


async def test_lazy_loads_nothing_at_start(make: Make, loader: FakeLoader) -> None:
    models = make(load="lazy")
    await models.start()
    assert {state.state for state in models.states()} == {"unloaded"}


async def test_a_failed_model_rests_before_it_is_tried_again(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    loader.failures["finbert"] = ConnectionError("no route")
    models = make(default="finbert")
    for n in range(5):
        await models.classify([f"text {n}"])
    assert loader.fetched.count("finbert") == 1
    await clock.advance(REST_S - 1)
    await models.classify(["x"])
    assert loader.fetched.count("finbert") == 1
    del loader.failures["finbert"]
    await clock.advance(2)
    (score,) = await models.classify(["y"])
    assert score.model == "finbert"
    assert models.state("finbert").reason == ""


async def test_a_person_can_have_a_failed_model_tried_at_once(make: Make, loader: FakeLoader) -> None:
    loader.failures["finbert"] = ConnectionError("no route")
    models = make()
    assert (await models.load("finbert")).state == "failed"
    del loader.failures["finbert"]
    assert (await models.load("finbert")).state == "ready"
    assert (await models.load("finbert")).state == "ready"
    assert loader.fetched == ["finbert", "finbert"], "one that is loaded is not loaded again"


async def test_many_callers_make_one_load(make: Make, loader: FakeLoader) -> None:
    loader.held = {"embedded"}
    models = make()
    callers = [asyncio.ensure_future(models.classify([f"text {n}"])) for n in range(10)]
    await asyncio.sleep(0)
    loader.let_go.set()
    assert all(scores[0].model == "embedded" for scores in await asyncio.gather(*callers))
    assert loader.fetched == ["embedded"]


async def test_a_caller_waits_a_little_for_a_load_and_then_the_packaged_one_answers(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    loader.held = {"finbert"}
    models = make(default="finbert")
    first = asyncio.ensure_future(models.classify(["a"]))
    await clock.advance(PATIENCE_S - 0.1)
    assert not first.done()
    await clock.advance(0.2)
    assert (await first)[0].model == "embedded"
    (second,) = await models.classify(["b"])
    assert second.model == "embedded", "later callers do not wait at all"
    assert models.state("finbert").state == "loading"
    loader.let_go.set()
    await settled(models, "finbert")
    assert (await models.classify(["c"]))[0].model == "finbert"


async def test_a_load_that_hangs_is_given_up_and_closed_when_it_comes_after_all(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    opening = threading.Event()
    real = loader.open

    def slow(checkpoint: Checkpoint) -> FakeModel:
        opening.set()
        assert loader.let_go.wait(20)
        return real(checkpoint)

    loader.open = slow  # type: ignore[method-assign]
    models = make()
    loading = asyncio.ensure_future(models.load("finbert"))
    await asyncio.to_thread(opening.wait, 20)
    await clock.advance(LOAD_S + 1)
    await loading
    state = models.state("finbert")
    assert (state.state, state.reason) == ("failed", f"It was not loaded after {LOAD_S:.0f} s.")
    loader.let_go.set()
    while not loader.closed:
        await asyncio.to_thread(lambda: None)
    assert loader.closed == ["finbert"]


async def test_the_least_recently_used_model_makes_room(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    loader.sizes = {"finbert": 400, "twitter-roberta": 500, "distilbert-sst-2": 300}
    models = make(memory_mb=1000)
    await models.classify(["a"])
    for name in ("finbert", "twitter-roberta", "finbert"):
        await clock.advance(1)
        await models.classify([f"text for {name}", str(clock.now_ms())], name)
    await clock.advance(1)
    assert (await models.classify(["b"], "distilbert-sst-2"))[0].model == "distilbert-sst-2"
    assert {state.id for state in models.states() if state.state == "ready"} == {
        "embedded",
        "finbert",
        "distilbert-sst-2",
    }
    assert loader.closed == ["twitter-roberta"]
    assert models.state("twitter-roberta").memory_mb is None


async def test_a_cached_answer_counts_as_use(make: Make, loader: FakeLoader, clock: ManualClock) -> None:
    loader.sizes = {"finbert": 400, "twitter-roberta": 500, "distilbert-sst-2": 300}
    models = make(memory_mb=1000)
    for name in ("finbert", "twitter-roberta", "finbert"):
        await clock.advance(1)
        await models.classify(["the same"], name)
    await models.classify(["b"], "distilbert-sst-2")
    assert loader.closed == ["twitter-roberta"]


async def test_a_model_larger_than_the_budget_is_refused_and_nothing_else_unloaded(
    make: Make, loader: FakeLoader
) -> None:
    loader.sizes = {"finbert": 400, "bart-large-mnli": 1600}
    models = make(memory_mb=1000)
    await models.classify(["a"], "finbert")
    (score,) = await models.classify(["b"], "bart-large-mnli")
    assert score.model == "embedded"
    state = models.state("bart-large-mnli")
    assert (state.state, state.reason) == ("failed", "It needs 1600 MB and MODELS_MEMORY_MB allows 1000.")
    assert models.state("finbert").state == "ready"
    assert "bart-large-mnli" not in loader.opened, "its weights were never read"


async def test_the_packaged_model_is_never_evicted_and_always_loaded(make: Make, loader: FakeLoader) -> None:
    loader.sizes = {"embedded": 30, "finbert": 15}
    models = make(memory_mb=40)
    await models.classify(["a"])
    await models.load("finbert")
    assert models.state("finbert").reason == "It needs 15 MB and MODELS_MEMORY_MB allows 40, 30 of it in use."
    small = make(memory_mb=1)
    assert (await small.classify(["a"]))[0].model == "embedded"


async def test_two_loads_at_once_do_not_share_the_same_room(make: Make, loader: FakeLoader) -> None:
    loader.sizes = {"finbert": 600, "twitter-roberta": 600}
    loader.held = {"finbert", "twitter-roberta"}
    models = make(memory_mb=1000)
    both = [asyncio.ensure_future(models.load(name)) for name in ("finbert", "twitter-roberta")]
    await asyncio.sleep(0)
    loader.let_go.set()
    await asyncio.gather(*both)
    ready = [state for state in models.states() if state.state == "ready"]
    assert len(ready) == 1
    assert sum(state.memory_mb or 0 for state in models.states()) <= 1000


async def test_unloading_frees_and_the_next_question_loads_again(make: Make, loader: FakeLoader) -> None:
    models = make()
    await models.classify(["a"], "finbert")
    state = await models.unload("finbert")
    assert (state.state, state.memory_mb, loader.closed) == ("unloaded", None, ["finbert"])
    assert (await models.classify(["b"], "finbert"))[0].model == "finbert"
    with pytest.raises(Conflict):
        await models.unload("embedded")


async def test_unloading_ends_a_load(make: Make, loader: FakeLoader, clock: ManualClock) -> None:
    loader.held = {"finbert"}
    models = make()
    loading = asyncio.ensure_future(models.load("finbert"))
    await clock.advance(PATIENCE_S + 1)
    assert (await loading).state == "loading"
    assert (await models.unload("finbert")).state == "unloaded"
    loader.let_go.set()
    assert "finbert" not in loader.opened


async def test_a_model_whose_process_ended_is_out_and_rests(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    models = make(default="finbert")
    await models.classify(["a"])
    loader.opened["finbert"].ended = True
    assert (await models.classify(["b"]))[0].model == "embedded"
    state = models.state("finbert")
    assert (state.state, state.reason, state.memory_mb) == ("failed", "Its process ended.", None)
    await clock.advance(REST_S + 1)
    assert (await models.classify(["c"]))[0].model == "finbert"


async def test_after_closing_nothing_answers_and_everything_is_freed(make: Make, loader: FakeLoader) -> None:
    models = make()
    await models.classify(["a"])
    await models.classify(["a"], "finbert")
    await models.close()
    assert sorted(loader.closed) == ["embedded", "finbert"]
    with pytest.raises(ModelUnavailable):
        await models.classify(["b"])
    with pytest.raises(ModelUnavailable):
        await models.load("finbert")
    await models.close()
