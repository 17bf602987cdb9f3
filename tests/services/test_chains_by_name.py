"""Chains by name: any case, older names, what is no chain; lists are read through once after every fetch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

import harness
from crypto_dt_source.model.errors import AllProvidersFailed, NotFound
from crypto_dt_source.services import chain_names, defi
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store.cache import Cached


@pytest.fixture
async def rt(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with harness.running(tmp_path) as (rt, _, _):
        yield rt


@pytest.mark.parametrize("name", ["BSC", "bsc", "Binance", "BINANCE"])
async def test_a_chain_is_found_in_any_case_and_by_its_older_name(rt: Runtime, name: str) -> None:
    assert await chain_names.named(rt, name) == "BSC"


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("ethereun", ["Ethereum"]), ("Hyper", ["Hyperliquid L1"]), ("qqqqqq", []), ("e" * 100, [])],
)
async def test_what_is_no_chain_is_answered_with_the_nearest(
    rt: Runtime, wrong: str, near: list[str]
) -> None:
    with pytest.raises(NotFound) as error:
        await chain_names.named(rt, wrong)
    assert error.value.details == {"parameter": "chain", "got": wrong, "did_you_mean": near}


async def test_rows_of_a_chain_keep_their_place_in_the_list(rt: Runtime) -> None:
    listed = await defi.protocols(rt)
    found = await chain_names.on_chain(rt, listed, "binance", lambda row: row.chains, kept="protocols")
    assert len(found) >= 5
    assert all("BSC" in row.chains and listed.value[place - 1] is row for place, row in found)
    assert len(found) == sum("BSC" in row.chains for row in listed.value)


async def test_a_list_is_read_through_once_and_again_when_there_is_another(rt: Runtime) -> None:
    read: list[str] = []

    def chains_of(row: tuple[str, ...]) -> Iterable[str]:
        read.append(row[0])
        return row

    async def places(listed: Cached[list[tuple[str, ...]]], chain: str) -> list[int]:
        found = await chain_names.on_chain(rt, listed, chain, chains_of, kept="rows")
        return [place for place, _ in found]

    rows: list[tuple[str, ...]] = [("Base", "BSC"), ("Tron",), ("Binance", "base")]
    first = Cached(rows, rt.clock.now_ms(), (), "hit")
    assert await places(first, "BASE") == [1, 3]
    assert await places(first, "bsc") == [1, 3], "an older version's rows have older names"
    assert len(read) == 3
    others: list[tuple[str, ...]] = [("Tron",)]
    second = Cached(others, rt.clock.now_ms(), (), "hit")
    assert await places(second, "tron") == [1]
    assert await places(second, "base") == [], "a chain without rows is no wrong name"
    assert len(read) == 4
    with pytest.raises(NotFound):
        await places(second, "atlantis")


async def test_with_rows_of_the_chain_no_list_of_chains_is_needed(rt: Runtime) -> None:
    listed = await defi.protocols(rt)
    harness.transport_of(rt).dead = True
    assert await chain_names.on_chain(rt, listed, "tron", lambda row: row.chains, kept="protocols")


async def test_without_a_list_of_chains_nobody_says_that_there_is_none(tmp_path: Path) -> None:
    async with harness.running(tmp_path) as (rt, _, clock):
        harness.transport_of(rt).dead = True
        with pytest.raises(AllProvidersFailed):
            await harness.drive(clock, chain_names.named(rt, "atlantis"))
