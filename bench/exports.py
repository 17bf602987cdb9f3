"""Claim 6 of keys and limits: `GET /api/historical-data` gives 5 million rows as Parquet and as CSV with less than 64 MB
of growth in the server's resident memory, and they read back equal in pandas and in polars.

    python -m bench.exports [--rows 5000000]

One series of one-minute candles is stored in SQLite: full float64 prices over 13 orders of magnitude, whole numbers among
them, volumes and counts that are absent here and there, some candles supplied by another venue. `cdts serve` runs as a
process of its own without background work; the answers are read from its socket to disk in pieces. Before anything is
measured one small export of its format has been made, so that Arrow is loaded. The growth is the highest resident memory
during the export (VmHWM, reset before; Linux only) less the resident memory before it. A second client asks for
/api/health/live all the while: how long it waits is how long an export keeps everybody else waiting. A last client takes a
megabyte and then nothing for a while: nothing may pile up for it.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import numpy as np

from bench.report import claim
from bench.running import CDTS, process
from crypto_dt_source.clock import rfc3339
from crypto_dt_source.model.candle import MINUTE_MS, Candle
from crypto_dt_source.store import SeriesKey, open_store
from crypto_dt_source.store.repos import candles

ROOT = Path(__file__).resolve().parent.parent
PYTHON_WITH_READERS = ROOT / ".venv" / "bench" / "bin" / "python"
ROWS = 5_000_000
START = 1_483_228_800_000
"""2017-01-01: 5 million minutes later it is 2026."""
SERIES = SeriesKey("binance", "BTC", "USDT", "1m")
OTHER = "kraken"
BATCH = 20_000
PIECE = 1 << 20
MOST_MB = 64.0
EVERY_S = 0.02
STALLED_S = 5.0
FLOATS = ("open", "high", "low", "close", "volume", "quote_volume")
Columns = dict[str, Any]
"""Columns as NumPy arrays; NaN where a number is absent."""


def invented(rows: int) -> Columns:
    """What is stored: the same each time."""
    draw = np.random.default_rng(6)
    made: Columns = {"open_time_ms": START + MINUTE_MS * np.arange(rows, dtype=np.int64)}
    for name in FLOATS:
        values = draw.random(rows) * 10.0 ** draw.integers(-7, 6, rows)
        values[::50] = np.ceil(values[::50])
        made[name] = values
    made["volume"][::7] = np.nan
    made["quote_volume"][3::11] = np.nan
    made["trades"] = draw.integers(0, 1 << 40, rows).astype(np.float64)
    made["trades"][5::13] = np.nan
    made["source"] = np.where(np.arange(rows) // 60 % 100 == 99, OTHER, SERIES.provider)
    made["closed"] = np.arange(rows) < rows - 1
    return made


def _known(values: Any) -> list[Any]:
    return [None if value != value else value for value in values.tolist()]


async def fill(folder: Path, made: Columns) -> None:
    """Store the columns through the candles' own writer."""
    store = await open_store(f"sqlite:///{folder / 'crypto-dt-source.db'}")
    rows = len(made["closed"])
    for at in range(0, rows, BATCH):
        part = slice(at, at + BATCH)
        columns = [made["open_time_ms"][part].tolist(), *(_known(made[name][part]) for name in FLOATS)]
        trades = [None if n is None else int(n) for n in _known(made["trades"][part])]
        found = list(map(Candle, *columns, trades, made["closed"][part].tolist()))
        sources = made["source"][part]
        for source in (SERIES.provider, OTHER):
            chosen = [candle for candle, name in zip(found, sources, strict=True) if name == source]
            if chosen:
                given = None if source == SERIES.provider else source
                await candles.write(store, SERIES, chosen, source=given)
    await store.close()


class Exported(NamedTuple):
    """One download. `waits_ms` are those of the other client, sorted."""

    seconds: float
    size: int
    growth_mb: float
    waits_ms: list[float]


def memory_mb(pid: int, what: str) -> float:
    """VmRSS or VmHWM of a process, MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"the system does not tell {what}")


def target(form: str, end_ms: int) -> str:
    query = {
        "dataset": "ohlcv",
        "symbol": "BTC",
        "interval": SERIES.interval,
        "provider": SERIES.provider,
        "start": rfc3339(START),
        "end": rfc3339(end_ms),
        "format": form,
    }
    return f"/api/historical-data?{urlencode(query)}"


def ask(connection: http.client.HTTPConnection, path: str, key: str) -> http.client.HTTPResponse:
    """Raises RuntimeError for another answer than 200."""
    connection.request("GET", path, headers={"X-API-Key": key})
    answer = connection.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status} {answer.read()[:300]!r}")
    return answer


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)


@contextmanager
def waiting(url: str) -> Iterator[list[float]]:
    """Asks for something small all the while; gives how long each answer took, ms."""
    waits: list[float] = []
    over = threading.Event()

    def work() -> None:
        connection = connect(url)
        while not over.wait(EVERY_S):
            begun = time.perf_counter()
            ask(connection, "/api/health/live", "").read()
            waits.append((time.perf_counter() - begun) * 1000)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()
        waits.sort()


def download(url: str, key: str, pid: int, path: str, to: Path) -> Exported:
    """One export, from the socket to the disk."""
    before = memory_mb(pid, "VmRSS")
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    connection = connect(url)
    begun = time.perf_counter()
    with waiting(url) as waits, to.open("wb") as file:
        answer = ask(connection, path, key)
        while piece := answer.read(PIECE):
            file.write(piece)
    connection.close()
    seconds = time.perf_counter() - begun
    return Exported(seconds, to.stat().st_size, memory_mb(pid, "VmHWM") - before, waits)


def stalled(url: str, key: str, pid: int, path: str) -> float:
    """Growth in MB while a client takes a megabyte and nothing more."""
    before = memory_mb(pid, "VmRSS")
    connection = connect(url)
    ask(connection, path, key).read(PIECE)
    time.sleep(STALLED_S)
    growth = memory_mb(pid, "VmRSS") - before
    connection.close()
    return growth


def parquet_pandas(path: Path) -> Iterator[Columns]:
    """Column by column: five million texts as objects are a gigabyte."""
    import pandas as pd

    for name in ("open_time", *FLOATS, "trades", "source", "closed"):
        frame = pd.read_parquet(path, columns=[name])
        if name == "open_time":
            yield {"open_time_ms": frame[name].astype("datetime64[ms, UTC]").astype("int64").to_numpy()}
        else:
            yield {name: frame[name].to_numpy()}


def parquet_polars(path: Path) -> Iterator[Columns]:
    import polars as pl

    for name in ("open_time", *FLOATS, "trades", "source", "closed"):
        column = pl.read_parquet(path, columns=[name])[name]
        if name == "open_time":
            yield {"open_time_ms": column.dt.epoch("ms").to_numpy()}
        else:
            yield {name: column.to_numpy()}


def csv_pandas(path: Path) -> Iterator[Columns]:
    import pandas as pd

    for frame in pd.read_csv(path, chunksize=500_000):
        yield {
            "open_time_text": pd.to_datetime(frame.pop("open_time"), utc=True)
            .astype("datetime64[ms, UTC]")
            .astype("int64")
            .to_numpy(),
            **{name: frame[name].to_numpy() for name in frame.columns},
        }


def csv_polars(path: Path) -> Iterator[Columns]:
    import polars as pl

    for name in ("open_time", "open_time_ms", *FLOATS, "trades", "source", "closed"):
        column = pl.read_csv(path, columns=[name])[name]
        if name == "open_time":
            moments = column.str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="ms", time_zone="UTC")
            yield {"open_time_text": moments.dt.epoch("ms").to_numpy()}
        else:
            yield {name: column.to_numpy()}


def differences(read: Iterator[Columns], stored: Columns) -> tuple[int, int]:
    """Values compared, and how many of them are not those stored."""
    at: dict[str, int] = {}
    compared = wrong = 0
    for part in read:
        for name, values in part.items():
            begun = at.get(name, 0)
            at[name] = begun + len(values)
            expected = stored["open_time_ms" if name == "open_time_text" else name][begun : at[name]]
            if len(expected) != len(values):
                wrong += len(values)
                continue
            given = values.astype(expected.dtype) if expected.dtype.kind == "f" else values
            same = given == expected
            if expected.dtype.kind == "f":
                same |= np.isnan(given) & np.isnan(expected)
            compared += len(values)
            wrong += int(len(values) - np.count_nonzero(same))
    rows = len(stored["closed"])
    wrong += sum(abs(rows - count) for count in at.values())
    return compared, wrong


def grown(what: str, growth_mb: float) -> bool:
    name = f"growth of resident memory, {what}"
    return claim(name, growth_mb, "MB", "", None, None, f"< {MOST_MB:g} MB", growth_mb < MOST_MB)


def measure(folder: Path, rows: int) -> bool:
    """Every claim; whether all hold."""
    made = invented(rows)
    begun = time.perf_counter()
    asyncio.run(fill(folder, made))
    print(f"  {rows:,} candles stored in {time.perf_counter() - begun:.0f} s")
    key = secrets.token_urlsafe(32)
    environment = {"CDTS_ADMIN_KEY": key, "ENABLE_BACKGROUND_TASKS": "false", "LOG_LEVEL": "WARNING"}
    end_ms = START + rows * MINUTE_MS
    files = {form: folder / f"all.{form}" for form in ("parquet", "csv")}
    ok = True
    for form, path in files.items():
        # A server for each: what one export left behind would be at hand for the next.
        with process([*CDTS, "serve", "--port", "0", "--data-dir", str(folder)], environment) as server:
            url, pid = server.address(), server.child.pid
            download(url, key, pid, target(form, START + 1000 * MINUTE_MS), path)
            done = download(url, key, pid, target(form, end_ms), path)
            waits = done.waits_ms or [0.0]
            print(
                f"  {form:8} {done.size / 1e6:,.0f} MB in {done.seconds:.1f} s, {rows / done.seconds:,.0f} rows/s; another "
                f"client waited {waits[len(waits) // 2]:.1f} ms (median), {waits[len(waits) * 99 // 100]:.1f} ms (99 %)"
            )
            ok &= grown(f"{rows:,} rows as {form}", done.growth_mb)
            ok &= grown(f"a client that stopped reading {form}", stalled(url, key, pid, target(form, end_ms)))
    for form, reader, read in (
        ("parquet", "pandas", parquet_pandas),
        ("parquet", "polars", parquet_polars),
        ("csv", "pandas", csv_pandas),
        ("csv", "polars", csv_polars),
    ):
        compared, wrong = differences(read(files[form]), made)
        name = f"{form} read by {reader}: values that differ"
        every = compared == rows * (11 if form == "csv" else 10)
        ok &= claim(name, wrong, f"of {compared:,}", "", None, None, "0 of all columns", wrong == 0 and every)
    return ok


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every claim holds, 1 when not, 2 when pandas and polars are not installed."""
    parser = argparse.ArgumentParser(prog="python -m bench.exports")
    parser.add_argument("--rows", type=int, default=ROWS)
    chosen = parser.parse_args(argv)
    if find_spec("pandas") is None or find_spec("polars") is None:
        if not PYTHON_WITH_READERS.exists() or Path(sys.prefix) == PYTHON_WITH_READERS.parent.parent:
            print("pandas or polars is not installed: run `make bench`, which makes an environment for them")
            return 2
        again = [str(PYTHON_WITH_READERS), "-m", "bench.exports", "--rows", str(chosen.rows)]
        return subprocess.call(again, cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        return 0 if measure(Path(folder), chosen.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
