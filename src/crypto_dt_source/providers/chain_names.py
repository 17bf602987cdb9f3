"""One spelling of a chain's name. DefiLlama's lists spell some chains in two ways, the older names among protocols and the
newer ones among chains; here the newer counts.

The renamings are the upstream's own: `transformNewChainName` in
https://github.com/DefiLlama/defillama-server/blob/master/defi/src/utils/normalizeChain.ts
"""

from __future__ import annotations

from collections.abc import Iterable

RENAMED = {
    "Binance": "BSC",
    "Cosmos": "CosmosHub",
    "Kucoin": "KCC",
    "Milkomeda": "Milkomeda C1",
    "Nova": "Nova Network",
    "Optimism": "OP Mainnet",
    "Terra": "Terra Classic",
    "xDai": "Gnosis",
}
"""The older name of a chain and the one it goes by here."""
_NEWER = {old.casefold(): new for old, new in RENAMED.items()}


def spelled(name: str) -> str:
    """The one name of a chain; what was never renamed keeps the spelling it has."""
    return _NEWER.get(name.casefold(), name)


def each_once(names: Iterable[str]) -> list[str]:
    """Chains under their one name, in their order, none twice."""
    return list(dict.fromkeys(map(spelled, names)))
