"""OKX v5 REST, perpetual swaps. Every answer is `{code, msg, data}`; `code` "0" is success, whatever the HTTP status.

https://www.okx.com/docs-v5/en/#public-data-rest-api-get-funding-rate
https://www.okx.com/docs-v5/en/#public-data-rest-api-get-open-interest
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from ...model.ask import Capability, FundingAsk, OpenInterestAsk
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import (
    SymbolNotListed,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, Separated, decoder, read_rows

T = TypeVar("T")
HOUR_MS = 3_600_000
SWAP = "-SWAP"

# `BTC-USD_UM-SWAP` is quoted in dollars and settled in stablecoins.
split = Separated("-", {"USD_UM": "USD"})

NOT_LISTED = frozenset({"51001", "51014", "51015"})
RATE_LIMITED = frozenset({"50011", "50040", "50061"})
BROKEN = frozenset({"50001", "50004", "50005", "50013", "50026"})

_Number = float | Literal[""]
"""A number sent as text, or "" where there is none."""
_Time = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)] | Literal[""]
"""Milliseconds; bounded, because two are taken from each other."""


class _Answer(msgspec.Struct, Generic[T]):
    code: str
    data: T
    msg: str = ""


class _Error(msgspec.Struct):
    code: str
    msg: str = ""


class _Rate(msgspec.Struct, gc=False):
    instType: str
    instId: str
    fundingRate: _Number
    fundingTime: _Time
    nextFundingTime: _Time
    ts: _Time = ""


class _Interest(msgspec.Struct, gc=False):
    instType: str
    instId: str
    oiCcy: _Number
    ts: _Time
    oiUsd: _Number = ""


_rates = decoder(_Answer[list[_Rate]])
_interests = decoder(_Answer[list[_Interest]])
_error = decoder(_Error)


def failure(code: str, message: str) -> UpstreamError:
    """The error class of a `code` other than "0"."""
    text = f"OKX answered {code}: {message[:200]}"
    if code in NOT_LISTED:
        return SymbolNotListed(text)
    if code in RATE_LIMITED:
        return UpstreamRateLimited(text)
    if code in BROKEN:
        return UpstreamBroken(text)
    return UpstreamRejected(text)


def checked(answer: _Answer[T]) -> T:
    """The data of an answer; raises the error its code stands for."""
    if answer.code != "0":
        raise failure(answer.code, answer.msg)
    return answer.data


def swap(row: _Rate | _Interest) -> Pair | None:
    """The pair of a perpetual swap, None for anything else."""
    if row.instType != "SWAP" or not row.instId.endswith(SWAP):
        return None
    return split(row.instId.removesuffix(SWAP))


def funding_request(ask: FundingAsk) -> Request:
    """Every swap in one call. The meter counts 20 in 2 s where this endpoint allows 10, so a call counts twice."""
    return Request("/api/v5/public/funding-rate", (("instId", "ANY"),), weight=2)


def funding_parse(reply: Reply, ask: FundingAsk) -> list[FundingRate | Unreadable]:
    """`fundingRate` is due at `fundingTime`; `nextFundingTime` is the settlement after that one, and the time between the
    two is the interval. Mark and index price are not in this answer."""
    answer, unreadable = read_rows(_rates, _Rate, reply, explain, "data")
    wanted = set(ask.pairs)
    rates: list[FundingRate | Unreadable] = [*unreadable]
    for row in checked(answer):
        pair = swap(row)
        if pair is None or row.fundingRate == "" or (wanted and pair not in wanted):
            continue
        due, after = row.fundingTime or None, row.nextFundingTime or None
        rates.append(
            FundingRate(
                reply.provider,
                row.instId,
                pair.base,
                pair.quote,
                row.fundingRate,
                (after - due) / HOUR_MS if due and after and after > due else None,
                None,
                None,
                due,
                row.ts or None,
                reply.received_ms,
            )
        )
    return rates


def open_interest_request(ask: OpenInterestAsk) -> Request:
    return Request("/api/v5/public/open-interest", (("instType", "SWAP"),))


def open_interest_parse(reply: Reply, ask: OpenInterestAsk) -> list[OpenInterest | Unreadable]:
    """`oiCcy` is in coins, whatever the contract counts. `oiUsd` is dollars: the value of a contract quoted in dollars,
    and of no other, since a stablecoin is worth what the market says."""
    answer, unreadable = read_rows(_interests, _Interest, reply, explain, "data")
    wanted = set(ask.pairs)
    interests: list[OpenInterest | Unreadable] = [*unreadable]
    for row in checked(answer):
        pair = swap(row)
        if pair is None or (wanted and pair not in wanted):
            continue
        amount = None if row.oiCcy == "" else row.oiCcy
        value = None if row.oiUsd == "" or pair.quote != "USD" else row.oiUsd
        if amount is None and value is None:
            continue
        interests.append(
            OpenInterest(
                reply.provider,
                row.instId,
                pair.base,
                pair.quote,
                amount,
                value,
                row.ts or None,
                reply.received_ms,
            )
        )
    return interests


def explain(reply: Reply) -> UpstreamError | None:
    """OKX sends its code with 4xx and 5xx too; None for a body that carries none."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if error.code in ("", "0") else failure(error.code, error.msg)


ADAPTER = Adapter(
    name="okx_futures",
    endpoints={
        Capability.FUNDING: Endpoint(funding_request, funding_parse),
        Capability.OPEN_INTEREST: Endpoint(open_interest_request, open_interest_parse),
    },
    explain=explain,
)
