"""Pages of every aggregator's coins and exchanges, read as the gateway does: by its order, no overlap and no hole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sim_client import ENTRIES, Client

from crypto_dt_source.model.ask import Capability, CoinsAsk, ExchangesAsk
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.catalog import Entry

COINS = 530
LISTS = [entry for entry in ENTRIES.values() if Capability.COINS in entry.offers]


def fill(client: Client) -> None:
    """Make it a market of 530 coins: after those of the simulator ever smaller ones, whose prices stand still."""
    known = client.app.market.assets
    model = known["BTC"]
    listed = len(client.app.market.view("coinlore").coins(client.clock.now_ms()))
    for rank in range(listed + 1, COINS + 1):
        known[f"T{rank}"] = replace(
            model,
            ticker=f"T{rank}",
            name=f"Coin {rank}",
            gecko_id=f"coin-{rank}",
            price=1e-3,
            supply=COINS + 1 - rank,
            day_move=0.0,
        )


async def pages(client: Client, entry: Entry, per_page: int, count: int) -> tuple[list[list[str]], int]:
    """Tickers by page, cut where the gateway cuts; the most calls a page took."""
    endpoint = catalog.adapter_of(entry).endpoints[Capability.COINS]
    found, most = [], 0
    for page in range(1, count + 1):
        ask = CoinsAsk(page, per_page)
        rows: list[Any] = []
        request = endpoint.request(ask)
        calls = 0
        while request is not None and calls < entry.offers[Capability.COINS].page_limit:
            calls += 1
            reply = await client.reply(entry, request)
            rows.extend(endpoint.parse(reply, ask))
            request = endpoint.next(reply, ask, request) if endpoint.next else None
        found.append([row.ticker for row in rows])
        most = max(most, calls)
    return found, most


@pytest.mark.parametrize("entry", LISTS, ids=lambda entry: entry.id)
async def test_page_two_of_250_continues_where_page_one_ended(client: Client, entry: Entry) -> None:
    fill(client)
    found, most = await pages(client, entry, 250, 4)
    assert [len(page) for page in found] == [250, 250, 30, 0]
    tickers = [ticker for page in found for ticker in page]
    assert tickers[-1] == f"T{COINS}"
    assert tickers[100:] == [f"T{rank}" for rank in range(101, COINS + 1)]
    assert len(set(tickers)) == COINS
    assert most <= 3


@pytest.mark.parametrize("entry", LISTS, ids=lambda entry: entry.id)
async def test_small_pages_are_the_whole_in_pieces(client: Client, entry: Entry) -> None:
    (whole,), _ = await pages(client, entry, 100, 1)
    found, _ = await pages(client, entry, 20, 4)
    assert [ticker for page in found for ticker in page] == whole[:80]
    assert len(whole) > 60


@pytest.mark.parametrize(
    "entry", [e for e in ENTRIES.values() if Capability.EXCHANGES in e.offers], ids=lambda entry: entry.id
)
async def test_exchanges_are_all_there_and_in_one_order(client: Client, entry: Entry) -> None:
    whole = [r.native_id for r in await client.ask(entry, Capability.EXCHANGES, ExchangesAsk(1, 1000))]
    parts = [
        row.native_id
        for page in range(1, len(whole) // 5 + 2)
        for row in await client.ask(entry, Capability.EXCHANGES, ExchangesAsk(page, 5))
    ]
    assert parts == whole
    assert len(set(whole)) == len({e.source for e in ENTRIES.values() if e.kind == "venue"})


async def test_coingeckos_exchanges_have_its_own_ids(client: Client) -> None:
    rows = await client.ask(ENTRIES["coingecko"], Capability.EXCHANGES, ExchangesAsk(1, 1000))
    assert {"gdax", "okex", "huobi", "mxc", "bybit_spot"} <= {row.native_id for row in rows}
