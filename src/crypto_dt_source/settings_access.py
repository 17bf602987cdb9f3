"""The settings of who may ask, and how often. Part of `settings.Settings`."""

from __future__ import annotations

import re

from pydantic import Field, ValidationInfo, field_validator

from .settings_ops import OpsSettings

ACCESS_SECRETS = ("cdts_admin_key", "jwt_secret_key", "jwt_previous_keys", "api_key_salt", "redis_url")
"""Their values are never printed."""
_UNLIMITED = "0: without a limit."
_CONTACT = re.compile(r"(?:mailto:[!-~]+@[!-~]+|https://[!-~]+)")


class AccessSettings(OpsSettings):
    """Keys, tokens, tiers, limits, and what stands in front of the service."""

    cdts_admin_key: str = Field(
        "",
        repr=False,
        description="A key with the admin scope that is not kept in the database, at least 16 characters. Not set: the "
        "first start makes one and prints it once.",
    )
    jwt_secret_key: str = Field(
        "",
        repr=False,
        description="Signs tokens, at least 32 bytes. Not set: made once and kept in DATA_DIR/secrets. A weak one stops "
        "the start in production.",
    )
    jwt_previous_keys: str = Field(
        "",
        repr=False,
        description="Secrets that signed tokens before, comma separated; such tokens stay good until they expire.",
    )
    jwt_lifetime: int = Field(86_400, ge=60, le=30 * 86_400, description="Seconds a token is good for.")
    api_key_salt: str = Field(
        "",
        repr=False,
        description="Keys are stored as hashes under it; another one makes all of them unknown. Not set: made once and "
        "kept in DATA_DIR/secrets. Several processes on one database need the same.",
    )

    free_tier_limit: str = Field("30/minute", description="Requests of the free tier, or unlimited.")
    free_tier_daily: int = Field(1000, ge=0, description=f"Requests a UTC day. {_UNLIMITED}")
    free_tier_symbols: int = Field(5, ge=0, description=f"Symbols a call. {_UNLIMITED}")
    free_tier_history_days: int = Field(7, ge=0, description=f"Days of history. {_UNLIMITED}")
    free_tier_connections: int = Field(5, ge=0, description=f"Stream connections. {_UNLIMITED}")
    free_tier_subscriptions: int = Field(20, ge=0, description=f"Subscriptions a connection. {_UNLIMITED}")
    pro_tier_limit: str = Field("300/minute", description="Requests of the pro tier, or unlimited.")
    pro_tier_daily: int = Field(50_000, ge=0, description=f"Requests a UTC day. {_UNLIMITED}")
    pro_tier_symbols: int = Field(100, ge=0, description=f"Symbols a call. {_UNLIMITED}")
    pro_tier_history_days: int = Field(90, ge=0, description=f"Days of history. {_UNLIMITED}")
    pro_tier_connections: int = Field(50, ge=0, description=f"Stream connections. {_UNLIMITED}")
    pro_tier_subscriptions: int = Field(500, ge=0, description=f"Subscriptions a connection. {_UNLIMITED}")
    enterprise_tier_limit: str = Field("unlimited", description="Requests of the enterprise tier.")
    enterprise_tier_daily: int = Field(0, ge=0, description=f"Requests a UTC day. {_UNLIMITED}")
    enterprise_tier_symbols: int = Field(0, ge=0, description=f"Symbols a call. {_UNLIMITED}")
    enterprise_tier_history_days: int = Field(0, ge=0, description=f"Days of history. {_UNLIMITED}")
    enterprise_tier_connections: int = Field(0, ge=0, description=f"Stream connections. {_UNLIMITED}")
    enterprise_tier_subscriptions: int = Field(
        0, ge=0, description=f"Subscriptions a connection. {_UNLIMITED}"
    )

    websocket_heartbeat_interval: int = Field(
        10, ge=1, le=300, description="Seconds between heartbeats of the stream."
    )
    websocket_heartbeat_timeout: int = Field(
        30,
        ge=2,
        le=900,
        description="Seconds after which a stream connection without a sign of life, or one that takes nothing, is closed; "
        "more than WEBSOCKET_HEARTBEAT_INTERVAL.",
    )

    redis_url: str = Field(
        "",
        repr=False,
        description="redis://…: limits are counted there, shared by several processes (needs the extra [redis]). Not set: "
        "in memory, kept over restarts in the database.",
    )
    hf_space: bool = Field(
        False,
        description="The service runs as a HuggingFace Space. Where they are not set themselves HOST is 0.0.0.0, PORT 7860, "
        "LOG_FORMAT json, TRUSTED_PROXY_HOPS 1, DATA_DIR auto, UPSTREAM_PORTS 80,443,8080 and UPSTREAM_REGION US. Not set: "
        "true where SPACE_ID is set, as it is in a Space.",
    )
    trusted_proxy_hops: int = Field(
        0,
        ge=0,
        le=10,
        description="Proxies of yours in front of the service; so many addresses at the right of X-Forwarded-For are "
        "believed. 0: the header is ignored.",
    )
    cors_origins: str = Field(
        "",
        description="Origins whose pages may call the API from a browser, comma separated; * for any. Not set: none but "
        "this server's own.",
    )
    security_contact: str = Field(
        "",
        description="Whom to tell of a weakness: mailto:… or https://…, comma separated, shown in "
        "/.well-known/security.txt. Not set: there is no such file.",
    )
    access_log: bool = Field(
        False,
        description="One line for every request: method, path, status, size, time, address, key id. Never the query.",
    )

    @field_validator("cdts_admin_key")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        value = value.strip()
        if value and (not 16 <= len(value) <= 256 or not (value.isascii() and value.isprintable())):
            raise ValueError("16 to 256 printable ASCII characters")
        return value

    @field_validator("free_tier_limit", "pro_tier_limit", "enterprise_tier_limit")
    @classmethod
    def _rate(cls, value: str) -> str:
        from .security.tiers import parse_rate

        parse_rate(value)
        return value

    @field_validator("websocket_heartbeat_timeout")
    @classmethod
    def _beyond_a_beat(cls, value: int, info: ValidationInfo) -> int:
        interval = info.data.get("websocket_heartbeat_interval", 0)
        if value <= interval:
            raise ValueError(f"a whole number above WEBSOCKET_HEARTBEAT_INTERVAL ({interval}), up to 900")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        value = value.strip()
        if value and not (value.startswith(("redis://", "rediss://", "unix://")) and value.isprintable()):
            raise ValueError("redis://host:port/number, rediss://… or unix://…")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        from .model.errors import InvalidParameter
        from .security.keys import origin

        named = [part.strip() for part in value.split(",") if part.strip()]
        try:
            return ",".join(part if part == "*" else origin(part) for part in named)
        except InvalidParameter:
            raise ValueError("https://app.example.org, comma separated, or *") from None

    @field_validator("security_contact")
    @classmethod
    def _contacts(cls, value: str) -> str:
        named = [part.strip() for part in value.split(",") if part.strip()]
        if not all(_CONTACT.fullmatch(part) for part in named):
            raise ValueError("mailto:security@example.org or https://example.org/security, comma separated")
        return ",".join(named)
