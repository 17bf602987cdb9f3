"""The AsyncAPI document: whole, and true to what the server says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from in_process import Service

from crypto_dt_source.api.asyncapi import RECEIVED, SENT, document
from crypto_dt_source.stream import CHANNELS
from crypto_dt_source.stream.protocol import ACTIONS, CLOSE_CODES
from socket_server import ask, frames, live, until

ROOT = Path(__file__).resolve().parents[2]


def references(part: Any) -> list[str]:
    if isinstance(part, dict):
        own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
        return own + [found for value in part.values() for found in references(value)]
    return [found for item in part for found in references(item)] if isinstance(part, list) else []


def test_every_reference_leads_somewhere() -> None:
    found = references(document())
    assert len(found) > 50
    for reference in found:
        at: Any = document()
        for name in reference.removeprefix("#/").split("/"):
            at = at[name]


def test_every_action_channel_and_close_code_is_told() -> None:
    assert set(SENT) == set(ACTIONS)
    text = document()["info"]["description"]
    assert all(f"`{name}`" in text for name in CHANNELS)
    assert all(str(code) in text for code in CLOSE_CODES)
    written = (ROOT / "docs" / "stream.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in written for name in CHANNELS)
    assert all(str(code) in written for code in CLOSE_CODES)


def fits(frame: dict[str, Any]) -> bool:
    payload = document()["components"]["messages"][frame["type"]]["payload"]
    closed = {**payload, "additionalProperties": False}
    return jsonschema_rs.is_valid(closed, frame)


async def test_what_the_server_says_fits(tmp_path: Path) -> None:
    async with live(tmp_path, collected=True) as server, server.connected("/ws?symbols=BTC") as socket:
        said = await frames(socket, 2)
        said.append(await ask(socket, {"action": "subscribe", "channel": "market", "id": [1]}, "subscribed"))
        said.append(await until(socket, "snapshot"))
        gone = {"action": "subscribe", "channel": "news", "since": 5, "epoch": "0"}
        await ask(socket, gone, "subscribed")
        said.append(await until(socket, "snapshot"))
        assert said[-1]["gap"] is True
        said.append(await ask(socket, {"action": "unsubscribe", "channel": "news"}, "unsubscribed"))
        said.append(await ask(socket, {"action": "get_status"}, "status"))
        said.append(await ask(socket, {"action": "ping", "id": None}, "pong"))
        said.append(await ask(socket, {"action": "fly"}, "error"))
        server.publish("prices", "BTC", {"price": 1})
        said.append(await until(socket, "update"))
        for _ in range(12):
            await server.clock.advance(1)
        said.append(await until(socket, "heartbeat"))
        assert {frame["type"] for frame in said} == set(RECEIVED) - {"authenticated"}
        assert [frame for frame in said if not fits(frame)] == []


@pytest.mark.asyncio(loop_scope="module")
async def test_it_is_served(api: Service) -> None:
    answer = await api.get("/asyncapi.json")
    assert answer.status_code == 200
    assert answer.json() == document()
    assert (await api.get("/asyncapi.json", If_None_Match=answer.headers["etag"])).status_code == 304
