"""A target whose flushes come late and out of order, as a mounted bucket's may: what is put is accepted at once and can
be seen only after a while of its own, also when whoever put it is dead by then.

`LateFolder` is its fsspec driver (`late:///folder`), `Flusher` the far side, which lives in another process or thread.
"""

from __future__ import annotations

import heapq
import os
import random
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import fsspec
from fsspec.spec import AbstractFileSystem

LOOK_S = 0.02


class LateFolder(AbstractFileSystem):  # type: ignore[misc]
    """Writes into `inbox`, reads from `seen`: folders of the one it is given."""

    protocol = "late"
    cachable = False

    @staticmethod
    def _parts(path: str) -> tuple[Path, str]:
        root, _, name = path.partition("/target")
        return Path(root), name.strip("/")

    def _seen(self, path: str) -> Path:
        root, name = self._parts(path)
        return root / "seen" / name

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        root, name = self._parts(path)
        made = root / "making" / uuid.uuid4().hex
        made.write_bytes(value)
        made.rename(root / "inbox" / f"{time.time_ns()}.{quote(name, safe='')}")

    def put_file(self, lpath: str, rpath: str, *_: Any, **__: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def cat_file(self, path: str, *_: Any, **__: Any) -> bytes:
        return self._seen(path).read_bytes()

    def get_file(self, rpath: str, lpath: str, *_: Any, **__: Any) -> None:
        Path(lpath).write_bytes(self._seen(rpath).read_bytes())

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        rows = []
        with os.scandir(self._seen(path)) as entries:
            for entry in entries:
                kind = "directory" if entry.is_dir() else "file"
                rows.append({"name": f"{path}/{entry.name}", "type": kind, "size": entry.stat().st_size})
        return rows if detail else [row["name"] for row in rows]

    def rm_file(self, path: str) -> None:
        self._seen(path).unlink(missing_ok=True)


def register() -> None:
    """Let fsspec know `late://`."""
    fsspec.register_implementation("late", LateFolder, clobber=True)


def url_of(root: Path) -> str:
    """The address of the target in this folder."""
    return f"late://{root}/target"


class Flusher:
    """Makes each object visible `longest_s` after it was put at most, in the order of its own dice. `late` counts objects,
    `reordered` those that became visible before one that was put earlier."""

    def __init__(self, root: Path, longest_s: float, seed: int) -> None:
        self.root, self.longest_s = root, longest_s
        self.flushed = self.reordered = 0
        self._draw = random.Random(seed)
        self._due: list[tuple[float, str]] = []
        self._known: set[str] = set()
        self._newest = ""
        self._over = threading.Event()
        for name in ("making", "inbox", "seen"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def step(self) -> None:
        """Take up what came, show what is due."""
        now = time.monotonic()
        for name in os.listdir(self.root / "inbox"):
            if name not in self._known:
                self._known.add(name)
                heapq.heappush(self._due, (now + self._draw.uniform(0, self.longest_s), name))
        while self._due and self._due[0][0] <= now:
            _, name = heapq.heappop(self._due)
            self._known.discard(name)
            to = self.root / "seen" / unquote(name.partition(".")[2])
            to.parent.mkdir(parents=True, exist_ok=True)
            (self.root / "inbox" / name).rename(to)
            self.flushed += 1
            self.reordered += name < self._newest
            self._newest = max(self._newest, name)

    def run(self) -> None:
        while not self._over.wait(LOOK_S):
            self.step()

    def stop(self) -> None:
        self._over.set()


@contextmanager
def late_target(root: Path, longest_s: float, seed: int) -> Iterator[Flusher]:
    """The far side of a target in `root`, in a thread, while the block runs."""
    register()
    flusher = Flusher(root, longest_s, seed)
    thread = threading.Thread(target=flusher.run, name="late target")
    thread.start()
    try:
        yield flusher
    finally:
        flusher.stop()
        thread.join()
