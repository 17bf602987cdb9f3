"""The whole timetable as one tuple. A job is `async def f(rt)` that calls a service and gives the rows it handled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from ..gateway.source import Source
from ..model.ask import Capability
from ..model.crontab import Crontab
from ..providers.catalog import DEFAULT_POLL_S, Entry
from ..services import access as access_service
from ..services import (
    asset_lists,
    backfill,
    backup,
    catalogue,
    choices,
    collect,
    defi,
    derivatives,
    diagnostics,
    discovery,
    exchanges,
    fear_greed,
    following,
    market,
    news,
    on_demand,
    onchain,
    pools,
    provider_health,
    scoreboard,
    sentiment,
    statistics,
)
from ..services.runtime import Runtime
from ..services.schedule import Plan

STREAMED_POLL_S = 180.0
"""Seconds between two full lists of a venue whose stream delivers."""
Run = Callable[[Runtime], Awaitable[int]]
OFF = "off"


@dataclass(frozen=True, slots=True)
class Job:
    """`cron` names the setting its times are in (`prices`: CRON_PRICES); without one it runs every `every_s` seconds, from
    one start to the next. `first_s`: seconds after the service's start until it may run first, which a job with a cron does
    then only where it is `at_start` or missed a time. Never overlaps itself: a run that takes longer delays the next.
    `deadline_s` ends a run that hangs. `quoted`: it works on the board's quotes, which a process that does not collect has
    to ask for first. `measured`: it stores what this process measured, so another one has nothing to run it with. `provider`:
    the one it polls, where it polls one."""

    id: str
    every_s: float
    run: Run
    first_s: float = 0.0
    deadline_s: float = 300.0
    cron: str = ""
    at_start: bool = True
    quoted: bool = False
    measured: bool = False
    provider: str = ""

    @property
    def named(self) -> dict[str, str]:
        """The fields that name it in a log."""
        return {"job": self.id, **({"provider": self.provider} if self.provider else {})}


JOBS: tuple[Job, ...] = (
    Job("global_market", market.GLOBAL_EVERY_S, collect.global_market, first_s=2),
    Job("trending", market.TRENDING_EVERY_S, collect.trending, first_s=4),
    Job("scores", scoreboard.EVERY_S, scoreboard.roll, first_s=40, measured=True),
    Job("added_sources", catalogue.POLLED_S, catalogue.collect_added, first_s=5),
    Job("store_prices", 300, collect.store_prices, first_s=10, cron="prices", quoted=True),
    Job("budgets", 5, collect.store_budgets, first_s=5, measured=True),
    Job("backfill", 300, backfill.round_of_top, first_s=20, deadline_s=6 * 3600),
    Job("asset_lists", asset_lists.LOOK_EVERY_S, asset_lists.fetch, first_s=120, deadline_s=900),
    Job("renew_asked", 300, on_demand.renew_asked, first_s=60),
    Job("defi", defi.EVERY_S, defi.collect, first_s=1, cron="defi"),
    Job("fear_greed", fear_greed.EVERY_S, fear_greed.collect, first_s=1),
    Job("derivatives", derivatives.EVERY_S, derivatives.collect, first_s=3),
    Job("chain_stats", onchain.STATS_EVERY_S, onchain.collect, first_s=3),
    Job("discovery", 86_400, discovery.job, deadline_s=discovery.LONGEST_S, cron="discovery", at_start=False),
    Job("discovery_trials", discovery.TRIAL_S, discovery.shadow, first_s=300, deadline_s=540),
    Job("news", news.EVERY_S, news.read_feeds, first_s=2, deadline_s=600, cron="news"),
    Job("score_news", 60, news.score, first_s=20),
    Job("sentiment", 3600, sentiment.sum_up, first_s=30, cron="sentiment"),
    Job(
        "provider_health",
        300,
        provider_health.probe,
        first_s=90,
        deadline_s=900,
        cron="provider_health",
        at_start=False,
    ),
    Job("statistics", 300, statistics.broadcast, first_s=60, cron="statistics", at_start=False),
    Job(
        "diagnostics", 3600, diagnostics.job, first_s=180, deadline_s=300, cron="diagnostics", at_start=False
    ),
    Job("backup", 86_400, backup.job, first_s=300, deadline_s=3600, cron="backup", at_start=False),
    Job("clean_up", 86_400, collect.clean_up, first_s=300, deadline_s=3600, cron="clean_up", at_start=False),
)
"""What runs besides the polls below, in the one process that runs the timetable."""
SHARING: tuple[Job, ...] = (Job("share_prices", following.EVERY_S, following.share, first_s=12),)
"""The same where other processes may follow this one."""
COUNTING: tuple[Job, ...] = (Job("accounts", 10, collect.store_accounts, first_s=10),)
"""What each process has to store of its own."""
FOLLOWING: tuple[Job, ...] = (
    Job("follow_prices", following.EVERY_S, following.prices),
    Job("follow_lists", following.LISTS_EVERY_S, following.lists, first_s=following.LISTS_EVERY_S),
)
"""What runs in a process beside the one that collects."""


def plan_of(job: Job, crons: Mapping[str, str]) -> Plan:
    """What a job is planned as. `crons` are crontabs by the names of their settings; `off` leaves the job to whoever asks
    for a run."""
    text = crons.get(job.cron, "")
    return Plan(
        id=job.id,
        every_s=job.every_s,
        deadline_s=job.deadline_s,
        first_s=job.first_s,
        at_start=job.at_start,
        crontab=Crontab(text) if text and text != OFF else None,
        off=text == OFF,
        setting=job.cron,
    )


async def _follow_keys(rt: Runtime) -> int:
    return await access_service.follow(rt.access)


async def _save_counts(rt: Runtime) -> int:
    return await access_service.save(rt.access)


async def _save_uses(rt: Runtime) -> int:
    return await access_service.save_uses(rt.access)


async def _forget_access(rt: Runtime) -> int:
    return await access_service.clean_up(rt.access, rt.limits.retention_days)


KEEPING: tuple[Job, ...] = (
    Job("follow_keys", access_service.LOOK_EVERY_S, _follow_keys, first_s=access_service.LOOK_EVERY_S),
    Job("save_limits", access_service.SAVE_EVERY_S, _save_counts, first_s=access_service.SAVE_EVERY_S),
    Job("save_key_uses", access_service.USED_EVERY_S, _save_uses, first_s=access_service.USED_EVERY_S),
    Job("forget_access", 86_400, _forget_access, first_s=300),
    Job("watch_health", statistics.WATCH_S, statistics.watch, first_s=5),
    Job("follow_catalogue", catalogue.FOLLOW_S, catalogue.follow, first_s=catalogue.FOLLOW_S),
    Job("follow_choices", choices.FOLLOW_S, choices.follow, first_s=choices.FOLLOW_S),
    Job("pools", pools.EVERY_S, pools.follow, first_s=pools.EVERY_S),
    Job("forget_pools", 86_400, pools.forget, first_s=310),
)
"""What keeps access and pools in step with the database; runs also where nothing is collected (ENABLE_BACKGROUND_TASKS off)."""


def polls(rt: Runtime) -> list[Job]:
    """One job a source that has quotes (a second host of a venue only while the first rests) and one an aggregator
    that has a market list."""
    jobs: list[Job] = []
    seen: set[str] = set()
    for source in _polled(rt, Capability.QUOTES):
        entry = source.entry
        if entry.kind != "venue":
            continue
        every = every_s(rt, entry)
        name = entry.id
        twin = entry.source in seen
        seen.add(entry.source)

        async def poll(rt: Runtime, name: str = name, twin: bool = twin) -> int:
            if _off(rt, name) or (twin and _covered(rt, name)) or _streamed(rt, name):
                return 0
            return await collect.venue_quotes(rt, name)

        first_s = every / 2 if twin else 0.0
        jobs.append(Job(f"quotes:{name}", every, poll, first_s=first_s, deadline_s=150, provider=name))
    # By the package's own ranks: the plan is made before an operator's choices are restored, and again after.
    fixed = sorted(
        _polled(rt, Capability.COINS), key=lambda s: (s.entry.offers[Capability.COINS].rank, s.entry.id)
    )
    families: dict[str, Source] = {}
    for source in fixed:
        families.setdefault(source.entry.source, source)
    for family, source in families.items():

        async def coins(rt: Runtime, family: str = family) -> int:
            name = _first_of(rt, family)
            return 0 if name is None else await collect.aggregator_coins(rt, name)

        named = source.entry.id
        every = float(source.entry.poll_s)
        jobs.append(Job(f"coins:{named}", every, coins, deadline_s=600, provider=named))
    return jobs


def _polled(rt: Runtime, capability: Capability) -> list[Source]:
    """Sources to poll; those that are switched off last, for they may be switched on. Added ones come and go, and have a
    job of their own."""
    found = [
        s
        for s in rt.gateway.offering(capability, disabled=True)
        if s.entry.id not in rt.added and exchanges.collected(rt, s.entry)
    ]
    return sorted(found, key=lambda source: not source.enabled)


def _first_of(rt: Runtime, family: str) -> str | None:
    """The host of an aggregator whose list of coins is polled: the first that is switched on, as pools prefer them."""
    hosts = (s.entry for s in rt.gateway.offering(Capability.COINS) if s.entry.id not in rt.added)
    return next((entry.id for entry in hosts if entry.source == family), None)


def _off(rt: Runtime, provider: str) -> bool:
    source = rt.gateway.sources.get(provider)
    return source is None or not source.enabled


def _streamed(rt: Runtime, provider: str) -> bool:
    """Whether a venue's stream delivers, so that its whole list is asked for less often: what is not streamed still stays
    fresher than prices may be old."""
    if rt.feeds is None or not rt.feeds.healthy(provider):
        return False
    slower_ms = min(STREAMED_POLL_S, rt.freshness.prices * 0.6) * 1000
    return rt.clock.now_ms() - rt.board.polled.get(provider, 0) < slower_ms


def every_s(rt: Runtime, entry: Entry) -> float:
    """Seconds between two polls of a venue: the operator's interval, or the entry's own where that is slower than
    usual."""
    own = entry.poll_s if entry.poll_s > DEFAULT_POLL_S else 0
    return float(max(own, rt.limits.collect_interval_s))


def _covered(rt: Runtime, provider: str) -> bool:
    """Whether another host of the same venue delivered quotes lately."""
    entry = rt.gateway.sources[provider].entry
    now = rt.clock.now_ms()
    return any(
        now - rt.board.polled.get(other.entry.id, 0) < 2 * every_s(rt, entry) * 1000
        for other in rt.gateway.sources.values()
        if other.entry.source == entry.source and other.entry.id != provider
    )
