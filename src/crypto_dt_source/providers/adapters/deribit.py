"""Deribit v2 REST, perpetuals. One JSON-RPC answer a settlement currency: `result` or `error`.

https://docs.deribit.com/api-reference/market-data/public-get_book_summary_by_currency
https://docs.deribit.com/articles/errors
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

from ...model.ask import Capability, FundingAsk, OpenInterestAsk
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import (
    NotOffered,
    PayloadChanged,
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, decoder, read_rows
from ..perpetuals import Contract, coin_of

T = TypeVar("T")
PERPETUAL = "-PERPETUAL"
CURRENCIES = ("BTC", "ETH", "USDC")
"""What perpetuals settle in: the coin itself (inverse, quoted in dollars), or USDC (linear, quoted in it)."""
FUNDING_H = 8.0
"""Funding is paid all the time; every rate is told as that of eight hours.
https://support.deribit.com/hc/en-us/articles/31424939178397-Funding-Specifications"""

NOT_LISTED = frozenset({10020, 13020})
RATE_LIMITED = frozenset({10028, 10066})
BROKEN = frozenset({10040, 10041, 10047, 11051, 11094, 13028, 13888})


class _Fault(msgspec.Struct):
    code: int
    message: str = ""


class _Answer(msgspec.Struct, Generic[T]):
    result: T | None = None
    error: _Fault | None = None


class _Error(msgspec.Struct):
    error: _Fault


class _Summary(msgspec.Struct, gc=False):
    instrument_name: str
    base_currency: str
    quote_currency: str
    open_interest: float | None
    mark_price: float | None
    creation_timestamp: int
    current_funding: float | None = None


_summaries = decoder(_Answer[list[_Summary]])
_error = decoder(_Error)


def failure(fault: _Fault) -> UpstreamError:
    """The error class of a JSON-RPC error."""
    text = f"Deribit answered {fault.code}: {fault.message[:200]}"
    if fault.code in NOT_LISTED:
        return SymbolNotListed(text)
    if fault.code in RATE_LIMITED:
        return UpstreamRateLimited(text)
    if fault.code in BROKEN:
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def currencies(pairs: tuple[Pair, ...]) -> list[str]:
    """What the perpetuals on these pairs settle in, all of it when there are no pairs."""
    if not pairs:
        return list(CURRENCIES)
    settled = {pair.base if pair.quote == "USD" else pair.quote for pair in pairs}
    return [currency for currency in CURRENCIES if currency in settled]


def _summary_request(currency: str) -> Request:
    params = (("currency", currency), ("kind", "future"))
    return Request("/api/v2/public/get_book_summary_by_currency", params)


def summaries_request(ask: FundingAsk | OpenInterestAsk) -> Request:
    """Raises NotOffered where no perpetual of this venue can be on any of the pairs."""
    needed = currencies(ask.pairs)
    if not needed:
        raise NotOffered("has no perpetual on these pairs")
    return _summary_request(needed[0])


def summaries_next(reply: Reply, ask: FundingAsk | OpenInterestAsk, previous: Request) -> Request | None:
    """The next currency that is needed."""
    needed = currencies(ask.pairs)
    rest = needed[needed.index(dict(previous.params)["currency"]) + 1 :]
    return _summary_request(rest[0]) if rest else None


def _rows(
    reply: Reply, ask: FundingAsk | OpenInterestAsk
) -> tuple[Iterator[tuple[_Summary, Contract]], list[Unreadable]]:
    """The perpetuals asked for (`1000PEPE` is a thousand PEPE) and the rows that could not be read. Raises what an `error`
    stands for, and PayloadChanged when there is neither it nor a result."""
    answer, unreadable = read_rows(_summaries, _Summary, reply, explain, "result")
    if answer.error is not None:
        raise failure(answer.error)
    if answer.result is None:
        raise PayloadChanged("the body has neither result nor error", path="$.result")
    rows, wanted = answer.result, set(ask.pairs)

    def perpetuals() -> Iterator[tuple[_Summary, Contract]]:
        for row in rows:
            coin, units = coin_of(row.base_currency.upper())
            found = Contract(Pair(coin, row.quote_currency.upper()), units)
            if row.instrument_name.endswith(PERPETUAL) and (not wanted or found.pair in wanted):
                yield row, found

    return perpetuals(), unreadable


def funding_parse(reply: Reply, ask: FundingAsk) -> list[FundingRate | Unreadable]:
    """`current_funding` is the rate now (`funding_8h` is what the last eight hours came to). There is no next settlement,
    and no index price by that name: `estimated_delivery_price` is what a future that ends would pay."""
    rows, unreadable = _rows(reply, ask)
    rates: list[FundingRate | Unreadable] = [*unreadable]
    for row, found in rows:
        if row.current_funding is None:
            continue
        rates.append(
            FundingRate(
                reply.provider,
                row.instrument_name,
                found.pair.base,
                found.pair.quote,
                row.current_funding,
                FUNDING_H,
                found.price(row.mark_price),
                None,
                None,
                row.creation_timestamp,
                reply.received_ms,
            )
        )
    return rates


def open_interest_parse(reply: Reply, ask: OpenInterestAsk) -> list[OpenInterest | Unreadable]:
    """`open_interest` is dollars for an inverse perpetual and base units for a linear one."""
    rows, unreadable = _rows(reply, ask)
    interests: list[OpenInterest | Unreadable] = [*unreadable]
    for row, found in rows:
        if row.open_interest is None:
            continue
        inverse = found.pair.quote == "USD"
        interests.append(
            OpenInterest(
                reply.provider,
                row.instrument_name,
                found.pair.base,
                found.pair.quote,
                None if inverse else found.amount(row.open_interest),
                row.open_interest if inverse else None,
                row.creation_timestamp,
                reply.received_ms,
            )
        )
    return interests


def explain(reply: Reply) -> UpstreamError | None:
    """JSON-RPC errors come with 4xx as well; None for a body that carries none."""
    try:
        return failure(_error.decode(reply.body).error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


ADAPTER = Adapter(
    name="deribit",
    endpoints={
        Capability.FUNDING: Endpoint(summaries_request, funding_parse, next=summaries_next),
        Capability.OPEN_INTEREST: Endpoint(summaries_request, open_interest_parse, next=summaries_next),
    },
    explain=explain,
)
