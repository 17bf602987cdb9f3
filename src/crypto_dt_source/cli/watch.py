"""`cdts watch`: prices as they move, a table in a terminal and lines anywhere else."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from ..client import ApiError, Client, Ended, Frame, Price, Unreachable, read_price
from ..client.key import base_of
from ..model.errors import InvalidParameter
from . import key_given

if TYPE_CHECKING:
    from rich.table import Table

NONE_KNOWN = 1
UNREADY = (503, 504)
ASKED = 100
"""Symbols that one call to the prices may name."""
MAY_COME = ("tier_limit", "no_data_yet")
"""Errors of a symbol that its stream does not share: a call has fewer symbols, and no wait."""
HTTP_OF = {4401: 401, 4408: 429, 4429: 429}
"""What a close code is as a status."""


def run(arguments: argparse.Namespace) -> int:
    """Follow until interrupted, or until `--count` lines are printed; exit 1 when none of the symbols is known."""
    key = key_given.given(arguments.key_file)
    try:
        url = base_of(arguments.url)
    except ValueError as error:
        raise InvalidParameter(f"--url: {error}.") from None
    return asyncio.run(_watch(url, arguments.symbol, arguments.count, sys.stdout.isatty(), key))


async def _watch(url: str, symbols: list[str], count: int | None, terminal: bool, key: str = "") -> int:
    async with Client(url, key) as client:
        try:
            if symbols:
                symbols = await _known(client, symbols)
                if not symbols:
                    return NONE_KNOWN
            else:
                await _say_when_empty(client)
        except Unreachable as error:
            raise InvalidParameter(f"--url: {error}") from None
        except ApiError as error:
            raise InvalidParameter(_refused(f"the server says: {error}", error.status, key)) from None
        try:
            if terminal and count is None:
                await _table(client, symbols)
            else:
                await _lines(client, symbols, count)
        except Ended as error:
            raise InvalidParameter(_refused(str(error), HTTP_OF.get(error.code, error.code), key)) from None
    return 0


def _refused(sentence: str, status: int, key: str) -> str:
    return f"--url: {sentence} {key_given.advice(status, key)}".rstrip()


async def _known(client: Client, symbols: list[str]) -> list[str]:
    """Those that can be followed, as the server calls them; of the others is said why not."""
    symbols = list(dict.fromkeys(symbols))
    # Past what one call may ask the stream itself answers.
    try:
        found = await client.prices(*symbols[:ASKED])
    except ApiError as unready:
        if unready.status not in UNREADY:
            raise
        print(f"cdts: the server says: {unready} Waiting.", file=sys.stderr)
        return symbols
    known = [row.symbol for row in found.rows]
    for error in found.errors:
        name = str(error.get("symbol", ""))
        if error.get("code") in MAY_COME and name:
            known.append(name)
        else:
            print(f"cdts: {name}: {error.get('error', 'unknown symbol')}", file=sys.stderr)
    return known + symbols[ASKED:]


async def _say_when_empty(client: Client) -> None:
    """Tell why nothing moves yet. A server without upstreams would otherwise look like a command that hangs."""
    try:
        await client.get("/api/health/ready")
    except ApiError as error:
        if error.status not in UNREADY:
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
            elif frame.type == "error":
                print(f"cdts: the server says: {frame.error}", file=sys.stderr)
            if count is not None and printed >= count:
                return


async def _table(client: Client, symbols: list[str]) -> None:
    from rich.live import Live

    rows: dict[str, tuple[Price, int]] = {}
    said = ""
    async with client.stream(prices=symbols) as stream:

        def shown() -> Table:
            state = "live" if stream.connected else f"connecting; {stream.trouble}".rstrip("; ")
            return table(rows, f"{client.url}  {state}", said)

        with Live(get_renderable=shown, refresh_per_second=4, transient=False) as live:
            async for frame in stream:
                if frame.type == "error":
                    said = frame.error
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


def table(rows: dict[str, tuple[Price, int]], title: str, said: str = "") -> Table:
    """Every symbol's newest price, and below them what the server said last."""
    from rich.table import Table
    from rich.text import Text

    # As text: what a server says is no markup.
    made = Table(title=Text(title), title_justify="left", title_style="dim")
    if said:
        made.caption, made.caption_justify = Text(said), "left"
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
