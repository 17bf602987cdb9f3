"""Chains: fees and statistics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from ...clock import rfc3339
from ...services import onchain
from ...services.onchain import Chains
from ...store.cache import Cached
from ..deps import TEXT, Rt
from ..errors import responses
from ..schemas.onchain import GasList, StatsList
from ..wrap import data_response, meta

router = APIRouter(prefix="/api/blockchain", tags=["on-chain"])
OneChain = Annotated[
    str | None,
    Query(min_length=1, max_length=40, pattern=TEXT, description="Only this chain.", examples=["ethereum"]),
]


@router.get("/gas", response_model=GasList, responses=responses(404, 422, 503), summary="Transaction fees")
async def gas(request: Request, rt: Rt, chain: OneChain = None) -> Response:
    """What a transaction costs now, by chain: bitcoin and ethereum first."""
    found = await onchain.all_gas(rt) if chain is None else Chains({chain: await onchain.gas(rt, chain)}, [])
    data = [
        {
            "chain": name,
            "unit": cached.value.unit,
            "slow": cached.value.slow,
            "standard": cached.value.standard,
            "fast": cached.value.fast,
            "base_fee": cached.value.base_fee,
            "blob_base_fee": cached.value.blob_base_fee,
            "block": cached.value.block,
            "provider": cached.value.provider,
            "fetched_at": rfc3339(cached.fetched_ms),
        }
        for name, cached in found.found.items()
    ]
    return data_response(request, {"data": data}, _about(rt, found), ttl_s=rt.freshness.gas)


@router.get(
    "/stats", response_model=StatsList, responses=responses(404, 422, 503), summary="Chain statistics"
)
async def stats(request: Request, rt: Rt, chain: OneChain = None) -> Response:
    """How each chain stands: bitcoin and ethereum first."""
    found = (
        await onchain.all_stats(rt) if chain is None else Chains({chain: await onchain.stats(rt, chain)}, [])
    )
    data = [
        {
            "chain": name,
            "block": cached.value.block,
            "block_time_seconds": cached.value.block_time_s,
            "difficulty": cached.value.difficulty,
            "hashrate": cached.value.hashrate,
            "mempool_transactions": cached.value.mempool,
            "mempool_bytes": cached.value.mempool_bytes,
            "transactions_24h": cached.value.transactions_24h,
            "tps": cached.value.tps,
            "supply": cached.value.supply,
            "provider": cached.value.provider,
            "fetched_at": rfc3339(cached.fetched_ms),
        }
        for name, cached in found.found.items()
    ]
    return data_response(request, {"data": data}, _about(rt, found), ttl_s=rt.freshness.chain_stats)


def _about(rt: Rt, found: Chains[Any]) -> dict[str, Any]:
    parts: Mapping[str, Cached[Any]] = found.found
    state = next((s for s in ("miss", "stale") if any(p.state == s for p in parts.values())), "hit")
    return meta(
        rt,
        source={name for part in parts.values() for name in part.source},
        fetched_ms=min(part.fetched_ms for part in parts.values()),
        state=state,
        stale=any(part.state == "stale" for part in parts.values()),
        failed=[{"name": name, "code": error.code, "error": error.public} for name, error in found.errors],
    )
