"""Every kind of fault over the app, as the adapter and the client behind it meet it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from sim_client import ENTRIES, Client, Heard

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.model.ask import BookAsk, CandlesAsk, Capability, QuotesAsk
from crypto_dt_source.model.errors import PayloadChanged, SymbolNotListed, UpstreamRateLimited
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry
from crypto_dt_source.sim.app import create_app
from crypto_dt_source.sim.faults import KINDS, PRICE, TRANSPORT, FaultError, Faults

TICKER = "/binance/api/v3/ticker/24hr?symbol=BTCUSDT"
DEPTH = "/binance/api/v3/depth?symbol=BTCUSDT"
BTC = Pair("BTC", "USDT")


async def price(client: Client) -> float:
    (quote,) = await client.ask(ENTRIES["binance"], Capability.QUOTES, QuotesAsk((BTC,)))
    return float(quote.price)


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        ("429", 429, "30"),
        ("429_bare", 429, None),
        ("418", 418, "120"),
        ("451", 451, None),
        ("5xx", 503, None),
    ],
)
async def test_statuses(client: Client, fault: str, status: int, retry_after: str | None) -> None:
    await client.fault("binance", fault)
    heard = await client.get(TICKER)
    assert (heard.status, heard.headers.get("retry-after")) == (status, retry_after)
    assert heard.complete
    assert (await client.get("/okx/api/v5/market/ticker?instId=BTC-USDT")).status == 200


async def test_retry_after_and_status_can_be_chosen(client: Client) -> None:
    await client.fault("binance", "429", params={"retry_after": 7})
    assert (await client.get(TICKER)).headers["retry-after"] == "7"
    await client.fault("binance", "5xx", status=520)
    assert (await client.get(TICKER)).status == 520


async def test_pages_instead_of_json(client: Client) -> None:
    await client.fault("binance", "403_challenge")
    heard = await client.get(TICKER)
    assert heard.status == 403
    assert heard.headers["content-type"].startswith("text/html")
    assert b"<html" in heard.body
    await client.fault("binance", "html")
    heard = await client.get(TICKER)
    assert (heard.status, heard.body[:15]) == (200, b"<!DOCTYPE html>")


VENUES = [e for e in ENTRIES.values() if e.kind == "venue" and Capability.QUOTES in e.offers]
FEW = [e for e in VENUES if e.library_id][::7]
"""Of the exchange library: all of them have one adapter."""


@pytest.mark.parametrize("fault", ["html", "truncated", "wrong_schema"])
@pytest.mark.parametrize("entry", [*(e for e in VENUES if not e.library_id), *FEW], ids=lambda e: e.id)
async def test_a_body_that_is_not_the_format_is_seen_by_the_adapter(
    client: Client, fault: str, entry: Entry
) -> None:
    await client.fault("*", fault)
    with pytest.raises(PayloadChanged):
        await client.ask(entry, Capability.QUOTES, QuotesAsk((Pair("BTC", entry.quotes_in[0]),)))


async def test_an_error_inside_a_200(client: Client) -> None:
    await client.fault("kraken", "error_200")
    heard = await client.get("/kraken/0/public/Ticker?pair=XBTUSD")
    assert (heard.status, heard.json()) == (200, {"error": ["EGeneral:Too many requests"]})
    await client.fault("okx", "error_200")
    with pytest.raises(UpstreamRateLimited):
        await client.ask(ENTRIES["okx"], Capability.QUOTES, QuotesAsk((BTC,)))
    await client.fault("okx", "error_200", error="unknown_symbol")
    with pytest.raises(SymbolNotListed):
        await client.ask(ENTRIES["okx"], Capability.QUOTES, QuotesAsk((BTC,)))


async def test_a_reset_promises_more_than_it_sends(client: Client) -> None:
    await client.fault("binance", "reset")
    heard = await client.get(TICKER)
    assert not heard.complete
    assert 0 < len(heard.body) < int(heard.headers["content-length"])


async def test_a_hang_says_nothing(client: Client) -> None:
    await client.fault("binance", "hang")
    heard = Heard()
    task = asyncio.create_task(client.send("GET", TICKER, heard=heard))
    await client.clock.advance(3600)
    assert not task.done()
    assert heard.status is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_hang_ends_with_the_client() -> None:
    clock = ManualClock()
    app = create_app(1, clock, {"binance": catalog.load()["binance"]})
    app.faults.add("binance", "hang")
    messages = [{"type": "http.request", "body": b""}, {"type": "http.disconnect"}]
    sent: list[object] = []

    async def receive() -> dict[str, object]:
        return messages.pop(0)

    async def send(message: object) -> None:
        sent.append(message)

    path, _, query = TICKER.partition("?")
    scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode(), "headers": []}
    await app(scope, receive, send)
    assert sent == []


async def test_a_delay_and_a_slow_body_take_their_time(client: Client) -> None:
    await client.fault("binance", "delay", ms=800)
    heard = Heard()
    task = asyncio.create_task(client.send("GET", TICKER, heard=heard))
    await client.clock.advance(0.7)
    assert heard.status is None
    await client.clock.advance(0.2)
    assert heard.complete
    await task
    await client.fault("binance", "slow_body", ms=1000)
    heard = Heard()
    task = asyncio.create_task(client.send("GET", TICKER, heard=heard))
    await client.clock.advance(0.5)
    assert heard.status == 200
    assert 0 < len(heard.body) < int(heard.headers["content-length"])
    await client.clock.advance(0.6)
    await task
    assert heard.complete
    assert len(heard.body) == int(heard.headers["content-length"])
    assert msgspec.json.decode(heard.body)["symbol"] == "BTCUSDT"


async def test_a_frozen_price_stands_while_its_time_moves(client: Client) -> None:
    await client.fault("binance", "frozen")
    first = (await client.get(TICKER)).json()
    await client.clock.advance(3600)
    second = (await client.get(TICKER)).json()
    assert first["lastPrice"] == second["lastPrice"]
    assert second["closeTime"] - first["closeTime"] == 3_600_000
    client.app.faults.clear()
    assert (await client.get(TICKER)).json()["lastPrice"] != first["lastPrice"]


async def test_price_faults(client: Client) -> None:
    true = await price(client)
    for fault, params, factor in (
        ("power_of_ten", {"k": 2}, 100.0),
        ("power_of_ten", {"k": -3}, 0.001),
        ("inverted", {}, true**-2),
        ("clock_skew", {"ms": 86_400_000}, 1.0),
    ):
        await client.fault("binance", fault, params=params)
        assert await price(client) == pytest.approx(true * factor, rel=1e-3), fault
        client.app.faults.clear()
    await client.fault("binance", "swapped", params={"asset": "BTC", "with": "ETH"})
    market = client.app.market
    eth = market.true_price("ETH", client.clock.now_ms()) / market.true_price("USDT", client.clock.now_ms())
    assert await price(client) == pytest.approx(eth, rel=1e-3)


async def test_a_skewed_clock_shows_in_times(client: Client) -> None:
    await client.fault("binance", "clock_skew", ms=-7_200_000)
    assert (await client.get(TICKER)).json()["closeTime"] == client.clock.now_ms() - 7_200_000
    rows = await client.ask(ENTRIES["binance"], Capability.CANDLES, CandlesAsk(BTC, "1h", limit=3))
    assert rows[-1].open_ms == (client.clock.now_ms() - 7_200_000) // 3_600_000 * 3_600_000


async def test_missing_symbols(client: Client) -> None:
    full = await client.ask(ENTRIES["binance"], Capability.QUOTES, QuotesAsk())
    await client.fault("binance", "missing_symbols", symbols=["BTC", "ETH"])
    left = await client.ask(ENTRIES["binance"], Capability.QUOTES, QuotesAsk())
    assert {q.base for q in full} - {q.base for q in left} == {"BTC", "ETH"}
    with pytest.raises(SymbolNotListed):
        await client.ask(ENTRIES["binance"], Capability.BOOK, BookAsk(BTC))
    client.app.faults.clear()
    await client.fault("binance", "missing_symbols", share=0.5)
    half = await client.ask(ENTRIES["binance"], Capability.QUOTES, QuotesAsk())
    assert 0.25 < len(half) / len(full) < 0.75


async def test_a_capability_and_a_time(client: Client) -> None:
    await client.fault("binance", "5xx", capability="book", after_s=10, for_s=20)
    expected = {0: 200, 9: 200, 10: 503, 29: 503, 30: 200}
    seen = {}
    for second in expected:
        await client.clock.advance(second - client.clock.monotonic())
        seen[second] = (await client.get(DEPTH)).status
        assert (await client.get(TICKER)).status == 200
    assert seen == expected


async def test_probability_is_drawn_from_the_seed(client: Client, clock: ManualClock) -> None:
    async def run(seed: int) -> list[int | None]:
        one = Client(create_app(seed, clock, {"binance": ENTRIES["binance"]}), clock)
        await one.fault("binance", "5xx", p=0.3)
        return [(await one.get(TICKER)).status for _ in range(300)]

    first = await run(1)
    assert 60 < first.count(503) < 120
    assert first == await run(1)
    assert first != await run(2)


async def test_several_price_faults_add_up_and_a_transport_fault_is_named(client: Client) -> None:
    true = await price(client)
    await client.fault("binance", "power_of_ten", k=1)
    await client.fault("*", "power_of_ten", k=1)
    await client.fault("binance", "delay", ms=0)
    assert await price(client) == pytest.approx(true * 100, rel=1e-3)
    row = (await client.get("/__sim__/log")).json()["requests"][-1]
    assert row["fault"] == "power_of_ten+power_of_ten+delay"


def test_random_faults_come_and_go_by_the_seed(clock: ManualClock) -> None:
    def run(seed: int) -> list[tuple[str, ...]]:
        faults = Faults(seed, clock, ENTRIES, ["BTC", "ETH"])
        faults.add("*", "random", params={"rate": 0.3, "slot_s": 30})
        return [
            faults.strike(provider, (Capability.QUOTES,), clock.now_ms() + slot * 30_000 + inside).kinds
            for provider in ("binance", "kraken")
            for slot in range(400)
            for inside in (0, 29_000 - clock.now_ms() % 30_000)
        ]

    drawn = run(3)
    assert drawn == run(3)
    assert drawn != run(4)
    assert 0.2 < sum(1 for kinds in drawn if kinds) / len(drawn) < 0.4
    assert {kind for kinds in drawn for kind in kinds} == {*TRANSPORT, *PRICE}


@pytest.mark.parametrize(
    ("provider", "kind", "options", "word"),
    [
        ("nosuch", "hang", {}, "provider"),
        ("binance", "nosuch", {}, "fault"),
        ("binance", "hang", {"capability": "nosuch"}, "capability"),
        ("binance", "hang", {"p": 1.5}, "p must"),
        ("binance", "hang", {"p": True}, "p must"),
        ("binance", "hang", {"after_s": -1}, "after_s"),
        ("binance", "hang", {"for_s": "x"}, "for_s"),
        ("binance", "hang", {"params": {"ms": 1}}, "no parameter"),
        ("binance", "delay", {"params": {"ms": -1}}, "ms must"),
        ("binance", "5xx", {"params": {"status": 200}}, "status"),
        ("binance", "power_of_ten", {"params": {"k": 0}}, "k must"),
        ("binance", "power_of_ten", {"params": {"k": 1.5}}, "k must"),
        ("binance", "swapped", {"params": {"with": "NOSUCH"}}, "with must"),
        ("binance", "missing_symbols", {"params": {"symbols": "BTC"}}, "symbols"),
        ("binance", "error_200", {"params": {"error": "x"}}, "error must"),
        ("binance", "random", {"params": {"rate": 2}}, "rate"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_a_sentence(
    clock: ManualClock, provider: str, kind: str, options: dict[str, object], word: str
) -> None:
    faults = Faults(1, clock, ["binance"], ["BTC", "ETH"])
    with pytest.raises(FaultError, match=word) as refused:
        faults.add(provider, kind, **options)  # type: ignore[arg-type]
    assert str(refused.value).endswith(".")
    assert faults.all() == []


def test_every_kind_can_be_set_with_its_defaults_and_their_number_is_bounded(clock: ManualClock) -> None:
    faults = Faults(1, clock, ["binance"], ["BTC", "ETH"])
    for kind in KINDS:
        assert faults.add("binance", kind).params == KINDS[kind]
    faults.MOST = len(KINDS)  # type: ignore[misc]
    with pytest.raises(FaultError, match="already"):
        faults.add("binance", "hang")
    assert faults.remove(1)
    assert not faults.remove(1)
    assert faults.clear() == len(KINDS) - 1
    assert replace(faults.add("*", "hang"), id=0).since_ms == clock.now_ms()
