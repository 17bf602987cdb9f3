"""The typed bag that services, jobs and routers take. Filled in wiring.py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..analysis.registry import Models
from ..clock import Clock
from ..gateway import Gateway
from ..providers.catalog import Entry
from ..providers.resolver import Resolver
from ..store import Store
from ..store.cache import Cache
from ..stream import Bus, Hub
from .access import Access
from .allowance import Allowance
from .board import Board
from .checks.examined import Examined
from .checks.installation import Installation
from .log_files import LogFiles
from .newsroom import Newsroom
from .on_demand import OnDemand
from .schedule import Schedule
from .tally import Tally
from .vitals import Vitals

if TYPE_CHECKING:
    from .accounts import Accounts
    from .catalogue import Added
    from .discovery_state import Discovery
    from .keeping import Keeping
    from .live_feeds import LiveFeeds
    from .prices import Pricer
    from .streaming import Sessions

__all__ = ["Freshness", "Limits", "Runtime"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """Soft and hard ages in seconds, one place for all."""

    prices: int = 300
    market: int = 300
    coins: int = 600
    categories: int = 300
    trending: int = 600
    ohlcv: int = 900
    open_candle: int = 5
    orderbook: int = 2
    exchanges: int = 3600
    defi: int = 3600
    derivatives: int = 300
    gas: int = 30
    chain_stats: int = 300
    news: int = 1800
    sentiment: int = 300
    fear_greed: int = 3600
    max_stale_prices: int = 7 * 86_400
    max_stale_market: int = 7 * 86_400
    max_stale_orderbook: int = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is collected and kept."""

    collect_interval_s: int = 60
    collect_top: int = 250
    backfill_days: int = 90
    backfill_top: int = 25
    backfill_intervals: tuple[str, ...] = ("1h", "1d")
    retention_days: int = 90
    retention_daily_candles_days: int = 0
    retention_quotes_hours: int = 48
    retention_requests_days: int = 7
    request_timeout_s: float = 20.0
    sentiment: bool = True
    """Whether articles are scored."""
    exchanges_polled: frozenset[str] = frozenset()
    """Ids of exchanges of the exchange library whose quotes are collected; `all`: every one."""


@dataclass(slots=True)
class Runtime:
    """Everything a service needs. `mode` is `live` or `demo` and goes into every answer's meta."""

    clock: Clock
    entries: Mapping[str, Entry]
    """The catalogue as it is now, and the feeds of the settings."""
    gateway: Gateway
    store: Store
    resolver: Resolver
    board: Board
    cache: Cache
    pricer: Pricer
    accounts: Accounts
    on_demand: OnDemand
    models: Models
    newsroom: Newsroom
    access: Access
    bus: Bus
    """Where services say that something is new."""
    hub: Hub
    renewals: Allowance
    """Calls for a younger book, trade list or running candle than the one that is held."""
    searches: Allowance
    """Searches passed on to an upstream."""
    pages: Allowance
    """Calls for a younger page of a coin than the one that is held."""
    firsts: Allowance
    """First calls for a book or trade list that clients chose."""
    first_pages: Allowance
    """The same for a coin's page and for pages of the list beyond what is collected: aggregators have few calls."""
    freshness: Freshness = field(default_factory=Freshness)
    limits: Limits = field(default_factory=Limits)
    mode: str = "live"
    meters: bool = True
    """Whether this process stores how providers do and what is spent of their limits. A command beside a running service
    does not: it knows of its own calls alone, and would replace what the service measured."""
    started_ms: int = 0
    sessions: Sessions = field(init=False)
    schedule: Schedule = field(init=False)
    """The timetable's plans, and who carries them out."""
    feeds: LiveFeeds | None = None
    """The venues' streams; None where none is read."""
    """Connections to the stream: made by the wiring from the Runtime itself."""
    connections: Callable[[], int] | None = None
    """Client connections open now; None where nobody counts them."""
    first_round: asyncio.Event | None = None
    """Set when the first round of quotes is over; None when nothing is collected."""
    added: dict[str, Added] = field(default_factory=dict)
    """Entries beside the packaged ones, by id."""
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the catalogue is changed."""
    catalogue_seen: dict[str, int] = field(default_factory=dict)
    """When each stored change of the catalogue was made, ms, as far as it was taken up here."""
    catalogue_folder: Path | None = None
    """Where copies of the catalogue are put; None where nowhere."""
    tally: Tally = field(default_factory=Tally)
    """What became of quotes in this hour."""
    tasks: dict[str, str] = field(default_factory=dict)
    """What the background work says of itself, by job id: shown in health."""
    logs: LogFiles = field(default_factory=LogFiles)
    metrics_access: str = "public"
    """Who may read the metrics: `public` or `admin`."""
    vitals: Vitals = field(init=False)
    installation: Installation = field(default_factory=Installation)
    """Where it is installed and how it is set, as far as diagnoses look at it."""
    examined: Examined = field(default_factory=Examined)
    keeping: Keeping | None = None
    """Where the database is copied to; None where it is nowhere."""
    discovery: Discovery = field(init=False)
    """How new sources are looked for; made by the wiring."""

    def __post_init__(self) -> None:
        self.vitals = Vitals(self.clock)
