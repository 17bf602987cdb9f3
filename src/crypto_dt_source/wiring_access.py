"""Keys, tokens, tiers and the limiter from the settings. Part of `wiring`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .clock import Clock
from .model.crontab import Crontab
from .security.limiter import Limiter, MemoryLimiter
from .security.secret_file import SecretFileError, load_or_make, strength
from .security.tiers import ENTERPRISE, FREE, PRO, Tier, parse_rate
from .security.tokens import Tokens
from .services.access import Access
from .services.checks.installation import Installation, Weak, identity, unknown_settings
from .services.keyring import Keyring
from .settings import BASE_URL_PREFIX, WS_URL_PREFIX, Settings, SettingsError, given_names
from .settings_ops import OFF
from .store import Store, StoreError, parse_url
from .telemetry import logger

log = logger("access")
DAY_S = 86_400.0


def access_of(settings: Settings, store: Store, clock: Clock) -> Access:
    """Who may ask, and how often. Blocks on the disk where a secret is kept there. Raises SettingsError for a secret that
    cannot be used."""
    if settings.cdts_admin_key:
        _judge(settings, "cdts_admin_key", settings.cdts_admin_key)
    return _access(settings, store, clock, _limiter(settings, clock))


def keys_alone(settings: Settings, store: Store, clock: Clock) -> Access:
    """The same for a command that only looks after keys: it counts nobody. Raises as `access_of`."""
    return _access(settings, store, clock, MemoryLimiter(clock))


def _access(settings: Settings, store: Store, clock: Clock, limiter: Limiter) -> Access:
    folder = settings.data_dir / "secrets"
    salt = _secret(settings, "api_key_salt", folder)
    tokens = Tokens(
        [_secret(settings, "jwt_secret_key", folder), *_previous(settings)],
        clock,
        lifetime_s=settings.jwt_lifetime,
    )
    tiers = {name: tier_of(settings, name) for name in (FREE, PRO, ENTERPRISE)}
    return Access(
        clock=clock,
        store=store,
        keyring=Keyring(salt, tokens, tiers, clock, settings.cdts_admin_key),
        limiter=limiter,
        tiers=tiers,
        hops=settings.trusted_proxy_hops,
    )


def installation_of(settings: Settings, elsewhere: Iterable[str] = ()) -> Installation:
    """What diagnoses may know of the settings; `elsewhere` names providers whose address was replaced. Blocks on the
    disk, where the database is by now. Raises SettingsError when `.env` cannot be read."""
    folder = settings.data_dir / "secrets"
    kept = [folder / name for name in ("api_key_salt", "jwt_secret_key") if not getattr(settings, name)]
    given = [(name, getattr(settings, name)) for name in ("cdts_admin_key", "jwt_secret_key", "api_key_salt")]
    given += [("jwt_previous_keys", part.strip()) for part in settings.jwt_previous_keys.split(",")]
    judged = [(name, strength(secret)) for name, secret in given if secret]
    filed, environment = given_names()
    database = _database_file(settings)
    return Installation(
        data_dir=settings.data_dir,
        database=database,
        database_identity=None if database is None else identity(database),
        secret_files=tuple(kept),
        backups_every_s=_backups_every_s(settings),
        weak=tuple(Weak(name.upper(), why) for name, why in judged if why is not None),
        unknown=unknown_settings(
            filed,
            environment,
            map(str.upper, Settings.model_fields),
            (BASE_URL_PREFIX, WS_URL_PREFIX),
        ),
        elsewhere=tuple(sorted(elsewhere)),
        may_fix=settings.enable_auto_fix,
        preset="hf_space" if settings.hf_space else "",
    )


def _database_file(settings: Settings) -> Path | None:
    try:
        url = parse_url(settings.sql_url())
    except StoreError:
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _backups_every_s(settings: Settings) -> float | None:
    """How far apart two backups are by the timetable; None where none are made."""
    cron = settings.cron_backup
    if cron == OFF:
        return None
    if cron in ("", Settings.model_fields["cron_backup"].default):
        return DAY_S
    first = Crontab(cron).after(0)
    second = None if first is None else Crontab(cron).after(first)
    return DAY_S if first is None or second is None else (second - first) / 1000


def tier_of(settings: Settings, name: str) -> Tier:
    """One tier; a setting of 0 is no limit."""

    def amount(what: str) -> int | None:
        found: int = getattr(settings, f"{name}_tier_{what}")
        return found or None

    return Tier(
        name=name,
        rate=parse_rate(getattr(settings, f"{name}_tier_limit")),
        per_day=amount("daily"),
        symbols=amount("symbols"),
        history_days=amount("history_days"),
        sockets=amount("connections"),
        subscriptions=amount("subscriptions"),
    )


def _secret(settings: Settings, name: str, folder: Path) -> bytes:
    given: str = getattr(settings, name)
    if given:
        _judge(settings, name, given)
        return given.encode()
    try:
        # As the text in the file, so that it can be given as the setting and nothing ends.
        return load_or_make(folder / name).hex().encode()
    except SecretFileError as error:
        raise SettingsError(f"{name.upper()}: not set, and its file cannot be used; {error}") from None


def _previous(settings: Settings) -> list[bytes]:
    """A token can be forged with any of them: they are judged like the one that signs."""
    given = [part.strip() for part in settings.jwt_previous_keys.split(",") if part.strip()]
    for secret in given:
        _judge(settings, "jwt_previous_keys", secret)
    return [secret.encode() for secret in given]


def _judge(settings: Settings, name: str, secret: str) -> None:
    """A weak secret stops the start in production, and is warned of elsewhere."""
    why = strength(secret)
    if why is None:
        return
    if settings.environment == "production":
        raise SettingsError(
            f"{name.upper()}: got a secret that is too weak, {why}; allowed: 32 random bytes, for example what "
            "`openssl rand -hex 32` prints."
        )
    log.warning("a secret is weak; production refuses it", setting=name.upper(), reason=why)


def _limiter(settings: Settings, clock: Clock) -> Limiter:
    if not settings.redis_url:
        return MemoryLimiter(clock)
    try:
        from .security.redis_limiter import RedisLimiter
    except ImportError:
        raise SettingsError(
            "REDIS_URL: got an address, and the package redis is not installed; allowed: install crypto-dt-source[redis]."
        ) from None
    return RedisLimiter(settings.redis_url, clock)
