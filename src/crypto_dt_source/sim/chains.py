"""Simulated chains: blocks that come with the clock, fees that wander, transactions that wait. All from the seed, so
every source of a chain tells of the same blocks, and any moment can be asked for."""

from __future__ import annotations

from functools import lru_cache
from math import exp
from typing import NamedTuple

from .chain_plans import FIRST_BLOCK, FROM_MS, USUAL
from .noise import DAILY_OCTAVES, Path, key_of, unit
from .wire import Call

GWEI = 10**9
RETARGET = 2016
"""Blocks between two changes of bitcoin's difficulty."""
TWO_32 = 2**32
"""Hashes that one unit of difficulty takes on average."""


class ChainPlan(NamedTuple):
    """A real block by number and time to count from, the mean time between blocks, and what is usual: wei of the base
    fee and of the priority fee (EVM chains), satoshis a virtual byte (bitcoin), transactions a block, wei of the blob
    fee (0: no blobs). `jitter`: how far from its turn a block may come, as a share of the block time."""

    block: int
    at_ms: int
    block_ms: int
    base_fee: float
    tip: float
    transactions: int
    blob_fee: float = 0.0
    jitter: float = 0.0


PLANS = {
    "bitcoin": ChainPlan(800_000, 1_690_168_629_000, 600_000, 0, 6, 3000, jitter=0.45),
    "litecoin": ChainPlan(2_520_000, 1_690_990_000_000, 150_000, 0, 3, 600, jitter=0.45),
    "dogecoin": ChainPlan(4_800_000, 1_690_990_000_000, 60_000, 0, 500, 60, jitter=0.45),
    "ethereum": ChainPlan(17_034_870, 1_681_338_455_000, 12_000, 0.9 * GWEI, 0.3 * GWEI, 190, 2e6),
    "bsc": ChainPlan(48_000_000, 1_742_000_000_000, 750, 0, 0.1 * GWEI, 110),
    "polygon": ChainPlan(50_000_000, 1_700_000_000_000, 2100, 25 * GWEI, 30 * GWEI, 95),
    "base": ChainPlan(0, 1_686_789_347_000, 2000, 0.004 * GWEI, 0.001 * GWEI, 210),
    "arbitrum": ChainPlan(22_207_817, 1_661_955_600_000, 250, 0.01 * GWEI, 0.0, 8),
    "optimism": ChainPlan(105_235_063, 1_686_068_903_000, 2000, 0.002 * GWEI, 0.001 * GWEI, 40),
    "avalanche": ChainPlan(50_000_000, 1_725_000_000_000, 1500, 0.6 * GWEI, 0.05 * GWEI, 20),
    "gnosis": ChainPlan(25_349_537, 1_670_000_000_000, 5000, 0.4 * GWEI, 0.2 * GWEI, 30, 1e9),
    "linea": ChainPlan(10_000_000, 1_726_000_000_000, 2000, 0.00001 * GWEI, 0.03 * GWEI, 12),
    "solana": ChainPlan(200_000_000, 1_687_000_000_000, 400, 0, 0, 1600),
    **{
        name: ChainPlan(
            FIRST_BLOCK,
            FROM_MS,
            usual.block_ms,
            usual.base_gwei * GWEI,
            (usual.tip_gwei * GWEI) or 3,
            usual.transactions,
        )
        for name, usual in USUAL.items()
    },
}


class SimChain:
    """One chain. `number` and `time` tell which block is the newest at a moment and when a block came."""

    def __init__(self, seed: int, name: str) -> None:
        self.name = name
        self.plan = PLANS[name]
        self._key = key_of(seed, "chain", name)
        # A tenth of a path's usual swing: fees stay within a factor of two of what is usual.
        self._fee = Path(key_of(self._key, "fee"), DAILY_OCTAVES, 0.1, 200)
        self._queue = Path(key_of(self._key, "mempool"), DAILY_OCTAVES, 0.2, 200)

    def _turn(self, number: int) -> int:
        return self.plan.at_ms + (number - self.plan.block) * self.plan.block_ms

    def time_ms(self, number: int) -> int:
        """When block `number` came."""
        late = (2 * unit(self._key, number) - 1) * self.plan.jitter
        return self._turn(number) + round(late * self.plan.block_ms)

    def number(self, at_ms: int) -> int:
        """The newest block at `at_ms`."""
        # No block comes half a block time from its turn, so only its neighbours have to be looked at.
        number = self.plan.block + (at_ms - self.plan.at_ms) // self.plan.block_ms + 1
        while self.time_ms(number) > at_ms:
            number -= 1
        return number

    def _swing(self, number: int) -> float:
        return exp(self._fee.at(self._turn(number)))

    def base_fee(self, number: int) -> int:
        """Wei per gas that block `number` burns."""
        return round(self.plan.base_fee * self._swing(number))

    def blob_fee(self, number: int) -> int:
        """Wei per gas of blobs, 0 where there are none."""
        return round(self.plan.blob_fee * self._swing(number + 50))

    def tip(self, number: int, percentile: float) -> int:
        """Wei of the priority fee below which `percentile` per cent of the gas of a block is."""
        busy = 0.5 + unit(self._key ^ 1, number)
        return round(self.plan.tip * busy * (0.2 + percentile / 62))

    def filled(self, number: int) -> float:
        """The share of its gas a block uses."""
        return round(0.2 + 0.6 * unit(self._key ^ 2, number), 6)

    def transactions(self, number: int) -> int:
        """How many transactions a block has, at least one."""
        return max(1, round(self.plan.transactions * (0.6 + 0.8 * unit(self._key ^ 3, number))))

    def block_hash(self, number: int) -> str:
        """64 hexadecimal digits."""
        return "".join(f"{key_of(self._key, 'hash', number, i):016x}" for i in range(4))

    def byte_fees(self, at_ms: int) -> tuple[float, float, float]:
        """Satoshis a virtual byte to be in the next block, in three and in six."""
        fast = self.plan.tip * exp(self._fee.at(at_ms))
        return fast, fast * 0.8, fast * 0.6

    def waiting(self, at_ms: int) -> int:
        """Transactions in the mempool."""
        return round(12 * self.plan.transactions * exp(self._queue.at(at_ms)))

    def difficulty(self, number: int) -> float:
        """Of proof of work: it grows with the years and changes every `RETARGET` blocks."""
        epoch = number // RETARGET
        return 5.3e13 * 1.011 ** (epoch - 397) * (0.97 + 0.06 * unit(self._key ^ 4, epoch))

    def hashrate(self, at_ms: int) -> float:
        """Hashes a second, near what the difficulty stands for."""
        expected = self.difficulty(self.number(at_ms)) * TWO_32 / (self.plan.block_ms / 1000)
        return expected * exp(self._fee.at(at_ms) / 8)


@lru_cache(maxsize=64)
def chain_of(seed: int, name: str) -> SimChain:
    """The chain of a market's seed. Raises KeyError for a chain that is not simulated."""
    return SimChain(seed, name)


class Seen(NamedTuple):
    """A chain as a provider sees it: `at_ms` is its own time, standing still under the fault `frozen`."""

    chain: SimChain
    at_ms: int

    @property
    def newest(self) -> int:
        """The newest block's number."""
        return self.chain.number(self.at_ms)


def seen(call: Call, name: str | None = None) -> Seen:
    """The chain a call is about: `name`, or the first its entry lists."""
    frozen_ms = call.view.sight.frozen_ms
    at_ms = call.now_ms if frozen_ms is None else min(call.now_ms, frozen_ms)
    return Seen(chain_of(call.market.seed, name or call.view.entry.chains[0]), at_ms)
