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
/api/trending
/api/coins
/api/coins/{}
/api/coins/search
/api/orderbook
/api/trades
/api/exchanges
/api/exchanges/{}
/api/providers
/api/providers/{}
/api/providers/category/{}
/api/providers/{}/stats
/api/health
/api/health/live
/api/health/ready
""".split()
"""Every GET route of the market, providers and health parts of the published contract."""


def test_route_table_is_as_recorded() -> None:
    assert routes_of(create_app().openapi()) == SNAPSHOT.read_text().splitlines(), REGENERATE


def test_every_route_of_the_contract_exists() -> None:
    paths = create_app().openapi()["paths"]
    served = {re.sub(r"\{\w+\}", "{}", path) for path, operations in paths.items() if "get" in operations}
    assert set(CONTRACT) - served == set()


def test_a_fixed_path_comes_before_the_parameter_that_would_swallow_it() -> None:
    lines = [line.split()[1] for line in routes_of(create_app().openapi())]
    for at, path in enumerate(lines):
        pattern = re.compile(re.sub(r"\{symbol\}", ".+", re.sub(r"\{(?!symbol)\w+\}", "[^/]+", path)) + r"\Z")
        swallowed = [later for later in lines[at + 1 :] if pattern.match(later)]
        assert not swallowed, f"{path} answers {swallowed} as well"
