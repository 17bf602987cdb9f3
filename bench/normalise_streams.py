"""Issue 5, claim 3: frames of venues' sockets to records, at least 10 times the rate of ccxt pro's handlers and 5 times
cryptofeed's on the same frames, and at least 300 000 small frames a second on one core.

    python -m bench.normalise_streams [--frames 2000] [--rounds 7] [VENUE...]

Frames are the recorded ones of `../shared/wire/ws/` that have a ticker or trades of a spot pair, repeated with rising
numbers (`stream_frames`). Against each library those count that it reads the same price in; the others are named. Ours is
`Session.read` with the clock read for each frame, as the feed calls it: text (or gzip) in, `Quote` and `Trade` records
out. Theirs is described in `stream_handlers`; all decode the JSON themselves. Each round every side reads the same list
once, our sessions and cryptofeed's feeds new in each, the order turning; what counts is CPU time of the process, the
median of the rounds' ratios for a venue, and the geometric mean of venues.

A small frame has at most 200 bytes of plain text. Both libraries live in an environment of their own (`.venv/bench`, made
by `make bench`); started elsewhere, this file starts itself again there.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import importlib.util
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crypto_dt_source.clock import SystemClock

from .report import claim
from .stream_frames import RECORDINGS, SMALL_BYTES, WIRE, Recording, reads_all, records_of
from .stream_handlers import CRYPTOFEED_NAMES, Ccxt, Cryptofeed, known_in

PYTHON_WITH_BOTH = Path(__file__).resolve().parent.parent / ".venv" / "bench" / "bin" / "python"
CCXT_TARGET, CRYPTOFEED_TARGET, SMALL_TARGET = 10.0, 5.0, 300_000
Side = Callable[[], Awaitable[Callable[[], Awaitable[None]]]]
"""Makes what reads one round's frames."""


@dataclass
class Rates:
    """CPU seconds of each round, ours and theirs."""

    frames: int
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def ours_rate(self) -> float:
        return self.frames / statistics.median(self.ours)

    @property
    def theirs_rate(self) -> float:
        return self.frames / statistics.median(self.theirs)


async def spent(side: Side) -> float:
    """CPU seconds of one round, its making not counted."""
    read = await side()
    gc.collect()
    begun = time.process_time()
    await read()
    return time.process_time() - begun


async def race(frames: int, ours: Side, theirs: Side, rounds: int) -> Rates:
    """Rounds of both in turn, the first of them not counted."""
    rates = Rates(frames)
    for number in range(rounds + 1):
        sides = [(ours, rates.ours), (theirs, rates.theirs)]
        for side, times in sides if number % 2 else sides[::-1]:
            seconds = await spent(side)
            if number:
                times.append(seconds)
    return rates


def ours(recording: Recording, frames: Sequence[str | bytes], records: int) -> Side:
    """A new session a round. Raises RuntimeError when it gives another number of records than the frames have."""
    now_ms = SystemClock().now_ms

    async def make() -> Callable[[], Awaitable[None]]:
        session = recording.session()

        async def read() -> None:
            if (count := reads_all(session, frames, now_ms)) != records:
                raise RuntimeError(f"{recording.venue}: {count} records of {records}")

        return read

    return make


def records_in(recording: Recording, frames: Sequence[str | bytes]) -> int:
    """How many quotes and trades a session reads in all."""
    session = recording.session()
    return sum(len(records_of(session, frame)) for frame in frames)


async def against_ccxt(recording: Recording, recorded: list[str], count: int, rounds: int) -> Rates | None:
    """The race on the frames both read; None where there are none."""
    known = known_in(recording, recorded)
    other = Ccxt(recording, known)
    try:
        first = [recording.wire(recording.counted([frame], 1))[0] for frame in recorded]
        agreed = [f for f, wire, k in zip(recorded, first, known, strict=True) if other.agrees(wire, k)]
        _left_out("ccxt pro", recording, recorded, agreed)
        if not agreed:
            return None
        frames = recording.wire(recording.counted(agreed, count))
        messages = other.messages(frames)

        async def make() -> Callable[[], Awaitable[None]]:
            async def read() -> None:
                other.reads(messages)

            return read

        side = ours(recording, frames, records_in(recording, frames))
        return await race(count, side, make, rounds)
    finally:
        await other.close()


async def against_cryptofeed(
    recording: Recording, recorded: list[str], count: int, rounds: int
) -> Rates | None:
    """The race on the frames both read; None where there are none."""
    if recording.venue not in CRYPTOFEED_NAMES:
        print(f"  {recording.venue}: cryptofeed reads another format of this venue, not the one recorded")
        return None
    known = known_in(recording, recorded)
    agreed = []
    for frame, record in zip(recorded, known, strict=True):
        feed = await Cryptofeed(recording, known).open()
        if await feed.agrees(recording.wire(recording.counted([frame], 1))[0], record):
            agreed.append(frame)
    _left_out("cryptofeed", recording, recorded, agreed)
    if not agreed:
        return None
    frames = recording.wire(recording.counted(agreed, count))

    async def make() -> Callable[[], Awaitable[None]]:
        feed = await Cryptofeed(recording, known).open()

        async def read() -> None:
            await feed.reads(frames)
            if feed.count < count:
                raise RuntimeError(f"cryptofeed read {feed.count} of {count} {recording.venue} frames")

        return read

    return await race(count, ours(recording, frames, records_in(recording, frames)), make, rounds)


def _left_out(library: str, recording: Recording, recorded: list[str], agreed: list[str]) -> None:
    gone = [frame for frame in recorded if frame not in agreed]
    if gone:
        print(
            f"  {recording.venue}: {library} reads {len(agreed)} of {len(recorded)} frames, not {gone[0][:60]}…"
        )


async def small(recording: Recording, recorded: list[str], count: int, rounds: int) -> float | None:
    """CPU seconds a small frame takes, the median of the rounds; None where the venue has none."""
    few = [frame for frame in recorded if len(frame) <= SMALL_BYTES]
    if not few or recording.zipped:
        return None
    frames = recording.counted(few, count)
    side = ours(recording, frames, records_in(recording, frames))
    return statistics.median([await spent(side) for _ in range(rounds + 1)][1:]) / count


def shown(library: str, target: float, rates: dict[str, Rates]) -> bool:
    """The table and the claim against one library."""
    for venue, r in rates.items():
        print(
            f"  {venue:18} ours {r.ours_rate:10,.0f}/s   {library} {r.theirs_rate:8,.0f}/s   ratio {r.ratio:5.1f}"
        )
    mean = statistics.geometric_mean(r.ratio for r in rates.values())
    count = sum(r.frames for r in rates.values())
    total = count / sum(r.frames / r.ours_rate for r in rates.values())
    reference = count / sum(r.frames / r.theirs_rate for r in rates.values())
    under = ", ".join(v for v, r in rates.items() if r.ratio < target) or "none"
    return claim(
        f"frames to records, {len(rates)} venues",
        total,
        "frames/s",
        library,
        reference,
        mean,
        f">= {target:g} times (geometric mean; rates are all venues' frames together; under it: {under})",
        mean >= target,
    )


async def measure(recordings: Sequence[Recording], count: int, rounds: int, have_cryptofeed: bool) -> bool:
    """Every race, then the claims."""
    import ccxt

    recorded = {r.venue: r.records() for r in recordings}
    for r in recordings:
        print(
            f"  {r.venue}: {len(recorded[r.venue])} of {len(r.lines())} recorded frames have tickers or trades"
        )
    ccxt_rates, feed_rates, small_s = {}, {}, {}
    for r in recordings:
        found = await against_ccxt(r, recorded[r.venue], count, rounds)
        if found is not None:
            ccxt_rates[r.venue] = found
        if have_cryptofeed:
            found = await against_cryptofeed(r, recorded[r.venue], count, rounds)
            if found is not None:
                feed_rates[r.venue] = found
        seconds = await small(r, recorded[r.venue], count, rounds)
        if seconds is not None:
            small_s[r.venue] = seconds
    ok = shown(f"ccxt pro {ccxt.__version__}", CCXT_TARGET, ccxt_rates)
    if have_cryptofeed:
        from importlib.metadata import version

        ok &= shown(f"cryptofeed {version('cryptofeed')}", CRYPTOFEED_TARGET, feed_rates)
    for venue, seconds in small_s.items():
        print(f"  {venue:18} {1 / seconds:10,.0f} small frames/s")
    rate = len(small_s) / sum(small_s.values())
    name = f"frames of at most {SMALL_BYTES} bytes, {len(small_s)} venues together"
    return (
        claim(
            name, rate, "frames/s", "", None, None, f">= {SMALL_TARGET:,} on one core", rate >= SMALL_TARGET
        )
        and ok
    )


def main(argv: Sequence[str] | None = None) -> int:
    """0 when every target is met, 1 when not, 2 when ccxt is not installed or the frames are not here."""
    parser = argparse.ArgumentParser(prog="bench.normalise_streams")
    parser.add_argument("venue", nargs="*", default=[r.venue for r in RECORDINGS])
    parser.add_argument("--frames", type=int, default=2000, help="a round, of each venue")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    if not WIRE.is_dir():
        print("skipped: the recorded frames (shared/wire/ws beside the checkout) are not here")
        return 0
    if PYTHON_WITH_BOTH.exists() and Path(sys.prefix) != PYTHON_WITH_BOTH.parent.parent:
        given = sys.argv[1:] if argv is None else argv
        again = [str(PYTHON_WITH_BOTH), "-m", "bench.normalise_streams", *given]
        return subprocess.call(again, cwd=Path(__file__).resolve().parent.parent)
    if importlib.util.find_spec("ccxt") is None:
        print("ccxt is not installed: run `make bench`, which makes an environment for it")
        return 2
    have_cryptofeed = True
    try:
        import cryptofeed.exchanges  # noqa: F401
    except ImportError as error:
        have_cryptofeed = False
        print(f"cryptofeed cannot be imported here ({error}): nothing is said about it")
    recordings = [r for r in RECORDINGS if r.venue in options.venue]
    met = asyncio.run(measure(recordings, options.frames, options.rounds, have_cryptofeed))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
