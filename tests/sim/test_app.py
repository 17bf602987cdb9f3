"""The app: dispatch, the log and its meters, the control panel, and a real server's connections."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import httpx2
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from sim_client import ENTRIES, START_MS, Client

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Limit
from crypto_dt_source.sim.app import SimApp, create_app
from crypto_dt_source.sim.log import RequestLog
from crypto_dt_source.sim.wire import text

TICKER = "/binance/api/v3/ticker/24hr?symbol=BTCUSDT"


async def log(client: Client, since: int = 0) -> dict[str, object]:
    answer: dict[str, object] = (await client.get(f"/__sim__/log?since={since}")).json()
    return answer


async def test_every_live_and_keyed_entry_of_the_catalogue_is_served(clock: ManualClock) -> None:
    app = create_app(1, clock)
    live = {entry.id for entry in catalog.load().values() if entry.status in ("live", "keyed")}
    assert set(app.entries) == live


async def test_unknown_paths_are_404_and_counted(client: Client) -> None:
    for target in ("/nosuch/x", "/binance/api/v3/nosuch", "/binance", "/", "/__simx"):
        assert (await client.get(target)).status == 404
    seen = await log(client)
    assert seen["counters"]["unknown"] == 5  # type: ignore[index]
    assert {row["status"] for row in seen["requests"]} == {404}  # type: ignore[attr-defined]


async def test_templates_keep_to_their_segments(client: Client) -> None:
    assert (await client.get("/coinbase_exchange/products/BTC-USD/ticker")).status == 200
    assert (await client.get("/coinbase_exchange/products/BTC-USD/x/ticker")).json() == {
        "message": "Not Found"
    }
    assert (await client.get("/coinbase_exchange/products/NOSUCH-USD/ticker")).json() == {
        "message": "NotFound"
    }


async def test_the_log_shows_requests_without_keys(client: Client) -> None:
    await client.get(TICKER + "&api_key=s3cret&token=s3cret")
    await client.fault("binance", "5xx")
    await client.get(TICKER)
    seen = await log(client)
    first, second = seen["requests"]  # type: ignore[misc]
    assert first == {
        "id": 1,
        "time": "2026-09-21T09:37:17Z",
        "provider": "binance",
        "path": "/api/v3/ticker/24hr",
        "query": {"symbol": "BTCUSDT"},
        "status": 200,
        "fault": None,
    }
    assert (second["status"], second["fault"]) == (503, "5xx")
    assert "s3cret" not in repr(seen)
    assert seen["counters"]["faults"] == {"5xx": 1}  # type: ignore[index]
    later = await log(client, since=1)
    assert [row["id"] for row in later["requests"]] == [2]  # type: ignore[attr-defined]
    assert (await client.send("DELETE", "/__sim__/log")).status == 200
    empty = await log(client)
    assert (empty["requests"], empty["last"], empty["counters"]["requests"]) == ([], 2, {})  # type: ignore[index]


def test_the_log_is_bounded() -> None:
    kept = RequestLog()
    for number in range(kept.KEPT + 10):
        kept.write(START_MS + number, "binance", "/x", [], ())
    rows = kept.since(0)
    assert (len(rows), rows[0]["id"], rows[-1]["id"]) == (kept.KEPT, 11, kept.KEPT + 10)
    assert [row["id"] for row in kept.since(kept.KEPT + 8)] == [kept.KEPT + 9, kept.KEPT + 10]
    assert kept.since(kept.KEPT + 10) == []


def test_limits_are_metered_as_sliding_windows() -> None:
    seen = RequestLog()
    entry = next(e for e in ENTRIES.values() if e.id == "kraken")
    assert entry.limits == (Limit(1, 1),)
    for ms in (0, 1000, 2000, 2999, 3998, 4998):
        seen.meter(entry, 1, START_MS + ms)
    assert seen.limit_breaches["kraken"] == 2
    assert seen.requests["kraken"] == 6


@pytest.mark.parametrize("pace", [7, 10, 13])
def test_the_meter_agrees_with_counting_everything(pace: int) -> None:
    entry = next(e for e in ENTRIES.values() if e.id == "coinbase_exchange")
    (limit,) = entry.limits
    seen, times, breaches = RequestLog(), [], 0
    for number in range(500):
        now = START_MS + number * number * pace % 40_000 // 10 + number * pace * 10
        now = max(now, times[-1] if times else now)
        times.append(now)
        seen.meter(entry, 1, now)
        breaches += sum(1 for t in times if t > now - limit.per_s * 1000) > limit.amount
    assert seen.limit_breaches["coinbase_exchange"] == breaches


async def test_weights_are_the_providers_own_and_hosts_of_one_source_share(client: Client) -> None:
    await client.get("/binance/api/v3/ticker/24hr")
    await client.get("/binance_main/api/v3/depth?symbol=BTCUSDT&limit=5000")
    await client.get(TICKER)
    seen = await log(client)
    counters = seen["counters"]
    assert counters["weight"] == {"binance": 80 + 250 + 2}  # type: ignore[index]
    assert counters["requests"] == {"binance": 2, "binance_main": 1}  # type: ignore[index]
    assert counters["limit_breaches"] == {}  # type: ignore[index]
    for _ in range(23):
        await client.get("/binance_main/api/v3/depth?symbol=BTCUSDT&limit=5000")
    assert (await log(client))["counters"]["limit_breaches"] == {"binance": 1}  # type: ignore[index]


async def test_faults_are_set_listed_and_removed(client: Client) -> None:
    made = await client.fault("binance", "delay", capability="quotes", ms=5, p=0.5, for_s=60)
    assert made.status == 201
    fault = made.json()
    assert fault == {
        "id": 1,
        "provider": "binance",
        "capability": "quotes",
        "fault": "delay",
        "p": 0.5,
        "since": "2026-09-21T09:37:17Z",
        "until": "2026-09-21T09:38:17Z",
        "params": {"ms": 5},
    }
    await client.fault("*", "hang")
    assert [f["id"] for f in (await client.get("/__sim__/faults")).json()["faults"]] == [1, 2]
    assert (await client.send("DELETE", "/__sim__/faults/1")).json() == {"removed": 1}
    assert (await client.send("DELETE", "/__sim__/faults/1")).status == 404
    assert (await client.send("DELETE", "/__sim__/faults")).json() == {"removed": 1}
    assert (await client.get("/__sim__/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/__sim__/faults", b""),
        ("POST", "/__sim__/faults", b"{"),
        ("POST", "/__sim__/faults", b"\xff"),
        ("POST", "/__sim__/faults", b"[]"),
        ("POST", "/__sim__/faults", b"{}"),
        ("POST", "/__sim__/faults", b'{"provider":"binance"}'),
        ("POST", "/__sim__/faults", b'{"provider":1,"fault":"hang"}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":["hang"]}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":"hang","capability":[]}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":"hang","params":[1]}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":"hang","sceond":1}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":"delay","ms":1e400}'),
        ("POST", "/__sim__/faults", b'{"provider":"binance","fault":"swapped","asset":["BTC"]}'),
        ("DELETE", "/__sim__/faults/abc", b""),
        ("POST", "/__sim__/market", b'{"asset":"BTC"}'),
        ("POST", "/__sim__/market", b'{"asset":"NOSUCH","price":1}'),
        ("POST", "/__sim__/market", b'{"asset":"BTC","price":0}'),
        ("POST", "/__sim__/market", b'{"asset":"BTC","price":"1"}'),
        ("POST", "/__sim__/market", b'{"asset":"BTC","price":true}'),
        ("POST", "/__sim__/market", b'{"asset":"BTC","price":1,"factor":2}'),
        ("POST", "/__sim__/market", b'{"asset":"BTC","factor":-1}'),
        ("GET", "/__sim__/log?since=x", b""),
        ("GET", "/__sim__/log?since=-1", b""),
    ],
)
async def test_bad_control_input_is_422_with_a_sentence(
    client: Client, method: str, target: str, body: bytes
) -> None:
    heard = await client.send(method, target, body=body)
    assert heard.status == 422
    error = heard.json()["error"]
    assert error["code"] == "invalid_parameter"
    assert error["message"].endswith(".")
    assert client.app.faults.all() == []
    assert client.app.market.version == 0


async def test_wrong_methods_and_places_of_the_control_panel(client: Client) -> None:
    assert (await client.get("/__sim__/nosuch")).status == 404
    assert (await client.send("PUT", "/__sim__/faults")).status == 405
    assert (await client.send("GET", "/__sim__/faults/1")).status == 405
    assert (await client.send("POST", "/__sim__/log")).status == 405
    assert (await client.send("DELETE", "/__sim__/market")).status == 405
    assert client.app.log.total == 0


async def test_the_market_is_moved_by_request_and_every_venue_follows_at_once(client: Client) -> None:
    before = float((await client.get(TICKER)).json()["lastPrice"])
    moved = await client.send("POST", "/__sim__/market", json={"asset": "btc", "factor": 1.25})
    assert moved.status == 200
    assert float((await client.get(TICKER)).json()["lastPrice"]) == pytest.approx(before * 1.25, rel=1e-6)
    await client.send("POST", "/__sim__/market", json={"asset": "BTC", "price": 50_000})
    heard = (await client.get("/kraken/0/public/Ticker?pair=XBTUSD")).json()
    assert float(heard["result"]["XXBTZUSD"]["c"][0]) == pytest.approx(50_000, rel=0.001)
    assert (await client.get("/__sim__/market")).json()["prices"]["BTC"] == pytest.approx(50_000)


async def test_an_answer_is_made_once_a_second(client: Client) -> None:
    target = "/binance/api/v3/ticker/24hr"
    first = (await client.get(target)).body
    await client.clock.advance(0.5)
    assert (await client.get(target)).body == first
    await client.clock.advance(0.5)
    assert (await client.get(target)).body != first


@contextlib.asynccontextmanager
async def served(app: SimApp) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the app behind a real server on loopback, stepped by hand: nothing waits on a timer."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical")
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as http:
            yield http
    finally:
        await server.shutdown()


async def test_on_loopback_a_reset_cuts_the_connection_and_the_next_request_works(client: Client) -> None:
    async with served(client.app) as http:
        assert (await http.get(TICKER)).json()["symbol"] == "BTCUSDT"
        made = await http.post("/__sim__/faults", json={"provider": "binance", "fault": "reset"})
        assert made.status_code == 201
        with pytest.raises(httpx2.RemoteProtocolError):
            await http.get(TICKER)
        await http.delete("/__sim__/faults")
        assert (await http.get(TICKER)).status_code == 200


async def test_on_loopback_a_hang_ends_when_the_client_gives_up(client: Client) -> None:
    async with served(client.app) as http:
        client.app.faults.add("binance", "hang")
        with pytest.raises(httpx2.ReadTimeout):
            await http.get(TICKER, timeout=0.05)
        assert client.app.log.since(0)[-1]["status"] is None


async def test_as_an_asgi_transport(client: Client) -> None:
    transport = httpx2.ASGITransport(app=client.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://sim") as http:
        heard = await http.get(TICKER)
        assert heard.json()["symbol"] == "BTCUSDT"


@given(st.floats(min_value=1e-12, max_value=1e17))
def test_numbers_are_printed_as_exchanges_print_them(value: float) -> None:
    shown = text(value)
    assert set(shown) <= set("0123456789.")
    assert float(shown) == pytest.approx(value, rel=1e-9)
    assert not shown.endswith(".")
    assert "." not in shown or not shown.endswith("0")


def test_the_numbers_that_print_badly_by_themselves() -> None:
    assert [text(value) for value in (0, 1e-8, 100, 1e15, 91789.649, 0.1 + 0.2)] == [
        "0",
        "0.00000001",
        "100",
        "1000000000000000",
        "91789.649",
        "0.3",
    ]
