"""Starts of one shipped service on disks of their own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.store import PoolRow, PriceRow, Store, open_store, snapshots
from crypto_dt_source.store.engine import SCHEMA
from crypto_dt_source.store.repos import prices
from crypto_dt_source.store.shipping import Shipper
from crypto_dt_source.store.takeup import TakenUp, take_up
from crypto_dt_source.store.targets import Target

CLOCK = SystemClock()
NEVER_S = 3600.0


def pool(name: str) -> PoolRow:
    return PoolRow(
        id=name, name=name, category="market", strategy="priority", enabled=True, created_ms=1, members=()
    )


async def market(store: Store, at: int) -> None:
    await prices.write_prices(store, [PriceRow(f"asset{n}", at, n + 0.5) for n in range(30)])


class Hosts:
    """Starts of one service on disks of their own, on one target."""

    def __init__(self, root: Path, stack: AsyncExitStack, empty: bytes) -> None:
        self._root, self._stack, self._empty = root, stack, empty
        self.folder = root / "target"

    def database(self, host: str) -> Path:
        return self._root / host / "cdts.db"

    async def start(
        self,
        host: str,
        *,
        every_s: float = NEVER_S,
        target: Target | None = None,
        taken: TakenUp | None = None,
    ) -> tuple[Store, Shipper]:
        """`taken`: it had got so far before."""
        target = target or Target(str(self.folder))
        taken = taken or await take_up(target, self.database(host), CLOCK)
        if taken.base is None and not self.database(host).exists():
            self.database(host).write_bytes(self._empty)
        store = await open_store(f"sqlite:///{self.database(host)}", pool_size=1)
        self._stack.push_async_callback(store.close)
        shipper = Shipper(store, target, CLOCK, taken, every_s=every_s, schema=SCHEMA)
        self._stack.push_async_callback(shipper.close)
        shipper.start()
        return store, shipper

    async def refilled(self, host: str) -> dict[str, snapshots.Contents]:
        """What a start on an empty disk would have. It claims the place."""
        await take_up(Target(str(self.folder)), self.database(host), CLOCK)
        problems, _, contents = snapshots.look_at(self.database(host))
        assert problems == []
        return contents

    async def failing(self, shipper: Shipper, word: str) -> None:
        """Wait until its last shipment failed for that reason."""
        while word not in (shipper.state.error or ""):  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)

    def contents(self, host: str) -> dict[str, snapshots.Contents]:
        view = snapshots.View(self.database(host))
        try:
            return view.contents()
        finally:
            view.close()

    def objects(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
