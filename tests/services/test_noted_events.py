"""What happened in a pool is stored once, whatever becomes of the write and of whoever waits for it."""

from __future__ import annotations

import asyncio
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from crypto_dt_source.model.pool import PoolEvent
from crypto_dt_source.services import pools
from crypto_dt_source.store import InDoubt, StoreError, Write

EVENT = PoolEvent(1, "own", "failed_over", "okx", "kraken", "timeout")


class Holding:
    """A store that commits when told to, and then fails as it was told to."""

    def __init__(self, error: StoreError | None) -> None:
        self._error = error
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def write(self, _: list[Write]) -> int:
        self.asked.set()
        await self.go_on.wait()
        if self._error is not None:
            raise self._error
        return 0


@pytest.mark.parametrize(
    ("error", "left"),
    [(None, 0), (StoreError("the disk is full"), 1), (InDoubt("cut off"), 0)],
    ids=["written", "refused", "in_doubt"],
)
async def test_a_cancelled_look_leaves_what_was_not_stored(error: StoreError | None, left: int) -> None:
    store = Holding(error)
    held = SimpleNamespace(events=deque([EVENT]), changing=asyncio.Lock())
    rt: Any = SimpleNamespace(store=store, gateway=SimpleNamespace(pools=held))
    look = asyncio.create_task(pools.follow(rt))
    await store.asked.wait()
    look.cancel()
    store.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert list(held.events) == [EVENT] * left
