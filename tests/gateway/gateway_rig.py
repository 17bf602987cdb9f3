"""A gateway over a scripted transport and a clock moved by hand: what the tests of this folder share."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import msgspec
import pytest

from crypto_dt_source.clock import ManualClock
from crypto_dt_source.gateway import Gateway, GatewayPolicy
from crypto_dt_source.gateway.health import OPEN_AFTER, Breaker, SourceHealth
from crypto_dt_source.gateway.limits import Meter
from crypto_dt_source.gateway.source import Source
from crypto_dt_source.model.answer import Record
from crypto_dt_source.model.ask import Ask, BookAsk, CandlesAsk, Capability, InstrumentsAsk, QuotesAsk
from crypto_dt_source.model.asset import Instrument
from crypto_dt_source.model.book import Level, OrderBook
from crypto_dt_source.model.candle import Candle
from crypto_dt_source.model.errors import (
    AllProvidersFailed,
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from crypto_dt_source.model.quote import Pair, Quote
from crypto_dt_source.model.unreadable import Unreadable
from crypto_dt_source.providers.catalog import Auth, Entry, Limit, Offer
from crypto_dt_source.providers.kit import Adapter, Endpoint, Reply, Request

T = TypeVar("T")
BOOK = BookAsk(Pair("BTC", "USD"))
PLENTY = (Limit(1_000_000, 60),)
PAGES = 5
BUGS: dict[str, Exception] = {
    "key": KeyError("price"),
    "index": IndexError("list index out of range"),
    "value": ValueError("not a number"),
    "overflow": OverflowError("too large"),
    "zero": ZeroDivisionError("division by zero"),
    "type": TypeError("not subscriptable"),
    "attribute": AttributeError("no attribute"),
    "recursion": RecursionError("too deep"),
    "runtime": RuntimeError("generator raised StopIteration"),
    "stop": StopIteration(),
    "assertion": AssertionError("we should not get here!"),
    "name": UnboundLocalError("local variable referenced before assignment"),
    "platform": OSError("value too large for defined data type"),
    "msgspec": msgspec.ValidationError("Expected `int`"),
}


@dataclass(frozen=True)
class Step:
    """What the scripted upstream does with one request: after `delay_s`, an answer or an error."""

    body: bytes = b"ok"
    status: int = 200
    delay_s: float = 0.002
    headers: Mapping[str, str] = field(default_factory=dict)
    error: type[UpstreamError] | None = None


HANG = Step(delay_s=1e6)
OK = Step()


class ScriptedTransport:
    """Plays each provider's steps in order; the last one repeats. `sent` has (second, provider, target)."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.steps: dict[str, list[Step]] = defaultdict(lambda: [OK])
        self.sent: list[tuple[float, str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.under_way: Counter[str] = Counter()

    async def send(
        self, provider: str, base_url: str, request: Request, headers: Mapping[str, str], timeout_s: float
    ) -> Reply:
        self.sent.append((self.clock.monotonic(), provider, request.target()))
        self.headers.append(headers)
        steps = self.steps[provider]
        step = steps.pop(0) if len(steps) > 1 else steps[0]
        self.under_way[provider] += 1
        try:
            await self.clock.sleep(min(step.delay_s, timeout_s))
        finally:
            self.under_way[provider] -= 1
        if step.delay_s > timeout_s:
            raise UpstreamTimeout("no complete answer")
        if step.error is not None:
            raise step.error("scripted")
        return Reply(provider, step.status, step.body, self.clock.now_ms(), step.headers)

    async def close(self) -> None:
        return None

    def calls(self, provider: str) -> int:
        return sum(name == provider for _, name, _ in self.sent)


def _refuse(body: bytes) -> None:
    text = body.decode()
    if text.startswith("bug:"):
        raise BUGS[text[4:]]
    if text == "truncated":
        raise PayloadChanged("cut short")
    if text == "limited":
        raise UpstreamRateLimited("too many requests")
    if text == "unlisted":
        raise SymbolNotListed("no such market")
    if text == "old":
        raise NotOffered("keeps the last 720 candles")


def book_parse(reply: Reply, ask: BookAsk) -> list[Record]:
    _refuse(reply.body)
    if reply.body == b"empty":
        return []
    price = -1.0 if reply.body == b"negative" else 1.0
    sides = (Level(price, 1.0),), (Level(2.0, 1.0),)
    book = OrderBook(reply.provider, "X", ask.pair.base, ask.pair.quote, *sides, None, reply.received_ms)
    if reply.body.startswith(b"odd:"):
        return [book, *(Unreadable(f"row {n}", "odd" * 200) for n in range(int(reply.body[4:])))]
    return [book]


def quotes_parse(reply: Reply, ask: QuotesAsk) -> list[Record]:
    """The body names the listed bases, `*` for all that were asked; one of them alone and unlisted is an error."""
    _refuse(reply.body)
    listed = reply.body.decode().split(",")
    asked = [p.base for p in ask.pairs] or list(ask.ids)
    found = [base for base in asked if base in listed or reply.body == b"ok"]
    if len(asked) == 1 and not found:
        raise SymbolNotListed("no such market")
    return [
        Quote(reply.provider, b, b, "USD", 1.0, *[None] * 7, None, reply.received_ms)  # type: ignore[misc]
        for b in found
    ]


def candles_parse(reply: Reply, ask: CandlesAsk) -> list[Record]:
    _refuse(reply.body)
    return [Candle(1_700_000_000_000, 1.0, 1.0, 1.0, 1.0, 1.0, None, None, True)]


def instruments_parse(reply: Reply, ask: InstrumentsAsk) -> list[Record]:
    _refuse(reply.body)
    return [Instrument(reply.provider, reply.body.decode(), reply.body.decode().upper(), "USD", True)]


def instruments_next(reply: Reply, ask: InstrumentsAsk, previous: Request) -> Request | None:
    """Pages until a body says `last`."""
    if reply.body == b"page-bug":
        raise KeyError("cursor")
    page = int(dict(previous.params).get("page", "1"))
    return None if reply.body == b"last" else Request("/list", (("page", str(page + 1)),))


def _plain(ask: Ask) -> Request:
    return Request("/ask")


def _book_request(ask: BookAsk) -> Request:
    if ask.pair.base == "BUG":
        raise KeyError("BUG")
    return Request("/book", (("pair", str(ask.pair)),))


def _explain(reply: Reply) -> UpstreamError | None:
    if reply.body == b"explain-bug":
        raise KeyError("code")
    return SymbolNotListed("explained") if reply.body == b"unlisted" else None


def toy(*, per_pair: bool = False) -> Adapter:
    """An adapter whose bodies are words."""
    return Adapter(
        name="toy",
        endpoints={
            Capability.BOOK: Endpoint(_book_request, book_parse),
            Capability.QUOTES: Endpoint(_plain, quotes_parse, per_pair=per_pair),
            Capability.CANDLES: Endpoint(_plain, candles_parse, intervals={"1h": "60"}),
            Capability.INSTRUMENTS: Endpoint(_plain, instruments_parse, next=instruments_next),
        },
        explain=_explain,
    )


def entry(name: str, rank: int, limits: Sequence[Limit] = PLENTY, auth: Auth | None = None) -> Entry:
    """A live catalogue entry that offers all of the toy adapter."""
    return Entry(
        id=name,
        name=name,
        category="exchange",
        kind="venue",
        source=name,
        adapter="toy",
        base_url=f"https://{name}.test",
        docs="https://docs.test",
        status="live",
        offers={c: Offer(c, rank, page_limit=PAGES) for c in toy().endpoints},
        limits=tuple(limits),
        auth=auth,
    )


class Rig:
    """A gateway with one scripted source per name, the first ranked first."""

    def __init__(
        self,
        *names: str,
        policy: GatewayPolicy | None = None,
        limits: Mapping[str, Sequence[Limit]] | None = None,
        per_pair: Iterable[str] = (),
    ) -> None:
        self.clock = ManualClock()
        self.transport = ScriptedTransport(self.clock)
        self.observed: list[tuple[str, str | None, int | None]] = []
        self.gateway = Gateway({}, self.transport, self.clock, policy=policy)
        for rank, name in enumerate(names):
            made = entry(name, rank, (limits or {}).get(name, PLENTY))
            self.add(made, toy(per_pair=name in per_pair))

    def add(self, made: Entry, adapter: Adapter | None = None, *, key: str | None = None) -> Source:
        source = Source(
            entry=made,
            adapter=adapter or toy(),
            base_url=made.base_url,
            key=key,
            meter=Meter(made.source, made.limits, self.clock),
            breaker=Breaker(self.clock),
            health=SourceHealth(),
            clock=self.clock,
            transport=self.transport,
            observer=lambda p, c, ms, code, status: self.observed.append((p, code, status)),
            outage=self.gateway.outage,
        )
        self.gateway.sources[made.id] = source
        return source

    def twin(self, name: str, of: str, rank: int) -> Source:
        """Another host of the same upstream: it shares the meter."""
        source = self.add(replace(entry(name, rank), source=of))
        source.meter = self.gateway.sources[of].meter
        return source

    def script(self, provider: str, *steps: Step) -> None:
        self.transport.steps[provider] = list(steps)

    def source(self, provider: str) -> Source:
        return self.gateway.sources[provider]

    async def finish(self, work: Awaitable[T], *, limit_s: float = 60.0) -> T:
        """The result of `work`, moving the clock 10 ms at a time as long as it needs."""
        task = asyncio.ensure_future(work)
        await self.clock.settle()
        begun = self.clock.monotonic()
        while not task.done():
            assert self.clock.monotonic() - begun < limit_s, "still waiting"
            await self.clock.advance(0.01, turns=6)
        return task.result()

    async def book(self) -> str:
        """One ask for an order book through the pool; who answered."""
        answer = await self.finish(self.gateway.ask(Capability.BOOK, lambda source: BOOK))
        return answer.provider

    async def warm(self, asks: int = 10) -> None:
        """Healthy asks, so that the first source's p95 is known."""
        for _ in range(asks):
            await self.book()

    async def books(self, count: int) -> list[str]:
        """As many asks at once; who answered each, or the code of its error."""
        asks = (self.gateway.ask(Capability.BOOK, lambda source: BOOK) for _ in range(count))
        answers = await self.finish(asyncio.gather(*asks, return_exceptions=True))
        return [a.provider if not isinstance(a, BaseException) else type(a).__name__ for a in answers]


async def ask(rig: Rig, **options: object) -> tuple[str, list[tuple[str, str | None]], float]:
    """Who answered, who was tried and why each failed, and the seconds it took."""
    begun = rig.clock.monotonic()
    answer = await rig.finish(rig.gateway.ask(Capability.BOOK, lambda source: BOOK, **options))  # type: ignore[arg-type]
    return answer.provider, [(t.provider, t.failure) for t in answer.tried], rig.clock.monotonic() - begun


async def refused(rig: Rig) -> AllProvidersFailed:
    with pytest.raises(AllProvidersFailed) as caught:
        await rig.book()
    return caught.value


async def open_breaker(rig: Rig, name: str) -> None:
    breaker = rig.source(name).breaker
    for _ in range(OPEN_AFTER):
        breaker.failure(breaker.admit() or 0)
