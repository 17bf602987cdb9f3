"""Who answers, under which name, from which memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_models import FakeLoader

from crypto_dt_source.analysis.catalog import SPECS
from crypto_dt_source.analysis.registry import Models
from crypto_dt_source.analysis.residency import REST_S
from crypto_dt_source.analysis.states import ScoreCache
from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import InvalidParameter, ModelUnavailable, TooLarge, UnknownModel
from crypto_dt_source.model.sentiment import BATCH_LIMIT, Score

Make = Callable[..., Models]


async def test_the_default_answers_and_names_itself(make: Make, clock: ManualClock) -> None:
    models = make()
    (score,) = await models.classify(["Bitcoin rises"])
    assert (score.model, score.revision, score.label) == ("embedded", "rev-embedded", "bullish")
    state = models.state("embedded")
    assert (state.state, state.backend, state.memory_mb, state.calls, state.default) == (
        "ready",
        "onnx",
        20.0,
        1,
        True,
    )
    assert state.revision == "rev-embedded"
    assert state.since_ms == clock.now_ms()


async def test_states_list_every_model_before_anything_is_loaded(make: Make, loader: FakeLoader) -> None:
    states = make().states()
    assert [state.id for state in states] == [spec.id for spec in SPECS]
    assert {state.state for state in states} == {"unloaded"}
    assert all(state.memory_mb is None and state.latency_ms is None for state in states)
    assert {state.id: state.backend for state in states}["opt-125m"] == "torch"
    assert loader.fetched == [], "nothing is loaded before it is needed"


async def test_a_named_model_answers_by_its_own_name(make: Make) -> None:
    models = make()
    assert [score.model for score in await models.classify(["a", "b"], "finbert")] == ["finbert", "finbert"]
    assert models.state("embedded").state == "unloaded"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelUnavailable("Its files have no ONNX."), "Its files have no ONNX."),
        (ConnectionError("no route"), "ConnectionError: no route"),
        (OSError(28, "No space left on device"), "OSError: No space left on device"),
        (KeyError("model_type"), "KeyError: 'model_type'"),
    ],
)
async def test_where_a_model_cannot_be_loaded_the_packaged_one_answers_named_as_such(
    make: Make, loader: FakeLoader, error: Exception, reason: str
) -> None:
    loader.failures["finbert"] = error
    models = make(default="finbert")
    (score,) = await models.classify(["Bitcoin rises"])
    assert (score.model, score.revision) == ("embedded", "rev-embedded")
    state = models.state("finbert")
    assert (state.state, state.reason) == ("failed", reason)


async def test_a_model_that_fails_at_work_does_not_fail_the_caller(make: Make, loader: FakeLoader) -> None:
    loader.breaks = {"finbert"}
    models = make(default="finbert")
    assert (await models.classify(["a"]))[0].model == "embedded"


async def test_where_not_even_the_packaged_model_answers_the_reason_is_told(
    make: Make, loader: FakeLoader
) -> None:
    loader.failures["embedded"] = FileNotFoundError(2, "No such file or directory")
    with pytest.raises(ModelUnavailable) as refused:
        await make().classify(["a"])
    assert refused.value.details == {
        "model": "embedded",
        "reason": "FileNotFoundError: No such file or directory",
    }
    assert refused.value.retry_after == REST_S


async def test_a_text_is_scored_once_a_model(make: Make, loader: FakeLoader) -> None:
    models = make()
    first = await models.classify(["same", "other", " same\n"])
    assert await models.classify(["other", "same"]) == [first[1], first[0]]
    assert loader.opened["embedded"].seen == [["same", "other"]]
    await models.classify(["same"], "finbert")
    assert loader.opened["finbert"].seen == [["same"]], "another model reads it for itself"
    assert models.state("embedded").calls == 1, "an answer from the cache tells nothing of the model's speed"


async def test_the_cache_is_bounded_and_keeps_what_was_used_last(make: Make, loader: FakeLoader) -> None:
    models = make(cached=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await models.classify([text])
    assert loader.opened["embedded"].seen == [["a"], ["b"], ["c"], ["b"]]


def test_a_cache_of_no_size_keeps_nothing() -> None:
    cache = ScoreCache(0)
    cache.put(("m", "r", b"x"), Score("neutral", 1, 0, 1, 0, "n", "m", "r"))
    assert len(cache) == 0


async def test_latency_is_the_median_of_recent_calls(
    make: Make, loader: FakeLoader, clock: ManualClock
) -> None:
    models = make()
    await models.classify(["a"])
    assert models.state("embedded").latency_ms == 0.0
    await clock.advance(3601)
    state = models.state("embedded")
    assert (state.latency_ms, state.calls) == (None, 0), "an hour later that is no news"


@pytest.mark.parametrize("texts", [[""], ["fine", "  \n"], ["\x00"]])
async def test_an_empty_text_is_refused_before_any_model_is_loaded(
    make: Make, loader: FakeLoader, texts: list[str]
) -> None:
    with pytest.raises(InvalidParameter):
        await make().classify(texts)
    assert loader.fetched == []


async def test_too_many_texts_are_refused(make: Make) -> None:
    with pytest.raises(TooLarge):
        await make().classify(["a"] * (BATCH_LIMIT + 1))


async def test_no_texts_are_no_scores(make: Make) -> None:
    assert await make().classify([]) == []


async def test_unknown_models_are_named(make: Make) -> None:
    models = make()
    for call in (
        models.classify(["a"], "gpt-9"),
        models.load("gpt-9"),
        models.unload("x"),
        models.generate("x", "a"),
    ):
        with pytest.raises(UnknownModel) as unknown:
            await call
        assert "embedded" in unknown.value.details["known"]
    with pytest.raises(UnknownModel):
        (
            await models.classify(["a"], "ProsusAI/finbert-other"),
            "a caller cannot have the service download anything",
        )


async def test_every_queue_has_the_patience_of_the_registry(make: Make) -> None:
    models = make(patience_s=3.0)
    await models.classify(["Bitcoin rises"])
    batcher = models._slots["embedded"].batcher
    assert batcher is not None
    assert batcher._patience_s == 3.0


async def test_what_a_model_can_say_is_known_by_its_labels(make: Make) -> None:
    models = make()
    assert models.says("distilbert-sst-2") == ("bearish", "bullish")
    assert models.says("finbert") == models.says("bart-large-mnli") == ("bearish", "neutral", "bullish")
    assert models.says("opt-125m") == ()
    with pytest.raises(UnknownModel):
        models.says("none")


async def test_crypto_analysis_takes_the_zero_shot_model_only_where_it_is_loaded(make: Make) -> None:
    models = make(default="distilbert-sst-2")
    assert (await models.crypto_analysis(["a"]))[0].model == "embedded"
    await models.load("bart-large-mnli")
    assert (await models.crypto_analysis(["a"]))[0].model == "bart-large-mnli"
    assert (await models.crypto_analysis(["a"], "finbert"))[0].model == "finbert"


async def test_text_is_written_by_models_of_text_alone(make: Make) -> None:
    models = make()
    assert await models.generate("opt-125m", "  abc\n def ", 5) == "fed c"
    assert models.state("opt-125m").calls == 1
    with pytest.raises(InvalidParameter):
        await models.generate("finbert", "abc")
    with pytest.raises(InvalidParameter):
        await models.classify(["abc"], "opt-125m")
    for count in (0, 129):
        with pytest.raises(InvalidParameter):
            await models.generate("opt-125m", "abc", count)
    with pytest.raises(InvalidParameter):
        await models.generate("opt-125m", " \n")


async def test_a_model_of_text_that_cannot_be_loaded_says_why(make: Make, loader: FakeLoader) -> None:
    loader.failures["opt-125m"] = ModelUnavailable("It needs torch.")
    with pytest.raises(ModelUnavailable) as refused:
        await make().generate("opt-125m", "abc")
    assert refused.value.details["reason"] == "It needs torch."


def test_a_model_of_text_cannot_be_the_default(clock: ManualClock, loader: FakeLoader) -> None:
    with pytest.raises(UnknownModel):
        Models(clock, None, default="facebook/opt-125m", loader=loader)


async def test_the_default_may_be_a_hub_id_of_its_own(make: Make) -> None:
    models = make(default="someone/crypto-bert@abc")
    assert models.default == "crypto-bert"
    assert (await models.classify(["a"]))[0].model == "crypto-bert"
    assert models.state("crypto-bert").hub_id == "someone/crypto-bert"
