"""The REST API of a running service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec

from .frames import Price
from .key import base_of, headers_of
from .stream import Stream, Wanted

TIMEOUT_S = 30.0


class ApiError(Exception):
    """An error answer. `code` is for programs, `retry_after` seconds where waiting helps."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("code", "error"))
        self.details: Mapping[str, Any] = body.get("details") or {}
        after = body.get("retry_after")
        self.retry_after: int | None = after if isinstance(after, int) else None
        super().__init__(str(body.get("error", f"the server answered {status}")))


class Unreachable(Exception):
    """Nobody answers there, or not as this service does."""


class Prices(NamedTuple):
    """Prices of the known symbols, in the order asked; `errors` are of the others."""

    rows: list[Price]
    errors: list[dict[str, Any]]
    meta: dict[str, Any]


class _Answer(msgspec.Struct):
    data: list[Price]
    errors: list[dict[str, Any]]
    meta: dict[str, Any]


class Client:
    """`url` is the address of the service, `key` an API key or token of it. Use it as an async context manager, or call
    `close`. Raises ValueError for an address or a key that cannot be one."""

    def __init__(self, url: str, key: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = base_of(url)
        self._key = key
        self._headers = headers_of(key)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections, streams apart."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, **parameters: str | int | float | None) -> Any:
        """The JSON of any GET route: `await client.get("/api/ohlcv", symbol="BTC", limit=10)`; parameters that are None
        are left out. Raises ApiError, Unreachable."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=self._timeout)
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        try:
            # Not followed elsewhere: the key is for this server.
            async with self._session.get(self.url + path, params=given, allow_redirects=False) as reply:
                body = await reply.read()
                status = reply.status
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{self.url} does not answer ({type(error).__name__}).") from error
        if 300 <= status < 400:
            raise Unreachable(f"{self.url} sends elsewhere (status {status}); use the address it names.")
        try:
            made = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise Unreachable(f"{self.url} does not answer with JSON (status {status}).") from None
        if status >= 400:
            raise ApiError(status, made if isinstance(made, dict) else {})
        return made

    async def prices(self, *symbols: str, vs: str | None = None) -> Prices:
        """Consensus prices. Raises ApiError, Unreachable."""
        answer = await self.get("/api/prices", symbols=",".join(symbols), vs=vs)
        try:
            found = msgspec.convert(answer, _Answer)
        except msgspec.ValidationError:
            raise Unreachable(f"{self.url} does not answer as this service does.") from None
        return Prices(found.data, found.errors, found.meta)

    async def price(self, symbol: str, vs: str | None = None) -> Price:
        """One consensus price. Raises ApiError, Unreachable."""
        rows, errors, _ = await self.prices(symbol, vs=vs)
        if not rows:
            raise ApiError(404, errors[0] if errors else {})
        return rows[0]

    def stream(self, channels: Iterable[str] = (), **by_symbol: Iterable[str]) -> Stream:
        """A stream of channels without symbols, and of others with theirs: `client.stream(["news"], prices=["BTC"])`. It has
        a connection of its own."""
        wanted = [Wanted(name) for name in channels]
        wanted += [Wanted(name, tuple(symbols)) for name, symbols in by_symbol.items()]
        return Stream(self.url, wanted, self._key)
