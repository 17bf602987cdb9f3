"""One catalogue entry in use: its key, its meter, its breaker, its health, and the way one ask is asked of it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from ..clock import Clock
from ..model.answer import Answer, Record
from ..model.ask import CAPABILITY_OF, Ask, CandlesAsk, Capability, PairsAsk
from ..model.errors import (
    AddressRefused,
    BodyTooLarge,
    BudgetExhausted,
    CircuitOpen,
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from ..providers.catalog import Entry
from ..providers.kit import Adapter, Endpoint, MergeFn, Reply, Request
from ..telemetry import logger
from .classify import policy, refusal
from .health import LONGEST_REST_S, Breaker, SourceHealth
from .limits import Meter
from .outage import Outage
from .reading import REJECTED_KEPT, Page, read_page
from .transport import Transport

log = logger("gateway")
THREAD_FROM_BYTES = 256 * 1024
"""Bodies from here on are parsed in a thread: above this, parsing would hold the loop for milliseconds."""
NOT_MODIFIED = 304
PER_PAIR_CONCURRENCY = 8
PAGE_PATIENCE_S = 3.0
"""Least wait for the budget of each page after the first: the pages before it are spent already, and an upstream of one
call a second would never give a second one."""
ASKED_TO_WAIT_SLACK_S = 1.0
"""Added to a wait the upstream names in whole seconds."""
ADAPTER_BUGS = (
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    NameError,
    AssertionError,
    RuntimeError,
    StopIteration,
    OSError,
    msgspec.MsgspecError,
)
"""What code that reads a foreign body raises when the body is none it was written for. AssertionError: how parsers of
the standard library refuse input. RuntimeError: recursion too deep, and an iterator that ended inside a generator.
OSError: a time the platform cannot represent; nothing else in an adapter touches the system. MemoryError is not among
them: it says nothing of the body, and going on as if it did would hide it."""

BEHIND = 10_000_000
"""More than any rank of the catalogue."""
Observer = Callable[[str, Capability, float, str | None, int | None], None]
"""Told of every upstream call with a verdict: provider, capability, elapsed ms, failure code or None, HTTP status or
None. A call that was cancelled because another source had answered first has none."""


class Rest(NamedTuple):
    """Why a source is not asked now. `wait_s`: seconds until it is; `forbidden`: the upstream itself said not to."""

    code: str
    wait_s: float
    forbidden: bool


@dataclass(slots=True)
class Terms:
    """How one ask is made. Seconds: `timeout_s` for one call, `patience_s` for the budget to allow it. `at_once`: the
    first call does not wait for the budget. `force` passes an open breaker (the last member of a pool is slowed, never
    shut out). Whoever cancels the ask because the source was too slow sets `overtaken` before."""

    timeout_s: float
    patience_s: float = 0.0
    background: bool = False
    at_once: bool = False
    force: bool = False
    overtaken: bool = False


@dataclass(slots=True)
class Source:
    """Everything the gateway knows of one entry. `key` is the secret; `priority` (a rank) and `weight` an operator's. One
    that was `added` stands behind all that the package brings, whatever rank it came with."""

    entry: Entry
    adapter: Adapter
    base_url: str = field(repr=False)
    key: str | None = field(repr=False)
    meter: Meter
    breaker: Breaker
    health: SourceHealth
    clock: Clock
    transport: Transport
    observer: Observer
    enabled: bool = True
    priority: int | None = None
    weight: float | None = None
    added: bool = False
    outage: Outage = field(default_factory=Outage)

    def rank(self, capability: Capability) -> int:
        """Its place among those that offer a capability, the lowest asked first: an operator's priority, else the
        catalogue's."""
        return self.priority or self.entry.offers[capability].rank + (BEHIND if self.added else 0)

    def endpoint(self, ask: Ask) -> Endpoint:
        """The endpoint that serves `ask`. Raises NotOffered."""
        capability = CAPABILITY_OF[type(ask)]
        endpoint = self.adapter.endpoints.get(capability)
        if endpoint is None or capability not in self.entry.offers:
            raise NotOffered(f"does not offer {capability.value}")
        if isinstance(ask, CandlesAsk) and ask.interval not in endpoint.intervals:
            raise NotOffered(f"has no {ask.interval} candles")
        return endpoint

    def resting(self, capability: Capability) -> Rest | None:
        """Why a call would be refused before it is sent, or None."""
        if not self.enabled:
            return Rest(NotOffered.code, math.inf, True)
        now = self.clock.monotonic()
        if now < self.meter.blocked_until:
            return Rest(UpstreamRateLimited.code, self.meter.blocked_until - now, True)
        if self.breaker.state == "open":
            return Rest(CircuitOpen.code, self.breaker.ready_at - now, False)
        ejection = self.health.ejection(capability, now)
        return None if ejection is None else Rest(ejection.code, ejection.until - now, False)

    def rounds(self, ask: Ask) -> int:
        """Calls one after the other that an ask takes, pages aside."""
        if isinstance(ask, PairsAsk) and self.endpoint(ask).per_pair:
            return max(1, math.ceil(len(ask.pairs) / PER_PAIR_CONCURRENCY))
        return 1

    async def fetch(self, ask: Ask, terms: Terms) -> Answer[Record]:
        """The records of one ask. Raises an UpstreamError subclass, nothing else."""
        endpoint = self.endpoint(ask)
        if isinstance(ask, PairsAsk) and endpoint.per_pair:
            return await self._per_pair(ask, endpoint, terms)
        pages: list[Page] = []
        request: Request | None = await self._request(endpoint, ask)
        while request is not None and len(pages) < self.entry.offers[CAPABILITY_OF[type(ask)]].page_limit:
            if pages:
                patience = max(terms.patience_s, PAGE_PATIENCE_S)
            else:
                patience = 0.0 if terms.at_once else terms.patience_s
            page = await self._call(ask, request, endpoint, terms, patience)
            pages.append(page)
            request = await self._next(endpoint, page.reply, ask, request)
        if endpoint.merge is not None:
            pages = [await self._merged(endpoint, endpoint.merge, [page.reply for page in pages], ask)]
        return self._answer(pages)

    async def plain(self, request: Request, *, patience_s: float = 5.0, timeout_s: float = 8.0) -> Reply:
        """The 2xx reply to a request that is none of the capabilities, such as a token step, within the same budget and
        breaker. Raises an UpstreamError."""
        ticket = await self._leave(request.weight, Terms(background=True, timeout_s=timeout_s), patience_s)
        try:
            reply = await self._send(request, timeout_s)
            failure = refusal(reply, self.adapter)
            if failure is not None:
                raise failure
            self.breaker.success(ticket)
            return reply
        except UpstreamError:
            self.breaker.failure(ticket)
            raise
        finally:
            self.breaker.release(ticket)

    async def _merged(self, endpoint: Endpoint, merge: MergeFn, replies: Sequence[Reply], ask: Ask) -> Page:
        """One page of what all of them say together."""
        whole = replace(endpoint, parse=lambda reply, ask: merge(replies, ask))
        return await self._read(whole, replies[-1], ask)

    async def _per_pair(self, ask: PairsAsk, endpoint: Endpoint, terms: Terms) -> Answer[Record]:
        """One call a pair. A pair the venue does not list is left out; the ask fails only if nothing came."""
        if not ask.pairs:
            raise NotOffered("answers one pair a call; name the pairs")
        gate = asyncio.Semaphore(PER_PAIR_CONCURRENCY)

        async def one(single: PairsAsk, patience_s: float) -> Page | UpstreamError:
            async with gate:
                try:
                    request = await self._request(endpoint, single)
                    page = await self._call(single, request, endpoint, terms, patience_s)
                    for _ in range(1, self.entry.offers[CAPABILITY_OF[type(ask)]].page_limit):
                        step = await self._next(endpoint, page.reply, single, request)
                        if step is None:
                            break
                        request, patience_s = step, max(patience_s, PAGE_PATIENCE_S)
                        page = await self._call(single, request, endpoint, terms, patience_s)
                    return page
                except UpstreamError as error:
                    return error

        singles = [replace(ask, pairs=(pair,)) for pair in ask.pairs]
        parts: list[Page | UpstreamError] = []
        if terms.at_once or self.breaker.state != "closed" or endpoint.next is not None:
            # One goes ahead: where it may be the breaker's probe, or may not wait, what stops it stops all. And what it
            # has to ask before, the others need not.
            parts.append(await one(singles.pop(0), 0.0 if terms.at_once else terms.patience_s))
        if not parts or isinstance(parts[0], (Page, UpstreamRejected)):
            parts += await asyncio.gather(*(one(single, terms.patience_s) for single in singles))
        pages = [part for part in parts if isinstance(part, Page)]
        errors = [part for part in parts if isinstance(part, UpstreamError)]
        if errors and not any(page.records for page in pages):
            raise next((e for e in errors if not isinstance(e, SymbolNotListed)), errors[0])
        return self._answer(pages)

    def _answer(self, pages: list[Page]) -> Answer[Record]:
        records = tuple(record for page in pages for record in page.records)
        rejected = tuple(name for page in pages for name in page.rejected)
        received_ms = max((page.reply.received_ms for page in pages), default=self.clock.now_ms())
        return Answer(self.entry.id, records, received_ms, rejected=rejected[:REJECTED_KEPT])

    async def _request(self, endpoint: Endpoint, ask: Ask) -> Request:
        try:
            return (
                await asyncio.to_thread(endpoint.request, ask) if endpoint.threaded else endpoint.request(ask)
            )
        except ADAPTER_BUGS as error:
            log.exception("adapter cannot build a request", provider=self.entry.id)
            raise UpstreamRejected(f"the request could not be built: {type(error).__name__}") from None

    async def _next(self, endpoint: Endpoint, reply: Reply, ask: Ask, previous: Request) -> Request | None:
        if endpoint.next is None:
            return None
        try:
            if endpoint.threaded:
                return await asyncio.to_thread(endpoint.next, reply, ask, previous)
            return endpoint.next(reply, ask, previous)
        except ADAPTER_BUGS as error:
            log.exception("adapter cannot find the next page", provider=self.entry.id)
            raise PayloadChanged(f"the next page could not be read: {type(error).__name__}") from None

    async def _call(
        self, ask: Ask, request: Request, endpoint: Endpoint, terms: Terms, patience_s: float
    ) -> Page:
        """One call, and once more at once when its error's policy says so."""
        failed: UpstreamError | None = None
        while True:
            try:
                ticket = await self._leave(request.weight, terms, patience_s)
            except (BudgetExhausted, CircuitOpen) as refused:
                raise failed or refused from None
            try:
                return await self._attempt(ask, request, endpoint, terms, ticket)
            except UpstreamError as error:
                if failed is not None or not policy(error).retry:
                    raise
                failed = error
                patience_s = 0.0

    async def _leave(self, weight: int, terms: Terms, patience_s: float) -> int:
        """Wait for the budget; the breaker's ticket. Nothing is charged for a call that does not go."""
        waited = 0.0
        while True:
            if not (terms.force or self.breaker.admits()):
                raise CircuitOpen("the host failed recently and rests")
            wait = self.meter.wait(weight, background=terms.background)
            if waited + wait <= patience_s:
                wait = self.meter.take(weight, background=terms.background)
            if wait <= 0:
                ticket = self.breaker.admit(force=terms.force)
                if ticket is not None:
                    return ticket
            if waited + wait > patience_s:
                raise BudgetExhausted(
                    "the published limit is used up for now",
                    retry_after_s=wait if math.isfinite(wait) else None,
                )
            await self.clock.sleep(wait)
            waited += wait

    async def _attempt(
        self, ask: Ask, request: Request, endpoint: Endpoint, terms: Terms, ticket: int
    ) -> Page:
        capability = CAPABILITY_OF[type(ask)]
        started = self.clock.monotonic()
        elapsed_ms: float | None = None
        status: int | None = None
        try:
            reply = await self._send(request, terms.timeout_s)
            elapsed_ms = (self.clock.monotonic() - started) * 1000
            status = reply.status
            page = await self._read(endpoint, reply, ask)
            self._succeeded(capability, ticket, elapsed_ms, status)
            return page
        except UpstreamError as error:
            elapsed_ms = elapsed_ms or (self.clock.monotonic() - started) * 1000
            self._failed(error, capability, ticket, elapsed_ms, status)
            raise
        except asyncio.CancelledError:
            if terms.overtaken and status is None:
                slow = UpstreamTimeout("another source had to take over")
                self._failed(slow, capability, ticket, (self.clock.monotonic() - started) * 1000, None)
            raise
        finally:
            self.breaker.release(ticket)

    def _succeeded(self, capability: Capability, ticket: int, elapsed_ms: float, status: int) -> None:
        usual_ms = None if self.breaker.is_probe(ticket) else elapsed_ms
        self.breaker.success(ticket)
        self.health.succeeded(capability, usual_ms, self.clock.now_ms())
        self.observer(self.entry.id, capability, elapsed_ms, None, status)

    def _failed(
        self, error: UpstreamError, capability: Capability, ticket: int, elapsed_ms: float, status: int | None
    ) -> None:
        """Carry out the policy of a failure."""
        rule = policy(error)
        now = self.clock.monotonic()
        self.observer(self.entry.id, capability, elapsed_ms, error.code, status)
        # Venues and aggregators are asked for symbols, and refuse some. Of a feed and of other data the ask is always the
        # same: refused, the address or the API is another now.
        own_fault = self.entry.kind in ("feed", "data") and not isinstance(error, SymbolNotListed)
        self.health.failed(error.code, self.clock.now_ms(), counts=rule.blames or own_fault)
        if rule.breaker:
            self.breaker.failure(ticket)
        elif status is not None or isinstance(error, AddressRefused | BodyTooLarge):
            # Whatever it says, the host answers.
            self.breaker.success(ticket)
        if rule.cool_s:
            # Calls under way together are refused together: that is one offence, not one each.
            first = now >= self.meter.blocked_until
            named = error.retry_after_s
            seconds = rule.cool_s if named is None else named + ASKED_TO_WAIT_SLACK_S
            self.meter.cool_down(seconds, shrink=rule.shrink and first)
        rest_s = rule.rest_s
        if isinstance(error, UpstreamBroken) and error.retry_after_s is not None:
            rest_s = min(error.retry_after_s, LONGEST_REST_S)
        ejected = rest_s > 0 and self.health.eject(None, error.code, rest_s, now)
        if rule.eject_s:
            ejected |= self.health.eject(capability, error.code, rule.eject_s, now)
        if ejected:
            log.warning(
                "source rests",
                provider=self.entry.id,
                capability=capability.value,
                code=error.code,
                reason=error.message,
            )

    async def _send(self, request: Request, timeout_s: float) -> Reply:
        headers, asked = dict[str, str](), request
        auth = self.entry.auth
        if self.key is not None and auth is not None:
            if auth.place == "query":
                params = (*request.params, (auth.name, auth.prefix + self.key))
                request = Request(request.path, params, request.method, request.body, request.headers)
            elif auth.place == "bearer":
                headers["Authorization"] = f"Bearer {self.key}"
            else:
                headers[auth.name] = auth.prefix + self.key
        try:
            reply = await self.transport.send(self.entry.id, self.base_url, request, headers, timeout_s)
        except UpstreamError as error:
            self.outage.failed(self.entry.source, error)
            raise
        self.outage.heard()
        self.health.told_time(reply.headers.get("date", ""), reply.received_ms)
        return replace(reply, asked=asked)

    async def _read(self, endpoint: Endpoint, reply: Reply, ask: Ask) -> Page:
        """Raises what the reply stands for: its status, the error in its body, or PayloadChanged for a body that cannot
        be read or has nothing in normal form."""
        try:
            error = refusal(reply, self.adapter)
            if error is not None and not (endpoint.conditional and reply.status == NOT_MODIFIED):
                raise error
            if endpoint.threaded or len(reply.body) >= THREAD_FROM_BYTES:
                page = await asyncio.to_thread(read_page, endpoint, reply, ask)
            else:
                page = read_page(endpoint, reply, ask)
        except ADAPTER_BUGS as bug:
            log.exception("adapter cannot read a body", provider=self.entry.id)
            raise PayloadChanged(f"the adapter could not read the body: {type(bug).__name__}") from None
        self.health.quarantined(page.rejected_count, page.rejected)
        if page.rejected and not page.records:
            raise PayloadChanged(f"no record is in normal form ({page.rejected[0]})")
        return page
