"""Every recorded body of a native adapter: what it is an answer to, and what must come out of it."""

from __future__ import annotations

from typing import NamedTuple


class Body(NamedTuple):
    """`cdts normalize PROVIDER CAPABILITY [--symbol] [--interval] < FILE` gives `count` records, exactly."""

    file: str
    capability: str
    symbol: str | None
    interval: str
    count: int


class Refusal(NamedTuple):
    """A body that came with `status` and is the error `code`."""

    file: str
    status: int
    code: str


def _bodies(text: str) -> list[Body]:
    rows = [line.split() for line in text.strip().splitlines()]
    return [Body(f, c, None if s == "-" else s, "1h" if i == "-" else i, int(n)) for f, c, s, i, n in rows]


BODIES = _bodies("""
alternative_me/fng.json fear_greed - - 2
alternative_me/fng_2022.json fear_greed - - 2
alternative_me/fng_history.json fear_greed - - 365
binance/depth.json book - - 1
binance/exchange_info.json instruments - - 25
binance/klines_1m_window.json candles - 1m 60
binance/klines_5m.json candles - 5m 24
binance/ticker_24hr.json quotes - - 1
binance/ticker_24hr_all.json quotes - - 53
binance/trades.json trades - - 6
binance_futures/open_interest.json open_interest BTC/USDT - 1
binance_futures/premium_index.json funding - - 1
bitfinex/book_p2.json book BTC/USD - 1
bitfinex/candles.json candles ETH/USDT 1d 1
bitfinex/conf_pair_exchange.json instruments - - 290
bitfinex/ticker.json quotes - - 1
bitfinex/tickers_all.json quotes - - 60
bitfinex/trades.json trades ETH/USDT - 1
bitstamp/ohlc.json candles BTC/USD 1m 10
bitstamp/order_book.json book BTC/USD - 1
bitstamp/ticker.json quotes BTC/USD - 1
bitstamp/trading_pairs_info.json instruments - - 60
bitstamp/transactions.json trades BTC/USD - 60
blockcypher/eth_main.json chain_stats ethereum - 1
blockcypher/eth_main.json gas ethereum - 1
bybit/instruments_spot.json instruments - - 2
bybit/kline_linear.json candles - - 1
bybit/orderbook.json book - - 1
bybit/recent_trade.json trades - - 1
bybit/tickers_inverse.json funding - - 1
bybit/tickers_inverse.json open_interest - - 1
bybit/tickers_spot.json quotes - - 1
coinbase_exchange/book_l2.json book BTC/USD - 1
coinbase_exchange/candles.json candles BTC/USD 5m 10
coinbase_exchange/candles_2024.json candles BTC/USDT 1h 1
coinbase_exchange/products.json instruments - - 60
coinbase_exchange/ticker.json quotes BTC/USD - 1
coinbase_exchange/ticker_2024.json quotes BTC/USDT - 1
coinbase_exchange/trades_2024.json trades BTC/USDT - 1
coincap/v2_assets.json assets - - 5
coincap/v2_assets.json coins - - 5
coincap/v2_assets.json quotes - - 5
coincap/v2_assets.json search bitcoin - 5
coincap/v3_asset_bitcoin.json coin bitcoin - 1
coincap/v3_asset_bitcoin.json quotes - - 1
coindesk_data/index_historical_days.json candles BTC/USD 1d 1
coindesk_data/index_historical_hours.json candles DPI/WETH 1h 10
coingecko/categories.json categories - - 48
coingecko/categories_list.json categories - - 107
coingecko/coin_bitcoin.json coin bitcoin - 1
coingecko/coins_list.json assets - - 60
coingecko/coins_markets.json coins - - 1
coingecko/coins_markets.json quotes - - 1
coingecko/coins_markets_2024.json coins - - 1
coingecko/coins_markets_2024.json quotes - - 1
coingecko/coins_markets_two.json coins - - 2
coingecko/coins_markets_two.json quotes - - 2
coingecko/global.json global - - 1
coingecko/history.json coin bitcoin - 1
coingecko/ohlc_7d.json candles BITCOIN/USD 4h 42
coingecko/oas/ohlc.json candles BITCOIN/USD 30m 2
coingecko/pro_coin_zksync.json coin zksync - 1
coingecko/pro_simple_price.json quotes ETH/BTC - 1
coingecko/search.json search eth - 3
coingecko/search_trending.json trending - - 15
coingecko/search_trending_2021.json trending - - 7
coingecko/simple_price.json quotes BTC/USD - 1
coingecko/simple_price_spaces_after_comma.json quotes BTC/USD - 1
coingecko/oas/categories.json categories - - 2
coingecko/oas/categories_list.json categories - - 2
coingecko/oas/coin_detail.json coin bitcoin - 1
coingecko/oas/coins_list.json assets - - 2
coingecko/oas/coins_markets.json coins - - 1
coingecko/oas/exchanges.json exchanges - - 2
coingecko/oas/exchanges_list.json exchanges - - 3
coingecko/oas/global.json global - - 1
coingecko/oas/search.json search eth - 1
coingecko/oas/search_trending.json trending - - 1
coingecko/oas/simple_price.json quotes BTC/USD - 1
coinmarketcap/global_metrics.json global - - 1
coinmarketcap/map_element.json assets - - 1
coinmarketcap/ticker_element.json coins - - 1
coinmarketcap/ticker_element.json quotes - - 1
coinpaprika/coins.json assets - - 3
coinpaprika/global.json global - - 1
coinpaprika/ticker_eth.json coin eth-ethereum - 1
coinpaprika/ticker_eth.json coins - - 1
coinpaprika/ticker_eth.json quotes - - 1
crypto_com/get_book.json book BTC/USD - 1
crypto_com/get_candlestick.json candles BTC/USDT 5m 1
crypto_com/get_trades.json trades BTC/USD - 1
cryptocompare/coinlist.json assets - - 60
cryptocompare/generate_avg.json quotes - - 1
cryptocompare/histoday.json candles BTC/USD 1d 31
cryptocompare/histohour_limit10.json candles BTC/USD 1h 10
cryptocompare/histominute_limit10.json candles BTC/USD 1m 10
cryptocompare/price.json quotes WETH/EUR - 1
cryptocompare/pricemulti.json quotes - - 9
cryptocompare/pricemultifull.json quotes - - 1
defillama/oas/chains.json defi_chains - - 1
defillama/oas/historical_chain_tvl.json tvl_history - - 1
defillama/oas/stablecoins.json stablecoins - - 1
defillama/overview_dexs_one_protocol.json dex_volumes - - 1
defillama/protocol_peppercoin.json defi_protocol peppercoin - 1
defillama/protocols.json defi_protocols - - 5
defillama/yields_pools.json yields - - 2
deribit/get_book_summary.json funding - - 1
deribit/get_book_summary.json open_interest - - 1
etherscan/gas_oracle.json gas - - 1
etherscan/v2_block_number.json chain_stats - - 1
gate/candlesticks.json candles - 30m 1
gate/currency_pairs.json instruments - - 60
gate/order_book.json book BTC/USDC - 1
gate/tickers.json quotes - - 1
gate/trades.json trades - - 1
gemini/book.json book BTC/USD - 1
gemini/pubticker.json quotes BTC/USD - 1
gemini/symbol_details.json instruments - - 1
gemini/symbols.json instruments - - 50
gemini/trades.json trades BTC/USD - 60
htx/depth.json book ETH/BTC - 1
htx/history_trade.json trades ETH/BTC - 79
htx/kline.json candles - 1d 2
htx/merged.json quotes - - 1
htx/symbols.json instruments - - 60
htx/tickers.json quotes - - 28
hyperliquid/meta_and_asset_ctxs.json funding - - 3
hyperliquid/meta_and_asset_ctxs.json open_interest - - 3
kraken/asset_pairs.json instruments - - 1
kraken/depth.json book - - 1
kraken/ohlc.json candles - 1m 60
kraken/ohlc_short.json candles BTC/USD 1m 4
kraken/ticker.json quotes BTC/USDT - 1
kraken/ticker_all_asset_version_1.json quotes - - 53
kraken/trades.json trades - - 60
kucoin/all_tickers.json quotes - - 58
kucoin/candles.json candles - 1m 2
kucoin/histories.json trades - - 2
kucoin/orderbook_level2.json book KCS/BTC - 1
kucoin/stats.json quotes BTC/USDT - 1
kucoin/symbols.json instruments - - 60
mempool_space/blocks.json chain_stats - - 1
mempool_space/fees_recommended.json gas - - 1
mempool_space/hashrate.json chain_stats - - 1
mempool_space/mempool.json chain_stats - - 1
mexc/depth.json book - - 1
mexc/klines.json candles - 1h 1
mexc/ticker_24hr.json quotes - - 2
mexc/trades.json trades - - 2
okx/books.json book - - 1
okx/candles.json candles - 1m 1
okx/candles_btc_1h.json candles - 1h 3
okx/candles_full.json candles - 1m 2
okx/funding_rate.json funding - - 1
okx/open_interest.json open_interest - - 1
okx/trades.json trades - - 2
""")

NODES = {"rpc": "ethereum_publicnode"}
"""The folder of many nodes' answers, and the entry that reads them."""

DERIVATIVES_OF = {"bybit": "bybit_futures", "okx": "okx_futures"}
"""Folders whose funding rates and open interest are read by an entry of their own."""

NO_SPOT = {
    "coingecko/simple_price_bad_currency.json": ("quotes", "asked in a currency CoinGecko does not price in"),
    "crypto_com/get_tickers.json": ("quotes", "its one row is a perpetual"),
    "okx/instruments_futures.json": ("instruments", "dated futures"),
    "okx/ticker.json": ("quotes", "a perpetual swap"),
    "okx/tickers.json": ("quotes", "asked for instType=SWAP"),
}
"""Bodies of a capability's shape that hold nothing for sale on a spot market: no record may come out."""

ELEMENTS = frozenset({"coinmarketcap/map_element.json", "coinmarketcap/ticker_element.json"})
"""One element of `data`, recorded without the envelope: the test puts it back."""

REFUSALS = [
    Refusal("binance/error_400_invalid_symbol.json", 400, "symbol_not_listed"),
    Refusal("binance/error_418_ip_banned.json", 418, "upstream_banned"),
    Refusal("binance/error_451_geo_block.json", 451, "region_blocked"),
    Refusal("bitfinex/error_500_invalid_symbol.json", 500, "symbol_not_listed"),
    Refusal("binance_futures/error_invalid_symbol.json", 400, "symbol_not_listed"),
    Refusal("bybit/error_10001_params.json", 200, "upstream_rejected"),
    Refusal("bybit/error_403_cloudfront.txt", 403, "region_blocked"),
    Refusal("coinbase_exchange/error_404_not_found.json", 404, "symbol_not_listed"),
    Refusal("coindesk_data/error_404_not_trading.json", 404, "upstream_rejected"),
    Refusal("coingecko/error_401_time_range.json", 401, "plan_required"),
    Refusal("coingecko/error_404_coin_not_found.json", 404, "symbol_not_listed"),
    Refusal("coingecko/error_422_missing_ids.json", 422, "upstream_rejected"),
    Refusal("coingecko/error_422_missing_vs_currency.json", 422, "upstream_rejected"),
    Refusal("coingecko/error_429.json", 429, "upstream_rate_limited"),
    Refusal("coingecko/error_500.json", 500, "upstream_server_error"),
    Refusal("cryptocompare/error_rate_limit_200.json", 200, "upstream_rate_limited"),
    Refusal("defillama/error_unknown_protocol.json", 400, "symbol_not_listed"),
    Refusal("deribit/ws_error.json", 400, "upstream_rate_limited"),
    Refusal("etherscan/error_chain_not_free.json", 200, "plan_required"),
    Refusal("etherscan/error_contract_not_verified.json", 200, "upstream_rejected"),
    Refusal("etherscan/error_pro_endpoint.json", 200, "plan_required"),
    Refusal("etherscan/error_rate_limit.json", 200, "upstream_rate_limited"),
    Refusal("gate/error_400_invalid_currency.json", 400, "symbol_not_listed"),
    Refusal("gate/error_400_invalid_pair.json", 400, "symbol_not_listed"),
    Refusal("kraken/error_too_many_requests.json", 200, "upstream_rate_limited"),
    Refusal("kraken/error_unknown_pair.json", 200, "symbol_not_listed"),
    Refusal("mexc/error_unknown_pair_empty.json", 200, "symbol_not_listed"),
    Refusal("okx/error_50011_rate_limit.json", 429, "upstream_rate_limited"),
    Refusal("okx/error_51001_unknown_instrument.json", 200, "symbol_not_listed"),
    Refusal("rpc/error_429_solana_method_limit.json", 429, "upstream_rate_limited"),
    Refusal("rpc/error_getlogs_range.json", 200, "upstream_rejected"),
    Refusal("rpc/error_missing_trie_node.json", 200, "upstream_server_error"),
    Refusal("rpc/eth_getBlockByNumber_notfound.json", 200, "upstream_server_error"),
]

_ACCOUNTS = "what single accounts have or sent"
_CANDLES = "candles of contracts; candles are of spot markets"
_DERIVATIVES = "a figure of derivatives, which is read from other venues"
_PAST = "a history; the newest is in what is read"
_RATIO = "a ratio of accounts"
_TRADING = "trading of contracts; prices are of spot markets"
_LLAMA_COINS = "prices by contract address or CoinGecko id, gathered from others"
_LLAMA_FEES = "fees of protocols"
_SERIES = "a series of single prices, not candles"
_TEST_CHAIN = "of a test chain; tests/providers/test_evm_rpc.py reads it"
_TICKERS = "one coin's prices at each exchange, which venues give themselves"
NOT_APPLICABLE = {
    "binance/agg_trades.json": "trades are read from /trades",
    "binance/avg_price.json": "an average of five minutes, not a last price",
    "binance/ticker_book.json": "bid and ask are in the 24 h ticker",
    "binance/ticker_price.json": "a price without volume or time; the 24 h ticker has both",
    "binance_futures/funding_rate_history.json": _PAST,
    "binance_futures/funding_rate_history_hype.json": _PAST,
    "binance_futures/global_long_short_ratio.json": _RATIO,
    "binance_futures/klines_1d.json": _CANDLES,
    "binance_futures/open_interest_hist.json": _PAST,
    "binance_futures/ticker_24hr_all.json": _TRADING,
    "binance_futures/top_long_short_position_ratio.json": _RATIO,
    "blockchain_info/multiaddr.json": _ACCOUNTS,
    "blockchain_info/rawtx.json": _ACCOUNTS,
    "blockcypher/btc_tx.json": _ACCOUNTS,
    "bitfinex/status_deriv.json": _DERIVATIVES,
    "bybit/account_ratio.json": _RATIO,
    "bybit/announcements.json": "announcements",
    "bybit/funding_history.json": _PAST,
    "bybit/open_interest.json": _PAST,
    "coinbase_exchange/stats.json": "a second call a product for high and low; the ticker is enough for a price",
    "coingecko/asset_platforms.json": "a list of chains",
    "coingecko/coin_tickers.json": _TICKERS,
    "coingecko/derivatives.json": _DERIVATIVES,
    "coingecko/exchange_tickers_binance.json": _TICKERS,
    "coingecko/exchange_volume_chart.json": "an exchange's volume over time",
    "coingecko/global_defi.json": "the DeFi market",
    "coingecko/market_chart_1d.json": _SERIES,
    "coingecko/market_chart_90d_daily.json": _SERIES,
    "coingecko/oas/asset_platforms.json": "a list of chains",
    "coingecko/oas/coin_tickers.json": _TICKERS,
    "coingecko/oas/derivatives.json": _DERIVATIVES,
    "coingecko/oas/derivatives_exchanges.json": _DERIVATIVES,
    "coingecko/oas/exchange_rates.json": "rates against bitcoin; the service measures its own",
    "coingecko/oas/global_defi.json": "the DeFi market",
    "coingecko/oas/market_chart.json": _SERIES,
    "coingecko/oas/market_chart_range.json": _SERIES,
    "coingecko/oas/nfts_list.json": "NFT collections",
    "coingecko/oas/ping.json": "a sign of life",
    "coingecko/oas/public_treasury.json": "companies' holdings",
    "coingecko/oas/simple_token_price.json": "prices keyed by contract address",
    "coingecko/oas/supported_vs_currencies.json": "a list of currencies",
    "coinmarketcap/web_historical_index.json": "an undocumented page of the website",
    "coinpaprika/tickers_historical.json": _SERIES,
    "cryptocompare/news_legacy.json": "news",
    "cryptocompare/news_providers.json": "news",
    "cryptocompare/rate_limit.json": "the key's own use",
    "cryptocompare/top_pairs.json": "a coin's most traded pairs",
    "defillama/oas/block.json": "a chain's block at a time",
    "defillama/oas/coins_chart.json": _LLAMA_COINS,
    "defillama/oas/coins_percentage.json": _LLAMA_COINS,
    "defillama/oas/overview_fees.json": _LLAMA_FEES,
    "defillama/oas/overview_open_interest.json": "open interest of protocols; venues give their own",
    "defillama/oas/stablecoinchains.json": "stablecoins by chain",
    "defillama/oas/stablecoincharts_chain.json": "a chain's stablecoins over time",
    "defillama/overview_dexs_chain_chart.json": "a chain's volume by day",
    "defillama/prices_current.json": _LLAMA_COINS,
    "defillama/prices_current_contract.json": _LLAMA_COINS,
    "defillama/prices_current_three.json": _LLAMA_COINS,
    "defillama/prices_historical.json": _LLAMA_COINS,
    "defillama/summary_fees.json": _LLAMA_FEES,
    "defillama/yields_chart.json": "one pool's yield over time",
    "deribit/get_index.json": "an index; a perpetual's mark price is in its summary",
    "deribit/get_instruments.json": "contracts, their names and terms",
    "deribit/get_last_trades.json": _TRADING,
    "deribit/get_tradingview_chart_data.json": _CANDLES,
    "deribit/ticker.json": "one option's ticker",
    "hyperliquid/all_mids.json": _TRADING,
    "hyperliquid/candle_snapshot.json": _CANDLES,
    "hyperliquid/funding_history.json": _PAST,
    "hyperliquid/l2_book.json": _TRADING,
    "hyperliquid/recent_trades.json": _TRADING,
    "hyperliquid/spot_meta.json": "names of the venue's spot tokens",
    "etherscan/balance_multi.json": _ACCOUNTS,
    "etherscan/block_number_by_timestamp.json": "the block of a moment",
    "etherscan/block_reward.json": "what a miner got",
    "etherscan/eth_price.json": "a price without volume, gathered from others",
    "etherscan/eth_supply.json": "leaves out stakers' rewards and burnt fees; ethsupply2 has them",
    "etherscan/gas_estimate.json": "how long a given fee takes",
    "etherscan/v2_block_by_time.json": "the block of a moment",
    "etherscan/v2_no_transactions.json": _ACCOUNTS,
    "etherscan/v2_tokentx.json": _ACCOUNTS,
    "etherscan/v2_txlist.json": _ACCOUNTS,
    "kraken/assets.json": "currencies; pairs name both of theirs",
    "kraken/spread.json": "spreads over time",
    "kraken/system_status.json": "a sign of life",
    "kraken/time.json": "a sign of life",
    "kucoin/orderbook_level1.json": "the best levels alone; the book has them",
    "mempool_space/difficulty_adjustment.json": "how far it is to the next difficulty",
    "mempool_space/historical_price.json": "a past price, gathered from others",
    "mempool_space/mempool_blocks.json": "the mempool cut into blocks; the fees by time are made of it",
    "mempool_space/mempool_recent.json": "single transactions",
    "mempool_space/prices.json": "prices gathered from others",
    "mempool_space/tip_height.json": "the height is in the list of blocks",
    "mexc/ticker_price.json": "a price without volume or time; the 24 h ticker has both",
    "okx/funding_rate_history.json": _PAST,
    "okx/index_tickers.json": "an index, not a market",
    "rpc/eth_blobBaseFee.json": "the fee history has the blob fee",
    "rpc/eth_blockNumber.json": "the block has its number",
    "rpc/eth_chainId.json": "the catalogue says which chain a node serves",
    "rpc/eth_feeHistory.json": _TEST_CHAIN,
    "rpc/eth_getBalance.json": _ACCOUNTS,
    "rpc/eth_getBlockByNumber_latest.json": _TEST_CHAIN,
    "rpc/solana_get_account_info.json": _ACCOUNTS,
}
"""Bodies that answer no capability of the adapter, and why."""
