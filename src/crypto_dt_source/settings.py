"""Every setting of the service, read from the environment or `.env`. Read by wiring and the command line alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

BASE_URL_PREFIX = "CDTS_BASE_URL__"
DAY_S = 86_400


class SettingsError(ValueError):
    """A setting that cannot be used; the text names the variable, what it got and what is allowed."""


class Settings(BaseSettings):
    """Names are the environment's, lower-cased. Durations are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", case_sensitive=False, frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(
        7860, ge=0, le=65535, description="Port to listen on; 0 picks a free one and prints it."
    )
    environment: Literal["development", "production"] = Field(
        "development",
        description="production refuses weak secrets and hides the interactive docs' try-it server.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line logged."
    )
    log_format: Literal["console", "json"] = Field("console", description="How log lines look.")
    data_dir: Path = Field(Path("data"), description="Folder of everything the service keeps.")
    database_url: str = Field(
        "", description="sqlite:///path or postgresql://…; empty: sqlite in DATA_DIR/crypto-dt-source.db."
    )
    database_pool_size: int = Field(4, ge=1, le=64, description="Reader connections.")
    enable_background_tasks: bool = Field(
        True, description="Collect on the timetable; off: answer what is stored."
    )

    cache_ttl_prices: int = Field(
        300, ge=1, le=DAY_S, description="Age up to which a quote counts in a price."
    )
    cache_ttl_market: int = Field(300, ge=1, le=DAY_S, description="Soft age of the global market.")
    cache_ttl_coins: int = Field(
        600, ge=1, le=DAY_S, description="Soft age of coin lists, details and searches."
    )
    cache_ttl_categories: int = Field(300, ge=1, le=DAY_S, description="Soft age of categories.")
    cache_ttl_trending: int = Field(600, ge=1, le=DAY_S, description="Soft age of trending coins.")
    cache_ttl_ohlcv: int = Field(900, ge=1, le=DAY_S, description="Soft age of closed candles.")
    cache_ttl_open_candle: int = Field(
        5, ge=1, le=3600, description="Soft age of the candle that still runs."
    )
    cache_ttl_orderbook: int = Field(2, ge=1, le=3600, description="Soft age of order books and trades.")
    cache_ttl_exchanges: int = Field(3600, ge=1, le=DAY_S, description="Soft age of the list of exchanges.")
    cache_max_stale_prices: int = Field(
        7 * DAY_S, ge=1, description="Oldest price that is still answered, marked stale."
    )
    cache_max_stale_market: int = Field(7 * DAY_S, ge=1, description="Oldest market answer, marked stale.")
    cache_max_stale_orderbook: int = Field(60, ge=1, description="Oldest order book, marked stale.")

    retention_days: int = Field(90, ge=1, le=3650, description="Days prices, candles and snapshots are kept.")
    retention_quotes_hours: int = Field(
        48, ge=1, le=8760, description="Hours the quotes behind each price are kept."
    )
    retention_requests_days: int = Field(
        7, ge=1, le=365, description="Days of request and upstream-call records."
    )
    collect_interval: int = Field(
        60, ge=5, le=3600, description="Seconds between two full quote lists of a venue."
    )
    collect_top: int = Field(
        250, ge=1, le=10_000, description="Largest assets whose prices are always stored."
    )
    backfill_days: int = Field(90, ge=0, le=3650, description="Days of candles fetched for the top assets.")
    backfill_top: int = Field(25, ge=0, le=1000, description="Largest assets whose candles are back-filled.")
    backfill_intervals: str = Field("1h,1d", description="Intervals back-filled, comma separated.")

    upstream_timeout: float = Field(8.0, gt=0, le=60, description="Longest one upstream call may take.")
    request_timeout: float = Field(20.0, gt=0, le=120, description="Longest a client waits before a 504.")

    coingecko_api_key: str = Field("", repr=False, description="CoinGecko demo key.")
    coingecko_pro_api_key: str = Field("", repr=False, description="CoinGecko pro key.")
    coinmarketcap_api_key: str = Field("", repr=False, description="CoinMarketCap key.")
    coincap_api_key: str = Field("", repr=False, description="CoinCap v3 key.")
    cryptocompare_api_key: str = Field("", repr=False, description="CryptoCompare / CoinDesk Data key.")

    @field_validator("backfill_intervals")
    @classmethod
    def _known_intervals(cls, value: str) -> str:
        from .model.candle import INTERVAL_MS

        for name in filter(None, value.split(",")):
            if name not in INTERVAL_MS:
                raise ValueError(f"{name!r} is not an interval; allowed: {', '.join(INTERVAL_MS)}")
        return value

    def keys(self) -> dict[str, str]:
        """Upstream keys that are set, by environment name."""
        named = {f"{name}_API_KEY": str(getattr(self, f"{name.lower()}_api_key")) for name in _KEYS}
        return {name: value for name, value in named.items() if value}

    def sql_url(self) -> str:
        """The database URL, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'crypto-dt-source.db'}"


_KEYS = ("COINGECKO", "COINGECKO_PRO", "COINMARKETCAP", "COINCAP", "CRYPTOCOMPARE")


def load(**overrides: object) -> Settings:
    """The settings of this process. Raises SettingsError with one sentence for the first wrong variable."""
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).upper() if first["loc"] else "settings"
        got = "a secret" if name.endswith(("_KEY", "_SALT")) else repr(first.get("input"))
        raise SettingsError(f"{name}: got {got}; {first['msg']}.") from None


def base_urls() -> dict[str, str]:
    """Overrides of upstream addresses by provider id: `CDTS_BASE_URL__BINANCE=http://127.0.0.1:9000/binance`."""
    merged = {**dotenv_values(".env"), **os.environ}
    return {
        name[len(BASE_URL_PREFIX) :].lower(): value
        for name, value in merged.items()
        if name.upper().startswith(BASE_URL_PREFIX) and value
    }
