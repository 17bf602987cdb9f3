"""Backups, shipping and the archive from the settings. Part of `wiring`."""

from __future__ import annotations

from contextlib import AsyncExitStack, suppress
from pathlib import Path

from . import __version__
from .clock import Clock
from .services.keeping import Keeping
from .settings import Settings, SettingsError
from .store import Store, open_store, parse_url
from .store.engine import SCHEMA
from .store.marker import mark
from .store.shipping import Shipper
from .store.takeup import TakenUp, give_back, take_up
from .store.targets import Target, TargetError


def backups_of(settings: Settings) -> Target:
    """Where backups go: BACKUP_URL, or a folder in DATA_DIR."""
    return Target(settings.backup_url or str(settings.data_dir / "backups"))


async def begin_backups(settings: Settings) -> None:
    """For a database that was made anew on an empty disk: the backups beside the one before went with its disk, so that
    they are not here says nothing."""
    if not settings.backup_url:
        # A folder that cannot be written is told of by the backup itself.
        with suppress(TargetError):
            await mark(backups_of(settings))


def keeping_of(settings: Settings, shipper: Shipper | None) -> Keeping:
    """Where the database is copied to."""
    return Keeping(
        database_url=settings.sql_url(),
        version=__version__,
        backups=backups_of(settings),
        keep=settings.backup_keep,
        shipper=shipper,
        archive=Target(settings.archive_url) if settings.archive_url else None,
        lasting=settings.kept(),
    )


async def open_kept(
    settings: Settings, clock: Clock, stack: AsyncExitStack, *, ships: bool, beside: bool = False
) -> tuple[Store, Keeping]:
    """The open store, made first from what was shipped where the file is not here and SHIP_URL is set; the stack closes
    it. `ships`: this process serves, so it may claim the place at the target. Raises StoreOpenError, SettingsError."""
    target, taken = None, None
    if settings.ship_url and ships:
        target = Target(settings.ship_url)
        taken = await _taken(settings, target, clock)
        if taken.base is not None:
            await begin_backups(settings)
    try:
        store = await open_store(
            settings.sql_url(), pool_size=settings.database_pool_size, clock=clock, beside=beside
        )
    except BaseException:
        if target is not None and taken is not None:
            await give_back(target, taken)
        raise
    stack.push_async_callback(store.close)
    shipper = None
    if target is not None and taken is not None:
        shipper = Shipper(store, target, clock, taken, every_s=settings.ship_interval, schema=SCHEMA)
        stack.push_async_callback(shipper.close)
        shipper.start()
    return store, keeping_of(settings, shipper)


async def _taken(settings: Settings, target: Target, clock: Clock) -> TakenUp:
    parsed = parse_url(settings.sql_url())
    if parsed.get_backend_name() != "sqlite":
        raise SettingsError(
            "SHIP_URL: got a target while DATABASE_URL names PostgreSQL, which keeps its own copies; allowed: one of the two."
        )
    if not settings.api_key_salt:
        raise SettingsError(
            "SHIP_URL: got a target while API_KEY_SALT is not set, so that keys restored on another disk would open "
            "nothing; allowed: with API_KEY_SALT, the text in DATA_DIR/secrets/api_key_salt or 32 random bytes."
        )
    return await take_up(target, Path(parsed.database or ""), clock)
