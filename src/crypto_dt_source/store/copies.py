"""Whole copies among what is shipped: putting one there, and taking away what it replaces."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from ..clock import Clock
from . import chain, snapshots
from .chain import Manifest, Ref
from .snapshots import View
from .targets import Target, TargetError


async def put_copy(target: Target, clock: Clock, view: View, database: Path, name: str) -> Ref:
    """Ship what `view` sees under a name, and wait until it can be seen there. Closes the view. Raises StoreError."""
    plain = database.with_name(f"{database.name}.{name.rpartition('/')[2]}")
    packed = plain.with_name(plain.name + ".gz")
    try:
        try:
            await asyncio.to_thread(view.copy, plain)
        finally:
            await asyncio.to_thread(view.close)
        sha256 = await asyncio.to_thread(snapshots.pack, plain, packed)
        size = await asyncio.to_thread(snapshots.size_of, packed)
        unpacked = await asyncio.to_thread(snapshots.size_of, plain)
        await target.put_file(name, packed)
        await chain.size_seen(target, clock, name, size)
        return Ref(name, size, sha256, unpacked)
    finally:
        await asyncio.to_thread(_clear, plain, packed)


def _clear(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def names_in(manifest: Manifest) -> set[str]:
    """Every object a manifest needs, itself among them."""
    own = chain.name_of(manifest.epoch, "manifest", manifest.seq)
    return {own, manifest.snapshot.name, *(ref.name for ref in manifest.segments)}


async def clear_older(target: Target, newest: Manifest, before: Manifest | None) -> int:
    """Remove what neither the newest manifest nor the one before needs, of this epoch and older ones; gives how many
    objects. Newer epochs are left alone. A failure leaves the rest for the next time."""
    kept = names_in(newest) | (names_in(before) if before is not None else set())
    from_seq = newest.seq if before is None or before.epoch != newest.epoch else before.seq
    removed = 0
    with suppress(TargetError):
        for epoch in sorted(filter(chain.is_epoch, await target.folders())):
            if epoch > newest.epoch:
                continue
            old = [
                whole
                for name in sorted(await target.sizes(epoch))
                if (whole := f"{epoch}/{name}") not in kept
                and (epoch != newest.epoch or chain.seq_of(name) <= from_seq)
            ]
            await target.remove(old)
            removed += len(old)
        claims = [name for name in await target.sizes(chain.CLAIMS) if name < newest.epoch]
        await target.remove(f"{chain.CLAIMS}/{name}" for name in claims)
    return removed
