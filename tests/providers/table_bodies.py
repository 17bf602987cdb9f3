"""A body of each kind that a table reads, as the upstream documents it, shortened: what must come of it stands beside it.

One row an entry and capability; instances of one software share a body. Figures are made up.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from crypto_dt_source.model.ask import Capability
from crypto_dt_source.providers import catalog


class Documented(NamedTuple):
    """`first` is what the first record has; `count` how many there are. `chain` is asked for where it matters."""

    provider: str
    capability: Capability
    body: str
    count: int
    first: dict[str, Any]
    chain: str = ""


GAS, STATS = Capability.GAS, Capability.CHAIN_STATS

BLOCKSCOUT_STATS = """{"average_block_time": 12049.0, "coin_price": "3050.1", "gas_price_updated_at":
 "2026-11-21T14:47:27.175157Z", "gas_prices": {"slow": 0.41, "average": 0.57, "fast": 1.05}, "gas_prices_update_in": 11735,
 "static_gas_price": null, "total_blocks": "24000011", "transactions_today": "221320"}"""
BLOCKSCOUT_BLOCKS = """[{"height": 24000010, "timestamp": "2026-11-21T14:47:23.000000Z", "transactions_count": 183,
 "gas_used": "17240000", "hash": "0x1a"}, {"height": 24000009, "timestamp": "2026-11-21T14:47:11.000000Z",
 "transactions_count": 121, "gas_used": "15000000", "hash": "0x1b"}]"""
MEMPOOL_BLOCKS = """[{"id": "0000aa", "height": 920001, "timestamp": 1795000000, "tx_count": 3000, "difficulty": 155e12},
 {"id": "0000ab", "height": 920000, "timestamp": 1794999000, "tx_count": 2800, "difficulty": 155e12}]"""
MEMPOOL_FEES = '{"fastestFee": 6, "halfHourFee": 4, "hourFee": 3, "economyFee": 2, "minimumFee": 1}'
COSMOS = """{"block_id": {"hash": "q8="}, "block": {"header": {"chain_id": "chain-1", "height": "28000123",
 "time": "2026-11-21T14:47:23.123456789Z"}, "data": {"txs": []}}}"""
GREYMASS = """{"server_version": "a1", "head_block_num": 400000123, "last_irreversible_block_num": 400000121,
 "head_block_time": "2026-11-21T14:47:23.500"}"""
AT = 1_795_272_443_000
"""2026-11-21T14:47:23Z"""

ROWS = [
    Documented(
        "routescan",
        GAS,
        """{"status": "1", "message": "OK", "result": {"LastBlock": "71000000", "SafeGasPrice": "1.1",
         "ProposeGasPrice": "1.2", "FastGasPrice": "1.5", "suggestBaseFee": "1.05", "gasUsedRatio": "0.1,0.2"}}""",
        1,
        {"unit": "gwei", "slow": 1.1, "standard": 1.2, "fast": 1.5, "base_fee": 1.05, "block": 71000000},
        "avalanche",
    ),
    Documented(
        "blockchair",
        STATS,
        """{"data": {"blocks": 920002, "best_block_height": 920001, "best_block_time": "2026-11-21 14:47:23",
         "transactions_24h": 450000, "circulation": 1995000000000000, "difficulty": 155e12, "hashrate_24h":
         "1100000000000000000000", "mempool_transactions": 21000}, "context": {"code": 200}}""",
        1,
        {
            "block": 920001,
            "transactions_24h": 450000,
            "supply": 19_950_000.0,
            "hashrate": 1.1e21,
            "mempool": 21000,
            "event_ms": AT,
        },
        "bitcoin_cash",
    ),
    Documented(
        "bitgo",
        GAS,
        '{"feePerKb": 5000, "cpfpFeePerKb": 5000, "numBlocks": 2, "feeByBlockTarget": {"1": 6000, "3": 4000, "6": 2500}}',
        1,
        {"unit": "sat/vB", "slow": 2.5, "standard": 4.0, "fast": 6.0},
    ),
    Documented(
        "polygon_gas_station",
        GAS,
        """{"safeLow": {"maxPriorityFee": 30.1, "maxFee": 55.5}, "standard": {"maxPriorityFee": 31.2, "maxFee": 56.6},
         "fast": {"maxPriorityFee": 34.3, "maxFee": 59.7}, "estimatedBaseFee": "25.4", "blockTime": 2,
         "blockNumber": 79000001}""",
        1,
        {"slow": 55.5, "standard": 56.6, "fast": 59.7, "base_fee": 25.4, "block": 79000001},
    ),
    Documented(
        "beaconchain",
        GAS,
        """{"code": 200, "data": {"rapid": 2100000000, "fast": 1500000000, "standard": 1200000000, "slow": 900000000,
         "timestamp": 1795272443000, "price": 3050.1}}""",
        1,
        {"slow": 0.9, "standard": 1.2, "fast": 1.5, "event_ms": AT},
    ),
    Documented(
        "owlracle",
        GAS,
        """{"timestamp": "2026-11-21T14:47:23.000Z", "lastBlock": 24000010, "avgGas": 90000, "speeds": [
         {"acceptance": 0.35, "maxFeePerGas": 1.1, "baseFee": 0.9}, {"acceptance": 0.6, "maxFeePerGas": 1.2},
         {"acceptance": 0.9, "maxFeePerGas": 1.6}, {"acceptance": 1, "maxFeePerGas": 2.5}]}""",
        1,
        {"slow": 1.1, "standard": 1.2, "fast": 1.6, "event_ms": AT},
        "ethereum",
    ),
    Documented(
        "dash_insight",
        STATS,
        '{"info": {"version": 230000, "blocks": 2380000, "difficulty": 98000000.5, "network": "livenet"}}',
        1,
        {"block": 2380000, "difficulty": 98000000.5},
    ),
    Documented(
        "xmrchain",
        STATS,
        """{"data": {"height": 3550001, "difficulty": 612000000000, "tx_pool_size": 41, "fee_per_kb": 20000,
         "hash_rate": 5100000000}, "status": "success"}""",
        1,
        {"block": 3550001, "difficulty": 612e9, "mempool": 41},
    ),
    Documented(
        "dcrdata",
        STATS,
        '{"height": 1030001, "size": 5021, "hash": "00a", "diff": 2.1e10, "sdiff": 210.5, "time": "2026-11-21T14:47:23Z"}',
        1,
        {"block": 1030001, "difficulty": 2.1e10, "event_ms": AT},
    ),
    Documented(
        "digiexplorer",
        STATS,
        '[{"id": "00", "height": 22600001, "timestamp": 1795272443, "tx_count": 4, "difficulty": 1234.5}]',
        1,
        {"block": 22600001, "difficulty": 1234.5, "event_ms": AT},
    ),
    Documented(
        "ergo_explorer",
        STATS,
        '{"lastBlockId": "a0", "height": 1650001, "params": {}}',
        1,
        {"block": 1650001},
    ),
    Documented(
        "kaspa_api",
        STATS,
        """{"networkName": "kaspa-mainnet", "blockCount": "1230000", "headerCount": "1230000", "difficulty": 2.3e17,
         "pastMedianTime": "1795272443000", "virtualDaaScore": "290000000"}""",
        1,
        {"block": None, "difficulty": 2.3e17, "event_ms": AT},
    ),
    Documented(
        "koios",
        STATS,
        '[{"hash": "ff", "epoch_no": 600, "abs_slot": 160000000, "block_height": 12600001, "block_time": 1795272443}]',
        1,
        {"block": 12600001, "event_ms": AT},
    ),
    Documented(
        "stellar_horizon",
        STATS,
        """{"horizon_version": "25.0.0", "history_latest_ledger": 60000001, "history_latest_ledger_closed_at":
         "2026-11-21T14:47:23Z", "core_latest_ledger": 60000002}""",
        1,
        {"block": 60000001, "event_ms": AT},
    ),
    Documented(
        "xrpl_cluster",
        STATS,
        """{"result": {"info": {"complete_ledgers": "32570-100000001", "validated_ledger": {"age": 2, "base_fee_xrp":
         0.00001, "seq": 100000001}}, "status": "success"}}""",
        1,
        {"block": 100000001},
    ),
    Documented(
        "near_rpc",
        STATS,
        """{"jsonrpc": "2.0", "id": "1", "result": {"chain_id": "mainnet", "sync_info": {"latest_block_height": 175000001,
         "latest_block_time": "2026-11-21T14:47:23.000000123Z", "syncing": false}}}""",
        1,
        {"block": 175000001, "event_ms": AT},
    ),
    Documented(
        "sui_rpc", STATS, '{"jsonrpc": "2.0", "id": 1, "result": "210000001"}', 1, {"block": 210000001}
    ),
    Documented(
        "starknet_publicnode", STATS, '{"jsonrpc": "2.0", "id": 1, "result": 4100001}', 1, {"block": 4100001}
    ),
    Documented(
        "aptos_api",
        STATS,
        """{"chain_id": 1, "epoch": "14000", "ledger_version": "3900000000", "block_height": "520000001",
         "ledger_timestamp": "1795272443000000"}""",
        1,
        {"block": 520000001, "event_ms": AT},
    ),
    Documented(
        "trongrid",
        STATS,
        '{"blockID": "00", "block_header": {"raw_data": {"number": 77000001, "timestamp": 1795272443000, "version": 31}}}',
        1,
        {"block": 77000001, "event_ms": AT},
    ),
    Documented(
        "tronscan",
        STATS,
        '{"sync": {"progress": 100}, "database": {"block": 77000001, "confirmedBlock": 76999982}, "network": {}}',
        1,
        {"block": 77000001},
    ),
    Documented(
        "toncenter",
        STATS,
        '{"ok": true, "result": {"@type": "blocks.masterchainInfo", "last": {"workchain": -1, "seqno": 54000001}}}',
        1,
        {"block": 54000001},
    ),
    Documented(
        "tonapi",
        STATS,
        '{"workchain_id": -1, "seqno": 54000001, "tx_quantity": 42, "gen_utime": 1795272443}',
        1,
        {"block": 54000001, "event_ms": AT},
    ),
    Documented(
        "algonode",
        STATS,
        '{"last-round": 55000001, "time-since-last-round": 1200000000}',
        1,
        {"block": 55000001},
    ),
    Documented(
        "tzkt",
        STATS,
        '{"chain": "mainnet", "cycle": 1100, "level": 11000001, "timestamp": "2026-11-21T14:47:23Z", "synced": true}',
        1,
        {"block": 11000001, "event_ms": AT},
    ),
    Documented(
        "hedera_mirror",
        STATS,
        """{"blocks": [{"count": 4, "name": "r.rcd", "number": 88000001, "timestamp": {"from": "1795272441.000000001",
         "to": "1795272443.000000000"}}], "links": {"next": null}}""",
        1,
        {"block": 88000001, "event_ms": AT},
    ),
    Documented(
        "hiro",
        STATS,
        """{"limit": 1, "offset": 0, "total": 4100002, "results": [{"canonical": true, "height": 4100001, "block_time":
         1795272443, "tx_count": 3}]}""",
        1,
        {"block": 4100001, "event_ms": AT},
    ),
    Documented(
        "vechain_node",
        STATS,
        '{"number": 23500001, "timestamp": 1795272443}',
        1,
        {"block": 23500001, "event_ms": AT},
    ),
    Documented(
        "waves_node",
        STATS,
        '{"version": 5, "timestamp": 1795272443000, "height": 4900001}',
        1,
        {"block": 4900001},
    ),
    Documented(
        "flow_rest",
        STATS,
        '[{"header": {"id": "a", "height": "132000001", "timestamp": "2026-11-21T14:47:23.000000001Z"}, "block_status": "S"}]',
        1,
        {"block": 132000001, "event_ms": AT},
    ),
]


def _shared() -> list[Documented]:
    """Instances of one software: one body for all."""
    rows = []
    for entry in catalog.load().values():
        if entry.adapter != "json_table" or entry.id in {row.provider for row in ROWS}:
            continue
        if entry.id.startswith("blockscout_"):
            gas = {"slow": 0.41, "standard": 0.57, "fast": 1.05, "event_ms": 1_795_272_447_175}
            rows.append(Documented(entry.id, GAS, BLOCKSCOUT_STATS, 1, gas))
            rows.append(
                Documented(entry.id, STATS, BLOCKSCOUT_BLOCKS, 1, {"block": 24000010, "event_ms": AT})
            )
        elif entry.tables.get("chain_stats", {}).get("path") == "/v1/blocks":
            rows.append(Documented(entry.id, GAS, MEMPOOL_FEES, 1, {"unit": "sat/vB", "slow": 3, "fast": 6}))
            first = {"block": 920001, "difficulty": 155e12, "event_ms": 1_795_000_000_000}
            rows.append(Documented(entry.id, STATS, MEMPOOL_BLOCKS, 1, first))
        elif entry.tables.get("chain_stats", {}).get("rows") == "block.header":
            rows.append(Documented(entry.id, STATS, COSMOS, 1, {"block": 28000123, "event_ms": AT + 123}))
        elif entry.source == "greymass":
            rows.append(Documented(entry.id, STATS, GREYMASS, 1, {"block": 400000123, "event_ms": AT + 500}))
    return rows


CHAINS = [*ROWS, *_shared()]
