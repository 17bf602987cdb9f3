"""What a diagnosis may do by itself: each safe, reversible, and said in one sentence afterwards.

Nothing here deletes what people stored, installs anything or touches a setting. What cannot be done raises a CdtsError
or an OSError, and the finding stays.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from ..gateway.feed import Feed
from ..model.candle import INTERVAL_MS
from ..model.errors import CircuitOpen, Conflict, NotFound, UpstreamError
from ..store import SeriesKey, Store
from ..store.repos import candles as candle_repo
from ..store.repos import news as news_repo
from ..store.repos import upkeep
from . import jobs, news, providers, ranges
from .checks.finding import aside
from .runtime import Runtime
from .schedule import FIX
from .series import by_quote, options, series_of

ROOM_TO_VACUUM = 2
"""Times the rows' bytes that must be free on the disk before the file is rewritten."""
PRIVATE = 0o700
LOOKS, LOOK_S = 20, 0.3
"""How long new connections of a stream have to deliver."""


async def make_folder(folder: Path) -> str:
    """An empty folder for its owner alone, where there is none. Raises OSError."""
    await aside("fix", partial(folder.mkdir, PRIVATE, parents=True, exist_ok=True))
    return f"Made the folder {folder.name}; it is empty."


async def close_to_others(path: Path, mode: int) -> str:
    """Leave a file or folder only the rights of `mode`. Raises OSError."""
    await aside("fix", partial(path.chmod, mode))
    return f"{path.name} has the mode {mode:04o} now."


async def make_index(store: Store, name: str) -> str:
    """Create an index of the schema again. Raises StoreError."""
    await upkeep.make_index(store, name)
    return f"Created the index {name}."


async def checkpoint(store: Store) -> str:
    """Take the log into the database file. Raises StoreError, and Conflict where somebody still reads an old state."""
    before = await aside("fix", partial(upkeep.log_bytes, store))
    whole = await upkeep.checkpoint(store)
    after = await aside("fix", partial(upkeep.log_bytes, store))
    if not whole:
        raise Conflict("Somebody still reads an old state of the database, so the log cannot be cut.")
    return f"The log had {before / 1e6:.0f} MB and has {after / 1e6:.0f} MB now."


async def vacuum(store: Store, file: Path | None) -> str:
    """Rewrite the file without its unused pages. Raises StoreError, OSError, and Conflict where the disk has no room."""
    before = await upkeep.room(store)
    if file is not None:
        free = (await aside("fix", partial(shutil.disk_usage, file.parent))).free
        if free < ROOM_TO_VACUUM * (before.file - before.free):
            raise Conflict("The disk has no room to write the database a second time.")
    await upkeep.vacuum(store)
    after = await upkeep.room(store)
    return f"The file had {before.file / 1e6:.0f} MB and has {after.file / 1e6:.0f} MB now."


async def try_again(rt: Runtime, provider: str) -> str:
    """Ask a provider past its breaker: an answer closes the breaker, and nothing else does. Raises CircuitOpen where it
    does not answer, NotFound."""
    code = await rt.gateway.probe(provider, providers.probe_ask(providers.entry_of(rt, provider)))
    if code is not None:
        raise CircuitOpen(f"{provider} was asked and still fails: {code}.")
    return f"Asked {provider}; it answered, so it is in use again."


async def read_feed_again(rt: Runtime, provider: str) -> str:
    """Read a news feed now. Raises an UpstreamError, StoreError."""
    if rt.gateway.source(provider).breaker.state != "closed":
        await try_again(rt, provider)
    known = {row.provider: row for row in await news_repo.feeds(rt.store)}
    try:
        taken = await news.read_feed(rt, provider, known.get(provider))
    except UpstreamError as error:
        raise CircuitOpen(f"{provider} was read and still fails: {error.code}.") from error
    return f"Read {provider}; {taken} articles were new."


async def restart_stream(rt: Runtime, feed: Feed) -> str:
    """End a venue's connections; what is wanted of it is subscribed again within a second, on new ones. Raises Conflict
    where these bring nothing for some seconds."""
    before = feed.status().frames
    await feed.close()
    for _ in range(LOOKS):
        await rt.clock.sleep(LOOK_S)
        if feed.status().frames > before:
            return f"Closed the connections to {feed.provider}; the new ones deliver."
    raise Conflict(f"The connections to {feed.provider} were closed; the new ones bring nothing yet.")


async def load_model(rt: Runtime, model: str) -> str:
    """Load a model that failed once more. Raises ModelUnavailable, UnknownModel."""
    state = await rt.models.load(model)
    if state.state == "failed":
        raise Conflict(f"{model} was loaded again and failed again: {state.reason}")
    return f"{model} is {state.state}."


async def forget_kept(rt: Runtime, key: str) -> str:
    """Drop a stored answer that cannot be read, which was nobody's but an upstream's. Raises StoreError."""
    await upkeep.drop_kept(rt.store, key)
    return f"Dropped {key}; it is fetched anew when it is asked for."


async def fetch_gaps(rt: Runtime, series: SeriesKey) -> str:
    """Ask for what a stored series of candles lacks between its first and last. Raises NotFound, UnknownSymbol,
    AllProvidersFailed, StoreError."""
    asset = rt.resolver.venue_asset(series.provider, series.base)
    known = await candle_repo.coverage(rt.store, series)
    if asset is None or known is None:
        raise NotFound(f"Nothing is known any more of {series.base} at {series.provider}.")
    groups = by_quote(rt, asset, options(rt, asset, series.quote, series.interval, None))
    same = next(
        (group for group in groups if any(series_of(one, series.interval) == series for one in group)), None
    )
    if same is None:
        raise NotFound(f"{series.provider} does not list {series.base}/{series.quote} any more.")
    end = known.last_ms + INTERVAL_MS[series.interval]
    missing = await ranges.holes(rt, series, known.first_ms, end)
    if not missing:
        return "Nothing was missing any more."
    fetched = await ranges.fetch(rt, same, series, missing, background=True)
    return f"Stored {fetched.stored} candles; {len(fetched.left)} ranges are still missing."


async def restart_job(rt: Runtime, job: str) -> str:
    """End the run that is under way and begin another. Raises NotFound, and Conflict where another process runs the
    timetable."""
    if not jobs.restart(rt, job, FIX):
        raise Conflict("Another process runs the timetable, or nobody does.")
    return f"Started {job} again."
