"""CoinPaprika: recorded bodies, quirks, requests, errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.model.ask import (
    CAPABILITY_OF,
    Ask,
    AssetsAsk,
    CategoriesAsk,
    CoinAsk,
    CoinsAsk,
    ExchangesAsk,
    GlobalAsk,
    QuotesAsk,
    SearchAsk,
)
from crypto_dt_source.model.errors import PayloadChanged, PlanRequired, SymbolNotListed, UpstreamRejected
from crypto_dt_source.model.normal import violation
from crypto_dt_source.providers.adapters.coinpaprika import ADAPTER
from crypto_dt_source.providers.kit import Reply

NOW = 1_790_000_000_000


def reply(content: Any, status: int = 200) -> Reply:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Reply("coinpaprika", status, body, NOW)


def parse(content: Any, ask: Ask) -> list[Any]:
    records = list(ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].parse(reply(content), ask))
    assert [violation(record) for record in records] == [None] * len(records)
    return records


@pytest.mark.parametrize(
    ("name", "ask", "count"),
    [
        ("ticker_eth.json", QuotesAsk(ids=("eth-ethereum",)), 1),
        ("ticker_eth.json", CoinsAsk(), 1),
        ("global.json", GlobalAsk(), 1),
        ("coins.json", AssetsAsk(), 3),
    ],
)
def test_recorded_bodies(wire: Path, name: str, ask: Ask, count: int) -> None:
    assert len(parse((wire / "coinpaprika" / name).read_bytes(), ask)) == count


def ticker(native_id: str = "sol-solana", rank: int = 6, **usd: Any) -> dict[str, Any]:
    return {
        "id": native_id,
        "name": "Solana",
        "symbol": "sol",
        "rank": rank,
        "circulating_supply": 470_000_000,
        "total_supply": 580_000_000,
        "max_supply": 0,
        "last_updated": "2026-05-01T10:00:00Z",
        "quotes": {
            "USD": {"price": 151.5, "volume_24h": 3e9, "percent_change_24h": -1.25, "market_cap": 7e10, **usd}
        },
    }


def test_quotes_pick_the_asked_ids_out_of_the_full_list() -> None:
    rows = [ticker("a-a"), ticker("b-b"), ticker("c-c", price=None), {**ticker("d-d"), "quotes": {}}]
    assert [q.symbol for q in parse(rows, QuotesAsk())] == ["a-a", "b-b"]
    (quote,) = parse(rows, QuotesAsk(ids=("b-b", "c-c", "nope-nope")))
    assert quote == (
        "coinpaprika", "b-b", "SOL", "USD", 151.5, None, None, None, 3e9, -1.25, None, None, 1777629600000, NOW,
    )  # fmt: skip


def test_max_supply_0_means_none_and_rank_0_comes_last() -> None:
    rows = [ticker("z-z", 0), ticker("b-b", 2), ticker("a-a", 1)]
    coins = parse(rows, CoinsAsk(page=1, per_page=2))
    assert [(c.native_id, c.rank, c.max_supply) for c in coins] == [("a-a", 1, None), ("b-b", 2, None)]
    assert [(c.native_id, c.rank) for c in parse(rows, CoinsAsk(page=2, per_page=2))] == [("z-z", None)]


def test_listings_search_and_categories() -> None:
    coin = {
        "id": "x-x",
        "name": "X",
        "symbol": "x",
        "rank": 0,
        "is_new": True,
        "is_active": False,
        "type": "coin",
    }
    assert parse([coin], AssetsAsk()) == [("coinpaprika", "x-x", "X", "X", None, False)]
    assert parse({"currencies": [coin]}, SearchAsk("x")) == [("coinpaprika", "x-x", "X", "X", None)]
    tag = {
        "id": "defi",
        "name": "DeFi",
        "coin_counter": 12,
        "ico_counter": 0,
        "description": "",
        "type": "functional",
    }
    assert parse([tag], CategoriesAsk()) == [("coinpaprika", "defi", "DeFi", None, None, None, 12, None)]


def test_a_coins_page() -> None:
    page = {
        "id": "x-x",
        "name": "X",
        "symbol": "X",
        "rank": 9,
        "description": "First<br/>second &lt;b&gt;line&lt;/b&gt;",
        "tags": [{"id": "t", "name": "Tag"}],
        "links": {"website": ["https://x.example/"]},
        "started_at": "2009-01-03T00:00:00Z",
        "hash_algorithm": "SHA256",
        "contracts": [{"contract": "0xabc", "platform": "eth-ethereum", "type": "ERC20"}],
    }
    (coin,) = parse(page, CoinAsk("x-x"))
    assert (coin.description, coin.homepage) == ("First\nsecond line", "https://x.example/")
    assert (coin.genesis_date, coin.categories) == ("2009-01-03", ("Tag",))
    assert coin.contracts == (("eth-ethereum", "0xabc"),)
    (bare,) = parse({"id": "x-x", "name": "X", "symbol": "X", "links": None, "tags": None}, CoinAsk("x-x"))
    assert (bare.description, bare.homepage, bare.categories, bare.genesis_date) == (None, None, (), None)


def test_exchanges_are_active_ones_by_rank() -> None:
    def row(name: str, rank: int | None, active: bool = True) -> dict[str, Any]:
        usd = {"USD": {"reported_volume_24h": 9.0, "adjusted_volume_24h": 5.5}}
        links = {"website": ["https://e.example"]}
        return {
            "id": name,
            "name": name,
            "active": active,
            "adjusted_rank": rank,
            "links": links,
            "quotes": usd,
        }

    rows = [row("none", None), row("dead", 1, active=False), row("two", 2), row("one", 1)]
    found = parse(rows, ExchangesAsk(per_page=2))
    assert found[0] == ("coinpaprika", "one", "one", None, None, "https://e.example", 1, 5.5, None)
    assert [e.native_id for e in found] == ["one", "two"]
    assert [e.native_id for e in parse(rows, ExchangesAsk(page=2, per_page=2))] == ["none"]


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (QuotesAsk(ids=("btc-bitcoin",)), "/tickers/btc-bitcoin?quotes=USD"),
        (QuotesAsk(ids=("btc-bitcoin", "eth-ethereum")), "/tickers?quotes=USD"),
        (QuotesAsk(), "/tickers?quotes=USD"),
        (CoinsAsk(page=4), "/tickers?quotes=USD"),
        (GlobalAsk(), "/global"),
        (AssetsAsk(), "/coins"),
        (SearchAsk("a b"), "/search?q=a+b&c=currencies&limit=50"),
        (CategoriesAsk(), "/tags"),
        (CoinAsk("btc/x"), "/coins/btc%2Fx"),
        (ExchangesAsk(), "/exchanges?quotes=USD"),
    ],
)
def test_requests(ask: Ask, expected: str) -> None:
    assert ADAPTER.endpoints[CAPABILITY_OF[type(ask)]].request(ask).target() == expected


def test_errors() -> None:
    assert type(ADAPTER.explain(reply({"error": "a plan is needed"}, 402))) is PlanRequired
    assert type(ADAPTER.explain(reply({"error": "id not found"}, 404))) is SymbolNotListed
    assert type(ADAPTER.explain(reply({"error": "bad quotes"}, 400))) is UpstreamRejected
    assert ADAPTER.explain(reply({"error": "oops"}, 500)) is None
    assert ADAPTER.explain(reply(b"<html>", 403)) is None


@pytest.mark.parametrize("capability", list(ADAPTER.endpoints))
@pytest.mark.parametrize("body", [b"<html>", b'[{"id":', b'{"id":', b"\xff", b"3"])
def test_broken_bodies(capability: Any, body: bytes) -> None:
    asks = (QuotesAsk(), CoinsAsk(), GlobalAsk(), AssetsAsk(), SearchAsk("x"), CategoriesAsk(), CoinAsk("x"))
    ask = next((a for a in asks if CAPABILITY_OF[type(a)] is capability), ExchangesAsk())
    with pytest.raises(PayloadChanged):
        parse(body, ask)


def test_a_wrong_type_names_its_place() -> None:
    with pytest.raises(PayloadChanged) as caught:
        parse([ticker(price={})], QuotesAsk())
    assert caught.value.path == "$[0].quotes.USD.price"
