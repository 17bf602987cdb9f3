"""`cdts watch`: prices as they move, a table in a terminal and lines anywhere else."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from ..client import ApiError, Client, Ended, Frame, Price, Unreachable, read_price
from ..model.errors import InvalidParameter

if TYPE_CHECKING:
    from rich.table import Table

NONE_KNOWN = 1
UNREADY = 503


def run(arguments: argparse.Namespace) -> int:
    """Follow until interrupted, or until `--count` lines are printed; exit 1 when none of the symbols is known."""
    return asyncio.run(_watch(arguments.url, arguments.symbol, arguments.count, sys.stdout.isatty()))


async def _watch(url: str, symbols: list[str], count: int | None, terminal: bool) -> int:
    async with Client(url) as client:
        try:
            if symbols:
                found = await client.prices(*symbols)
                for error in found.errors:
                    said = error.get("error", "unknown symbol")
                    print(f"cdts: {error.get('symbol', '')}: {said}", file=sys.stderr)
                if not found.rows:
                    return NONE_KNOWN
                symbols = [row.symbol for row in found.rows]
            else:
                await _say_when_empty(client)
        except Unreachable as error:
            raise InvalidParameter(f"--url: {error}") from None
        except ApiError as error:
            raise InvalidParameter(f"--url: the server says: {error}") from None
        try:
            if terminal and count is None:
                await _table(client, symbols)
            else:
                await _lines(client, symbols, count)
        except Ended as error:
            raise InvalidParameter(f"--url: {error}") from None
    return 0


async def _say_when_empty(client: Client) -> None:
    """Tell why nothing moves yet. A server without upstreams would otherwise look like a command that hangs."""
    try:
        await client.get("/api/health/ready")
    except ApiError as error:
        if error.status != UNREADY:
            raise
        print(f"cdts: the server says: {error} Waiting; /api/failures has the reasons.", file=sys.stderr)


async def _lines(client: Client, symbols: list[str], count: int | None) -> None:
    printed = 0
    async with client.stream(prices=symbols) as stream:
        async for frame in stream:
            price = _price(frame)
            if price is not None:
                print(line(frame.ts, price), flush=True)
                printed += 1
            if count is not None and printed >= count:
                return


async def _table(client: Client, symbols: list[str]) -> None:
    from rich.live import Live

    rows: dict[str, tuple[Price, int]] = {}
    async with client.stream(prices=symbols) as stream:

        def shown() -> Table:
            return table(rows, client.url, stream.connected)

        with Live(get_renderable=shown, refresh_per_second=4, transient=False) as live:
            async for frame in stream:
                take(rows, frame)
                live.refresh()


def take(rows: dict[str, tuple[Price, int]], frame: Frame) -> None:
    """Put a frame's price into the rows, with whether it rose (1), fell (-1) or neither since the one before."""
    price = _price(frame)
    if price is None:
        return
    before = rows.get(price.symbol)
    last = before[0].price if before is not None else None
    moved = 0
    if last is not None and price.price is not None:
        moved = (price.price > last) - (price.price < last)
    rows[price.symbol] = (price, moved)


def _price(frame: Frame) -> Price | None:
    """The price in a frame; None where it has none."""
    if frame.channel != "prices" or not isinstance(frame.data, dict):
        return None
    try:
        return read_price(frame.data)
    except ValueError:
        return None


def table(rows: dict[str, tuple[Price, int]], url: str, connected: bool) -> Table:
    """Every symbol's newest price."""
    from rich.table import Table
    from rich.text import Text

    title = f"{url}  {'live' if connected else 'connecting'}"
    made = Table(title=title, title_justify="left", title_style="dim")
    made.add_column("symbol")
    for name in ("price", "24 h", "volume 24 h", "sources", "as of"):
        made.add_column(name, justify="right")
    made.add_column("status")
    for price, moved in rows.values():
        colour = {1: "green", -1: "red"}.get(moved, "")
        change = price.change_24h_pct
        made.add_row(
            Text(price.symbol, style="bold"),
            Text(number(price.price), style=colour),
            Text(
                "–" if change is None else f"{change:+.2f} %", style="red" if (change or 0) < 0 else "green"
            ),
            number(price.volume_24h, whole=True),
            str(price.sources),
            (price.as_of or "–")[11:19] or "–",
            Text(f"{price.status}, stale" if price.stale else price.status),
        )
    return made


def line(at: str, price: Price) -> str:
    """One price as a line of text."""
    change = "" if price.change_24h_pct is None else f" {price.change_24h_pct:+.2f}%"
    stale = " stale" if price.stale else ""
    shown = "-" if price.price is None else repr(price.price)
    return f"{at} {price.symbol} {shown} {price.vs}{change} sources={price.sources} {price.status}{stale}"


def number(value: float | None, *, whole: bool = False) -> str:
    """As people read it: cents from a unit up, six significant digits below."""
    if value is None:
        return "–"
    if whole or abs(value) >= 100_000:
        return f"{value:,.0f}"
    return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.6g}"
