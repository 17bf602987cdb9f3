"""DefiLlama's errors, and its lists of yields, stablecoins and exchanges' volumes.

https://api-docs.defillama.com/
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ...model.ask import DexVolumesAsk, StablecoinsAsk, YieldsAsk
from ...model.defi import DexVolume, Stablecoin, YieldPool
from ...model.errors import (
    PayloadChanged,
    SymbolNotListed,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamRejected,
)
from ...model.unreadable import Unreadable
from ..chain_names import each_once, spelled
from ..kit import (
    UNREADABLE_SHARE,
    Reply,
    Request,
    T,
    broken,
    decoder,
    number,
    positive,
    read,
    read_reply,
    read_rows,
)
from ..text import plain

ERROR_BYTES = 10_000
"""An error body is shorter."""
EXPLAINED = (400, 404, 422)

Number = float | str | None


class _Error(msgspec.Struct):
    message: str


_error = decoder(_Error)


def explain(reply: Reply) -> UpstreamError | None:
    """A name nobody knows is 400 with a message or 404 with text; other messages under 200 and 400 are refusals."""
    if not (200 <= reply.status < 300 or reply.status in EXPLAINED):
        return None
    try:
        message = _error.decode(reply.body).message if len(reply.body) < ERROR_BYTES else ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        message = ""
    said = message.lower()
    if reply.status == 404 or "not in our database" in said or "not found" in said:
        return SymbolNotListed("DefiLlama does not know this protocol or chain")
    if "too many" in said or "rate limit" in said:
        return UpstreamRateLimited(message[:200])
    if "internal server error" in said:
        return broken(message)
    return UpstreamRejected(message[:200]) if message else None


def amounts(values: Sequence[float | None], path: str) -> None:
    """Raises PayloadChanged when no row of a list has the amount it is there for: the field has another name now."""
    if values and all(value is None for value in values):
        raise PayloadChanged("no row has an amount", path=path)


def each(
    decode: msgspec.json.Decoder[T], rows: Sequence[msgspec.Raw], path: str
) -> tuple[list[T], list[Unreadable]]:
    """Like `kit.read_rows` for a list of many thousands below `path`, row by row: one call for all of them would keep
    every other thread waiting for as long as it takes. Raises PayloadChanged when too many are of another shape."""
    found: list[T] = []
    unreadable: list[Unreadable] = []
    first: PayloadChanged | None = None
    for place, row in enumerate(rows):
        try:
            found.append(read(decode, bytes(row)))
        except PayloadChanged as error:
            if first is None:
                first = PayloadChanged(error.message, path=f"{path}[{place}]{error.path[1:]}")
            unreadable.append(Unreadable(f"row {place}", error.message[:100]))
    if first is not None and len(unreadable) > UNREADABLE_SHARE * len(rows):
        raise first
    return found, unreadable


class _Pool(msgspec.Struct):
    pool: str
    project: str
    chain: str
    symbol: str
    tvlUsd: Number = None
    apy: Number = None
    apyBase: Number = None
    apyReward: Number = None
    apyMean30d: Number = None
    stablecoin: bool | None = None
    exposure: str | None = None
    ilRisk: str | None = None


class _Pools(msgspec.Struct):
    status: str
    data: list[msgspec.Raw] | None = None


_pools = decoder(_Pools)
_pool = decoder(_Pool)


def yields_request(ask: YieldsAsk) -> Request:
    return Request("/pools")


def yields_parse(reply: Reply, ask: YieldsAsk) -> list[YieldPool | Unreadable]:
    body = read_reply(_pools, reply, explain)
    if body.status != "success":
        raise broken(f"the list of pools has status {body.status}")
    if body.data is None:
        raise PayloadChanged("the list of pools is missing", path="$.data")
    rows, unreadable = each(_pool, body.data, "$.data")
    amounts([number(row.tvlUsd) for row in rows], "$.data[].tvlUsd")
    return [
        *(
            YieldPool(
                provider=reply.provider,
                pool=row.pool,
                project=row.project,
                chain=spelled(row.chain),
                symbol=row.symbol,
                tvl=tvl,
                apy=number(row.apy),
                apy_base=number(row.apyBase),
                apy_reward=number(row.apyReward),
                apy_mean_30d=number(row.apyMean30d),
                stablecoin=bool(row.stablecoin),
                exposure=row.exposure or None,
                il_risk={"yes": True, "no": False}.get(row.ilRisk or ""),
                received_ms=reply.received_ms,
            )
            for row in rows
            if (tvl := number(row.tvlUsd)) is not None
        ),
        *unreadable,
    ]


Pegged = dict[str, Number] | Number
"""`{"peggedUSD": 1.5e11}`; a bare 0 or nothing where there was none."""


class _Stablecoin(msgspec.Struct):
    id: str
    name: str
    symbol: str
    pegType: str
    pegMechanism: str | None = None
    price: Number = None
    circulating: Pegged = None
    circulatingPrevDay: Pegged = None
    circulatingPrevWeek: Pegged = None
    circulatingPrevMonth: Pegged = None
    chains: list[str] | None = None


class _Stablecoins(msgspec.Struct):
    peggedAssets: list[_Stablecoin]


_stablecoins = decoder(_Stablecoins)


def _pegged(amount: Pegged, peg: str) -> float | None:
    return number(amount.get(peg) if isinstance(amount, dict) else amount)


def stablecoins_request(ask: StablecoinsAsk) -> Request:
    return Request("/stablecoins", (("includePrices", "true"),))


def stablecoins_parse(reply: Reply, ask: StablecoinsAsk) -> list[Stablecoin | Unreadable]:
    body, unreadable = read_rows(_stablecoins, _Stablecoin, reply, explain, "peggedAssets")
    supplies = [_pegged(row.circulating, row.pegType) for row in body.peggedAssets]
    amounts(supplies, "$.peggedAssets[].circulating")
    return [
        *(
            Stablecoin(
                provider=reply.provider,
                native_id=row.id,
                name=plain(row.name) or "",
                symbol=row.symbol,
                pegged_to=row.pegType.removeprefix("pegged"),
                mechanism=row.pegMechanism or None,
                price=positive(row.price),
                circulating=circulating,
                circulating_1d_ago=_pegged(row.circulatingPrevDay, row.pegType),
                circulating_7d_ago=_pegged(row.circulatingPrevWeek, row.pegType),
                circulating_30d_ago=_pegged(row.circulatingPrevMonth, row.pegType),
                chains=tuple(each_once(row.chains or ())),
                received_ms=reply.received_ms,
            )
            for row, circulating in zip(body.peggedAssets, supplies, strict=True)
            if circulating is not None
        ),
        *unreadable,
    ]


class _Dex(msgspec.Struct):
    name: str
    displayName: str | None = None
    slug: str | None = None
    module: str | None = None
    chains: list[str] | None = None
    total24h: Number = None
    total7d: Number = None
    total30d: Number = None
    change_1d: Number = None
    change_7d: Number = None


class _Overview(msgspec.Struct):
    protocols: list[_Dex]


_overview = decoder(_Overview)


def dexs_request(ask: DexVolumesAsk) -> Request:
    # Without these two the answer carries every day of every exchange.
    params = (("excludeTotalDataChart", "true"), ("excludeTotalDataChartBreakdown", "true"))
    return Request("/overview/dexs", params)


def dexs_parse(reply: Reply, ask: DexVolumesAsk) -> list[DexVolume | Unreadable]:
    body, unreadable = read_rows(_overview, _Dex, reply, explain, "protocols")
    amounts([number(row.total24h) for row in body.protocols], "$.protocols[].total24h")
    return [
        *(
            DexVolume(
                provider=reply.provider,
                slug=row.slug or row.module or "",
                name=plain(row.displayName or row.name) or "",
                chains=tuple(each_once(row.chains or ())),
                volume_24h=volume,
                volume_7d=number(row.total7d),
                volume_30d=number(row.total30d),
                change_1d_pct=number(row.change_1d),
                change_7d_pct=number(row.change_7d),
                received_ms=reply.received_ms,
            )
            for row in body.protocols
            if (volume := number(row.total24h)) is not None
        ),
        *unreadable,
    ]
