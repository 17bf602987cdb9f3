"""The recorded frames of venues' sockets as a benchmark needs them: those with a ticker or trades, over and over, each
time with numbers that go on where they were.

Sessions drop what they have seen, so a frame that is sent again must be a new one: what a venue counts or times by (trade
ids, sequences, a ticker's time) rises from frame to frame of a market, in as many digits as were recorded. Nothing else of
a frame is touched, and every side is given the same frames.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from crypto_dt_source.model.book import Trade
from crypto_dt_source.model.errors import PayloadChanged
from crypto_dt_source.model.quote import Quote
from crypto_dt_source.providers import catalog
from crypto_dt_source.providers.streaming import Session

WIRE = Path(__file__).resolve().parent.parent.parent / "shared" / "wire" / "ws"
RECEIVED_MS = 1_790_000_000_000
SMALL_BYTES = 200


@dataclass(frozen=True, slots=True)
class Recording:
    """A venue's recorded frames, read as one connection's. `market` finds a frame's market, None where the whole
    connection is counted together, from 1; `rises` finds the name and the digits of what rises."""

    venue: str
    files: tuple[str, ...]
    market: str | None
    rises: str
    zipped: bool = False

    def lines(self) -> list[str]:
        """Every recorded frame. Raises FileNotFoundError."""
        found = []
        for name in self.files:
            text = (WIRE / f"{name}.ndjson").read_text(encoding="utf-8")
            found += [line for line in text.splitlines() if line]
        return found

    def opening(self) -> list[str]:
        """Frames without which no other can be read: those that give a spot channel its number."""
        return [line for line in self.lines() if '"chanId"' in line and '"symbol":"t' in line]

    def session(self) -> Session:
        """A connection's session of ours, opened."""
        session = catalog.stream(self.venue).session(self.venue)
        for frame in self.opening():
            session.read(frame, RECEIVED_MS)
        return session

    def wire(self, frames: Iterable[str]) -> list[str | bytes]:
        """Frames as they come out of the socket."""
        return [gzip.compress(f.encode(), mtime=0) for f in frames] if self.zipped else list(frames)

    def counted(self, frames: Sequence[str], count: int) -> list[str]:
        """So many frames, these over and over with rising numbers."""
        last: dict[tuple[str, str], int] = {}
        rises, market = re.compile(self.rises), re.compile(self.market) if self.market else None
        return [_counted(frame, rises, market, last) for frame in islice(cycle(frames), count)]

    def records(self) -> list[str]:
        """The frames a session of ours reads records of, each read by a new session."""
        return [
            line for line in self.lines() if records_of(self.session(), self.wire(self.counted([line], 1))[0])
        ]


def _counted(
    frame: str, rises: re.Pattern[str], market: re.Pattern[str] | None, last: dict[tuple[str, str], int]
) -> str:
    found = market.search(frame) if market is not None else None
    name = found[1] if found is not None else ""
    matches = list(rises.finditer(frame))
    new: dict[int, str] = {}
    for match in sorted(matches, key=lambda m: int(m[2])):
        key = (name, match[1].rstrip('"'))
        before = last.get(key, int(match[2]) - 1 if market is not None else 0)
        last[key] = before + 1
        new[match.start(2)] = f"{before + 1:0{len(match[2])}d}" if market is not None else str(before + 1)
    parts, at = [], 0
    for match in matches:
        parts += [frame[at : match.start(2)], new[match.start(2)]]
        at = match.end(2)
    return "".join([*parts, frame[at:]])


def records_of(session: Session, frame: str | bytes) -> list[Quote | Trade]:
    """What a frame says of prices and trades; nothing for a frame that cannot be read."""
    try:
        events = session.read(frame, RECEIVED_MS)
    except PayloadChanged:
        return []
    return [event for event in events if isinstance(event, Quote | Trade)]


def reads_all(session: Session, frames: Sequence[str | bytes], now_ms: Callable[[], int]) -> int:
    """Read every frame as the feed does; gives how many records came of them."""
    read, count = session.read, 0
    for frame in frames:
        count += len(read(frame, now_ms()))
    return count


RECORDINGS = (
    Recording(
        "binance", ("binance_spot_combined", "binance_miniticker"), r'"s":"(\w+)"', r'("(?:E|a)":)(\d+)'
    ),
    Recording(
        "coinbase_exchange",
        ("coinbase_exchange",),
        r'"product_id":"([\w-]+)"',
        r'((?<=match",)"trade_id":|"sequence":)(\d+)',
    ),
    Recording("kraken", ("kraken_v2",), r'"symbol":"([\w/]+)"', r'("trade_id":|"timestamp":"[^."]*\.)(\d+)'),
    Recording("okx", ("okx_v5",), r'"instId":"([\w-]+)"', r'("(?:ts|tradeId)":")(\d+)'),
    Recording("bybit", ("bybit_v5_spot",), r'"topic":"([\w.]+)"', r'("i":"|"ts":)(\d+)'),
    Recording("bitstamp", ("bitstamp",), r'"channel":"(\w+)"', r'("id":)(\d+)'),
    Recording("bitfinex", ("bitfinex_v2", "bitfinex_v2_trades_ticker"), None, r"(\],)(\d+)(?=(?:,\d+)?\]$)"),
    Recording("kucoin", ("kucoin",), r'"topic":"([^"]+)"', r'("sequence":")(\d+)'),
    Recording("gate", ("gate_v4",), r'"currency_pair":"(\w+)"', r'("(?:id|time)":)(\d+)'),
    Recording("crypto_com", ("crypto_com",), r'"subscription":"([\w.]+)"', r'("(?:d|t)":"?)(\d+)'),
    Recording(
        "htx", ("htx", "htx_depth"), r'"ch":"([\w.]+)"', r'("tradeId":|"ts":(?=\d+,"tick"))(\d+)', zipped=True
    ),
)
