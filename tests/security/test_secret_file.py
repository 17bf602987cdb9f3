"""The secret of an installation: one for all processes, whole or not there, for its owner alone."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from crypto_dt_source.security import secret_file
from crypto_dt_source.security.secret_file import SecretFileError, load_or_make

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="rights of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "jwt.key"


def put(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def modes(path: Path) -> tuple[int, int]:
    return stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_it_is_made_once_for_its_owner_alone(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = load_or_make(path)
    finally:
        os.umask(before)
    assert len(made) == 32
    assert load_or_make(path) == made
    assert path.read_text() == made.hex() + "\n"
    assert modes(path) == (0o600, 0o700)
    assert [found.name for found in path.parent.iterdir()] == ["jwt.key"]
    assert load_or_make(path.with_name("other.key")) != made


@pytest.mark.parametrize("size", [16, 64])
def test_of_another_size(path: Path, size: int) -> None:
    assert len(load_or_make(path, size)) == size
    with pytest.raises(SecretFileError, match="32 bytes in hex"):
        load_or_make(path, 32)


def test_a_folder_that_is_there_keeps_its_rights(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    load_or_make(path)
    assert modes(path) == (0o600, 0o755)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_file_put_there_by_hand_is_read(path: Path, end: bytes) -> None:
    put(path, b"0A" * 32 + end)
    assert load_or_make(path) == b"\n" * 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o666, 0o777])
def test_a_file_that_others_may_open_is_refused(path: Path, mode: int) -> None:
    put(path, b"0a" * 32, mode)
    with pytest.raises(SecretFileError, match=f"others may read it .mode {mode:04o}.; chmod 600") as refused:
        load_or_make(path)
    assert str(path) in str(refused.value)
    assert "0a0a" not in str(refused.value)
    assert path.read_bytes() == b"0a" * 32


WRONG = [
    b"",
    b"\n",
    b"0a" * 31,
    b"0a" * 33,
    b"0a" * 31 + b"0",
    b"0a" * 31 + b"zz",
    b"\0" * 64,
    b" " + b"0a" * 32,
]
WRONG += [
    b"0a " * 32,
    b"0a" * 32 + b"\n\n",
    b"0a" * 32 + b" ",
    "０".encode() * 64,
    b"0a" * 1_000_000,
    b"\xff" * 64,
]


@pytest.mark.parametrize("content", WRONG, ids=lambda content: f"{content[:6]!r}{len(content)}")
def test_wrong_content_is_refused_and_kept(path: Path, content: bytes) -> None:
    put(path, content)
    with pytest.raises(SecretFileError, match="does not hold 32 bytes in hex") as refused:
        load_or_make(path)
    assert str(path) in str(refused.value)
    assert path.read_bytes() == content


def test_what_is_no_regular_file_is_refused_at_once(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SecretFileError, match="not a regular file"):
        load_or_make(path)
    pipe = path.with_name("pipe")
    os.mkfifo(pipe, 0o600)
    with pytest.raises(SecretFileError, match="not a regular file"):
        load_or_make(pipe)
    link = path.with_name("link")
    link.symlink_to(put(path.with_name("there"), b"0a" * 32))
    with pytest.raises(SecretFileError, match="symbolic link"):
        load_or_make(link)
    dangling = path.with_name("dangling")
    dangling.symlink_to(path.with_name("nowhere"))
    with pytest.raises(SecretFileError, match="symbolic link"):
        load_or_make(dangling)
    assert not path.with_name("nowhere").exists()


def test_refusals_leave_no_descriptor_open(path: Path) -> None:
    put(path, b"short")
    opened = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(20):
        with pytest.raises(SecretFileError):
            load_or_make(path)
    assert not opened or len(os.listdir("/proc/self/fd")) == opened


def test_a_file_of_another_user_is_refused_except_to_root(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load_or_make(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(SecretFileError, match="belongs to another user"):
        load_or_make(path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_or_make(path) == made


def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    in_the_way = put(tmp_path / "file", b"")
    with pytest.raises(SecretFileError, match=f"{in_the_way}/jwt.key: the secret cannot be read or made"):
        load_or_make(in_the_way / "jwt.key")


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP, errno.ENOSPC])
def test_a_file_system_that_cannot_is_told_and_nothing_is_left(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(SecretFileError, match=os.strerror(code)):
        load_or_make(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(("code", "told"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_folder_that_cannot_be_synced_counts_only_where_the_disk_fails(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int, told: bool
) -> None:
    sync = os.fsync

    def refused(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refused)
    if told:
        with pytest.raises(SecretFileError, match=os.strerror(code)):
            load_or_make(path)
    else:
        assert len(load_or_make(path)) == 32


def test_it_is_on_the_disk_before_it_has_its_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    sync, link = os.fsync, os.link

    def synced(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append("folder" if folder else f"{os.fstat(descriptor).st_size} bytes")
        sync(descriptor)

    def linked(*names: Path) -> None:
        done.append("name")
        link(*names)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "link", linked)
    load_or_make(path)
    assert done == ["65 bytes", "name", "folder"]


DIES = """
import os, sys
from pathlib import Path
from crypto_dt_source.security import secret_file
name, when = sys.argv[2:]
does = getattr(os, name)
def dies(*given, **named):
    if when == "after":
        does(*given, **named)
    os._exit(9)
setattr(os, name, dies)
secret_file.load_or_make(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("call", "when", "there"),
    [
        ("fsync", "before", False),
        ("link", "before", False),
        ("link", "after", True),
        ("unlink", "before", True),
    ],
)
def test_a_process_that_dies_in_the_middle_leaves_all_or_nothing(
    path: Path, call: str, when: str, there: bool
) -> None:
    died = subprocess.run([sys.executable, "-c", DIES, str(path), call, when], check=False, timeout=60)
    assert died.returncode == 9
    assert len(list(path.parent.glob(".jwt.key.*.tmp"))) == 1
    assert path.exists() == there
    held = path.read_text() if there else None
    made = load_or_make(path)
    assert held in (None, made.hex() + "\n")
    assert load_or_make(path) == made
    assert [found.name for found in path.parent.iterdir()] == ["jwt.key"]
    assert modes(path) == (0o600, 0o700)


RACES = """
import sys
from pathlib import Path
from crypto_dt_source.security.secret_file import load_or_make
print("ready", flush=True)
sys.stdin.readline()
print(load_or_make(Path(sys.argv[1])).hex(), flush=True)
"""


def test_processes_that_start_at_once_share_one(path: Path) -> None:
    command = [sys.executable, "-c", RACES, str(path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    got = {process.communicate(timeout=60)[0].strip() for process in started}
    assert got == {path.read_text().strip()}
    assert [found.name for found in path.parent.iterdir()] == ["jwt.key"]


def test_threads_that_start_at_once_share_one(tmp_path: Path) -> None:
    for turn in range(40):
        path = tmp_path / f"secrets{turn}" / "api[1]*.key"
        barrier = threading.Barrier(8)
        got: list[bytes] = []

        def start(path: Path = path, barrier: threading.Barrier = barrier, got: list[bytes] = got) -> None:
            barrier.wait()
            got.append(load_or_make(path))

        threads = [threading.Thread(target=start) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 8
        assert set(got) == {load_or_make(path)}
        assert len(list(path.parent.iterdir())) == 1


def test_who_loses_the_race_takes_the_winners(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def late(draft: Path, name: Path) -> None:
        put(path, b"0a" * 32)
        link(draft, name)

    monkeypatch.setattr(os, "link", late)
    assert load_or_make(path) == b"\n" * 32
    assert [found.name for found in path.parent.iterdir()] == ["jwt.key"]


def test_a_draft_swept_by_the_winner_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def late(draft: Path, name: Path) -> None:
        put(path, b"0a" * 32)
        secret_file._sweep(path)
        link(draft, name)

    monkeypatch.setattr(os, "link", late)
    assert load_or_make(path) == b"\n" * 32


def test_a_secret_taken_away_while_it_is_made_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", lambda *_: None)
    with pytest.raises(SecretFileError, match="taken away"):
        load_or_make(path)


def test_sweeping_takes_only_drafts_of_this_secret(path: Path) -> None:
    path = path.with_name("a[1]*.key")
    load_or_make(path)
    names = (".a1b.key.0123456789abcdef.tmp", ".other.key.0.tmp", "a[1]*.key.tmp", ".a[1]*.key")
    kept = [put(path.with_name(name), b"x") for name in names]
    swept = put(path.with_name(".a[1]*.key.0123456789abcdef.tmp"), b"x")
    load_or_make(path)
    assert not swept.exists()
    assert all(other.exists() for other in kept)
