"""The places of a corpus as they are served: a trap that ends when its visitor has gone."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.sim.app import create_app
from crypto_dt_source.sim.discovery import Corpus, Said
from crypto_dt_source.sim.discovery_server import Internet


class _Gone:
    """A writer over TLS whose peer has gone: it never says that it is closing, and `drain` gives the loop no turn."""

    def __init__(self) -> None:
        self.writes = 0
        self._lost = False
        asyncio.get_running_loop().call_soon(self._lose)

    def _lose(self) -> None:
        self._lost = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.writes += 1
        assert self.writes < 100, "the loop never had its turn"

    async def drain(self) -> None:
        if self._lost:
            raise ConnectionResetError


async def test_an_endless_answer_ends_with_its_visitor() -> None:
    internet = Internet(Corpus(create_app(7, ManualClock(), {}).market, ManualClock(), 8443), "127.88.0.2")
    writer = _Gone()
    with pytest.raises(ConnectionResetError):
        await internet._answer(
            asyncio.StreamReader(), cast(asyncio.StreamWriter, writer), Said(trap="endless")
        )
    assert writer.writes < 10
