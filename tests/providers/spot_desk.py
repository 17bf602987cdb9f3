"""What the tests of single spot adapters share: asks in short form, and bodies no adapter may swallow."""

from __future__ import annotations

import json
from typing import Any

import pytest

from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk, TradesAsk
from crypto_dt_source.model.errors import PayloadChanged, UpstreamError
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.kit import Adapter, Reply, Request

NOW = 1_790_000_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = NOW // DAY * DAY - 30 * DAY
"""A midnight, UTC, a month before NOW."""


class Desk:
    """One adapter with `pair` as the pair every ask is about unless another is given."""

    def __init__(self, adapter: Adapter, pair: Pair) -> None:
        self.adapter = adapter
        self.pair = pair

    def reply(self, body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        if not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return Reply(self.adapter.name, status, body, NOW, headers or {})

    def _parse(self, capability: Capability, body: Any, ask: Any) -> list[Any]:
        return list(self.adapter.endpoints[capability].parse(self.reply(body), ask))

    def _request(self, capability: Capability, ask: Any) -> Request:
        return self.adapter.endpoints[capability].request(ask)

    def quotes(self, body: Any, *pairs: Pair) -> list[Any]:
        return self._parse(Capability.QUOTES, body, QuotesAsk(pairs))

    def candles(
        self,
        body: Any,
        interval: str = "1h",
        start: int | None = None,
        end: int | None = None,
        limit: int = 500,
    ) -> list[Any]:
        return self._parse(Capability.CANDLES, body, CandlesAsk(self.pair, interval, start, end, limit))

    def book(self, body: Any, depth: int = 50) -> Any:
        (book,) = self._parse(Capability.BOOK, body, BookAsk(self.pair, depth))
        return book

    def trades(self, body: Any, limit: int = 100) -> list[Any]:
        return self._parse(Capability.TRADES, body, TradesAsk(self.pair, limit))

    def instruments(self, body: Any) -> list[Any]:
        return self._parse(Capability.INSTRUMENTS, body, InstrumentsAsk())

    def ask_quotes(self, *pairs: Pair) -> Request:
        return self._request(Capability.QUOTES, QuotesAsk(pairs))

    def ask_candles(
        self, interval: str = "1h", start: int | None = None, end: int | None = None, limit: int = 500
    ) -> Request:
        return self._request(Capability.CANDLES, CandlesAsk(self.pair, interval, start, end, limit))

    def ask_book(self, depth: int) -> Request:
        return self._request(Capability.BOOK, BookAsk(self.pair, depth))

    def ask_trades(self, limit: int) -> Request:
        return self._request(Capability.TRADES, TradesAsk(self.pair, limit))

    def ask_instruments(self) -> Request:
        return self._request(Capability.INSTRUMENTS, InstrumentsAsk())

    def explain(self, body: Any, status: int, headers: dict[str, str] | None = None) -> UpstreamError | None:
        return self.adapter.explain(self.reply(body, status, headers))

    def damaged(self, capability: str, body: Any, value: str, *pairs: Pair) -> None:
        """`body` is read; cut short, replaced by HTML or with `value` turned into an object it raises PayloadChanged,
        and the last names where."""
        read = {
            "quotes": lambda raw: self.quotes(raw, *pairs),
            "candles": self.candles,
            "book": self.book,
            "trades": self.trades,
            "instruments": self.instruments,
        }[capability]
        text = json.dumps(body)
        assert read(text)
        for broken in (
            text[: len(text) // 2],
            text[:-1],
            "<!doctype html><html><body>down</body></html>",
            "",
        ):
            with pytest.raises(PayloadChanged) as caught:
                read(broken)
            assert caught.value.path == "$"
        assert text.count(value) >= 1
        with pytest.raises(PayloadChanged) as caught:
            read(text.replace(value, '{"no":"number"}', 1))
        assert caught.value.path.startswith("$")
        assert caught.value.path != "$"


def normal(records: list[Any]) -> list[Any]:
    """The same records, known to be at least one and in normal form."""
    assert records
    assert [violation(record) for record in records] == [None] * len(records)
    return records


def asked(request: Request) -> tuple[str, dict[str, str], int]:
    """Path, parameters and weight."""
    assert request.method == "GET"
    assert request.body is None
    assert len(dict(request.params)) == len(request.params)
    return request.path, dict(request.params), request.weight
