"""Text names outside, small integers inside: the maps of assets, providers, price methods and candle series.

Held in memory whole (ten thousand assets are about 2 MB). A name seen for the first time is registered by itself, with
nothing but its id; the repos of assets and providers fill in the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any

from .errors import StoreError
from .rows import SeriesKey
from .sql import Params, Write

Fetch = Callable[[str, Params], Awaitable[list[Any]]]
WriteBatch = Callable[[Sequence[Write]], Awaitable[int]]

_ASSETS = "SELECT id, number FROM assets"
_ADD_ASSET = "INSERT INTO assets (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
_PROVIDERS = "SELECT id, number FROM providers"
_ADD_PROVIDER = "INSERT INTO providers (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
_METHODS = "SELECT id, number FROM methods"
_ADD_METHOD = "INSERT INTO methods (id) VALUES (?) ON CONFLICT (id) DO NOTHING"
_SERIES = """SELECT p.id, s.base, s.quote, s.interval, s.number FROM series s JOIN providers p ON p.number = s.provider"""
_ADD_SERIES = """INSERT INTO series (provider, base, quote, interval) VALUES (?, ?, ?, ?)
    ON CONFLICT (provider, base, quote, interval) DO NOTHING"""


class Numbers:
    """The maps. Reading a number of something unknown registers it, so these methods write."""

    def __init__(self, fetch: Fetch, write: WriteBatch) -> None:
        self._fetch = fetch
        self._write = write
        self._lock = asyncio.Lock()
        self._assets: dict[str, int] = {}
        self._providers: dict[str, int] = {}
        self._provider_ids: dict[int, str] = {}
        self._methods: dict[str, int] = {}
        self._series: dict[SeriesKey, int] = {}

    async def load(self) -> None:
        """Read all maps. Raises StoreError."""
        self._assets = {row[0]: row[1] for row in await self._fetch(_ASSETS, ())}
        await self._load_providers()
        self._methods = {row[0]: row[1] for row in await self._fetch(_METHODS, ())}
        await self._load_series()

    async def _load_providers(self) -> None:
        self._providers = {row[0]: row[1] for row in await self._fetch(_PROVIDERS, ())}
        self._provider_ids = {number: name for name, number in self._providers.items()}

    async def _load_series(self) -> None:
        rows = await self._fetch(_SERIES, ())
        self._series = {SeriesKey(*row[:4]): row[4] for row in rows}

    def known_asset(self, asset: str) -> int | None:
        """The asset's number, or None for one that was never stored."""
        return self._assets.get(asset)

    def known_provider(self, provider: str) -> int | None:
        """The provider's number, or None for one that was never stored."""
        return self._providers.get(provider)

    def known_series(self, key: SeriesKey) -> int | None:
        """The series' number, or None for one that was never stored."""
        return self._series.get(key)

    def all_series(self) -> dict[SeriesKey, int]:
        """Every stored series."""
        return dict(self._series)

    async def assets(self, ids: Iterable[str]) -> dict[str, int]:
        """A map that holds at least `ids`, registering what is new."""
        wanted = set(ids)
        if unknown := wanted - self._assets.keys():
            async with self._lock:
                await self._write([Write(_ADD_ASSET, [(name,) for name in sorted(unknown)])])
                self._assets = {row[0]: row[1] for row in await self._fetch(_ASSETS, ())}
        return self._assets

    async def providers(self, ids: Iterable[str]) -> dict[str, int]:
        """A map that holds at least `ids`, registering what is new."""
        wanted = set(ids)
        if unknown := wanted - self._providers.keys():
            async with self._lock:
                await self._write([Write(_ADD_PROVIDER, [(name,) for name in sorted(unknown)])])
                await self._load_providers()
        return self._providers

    async def methods(self, ids: Iterable[str]) -> dict[str, int]:
        """A map that holds at least `ids`, registering what is new."""
        wanted = set(ids)
        if unknown := wanted - self._methods.keys():
            async with self._lock:
                await self._write([Write(_ADD_METHOD, [(name,) for name in sorted(unknown)])])
                self._methods = {row[0]: row[1] for row in await self._fetch(_METHODS, ())}
        return self._methods

    async def series(self, key: SeriesKey) -> int:
        """The series' number, registering it when it is new."""
        if key not in self._series:
            provider = (await self.providers([key.provider]))[key.provider]
            async with self._lock:
                row = (provider, key.base, key.quote, key.interval)
                await self._write([Write(_ADD_SERIES, [row])])
                await self._load_series()
        return self._series[key]

    async def provider_ids(self, numbers: Collection[int]) -> dict[int, str]:
        """A map from number to id that holds at least `numbers`. Raises StoreError for a number that is no provider's."""
        if not self._provider_ids.keys() >= set(numbers):
            await self._load_providers()
            if missing := set(numbers) - self._provider_ids.keys():
                raise StoreError(f"the store names provider number {min(missing)}, which does not exist")
        return self._provider_ids
