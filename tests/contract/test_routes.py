"""The routes: the table is as recorded, and everything the contract names of this part is there."""

from __future__ import annotations

import re
from pathlib import Path

from api_document import routes_of

from crypto_dt_source.api.app import create_app

SNAPSHOT = Path(__file__).with_name("routes.txt")
REGENERATE = "if the change is meant, run .venv/bin/python tools/make_openapi.py"
CONTRACT = """
/api/market
/api/market/history
/api/market/gainers
/api/market/losers
/api/market/categories
/api/prices
/api/prices/{}
/api/prices/{}/sources
/api/prices/history/{}
/api/ohlcv
/api/ohlcv/coverage
/api/historical-data
/api/trending
/api/coins
/api/coins/{}
/api/coins/search
/api/orderbook
/api/trades
/api/exchanges
/api/exchanges/{}
/api/derivatives/funding
/api/derivatives/open-interest
/api/defi
/api/defi/tvl-chart
/api/defi/protocols/{}
/api/defi/chains
/api/defi/yields
/api/defi/stablecoins
/api/defi/dex-volumes
/api/news
/api/news/{}
/api/news/sources
/api/sentiment
/api/sentiment/history
/api/sentiment/fear-greed
/api/sentiment/{}
/api/models
/api/blockchain/gas
/api/blockchain/stats
/api/providers
/api/providers/{}
/api/providers/category/{}
/api/providers/{}/stats
/api/resources
/api/resources/category/{}
/api/resources/export/json
/api/resources/export/csv
/api/pools
/api/pools/{}
/api/pools/history
/api/pools/{}/history
/api/health
/api/health/live
/api/health/ready
/health
/api/hf/health
/api/status
/api/stats
/api/stats/export
/api/freshness
/api/failures
/api/budgets
/api/metrics
/metrics
/api/logs
/api/logs/recent
/api/logs/errors
/api/logs/stats
/api/logs/export/json
/api/logs/export/csv
""".split()
"""Every GET route of the market, DeFi, news, on-chain, providers and health parts of the published contract."""
POSTS = """
/api/analyze/text
/api/analyze/batch
/api/sentiment/analyze
/api/sentiment/crypto-analysis
/api/pools
/api/pools/{}/members/{}
/api/pools/{}/rotate
/api/models/{}/load
/api/models/{}/unload
/api/models/{}/generate
/api/hf/run-sentiment
/api/providers/{}/health-check
/api/resources/import/json
/api/resources/import/csv
/api/resources/backup
/api/resources/provider
""".split()
"""Its POST routes."""


def test_route_table_is_as_recorded() -> None:
    assert routes_of(create_app().openapi()) == SNAPSHOT.read_text().splitlines(), REGENERATE


def test_every_route_of_the_contract_exists() -> None:
    paths = create_app().openapi()["paths"]
    served = {re.sub(r"\{\w+\}", "{}", path) for path, operations in paths.items() if "get" in operations}
    assert set(CONTRACT) - served == set()
    taken = {re.sub(r"\{\w+\}", "{}", path) for path, operations in paths.items() if "post" in operations}
    assert set(POSTS) - taken == set()


def test_a_fixed_path_comes_before_the_parameter_that_would_swallow_it() -> None:
    lines = [line.split()[:2] for line in routes_of(create_app().openapi())]
    for at, (method, path) in enumerate(lines):
        pattern = re.compile(re.sub(r"\{symbol\}", ".+", re.sub(r"\{(?!symbol)\w+\}", "[^/]+", path)) + r"\Z")
        swallowed = [later for how, later in lines[at + 1 :] if how == method and pattern.match(later)]
        assert not swallowed, f"{path} answers {swallowed} as well"
