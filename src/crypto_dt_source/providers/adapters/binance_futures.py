"""Binance USDⓈ-M futures REST: perpetuals that settle in a stablecoin or in bitcoin.

https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Mark-Price
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Get-Funding-Rate-Info
https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Open-Interest
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from ...model.ask import Capability, FundingAsk, OpenInterestAsk
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import SymbolNotListed, UpstreamError, UpstreamRateLimited
from ...model.quote import Pair
from ...model.unreadable import Unreadable
from ..kit import Adapter, Endpoint, Reply, Request, Splitter, decoder, read_reply, read_rows
from ..perpetuals import Contract, coin_of

split = Splitter("USDT USDC BTC USD1".split())
MULTIPLES = {
    **{coin: f"1000{coin}" for coin in "BONK CAT CHEEMS FLOKI LUNC PEPE RATS SATS SHIB WHY X XEC".split()},
    "BABYDOGE": "1MBABYDOGE",
    "BOB": "1000000BOB",
    "MOG": "1000000MOG",
}
"""What the venue calls a coin of which it counts more than one as one, where a call has to name the contract. Nothing but
its list of symbols says so: https://fapi.binance.com/fapi/v1/exchangeInfo"""


def symbol(pair: Pair) -> str:
    """`BTCUSDT`; `1000PEPEUSDT` of PEPE/USDT."""
    return MULTIPLES.get(pair.base, pair.base) + pair.quote


def contract(name: str) -> Contract | None:
    """What the symbol is on, or None for a dated future (`BTCUSDT_261225`) and for an unknown quote currency."""
    pair = None if "_" in name else split(name)
    if pair is None:
        return None
    coin, units = coin_of(pair.base)
    return Contract(Pair(coin, pair.quote), units)


class _Premium(msgspec.Struct, gc=False):
    symbol: str
    markPrice: float
    indexPrice: float
    lastFundingRate: float | Literal[""]
    nextFundingTime: int
    time: int


class _Info(msgspec.Struct, gc=False):
    symbol: str
    fundingIntervalHours: float


PREMIUM, INFO = "/fapi/v1/premiumIndex", "/fapi/v1/fundingInfo"
_premium = decoder(_Premium)
_premiums = decoder(list[_Premium])
_infos = decoder(list[_Info])


def funding_request(ask: FundingAsk) -> Request:
    """One pair by itself, anything else from the list of all contracts."""
    if len(ask.pairs) == 1:
        return Request(PREMIUM, (("symbol", symbol(ask.pairs[0])),), weight=1)
    return Request(PREMIUM, weight=10)


def funding_next(reply: Reply, ask: FundingAsk, previous: Request) -> Request | None:
    """The rates do not say how often they are paid; a second list does."""
    return Request(INFO, weight=1) if previous.path == PREMIUM else None


def _is_info(reply: Reply) -> bool:
    return b'"fundingIntervalHours"' in reply.body


def _rates(reply: Reply, ask: FundingAsk, hours: Mapping[str, float]) -> Iterator[FundingRate | Unreadable]:
    if reply.body[:1] == b"{":
        rows = [read_reply(_premium, reply, explain)]
    else:
        rows, unreadable = read_rows(_premiums, _Premium, reply, explain)
        yield from unreadable
    wanted = set(ask.pairs)
    for row in rows:
        found = contract(row.symbol)
        if found is None or row.lastFundingRate == "" or (wanted and found.pair not in wanted):
            continue
        yield FundingRate(
            reply.provider,
            row.symbol,
            found.pair.base,
            found.pair.quote,
            row.lastFundingRate,
            hours.get(row.symbol),
            found.price(row.markPrice),
            found.price(row.indexPrice),
            row.nextFundingTime or None,
            row.time,
            reply.received_ms,
        )


def funding_parse(reply: Reply, ask: FundingAsk) -> list[FundingRate | Unreadable]:
    """`lastFundingRate` is the rate of the running interval, due at `nextFundingTime`. The list of intervals alone makes no
    record."""
    if _is_info(reply):
        _ = read_rows(_infos, _Info, reply, explain)
        return []
    return list(_rates(reply, ask, {}))


def funding_merge(replies: Sequence[Reply], ask: FundingAsk) -> list[FundingRate | Unreadable]:
    """Rates with their intervals. The second list has only contracts whose terms were ever adjusted; of the others the
    venue states no interval, and none is assumed."""
    hours: dict[str, float] = {}
    for reply in replies:
        if _is_info(reply):
            rows, _ = read_rows(_infos, _Info, reply, explain)
            hours.update((row.symbol, row.fundingIntervalHours) for row in rows)
    return [rate for reply in replies if not _is_info(reply) for rate in _rates(reply, ask, hours)]


class _OpenInterest(msgspec.Struct):
    symbol: str
    openInterest: float
    time: int


_interest = decoder(_OpenInterest)


def open_interest_request(ask: OpenInterestAsk) -> Request:
    """One contract a call."""
    return Request("/fapi/v1/openInterest", (("symbol", symbol(ask.pairs[0])),), weight=1)


def open_interest_parse(reply: Reply, ask: OpenInterestAsk) -> list[OpenInterest]:
    """`openInterest` counts one side, in the contract's base units. Raises SymbolNotListed for an answer on another
    contract than the one asked for."""
    row = read_reply(_interest, reply, explain)
    found = contract(row.symbol)
    if found is None or found.pair not in ask.pairs:
        raise SymbolNotListed("the venue has no perpetual on this pair")
    return [
        OpenInterest(
            reply.provider,
            row.symbol,
            found.pair.base,
            found.pair.quote,
            found.amount(row.openInterest),
            None,
            row.time,
            reply.received_ms,
        )
    ]


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    """-4108 is a contract that has ended or has not begun."""
    try:
        error = _error.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if error.code in (-1121, -4108):
        return SymbolNotListed("the venue does not trade this contract")
    if error.code == -1003 and reply.status != 418:
        return UpstreamRateLimited("request weight used up")
    return None


ADAPTER = Adapter(
    name="binance_futures",
    endpoints={
        Capability.FUNDING: Endpoint(funding_request, funding_parse, next=funding_next, merge=funding_merge),
        Capability.OPEN_INTEREST: Endpoint(open_interest_request, open_interest_parse, per_pair=True),
    },
    explain=explain,
)
