"""What the tests of the adapters for perpetual contracts share: asks in short form, and bodies none may swallow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crypto_dt_source.model.ask import Capability, FundingAsk, OpenInterestAsk
from crypto_dt_source.model.errors import PayloadChanged, UpstreamError
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Adapter, Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000


class Desk:
    """One adapter."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter

    def reply(self, body: Any, status: int = 200) -> Reply:
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Reply(self.adapter.name, status, body, NOW)

    def funding(self, body: Any, *pairs: Pair) -> list[Any]:
        endpoint = self.adapter.endpoints[Capability.FUNDING]
        return list(endpoint.parse(self.reply(body), FundingAsk(pairs)))

    def interest(self, body: Any, *pairs: Pair) -> list[Any]:
        endpoint = self.adapter.endpoints[Capability.OPEN_INTEREST]
        return list(endpoint.parse(self.reply(body), OpenInterestAsk(pairs)))

    def requests(self, ask: FundingAsk | OpenInterestAsk, body: Any = "") -> list[Request]:
        """The calls of an ask, one after the other, whatever `body` each was answered with."""
        funding = isinstance(ask, FundingAsk)
        endpoint = self.adapter.endpoints[Capability.FUNDING if funding else Capability.OPEN_INTEREST]
        calls: list[Request] = []
        following: Request | None = endpoint.request(ask)
        while following is not None:
            calls.append(following)
            assert len(calls) < 10
            following = endpoint.next(self.reply(body), ask, following) if endpoint.next else None
        return calls

    def explain(self, body: Any, status: int) -> UpstreamError | None:
        return self.adapter.explain(self.reply(body, status))

    def damaged(self, body: Any, value: str, *pairs: Pair) -> None:
        """`body` is read for both capabilities; cut short, replaced by HTML or with `value` turned into an object it raises
        PayloadChanged, and the last names where."""
        text = json.dumps(body)
        assert text.count(value) == 1
        for read in (self.funding, self.interest):
            assert read(text, *pairs)
            for broken in (
                text[: len(text) // 2],
                text[:-1],
                "<!doctype html><html></html>",
                "",
                "null",
                "7",
            ):
                with pytest.raises(PayloadChanged):
                    read(broken, *pairs)
            with pytest.raises(PayloadChanged) as caught:
                read(text.replace(value, '{"no":"number"}'), *pairs)
            assert caught.value.path.startswith("$")
            assert caught.value.path != "$"


def same_kind(caught: pytest.ExceptionInfo[Any], error: type[Exception]) -> bool:
    """Whether exactly `error` was raised, not a narrower one."""
    return type(caught.value) is error
