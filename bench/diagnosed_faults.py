"""The faults themselves, by part. `FAULTS` are all of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import struct
import time
from itertools import count

from crypto_dt_source.gateway.source import Source
from crypto_dt_source.jobs.runner import Runner
from crypto_dt_source.jobs.timetable import Job, plan_of
from crypto_dt_source.model.ask import Capability
from crypto_dt_source.model.errors import CdtsError
from crypto_dt_source.providers.kit import Reply, Request
from crypto_dt_source.services import accounts, backfill, collect, news
from crypto_dt_source.services.live import LiveMarket
from crypto_dt_source.services.live_feeds import LiveFeeds
from crypto_dt_source.services.runtime import Runtime
from crypto_dt_source.store import Write
from crypto_dt_source.wiring_access import installation_of

from . import diagnosed_disk as disk
from .diagnosed import Fault, Step, World, harness

MB = 1024 * 1024
VENUE, FEED = "kraken", "decrypt"


async def _use_files(at: World) -> None:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    at.undo.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
    resource.setrlimit(resource.RLIMIT_NOFILE, (400, limit[1]))
    for _ in range(330):
        at.undo.callback(os.close, os.open("/dev/null", os.O_RDONLY))


async def _block_loop(at: World) -> None:
    loop = asyncio.get_running_loop()
    ended: list[bool] = []

    def block() -> None:
        if not ended:
            time.sleep(0.4)
            loop.call_later(0.05, block)

    at.undo.callback(ended.append, True)
    loop.call_soon(block)


async def _skew_clock(at: World) -> None:
    """This machine's clock jumps ten minutes ahead; upstreams go on telling the right time."""
    at.clock._start_ms += 600_000

    def dated(provider: str, request: Request, reply: Reply) -> Reply:
        moment = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(reply.received_ms / 1000 - 600))
        return Reply(
            reply.provider, reply.status, reply.body, reply.received_ms, {**reply.headers, "date": moment}
        )

    harness.transport_of(at.rt).bend = dated
    for provider in ("kraken", "okx", "bitstamp", "kucoin", "gemini"):
        await at.ask(provider, 1)


async def _misspell(at: World) -> None:
    """The service starts anew with a name that is none."""
    os.environ["COLLECT_INTERVALL"] = "30"
    at.undo.callback(os.environ.pop, "COLLECT_INTERVALL")
    at.rt.installation = installation_of(harness.settings(at.folder))


async def _nothing(at: World) -> None:
    """It is there from the start."""


def _sick(provider: str, kind: str, times: int = 4) -> Step:
    async def inject(at: World) -> None:
        at.sim.faults.add(provider, kind)
        await at.ask(provider, times)

    return inject


async def _recover(at: World) -> None:
    at.sim.faults.clear()


async def _revoke_key(at: World) -> None:
    def refused(provider: str, request: Request, reply: Reply) -> Reply:
        if provider != "coinmarketcap":
            return reply
        return Reply(provider, 401, b'{"status":{"error_code":1001}}', reply.received_ms, reply.headers)

    harness.transport_of(at.rt).bend = refused
    await at.ask("coinmarketcap", 1)


async def _spend(at: World) -> None:
    """Calls until a published limit of a day or longer gives nothing for a while."""

    def spent(source: Source) -> bool:
        for _ in range(20_000):
            if source.meter.take(1) > 600:
                return True
            at.clock._elapsed += min(source.meter.wait(1), 60.0)
        return False

    daily = [s for s in at.rt.gateway.sources.values() if any(x.per_s >= 86_400 for x in s.entry.limits)]
    assert spent(min(daily, key=lambda s: min(x.amount for x in s.entry.limits if x.per_s >= 86_400)))


async def _cut_network(at: World) -> None:
    harness.transport_of(at.rt).dead = True
    for provider in ("kraken", "okx", "bitstamp", "kucoin", "gemini", "coingecko"):
        await at.ask(provider, 2)


async def _unresolved(at: World) -> None:
    await at.ask(VENUE, 4)


async def _kill_feed(at: World) -> None:
    at.sim.faults.add(FEED, "5xx")
    for _ in range(4):
        with contextlib.suppress(CdtsError):
            await at.drive(news.read_feed(at.rt, FEED, None))
        await at.clock.advance(news.EVERY_S)


async def _stall_stream(at: World) -> None:
    from sim_connector import SimConnector

    rt, sim = at.rt, at.sim
    live = LiveMarket(rt.board, rt.pricer, rt.resolver, rt.bus, rt.clock, rt.hub.listened)
    urls = {entry.id: f"ws://sim/{entry.id}" for entry in rt.entries.values() if entry.stream}
    feeds = LiveFeeds(rt, live, rt.hub, SimConnector(sim), top=2, urls=urls)
    feeds.feeds = {VENUE: feeds.feeds[VENUE]}
    rt.feeds = feeds
    feeds.start()
    at.held["feeds"] = feeds

    async def until(state: str) -> None:
        while feeds.feeds[VENUE].status().state != state:
            await at.clock.sleep(0.1)

    await at.drive(until("live"))
    (line,) = feeds.feeds[VENUE]._lines
    assert line._task is not None
    line._task.cancel()
    await at.clock.advance(200)


def _job(works: str) -> Step:
    """A job whose second run hangs, or which crashes from its second run on until what it needs is back."""

    async def inject(at: World) -> None:
        numbers = count()

        async def work(rt: Runtime) -> int:
            number = next(numbers)
            if works == "crashes" and number and "healed" not in at.held:
                raise RuntimeError("a defect")
            if works == "hangs" and number == 1:
                await rt.clock.sleep(1e9)
            return 1

        job = Job("trial", 60, work, deadline_s=1000)
        at.rt.schedule.plans[job.id] = plan_of(job, {})
        runner = Runner(at.rt, [job], schedule=at.rt.schedule, collects=False, seed=1)
        at.held["runner"] = runner
        runner.start()
        for _ in range(24):
            # In steps: a run stores its beginning and its end, in a thread.
            await at.drive(at.clock.sleep(10))

    return inject


async def _mend(at: World) -> None:
    at.held["healed"] = True


async def _drop_accounts(at: World) -> None:
    for _ in range(accounts.BUFFER + 5):
        at.rt.accounts.call(VENUE, Capability.BOOK, 1.0, None, 200)


async def _break_model(at: World) -> None:
    model = at.rt.models.default
    with contextlib.suppress(CdtsError):
        await at.drive(at.rt.models.load(model))
    while at.rt.models.state(model).state == "loading":
        await asyncio.wait({asyncio.get_running_loop().create_future()}, timeout=0.05)


async def _cut_model(at: World) -> None:
    folder = at.folder / "data" / "models" / "own"
    folder.mkdir(parents=True)
    header = json.dumps({"w": {"dtype": "F32", "shape": [256], "data_offsets": [0, 1024]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 100)


async def _break_kept(at: World) -> None:
    row = (at.clock.now_ms(), "gas:ethereum", "evm", '{"slow": 1, "fa')
    sql = "INSERT INTO kept (timestamp, key, source, payload) VALUES (?, ?, ?, ?)"
    await at.rt.store.write([Write(sql, [row])])


async def _tear_gap(at: World) -> None:
    await at.drive(collect.one_round(at.rt))
    asset = at.rt.resolver.by_id("bitcoin")
    assert asset is not None
    await at.drive(backfill.run(at.rt, [asset], ["1h"], 4))
    ((lowest, highest, number),) = await at.rt.store.fetch(
        "SELECT MIN(open_ms), MAX(open_ms), MIN(series) FROM ohlcv"
    )
    middle = lowest + (highest - lowest) // 2
    sql = "DELETE FROM ohlcv WHERE series = ? AND open_ms BETWEEN ? AND ?"
    await at.rt.store.write([Write(sql, [(number, middle, middle + 6 * 3_600_000)])])


def _backup(age_h: int, outcome: str) -> Step:
    async def inject(at: World) -> None:
        began = at.clock.now_ms() - age_h * 3_600_000
        sql = """INSERT INTO backups (started_ms, ended_ms, size_bytes, kind, target, outcome, detail)
            VALUES (?, ?, 1, 'backup', 'folder', ?, '')"""
        await at.rt.store.write([Write(sql, [(began, began + 1000, outcome)])])

    return inject


WEAK = {"jwt_secret_key": "changeme-changeme-changeme-changeme"}
KEYED = {"coinmarketcap_api_key": "a-key-that-is-revoked-0123456789"}

FAULTS: tuple[Fault, ...] = (
    Fault("a page overwritten", "database.damaged", disk.corrupt_page),
    Fault("the database cut to half", "database.damaged", disk.cut_short),
    Fault("an index dropped", "database.index_missing", disk.drop_index, fixable=True),
    Fault("a table dropped", "database.table_missing", disk.drop_table),
    Fault("the schema of another version", "database.schema", disk.other_schema),
    Fault("another program holds the database", "database.locked", disk.lock),
    Fault("the writer ended", "database.writer_stopped", disk.stop_writer),
    Fault("a log that grows", "database.log_large", disk.grow_log, fixable=True, heal=disk.end_reader),
    Fault("a file mostly empty", "database.unused_pages", disk.empty_pages, fixable=True),
    Fault("a full disk", "machine.disk_full", disk.full_disk, mount=96),
    Fault("a disk gone read-only", "folders.read_only", disk.read_only_disk, mount=96),
    Fault("the data folder removed", "folders.lost", disk.lose_folder, fixable=True),
    Fault("the database file removed", "database.lost", disk.lose_database),
    Fault("the log folder removed", "folders.lost", disk.lose_logs, fixable=True),
    Fault("a secret others may read", "folders.secret_readable", disk.open_secret, fixable=True),
    Fault("a secret removed", "folders.secret_lost", disk.lose_secret),
    Fault("file descriptors used up", "machine.files", _use_files),
    Fault("an event loop held up", "machine.loop_late", _block_loop),
    Fault("a clock ten minutes fast", "machine.clock", _skew_clock),
    Fault("a weak secret", "settings.secret_weak", _nothing, settings=WEAK),
    Fault("a misspelt setting", "settings.unknown", _misspell),
    Fault("a venue with errors", "provider.broken", _sick(VENUE, "5xx"), fixable=True, heal=_recover),
    Fault(
        "a venue that cuts connections",
        "provider.unreachable",
        _sick(VENUE, "reset"),
        base_urls={VENUE: "http://127.0.0.1:9/kraken"},
        fixable=True,
        heal=_recover,
    ),
    Fault("a venue that hangs", "provider.silent", _sick(VENUE, "hang"), fixable=True, heal=_recover),
    Fault(
        "answers of another form",
        "provider.schema_drift",
        _sick(VENUE, "wrong_schema", 1),
        fixable=True,
        heal=_recover,
    ),
    Fault("a region blocked", "provider.region_blocked", _sick(VENUE, "451", 1)),
    Fault("a key revoked", "provider.key_refused", _revoke_key, settings=KEYED),
    Fault("a budget used up", "provider.budget_spent", _spend),
    Fault("the network cut", "network.down", _cut_network),
    Fault(
        "a name that is not known",
        "provider.name_unresolved",
        _unresolved,
        base_urls={VENUE: "http://no-such-name.invalid"},
        network=True,
    ),
    Fault("a dead feed", "feed.dead", _kill_feed, fixable=True, heal=_recover),
    Fault("a stalled stream", "stream.stalled", _stall_stream, fixable=True),
    Fault("a job that hangs", "job.stuck", _job("hangs"), fixable=True),
    Fault("a job that crashes", "job.crashed", _job("crashes"), fixable=True, heal=_mend),
    Fault("accounts that nobody takes", "queue.accounts_dropped", _drop_accounts),
    Fault(
        "a model that cannot be loaded",
        "model.failed",
        _break_model,
        settings={"sentiment_model": "finbert", "models_offline": True},
    ),
    Fault("a model file cut short", "model.file_damaged", _cut_model),
    Fault("a stored answer torn", "cache.unreadable", _break_kept, fixable=True),
    Fault("candles deleted", "candles.gap", _tear_gap, fixable=True),
    Fault("a backup that failed", "backup.failed", _backup(1, "store_unavailable")),
    Fault("backups that stopped", "backup.old", _backup(100, "ok")),
)
