"""Candidates and rounds in the database."""

from __future__ import annotations

from crypto_dt_source.store import Store
from crypto_dt_source.store.repos import discovery as repo
from crypto_dt_source.store.repos.discovery import CandidateRow, RunRow

from .conftest import T0


def row(number: int, state: str = "found", changed_ms: int = T0) -> CandidateRow:
    return CandidateRow(
        T0,
        changed_ms,
        f"{number:016x}",
        f"https://h{number}.example/",
        "api",
        "n",
        state,
        "github",
        None,
        "{}",
    )


async def test_a_candidate_found_again_stays_as_it_is_and_one_put_is_replaced(store: Store) -> None:
    await repo.add(store, [row(1), row(2)])
    await repo.put(store, [row(1, "shadow", T0 + 5)._replace(proposal="{}", evidence='{"a": "\x00é"}')])
    await repo.add(store, [row(1), row(3)])
    found = await repo.get(store, row(1).id)
    assert found == row(1, "shadow", T0 + 5)._replace(proposal="{}", evidence='{"a": "\ufffdé"}')
    assert await repo.get(store, "nobody\x00") is None
    assert await repo.known(store) == {row(n).id for n in (1, 2, 3)}
    assert await repo.counts(store) == {"found": 2, "shadow": 1}


async def test_waiting_candidates_come_oldest_first_and_pages_newest_first(store: Store) -> None:
    await repo.add(store, [row(n, "found" if n % 2 else "refused", T0 + n) for n in range(6)])
    assert [c.id for c in await repo.in_state(store, "found", 2)] == [row(1).id, row(3).id]
    assert [c.id for c in await repo.page(store, "found", 2, 1)] == [row(3).id, row(1).id]
    assert [c.id for c in await repo.page(store, None, 10, 0)] == [row(n).id for n in (5, 4, 3, 2, 1, 0)]


async def test_only_what_was_refused_is_forgotten(store: Store) -> None:
    states = ("found", "shadow", "proven", "admitted", "taken_back", "refused", "failed")
    await repo.add(store, [row(n, state, T0) for n, state in enumerate(states)])
    await repo.add(store, [row(100 + n, "refused", T0 + 10 + n) for n in range(4)])
    await repo.begin(store, T0, "timetable")
    assert await repo.drop(store, T0 + 1, 3) == 3
    left = {c.id for c in await repo.page(store, None, 100, 0)}
    assert left == {row(n).id for n in (0, 1, 2, 3, 4, 101, 102, 103)}
    assert await repo.runs(store, 5) == []


async def test_a_round_is_under_way_until_it_ends_or_must_have(store: Store) -> None:
    assert not await repo.under_way(store, 0)
    await repo.begin(store, T0, "person")
    assert await repo.under_way(store, T0)
    assert not await repo.under_way(store, T0 + 1)
    ended = RunRow(T0, T0 + 9, 1, 2, 3, 4, 5, "person", '{"x": 1}')
    await repo.end(store, ended)
    assert not await repo.under_way(store, T0)
    await repo.end(store, ended._replace(found=99))
    assert await repo.runs(store, 5) == [ended], "a round ends once"
