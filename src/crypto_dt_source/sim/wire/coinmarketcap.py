"""CoinMarketCap pro API, with a key. https://coinmarketcap.com/api/documentation/v1/

Every answer has a `status` with what it cost; errors are told by `status.error_code`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...clock import rfc3339
from ...model.ask import Capability
from ...model.candle import DAY_MS, HOUR_MS
from .. import coins as sky
from ..assets import SimAsset
from ..venue import SimCoin
from . import Call, Handler, Route, SimReply, reply

KNOWN_IDS = {"BTC": 1, "ETH": 1027}
MOST_ROWS = 5000


def native_id(asset: SimAsset) -> int:
    return KNOWN_IDS.get(asset.ticker) or sky.number_of(asset)


def _stamp(ms: int) -> str:
    return rfc3339(ms) if ms % 1000 else rfc3339(ms).replace("Z", ".000Z")


def _status(now_ms: int, code: int = 0, message: str | None = None, credits_used: int = 0) -> dict[str, Any]:
    return {
        "timestamp": _stamp(now_ms),
        "error_code": code,
        "error_message": message,
        "elapsed": 0 if code else 12,
        "credit_count": credits_used,
        "notice": None,
    }


def _error(now_ms: int, http: int, code: int, message: str) -> SimReply:
    return reply({"status": _status(now_ms, code, message)}, http)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        message = "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."
        return _error(0, 429, 1008, message)
    return _error(0, 400, 400, 'Invalid value for "id": "0"')


def _keyed(handler: Handler) -> Handler:
    def checked(call: Call) -> SimReply:
        key = sky.key_sent(call, "x-cmc_pro_api_key", query="CMC_PRO_API_KEY")
        if key is None:
            return _error(call.now_ms, 401, 1002, "API key missing.")
        if key == sky.REFUSED_KEY:
            return _error(call.now_ms, 401, 1001, "This API Key is invalid.")
        return handler(call)

    return checked


def _ok(call: Call, data: Any, credits_used: int = 1) -> SimReply:
    return reply({"status": _status(call.now_ms, credits_used=credits_used), "data": data})


def _quote(call: Call, coin: SimCoin, cap_of_all: float) -> dict[str, dict[str, Any]]:
    quotes: dict[str, dict[str, Any]] = {}
    asset = coin.asset
    for currency in call.query.get("convert", "USD").upper().split(","):
        unit = sky.dollars_of(call, currency)
        if unit is None:
            continue
        quotes[currency] = {
            "price": coin.price / unit,
            "volume_24h": coin.volume_24h / unit,
            "volume_change_24h": 0.0,
            "percent_change_1h": sky.change_pct(call, asset.ticker, HOUR_MS),
            "percent_change_24h": sky.change_pct(call, asset.ticker, DAY_MS),
            "percent_change_7d": sky.change_pct(call, asset.ticker, 7 * DAY_MS),
            "percent_change_30d": sky.change_pct(call, asset.ticker, 30 * DAY_MS),
            "market_cap": coin.market_cap / unit,
            "market_cap_dominance": round(coin.market_cap / cap_of_all * 100, 4),
            "fully_diluted_market_cap": coin.price * (asset.max_supply or asset.supply) / unit,
            "tvl": None,
            "last_updated": _stamp(sky.seen_ms(call)),
        }
    return quotes


def _row(call: Call, coin: SimCoin, cap_of_all: float) -> dict[str, Any]:
    asset = coin.asset
    return {
        "id": native_id(asset),
        "name": asset.name,
        "symbol": asset.ticker,
        "slug": asset.gecko_id,
        "num_market_pairs": 150,
        "date_added": "2018-01-01T00:00:00.000Z",
        "tags": [key for key, (_, members) in sky.CATEGORIES.items() if asset.ticker in members],
        "max_supply": asset.max_supply,
        "circulating_supply": asset.supply,
        "total_supply": asset.max_supply or asset.supply,
        "infinite_supply": asset.max_supply is None,
        "platform": None,
        "cmc_rank": coin.rank,
        "self_reported_circulating_supply": None,
        "self_reported_market_cap": None,
        "tvl_ratio": None,
        "last_updated": _stamp(sky.seen_ms(call)),
        "quote": _quote(call, coin, cap_of_all),
    }


def listings(call: Call) -> SimReply:
    coins = sky.listing(call)
    cap = sum(coin.market_cap for coin in coins)
    start, limit = call.whole("start", 1), call.whole("limit", 100, 1, MOST_ROWS)
    shown = coins[start - 1 : start - 1 + limit]
    return _ok(call, [_row(call, coin, cap) for coin in shown], -(-limit // 200))


def _word(coin: SimCoin, name: str) -> str:
    """What a coin is called under one of the three parameters."""
    if name == "id":
        return str(native_id(coin.asset))
    return coin.asset.gecko_id if name == "slug" else coin.asset.ticker


def _asked(call: Call) -> tuple[dict[str, list[SimCoin]], bool] | SimReply:
    """The coins asked for under the words asked with, and whether by ticker; a word nothing is known under fails the
    whole call unless `skip_invalid` is set."""
    query = call.query
    name = next((one for one in ("id", "slug", "symbol") if query.get(one)), None)
    if name is None:
        return _error(call.now_ms, 400, 400, '"value" must contain at least one of [id, symbol, slug]')
    found: dict[str, list[SimCoin]] = {}
    for word in query[name].split(","):
        coins = [
            coin
            for coin in sky.listing(call)
            if _word(coin, name) == (word.upper() if name == "symbol" else word)
        ]
        if coins:
            key = word.upper() if name == "symbol" else str(native_id(coins[0].asset))
            found[key] = coins
        elif query.get("skip_invalid") != "true":
            return _error(call.now_ms, 400, 400, f'Invalid value for "{name}": "{word}"')
    return found, name == "symbol"


def _quotes(call: Call, lists_by_ticker: bool) -> SimReply:
    asked = _asked(call)
    if isinstance(asked, SimReply):
        return asked
    found, by_ticker = asked
    cap = sum(coin.market_cap for coin in sky.listing(call))
    rows = {key: [_row(call, coin, cap) for coin in coins] for key, coins in found.items()}
    if by_ticker and lists_by_ticker:
        return _ok(call, rows, -(-len(rows) // 100))
    return _ok(call, {key: each[0] for key, each in rows.items()}, -(-len(rows) // 100))


def quotes_v1(call: Call) -> SimReply:
    return _quotes(call, lists_by_ticker=False)


def quotes_v2(call: Call) -> SimReply:
    return _quotes(call, lists_by_ticker=True)


def info(call: Call) -> SimReply:
    asked = _asked(call)
    if isinstance(asked, SimReply):
        return asked
    pages: dict[str, Any] = {}
    for key, coins in asked[0].items():
        asset = coins[0].asset
        page = {
            "id": native_id(asset),
            "name": asset.name,
            "symbol": asset.ticker,
            "category": "coin",
            "description": f"{asset.name} is traded in a simulated market.",
            "slug": asset.gecko_id,
            "logo": f"https://coins.example/{asset.gecko_id}.png",
            "subreddit": "",
            "notice": "",
            "tags": [tag for tag, (_, members) in sky.CATEGORIES.items() if asset.ticker in members],
            "urls": {"website": [f"https://{asset.gecko_id}.example/"], "explorer": []},
            "platform": None,
            "date_added": "2018-01-01T00:00:00.000Z",
            "date_launched": "2009-01-03T00:00:00.000Z" if asset.ticker == "BTC" else None,
            "contract_address": [],
        }
        pages[key] = [page] if asked[1] else page
    return _ok(call, pages)


def coin_map(call: Call) -> SimReply:
    coins = sky.listing(call)
    if call.query.get("sort", "id") == "id":
        coins = sorted(coins, key=lambda coin: native_id(coin.asset))
    if call.query.get("symbol"):
        wanted = set(call.query["symbol"].upper().split(","))
        coins = [coin for coin in coins if coin.asset.ticker in wanted]
    start, limit = call.whole("start", 1), call.whole("limit", MOST_ROWS, 1, MOST_ROWS)
    rows = [
        {
            "id": native_id(coin.asset),
            "rank": coin.rank,
            "name": coin.asset.name,
            "symbol": coin.asset.ticker,
            "slug": coin.asset.gecko_id,
            "is_active": 1,
            "first_historical_data": "2018-01-01T00:00:00.000Z",
            "last_historical_data": _stamp(sky.seen_ms(call) // 300_000 * 300_000),
            "platform": None,
        }
        for coin in coins[start - 1 : start - 1 + limit]
    ]
    return _ok(call, rows)


def global_metrics(call: Call) -> SimReply:
    whole = sky.totals(call)
    stamp = _stamp(sky.seen_ms(call))
    before = whole.market_cap / (1 + whole.change_24h_pct / 100)
    venues = len(sky.exchanges(call))
    usd = {
        "total_market_cap": whole.market_cap,
        "total_volume_24h": whole.volume_24h,
        "total_volume_24h_reported": whole.volume_24h * 1.1,
        "altcoin_volume_24h": whole.volume_24h * 0.7,
        "altcoin_market_cap": whole.market_cap * (1 - whole.shares.get("BTC", 0.0) / 100),
        "total_market_cap_yesterday": before,
        "total_market_cap_yesterday_percentage_change": whole.change_24h_pct,
        "last_updated": stamp,
    }
    data = {
        "active_cryptocurrencies": whole.coins,
        "total_cryptocurrencies": whole.coins,
        "active_market_pairs": 20 * whole.coins,
        "active_exchanges": venues,
        "total_exchanges": venues,
        "eth_dominance": whole.shares.get("ETH", 0.0),
        "btc_dominance": whole.shares.get("BTC", 0.0),
        "quote": {"USD": usd},
        "last_updated": stamp,
    }
    return _ok(call, data)


def categories(call: Call) -> SimReply:
    start, limit = call.whole("start", 1), call.whole("limit", MOST_ROWS, 1, MOST_ROWS)
    rows = [
        {
            # The real ids are 24 hexadecimal digits.
            "id": row.id.encode().hex()[:24].ljust(24, "0"),
            "name": row.name,
            "title": row.name,
            "description": row.name,
            "num_tokens": len(row.coins),
            "avg_price_change": row.change_24h_pct,
            "market_cap": row.market_cap,
            "market_cap_change": row.change_24h_pct,
            "volume": row.volume_24h,
            "volume_change": 0.0,
            "last_updated": _stamp(sky.seen_ms(call)),
        }
        for row in sky.categories(call)
    ]
    return _ok(call, rows[start - 1 : start - 1 + limit])


def trending(call: Call) -> SimReply:
    message = "Your API Key subscription plan doesn't support this endpoint."
    return _error(call.now_ms, 403, 1006, message)


def _listing_credits(query: Mapping[str, str]) -> int:
    limit = query.get("limit", "100")
    return max(1, -(-int(limit) // 200)) if limit.isdecimal() else 1


ROUTES = {
    "/v1/cryptocurrency/listings/latest": Route(
        _keyed(listings), (Capability.QUOTES, Capability.COINS), _listing_credits
    ),
    "/v1/cryptocurrency/quotes/latest": Route(_keyed(quotes_v1), (Capability.QUOTES,)),
    "/v2/cryptocurrency/quotes/latest": Route(_keyed(quotes_v2), (Capability.QUOTES,)),
    "/v2/cryptocurrency/info": Route(_keyed(info), (Capability.COIN,)),
    "/v1/cryptocurrency/map": Route(_keyed(coin_map), (Capability.ASSETS,)),
    "/v1/cryptocurrency/categories": Route(_keyed(categories), (Capability.CATEGORIES,)),
    "/v1/cryptocurrency/trending/latest": Route(_keyed(trending), (Capability.TRENDING,)),
    "/v1/global-metrics/quotes/latest": Route(_keyed(global_metrics), (Capability.GLOBAL,)),
}
