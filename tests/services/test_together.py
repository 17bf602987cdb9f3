"""Parts of one answer asked for together: the slow are left out and named, nothing stays behind."""

from __future__ import annotations

import asyncio

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import AllProvidersFailed, NoDataYet, StoreUnavailable
from crypto_dt_source.services import together


class Upstreams:
    """Names that start with `slow` answer after the seconds behind it, `never` does not, `dead` fails."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.left: list[str] = []

    async def __call__(self, name: str) -> str:
        try:
            if name == "never":
                await asyncio.get_running_loop().create_future()
            if name.startswith("slow"):
                await self.clock.sleep(float(name[4:]))
            if name == "dead":
                raise StoreUnavailable("x")
            if name == "bug":
                raise KeyError(name)
        except asyncio.CancelledError:
            self.left.append(name)
            raise
        return name.upper()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_quick_parts_are_answered_at_once_in_the_order_asked(clock: ManualClock) -> None:
    parts = await together.gathered(clock, ["b", "dead", "a"], Upstreams(clock))
    assert list(parts.found.items()) == [("b", "B"), ("a", "A")]
    assert [(name, error.code) for name, error in parts.errors] == [("dead", "store_unavailable")]
    assert clock.monotonic() == 0


async def test_the_slow_are_left_out_after_two_seconds_and_their_waiting_ends(clock: ManualClock) -> None:
    upstreams = Upstreams(clock)
    before = asyncio.all_tasks()
    task = asyncio.create_task(together.gathered(clock, ["never", "slow1.5", "slow9", "a"], upstreams))
    await clock.advance(1.9)
    assert not task.done()
    await clock.advance(0.2)
    parts = task.result()
    assert set(parts.found) == {"slow1.5", "a"}
    assert [(name, error.code) for name, error in parts.errors] == [
        ("never", "deadline_exceeded"),
        ("slow9", "deadline_exceeded"),
    ]
    assert sorted(upstreams.left) == ["never", "slow9"]
    assert asyncio.all_tasks() == before


async def test_while_nothing_is_there_the_first_is_waited_for(clock: ManualClock) -> None:
    task = asyncio.create_task(together.gathered(clock, ["never", "slow6", "dead"], Upstreams(clock)))
    await clock.advance(5.9)
    assert not task.done()
    await clock.advance(0.2)
    assert task.result().found == {"slow6": "SLOW6"}
    assert [name for name, _ in task.result().errors] == ["never", "dead"]


async def test_with_nothing_left_to_wait_for_nobody_waits(clock: ManualClock) -> None:
    parts = await together.gathered(clock, ["dead"], Upstreams(clock))
    assert (parts.found, [name for name, _ in parts.errors]) == ({}, ["dead"])
    assert await together.gathered(clock, [], Upstreams(clock)) == ({}, [])


async def test_whoever_is_cancelled_leaves_no_task_behind(clock: ManualClock) -> None:
    upstreams = Upstreams(clock)
    before = asyncio.all_tasks()
    task = asyncio.create_task(together.gathered(clock, ["never", "a"], upstreams))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert upstreams.left == ["never"]
    assert asyncio.all_tasks() == before


async def test_a_bug_is_no_missing_part(clock: ManualClock) -> None:
    upstreams = Upstreams(clock)
    with pytest.raises(KeyError):
        await together.gathered(clock, ["never", "bug"], upstreams)
    assert upstreams.left == ["never"]


def failure(*tried: tuple[str, str | None], wait: int | None = None) -> AllProvidersFailed:
    return AllProvidersFailed(
        "x", details={"tried": [{"provider": p, "failure": f} for p, f in tried]}, retry_after=wait
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (failure(("a", "upstream_timeout")), "upstream_timeout"),
        (failure(("a", "upstream_timeout"), ("b", "circuit_open")), "upstream_timeout"),
        (failure(("a", "upstream_timeout"), ("b", "payload_changed")), "payload_changed"),
        (failure(("a", "circuit_open"), ("a", "region_blocked")), "region_blocked"),
        (failure(("a", "circuit_open"), ("b", "budget_exhausted")), "budget_exhausted"),
        (failure(("a", None)), "all_providers_failed"),
        (failure(), "all_providers_failed"),
        (NoDataYet("x"), "no_data_yet"),
    ],
)
def test_the_cause_is_what_went_wrong_at_the_upstream(error: AllProvidersFailed, code: str) -> None:
    assert together.cause(error) == code


def test_without_any_part_each_is_named_with_its_cause_and_every_source_with_its_own() -> None:
    errors = [
        (
            "base",
            failure(("node-1", "circuit_open"), ("node-1", "upstream_timeout"), ("node-2", None), wait=9),
        ),
        ("bitcoin", failure(("explorer", "payload_changed"), wait=4)),
        ("tron", NoDataYet("x")),
    ]
    error = together.none_found("Nothing.", "gas", errors)
    assert error.details == {
        "capability": "gas",
        "failed": [
            {"name": "base", "code": "upstream_timeout"},
            {"name": "bitcoin", "code": "payload_changed"},
            {"name": "tron", "code": "no_data_yet"},
        ],
        "tried": [
            {"provider": "node-1", "failure": "upstream_timeout"},
            {"provider": "explorer", "failure": "payload_changed"},
            {"provider": "tron", "failure": "no_data_yet"},
        ],
    }
    assert error.retry_after == 4
