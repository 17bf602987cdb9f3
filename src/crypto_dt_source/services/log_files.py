"""Log lines kept as files: a thread writes them, in the order they came, and drops the oldest file for a new one.

One line of JSON each. Whoever logs never waits: what the thread has not taken yet is bounded, and what comes beyond that
is dropped and counted. A line is handed to the system as soon as the thread is free, so that a process that is killed
loses what was logged in its last moment and nothing before. Nothing here may log.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..clock import parse_rfc3339
from ..telemetry import Value

QUEUE = 5000
"""Lines that may wait for the disk."""
PIECE_BYTES = 64 * 1024
"""Written at once; a longer line is cut to its message."""
MOST_FILE_BYTES = 16 * 1024 * 1024
FILES_OF_ROOM = 8
"""Into so many files the room is divided: the oldest eighth leaves at a time."""
MOST_FILES = 1000
"""However small: each start begins a new one."""
STOP_S = 2.0
"""How long an end waits for what is still to be written."""
READERS = 2
"""Threads that read at a time."""
SUFFIX = ".jsonl"
_MB = 1_000_000
_encode = msgspec.json.Encoder().encode
_times = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Deleted(NamedTuple):
    """What a deletion took away."""

    lines: int
    size_bytes: int


class LogFiles:
    """The files of one process in `folder`, within `megabytes` (10^6 bytes). Without a folder, or with no room, lines are
    only counted. `put` may be called from any thread; what reads or deletes blocks on the disk and belongs in one."""

    def __init__(self, folder: Path | None = None, megabytes: int = 0) -> None:
        self.folder = folder if megabytes else None
        self.room_bytes = megabytes * _MB
        self.counts: Counter[str] = Counter()
        """Lines since the start, by level."""
        self.dropped = 0
        """Lines that were not written."""
        self.error: str | None = None
        """Why the last write failed; None once one succeeded."""
        self.reading = asyncio.Semaphore(READERS)
        self._file_bytes = min(max(self.room_bytes // FILES_OF_ROOM, 2 * PIECE_BYTES), MOST_FILE_BYTES)
        self._queue: deque[Mapping[str, Value]] = deque()
        self._turn = threading.Condition()
        self._files = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False
        self._handle: int | None = None
        self._path: Path | None = None
        self._size = 0

    def put(self, line: Mapping[str, Value]) -> None:
        """Take a line; dropped where too many wait already, or after `close`."""
        with self._turn:
            self.counts[str(line.get("level", "info"))] += 1
            if self.folder is None:
                return
            if len(self._queue) >= QUEUE or self._closing:
                self.dropped += 1
                return
            self._queue.append(line)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log files", daemon=True)
                self._thread.start()
            else:
                self._turn.notify()

    @property
    def waiting(self) -> int:
        """Lines that wait for the disk now."""
        return len(self._queue)

    def close(self) -> None:
        """Write what waits, within bounds, and end the thread."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join(STOP_S)

    def files(self) -> list[Path]:
        """The files, the oldest first."""
        if self.folder is None:
            return []
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == SUFFIX and path.is_file())
        except OSError:
            return []

    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(_size(path) for path in self.files())

    def delete(self, before_ms: int | None = None) -> Deleted:
        """Delete every line, or those from before a time (ms UTC). Raises OSError."""
        gone = Deleted(0, 0)
        with self._files:
            self._end_file()
            for path in self.files():
                lines = read_lines(path)
                kept = (
                    [] if before_ms is None else [line for line in lines if (at_ms(line) or 0) >= before_ms]
                )
                if len(kept) == len(lines) and kept:
                    continue
                size = _size(path)
                rest = b"".join(line + b"\n" for line in kept)
                if kept:
                    _replace(path, rest)
                else:
                    path.unlink(missing_ok=True)
                gone = Deleted(gone.lines + len(lines) - len(kept), gone.size_bytes + size - len(rest))
        return gone

    # -- in the thread

    def _run(self) -> None:
        while True:
            with self._turn:
                while not self._queue and not self._closing:
                    self._turn.wait()
                lines = list(self._queue)
                self._queue.clear()
                if not lines:
                    break
            for piece, count in _pieces(lines):
                self._write(piece, count)
        with self._files:
            self._end_file()

    def _write(self, piece: bytes, count: int) -> None:
        with self._files:
            try:
                handle = self._file_for(len(piece))
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(handle, rest) :]
                self._size += len(piece)
                self.error = None
            except OSError as error:
                self.dropped += count
                self.error = error.strerror or type(error).__name__
                # What was half written ends with its file.
                self._end_file()

    def _file_for(self, size: int) -> int:
        """The file to write into: another one where this one is full, or somebody has taken it away. Raises OSError."""
        if self._handle is not None and self._path is not None:
            if self._size + size <= self._file_bytes and self._path.exists():
                return self._handle
            self._end_file()
        assert self.folder is not None  # noqa: S101 - nothing waits without a folder
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = self.files()
        sizes = {path: _size(path) for path in files}
        total = sum(sizes.values())
        while files and (total + self._file_bytes > self.room_bytes or len(files) >= MOST_FILES):
            oldest = files.pop(0)
            oldest.unlink(missing_ok=True)
            total -= sizes[oldest]
        number = 1 + max((_number(path) for path in sizes), default=0)
        self._path = self.folder / f"{number:010d}-{os.getpid()}{SUFFIX}"
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = 0
        return self._handle

    def _end_file(self) -> None:
        handle, self._handle, self._path = self._handle, None, None
        if handle is not None:
            try:
                os.close(handle)
            except OSError as error:
                self.error = error.strerror


def _pieces(lines: list[Mapping[str, Value]]) -> Iterator[tuple[bytes, int]]:
    """Lines as bytes to be written at once, and how many they are."""
    piece, count = bytearray(), 0
    for line in lines:
        made = _encode(line)
        if len(made) >= PIECE_BYTES:
            short = {
                name: line[name] for name in ("timestamp", "level", "component", "event") if name in line
            }
            made = _encode({**short, "cut": True})
        if count and len(piece) + len(made) >= PIECE_BYTES:
            yield bytes(piece), count
            piece, count = bytearray(), 0
        piece += made + b"\n"
        count += 1
    if count:
        yield bytes(piece), count


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_suffix(".new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    beside.replace(path)


def _number(path: Path) -> int:
    head = path.name.partition("-")[0]
    return int(head) if head.isascii() and head.isdigit() else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def read_lines(path: Path) -> list[bytes]:
    """The lines of a file, the oldest first; none where it is gone or cannot be read."""
    try:
        return path.read_bytes().splitlines()
    except OSError:
        return []


def at_ms(line: bytes) -> int | None:
    """When a line was logged, ms UTC; None for what is no line."""
    try:
        return parse_rfc3339(msgspec.json.decode(_times.decode(line)["timestamp"], type=str))
    except (msgspec.MsgspecError, KeyError, ValueError):
        return None
