"""CoinGecko: every recorded body reads, every quirk is kept, and requests are what the API takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    AssetsAsk,
    CandlesAsk,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    QuotesAsk,
    SearchAsk,
    TrendingAsk,
)
from crypto_dt_source.model.errors import (
    KeyRefused,
    PayloadChanged,
    PlanRequired,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from crypto_dt_source.model.normal import violation
from crypto_dt_source.model.quote import Pair
from crypto_dt_source.providers.adapters.coingecko import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000
BTC = Pair("BTC", "USD")


def reply(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("coingecko", status, body, NOW)


def parse(content: Any, ask: Ask) -> list[Any]:
    return list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content), ask))


def target(ask: Ask) -> str:
    return ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target()


RECORDED: list[tuple[str, Ask, int]] = [
    ("coins_markets.json", QuotesAsk(), 1),
    ("coins_markets.json", CoinsAsk(), 1),
    ("coins_markets_2024.json", QuotesAsk(), 1),
    ("coins_markets_two.json", QuotesAsk(), 2),
    ("coins_markets_two.json", CoinsAsk(), 2),
    ("oas/coins_markets.json", CoinsAsk(), 1),
    ("simple_price.json", QuotesAsk(pairs=(BTC,)), 1),
    ("simple_price_spaces_after_comma.json", QuotesAsk(pairs=(BTC,)), 1),
    ("oas/simple_price.json", QuotesAsk(pairs=(BTC,)), 1),
    ("pro_simple_price.json", QuotesAsk(pairs=(Pair("ETH", "BTC"),)), 1),
    ("simple_price_bad_currency.json", QuotesAsk(pairs=(BTC,)), 0),
    ("global.json", GlobalAsk(), 1),
    ("oas/global.json", GlobalAsk(), 1),
    ("search_trending.json", TrendingAsk(), 15),
    ("search_trending_2021.json", TrendingAsk(), 7),
    ("oas/search_trending.json", TrendingAsk(), 1),
    ("categories.json", CategoriesAsk(), 48),
    ("categories_list.json", CategoriesAsk(), 107),
    ("oas/categories.json", CategoriesAsk(), 2),
    ("oas/categories_list.json", CategoriesAsk(), 2),
    ("coin_bitcoin.json", CoinAsk("bitcoin"), 1),
    ("history.json", CoinAsk("bitcoin"), 1),
    ("pro_coin_zksync.json", CoinAsk("zksync"), 1),
    ("oas/coin_detail.json", CoinAsk("bitcoin"), 1),
    ("search.json", SearchAsk("eth"), 3),
    ("oas/search.json", SearchAsk("eth"), 1),
    ("ohlc_7d.json", CandlesAsk(Pair("BITCOIN", "USD"), "4h"), 42),
    ("oas/ohlc.json", CandlesAsk(Pair("BITCOIN", "USD"), "30m"), 2),
    ("coins_list.json", AssetsAsk(), 60),
    ("oas/coins_list.json", AssetsAsk(), 2),
    ("oas/exchanges.json", ExchangesAsk(), 2),
    ("oas/exchanges_list.json", ExchangesAsk(), 3),
]


@pytest.mark.parametrize(("name", "ask", "count"), RECORDED)
def test_recorded_bodies_are_in_normal_form(wire: Path, name: str, ask: Ask, count: int) -> None:
    records = parse((wire / "coingecko" / name).read_bytes(), ask)
    assert len(records) == count
    assert [violation(record) for record in records] == [None] * count


def market(**changes: Any) -> dict[str, Any]:
    row = {
        "id": "solana",
        "symbol": "sol",
        "name": "Solana",
        "current_price": 151.5,
        "market_cap": 70_000_000_000,
        "market_cap_rank": 6,
        "fully_diluted_valuation": None,
        "total_volume": 3_000_000_000,
        "high_24h": 155,
        "low_24h": 149.25,
        "price_change_percentage_24h": -1.25,
        "circulating_supply": 470_000_000.5,
        "total_supply": 580_000_000,
        "max_supply": None,
        "roi": None,
        "last_updated": "2026-05-01T10:00:00.250Z",
        "price_change_percentage_1h_in_currency": 0.5,
        "price_change_percentage_7d_in_currency": None,
    }
    return {**row, **changes}


def test_a_quote_carries_the_id_as_symbol_and_the_ticker_as_base() -> None:
    (quote,) = parse([market()], QuotesAsk(ids=("solana",)))
    assert quote == (
        "coingecko", "solana", "SOL", "USD", 151.5, None, None, None, 3e9, -1.25, 155.0, 149.25, 1777629600250, NOW,
    )  # fmt: skip


def test_rows_without_a_price_or_a_ticker_are_left_out_and_odd_tickers_stay() -> None:
    rows = [
        market(current_price=None),
        market(current_price=0),
        market(symbol=" "),
        market(id="hire", symbol="$hi*re.x", high_24h=0, low_24h=None, last_updated=None),
    ]
    (quote,) = parse(rows, QuotesAsk())
    assert (quote.base, quote.high, quote.low, quote.event_ms) == ("$HI*RE.X", None, None, None)
    assert [coin.ticker for coin in parse(rows, CoinsAsk())] == ["$HI*RE.X"]


def test_coin_rows_keep_nulls_as_absent() -> None:
    (coin,) = parse([market(market_cap_rank=None, market_cap=None)], CoinsAsk())
    assert (coin.rank, coin.market_cap, coin.max_supply, coin.change_7d_pct) == (None, None, None, None)
    assert (coin.change_1h_pct, coin.change_24h_pct, coin.total_supply) == (0.5, -1.25, 580_000_000.0)


def test_simple_price_without_the_asked_pair_tells_no_ticker() -> None:
    assert parse({"bitcoin": {"usd": 3.5}}, QuotesAsk(ids=("bitcoin",))) == []
    assert parse({"a": {"usd": 3.5}, "b": {"usd": 1}}, QuotesAsk(pairs=(BTC,))) == []
    assert parse({"bitcoin": {"usd": 3.5}}, QuotesAsk(pairs=(Pair("BTC", "EUR"),))) == []


def test_ids_are_stripped_of_blanks_because_one_after_a_comma_drops_the_id() -> None:
    assert target(QuotesAsk(ids=("bitcoin", " ethereum", "bitcoin", ""))) == (
        "/coins/markets?vs_currency=usd&ids=bitcoin%2Cethereum&per_page=250&page=1"
    )


def test_many_ids_go_in_calls_of_at_most_250_until_all_are_sent() -> None:
    ask = QuotesAsk(ids=tuple(f"coin-number-{i}" for i in range(600)))
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    sent: list[str] = []
    request = endpoint.request(ask)
    calls = 0
    while request is not None:
        calls += 1
        ids = dict(request.params)["ids"].split(",")
        assert len(ids) <= 250
        assert len(request.target()) < 8000
        sent += ids
        request = endpoint.next(reply([]), ask, request)
    assert tuple(sent) == ask.ids
    assert calls == 3


def test_the_first_page_is_asked_once() -> None:
    ask = QuotesAsk()
    endpoint = ADAPTER.endpoints[CAPABILITY_OF[QuotesAsk]]
    assert endpoint.next is not None
    assert endpoint.next(reply([]), ask, endpoint.request(ask)) is None


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (QuotesAsk(), "/coins/markets?vs_currency=usd&per_page=250&page=1"),
        (
            CoinsAsk(page=2, per_page=250),
            "/coins/markets?vs_currency=usd&order=market_cap_desc&per_page=250&page=2&price_change_percentage=1h%2C7d",
        ),
        (GlobalAsk(), "/global"),
        (TrendingAsk(), "/search/trending"),
        (CategoriesAsk(), "/coins/categories"),
        (
            CoinAsk("a/../b"),
            "/coins/a%2F..%2Fb?localization=false&tickers=false&community_data=false&developer_data=false"
            "&sparkline=false&market_data=true",
        ),
        (SearchAsk("shiba inu"), "/search?query=shiba+inu"),
        (AssetsAsk(), "/coins/list"),
        (ExchangesAsk(page=3, per_page=20), "/exchanges?per_page=20&page=3"),
        (ExchangesAsk(page=3, per_page=1000), "/exchanges?per_page=250&page=9"),
        (CandlesAsk(Pair("BITCOIN", "USD"), "30m"), "/coins/bitcoin/ohlc?vs_currency=usd&days=1"),
        (CandlesAsk(Pair("BITCOIN", "USD"), "4h", limit=42), "/coins/bitcoin/ohlc?vs_currency=usd&days=7"),
        (CandlesAsk(Pair("BITCOIN", "USD"), "4h", limit=43), "/coins/bitcoin/ohlc?vs_currency=usd&days=14"),
        (
            CandlesAsk(Pair("BITCOIN", "USD"), "4h", start_ms=1, limit=2),
            "/coins/bitcoin/ohlc?vs_currency=usd&days=30",
        ),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert target(ask) == expected


FOUR_H = 4 * 3_600_000


def test_ohlc_stamps_are_closes_and_become_open_times() -> None:
    close = 1_780_272_000_000  # a multiple of four hours
    rows = [[close, 1, 3, 1, 2], [close + FOUR_H, 2, 4, 2, 3], [close + FOUR_H + 60_000, 3, 3, 3, 3]]
    ask = CandlesAsk(Pair("BITCOIN", "USD"), "4h")
    candles = ADAPTER.endpoints[CAPABILITY_OF[CandlesAsk]].parse(
        Reply("coingecko", 200, json.dumps(rows).encode(), close + FOUR_H + 90_000), ask
    )
    assert [(c.open_ms, c.closed) for c in candles] == [
        (close - FOUR_H, True),
        (close, True),
        (close + FOUR_H, False),
    ]
    cut = parse(rows, CandlesAsk(Pair("BITCOIN", "USD"), "4h", start_ms=close - FOUR_H, end_ms=close))
    assert [c.open_ms for c in cut] == [close - FOUR_H]


def test_trending_reads_the_shape_before_and_after_2024() -> None:
    old = {"id": "a", "symbol": "aa", "name": "A", "market_cap_rank": 5, "price_btc": 1e-9}
    new = {**old, "data": {"price": 0.25, "price_change_percentage_24h": {"usd": -3.5, "btc": 1}}}
    text = {**old, "market_cap_rank": None, "data": {"price": "$1,234.5"}}
    coins = parse(
        {"coins": [{"item": old}, {"item": new}, {"item": text}], "nfts": [], "categories": []}, TrendingAsk()
    )
    assert [(c.position, c.price, c.change_24h_pct) for c in coins] == [
        (1, None, None),
        (2, 0.25, -3.5),
        (3, 1234.5, None),
    ]


def test_a_global_answer_without_dollars_names_the_field() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse({"data": {"total_market_cap": {"eur": 1.0}}}, GlobalAsk())
    assert caught.value.path == "$.data.total_market_cap.usd"


def test_a_coins_page_is_plain_text_with_safe_links() -> None:
    page = {
        "id": "x",
        "symbol": "x",
        "name": "X",
        "description": {
            "en": 'A <a href="https://e.x" onclick="f()">coin</a> &amp; more.<script>alert(1)</script>'
        },
        "links": {"homepage": ["", "javascript:alert(1)", "https://x.example/"]},
        "categories": ["Layer 1", None, "<b>DeFi</b>"],
        "platforms": {"": "", "ethereum": "0xabc", "tron": None},
        "market_data": {"current_price": {"eur": 1}, "ath": {"usd": 9}, "max_supply": 0},
        "genesis_date": None,
    }
    (coin,) = parse(page, CoinAsk("x"))
    assert coin.description == "A coin & more."
    assert coin.homepage == "https://x.example/"
    assert coin.categories == ("Layer 1", "DeFi")
    assert coin.contracts == (("ethereum", "0xabc"),)
    assert (coin.price, coin.ath, coin.max_supply) == (None, 9.0, None)


def test_listings_without_a_ticker_or_a_name_are_left_out() -> None:
    rows = [
        {"id": "_", "symbol": "gib", "name": "༼ つ"},
        {"id": "a", "symbol": "", "name": "A"},
        {"id": "b", "symbol": "b", "name": ""},
    ]
    assert [row.native_id for row in parse(rows, AssetsAsk())] == ["_"]


ERRORS: list[tuple[int, Any, type[UpstreamError]]] = [
    (429, {"status": {"error_code": 429, "error_message": "slow"}}, UpstreamRateLimited),
    (401, {"error": {"status": {"error_code": 10012, "error_message": "365 days"}}}, PlanRequired),
    (401, {"status": {"error_code": 10005, "error_message": "paid"}}, PlanRequired),
    (401, {"status": {"error_code": 10002, "error_message": "missing"}}, KeyRefused),
    (400, {"status": {"error_code": 10011, "error_message": "demo key on the pro host"}}, KeyRefused),
    (400, {"error": {"status": {"error_code": 10010, "error_message": "pro key here"}}}, KeyRefused),
    (404, {"error": "coin not found"}, SymbolNotListed),
    (422, {"error": "Missing parameter ids"}, UpstreamRejected),
    (500, {"status": 500, "error": "Internal Server Error"}, UpstreamBroken),
]


@pytest.mark.parametrize(("status", "content", "expected"), ERRORS)
def test_error_shapes(status: int, content: Any, expected: type[UpstreamError]) -> None:
    assert type(ADAPTER.explain(reply(content, status))) is expected


@pytest.mark.parametrize(("status", "content", "expected"), ERRORS)
def test_the_same_shapes_inside_a_200(status: int, content: Any, expected: type[UpstreamError]) -> None:
    for ask in (QuotesAsk(), CoinsAsk(), GlobalAsk(), CoinAsk("x"), AssetsAsk()):
        with pytest.raises(expected):
            parse(content, ask)


def test_recorded_errors(wire: Path) -> None:
    found = {
        path.name: type(ADAPTER.explain(reply(path.read_bytes(), int(path.name[6:9]))))
        for path in (wire / "coingecko").glob("error_*.json")
    }
    assert found == {
        "error_401_time_range.json": PlanRequired,
        "error_404_coin_not_found.json": SymbolNotListed,
        "error_422_missing_ids.json": UpstreamRejected,
        "error_422_missing_vs_currency.json": UpstreamRejected,
        "error_429.json": UpstreamRateLimited,
        "error_500.json": UpstreamBroken,
    }


@pytest.mark.parametrize("body", [b"<html>challenge</html>", b"[]", b"\xff\xfe", b"null", b'{"error": 5}'])
def test_other_bodies_explain_nothing(body: bytes) -> None:
    assert ADAPTER.explain(reply(body, 403)) is None


@pytest.mark.parametrize("capability", list(ADAPTER.endpoints))
@pytest.mark.parametrize("body", [b"<!doctype html><html>", b'[{"id": "bit', b'{"data": {', b"", b"7"])
def test_broken_bodies_are_payload_changes(capability: Any, body: bytes) -> None:
    asks: list[Ask] = [ask for _, ask, _ in RECORDED if CAPABILITY_OF[type(ask)] is capability]
    with pytest.raises(PayloadChanged):
        parse(body, asks[0])


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse([market(), market(current_price="many")], QuotesAsk())
    assert caught.value.path == "$[1].current_price"
