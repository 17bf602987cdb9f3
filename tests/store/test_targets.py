"""Targets: a folder and fsspec alike, whole or not at all, and never a secret or a hang."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from crypto_dt_source.store.targets import AT_ONCE, MISSING, Target, TargetError


@pytest.fixture(params=["folder", "file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    if request.param == "memory":
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]
        return Target("memory://bucket/here")
    return Target(f"{'file://' if request.param == 'file' else ''}{tmp_path}/a/b")


async def test_what_is_put_is_there_as_it_was(target: Target, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    await target.put("one/small", b"abc")
    await target.put("one/small", b"abcd")
    await target.put_file("two/large", tmp_path / "large")
    assert await target.get("one/small") == b"abcd"
    await target.get_file("two/large", tmp_path / "back", 100_000)
    assert (tmp_path / "back").read_bytes() == b"x" * 100_000
    assert await target.sizes("one") == {"small": 4}
    assert await target.sizes("nowhere") == {}
    assert sorted(await target.folders()) == ["one", "two"]
    await target.remove(["one/small", "one/never"])
    assert await target.sizes("one") == {}


async def test_what_is_not_there_is_told_apart_from_a_failure(target: Target) -> None:
    with pytest.raises(TargetError) as caught:
        await target.get("none/here")
    assert caught.value.kind == MISSING


async def test_an_empty_target_has_nothing_in_it(target: Target) -> None:
    assert await target.folders() == []


class Broken(MemoryFileSystem):  # type: ignore[misc]
    """Says its address in every error, as drivers do."""

    protocol = "broken"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        raise RuntimeError(f"403 for https://user:hunter2@host/{path}")


async def test_no_error_and_no_name_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    fsspec.register_implementation("broken", Broken, clobber=True)
    target = Target("broken://user:hunter2@host/path?token=hunter3")
    assert target.shown == "broken://host/path"
    with pytest.raises(TargetError) as caught:
        await target.put("a/b", b"")
    assert "hunter" not in f"{caught.value} {caught.value.message}"
    monkeypatch.setattr(Broken, "pipe_file", _speaks)
    with pytest.raises(TargetError) as caught:
        await target.put("a/b", b"")
    assert "hunter" not in f"{caught.value} {caught.value.message}"


def _speaks(*_: Any, **__: Any) -> None:
    raise OSError(-2, "no such host in s3://hunter:2@bucket")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b"),
        ("s3://id:hun/ter+=@bucket/a", "s3://bucket/a"),
        ("ftp://id:hun@t/er@host/a", "ftp://host/a"),
        ("ftp://id:h?u#nter@host/a", "ftp://…"),
        ("s3://bucket/a?mail=b@c&token=hunter", "s3://…"),
        ("hf://datasets/owner/name@main", "hf://…"),
        ("simplecache::s3://id:hunter@bucket/a", "simplecache://…"),
        ("zip://a::s3://id:hunter@bucket/a", "zip://…"),
        ("s3://[hunter/a#hunter", "s3://[hunter/a"),
    ],
)
def test_what_is_shown_holds_no_secret(url: str, shown: str) -> None:
    assert Target(url).shown == shown


async def test_a_target_that_hangs_costs_a_timeout_and_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    target = Target(str(tmp_path), call_s=0.02)
    monkeypatch.setattr(target._files, "read", lambda name: over.wait(10))
    gets = [target.get("x") for _ in range(AT_ONCE + 3)]
    found = await asyncio.gather(*gets, return_exceptions=True)
    assert [type(error) for error in found] == [TargetError] * (AT_ONCE + 3)
    # The threads hang still: nothing more is begun.
    assert sum(thread.name == "target" for thread in threading.enumerate()) == AT_ONCE
    over.set()
    assert await target.get("x") is True
