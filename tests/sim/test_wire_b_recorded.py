"""The simulated bodies beside recorded ones: every recorded key is there, with the JSON type it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from keyed import get
from sim_client import Client


def shape_gaps(recorded: Any, made: Any, where: str = "$") -> list[str]:
    """Where the made body lacks a recorded key or has another JSON type; null fits everything."""
    if recorded is None or made is None:
        return []
    if isinstance(recorded, dict):
        if not isinstance(made, dict):
            return [f"{where}: {type(made).__name__} instead of an object"]
        gaps = [f"{where}.{key}: missing" for key in recorded if key not in made]
        both = [key for key in recorded if key in made]
        return gaps + [gap for key in both for gap in shape_gaps(recorded[key], made[key], f"{where}.{key}")]
    if isinstance(recorded, list):
        if not isinstance(made, list):
            return [f"{where}: {type(made).__name__} instead of a list"]
        columns = list(zip(recorded, made, strict=False))
        if columns and isinstance(columns[0][0], dict):
            del columns[1:]  # rows are alike; another row may be another product
        return [gap for i, (one, two) in enumerate(columns) for gap in shape_gaps(one, two, f"{where}[{i}]")]
    kinds = [
        float if isinstance(v, int | float) and not isinstance(v, bool) else type(v) for v in (recorded, made)
    ]
    return [] if kinds[0] is kinds[1] else [f"{where}: {kinds[1].__name__} instead of {kinds[0].__name__}"]


RECORDED = [
    line.split()
    for line in """
kucoin stats.json /api/v1/market/stats?symbol=BTC-USDT
kucoin candles.json /api/v1/market/candles?symbol=BTC-USDT&type=1min
kucoin histories.json /api/v1/market/histories?symbol=BTC-USDT
kucoin orderbook_level1.json /api/v1/market/orderbook/level1?symbol=BTC-USDT
kucoin orderbook_level2.json /api/v1/market/orderbook/level2_20?symbol=BTC-USDT
kucoin all_tickers.json /api/v1/market/allTickers
kucoin symbols.json /api/v2/symbols
gate candlesticks.json /api/v4/spot/candlesticks?currency_pair=BTC_USDT&interval=5m
gate currency_pairs.json /api/v4/spot/currency_pairs
gate order_book.json /api/v4/spot/order_book?currency_pair=BTC_USDT&with_id=true
gate tickers.json /api/v4/spot/tickers
gate trades.json /api/v4/spot/trades?currency_pair=BTC_USDT
gate error_400_invalid_pair.json /api/v4/spot/tickers?currency_pair=BTC_USDTT
bitstamp ohlc.json /api/v2/ohlc/btcusd/?step=60&limit=10
bitstamp order_book.json /api/v2/order_book/btcusd/
bitstamp ticker.json /api/v2/ticker/btcusd/
bitstamp trading_pairs_info.json /api/v2/trading-pairs-info/
bitstamp transactions.json /api/v2/transactions/btcusd/?time=hour
bitfinex tickers_all.json /v2/tickers?symbols=ALL
bitfinex ticker.json /v2/tickers?symbols=tBTCUSD
bitfinex candles.json /v2/candles/trade:1m:tBTCUSD/hist
bitfinex trades.json /v2/trades/tBTCUSD/hist
bitfinex book_p2.json /v2/book/tBTCUSD/P0
bitfinex conf_pair_exchange.json /v2/conf/pub:list:pair:exchange
bitfinex error_500_invalid_symbol.json /v2/ticker/tBTCCAD
gemini book.json /v1/book/btcusd
gemini pubticker.json /v1/pubticker/btcusd
gemini symbol_details.json /v1/symbols/details/btcusd
gemini symbols.json /v1/symbols
gemini trades.json /v1/trades/btcusd
crypto_com get_tickers.json /exchange/v1/public/get-tickers
crypto_com get_candlestick.json /exchange/v1/public/get-candlestick?instrument_name=BTC_USD
crypto_com get_book.json /exchange/v1/public/get-book?instrument_name=BTC_USD
crypto_com get_trades.json /exchange/v1/public/get-trades?instrument_name=BTC_USD
htx depth.json /market/depth?symbol=ethbtc&type=step0
htx history_trade.json /market/history/trade?symbol=ethbtc&size=5
htx kline.json /market/history/kline?symbol=btcusdt&period=5min
htx merged.json /market/detail/merged?symbol=ethbtc
htx tickers.json /market/tickers
htx symbols.json /v1/common/symbols
coingecko coins_markets_2024.json /coins/markets?vs_currency=usd
coingecko coins_list.json /coins/list
coingecko categories.json /coins/categories
coingecko categories_list.json /coins/categories/list
coingecko simple_price.json /simple/price?ids=bitcoin&vs_currencies=usd
coingecko simple_price_bad_currency.json /simple/price?ids=bitcoin&vs_currencies=nope
coingecko market_chart_1d.json /coins/bitcoin/market_chart?vs_currency=usd&days=1
coingecko ohlc_7d.json /coins/bitcoin/ohlc?vs_currency=usd&days=7
coingecko error_401_time_range.json /coins/bitcoin/ohlc?vs_currency=usd&days=max
coingecko error_404_coin_not_found.json /coins/nosuch
coingecko error_422_missing_ids.json /simple/price?vs_currencies=usd
coingecko error_422_missing_vs_currency.json /coins/markets
coingecko oas/exchanges.json /exchanges
coingecko oas/ping.json /ping
coinpaprika coins.json /coins
coinpaprika global.json /global
coinpaprika ticker_eth.json /tickers/eth-ethereum
coinpaprika tickers_historical.json /tickers/eth-ethereum/historical
coincap v2_assets.json /assets
coincap v3_asset_bitcoin.json /assets/bitcoin
cryptocompare price.json /data/price?fsym=BTC&tsyms=EUR
cryptocompare histoday.json /data/histoday?fsym=BTC&tsym=USD&limit=3
cryptocompare rate_limit.json /stats/rate/limit
coindesk_data index_historical_hours.json /index/cc/v1/historical/hours?market=cadli&instrument=BTC-USD&limit=2
etherscan gas_oracle.json /?chainid=1&module=gastracker&action=gasoracle&apikey=k
etherscan eth_supply.json /?chainid=1&module=stats&action=ethsupply&apikey=k
etherscan eth_price.json /?chainid=1&module=stats&action=ethprice&apikey=k
etherscan v2_block_number.json /?chainid=100&module=proxy&action=eth_blockNumber&apikey=k
etherscan v2_block_by_time.json /?chainid=1&module=block&action=getblocknobytime&timestamp=1753459200&apikey=k
etherscan error_chain_not_free.json /?chainid=56&module=proxy&action=eth_blockNumber&apikey=k
mempool_space blocks.json /v1/blocks
mempool_space difficulty_adjustment.json /v1/difficulty-adjustment
mempool_space fees_recommended.json /v1/fees/recommended
mempool_space hashrate.json /v1/mining/hashrate/3d
mempool_space mempool.json /mempool
mempool_space tip_height.json /blocks/tip/height
blockcypher eth_main.json /eth/main
""".split("\n")
    if line
]
OLD = {
    # Columns of leveraged tokens, and of two time zones.
    "gate": {
        "etf_net_value",
        "etf_pre_net_value",
        "etf_pre_timestamp",
        "etf_leverage",
        "change_utc0",
        "change_utc8",
    },
    "htx": {
        *(f"limit-order-{what}-amt" for what in ("min-order", "max-order", "max-buy", "max-sell")),
        *("sell-market-min-order-amt", "sell-market-max-order-amt", "buy-market-max-order-value"),
    },
    # Figures of single messages, which a simulated index does not have.
    "coindesk_data": {
        *(f"{side}_MESSAGE_{w}" for side in ("FIRST", "LAST", "HIGH", "LOW") for w in ("TIMESTAMP", "VALUE")),
        *(f"{kind}VOLUME{tier}_DIRECT" for kind in ("", "QUOTE_") for tier in ("", "_TOP_TIER")),
    },
}
"""Recorded keys that are left out on purpose."""


@pytest.mark.parametrize(("provider", "file", "path"), RECORDED, ids=[f"{r[0]}/{r[1]}" for r in RECORDED])
async def test_bodies_have_the_recorded_shape(
    client: Client, wire: Path, provider: str, file: str, path: str
) -> None:
    recorded = msgspec.json.decode((wire / provider / file).read_bytes())
    heard = await get(client, provider, path)
    made = heard.json()
    assert made
    gaps = shape_gaps(recorded, made)
    missing = {gap.rsplit(".", 1)[-1].removesuffix(": missing"): gap for gap in gaps}
    assert {gap for key, gap in missing.items() if key not in OLD.get(provider, ())} == set()


def test_the_comparison_sees_what_differs() -> None:
    recorded = {"a": "1", "b": [[1, 2.5]], "c": None}
    assert shape_gaps(recorded, {"a": "2", "b": [[3, 4]], "c": 1}) == []
    assert shape_gaps(recorded, {"a": 2, "b": [["3", 4]]}) == [
        "$.c: missing",
        "$.a: float instead of str",
        "$.b[0][0]: str instead of float",
    ]
