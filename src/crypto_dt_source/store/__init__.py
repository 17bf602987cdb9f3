"""Rows that last: SQLite by default, PostgreSQL by URL. `open_store` opens it, `repos` holds every query there is."""

from .engine import Store, open_store, parse_url
from .errors import StoreClosed, StoreError, StoreOpenError
from .rows import (
    ApiCallRow,
    BackfillRow,
    BudgetRow,
    CallStats,
    CandleRange,
    ConfirmedGap,
    Coverage,
    Gap,
    MarketRow,
    PoolMemberRow,
    PoolRow,
    PricePoint,
    PriceRow,
    ProviderRow,
    QuoteRow,
    RateRow,
    RequestStats,
    SeriesKey,
    UserRequestRow,
)
from .sql import Write
from .tables import CONSENSUS

__all__ = [
    "CONSENSUS",
    "ApiCallRow",
    "BackfillRow",
    "BudgetRow",
    "CallStats",
    "CandleRange",
    "ConfirmedGap",
    "Coverage",
    "Gap",
    "MarketRow",
    "PoolMemberRow",
    "PoolRow",
    "PricePoint",
    "PriceRow",
    "ProviderRow",
    "QuoteRow",
    "RateRow",
    "RequestStats",
    "SeriesKey",
    "Store",
    "StoreClosed",
    "StoreError",
    "StoreOpenError",
    "UserRequestRow",
    "Write",
    "open_store",
    "parse_url",
]
