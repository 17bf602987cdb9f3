"""Chains: fees and statistics."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query, Request, Response

from ...model.onchain import ChainStats, GasFee
from ...services import onchain
from ...services.together import Parts
from ...store.cache import Cached
from ..deps import TEXT, Rt
from ..errors import responses
from ..schemas.onchain import GasList, StatsList
from ..wrap import data_response, failed, meta_of_parts, received

router = APIRouter(prefix="/api/blockchain", tags=["on-chain"])
R = TypeVar("R", GasFee, ChainStats)
OneChain = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=40,
        pattern=TEXT,
        description="Only this chain, in any case.",
        examples=["ethereum"],
    ),
]


@router.get("/gas", response_model=GasList, responses=responses(404, 422, 503), summary="Transaction fees")
async def gas(request: Request, rt: Rt, chain: OneChain = None) -> Response:
    """What a transaction costs now, by chain: bitcoin and ethereum first. A chain that is slow to answer is left out and
    named in `meta.failed`."""
    found = await onchain.all_gas(rt) if chain is None else _one(await onchain.gas(rt, chain))
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
            **received(cached),
        }
        for name, cached in found.found.items()
    ]
    return data_response(request, {"data": data}, _about(rt, found), ttl_s=rt.freshness.gas)


@router.get(
    "/stats", response_model=StatsList, responses=responses(404, 422, 503), summary="Chain statistics"
)
async def stats(request: Request, rt: Rt, chain: OneChain = None) -> Response:
    """How each chain stands: bitcoin and ethereum first. A chain that is slow to answer is left out and named in
    `meta.failed`."""
    found = await onchain.all_stats(rt) if chain is None else _one(await onchain.stats(rt, chain))
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
            **received(cached),
        }
        for name, cached in found.found.items()
    ]
    return data_response(request, {"data": data}, _about(rt, found), ttl_s=rt.freshness.chain_stats)


def _one(cached: Cached[R]) -> Parts[Cached[R]]:
    return Parts({cached.value.chain: cached}, [])


def _about(rt: Rt, found: Parts[Cached[R]]) -> dict[str, Any]:
    return meta_of_parts(rt, found.found.values(), failed=failed(found.errors))
