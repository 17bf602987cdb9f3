"""What lies at a shipping target and is none of ours is passed over."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from crypto_dt_source.clock import SystemClock
from crypto_dt_source.store import StoreError, Write, chain, copies
from crypto_dt_source.store.targets import Target, TargetError

EPOCH = chain.epoch_of(5, "aa")


async def test_strange_names_are_left_out(tmp_path: Path) -> None:
    target = Target(str(tmp_path))
    ref = chain.Ref(f"{EPOCH}/snapshot", 1, "0" * 64)
    manifest = chain.Manifest(chain.FORMAT, EPOCH, 2, 1, "1", ref, (), "")
    for name in ("desktop.ini", "manifest-one", "segment-00000000000001"):
        await target.put(f"{EPOCH}/{name}", msgspec.json.encode(manifest))
    assert await copies.clear_older(target, manifest, None) == 3
    assert chain.seq_of("../../x-\u0664") == -1


def test_a_segment_holds_no_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [[Write("INSERT INTO t VALUES (?)", [(b"\0" * 5000,)])]]
    data = chain.pack(EPOCH, 1, 1, "", batches)
    assert len(data) < 500
    monkeypatch.setattr(chain, "MOST_BYTES", 4000)
    with pytest.raises(StoreError, match="larger than any of ours"):
        chain.unpack(data, EPOCH, 1)
    with pytest.raises(OverflowError):
        chain.pack(EPOCH, 1, 1, "", batches)


async def test_a_claim_above_all_others_ends_the_search(tmp_path: Path) -> None:
    target = Target(str(tmp_path))
    await target.put(f"{chain.CLAIMS}/{'9' * 14}-x", b"")
    with pytest.raises(TargetError, match="no epoch above"):
        await chain.claim(target, SystemClock(), "aa")
