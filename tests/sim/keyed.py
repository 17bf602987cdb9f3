"""Requests that carry the key their provider wants, and the market's truth beside them."""

from __future__ import annotations

from sim_client import Client, Heard

KEYS = {
    "coingecko_demo": ("x-cg-demo-api-key", ""),
    "coingecko_pro": ("x-cg-pro-api-key", ""),
    "coinmarketcap": ("X-CMC_PRO_API_KEY", ""),
    "coincap": ("Authorization", "Bearer "),
    "cryptocompare": ("authorization", "Apikey "),
    "coindesk_data": ("authorization", "Apikey "),
}
"""Header of each keyed provider and what stands before the key."""


async def get(client: Client, provider: str, path: str, key: str = "k") -> Heard:
    """The provider's answer to a path with its key; an empty `key` sends none."""
    headers = {}
    if provider in KEYS and key:
        name, prefix = KEYS[provider]
        headers[name] = prefix + key
    return await client.send("GET", f"/{provider}{path}", headers=headers)


def true(client: Client, ticker: str, at_ms: int | None = None) -> float:
    """The hidden price in US dollars, now or at a time."""
    return client.app.market.true_price(ticker, client.clock.now_ms() if at_ms is None else at_ms)
