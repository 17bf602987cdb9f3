"""Every setting of the service, read from the environment or `.env`. Read by wiring and the command line alone."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args, get_origin
from urllib.parse import unquote

from dotenv import dotenv_values
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .settings_access import ACCESS_SECRETS, AccessSettings
from .settings_ops import AUTO, TARGETS, SpacePreset, data_folder, data_places, lasts, mounted

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

BASE_URL_PREFIX = "CDTS_BASE_URL__"
WS_URL_PREFIX = "CDTS_WS_URL__"
DAY_S = 86_400


SECRETS = tuple(
    f"{name}_api_key"
    for name in ("coingecko", "coingecko_pro", "coinmarketcap", "coincap", "cryptocompare", "etherscan")
)
"""Upstream keys. Their values are never printed."""


class SettingsError(ValueError):
    """A setting that cannot be used; the text names the variable, what it got and what is allowed."""


class Settings(AccessSettings):
    """Names are the environment's, lower-cased. Durations are seconds unless the name says otherwise. A variable that
    is set to nothing counts as not set."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        case_sensitive=False,
        frozen=True,
        hide_input_in_errors=True,
    )

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(
        7860, ge=0, le=65535, description="Port to listen on; 0 picks a free one and prints it."
    )
    max_connections: int = Field(
        2000, ge=1, le=100_000, description="Client connections open at a time; one more is refused with 503."
    )
    environment: Literal["development", "production"] = Field(
        "development",
        description="production makes LOG_FORMAT json where it is not set itself, and refuses weak secrets.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line logged."
    )
    log_format: Literal["console", "json"] = Field(
        "console",
        description="How log lines look. Not set while ENVIRONMENT is production: json.",
    )
    data_dir: Path = Field(
        Path("data"),
        description="Folder of everything the service keeps. auto: the first that can be written in of /data, "
        "~/crypto-dt-source and one among the temporary files.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="sqlite:///path or postgresql://…; empty: sqlite in DATA_DIR/crypto-dt-source.db.",
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
    cache_ttl_defi: int = Field(3600, ge=1, le=DAY_S, description="Soft age of everything DeFi.")
    cache_ttl_derivatives: int = Field(
        300, ge=1, le=DAY_S, description="Soft age of funding rates and open interest."
    )
    cache_ttl_gas: int = Field(30, ge=1, le=DAY_S, description="Soft age of transaction fees.")
    cache_ttl_chain_stats: int = Field(300, ge=1, le=DAY_S, description="Soft age of chain statistics.")
    cache_ttl_news: int = Field(
        1800, ge=60, le=DAY_S, description="Age of the newest read of a feed up to which news count as fresh."
    )
    cache_ttl_sentiment: int = Field(300, ge=1, le=DAY_S, description="Soft age of the sentiment aggregate.")
    cache_ttl_fear_greed: int = Field(
        3600, ge=1, le=DAY_S, description="Soft age of the fear and greed index."
    )
    cache_max_stale_prices: int = Field(
        7 * DAY_S, ge=1, description="Oldest price that is still answered, marked stale."
    )
    cache_max_stale_market: int = Field(7 * DAY_S, ge=1, description="Oldest market answer, marked stale.")
    cache_max_stale_orderbook: int = Field(60, ge=1, description="Oldest order book, marked stale.")

    retention_days: int = Field(90, ge=1, le=3650, description="Days prices, candles and snapshots are kept.")
    retention_daily_candles_days: int = Field(
        0,
        ge=0,
        le=36_500,
        description="Days candles of a day and longer are kept instead; 0 keeps all of them, 365 rows a year and series.",
    )
    retention_quotes_hours: int = Field(
        48, ge=1, le=8760, description="Hours the quotes behind each price are kept."
    )
    retention_requests_days: int = Field(
        7,
        ge=1,
        le=365,
        description="Days of request and upstream-call records. Shorter than RETENTION_DAYS by choice: who asked for what is "
        "kept only as long as finding a fault takes.",
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

    news_feeds: str = Field(
        "",
        repr=False,
        description="More feeds, comma separated: name=https://example.org/feed. A name is lower-case letters, digits and _.",
    )
    enable_sentiment_analysis: bool = Field(
        True, description="Score the news; off: articles have no sentiment."
    )
    sentiment_model: str = Field(
        "embedded",
        description="The model that scores: an id of GET /api/models, a hub id (owner/name) or a folder. What is not "
        "embedded is fetched once from the hub, where onnx or torch can run it.",
    )
    sentiment_backend: Literal["auto", "onnx", "torch"] = Field(
        "auto",
        description="What runs models: auto takes onnx where it can; torch needs the extra [transformers].",
    )
    models_memory_mb: int = Field(
        1024,
        ge=64,
        le=262_144,
        description="Memory of loaded models together; the longest unused leave first.",
    )
    models_load: Literal["lazy", "start"] = Field("lazy", description="When SENTIMENT_MODEL is loaded.")
    models_offline: bool = Field(
        False, description="Never fetch a model; only what is in DATA_DIR or a folder is used."
    )

    enable_streams: bool = Field(
        True,
        description="Read the venues' WebSocket streams; off: prices move as often as venues are polled.",
    )
    stream_top: int = Field(
        25,
        ge=0,
        le=500,
        description="Largest assets that are always streamed; others while somebody listens.",
    )

    upstream_timeout: float = Field(8.0, gt=0, le=60, description="Longest one upstream call may take.")
    request_timeout: float = Field(20.0, gt=0, le=120, description="Longest a client waits before a 504.")

    coingecko_api_key: str = Field("", repr=False, description="CoinGecko demo key.")
    coingecko_pro_api_key: str = Field("", repr=False, description="CoinGecko pro key.")
    coinmarketcap_api_key: str = Field("", repr=False, description="CoinMarketCap key.")
    coincap_api_key: str = Field("", repr=False, description="CoinCap v3 key.")
    cryptocompare_api_key: str = Field("", repr=False, description="CryptoCompare / CoinDesk Data key.")
    etherscan_api_key: str = Field("", repr=False, description="Etherscan v2 key, one for all its chains.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, the environment, `.env`, and last the preset of a Space."""
        return init_settings, env_settings, dotenv_settings, SpacePreset(settings_cls)

    @field_validator("data_dir")
    @classmethod
    def _found(cls, value: Path) -> Path:
        return data_folder(data_places(), mounted()) if value == Path(AUTO) else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", "environment", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("backfill_intervals")
    @classmethod
    def _known_intervals(cls, value: str) -> str:
        from .model.candle import INTERVAL_MS

        named = [name.strip() for name in value.split(",")]
        if not all(name in INTERVAL_MS for name in filter(None, named)):
            raise ValueError(f"{', '.join(INTERVAL_MS)}, comma separated")
        return ",".join(filter(None, named))

    @field_validator("host")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.strip()
        if not value or any(character.isspace() or not character.isprintable() for character in value):
            raise ValueError("an address of this machine or a host name, for example 127.0.0.1 or 0.0.0.0")
        return value

    @field_validator("database_url")
    @classmethod
    def _one_line(cls, value: str) -> str:
        value = value.strip()
        if not value.isprintable():
            raise ValueError("sqlite:///path/to/file.db or postgresql://user:password@host/name")
        return value

    @field_validator("news_feeds")
    @classmethod
    def _named_feeds(cls, value: str) -> str:
        for part in filter(None, (part.strip() for part in value.split(","))):
            name, mark, url = part.partition("=")
            if not (mark and re.fullmatch(r"[a-z][a-z0-9_]{1,39}", name.strip()) and "://" in url):
                raise ValueError("name=https://example.org/feed, comma separated")
        return value

    @field_validator(*SECRETS)
    @classmethod
    def _header_text(cls, value: str) -> str:
        value = value.strip()
        if not (value.isascii() and value.isprintable()):
            raise ValueError("printable ASCII without line ends")
        return value

    def log_lines(self) -> str:
        """How log lines look: LOG_FORMAT, or what ENVIRONMENT makes of one that is not set."""
        production = self.environment == "production" and "log_format" not in self.model_fields_set
        return "json" if production else self.log_format

    def keys(self) -> dict[str, str]:
        """Upstream keys that are set, by environment name."""
        named = {name.upper(): str(getattr(self, name)) for name in SECRETS}
        return {name: value for name, value in named.items() if value}

    def secrets(self) -> list[str]:
        """Every value that no log line may show: keys, secrets, the passwords of addresses, the addresses of own feeds."""
        named = [str(getattr(self, name)) for name in (*SECRETS, *ACCESS_SECRETS)]
        addresses = (self.database_url, self.redis_url, *(str(getattr(self, name)) for name in TARGETS))
        passwords = [password for url in addresses if (password := _password(url))]
        previous = [part.strip() for part in self.jwt_previous_keys.split(",")]
        shown = [*named, *previous, *passwords, *map(unquote, passwords), *self.feeds().values()]
        return [value for value in dict.fromkeys(shown) if value]

    def feeds(self) -> dict[str, str]:
        """Addresses of NEWS_FEEDS by name."""
        parts = [part.strip().partition("=") for part in self.news_feeds.split(",") if part.strip()]
        return {name.strip(): url.strip() for name, _, url in parts}

    def kept(self) -> bool:
        """Whether what the service keeps outlives a container it runs in; asked only where DATA_DIR was looked for."""
        if self.ship_url or not self.sql_url().startswith("sqlite") or self.data_dir not in data_places():
            return True
        return lasts(self.data_dir, mounted())

    def sql_url(self) -> str:
        """The database URL, the default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'crypto-dt-source.db'}"


def load(**overrides: object) -> Settings:
    """The settings of this process. Raises SettingsError with one sentence for the first wrong variable."""
    try:
        return Settings(**{k: v for k, v in overrides.items() if v is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]).lower() if first["loc"] else ""
        raise SettingsError(
            f"{name.upper()}: got {_got(name, overrides)}; allowed: {_allowed(name, first)}."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f".env: cannot be read ({error}); allowed: lines of NAME=value in UTF-8."
        ) from None


def _got(name: str, overrides: dict[str, object]) -> str:
    """What was given, in a form that is safe to print."""
    if name in SECRETS or name in ACCESS_SECRETS:
        return "a secret that cannot be one"
    if overrides.get(name) is not None:
        return repr(overrides[name])
    value = next((v for n, v in _environment().items() if n.lower() == name), "")
    # A database address holds a password, a feed's may hold a key.
    hidden = {
        **dict.fromkeys(("database_url", *TARGETS), "an address that is not one line"),
        "news_feeds": "a list that cannot be read",
    }
    return hidden.get(name) or repr(value[:80])


def _password(url: str) -> str:
    """As it stands in the address; empty where there is none."""
    before, at, _ = url.partition("://")[2].rpartition("@")
    return before.partition(":")[2] if at else ""


def _allowed(name: str, error: ErrorDetails) -> str:
    """What the field takes, in words."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    field = Settings.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    if field.annotation is bool:
        return "true or false"
    if field.annotation not in (int, float):
        return "text"
    bounds = {key: value for part in field.metadata for key, value in _bounds(part).items()}
    words = ["a whole number" if field.annotation is int else "a number"]
    for key, text in (("gt", "above"), ("ge", "from"), ("le", "to" if "ge" in bounds else "up to")):
        if key in bounds:
            words.append(f"{text} {bounds[key]}")
    return " ".join(words) + ("" if "le" in bounds else " up")


def _bounds(bound: object) -> dict[str, object]:
    """A bound's own fields: `Ge(ge=1)` as `{"ge": 1}`."""
    return {key: getattr(bound, key) for key in ("gt", "ge", "le", "lt") if hasattr(bound, key)}


def _environment() -> dict[str, str]:
    """Variables of the process, and of `.env` where the process has none of that name."""
    try:
        filed = dotenv_values(".env", encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f".env: cannot be read ({error}); allowed: lines of NAME=value in UTF-8."
        ) from None
    return {**{name: value for name, value in filed.items() if value is not None}, **os.environ}


def given_names() -> tuple[list[str], list[str]]:
    """Names of `.env` and of the process's environment, whatever they are for. Raises SettingsError when `.env` cannot be
    read."""
    return [name for name in _environment() if name not in os.environ], list(os.environ)


def base_urls() -> dict[str, str]:
    """Overrides of upstream addresses by provider id: `CDTS_BASE_URL__BINANCE=http://127.0.0.1:9000/binance`. Raises
    SettingsError when `.env` cannot be read; whether each names a provider is for `wiring` to say."""
    return _named(BASE_URL_PREFIX)


def ws_urls() -> dict[str, str]:
    """The same for the streams: `CDTS_WS_URL__BINANCE=ws://127.0.0.1:9000/binance`."""
    return _named(WS_URL_PREFIX)


def _named(prefix: str) -> dict[str, str]:
    return {
        name[len(prefix) :].lower(): value.strip()
        for name, value in _environment().items()
        if name.upper().startswith(prefix) and value.strip()
    }
