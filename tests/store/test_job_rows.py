"""Jobs in the store: one run at a time, runs that end, states that last."""

from __future__ import annotations

from crypto_dt_source.store import Store
from crypto_dt_source.store.repos import jobs
from crypto_dt_source.store.repos.jobs import COMMAND, JobRun, JobState

from .conftest import T0

MINUTE = 60_000


def run(started: int = T0, job: str = "news", cause: str = "timetable") -> JobRun:
    return JobRun(job, cause, started, started)


async def test_a_run_that_is_under_way_lets_no_second_begin(store: Store) -> None:
    assert await jobs.begin(store, run(), expired_ms=T0 - MINUTE, taken=True)
    assert not await jobs.begin(store, run(T0 + 1), expired_ms=T0 - MINUTE, taken=True)
    assert await jobs.begin(store, run(T0 + 1, "defi"), expired_ms=T0 - MINUTE, taken=True)
    # What was not begun was not taken up either.
    assert (await jobs.states(store))["news"].due_ms == T0
    over = run()._replace(ended_ms=T0 + 5, outcome="all_providers_failed", error="no feed\x00 answered")
    await jobs.end(store, over)
    assert (await jobs.latest(store))["news"] == over._replace(error="no feed\ufffd answered")
    assert await jobs.begin(store, run(T0 + 6), expired_ms=T0 - MINUTE, taken=True)


async def test_a_run_past_its_deadline_is_one_that_died_with_its_process(store: Store) -> None:
    await jobs.begin(store, run(cause=COMMAND), expired_ms=0, taken=False)
    assert await jobs.states(store) == {}
    later = T0 + 10 * MINUTE
    assert not await jobs.begin(store, run(later), expired_ms=T0, taken=True)
    assert await jobs.begin(store, run(later), expired_ms=T0 + 1, taken=True)
    rows, total = await jobs.page(store, "news", 10, 0)
    assert [(row.outcome, row.ended_ms) for row in rows] == [(None, None), ("interrupted", later)]
    assert total == 2


async def test_runs_of_whoever_led_before_are_ended_and_those_of_commands_are_not(store: Store) -> None:
    await jobs.begin(store, run(), expired_ms=0, taken=True)
    await jobs.begin(store, run(job="backup", cause=COMMAND), expired_ms=0, taken=False)
    assert await jobs.interrupt(store, T0 + 9) == 1
    found = await jobs.latest(store)
    assert (found["news"].outcome, found["backup"].outcome) == ("interrupted", None)


async def test_pauses_dues_and_wishes_do_not_touch_each_other(store: Store) -> None:
    await jobs.pause(store, "news", True, T0)
    await jobs.take(store, [("news", T0 + 1), ("defi", T0 + 2)], T0)
    await jobs.ask(store, "news", T0 + 3)
    assert await jobs.states(store) == {
        "defi": JobState("defi", T0 + 2, None, False),
        "news": JobState("news", T0 + 1, T0 + 3, True),
    }
    await jobs.asked(store, "news", T0 + 2)
    assert (await jobs.states(store))["news"].asked_ms == T0 + 3
    await jobs.asked(store, "news", T0 + 3)
    await jobs.pause(store, "news", False, T0 + 4)
    assert (await jobs.states(store))["news"] == JobState("news", T0 + 1, None, False)


async def test_runs_are_paged_newest_first_and_forgotten(store: Store) -> None:
    for n in range(5):
        await jobs.put(store, run(T0 + n)._replace(ended_ms=T0 + n, outcome="ok", handled=n))
    await jobs.begin(store, run(T0 - 1, "backup"), expired_ms=0, taken=True)
    rows, total = await jobs.page(store, "news", 2, 1)
    assert ([row.handled for row in rows], total) == ([3, 2], 5)
    assert [row.handled for row in await jobs.between(store, T0 + 1, T0 + 3)] == [1, 2]
    assert await jobs.drop(store, T0 + 3) == 3
    assert {job: found.handled for job, found in (await jobs.latest(store)).items()} == {
        "news": 4,
        "backup": None,
    }
