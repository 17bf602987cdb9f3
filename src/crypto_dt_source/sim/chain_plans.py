"""The simulated chains beside the large ones: a line each. Numbers are usual values, nothing more."""

from __future__ import annotations

from typing import NamedTuple

FROM_MS = 1_740_000_000_000
"""When every chain of this list had its block `FIRST_BLOCK`."""
FIRST_BLOCK = 10_000_000


class Usual(NamedTuple):
    """Milliseconds between blocks, gwei of the base fee and of the priority fee (0: the chain has no such fee), and
    transactions a block."""

    block_ms: int
    base_gwei: float
    tip_gwei: float
    transactions: int


USUAL: dict[str, Usual] = {
    "celo": Usual(1000, 25, 2, 15),
    "scroll": Usual(3000, 0.02, 0.01, 10),
    "zksync": Usual(1000, 0.045, 0, 12),
    "mantle": Usual(2000, 0.02, 0, 8),
    "blast": Usual(2000, 0.001, 0.001, 10),
    "sonic": Usual(400, 50, 5, 5),
    "cronos": Usual(600, 375, 10, 6),
    "moonbeam": Usual(6000, 31, 5, 12),
    "opbnb": Usual(250, 0.001, 0.001, 40),
    "unichain": Usual(1000, 0.001, 0.001, 20),
    "berachain": Usual(2000, 0.1, 0.1, 12),
    "fraxtal": Usual(2000, 0.001, 0.001, 5),
    "taiko": Usual(6000, 0.01, 0.01, 60),
    "soneium": Usual(2000, 0.001, 0.001, 20),
    "pulsechain": Usual(10000, 900000, 50000, 60),
    "sei": Usual(400, 1, 1, 20),
    "metis": Usual(2000, 1, 1, 3),
    "worldchain": Usual(2000, 0.001, 0.001, 40),
    "ink": Usual(1000, 0.001, 0.001, 10),
    "lisk": Usual(2000, 0.001, 0.001, 8),
    "mode": Usual(2000, 0.001, 0.001, 8),
    "zora": Usual(2000, 0.001, 0.001, 8),
    "core": Usual(3000, 30, 1, 40),
    "ronin": Usual(3000, 20, 1, 30),
    "flare": Usual(1500, 25, 1, 10),
    "hyperevm": Usual(1000, 0.1, 0.1, 10),
    "ethereum_classic": Usual(13000, 1, 0.5, 20),
    "rootstock": Usual(25000, 0.06, 0.01, 8),
    "filecoin": Usual(30000, 0.0001, 0.0002, 60),
    "astar": Usual(6000, 1, 0.5, 8),
    "neon": Usual(400, 20, 1, 3),
    "shibarium": Usual(5000, 1, 1, 4),
    "story": Usual(2400, 0.1, 0.5, 8),
    "etherlink": Usual(1000, 1, 0.1, 5),
    "fuse": Usual(5000, 10, 1, 5),
    "immutable": Usual(2000, 10, 1, 5),
    "liquid": Usual(60000, 0, 0, 5),
    "bitcoin_cash": Usual(600000, 0, 0, 100),
    "dash": Usual(157000, 0, 0, 40),
    "zcash": Usual(75000, 0, 0, 20),
    "monero": Usual(120000, 0, 0, 60),
    "decred": Usual(300000, 0, 0, 10),
    "digibyte": Usual(15000, 0, 0, 5),
    "ergo": Usual(120000, 0, 0, 10),
    "kaspa": Usual(100, 0, 0, 20),
    "cardano": Usual(20000, 0, 0, 30),
    "stellar": Usual(5700, 0, 0, 200),
    "xrpl": Usual(3900, 0, 0, 80),
    "near": Usual(600, 0, 0, 60),
    "sui": Usual(250, 0, 0, 20),
    "starknet": Usual(4000, 0, 0, 50),
    "aptos": Usual(200, 0, 0, 20),
    "cosmos": Usual(6000, 0, 0, 8),
    "osmosis": Usual(1500, 0, 0, 8),
    "injective": Usual(650, 0, 0, 8),
    "celestia": Usual(6000, 0, 0, 6),
    "dydx": Usual(1000, 0, 0, 20),
    "tron": Usual(3000, 0, 0, 300),
    "ton": Usual(4000, 0, 0, 60),
    "algorand": Usual(2800, 0, 0, 50),
    "tezos": Usual(8000, 0, 0, 40),
    "hedera": Usual(2000, 0, 0, 100),
    "stacks": Usual(10000, 0, 0, 5),
    "vechain": Usual(10000, 0, 0, 30),
    "waves": Usual(60000, 0, 0, 30),
    "eos": Usual(500, 0, 0, 5),
    "wax": Usual(500, 0, 0, 30),
    "flow": Usual(800, 0, 0, 10),
}
