"""Targets in an S3 bucket, against moto's server (https://docs.getmoto.org/). Skipped where moto or s3fs is not installed:
`pip install 'moto[server]' 's3fs'`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crypto_dt_source.store.marker import EMPTIED, admit
from crypto_dt_source.store.targets import MISSING, Target, TargetError

BUCKET = "kept"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("s3fs")
    moto: Any = pytest.importorskip("moto.server")
    found = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    yield f"http://{host}:{port}"
    found.stop()


def _client() -> Any:
    import botocore.session  # type: ignore[import-untyped]

    return botocore.session.get_session().create_client("s3")


@pytest.fixture
def target(server: str, monkeypatch: pytest.MonkeyPatch) -> Target:
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "hunter"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", server),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(name, value)
    _client().create_bucket(Bucket=BUCKET)
    return Target(f"s3://{BUCKET}/in")


async def test_what_is_put_is_there_as_it_was(target: Target, tmp_path: Path) -> None:
    large = bytes(range(256)) * 400
    (tmp_path / "large").write_bytes(large)
    assert await target.folders() == []
    assert await target.sizes("one") == {}
    with pytest.raises(TargetError) as caught:
        await target.get("one/small")
    assert caught.value.kind == MISSING
    # Another process: neither remembers what it listed.
    other = Target(f"s3://{BUCKET}/in")
    assert await other.sizes("one") == {}
    for data in (b"abc", b"abcd", b""):
        await target.put("one/small", data)
        assert await other.get("one/small") == data
    assert await other.sizes("one") == {"small": 0}
    await target.put_file("two/large", tmp_path / "large")
    await other.get_file("two/large", tmp_path / "back", len(large))
    assert (tmp_path / "back").read_bytes() == large
    assert sorted(await target.folders()) == ["one", "two"]
    await admit(target, "ship", used=True)
    await other.remove(["one/small", "one/never", "two/large"])
    assert await target.sizes("one") == {}
    await admit(other, "ship", used=True)
    with pytest.raises(TargetError) as caught:
        await admit(Target(f"s3://{BUCKET}/elsewhere"), "ship", used=True)
    assert caught.value.kind == EMPTIED


async def test_what_cannot_be_reached_is_told_without_a_secret(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TargetError, match="no such bucket") as caught:
        await Target("s3://nowhere/in").put("a/b", b"x")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(TargetError, match="NoCredentials") as refused:
        await Target(f"s3://{BUCKET}/in").put("a/b", b"x")
    assert "hunter" not in f"{caught.value} {refused.value}"
