"""CoinLore. https://www.coinlore.com/cryptocurrency-data-api Numbers mostly as text, ids numeric, paths end in `/`."""

from __future__ import annotations

from typing import Any

from ...model.ask import Capability
from .. import coins as sky
from ..assets import SimAsset
from ..venue import SimCoin
from . import Call, Route, SimReply, reply, text

KNOWN_IDS = {"BTC": 90, "ETH": 80}
MOST_ROWS = 100


def native_id(asset: SimAsset) -> int:
    return KNOWN_IDS.get(asset.ticker) or sky.number_of(asset)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    # The API documents no errors: it leaves out what it does not know, and its edge limits the pace.
    if kind == "rate_limited_in_200":
        return SimReply(b"Too Many Requests", 429, content_type="text/plain")
    return reply([])


def _row(coin: SimCoin, bitcoin: float) -> dict[str, Any]:
    asset = coin.asset
    return {
        "id": str(native_id(asset)),
        "symbol": asset.ticker,
        "name": asset.name,
        "nameid": asset.gecko_id,
        "rank": coin.rank,
        "price_usd": text(coin.price),
        "percent_change_24h": f"{coin.change_24h_pct:.2f}",
        "percent_change_1h": f"{coin.change_1h_pct:.2f}",
        "percent_change_7d": f"{coin.change_7d_pct:.2f}",
        "price_btc": text(coin.price / bitcoin),
        "market_cap_usd": f"{coin.market_cap:.2f}",
        "volume24": coin.volume_24h,
        "volume24a": coin.volume_24h * 0.97,
        "csupply": f"{asset.supply:.2f}",
        "tsupply": f"{asset.max_supply or asset.supply:.0f}",
        "msupply": "" if asset.max_supply is None else f"{asset.max_supply:.0f}",
    }


def _rows(call: Call) -> list[dict[str, Any]]:
    bitcoin = sky.dollars_of(call, "BTC") or 1.0
    return [_row(coin, bitcoin) for coin in sky.listing(call)]


def tickers(call: Call) -> SimReply:
    rows = _rows(call)
    start, limit = call.whole("start", 0, 0), call.whole("limit", MOST_ROWS, 1, MOST_ROWS)
    info = {"coins_num": len(rows), "time": sky.seen_ms(call) // 1000}
    return reply({"data": rows[start : start + limit], "info": info})


def ticker(call: Call) -> SimReply:
    by_id = {row["id"]: row for row in _rows(call)}
    wanted = call.query.get("id", "").split(",")
    return reply([by_id[one] for one in wanted if one in by_id])


def global_market(call: Call) -> SimReply:
    whole = sky.totals(call)
    return reply(
        [
            {
                "coins_count": whole.coins,
                "active_markets": 20 * whole.coins,
                "total_mcap": whole.market_cap,
                "total_volume": whole.volume_24h,
                "btc_d": f"{whole.shares.get('BTC', 0.0):.2f}",
                "eth_d": f"{whole.shares.get('ETH', 0.0):.2f}",
                "mcap_change": f"{whole.change_24h_pct:.2f}",
                "volume_change": f"{whole.volume_change_24h_pct:.2f}",
                "avg_change_percent": f"{whole.change_24h_pct:.2f}",
                "volume_ath": whole.volume_24h * 9,
                "mcap_ath": whole.market_cap * 1.3,
            }
        ]
    )


def markets(call: Call) -> SimReply:
    coin = next((c for c in sky.listing(call) if str(native_id(c.asset)) == call.query.get("id")), None)
    if coin is None:
        return ERROR("unknown_symbol")
    return reply(
        [
            {
                "name": row.name,
                "base": coin.asset.ticker,
                "quote": "USDT",
                "price": coin.price,
                "price_usd": coin.price,
                "volume": coin.volume_24h / coin.price / 20,
                "volume_usd": coin.volume_24h / 20,
                "time": sky.seen_ms(call) // 1000,
            }
            for row in sky.exchanges(call)
        ]
    )


def exchanges(call: Call) -> SimReply:
    return reply(
        {
            str(row.rank): {
                "id": str(row.rank),
                "name": row.name,
                "name_id": row.id,
                "volume_usd": row.volume_usd,
                "active_pairs": 150,
                "url": row.url,
                "country": row.country or "",
            }
            for row in sky.exchanges(call)
        }
    )


ROUTES = {
    "/tickers/": Route(tickers, (Capability.QUOTES, Capability.COINS)),
    "/ticker/": Route(ticker, (Capability.QUOTES, Capability.COIN)),
    "/global/": Route(global_market, (Capability.GLOBAL,)),
    "/coin/markets/": Route(markets, ()),
    "/exchanges/": Route(exchanges, (Capability.EXCHANGES,)),
}
