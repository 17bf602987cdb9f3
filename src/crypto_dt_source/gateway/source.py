"""One catalogue entry in use: its key, its meter, its breaker, its health, and the way one ask is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ..clock import Clock
from ..model.answer import Answer, Record
from ..model.ask import CAPABILITY_OF, Ask, CandlesAsk, Capability, QuotesAsk
from ..model.errors import (
    BudgetExhausted,
    CircuitOpen,
    NotOffered,
    SymbolNotListed,
    UpstreamError,
)
from ..model.normal import violation
from ..providers.catalog import Entry
from ..providers.kit import Adapter, Endpoint, Reply, Request
from .classify import policy, refusal
from .health import Breaker, SourceHealth
from .limits import Meter
from .transport import Transport

THREAD_FROM_BYTES = 256 * 1024
"""Bodies from here on are parsed in a thread: above this, parsing would hold the loop for milliseconds."""
MAX_PAGES = 20
PER_PAIR_CONCURRENCY = 8
REJECTED_KEPT = 20
COOL_DEFAULT_S = 30.0

Observer = Callable[[str, Capability, float, str | None, int | None], None]
"""Told of every upstream call: provider, capability, elapsed ms, failure code or None, HTTP status or None."""


@dataclass(slots=True)
class Source:
    """Everything the gateway knows of one entry. `key` is the secret, None when there is none."""

    entry: Entry
    adapter: Adapter
    base_url: str
    key: str | None
    meter: Meter
    breaker: Breaker
    health: SourceHealth
    clock: Clock
    transport: Transport
    observer: Observer
    enabled: bool = True

    def endpoint(self, ask: Ask) -> Endpoint:
        """The endpoint that serves `ask`. Raises NotOffered."""
        capability = CAPABILITY_OF[type(ask)]
        if capability not in self.entry.offers:
            raise NotOffered(f"does not offer {capability.value}")
        endpoint = self.adapter.endpoints[capability]
        if isinstance(ask, CandlesAsk) and ask.interval not in endpoint.intervals:
            raise NotOffered(f"has no {ask.interval} candles")
        return endpoint

    def unavailable(self, capability: Capability) -> str | None:
        """Why a call would be refused before it is sent (an error code), or None."""
        if not self.enabled:
            return "disabled"
        now = self.clock.monotonic()
        if self.breaker.state == "open":
            return CircuitOpen.code
        if self.health.ejected(capability, now):
            return "ejected"
        if now < self.meter.blocked_until:
            return "cooling_down"
        return None

    async def fetch(
        self,
        ask: Ask,
        *,
        timeout_s: float,
        background: bool = False,
        patience_s: float = 0.0,
        force: bool = False,
    ) -> Answer[Record]:
        """The records of one ask. `patience_s`: how long to wait for the budget before giving up; `force` passes an
        open breaker (the last member of a pool is slowed, never shut out).

        Raises an UpstreamError subclass, nothing else.
        """
        endpoint = self.endpoint(ask)
        if isinstance(ask, QuotesAsk) and endpoint.per_pair:
            return await self._per_pair(ask, endpoint, timeout_s, background, patience_s, force)
        records, rejected, received = [], [], self.clock.now_ms()
        request: Request | None = endpoint.request(ask)
        for _ in range(MAX_PAGES):
            if request is None:
                break
            reply = await self._call(ask, request, endpoint, timeout_s, background, patience_s, force)
            page, page_rejected = await self._parse(endpoint, reply, ask)
            records.extend(page)
            rejected.extend(page_rejected)
            received = reply.received_ms
            request = endpoint.next(reply, ask, request) if endpoint.next else None
        return Answer(self.entry.id, tuple(records), received, rejected=tuple(rejected[:REJECTED_KEPT]))

    async def _per_pair(
        self,
        ask: QuotesAsk,
        endpoint: Endpoint,
        timeout_s: float,
        background: bool,
        patience_s: float,
        force: bool,
    ) -> Answer[Record]:
        """One call a pair. A pair the venue does not list is left out; the ask fails only if nothing came."""
        if not ask.pairs:
            raise NotOffered("answers one pair a call; name the pairs")
        gate = asyncio.Semaphore(PER_PAIR_CONCURRENCY)

        async def one(single: QuotesAsk) -> tuple[list[Record], list[str], int] | UpstreamError:
            async with gate:
                try:
                    reply = await self._call(
                        single, endpoint.request(single), endpoint, timeout_s, background, patience_s, force
                    )
                    page, rejected = await self._parse(endpoint, reply, single)
                    return page, rejected, reply.received_ms
                except UpstreamError as error:
                    return error

        parts = await asyncio.gather(*(one(QuotesAsk(pairs=(pair,))) for pair in ask.pairs))
        records: list[Record] = []
        rejected: list[str] = []
        errors: list[UpstreamError] = []
        received = self.clock.now_ms()
        for part in parts:
            if isinstance(part, UpstreamError):
                errors.append(part)
            else:
                records.extend(part[0])
                rejected.extend(part[1])
        if not records and errors:
            raise next((e for e in errors if not isinstance(e, SymbolNotListed)), errors[0])
        return Answer(self.entry.id, tuple(records), received, rejected=tuple(rejected[:REJECTED_KEPT]))

    async def _budget(self, weight: int, background: bool, patience_s: float) -> None:
        waited = 0.0
        while (wait := self.meter.take(weight, background=background)) > 0:
            if waited + wait > patience_s:
                raise BudgetExhausted("the published limit is used up for now", retry_after_s=wait)
            await self.clock.sleep(wait)
            waited += wait

    async def _call(
        self,
        ask: Ask,
        request: Request,
        endpoint: Endpoint,
        timeout_s: float,
        background: bool,
        patience_s: float,
        force: bool,
    ) -> Reply:
        capability = CAPABILITY_OF[type(ask)]
        for attempt in (0, 1):
            await self._budget(request.weight, background, patience_s)
            if not self.breaker.admit() and not force:
                raise CircuitOpen("the host failed recently and rests")
            started = self.clock.monotonic()
            status: int | None = None
            try:
                reply = await self._send(request, timeout_s)
                status = reply.status
                error = refusal(reply, self.adapter)
            except UpstreamError as raised:
                error = raised
            except asyncio.CancelledError:
                self.breaker.release()
                raise
            elapsed_ms = (self.clock.monotonic() - started) * 1000
            if error is None:
                return self._answered(reply, capability, elapsed_ms)
            self.observer(self.entry.id, capability, elapsed_ms, error.code, status)
            self.blame(error, capability)
            if not policy(error).retry or attempt:
                raise error
        raise AssertionError("unreachable")

    def _answered(self, reply: Reply, capability: Capability, elapsed_ms: float) -> Reply:
        self.breaker.success()
        self.health.succeeded(capability, elapsed_ms, self.clock.now_ms())
        self.observer(self.entry.id, capability, elapsed_ms, None, reply.status)
        return reply

    async def _send(self, request: Request, timeout_s: float) -> Reply:
        headers: dict[str, str] = {}
        auth = self.entry.auth
        if self.key is not None and auth is not None:
            if auth.place == "query":
                params = (*request.params, (auth.name, auth.prefix + self.key))
                request = Request(request.path, params, request.method, request.body, request.headers)
            elif auth.place == "bearer":
                headers["Authorization"] = f"Bearer {self.key}"
            else:
                headers[auth.name] = auth.prefix + self.key
        return await self.transport.send(self.entry.id, self.base_url, request, headers, timeout_s)

    async def _parse(self, endpoint: Endpoint, reply: Reply, ask: Ask) -> tuple[list[Record], list[str]]:
        try:
            if len(reply.body) >= THREAD_FROM_BYTES:
                return await asyncio.to_thread(_records, endpoint, reply, ask)
            return _records(endpoint, reply, ask)
        except UpstreamError as error:
            capability = CAPABILITY_OF[type(ask)]
            self.observer(self.entry.id, capability, 0.0, error.code, reply.status)
            self.blame(error, capability)
            raise

    def blame(self, error: UpstreamError, capability: Capability) -> None:
        """Carry out the policy of a failure."""
        rule = policy(error)
        counts = rule.breaker or rule.cool_s > 0 or rule.eject_s > 0
        self.health.failed(error.code, self.clock.now_ms(), counts=counts)
        if rule.breaker:
            self.breaker.failure()
        else:
            self.breaker.release()
        if rule.cool_s:
            self.meter.cool_down(max(error.retry_after_s or 0.0, rule.cool_s), shrink=rule.shrink)
        if rule.eject_s:
            self.health.eject(capability, rule.eject_s, self.clock.monotonic())


def _records(endpoint: Endpoint, reply: Reply, ask: Ask) -> tuple[list[Record], list[str]]:
    """Parsed records in normal form, and a name for each one that is not."""
    kept: list[Record] = []
    rejected: list[str] = []
    for record in endpoint.parse(reply, ask):
        reason = violation(record)
        if reason is None:
            kept.append(record)
        elif len(rejected) < REJECTED_KEPT:
            name = (
                getattr(record, "symbol", None) or getattr(record, "native_id", None) or type(record).__name__
            )
            rejected.append(f"{name}: {reason}")
    return kept, rejected
