"""A wrong setting is one sentence that names the variable, what it got and what is allowed; a secret is never in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crypto_dt_source import settings
from crypto_dt_source.providers import catalog
from crypto_dt_source.security.tiers import NAMES
from crypto_dt_source.settings import SECRETS, Settings, SettingsError
from crypto_dt_source.settings_access import ACCESS_SECRETS
from crypto_dt_source.settings_ops import TARGETS
from crypto_dt_source.wiring import checked_base_urls
from crypto_dt_source.wiring_access import tier_of

FREE_TEXT = {"sentiment_model", "data_dir", "jwt_secret_key", "jwt_previous_keys", "api_key_salt"}
CRONS = (
    "PRICES", "DEFI", "NEWS", "SENTIMENT", "PROVIDER_HEALTH", "STATISTICS", "BACKUP", "CLEAN_UP", "DIAGNOSTICS",
    "DISCOVERY",
)  # fmt: skip
TIERS = ("FREE", "PRO", "ENTERPRISE")
A_RATE = "a rate such as 30/minute or 100/10 seconds (second, minute, hour, day), or unlimited"
NEVER_SHOWN = {*SECRETS, *ACCESS_SECRETS, *TARGETS, "database_url", "news_feeds"}
WRONG = {
    "ENABLE_AUTO_FIX": ("perhaps", "true or false"),
    "HOST": ("a b", "an address"),
    "PORT": ("65536", "a whole number from 0 to 65535"),
    "MAX_CONNECTIONS": ("0", "a whole number from 1 to 100000"),
    "ENVIRONMENT": ("prod", "development, production"),
    "LOG_LEVEL": ("LOUD", "DEBUG, INFO, WARNING, ERROR"),
    "LOG_FORMAT": ("xml", "console, json"),
    "DATABASE_POOL_SIZE": ("0", "a whole number from 1 to 64"),
    "ENABLE_BACKGROUND_TASKS": ("perhaps", "true or false"),
    "CACHE_TTL_PRICES": ("5m", "a whole number from 1 to 86400"),
    "CACHE_TTL_MARKET": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_COINS": ("-1", "a whole number from 1 to 86400"),
    "CACHE_TTL_CATEGORIES": ("86401", "a whole number from 1 to 86400"),
    "CACHE_TTL_TRENDING": ("1.5", "a whole number from 1 to 86400"),
    "CACHE_TTL_OHLCV": ("x", "a whole number from 1 to 86400"),
    "CACHE_TTL_OPEN_CANDLE": ("0", "a whole number from 1 to 3600"),
    "CACHE_TTL_ORDERBOOK": ("0", "a whole number from 1 to 3600"),
    "CACHE_TTL_EXCHANGES": ("0", "a whole number from 1 to 86400"),
    "CACHE_MAX_STALE_PRICES": ("0", "a whole number from 1 up"),
    "CACHE_MAX_STALE_MARKET": ("never", "a whole number from 1 up"),
    "CACHE_MAX_STALE_ORDERBOOK": ("0", "a whole number from 1 up"),
    "RETENTION_DAYS": ("0", "a whole number from 1 to 3650"),
    "RETENTION_DAILY_CANDLES_DAYS": ("-1", "a whole number from 0 to 36500"),
    "RETENTION_QUOTES_HOURS": ("0", "a whole number from 1 to 8760"),
    "RETENTION_REQUESTS_DAYS": ("366", "a whole number from 1 to 365"),
    "COLLECT_INTERVAL": ("4", "a whole number from 5 to 3600"),
    "COLLECT_TOP": ("0", "a whole number from 1 to 10000"),
    "BACKFILL_DAYS": ("-1", "a whole number from 0 to 3650"),
    "BACKFILL_TOP": ("1001", "a whole number from 0 to 1000"),
    "BACKFILL_INTERVALS": ("1h,7q", "1m, 3m, 5m"),
    "CACHE_TTL_DEFI": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_DERIVATIVES": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_GAS": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_CHAIN_STATS": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_NEWS": ("59", "a whole number from 60 to 86400"),
    "CACHE_TTL_SENTIMENT": ("0", "a whole number from 1 to 86400"),
    "CACHE_TTL_FEAR_GREED": ("0", "a whole number from 1 to 86400"),
    "NEWS_FEEDS": ("https://example.net/secretvalue", "name=https://example.org/feed, comma separated"),
    "ENABLE_SENTIMENT_ANALYSIS": ("perhaps", "true or false"),
    "SENTIMENT_BACKEND": ("tensorflow", "auto, onnx, torch"),
    "MODELS_MEMORY_MB": ("63", "a whole number from 64 to 262144"),
    "MODELS_LOAD": ("never", "lazy, start"),
    "MODELS_OFFLINE": ("perhaps", "true or false"),
    "SECURITY_CONTACT": ("somebody", "mailto:security@example.org or https://"),
    "ACCESS_LOG": ("perhaps", "true or false"),
    "CDTS_ADMIN_KEY": ("verysecret", "16 to 256 printable ASCII characters"),
    "JWT_LIFETIME": ("59", "a whole number from 60 to 2592000"),
    "FREE_TIER_LIMIT": ("30", A_RATE),
    "PRO_TIER_LIMIT": ("0/minute", A_RATE),
    "ENTERPRISE_TIER_LIMIT": ("5/week", A_RATE),
    **{
        f"{tier}_TIER_{what}": ("-1", "a whole number from 0 up")
        for tier in TIERS
        for what in ("DAILY", "SYMBOLS", "HISTORY_DAYS", "CONNECTIONS", "SUBSCRIPTIONS")
    },
    "REDIS_URL": ("http://me:verysecretvalue@127.0.0.1", "redis://host:port/number, rediss://… or unix://…"),
    "HF_SPACE": ("perhaps", "true or false"),
    "UPSTREAM_PORTS": ("443,https", "ports from 1 to 65535, comma separated, or any"),
    "UPSTREAM_REGION": ("USA", "two letters of ISO 3166, for example US, or any"),
    "TRUSTED_PROXY_HOPS": ("11", "a whole number from 0 to 10"),
    "CORS_ORIGINS": ("example.org", "https://app.example.org, comma separated, or *"),
    "ENABLE_STREAMS": ("perhaps", "true or false"),
    "WEBSOCKET_HEARTBEAT_INTERVAL": ("0", "a whole number from 1 to 300"),
    "WEBSOCKET_HEARTBEAT_TIMEOUT": (
        "10",
        "a whole number above WEBSOCKET_HEARTBEAT_INTERVAL (10), up to 900",
    ),
    "STREAM_TOP": ("501", "a whole number from 0 to 500"),
    "UPSTREAM_TIMEOUT": ("nan", "a number above 0 up to 60"),
    "REQUEST_TIMEOUT": ("0", "a number above 0 up to 120"),
    "DATABASE_URL": ("sqlite:///a\tb", "sqlite:///path/to/file.db"),
    **{f"CRON_{job}": ("61 * * * *", "five fields of cron in UTC") for job in CRONS},
    **{name.upper(): ("s3://secretvalue\tb", "a folder, or an address such as") for name in TARGETS},
    "METRICS_ACCESS": ("everybody", "public, admin"),
    "LOG_FILES_MB": ("-1", "a whole number from 0 to 10240"),
    "BACKUP_KEEP": ("0", "a whole number from 1 to 1000"),
    "SHIP_INTERVAL": ("4", "a whole number from 5 to 3600"),
    "ENABLE_AUTO_DISCOVERY": ("perhaps", "true or false"),
    "AUTO_DISCOVERY_INTERVAL_HOURS": ("0", "a whole number from 1 to 8760"),
    "AUTO_ADMIT": ("perhaps", "true or false"),
    "EXCHANGES_POLLED": ("bitget,kraken", "all, or ids of exchanges read through the exchange library"),
    **{name.upper(): ("verysecret\nvalue", "printable ASCII") for name in SECRETS},
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No `.env` and no variable of ours from outside."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name.upper().startswith(settings.BASE_URL_PREFIX):
            monkeypatch.delenv(name)
    return tmp_path


def test_every_setting_that_can_be_wrong_is_tried() -> None:
    assert {name.lower() for name in WRONG} | FREE_TEXT == set(Settings.model_fields)


@pytest.mark.parametrize(("name", "got", "allowed"), [(n, *rest) for n, rest in WRONG.items()])
def test_a_wrong_value_is_one_sentence(
    name: str, got: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, got)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    text = str(caught.value)
    assert text.startswith(f"{name}: got ")
    assert f"; allowed: {allowed}" in text
    assert "\n" not in text
    assert text.endswith(".")
    if name.lower() in NEVER_SHOWN:
        assert "secretvalue" not in text.replace("\n", "")
        assert got not in text
    else:
        assert repr(got) in text


def test_a_value_of_the_command_line_is_named_as_it_was_given() -> None:
    with pytest.raises(SettingsError, match=r"PORT: got 70000; allowed: a whole number from 0 to 65535"):
        settings.load(port=70_000)


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert settings.load().port == 7860


def test_words_are_read_in_any_case_and_lists_with_blanks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")
    monkeypatch.setenv("LOG_FORMAT", "JSON")
    monkeypatch.setenv("BACKFILL_INTERVALS", " 1h , 1d,")
    monkeypatch.setenv("COINCAP_API_KEY", " abc \n")
    loaded = settings.load()
    assert (loaded.log_level, loaded.log_format, loaded.backfill_intervals) == ("DEBUG", "json", "1h,1d")
    assert loaded.keys() == {"COINCAP_API_KEY": "abc"}


def test_dotenv_is_read_and_the_environment_wins(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_folder / ".env").write_text(
        "PORT=8001\nexport HOST=0.0.0.0\nCDTS_BASE_URL__OKX=http://127.0.0.1:1/okx\n"
        "CDTS_BASE_URL__HTX=http://127.0.0.1:1/htx\n"
    )
    monkeypatch.setenv("PORT", "8002")
    monkeypatch.setenv("CDTS_BASE_URL__HTX", "http://127.0.0.1:2/htx")
    loaded = settings.load()
    assert (loaded.port, loaded.host) == (8002, "0.0.0.0")
    assert settings.base_urls() == {"okx": "http://127.0.0.1:1/okx", "htx": "http://127.0.0.1:2/htx"}


def test_a_wrong_value_of_dotenv_is_named(empty_folder: Path) -> None:
    (empty_folder / ".env").write_text("COLLECT_INTERVAL=often\n")
    with pytest.raises(SettingsError, match=r"COLLECT_INTERVAL: got 'often'; allowed: a whole number from 5"):
        settings.load()


def test_a_dotenv_that_is_not_text_is_named(empty_folder: Path) -> None:
    (empty_folder / ".env").write_bytes(b"PORT=\xff\xfe\n")
    with pytest.raises(SettingsError, match=r"^\.env: cannot be read"):
        settings.load()
    with pytest.raises(SettingsError, match=r"^\.env: cannot be read"):
        settings.base_urls()


@pytest.mark.parametrize("name", sorted({*SECRETS, *ACCESS_SECRETS}))
def test_no_secret_is_in_the_settings_own_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "redis://me:verysecretvalue@host" if name == "redis_url" else "verysecretvalue-0123456789"
    monkeypatch.setenv(name.upper(), secret)
    loaded = settings.load()
    assert getattr(loaded, name) == secret
    assert "verysecret" not in f"{loaded!r} {loaded}"


def test_an_admin_key_may_be_16_to_256_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    for given in ("k" * 16, f" {'k' * 256} "):
        monkeypatch.setenv("CDTS_ADMIN_KEY", given)
        assert settings.load().cdts_admin_key == given.strip()
    for refused in ("k" * 15, "k" * 257, "k" * 16 + "é"):
        monkeypatch.setenv("CDTS_ADMIN_KEY", refused)
        with pytest.raises(
            SettingsError, match=r"^CDTS_ADMIN_KEY: got a secret that cannot be one; allowed: 16 to"
        ):
            settings.load()


def test_the_tiers_are_the_published_ones_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    published = {name: tier_of(settings.load(), name) for name in NAMES}
    assert [(t.rate, t.per_day, t.symbols, t.history_days) for t in published.values()] == [
        ((30, 60), 1000, 5, 7),
        ((300, 60), 50_000, 100, 90),
        (None, None, None, None),
    ]
    monkeypatch.setenv("FREE_TIER_LIMIT", " 2 / Hour ")
    monkeypatch.setenv("FREE_TIER_SYMBOLS", "0")
    changed = tier_of(settings.load(), "free")
    assert (changed.rate, changed.symbols, changed.history_days) == ((2, 3600), None, 7)


def test_origins_are_read_with_blanks_and_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", " https://App.example.org:443 , http://localhost:3000,")
    assert settings.load().cors_origins == "https://app.example.org,http://localhost:3000"
    monkeypatch.setenv("CORS_ORIGINS", "*")
    assert settings.load().cors_origins == "*"


@pytest.mark.parametrize(
    ("urls", "text"),
    [
        (
            {"binanse": "http://127.0.0.1:1"},
            r"^CDTS_BASE_URL__BINANSE: got a provider .*; allowed: .*binance",
        ),
        ({"x": "http://127.0.0.1:1"}, r"^CDTS_BASE_URL__X: got a provider .*; allowed: .{,120}\.$"),
        ({"okx": "127.0.0.1:1"}, r"^CDTS_BASE_URL__OKX: got an address .* http:// or https://"),
        ({"okx": "http://me:verysecret@127.0.0.1/"}, r"^CDTS_BASE_URL__OKX: got an address .* password"),
        ({"okx": "http://127.0.0.1/?key=verysecret"}, r"^CDTS_BASE_URL__OKX: got an address .* query"),
    ],
)
def test_a_wrong_base_url_is_one_sentence(urls: dict[str, str], text: str) -> None:
    with pytest.raises(SettingsError, match=text) as caught:
        checked_base_urls(urls, catalog.load())
    assert "verysecret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "lines"),
    [
        ({}, "console"),
        ({"ENVIRONMENT": "production"}, "json"),
        ({"ENVIRONMENT": "Production", "LOG_FORMAT": "console"}, "console"),
        ({"ENVIRONMENT": "production", "LOG_FORMAT": ""}, "json"),
        ({"LOG_FORMAT": "json"}, "json"),
    ],
)
def test_production_logs_json_unless_told_otherwise(
    variables: dict[str, str], lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert settings.load().log_lines() == lines
