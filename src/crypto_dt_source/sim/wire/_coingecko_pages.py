"""CoinGecko's errors, keys and slow-moving pages: lists, categories, one coin, its history, search, exchanges."""

from __future__ import annotations

from typing import Any

from ...clock import rfc3339
from ...model.candle import DAY_MS, HOUR_MS, MINUTE_MS
from ...model.quote import Pair
from .. import coins as sky
from ..venue import SimCoin
from . import Call, Handler, SimReply, reply

KEYS = {"coingecko_demo": "x-cg-demo-api-key", "coingecko_pro": "x-cg-pro-api-key"}
"""Which header (or query parameter of the same words) an entry's key must come in."""
PUBLIC_DAYS = 365


def millis(ms: int) -> str:
    """`2026-11-22T06:00:00.000Z`: the API always prints milliseconds."""
    return rfc3339(ms) if ms % 1000 else rfc3339(ms).replace("Z", ".000Z")


def status_error(code: int, message: str, http: int, now_ms: int, nested: bool = False) -> SimReply:
    status = {
        "timestamp": millis(now_ms).replace("Z", "+00:00"),
        "error_code": code,
        "error_message": message,
    }
    return reply({"error": {"status": status}} if nested else {"status": status}, http)


def plain_error(message: str, http: int) -> SimReply:
    return reply({"error": message}, http)


def ERROR(kind: str) -> SimReply:  # noqa: N802 - the name every wire module exports
    if kind == "rate_limited_in_200":
        # The API has no error inside a 200; its 429 has no time in it.
        message = "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to subscribe."
        return reply({"status": {"error_code": 429, "error_message": message}}, 429)
    return plain_error("coin not found", 404)


def _query_name(header: str) -> str:
    return header.replace("-", "_")


def _refusal(call: Call) -> SimReply | None:
    wanted = KEYS.get(call.provider)
    for header in KEYS.values():
        if header != wanted and sky.key_sent(call, header, query=_query_name(header)):
            paid = header == KEYS["coingecko_pro"]
            code, kind, host = (
                (10010, "Pro", "pro-api.coingecko.com") if paid else (10011, "Demo", "api.coingecko.com")
            )
            # A demo key on the keyless entry is what the public host is for.
            if wanted is None and not paid:
                continue
            message = f"If you are using {kind} API key, please change your root URL to {host}."
            return status_error(code, message, 400, call.now_ms)
    if wanted is None:
        return None
    sent = sky.key_sent(call, wanted, query=_query_name(wanted))
    if sent is None or sent == sky.REFUSED_KEY:
        return status_error(10002, "API Key Missing", 401, call.now_ms, nested=True)
    return None


def keyed(handler: Handler) -> Handler:
    """The handler behind the check of the key this host wants."""

    def checked(call: Call) -> SimReply:
        refusal = _refusal(call)
        return handler(call) if refusal is None else refusal

    return checked


def shown(price: float) -> float:
    """A price with about as few digits as the API prints: whole above 10 000, some decimals above 1, six digits below."""
    if price >= 10_000:
        return round(price)
    return round(price, 2 if price >= 10 else 3) if price >= 1 else float(f"{price:.6g}")


def unknown_range(call: Call, days: float) -> SimReply | None:
    """The refusal of history older than the public tiers show."""
    if days <= PUBLIC_DAYS or call.provider == "coingecko_pro":
        return None
    message = (
        "Your request exceeds the allowed time range. Public API users are limited to querying historical data within "
        "the past 365 days. "
    )
    return status_error(10012, message, 401, call.now_ms, nested=True)


def updated(call: Call, coin: SimCoin) -> str:
    """A coin's own time of change, some milliseconds before the page's moment."""
    return millis(sky.seen_ms(call) - sky.number_of(coin.asset) % 700)


def _coin_of(call: Call) -> SimCoin | None:
    return next((coin for coin in sky.listing(call) if coin.asset.gecko_id == call.path["id"]), None)


def coins_list(call: Call) -> SimReply:
    rows = sorted(call.view.assets(), key=lambda asset: asset.gecko_id)
    return reply([{"id": a.gecko_id, "symbol": a.ticker.lower(), "name": a.name} for a in rows])


def categories(call: Call) -> SimReply:
    stamp = millis(sky.seen_ms(call))
    return reply(
        [
            {
                "id": row.id,
                "name": row.name,
                "market_cap": row.market_cap,
                "market_cap_change_24h": row.change_24h_pct,
                "content": "",
                "top_3_coins_id": [coin.asset.gecko_id for coin in row.coins[:3]],
                "top_3_coins": [f"https://coins.example/{coin.asset.gecko_id}.png" for coin in row.coins[:3]],
                "volume_24h": row.volume_24h,
                "updated_at": stamp,
            }
            for row in sky.categories(call)
        ]
    )


def categories_list(call: Call) -> SimReply:
    return reply([{"category_id": key, "name": name} for key, (name, _) in sky.CATEGORIES.items()])


CURRENCIES = ("usd", "eur", "gbp", "btc", "eth")
BACK = {"24h": 1, "7d": 7, "14d": 14, "30d": 30, "60d": 60, "200d": 200, "1y": 365}


def _in_each(call: Call, dollars: float) -> dict[str, float]:
    units = {name: sky.dollars_of(call, name) for name in CURRENCIES}
    return {name: shown(dollars / unit) for name, unit in units.items() if unit}


def _market_data(call: Call, coin: SimCoin) -> dict[str, Any]:
    asset = coin.asset
    high, high_date, low, low_date = sky.all_time(coin)
    total = asset.max_supply or asset.supply
    before = coin.price / (1 + coin.change_24h_pct / 100)
    data: dict[str, Any] = {
        "current_price": _in_each(call, coin.price),
        "total_value_locked": None,
        "mcap_to_tvl_ratio": None,
        "roi": None,
        "ath": _in_each(call, high),
        "ath_change_percentage": dict.fromkeys(CURRENCIES, round((coin.price / high - 1) * 100, 5)),
        "ath_date": dict.fromkeys(CURRENCIES, high_date),
        "atl": _in_each(call, low),
        "atl_change_percentage": dict.fromkeys(CURRENCIES, round((coin.price / low - 1) * 100, 5)),
        "atl_date": dict.fromkeys(CURRENCIES, low_date),
        "market_cap": _in_each(call, coin.market_cap),
        "market_cap_rank": coin.rank,
        "fully_diluted_valuation": _in_each(call, coin.price * total),
        "total_volume": _in_each(call, coin.volume_24h),
        "high_24h": _in_each(call, max(coin.high_24h, coin.price)),
        "low_24h": _in_each(call, min(coin.low_24h, coin.price)),
        "price_change_24h": coin.price - before,
        "market_cap_change_24h": (coin.price - before) * asset.supply,
        "market_cap_change_percentage_24h": coin.change_24h_pct,
        "total_supply": total,
        "max_supply": asset.max_supply,
        "max_supply_infinite": asset.max_supply is None,
        "circulating_supply": asset.supply,
        "last_updated": updated(call, coin),
    }
    for name, days in BACK.items():
        data[f"price_change_percentage_{name}"] = sky.change_pct(call, asset.ticker, days * DAY_MS)
    return data


def coin(call: Call) -> SimReply:
    found = _coin_of(call)
    if found is None:
        return ERROR("unknown_symbol")
    asset = found.asset
    themes = [name for name, members in sky.CATEGORIES.values() if asset.ticker in members]
    page: dict[str, Any] = {
        "id": asset.gecko_id,
        "symbol": asset.ticker.lower(),
        "name": asset.name,
        "web_slug": asset.gecko_id,
        "asset_platform_id": None,
        "platforms": {"": ""},
        "detail_platforms": {"": {"decimal_place": None, "contract_address": ""}},
        "block_time_in_minutes": 10,
        "hashing_algorithm": "SHA-256" if asset.ticker in ("BTC", "BCH") else None,
        "categories": themes,
        "preview_listing": False,
        "public_notice": None,
        "additional_notices": [],
        "description": {"en": f"{asset.name} is traded in a simulated market.\r\n\r\nIts price is invented."},
        "links": {
            "homepage": [f"https://{asset.gecko_id}.example/", "", ""],
            "blockchain_site": [f"https://explorer.example/{asset.gecko_id}", ""],
            "repos_url": {"github": [], "bitbucket": []},
        },
        "image": dict.fromkeys(("thumb", "small", "large"), f"https://coins.example/{asset.gecko_id}.png"),
        "country_origin": "",
        "genesis_date": "2009-01-03" if asset.ticker == "BTC" else None,
        "sentiment_votes_up_percentage": 80.5,
        "sentiment_votes_down_percentage": 19.5,
        "market_cap_rank": found.rank,
        "status_updates": [],
        "last_updated": updated(call, found),
    }
    if call.query.get("market_data", "true") == "true":
        page["market_data"] = _market_data(call, found)
    return reply(page)


def market_chart(call: Call) -> SimReply:
    found = _coin_of(call)
    if found is None:
        return ERROR("unknown_symbol")
    currency = call.query.get("vs_currency", "").upper()
    if not currency:
        return plain_error("Missing parameter vs_currency", 422)
    if sky.dollars_of(call, currency) is None:
        return plain_error("invalid vs_currency", 422)
    days = 3650 if call.query.get("days") == "max" else call.whole("days", 1, 1)
    if (refusal := unknown_range(call, days)) is not None:
        return refusal
    step = 5 * MINUTE_MS if days == 1 else HOUR_MS if days <= 90 else DAY_MS
    if call.query.get("interval") == "daily":
        step = DAY_MS
    now = sky.seen_ms(call)
    times = [*range((now - days * DAY_MS) // step * step + step, now, step), now]
    prices = []
    for at_ms in times:
        unit = 1.0 if currency == "USD" else call.view.price(Pair(currency, "USD"), at_ms)
        prices.append(call.view.price(Pair(found.asset.ticker, "USD"), at_ms) / unit)
    scale = found.volume_24h / found.price
    return reply(
        {
            "prices": [[at, price] for at, price in zip(times, prices, strict=True)],
            "market_caps": [
                [at, price * found.asset.supply] for at, price in zip(times, prices, strict=True)
            ],
            "total_volumes": [[at, price * scale] for at, price in zip(times, prices, strict=True)],
        }
    )


def search(call: Call) -> SimReply:
    text = call.query.get("query", "")
    image = "https://coins.example/{}.png"
    hits = [
        {
            "id": coin.asset.gecko_id,
            "name": coin.asset.name,
            "api_symbol": coin.asset.gecko_id,
            "symbol": coin.asset.ticker,
            "market_cap_rank": coin.rank,
            "thumb": image.format(coin.asset.gecko_id),
            "large": image.format(coin.asset.gecko_id),
        }
        for coin in sky.found(call, text)
    ]
    venues = [
        {"id": row.id, "name": row.name, "market_type": "spot", "thumb": image.format(row.id)}
        for row in sky.exchanges(call)
        if text and text.casefold() in row.name.casefold()
    ]
    themes = [
        {"id": key, "name": name}
        for key, (name, _) in sky.CATEGORIES.items()
        if text and text.casefold() in name.casefold()
    ]
    return reply({"coins": hits, "exchanges": venues, "icos": [], "categories": themes, "nfts": []})


def trending(call: Call) -> SimReply:
    bitcoin = sky.dollars_of(call, "btc") or 1.0
    rows = []
    for score, coin in enumerate(sky.trending(call, 15)):
        asset, in_bitcoin = coin.asset, coin.price / bitcoin
        image = f"https://coins.example/{asset.gecko_id}.png"
        item = {
            "id": asset.gecko_id,
            "coin_id": sky.number_of(asset),
            "name": asset.name,
            "symbol": asset.ticker,
            "market_cap_rank": coin.rank,
            "thumb": image,
            "small": image,
            "large": image,
            "slug": asset.gecko_id,
            "price_btc": in_bitcoin,
            "score": score,
            "data": {
                "price": coin.price,
                "price_btc": f"{in_bitcoin:.30f}",
                "price_change_percentage_24h": dict.fromkeys(CURRENCIES, coin.change_24h_pct),
                "market_cap": f"${coin.market_cap:,.0f}",
                "market_cap_btc": str(coin.market_cap / bitcoin),
                "total_volume": f"${coin.volume_24h:,.0f}",
                "total_volume_btc": str(coin.volume_24h / bitcoin),
                "sparkline": f"https://coins.example/{asset.gecko_id}.svg",
                "content": None,
            },
        }
        rows.append({"item": item})
    return reply({"coins": rows, "nfts": [], "categories": []})


def exchanges(call: Call) -> SimReply:
    bitcoin = sky.dollars_of(call, "btc") or 1.0
    size, page = call.whole("per_page", 100, 1, 250), call.whole("page", 1)
    return reply(
        [
            {
                "id": row.gecko_id,
                "name": row.name,
                "year_established": row.year,
                "country": row.country,
                "description": "",
                "url": row.url,
                "image": f"{row.url}icon.png",
                "has_trading_incentive": False,
                "trust_score": 10 if row.rank <= 5 else 8,
                "trust_score_rank": row.rank,
                "trade_volume_24h_btc": row.volume_usd / bitcoin,
            }
            for row in sky.exchanges(call)[(page - 1) * size : page * size]
        ]
    )
