"""A client of the simulator inside the process: no server, no sockets, the raw ASGI messages at hand."""

from __future__ import annotations

import asyncio
import importlib.util
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import msgspec

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.errors import UpstreamError
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.sim.app import SimApp

START_MS = 1_789_983_437_000  # a Monday, 10:57:17: inside an interval of every length


def ready(entry: Entry) -> bool:
    """Whether both sides of the conversation with this provider are there."""
    if entry.status not in ("live", "keyed"):
        return False
    return all(
        importlib.util.find_spec(f"crypto_dt_source.{place}.{entry.adapter}")
        for place in ("providers.adapters", "sim.wire")
    )


ENTRIES = {entry.id: entry for entry in catalog.load().values() if ready(entry)}


@dataclass
class Heard:
    """What a client of the app saw. `complete`: the body ended; `declared`: the promised length."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False
    chunks: list[bytes] = field(default_factory=list)

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Sends requests to a SimApp and keeps what came back."""

    def __init__(self, app: SimApp, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock

    async def send(
        self,
        method: str,
        target: str,
        *,
        json: Any = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        heard: Heard | None = None,
    ) -> Heard:
        """One request; give `heard` to watch an answer while it comes."""
        content = msgspec.json.encode(json) if body is None and json is not None else body or b""
        path, _, query = target.partition("?")
        seen = heard or Heard()
        pending = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if pending:
                return pending.pop()
            return await asyncio.get_running_loop().create_future()

        async def push(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.status = message["status"]
                seen.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                seen.body += message["body"]
                seen.chunks.append(message["body"])
                seen.complete = not message.get("more_body", False)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        }
        await self.app(scope, receive, push)
        return seen

    async def get(self, target: str) -> Heard:
        return await self.send("GET", target)

    async def fault(self, provider: str, fault: str, **fields: Any) -> Heard:
        return await self.send(
            "POST", "/__sim__/faults", json={"provider": provider, "fault": fault, **fields}
        )

    async def reply(self, entry: Entry, request: Request) -> Reply:
        """What the gateway would hand the adapter for `request`, with the entry's key where one is needed."""
        params, headers = list(request.params), dict(request.headers)
        if entry.auth is not None:
            if entry.auth.place == "query":
                params.append((entry.auth.name, "k"))
            elif entry.auth.place == "bearer":
                headers["authorization"] = "Bearer k"
            else:
                headers[entry.auth.name] = f"{entry.auth.prefix}k"
        target = f"/{entry.id}{request.path}" + (f"?{urlencode(params)}" if params else "")
        heard = await self.send(request.method, target, body=request.body, headers=headers)
        assert heard.status is not None
        return Reply(entry.id, heard.status, heard.body, self.clock.now_ms(), heard.headers, request)

    async def ask(self, entry: Entry, capability: Any, ask: Any) -> list[Any]:
        """Every record of all pages; raises what the adapter makes of an error."""
        adapter = catalog.adapter_of(entry)
        endpoint = adapter.endpoints[capability]
        records: list[Any] = []
        replies: list[Reply] = []
        request: Request | None = endpoint.request(ask)
        while request is not None:
            reply = await self.reply(entry, request)
            replies.append(reply)
            if reply.status >= 300:
                error = adapter.explain(reply)
                raise (
                    error
                    if error is not None
                    else UpstreamError(f"status {reply.status}: {reply.body[:200]!r}")
                )
            records.extend(endpoint.parse(reply, ask))
            request = endpoint.next(reply, ask, request) if endpoint.next else None
        return list(endpoint.merge(replies, ask)) if endpoint.merge else records
