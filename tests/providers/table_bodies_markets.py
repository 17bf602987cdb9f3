"""The same as `table_bodies.py` for perpetual contracts, moods and the market."""

from __future__ import annotations

from table_bodies import AT, CHAINS, Documented

from crypto_dt_source.model.ask import Capability

FUNDING, INTEREST = Capability.FUNDING, Capability.OPEN_INTEREST
MARKETS = [
    Documented(
        "gate_futures",
        FUNDING,
        """[{"name": "BTC_USDT", "type": "direct", "funding_rate": "0.0001", "funding_interval": 28800,
         "funding_next_apply": 1795276800, "mark_price": "91000.5", "index_price": "91010", "quanto_multiplier": "0.0001"}]""",
        1,
        {
            "base": "BTC",
            "quote": "USDT",
            "rate": 0.0001,
            "interval_h": 8.0,
            "mark_price": 91000.5,
            "next_ms": 1_795_276_800_000,
        },
    ),
    *(
        Documented(
            "bitget_futures",
            capability,
            """{"code": "00000", "msg": "success", "requestTime": 1795272443000, "data": [{"symbol": "1000BONKUSDT",
             "lastPr": "0.0212", "markPrice": "0.0212", "indexPrice": "0.02119", "fundingRate": "-0.00005",
             "holdingAmount": "4500", "ts": "1795272443000"}]}""",
            1,
            first,
        )
        for capability, first in (
            (FUNDING, {"base": "BONK", "rate": -0.00005, "mark_price": 0.0000212, "event_ms": AT}),
            (INTEREST, {"base": "BONK", "amount": 4_500_000.0, "value": None}),
        )
    ),
    Documented(
        "kucoin_futures",
        FUNDING,
        """{"code": "200000", "data": [{"symbol": "XBTUSDTM", "type": "FFWCSX", "baseCurrency": "XBT", "quoteCurrency":
         "USDT", "isInverse": false, "fundingFeeRate": 0.0001, "currentFundingRateGranularity": 14400000, "markPrice": 91000.5,
         "indexPrice": 91010, "nextFundingRateDateTime": 1795276800000}, {"symbol": "XBTUSDM", "type": "FFWCSX",
         "baseCurrency": "XBT", "quoteCurrency": "USD", "isInverse": true, "fundingFeeRate": 0.0001}]}""",
        1,
        {"symbol": "XBTUSDTM", "base": "BTC", "interval_h": 4.0, "next_ms": 1_795_276_800_000},
    ),
    Documented(
        "mexc_futures",
        FUNDING,
        """{"success": true, "code": 0, "data": [{"symbol": "ETH_USDT", "lastPrice": 3050.1, "fairPrice": 3050.5,
         "indexPrice": 3051, "fundingRate": 0.00008, "holdVol": 123, "timestamp": 1795272443000}]}""",
        1,
        {"base": "ETH", "rate": 0.00008, "mark_price": 3050.5, "interval_h": None},
    ),
    Documented(
        "htx_futures",
        FUNDING,
        """{"status": "ok", "data": [{"estimated_rate": null, "funding_rate": "0.0001", "contract_code": "BTC-USDT",
         "symbol": "BTC", "fee_asset": "USDT", "funding_time": "1795276800000", "next_funding_time": null}], "ts": 1795272443000}""",
        1,
        {"base": "BTC", "quote": "USDT", "rate": 0.0001, "next_ms": 1_795_276_800_000},
    ),
    Documented(
        "htx_futures",
        INTEREST,
        """{"status": "ok", "data": [{"volume": 9000000, "amount": 9000.5, "symbol": "BTC", "value": 819000000.5,
         "contract_code": "BTC-USDT", "business_type": "swap"}, {"volume": 1, "amount": 1, "symbol": "BTC", "value": 91000,
         "contract_code": "BTC-USDT-261225", "business_type": "futures"}], "ts": 1795272443000}""",
        1,
        {"amount": 4500.25, "value": 409500000.25, "event_ms": AT},
    ),
    Documented(
        "bingx_futures",
        FUNDING,
        """{"code": 0, "msg": "", "data": [{"symbol": "BTC-USDT", "markPrice": "91000.5", "indexPrice": "91010",
         "lastFundingRate": "0.0001", "nextFundingTime": 1795276800000}]}""",
        1,
        {"base": "BTC", "rate": 0.0001, "mark_price": 91000.5},
    ),
    *(
        Documented(
            "whitebit_futures",
            capability,
            """{"success": true, "message": null, "result": [{"ticker_id": "BTC_PERP", "stock_currency": "BTC",
             "money_currency": "USDT", "index_price": "91010", "mark_price": "91000.5", "funding_rate": "0.0001",
             "funding_interval_minutes": 480, "next_funding_rate_timestamp": "1795276800000", "open_interest": "321.5"}]}""",
            1,
            first,
        )
        for capability, first in (
            (
                FUNDING,
                {"symbol": "BTC_PERP", "quote": "USDT", "interval_h": 8.0, "next_ms": 1_795_276_800_000},
            ),
        )
    ),
    *(
        Documented(
            "bitmart_futures",
            capability,
            """{"code": 1000, "message": "Ok", "data": {"symbols": [{"symbol": "BTCUSDT", "product_type": 1, "base_currency":
             "BTC", "quote_currency": "USDT", "index_price": "91010", "expected_funding_rate": "0.0001",
             "funding_interval_hours": 8, "funding_time": 1795276800000, "open_interest_value": "12000000.5", "status":
             "Trading"}, {"symbol": "LUNAUSDT", "product_type": 1, "base_currency": "LUNA", "quote_currency": "USDT",
             "expected_funding_rate": "0", "open_interest_value": "0", "status": "Delisted"}]}}""",
            1,
            first,
        )
        for capability, first in ((FUNDING, {"base": "BTC", "rate": 0.0001, "interval_h": 8.0}),)
    ),
    Documented(
        "backpack_futures",
        FUNDING,
        """[{"symbol": "SOL_USDC_PERP", "fundingRate": "0.0000125", "indexPrice": "142.1", "markPrice": "142.05",
         "nextFundingTimestamp": 1795276800000}]""",
        1,
        {"symbol": "SOL_USDC_PERP", "base": "SOL", "quote": "USDC", "mark_price": 142.05},
    ),
    Documented(
        "woox_futures",
        FUNDING,
        """{"success": true, "rows": [{"symbol": "PERP_BTC_USDT", "est_funding_rate": -0.00001392,
         "est_funding_rate_timestamp": 1795272443000, "last_funding_rate": -0.00001666, "next_funding_time": 1795276800000,
         "last_funding_rate_interval": 8, "est_funding_rate_interval": 8}]}""",
        1,
        {"base": "BTC", "quote": "USDT", "rate": -0.00001392, "interval_h": 8.0, "event_ms": AT},
    ),
    Documented(
        "orderly_futures",
        FUNDING,
        """{"success": true, "data": {"rows": [{"symbol": "PERP_ETH_USDC", "est_funding_rate": 0.0001, "last_funding_rate":
         0.00008, "next_funding_time": 1795276800000}]}, "timestamp": 1795272443000}""",
        1,
        {"base": "ETH", "quote": "USDC", "rate": 0.0001},
    ),
    Documented(
        "aevo",
        FUNDING,
        """[{"ticker_id": "ETH-PERP", "base_currency": "ETH", "target_currency": "USDC", "product_type": "Perpetual",
         "open_interest": "810.2", "index_price": "3051.2", "funding_rate": "0.000012", "next_funding_rate_timestamp":
         "1795276800000000000"}]""",
        1,
        {"base": "ETH", "quote": "USD", "interval_h": 1.0, "next_ms": 1_795_276_800_000},
    ),
    Documented(
        "coinmarketcap_mood",
        Capability.FEAR_GREED,
        """{"data": [{"timestamp": "1795219200", "value": 38, "value_classification": "Fear"}, {"timestamp": "1795132800",
         "value": 41, "value_classification": "Neutral"}], "status": {"error_code": "0"}}""",
        2,
        {
            "value": 38,
            "classification": "Fear",
            "series": "CoinMarketCap Fear and Greed Index",
            "day_ms": 1_795_219_200_000,
        },
    ),
    Documented(
        "alternative_me_market",
        Capability.GLOBAL,
        """{"data": {"active_cryptocurrencies": 6000, "active_markets": 30000, "bitcoin_percentage_of_market_cap": 58.1,
         "quotes": {"USD": {"total_market_cap": 3100000000000, "total_volume_24h": 140000000000}}, "last_updated": 1795272443},
         "metadata": {"timestamp": 1795272443, "error": null}}""",
        1,
        {
            "market_cap": 3.1e12,
            "volume_24h": 1.4e11,
            "btc_dominance_pct": 58.1,
            "active_coins": 6000,
            "event_ms": AT,
        },
    ),
]
DOCUMENTED = [*CHAINS, *MARKETS]
RECORDED = {
    ("dydx", FUNDING): "dydx/perpetual_markets.json",
    ("dydx", INTEREST): "dydx/perpetual_markets.json",
}
"""What was recorded instead, in the folder of recorded bodies."""
