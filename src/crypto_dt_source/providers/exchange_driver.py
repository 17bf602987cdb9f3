"""What of an exchange of the exchange library (ccxt) would reach outside, replaced: the network, the time, and numbers that
would keep it busy for hours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ..model.errors import NotOffered, PayloadChanged
from .kit import Reply, Request

_POWER = re.compile(r"[\s+._-]*\d[\s\d._+-]*[eE](?![+-]?\d{1,2}\Z)[\s\d_+-]+\Z")
"""A number nobody could write out, in every spelling that `int` reads: `1e999`, `1e 9_999`. ccxt reckons with whole numbers
of any length: one such field would keep it busy for hours."""
MOST_DIGITS = 60
"""Digits of the finest price or amount: ccxt writes out as many as it is told."""
MOST_ROWS, MOST_BYTES = 20_000, 16 * 1024 * 1024
"""Of a list, and of a body: ccxt takes up to a tenth of a millisecond for a row, and nobody could stop it."""
STUMBLES = (
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    RuntimeError,
    OSError,
)
"""What ccxt's parsers raise over a body they were not written for. RuntimeError: nested too deep; OSError: a time the
platform cannot represent."""


def _writable(value: Any) -> Any:
    """The document with None for each number nobody could write out. Raises PayloadChanged for a list of more rows than any
    exchange has."""
    if isinstance(value, dict | list) and len(value) > MOST_ROWS:
        raise PayloadChanged(f"there are more than {MOST_ROWS} rows", path="$")
    if isinstance(value, dict):
        return {key: _writable(item) for key, item in value.items() if not _POWER.match(key)}
    if isinstance(value, list):
        return [_writable(item) for item in value]
    return None if isinstance(value, str) and _POWER.match(value) else value


class Asked(BaseException):
    """Ends a run: this has to be asked first. A BaseException, because methods of ccxt catch Exception and go on."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request


class Driven:
    """What replaces the methods of a ccxt exchange that would reach outside: for the network and for the time."""

    synchronous = False  # no session is made
    driven_base = ""
    driven_reply: Reply | None = None
    driven_steps: Mapping[Request, Reply] = {}
    driven_now: int | None = None
    driven_bad: list[str]
    driven_plain = False

    def fetch(self, url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        """The decoded reply to this request. Raises Asked when there is none."""
        request = request_of(self.driven_base, url, method, headers, body)
        reply = self._found(request)
        if reply is None:
            raise Asked(request)
        if len(reply.body) > MOST_BYTES:
            raise PayloadChanged(f"the body is larger than {MOST_BYTES} bytes", path="$")
        text = reply.body.decode("utf-8", "replace").strip()
        decoded = self.decoded(text)
        if decoded is None:
            start = "HTML" if text[:1] == "<" else "not JSON, or cut short"
            raise PayloadChanged(f"the body is {start}", path="$")
        me: Any = self
        me.handle_errors(reply.status, "", url, method, dict(reply.headers), text, decoded, headers, body)
        return decoded

    def _found(self, request: Request) -> Reply | None:
        if request in self.driven_steps:
            return self.driven_steps[request]
        reply = self.driven_reply
        if reply is None or reply.asked is None or reply.asked == request:
            return reply
        # The time may be part of the query.
        same = (reply.asked.method, reply.asked.path) == (request.method, request.path)
        names = {name for name, _ in reply.asked.params} == {name for name, _ in request.params}
        return reply if same and names and self._timed(reply.asked, request) else None

    def _timed(self, asked: Request, request: Request) -> bool:
        return all(
            a == b or (a[1].isdigit() and b[1].isdigit())
            for a, b in zip(asked.params, request.params, strict=True)
        )

    def decoded(self, text: str) -> Any:
        """JSON with its numbers as the texts they were (not where `driven_plain`); None for what is no JSON."""
        try:
            kept: Any = None if self.driven_plain else str
            found = json.loads(text, parse_float=kept, parse_int=kept)
        except ValueError:
            return None
        # After decoding: an escape can spell any digit.
        return _writable(found) if isinstance(found, dict | list) else None

    def load_markets(self, reload: bool = False, params: Any = None) -> Any:
        """What the run was given: it never asks."""
        me: Any = self
        return me.markets

    def insert_missing_candles(self, candles: Any, *_: Any) -> Any:
        """None: an interval without a trade has no candle."""
        return candles

    def milliseconds(self) -> int:
        """The time of the reply, or the one the ask implies. Raises NotOffered where neither says it."""
        if self.driven_now is None:
            raise NotOffered("needs to know until when")
        return self.driven_now

    def seconds(self) -> int:
        return self.milliseconds() // 1000

    def microseconds(self) -> int:
        return self.milliseconds() * 1000

    def parse_precision(self, precision: Any) -> Any:
        """ccxt writes the digits out one by one, whatever their number."""
        digits = None if precision is None else int(precision)
        if digits is None or abs(digits) > MOST_DIGITS:
            return None
        return super().parse_precision(precision)  # type: ignore[misc]

    def parse_ticker(self, ticker: Any, market: Any = None) -> Any:
        """A row that cannot be read is named and loses no other."""
        return self._spared(super().parse_ticker, ticker, market)  # type: ignore[misc]

    def parse_trade(self, trade: Any, market: Any = None) -> Any:
        """Like `parse_ticker`."""
        return self._spared(super().parse_trade, trade, market)  # type: ignore[misc]

    def _spared(self, parse: Callable[[Any, Any], Any], row: Any, market: Any) -> Any:
        try:
            return parse(row, market)
        except STUMBLES as error:
            name = row.get("symbol") if isinstance(row, dict) else None
            self.driven_bad.append(f"{name or 'row'}: {type(error).__name__}"[:100])
            me: Any = self
            return {**me.safe_ticker({}), "symbol": None, "timestamp": None, "id": None, "price": None}


def request_of(base_url: str, url: str, method: str, headers: Any, body: Any) -> Request:
    """What ccxt would send, below the entry's base URL. Raises NotOffered for another host: each is an entry of its own."""
    if not url.startswith(base_url):
        raise NotOffered("is asked of another host")
    path, _, query = url[len(base_url) :].partition("?")
    sent = {str(k): str(v) for k, v in dict(headers or {}).items() if k != "User-Agent"}
    content = None if body in (None, "") else str(body).encode()
    params = tuple(parse_qsl(query, keep_blank_values=True))
    return Request(path, params, method, content, tuple(sorted(sent.items())))
