"""Bad requests: every one gets the one shape, the right status and a word on what is allowed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import msgspec
import pytest
from fastapi import Depends, FastAPI
from in_process import ADDRESS, Service, error_of

from crypto_dt_source.api import bodies, errors
from crypto_dt_source.api.edge import MAX_BODY_BYTES, Edge
from crypto_dt_source.api.gate import Gate
from crypto_dt_source.clock import SystemClock

pytestmark = pytest.mark.asyncio(loop_scope="module")
HUGE = "9" * 30


@pytest.mark.parametrize("path", ["/nope", "/api", "/api/market/", "/api/pricesx", "/%00", "/api/market/%ff"])
async def test_unknown_route(api: Service, path: str) -> None:
    await api.error(path, 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_other_methods_are_refused_and_the_right_ones_named(api: Service, method: str) -> None:
    for path in ("/api/market", "/api/prices/BTC", "/openapi.json"):
        answer = await api.client.request(method, path, content=b"{}")
        error_of(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("path", "parameter", "got", "allowed"),
    [
        ("/api/ohlcv", "symbol", None, "a text of 1 to 64 characters"),
        ("/api/ohlcv?symbol=BTC&interval=9h", "interval", "9h", ["1m", "3m", "5m"]),
        ("/api/ohlcv?symbol=BTC&limit=0", "limit", "0", "a whole number from 1 to 1000"),
        ("/api/ohlcv?symbol=BTC&limit=1001", "limit", "1001", "a whole number from 1 to 1000"),
        ("/api/ohlcv?symbol=BTC&limit=1.5", "limit", "1.5", "a whole number from 1 to 1000"),
        ("/api/ohlcv?symbol=BTC&limit=nan", "limit", "nan", "a whole number from 1 to 1000"),
        (f"/api/ohlcv?symbol=BTC&limit={HUGE}", "limit", HUGE, "a whole number from 1 to 1000"),
        (f"/api/coins?page=1{'0' * 4999}", "page", "1" + "0" * 99, "a whole number from 1 to 100000"),
        ("/api/ohlcv?symbol=BTC&start=yesterday", "start", "yesterday", "RFC 3339 or milliseconds"),
        (f"/api/ohlcv?symbol=BTC&start={HUGE}", "start", HUGE, "RFC 3339 or milliseconds"),
        ("/api/ohlcv?symbol=BTC&start=0001-01-01T00:00:00Z", "start", "0001-01-01T00:00:00Z", None),
        ("/api/ohlcv?symbol=BTC&start=2099-01-01T00:00:00Z", "start", None, None),
        ("/api/ohlcv?symbol=BTC&start=2026-09-02T00:00:00Z&end=2026-09-01T00:00:00Z", "end", None, None),
        ("/api/prices?symbols=", "symbols", "", "a text of 1 to 4000 characters"),
        ("/api/prices?symbols=,,", "symbols", 0, "1 to 100"),
        (f"/api/prices?symbols={','.join(map(str, range(101)))}", "symbols", 101, "1 to 100"),
        ("/api/prices?symbols=BTC&vs=DOGE", "vs", "DOGE", None),
        ("/api/prices/BTC?vs=%00", "vs", "\x00", None),
        ("/api/prices/%00", "symbol", r"\x00", "1 to 64 printable characters"),
        (f"/api/prices/{'x' * 65}", "symbol", "x" * 65, "a text of 1 to 64 characters"),
        ("/api/prices/", "symbol", "", "a text of 1 to 64 characters"),
        ("/api/prices/%20", "symbol", " ", "1 to 64 printable characters"),
        ("/api/market/gainers?limit=101", "limit", "101", "a whole number from 1 to 100"),
        ("/api/market/history?days=-1", "days", "-1", "a whole number from 1 to 3650"),
        ("/api/coins/search?q=", "q", "", "a text of 1 to 64 characters without control characters"),
        ("/api/coins/search?q=a%0Ab", "q", "a\nb", "a text of 1 to 64 characters without control characters"),
        ("/api/orderbook?symbol=BTC&depth=0", "depth", "0", "a whole number from 1 to 1000"),
        ("/api/defi/yields?min_tvl=nan", "min_tvl", "nan", "a number from 0 to 1000000000000"),
        ("/api/defi/yields?min_tvl=-0.5", "min_tvl", "-0.5", "a number from 0 to 1000000000000"),
        ("/api/defi/yields?stablecoin=maybe", "stablecoin", "maybe", "true or false"),
        ("/api/providers?q=%00", "q", "\x00", "a text of 0 to 64 characters without control characters"),
    ],
)
async def test_wrong_parameter_is_named(
    api: Service, path: str, parameter: str, got: Any, allowed: Any
) -> None:
    details = (await api.error(path, 422, "invalid_parameter"))["details"]
    assert details["parameter"] == parameter
    if got is not None:
        assert details["got"] == got
    if isinstance(allowed, list):
        assert details["allowed"][: len(allowed)] == allowed
    elif allowed is not None:
        assert details["allowed"] == allowed
    assert details["allowed"]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/prices/NOSUCHCOIN", "unknown_symbol"),
        ("/api/prices/%ff%fe", "unknown_symbol"),
        ("/api/prices/%F0%9F%92%A9", "unknown_symbol"),
        ("/api/prices/%ED%A0%80", "unknown_symbol"),
        ("/api/prices/../../etc/passwd", "not_found"),
        ("/api/prices/..%2F..%2Fetc%2Fpasswd", "unknown_symbol"),
        ("/api/prices/'%3BDROP%20TABLE%20prices", "unknown_symbol"),
        ("/api/ohlcv?symbol=BTC-XYZ", "unknown_symbol"),
        ("/api/ohlcv?symbol=BTC&provider=nowhere", "not_found"),
        ("/api/orderbook?symbol=BTC&provider=nowhere", "not_found"),
        ("/api/coins/nosuchcoin", "unknown_symbol"),
        ("/api/exchanges/nowhere", "not_found"),
        ("/api/providers/nowhere", "not_found"),
        ("/api/providers/%F0%9F%92%A9/stats", "not_found"),
        ("/api/providers/category/nothing", "not_found"),
        ("/docs/assets/../core.py", "not_found"),
        ("/docs/assets/..%2Fcore.py", "not_found"),
    ],
)
async def test_what_is_not_there(api: Service, path: str, code: str) -> None:
    body = await api.error(path, 404, code)
    if code == "unknown_symbol":
        assert isinstance(body["details"]["did_you_mean"], list)


async def test_parameters_nobody_knows_are_ignored_and_the_last_of_two_counts(api: Service) -> None:
    await api.error("/api/coins?page_size=5&page_size=", 422, "invalid_parameter")
    body = await api.data("/api/coins?nonsense=%ff%00&page_size=5&page_size=3")
    assert len(body["data"]) == 3


async def test_url_beyond_its_bound(api: Service) -> None:
    for path in (f"/api/prices?symbols={'x' * 9000}", f"/{'x' * 9000}"):
        assert (await api.error(path, 413, "too_large"))["details"] == {"allowed_bytes": 8192}


async def test_body_beyond_its_bound_is_refused_by_its_announcement(api: Service) -> None:
    answer = await api.client.request("GET", "/api/market", content=b"x" * (MAX_BODY_BYTES + 1))
    error_of(answer, 413, "too_large")
    answer = await api.client.request("GET", "/api/market", content=b"x" * 10)
    assert answer.status_code == 200


async def test_errors_are_counted_under_their_route(api: Service) -> None:
    api.rt.accounts.drain()
    await api.get("/api/prices/NOSUCHCOIN")
    await api.get("/nope/whatever")
    await api.client.head("/api/market")
    rows = [(row.endpoint, row.status) for row in api.rt.accounts.drain()[0]]
    assert rows == [("/api/prices/{symbol}", 404), ("(unmatched)", 404), ("/api/market", 200)]


class Short(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(max_length=5)]


def app_with_a_body() -> Edge:
    """Two routes: one with a body, one that breaks."""
    app = FastAPI()
    app.state.places = bodies.Places()
    errors.install(app)

    @app.post("/text")
    async def text(body: Annotated[Short, Depends(bodies.reads(Short))]) -> dict[str, str]:
        return {"text": body.text}

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("a secret in an exception")

    return Edge(app, SystemClock(), lambda *_: None, Gate(lambda: None))


@pytest.fixture
async def posting() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=app_with_a_body(), raise_app_exceptions=False)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        yield client


@pytest.mark.asyncio(loop_scope="function")
async def test_bodies_that_cannot_be_read(posting: httpx2.AsyncClient) -> None:
    json = {"Content-Type": "application/json"}
    assert (await posting.post("/text", json={"text": "abc"})).json() == {"text": "abc"}
    error_of(await posting.post("/text", content=b"{", headers=json), 400, "bad_request")
    body = error_of(await posting.post("/text", json={"text": "abcdef"}), 422, "invalid_parameter")
    assert body["details"]["parameter"] == "text"
    assert body["details"]["got"] == "abcdef"

    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100_000

    error_of(await posting.post("/text", content=unannounced(), headers=json), 413, "too_large")


@pytest.mark.asyncio(loop_scope="function")
async def test_our_own_failure_tells_nothing_of_itself(posting: httpx2.AsyncClient) -> None:
    answer = await posting.get("/broken")
    error_of(answer, 500, "internal_error")
    assert "secret" not in answer.text
    assert "Zero" not in answer.text
