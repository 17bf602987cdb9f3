"""Blockstream's explorer, bitcoin.

https://github.com/Blockstream/esplora/blob/master/API.md
"""

from __future__ import annotations

from ...model.ask import Capability, ChainStatsAsk, GasAsk
from ...model.errors import PayloadChanged
from ...model.onchain import ChainStats, GasFee
from .. import esplora
from ..chain_stats import path_after, whole_of
from ..kit import Adapter, Endpoint, Reply, Request, decoder, read

STATS_PATHS = ("/blocks", "/mempool")
TARGETS = ("1", "3", "6")
"""Blocks to wait for at most: the next, half an hour, an hour."""

_estimates = decoder(dict[str, float], strict=True)


def gas_request(ask: GasAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request("/fee-estimates")


def gas_parse(reply: Reply, ask: GasAsk) -> list[GasFee]:
    """sat/vB by the number of blocks one is ready to wait: fast 1, standard 3, slow 6."""
    estimates = read(_estimates, reply.body)
    missing = next((target for target in TARGETS if target not in estimates), None)
    if missing is not None:
        raise PayloadChanged("an estimate is missing", path=f"$[{missing}]")
    return esplora.fees(reply, ask.chain, [estimates[target] for target in TARGETS])


def stats_request(ask: ChainStatsAsk) -> Request:
    esplora.only_bitcoin(ask.chain)
    return Request(STATS_PATHS[0])


def stats_parse(reply: Reply, ask: ChainStatsAsk) -> list[ChainStats]:
    """The last blocks (a list), or the mempool."""
    listed = reply.body.lstrip()[:1] == b"["
    return esplora.blocks_parse(reply, ask) if listed else esplora.mempool_parse(reply, ask)


ADAPTER = Adapter(
    name="blockstream",
    endpoints={
        Capability.GAS: Endpoint(gas_request, gas_parse),
        Capability.CHAIN_STATS: Endpoint(
            stats_request, stats_parse, path_after(*STATS_PATHS), merge=whole_of(stats_parse)
        ),
    },
)
