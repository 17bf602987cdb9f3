"""The gateway's face: ask one provider, ask a ranked pool, or gather what is missing from the next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from ..clock import Clock
from ..model.answer import Answer, Record
from ..model.ask import CAPABILITY_OF, Ask, Capability
from ..model.errors import (
    AddressRefused,
    AllProvidersFailed,
    CircuitOpen,
    NotFound,
    NotOffered,
    UpstreamError,
)
from ..providers import catalog
from ..providers.catalog import Entry
from .guard import check_base_url
from .health import Breaker, SourceHealth
from .limits import BudgetLine, KeptUse, Meter
from .outage import Outage
from .pool import AskFor, HedgeBudget, Race, SlowLane
from .pools import Pools
from .reach import Reach
from .source import Observer, Source, Terms
from .trace import note
from .transport import Transport


@dataclass(frozen=True, slots=True)
class GatewayPolicy:
    """Seconds: `timeout_s` for one upstream call, `patience_s` for a budget to free up when a person waits,
    `background_patience_s` when nobody does. `reach`: what can be called from here."""

    timeout_s: float = 8.0
    patience_s: float = 1.0
    background_patience_s: float = 120.0
    reach: Reach = field(default_factory=Reach)


class MissingAskFor(Protocol):
    """Gives a source's own ask for the keys that are still missing, None when it has nothing to say."""

    def __call__(self, source: Source, *, missing: frozenset[Hashable]) -> Ask | None: ...


class Gateway:
    """Owns every source. `close` stops what is under way."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        transport: Transport,
        clock: Clock,
        *,
        keys: Mapping[str, str] | None = None,
        base_urls: Mapping[str, str] | None = None,
        policy: GatewayPolicy | None = None,
        observer: Observer | None = None,
        guarded: Transport | None = None,
    ) -> None:
        """`keys` maps environment names to secrets (a keyed entry without one is left out), `base_urls` maps provider
        ids to overrides, `guarded` is the way to entries that are added later. Raises AddressRefused for an override that
        is not a plain http(s) address."""
        self._clock = clock
        self._transport = transport
        self.policy = policy or GatewayPolicy()
        self.hedges = HedgeBudget()
        self.pools = Pools(clock)
        self.outage = Outage()
        self._slow_lane = SlowLane()
        self._closing: set[asyncio.Task[Answer[Record]]] = set()
        self._meters: dict[str, Meter] = {}
        self.saved_ms = 0
        self._breakers: dict[str, Breaker] = {}
        self.sources: dict[str, Source] = {}
        self._guarded = guarded
        self._observer: Observer = observer or (lambda *_: None)
        self._keys = dict(keys or {})
        self._base_urls = dict(base_urls or {})
        for entry in entries.values():
            self.add(entry)

    def add(self, entry: Entry, *, guarded: bool = False, added: bool = False) -> bool:
        """Take an entry into use, in the place of one of the same id; gives whether it can be: its status allows it, its key
        is there, so is what its adapter needs, and it can be reached from here. `guarded`: its address is somebody else's
        word, so it is asked through the outbound guard, without a key. `added`: so is what it says, and it is asked after
        the package's. Raises AddressRefused, and CatalogError for an entry its adapter cannot read."""
        key = self._keys.get(entry.auth.env) if entry.auth and not guarded else None
        usable = entry.status == "live" or (entry.status == "keyed" and bool(key))
        if not usable or not catalog.installed(entry) or self.out_of_reach(entry) is not None:
            self.sources.pop(entry.id, None)
            return False
        override = self._base_urls.get(entry.id)
        base_url = check_base_url(override or entry.base_url, whole=entry.kind == "feed")
        transport = self._guarded if guarded and override is None else self._transport
        if transport is None:
            raise AddressRefused("no way to added sources is set up")
        host = base_url.split("//", 1)[1] if override is not None else entry.host
        self.sources[entry.id] = Source(
            entry=entry,
            adapter=catalog.adapter_of(entry),
            base_url=base_url,
            key=key,
            meter=self._meter(entry, key),
            breaker=self._breakers.setdefault(host, Breaker(self._clock)),
            health=SourceHealth(),
            clock=self._clock,
            transport=transport,
            observer=self._observer,
            added=added,
            outage=self.outage,
        )
        return True

    def out_of_reach(self, entry: Entry) -> str | None:
        """Why an entry is not used from where the service runs; None where it is. One whose address the operator replaced
        can be reached: whoever replaced it says so."""
        return None if entry.id in self._base_urls else self.policy.reach.refusal(entry)

    def remove(self, provider: str) -> None:
        """Ask it nothing from now on; what is under way ends by itself. Its meter stays: whoever comes back is not given
        its limits anew."""
        self.sources.pop(provider, None)

    def _meter(self, entry: Entry, key: str | None) -> Meter:
        # An upstream counts by address, or by key where one is sent: entries on one key share its limits.
        scope = f"{entry.source}:{entry.auth.env}" if key and entry.auth else entry.source
        meter = self._meters.get(scope)
        if meter is None:
            meter = self._meters[scope] = Meter(scope, entry.limits, self._clock)
        elif not any(line.used for line in meter.lines()):
            meter.add_limits(entry.limits)
        return meter

    def ranked(self, capability: Capability, *, disabled: bool = False) -> list[Source]:
        """Enabled sources of a capability, best rank (an operator's priority, else the catalogue's) first; a rank shared is
        ordered by id. `disabled`: also those that are switched off."""
        found = [s for s in self.sources.values() if (s.enabled or disabled) and capability in s.entry.offers]
        return sorted(found, key=lambda s: (s.rank(capability), s.entry.id))

    def offering(self, capability: Capability, *, disabled: bool = False) -> list[Source]:
        """The same as pools prefer them, without regard to whose turn it is: to look at the list takes no turn. By rank
        where no pool was made or changed."""
        return self.pools.steady(capability, self.ranked(capability, disabled=disabled))

    def source(self, provider: str) -> Source:
        """Raises NotFound for a provider that is unknown or switched off."""
        try:
            return self.sources[provider]
        except KeyError:
            raise NotFound(
                f"There is no provider {provider!r} in use; GET /api/providers lists them.",
                details={"provider": provider},
            ) from None

    async def ask_one(self, provider: str, ask: Ask, *, background: bool = False) -> Answer[Record]:
        """One provider, no failover: what rests is not asked, what is due to be probed is probed by this. Raises NotFound
        or an UpstreamError subclass."""
        source = self.source(provider)
        rest = source.resting(CAPABILITY_OF[type(ask)])
        if rest is not None and not source.enabled:
            raise NotOffered("switched off")
        if rest is not None and not rest.forbidden:
            raise CircuitOpen(f"not asked now: {rest.code}", retry_after_s=rest.wait_s)
        return await source.fetch(ask, self._terms(background))

    def _terms(self, background: bool, *, force: bool = False) -> Terms:
        patience_s = self.policy.background_patience_s if background else self.policy.patience_s
        return Terms(self.policy.timeout_s, patience_s, background, force=force)

    async def ask(
        self,
        capability: Capability,
        ask_for: AskFor,
        *,
        providers: Sequence[str] | None = None,
        background: bool = False,
    ) -> Answer[Record]:
        """The first valid answer of the pool. `ask_for(source)` gives that source's own ask, None when it has nothing
        to say. `providers` are asked in their own order, without it pools decide. Raises AllProvidersFailed with who was
        tried and why each failed."""
        sources = self.ranked(capability)
        line = None
        if providers is not None:
            wanted = {p: i for i, p in enumerate(providers)}
            sources = sorted((s for s in sources if s.entry.id in wanted), key=lambda s: wanted[s.entry.id])
        else:
            line = self.pools.line(capability, sources)
        race = Race(
            sources=sources,
            ask_for=ask_for,
            capability=capability,
            clock=self._clock,
            budget=self.hedges,
            timeout_s=self.policy.timeout_s,
            patience_s=self.policy.background_patience_s if background else self.policy.patience_s,
            background=background,
            slow_lane=self._slow_lane,
            closing=self._closing,
            line=line,
            outage=self.outage,
        )
        try:
            answer = await race.run()
        except AllProvidersFailed as error:
            if line is not None and line.route is not None:
                error.details["pool"] = line.route.pool
            note(capability, None, race.tried, None if line is None else line.route)
            raise
        note(capability, answer.provider, answer.tried, answer.route)
        if line is not None:
            self.pools.ended(line, answer.tried, answer.provider)
        return answer

    async def gather_missing(
        self,
        capability: Capability,
        wanted: Iterable[Hashable],
        ask_for: MissingAskFor,
        key_of: Callable[[Record], Hashable | None],
        *,
        providers: Sequence[str] | None = None,
        background: bool = False,
    ) -> tuple[dict[Hashable, Record], list[Answer[Record]]]:
        """Records for many keys: each source in turn (in the order of `providers`, else as pools decide) is asked only for
        what is still missing.

        Gives what was found by key and the answers behind it; keys nobody has are absent. Raises AllProvidersFailed
        only when nothing at all was found and at least one source failed.
        """
        missing = frozenset(wanted)
        found: dict[Hashable, Record] = {}
        answers: list[Answer[Record]] = []
        failure: AllProvidersFailed | None = None
        remaining = [s.entry.id for s in self.offering(capability)] if providers is None else [*providers]
        named = providers is not None
        while missing and remaining:
            asked = partial(ask_for, missing=missing)
            try:
                answer = await self.ask(
                    capability, asked, providers=remaining if named else None, background=background
                )
            except AllProvidersFailed as error:
                failure = error
                break
            answers.append(answer)
            named = True
            for record in answer.records:
                key = key_of(record)
                if key in missing and key not in found:
                    found[key] = record
            missing -= found.keys()
            used = {t.provider for t in answer.tried}
            # Another host or key of who answered knows no more.
            answered = self.sources.get(answer.provider)
            family = answered.entry.source if answered is not None else None
            remaining = [
                p
                for p in remaining
                if p not in used and p in self.sources and self.sources[p].entry.source != family
            ]
        if failure is not None and not found and (failure.details["tried"] or not answers):
            raise failure
        return found, answers

    async def probe(self, provider: str, ask: Ask) -> str | None:
        """Ask once, past an open breaker: the failure's code, or None when it answered."""
        source = self.source(provider)
        try:
            await source.fetch(ask, self._terms(False, force=True))
        except UpstreamError as error:
            return error.code
        return None

    def budgets(self) -> list[BudgetLine]:
        """Every published limit and what is used of it."""
        return [line for meter in self._meters.values() for line in meter.lines()]

    def kept_use(self, since_ms: int = 0) -> list[KeptUse]:
        """Use of every limit, to be stored: what changed at or after `since_ms`."""
        return [use for meter in self._meters.values() for use in meter.kept(since_ms)]

    def restore_use(self, uses: Iterable[KeptUse]) -> None:
        """Take up what was used before a restart."""
        by_scope: dict[str, list[KeptUse]] = {}
        for use in uses:
            by_scope.setdefault(use.scope, []).append(use)
        for scope, lines in by_scope.items():
            if scope in self._meters:
                self._meters[scope].restore(lines)

    async def close(self) -> None:
        """End the calls that outlived their ask and close the transport."""
        closing = set(self._closing)
        for task in closing:
            task.cancel()
        if closing:
            await asyncio.wait(closing)
        await self._transport.close()
        if self._guarded is not None:
            await self._guarded.close()
