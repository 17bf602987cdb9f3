"""Hostile clients for a few seconds; `python -m bench.stream_fuzz` does it for ten minutes and watches the memory."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crypto_dt_source.stream.protocol import BadMessage, error_frame, read
from socket_server import ask, live
from stream_fuzzer import CODES, storm

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = st.dictionaries(
    st.sampled_from(["action", "channel", "symbols", "since", "epoch", "id", "token"]),
    JSON | st.sampled_from(["subscribe", "ping", "auth", "prices", "BTC"]),
)


def _error_of(text: str) -> int | None:
    try:
        read(text)
    except BadMessage as bad:
        error_frame(bad.error, 0, bad.id).decode()
        return bad.error.status
    return None


@given(st.text(max_size=200) | FIELDS.map(json.dumps))
def test_any_text_is_a_message_or_an_error(text: str) -> None:
    assert _error_of(text) in (None, 400, 422)


@pytest.mark.slow
async def test_hostile_clients(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with live(tmp_path) as server:
        codes, kinds = await storm(server.port, 0, 250)
        assert set(codes) - CODES <= {422}
        assert {1002, 1008, 1009} <= set(codes)
        assert kinds["error"] > 50
        assert kinds["pong"] > 0
        async with asyncio.timeout(20):
            while server.rt.sessions.sessions:
                await server.clock.advance(1)
        assert not server.rt.hub.clients
        assert not any(sequence.clients for sequence in server.rt.hub._sequences.values())
        assert server.rt.sessions._by_bucket == {}
        async with server.connected("/ws/market") as socket:
            await ask(socket, {"action": "ping"}, "pong")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
