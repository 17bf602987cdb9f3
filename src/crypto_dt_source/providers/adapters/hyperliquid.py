"""Hyperliquid's info endpoint: every perpetual of the venue's own exchange in one call.

https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/info-endpoint/perpetuals
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...model.ask import Capability, FundingAsk, OpenInterestAsk
from ...model.derivatives import FundingRate, OpenInterest
from ...model.errors import PayloadChanged
from ...model.quote import Pair
from ..kit import Adapter, Endpoint, Reply, Request, decoder, read
from ..perpetuals import Contract, coin_of

QUOTE = "USD"
"""The venue's oracle and prices are in dollars; USDC is only what is paid.
https://hyperliquid.gitbook.io/hyperliquid-docs/trading/contract-specifications"""
FUNDING_H = 1.0
"""Rates are of one hour and paid each hour. https://hyperliquid.gitbook.io/hyperliquid-docs/trading/funding"""
_BODY = b'{"type":"metaAndAssetCtxs"}'
_HEADERS = (("Content-Type", "application/json"),)


class _Coin(msgspec.Struct):
    name: str
    isDelisted: bool = False


class _Meta(msgspec.Struct):
    universe: list[_Coin]


class _Context(msgspec.Struct, gc=False):
    funding: float | None
    openInterest: float | None
    markPx: float | None = None
    oraclePx: float | None = None


_answer = decoder(tuple[_Meta, list[_Context]])


def contexts_request(ask: FundingAsk | OpenInterestAsk) -> Request:
    return Request("/info", method="POST", body=_BODY, headers=_HEADERS, weight=20)


def _rows(reply: Reply, ask: FundingAsk | OpenInterestAsk) -> Iterator[tuple[str, Contract, _Context]]:
    """The perpetuals asked for, each with its name; `kPEPE` is a thousand PEPE. What is delisted keeps its place in both
    lists and is left out. Raises PayloadChanged when the lists do not have the same length: nothing else tells which
    context is whose."""
    meta, contexts = read(_answer, reply.body)
    if len(meta.universe) != len(contexts):
        raise PayloadChanged("there is not one context for each coin", path="$[1]")
    wanted = set(ask.pairs)

    def perpetuals() -> Iterator[tuple[str, Contract, _Context]]:
        for coin, context in zip(meta.universe, contexts, strict=True):
            if coin.isDelisted:
                continue
            base, units = coin_of(coin.name)
            found = Contract(Pair(base, QUOTE), units)
            if not wanted or found.pair in wanted:
                yield coin.name, found, context

    return perpetuals()


def funding_parse(reply: Reply, ask: FundingAsk) -> list[FundingRate]:
    """`funding` is the rate of the running hour. Answers have no time of their own."""
    return [
        FundingRate(
            reply.provider,
            name,
            found.pair.base,
            found.pair.quote,
            context.funding,
            FUNDING_H,
            found.price(context.markPx),
            found.price(context.oraclePx),
            None,
            None,
            reply.received_ms,
        )
        for name, found, context in _rows(reply, ask)
        if context.funding is not None
    ]


def open_interest_parse(reply: Reply, ask: OpenInterestAsk) -> list[OpenInterest]:
    """`openInterest` counts coins, one side."""
    return [
        OpenInterest(
            reply.provider,
            name,
            found.pair.base,
            found.pair.quote,
            found.amount(context.openInterest),
            None,
            None,
            reply.received_ms,
        )
        for name, found, context in _rows(reply, ask)
        if context.openInterest is not None
    ]


ADAPTER = Adapter(
    name="hyperliquid",
    endpoints={
        Capability.FUNDING: Endpoint(contexts_request, funding_parse),
        Capability.OPEN_INTEREST: Endpoint(contexts_request, open_interest_parse),
    },
)
