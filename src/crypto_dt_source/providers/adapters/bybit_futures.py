"""Bybit v5 REST, perpetual contracts. Two lists of tickers: `linear` (USDT, USDC) and `inverse` (settled in the coin).

https://bybit-exchange.github.io/docs/v5/market/tickers
https://bybit-exchange.github.io/docs/v5/websocket/public/ticker (the same fields, with what each counts)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, Literal, TypeVar

import msgspec

from ...model.ask import Capability, FundingAsk, OpenInterestAsk
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import (
    PayloadChanged,
    RegionBlocked,
    SymbolNotListed,
    UpstreamBanned,
    UpstreamBroken,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.quote import Pair
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, Splitter, decoder, read_rows
from ..perpetuals import Contract, coin_of

T = TypeVar("T")
_Number = float | Literal[""]
"""A number sent as text, or "" where there is none."""

split = Splitter("USDT USDC PERP USD".split())
LINEAR, INVERSE = "linear", "inverse"
BAN_S = 600.0
"""How long the venue shuts out an address it found too frequent, by its own documentation."""


class _Answer(msgspec.Struct, Generic[T]):
    retCode: int
    retMsg: str = ""
    result: T | None = None


class _Page(msgspec.Struct, Generic[T]):
    # Optional because a refused call has `result: {}`; a successful one without it is a changed payload.
    category: str = ""
    list: T | None = None


class _Error(msgspec.Struct):
    retCode: int
    retMsg: str = ""


class _Ticker(msgspec.Struct, gc=False):
    symbol: str
    markPrice: _Number
    indexPrice: _Number
    openInterest: _Number
    openInterestValue: _Number
    fundingRate: _Number
    nextFundingTime: int | Literal[""]
    deliveryTime: int | Literal[""] = ""
    fundingIntervalHour: _Number = ""
    singleOpenInterest: _Number = ""
    singleOpenInterestValue: _Number = ""


_tickers = decoder(_Answer[_Page[list[_Ticker]]])
_error = decoder(_Error)


def failure(code: int, message: str) -> UpstreamError:
    """The error class of a `retCode` other than 0."""
    text = f"Bybit answered {code}: {message[:200]}"
    if code in (10006, 10018):
        return UpstreamRateLimited(text)
    if code == 10009:
        return UpstreamBanned(text, retry_after_s=BAN_S)
    if code == 10024:
        return RegionBlocked(text)
    if code in (10000, 10016):
        return UpstreamBroken(text)
    # 10001 is any wrong parameter; only its text tells an unknown symbol from the rest.
    if code == 10001 and "symbol" in message.lower():
        return SymbolNotListed(text)
    return UpstreamRejected(text)


def contract(name: str) -> Contract | None:
    """What the symbol is on: `BTCUSDT`, `BTCPERP` (in USDC), `BTCUSD` (inverse), `1000PEPEUSDT`, `SHIB1000USDT`. None for
    a dated future of the linear list (`BTCUSDT-26MAR27`) and for an unknown quote currency."""
    pair = None if "-" in name else split(name)
    if pair is None:
        return None
    coin, units = coin_of(pair.base)
    return Contract(Pair(coin, "USDC" if pair.quote == "PERP" else pair.quote), units)


def tickers_request(ask: FundingAsk | OpenInterestAsk) -> Request:
    """The linear list first, unless every pair is against the dollar itself."""
    inverse = bool(ask.pairs) and all(pair.quote == "USD" for pair in ask.pairs)
    return Request("/v5/market/tickers", (("category", INVERSE if inverse else LINEAR),))


def tickers_next(reply: Reply, ask: FundingAsk | OpenInterestAsk, previous: Request) -> Request | None:
    """The inverse list after the linear one, where it can hold what was asked for."""
    if ("category", LINEAR) not in previous.params:
        return None
    if ask.pairs and not any(pair.quote == "USD" for pair in ask.pairs):
        return None
    return Request("/v5/market/tickers", (("category", INVERSE),))


def _rows(
    reply: Reply, ask: FundingAsk | OpenInterestAsk
) -> tuple[Iterator[tuple[_Ticker, Contract, bool]], list[Unreadable]]:
    """The perpetuals asked for, each with whether it is inverse, and the rows that could not be read. Raises the error a
    `retCode` stands for, and PayloadChanged when there is no list or it is of neither category."""
    answer, unreadable = read_rows(_tickers, _Ticker, reply, explain, "result", "list")
    if answer.retCode != 0:
        raise failure(answer.retCode, answer.retMsg)
    if answer.result is None or answer.result.list is None:
        raise PayloadChanged("the result has no list", path="$.result.list")
    if answer.result.category not in (LINEAR, INVERSE):
        raise PayloadChanged("the list is neither linear nor inverse", path="$.result.category")
    rows, inverse, wanted = answer.result.list, answer.result.category == INVERSE, set(ask.pairs)

    def perpetuals() -> Iterator[tuple[_Ticker, Contract, bool]]:
        for row in rows:
            found = None if row.deliveryTime else contract(row.symbol)
            if found is not None and (not wanted or found.pair in wanted):
                yield row, found, inverse

    return perpetuals(), unreadable


def _given(value: _Number) -> float | None:
    return None if value == "" else value


def funding_parse(reply: Reply, ask: FundingAsk) -> list[FundingRate | Unreadable]:
    """`fundingRate` is of the running interval, due at `nextFundingTime`; "" for what has none. Tickers have no time of
    their own: the envelope's is when the answer was made."""
    rows, unreadable = _rows(reply, ask)
    rates: list[FundingRate | Unreadable] = [*unreadable]
    for row, found, _ in rows:
        if row.fundingRate == "":
            continue
        rates.append(
            FundingRate(
                reply.provider,
                row.symbol,
                found.pair.base,
                found.pair.quote,
                row.fundingRate,
                row.fundingIntervalHour or None,
                found.price(_given(row.markPrice)),
                found.price(_given(row.indexPrice)),
                row.nextFundingTime or None,
                None,
                reply.received_ms,
            )
        )
    return rates


def _one_side(single: _Number, both: _Number) -> float | None:
    """`openInterest` and its value are the sum of longs and shorts, which are equal; `single…` is one of them, and was
    not there before 2026."""
    if single != "":
        return single
    return None if both == "" else both / 2


def open_interest_parse(reply: Reply, ask: OpenInterestAsk) -> list[OpenInterest | Unreadable]:
    """A linear contract counts coins and is worth its quote currency; an inverse one counts dollars and is worth coins."""
    rows, unreadable = _rows(reply, ask)
    interests: list[OpenInterest | Unreadable] = [*unreadable]
    for row, found, inverse in rows:
        size = _one_side(row.singleOpenInterest, row.openInterest)
        worth = _one_side(row.singleOpenInterestValue, row.openInterestValue)
        amount, value = (worth, size) if inverse else (size, worth)
        if amount is None and value is None:
            continue
        interests.append(
            OpenInterest(
                reply.provider,
                row.symbol,
                found.pair.base,
                found.pair.quote,
                found.amount(amount),
                value,
                None,
                reply.received_ms,
            )
        )
    return interests


def explain(reply: Reply) -> UpstreamError | None:
    """403 is either the edge's country block, as text or HTML, or the venue's own 'access too frequent'."""
    if b"access too frequent" in reply.body:
        return UpstreamBanned("the address asked too often", retry_after_s=BAN_S)
    if b"CloudFront" in reply.body:
        return RegionBlocked("not available from this country")
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if error.retCode == 0 else failure(error.retCode, error.retMsg)


ADAPTER = Adapter(
    name="bybit_futures",
    endpoints={
        Capability.FUNDING: Endpoint(tickers_request, funding_parse, next=tickers_next),
        Capability.OPEN_INTEREST: Endpoint(tickers_request, open_interest_parse, next=tickers_next),
    },
    explain=explain,
)
