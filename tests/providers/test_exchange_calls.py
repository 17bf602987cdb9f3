"""The exchange library without I/O: what is asked and in which order, what is refused, and what of ccxt is not believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ccxt
import pytest

from crypto_dt_source.model.ask import (
    Ask,
    BookAsk,
    CandlesAsk,
    Capability,
    InstrumentsAsk,
    QuotesAsk,
    TradesAsk,
)
from crypto_dt_source.model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers import catalog, exchange_calls
from crypto_dt_source.providers.exchange_calls import Markets, Shelf, error_of
from crypto_dt_source.providers.exchange_driver import Driven, request_of
from crypto_dt_source.providers.kit import Adapter, Reply, Request

NOW = 1_790_000_000_000
HOUR = 3_600_000
BTC = Pair("BTC", "USDT")


def market(base: str, **fields: Any) -> dict[str, Any]:
    row = {"name": f"{base}_USDT", "stock": base, "money": "USDT", "stockPrec": "6", "moneyPrec": "2"}
    return {**row, "minAmount": "0.001", "tradesEnabled": True, "type": "spot", **fields}


class Talk:
    """A conversation with one exchange."""

    def __init__(self, provider: str = "whitebit") -> None:
        self.adapter: Adapter = catalog.adapter_of(catalog.load()[provider])

    def endpoint(self, ask: Ask) -> Any:
        kinds = {QuotesAsk: "quotes", CandlesAsk: "candles", BookAsk: "book", TradesAsk: "trades"}
        return self.adapter.endpoints[Capability(kinds.get(type(ask), "instruments"))]

    def hear(self, ask: Ask, *bodies: Any, at: int = NOW) -> list[Any]:
        """The records after these bodies, one a request; fails where another request is needed."""
        request: Request | None = self.endpoint(ask).request(ask)
        records: list[Any] = []
        for body in bodies:
            assert request is not None, "nothing is asked any more"
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            reply = Reply("whitebit", 200, raw, at, {}, request)
            records += self.endpoint(ask).parse(reply, ask)
            request = self.endpoint(ask).next(reply, ask, request)
        assert request is None, request
        return records


BOOK = {
    "timestamp": NOW // 1000 - 2,
    "asks": [["101", "1"], ["100.5", "2"]],
    "bids": [["99", "1"], ["100", "0"], ["99.5", "3"]],
}


def test_the_list_of_pairs_is_asked_once_and_then_known_for_an_hour() -> None:
    talk = Talk()
    assert talk.endpoint(BookAsk(BTC)).request(BookAsk(BTC)).path == "/v4/public/markets"
    (book,) = talk.hear(BookAsk(BTC, 5), [market("BTC")], BOOK)
    assert [level.price for level in book.bids] == [99.5, 99]
    assert [level.price for level in book.asks] == [100.5, 101]
    assert (book.symbol, book.event_ms) == ("BTC_USDT", NOW - 2000)
    request = talk.endpoint(BookAsk(BTC)).request(BookAsk(BTC, 5))
    assert (request.path, request.params) == ("/v4/public/orderbook/BTC_USDT", (("limit", "5"),))
    assert talk.hear(BookAsk(BTC, 5), BOOK, at=NOW + HOUR + 1)
    assert talk.endpoint(BookAsk(BTC)).request(BookAsk(BTC)).path == "/v4/public/markets"


def test_a_pair_that_is_not_in_the_list_is_not_asked_for() -> None:
    talk = Talk()
    with pytest.raises(SymbolNotListed):
        talk.hear(BookAsk(Pair("NOPE", "USDT")), [market("BTC")])
    with pytest.raises(SymbolNotListed):
        talk.endpoint(BookAsk(BTC)).request(BookAsk(Pair("NOPE", "USDT")))


def test_a_list_that_takes_several_requests_is_gathered() -> None:
    talk = Talk("independentreserve")
    found = talk.hear(InstrumentsAsk(), ["Xbt", "Eth"], ["Aud"], {"Xbt": 0.01})
    assert [(row.symbol, row.base, row.quote) for row in found] == [
        ("Xbt/Aud", "BTC", "AUD"),
        ("Eth/Aud", "ETH", "AUD"),
    ]


def test_contracts_and_coins_of_another_name_are_left_out() -> None:
    rows = [market("BTC"), market("ETH", type="futures", name="ETH_PERP"), market("EST")]
    renamed = {code: name for code, name in ccxt.whitebit().commonCurrencies.items() if " " in name}
    rows.append(market(next(iter(renamed), "A b")))
    found = Talk().hear(InstrumentsAsk(), rows)
    assert {row.base for row in found} <= {"BTC", "EST"}
    assert all(violation(row) is None for row in found)


def test_the_time_of_the_reply_is_no_time_of_the_exchange() -> None:
    (quote,) = Talk().hear(
        QuotesAsk((BTC,)),
        [market("BTC")],
        {
            "success": True,
            "result": {
                "bid": "99",
                "ask": "101",
                "open": "80",
                "last": "100",
                "volume": "5",
                "change": "0.25",
            },
        },
    )
    assert quote.event_ms is None
    assert quote.change_pct == pytest.approx(25.0)  # of the open, whatever the field says


def test_a_number_that_cannot_be_written_out_is_nothing() -> None:
    # Every one of them keeps ccxt busy for minutes where it is read.
    spelled = ("1e999999999", "1E 999999999", "1e9_999_999_99", " 1e-99999999 ", ".5e+99999999")
    book = {**BOOK, "asks": [*([price, "1"] for price in spelled), ["101", "2"]]}
    (read,) = Talk().hear(BookAsk(BTC), [market("BTC", stockPrec="99999999999")], book)
    assert [level.price for level in read.asks] == [101]
    kept = {"a": ["1e5", "2.5E-10", "5e4b1c", "E100", "12"], "1e9": "x"}
    assert Driven().decoded(json.dumps(kept)) == kept, "no id and no usual number is lost"
    with pytest.raises(PayloadChanged, match="rows"):
        Driven().decoded("[" + "0," * 20_000 + "0]")
    assert Driven().decoded(r'{"a": "1\u00659999999", "1e9999999": 1, "b": 1e9999999}') == {
        "a": None,
        "b": None,
    }


def test_rows_that_cannot_be_read_are_named_and_too_many_of_them_refused() -> None:
    bases = [f"C{n}" for n in range(100)]
    rows: dict[str, Any] = {
        f"{base}_USDT": {"last_price": "2", "base_volume": "3", "quote_volume": "6", "change": "1"}
        for base in bases
    }
    rows["C7_USDT"] = {"last_price": "two", "change": "one"}
    found = Talk().hear(QuotesAsk(), [market(base) for base in bases], rows)
    assert len(found) == 100
    assert [record for record in found if isinstance(record, Unreadable)] == [found[-1]]
    rows |= dict.fromkeys(("C1_USDT", "C2_USDT"), rows["C7_USDT"])
    with pytest.raises(PayloadChanged):
        Talk().hear(QuotesAsk(), [market(base) for base in bases], rows)


@pytest.mark.parametrize("body", [b"<html>", b'{"a":', b"[]", b"5", b'"x"', b""], ids=repr)
def test_no_body_of_another_kind_passes(body: bytes) -> None:
    for bodies in ([body], [[market("BTC")], body]):
        with pytest.raises(PayloadChanged):
            Talk().hear(BookAsk(BTC), *bodies)


def test_candles_are_asked_from_a_start_and_those_off_the_grid_dropped() -> None:
    start = NOW // HOUR * HOUR - 3 * HOUR
    ask = CandlesAsk(BTC, "1h", start, start + 3 * HOUR, 3)
    rows = [[(start + n * HOUR // 2) // 1000, "1", "2", "3", "0.5", "7", "9"] for n in range(3)]
    talk = Talk()
    read = talk.hear(ask, [market("BTC")], {"success": True, "result": rows})
    assert [candle.open_ms for candle in read] == [start, start + HOUR]
    assert talk.endpoint(ask).request(ask).params[2:] == (("start", str(start // 1000)), ("limit", "3"))
    with pytest.raises(NotOffered):
        talk.hear(ask, {"success": True, "result": rows[1:2]})


def test_a_candle_without_an_end_is_not_guessed_at() -> None:
    talk = Talk("bitget")
    ask = CandlesAsk(BTC, "1h", limit=5)
    symbol = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "status": "online"}
    talk.hear(InstrumentsAsk(), {"code": "00000", "data": [symbol]}, {"code": "00000", "data": []})
    with pytest.raises(NotOffered):
        talk.endpoint(ask).request(ask)


def test_a_venue_that_answers_pair_by_pair_says_so() -> None:
    talk = Talk("bitflyer")
    assert talk.adapter.endpoints[Capability.QUOTES].per_pair
    with pytest.raises(NotOffered):
        talk.endpoint(QuotesAsk()).request(QuotesAsk())
    ask = QuotesAsk((Pair("BTC", "JPY"),))
    request = talk.endpoint(ask).request(ask)
    assert (request.path, request.params) == ("/getticker", (("product_code", "BTC_JPY"),))


def test_another_host_is_never_asked() -> None:
    with pytest.raises(NotOffered):
        request_of("https://a.example", "https://b.example/x?y=1", "GET", None, None)
    request = request_of(
        "https://a.example", "https://a.example/x?y=1&z=", "POST", {"User-Agent": "u", "H": "v"}, "{}"
    )
    assert request == Request("/x", (("y", "1"), ("z", "")), "POST", b"{}", (("H", "v"),))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (ccxt.BadSymbol, SymbolNotListed),
        (ccxt.RateLimitExceeded, UpstreamRateLimited),
        (ccxt.DDoSProtection, UpstreamRateLimited),
        (ccxt.OnMaintenance, UpstreamBroken),
        (ccxt.NullResponse, PayloadChanged),
        (ccxt.ArgumentsRequired, NotOffered),
        (ccxt.AuthenticationError, UpstreamRejected),
    ],
)
def test_errors_keep_their_meaning(theirs: Any, ours: type[Exception]) -> None:
    assert type(error_of(theirs("x" * 900))) is ours
    assert len(str(error_of(theirs("x" * 900)))) <= 200


def test_a_refusal_with_a_body_says_more_than_its_status() -> None:
    adapter = Talk("bitget").adapter
    body = json.dumps({"code": "40034", "msg": "Parameter does not exist", "data": None}).encode()
    assert adapter.explain(Reply("bitget", 400, body, NOW)) is not None
    assert adapter.explain(Reply("bitget", 503, b"<html>", NOW)) is None
    assert adapter.explain(Reply("bitget", 500, b'{"code":"what","msg":"?"}', NOW)) is None


def test_lists_of_pairs_are_bounded_together_and_the_oldest_use_leaves_first() -> None:
    shelf = Shelf(most=5)
    lists = {name: Markets({f"{name}{n}": {} for n in range(2)}, {}, 0) for name in "abc"}
    shelf.put("a", lists["a"])
    shelf.put("b", lists["b"])
    assert shelf.get("a") is lists["a"]
    shelf.put("c", lists["c"])
    assert [shelf.get(name) for name in "abc"] == [lists["a"], None, lists["c"]]
    shelf.put("big", Markets({str(n): {} for n in range(50)}, {}, 0))
    assert shelf.get("a") is None
    assert shelf.get("big") is not None


def test_without_the_extra_an_entry_is_there_and_not_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalog.load()["whitebit"]
    assert catalog.installed(entry)
    monkeypatch.setattr(exchange_calls, "installed", lambda: False)
    assert not catalog.installed(entry)
    assert catalog.installed(catalog.load()["kraken"])


RECORDED = """
bitbank/depth.json book BTC/JPY 1
bitbank/ticker.json quotes BTC/JPY 1
bitflyer/board.json book BTC/JPY 1
bitflyer/ticker.json quotes BTC/JPY 1
bitget/fills.json trades BTC/USDT 2
bitget/orderbook.json book BTC/USDT 1
bithumb/orderbook.json book BTC/KRW 1
bitso/available_books.json instruments - 11
bitso/order_book.json book BTC/MXN 1
bitso/ticker.json quotes BTC/MXN 1
coincheck/ticker.json quotes BTC/JPY 1
hitbtc/ticker.json quotes BTC/USDT 1
hitbtc/trades.json trades BTC/USDT 60
luno/trades.json trades BTC/ZAR 60
poloniex/markets.json instruments - 60
upbit/market_all.json instruments - 60
whitebit/orderbook.json book BTC/USDT 1
whitebit/trades.json trades BTC/USDT 2
"""


@pytest.mark.parametrize("row", RECORDED.split("\n")[1:-1])
def test_a_recorded_body_becomes_normal_records(wire: Path, row: str) -> None:
    file, kind, symbol, count = row.split()
    pair = Pair(*symbol.split("/")) if "/" in symbol else BTC
    asks: dict[str, Ask] = {
        "book": BookAsk(pair, 1000),
        "quotes": QuotesAsk((pair,)),
        "trades": TradesAsk(pair, 1000),
        "instruments": InstrumentsAsk(),
    }
    provider = file.split("/")[0]
    adapter = catalog.adapter_of(catalog.load()[provider])
    reply = Reply(provider, 200, (wire / file).read_bytes(), NOW)
    records = list(adapter.endpoints[Capability(kind)].parse(reply, asks[kind]))
    assert len(records) == int(count)
    assert [reason for record in records if (reason := violation(record))] == []
