"""Log files: nobody waits, nothing secret, within their room, and there after a kill -9."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source import telemetry
from crypto_dt_source.services.log_files import PIECE_BYTES, QUEUE, LogFiles, read_lines

MB = 1_000_000


def all_lines(files: LogFiles) -> list[dict[str, Any]]:
    return [json.loads(line) for path in files.files() for line in read_lines(path)]


def line(number: int, size: int = 10, second: int = 0) -> dict[str, Any]:
    return {
        "timestamp": f"2026-11-22T06:00:{second:02d}.000000Z",
        "level": "info",
        "component": "test",
        "event": "x" * size,
        "number": number,
    }


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[LogFiles]:
    files = LogFiles(tmp_path / "logs", 1)
    telemetry.keep(files.put)
    yield files
    telemetry.keep_no_more(files.put)
    files.close()


def test_a_line_is_kept_as_it_is_shown_and_no_secret_in_it(kept: LogFiles) -> None:
    telemetry.hide(["a-password-of-theirs"])
    key = "cdts_live_" + "a" * 49
    telemetry.logger("gateway").warning(
        "a stream stopped",
        provider="kraken",
        reason=f"{key} a-password-of-theirs\n",
        tried={("a", 1): key},
        topics=["half a pair \ud800"],
        n=2,
    )
    telemetry.logger("gateway").debug("below the level")
    logging.getLogger("some.library").warning("said a-password-of-theirs")
    kept.close()
    first, second = all_lines(kept)
    assert first["provider"] == "kraken"
    assert first["level"] == "warning"
    assert first["component"] == "gateway"
    assert first["reason"] == r"cdts_live_… …\n"
    assert first["topics"] == r'["half a pair \ud800"]'
    assert first["n"] == 2
    assert key not in str(first)
    assert second["component"] == "some.library"
    assert "password" not in second["event"]
    assert kept.counts == {"warning": 2}
    (path,) = kept.files()
    assert path.stat().st_mode & 0o077 == 0
    telemetry.hide([])


def test_the_oldest_file_leaves_when_there_is_no_room(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, 1)
    for number in range(3000):
        files.put(line(number, 600))
    files.close()
    found = [row["number"] for row in all_lines(files)]
    assert files.size_bytes() <= MB
    assert len(files.files()) > 1
    assert found == list(range(found[0], 3000))
    assert found[0] > 0
    assert files.dropped == 0


def test_nobody_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, 1)
    with files._files:
        begun = time.perf_counter()
        for number in range(2 * QUEUE + 10):
            files.put(line(number))
        assert time.perf_counter() - begun < 1
        assert files.waiting <= QUEUE
        assert files.dropped >= 10
    files.close()
    assert len(all_lines(files)) + files.dropped == 2 * QUEUE + 10


def test_a_full_disk_costs_lines_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = LogFiles(tmp_path, 1)

    def full(handle: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        files._write(b"{}\n", 3)
    assert (files.dropped, files.error) == (3, os.strerror(errno.ENOSPC))
    files.put(line(1))
    files.close()
    assert files.error is None
    assert [row["number"] for row in all_lines(files)] == [1]


def test_a_line_beyond_its_bound_is_cut_to_its_message(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, 1)
    files.put({**line(1), "many": "y" * PIECE_BYTES})
    files.close()
    ((made),) = all_lines(files)
    assert made["cut"] is True
    assert "many" not in made


def test_without_room_lines_are_only_counted(tmp_path: Path) -> None:
    files = LogFiles(tmp_path / "logs", 0)
    files.put(line(1))
    files.close()
    assert files.counts == {"info": 1}
    assert not (tmp_path / "logs").exists()


def test_lines_from_before_a_time_are_deleted(tmp_path: Path) -> None:
    files = LogFiles(tmp_path, 1)
    for second in range(4):
        files.put(line(second, second=second))
    files.close()
    before = 1_795_327_200_000 + 2000
    gone = files.delete(before)
    assert gone.lines == 2
    assert [row["number"] for row in all_lines(files)] == [2, 3]
    assert files.delete(before).lines == 0
    assert files.delete().lines == 2
    assert files.files() == []


CHILD = """
import sys, time
from pathlib import Path
from crypto_dt_source.services.log_files import LogFiles
files = LogFiles(Path(sys.argv[1]), 8)
for number in range(10**9):
    files.put({"level": "info", "number": number, "at": time.monotonic()})
    if number == 2000:
        print("logging", flush=True)
    while files.waiting > 100:
        pass
"""


def test_a_killed_process_loses_at_most_its_last_second(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        killed = time.monotonic()
        child.kill()
    files = LogFiles(tmp_path, 8)
    rows = []
    for path in files.files():
        for raw in read_lines(path):
            try:
                rows.append(json.loads(raw))
            except ValueError:
                continue
    assert [row["number"] for row in rows] == list(range(len(rows)))
    assert killed - rows[-1]["at"] < 1
