"""What shipping keeps at its target, and which of it counts.

    claims/EPOCH            a start took this epoch, and takes over once it has a manifest
    EPOCH/manifest-SEQ      from which objects the database of that moment is made, with their sizes and hashes
    EPOCH/snapshot-SEQ      a whole copy, compressed
    EPOCH/segment-SEQ       the transactions committed since SEQ - 1, in order, and the hash of what came before

An epoch is the time of a start and a word of chance, so two never share a name and nothing is ever written over. Of two
starts the one with the higher epoch is right; what the other still writes lies in its own folder, where no manifest of
the newer names it. A manifest counts when everything it names can be seen with its size and hash; segments count from
there on, as long as each follows the one before.
"""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from ..clock import Clock
from .errors import StoreError
from .sql import Write
from .targets import MISSING, Target, TargetError

FORMAT = 1
CLAIMS = "claims"
SEEN_S = 90.0
"""How long an object may take until it can be seen; longer is a failure."""
LOOK_S = 0.25
LONGEST_LOOK_S = 2.0
MOST_BYTES = 1 << 28
"""Of a segment, packed or unpacked: more rows than may wait are not as much. A larger object is none of ours."""
MOST_MANIFEST_BYTES = 1 << 24
GIVE_BACK_S = 5.0
_DIGITS = 14

_LENGTH = 4
"""Bytes of the length before each transaction."""

Statement = tuple[str, list[list[Any]]]
_transaction = msgspec.msgpack.Decoder(list[Statement])


class Ref(msgspec.Struct, frozen=True):
    """An object by its name at the target. `plain` is how many bytes a snapshot unpacks to, None where an older version
    did not say."""

    name: str
    size: int
    sha256: str
    plain: int | None = None


class Manifest(msgspec.Struct, frozen=True):
    """`segments` are replayed on `snapshot` in this order; the segment `seq` + 1 of the epoch follows where it names
    `last` as the one before. `schema` is the revision of all of it."""

    format: int
    epoch: str
    seq: int
    made_ms: int
    schema: str
    snapshot: Ref
    segments: tuple[Ref, ...]
    last: str


class _Header(msgspec.Struct, frozen=True):
    format: int
    epoch: str
    seq: int
    made_ms: int
    previous: str
    sha256: str


class Segment(NamedTuple):
    """Transactions of one shipment; `sha256` is that of the whole object."""

    seq: int
    made_ms: int
    previous: str
    sha256: str
    transactions: list[list[Statement]]


def name_of(epoch: str, kind: str, seq: int) -> str:
    """`kind` is manifest, snapshot or segment."""
    return f"{epoch}/{kind}-{seq:0{_DIGITS}d}"


def seq_of(name: str) -> int:
    """The number in a name that `name_of` made; -1 for another name."""
    number = name.rpartition("-")[2]
    return int(number) if number.isascii() and number.isdigit() else -1


def epoch_of(at_ms: int, word: str) -> str:
    """Ordered as text by time."""
    return f"{at_ms:0{_DIGITS}d}-{word}"


def is_epoch(name: str) -> bool:
    """Whether a folder at the target is one of ours."""
    at, _, word = name.partition("-")
    return len(at) == _DIGITS and at.isascii() and at.isdigit() and bool(word)


def digest(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def pack(epoch: str, seq: int, made_ms: int, previous: str, transactions: Sequence[Sequence[Write]]) -> bytes:
    """A segment as bytes. Blocks. Raises TypeError or OverflowError for a value that no row holds, and for more than a
    segment may hold."""
    press, parts, size = zlib.compressobj(), [], 0
    for batch in transactions:
        # One by one: the encoder keeps other threads waiting.
        one = msgspec.msgpack.encode([(write.sql, write.rows) for write in batch])
        size += _LENGTH + len(one)
        if size > MOST_BYTES:
            raise OverflowError(f"more than {MOST_BYTES} bytes")
        parts.append(press.compress(len(one).to_bytes(_LENGTH, "big") + one))
    body = b"".join([*parts, press.flush()])
    header = _Header(FORMAT, epoch, seq, made_ms, previous, digest(body))
    return msgspec.json.encode(header) + b"\n" + body


def unpack(data: bytes, epoch: str, seq: int) -> Segment:
    """Undo `pack`. Blocks. Raises StoreError for anything but the segment `seq` of `epoch`, whole."""
    head, found, body = data.partition(b"\n")
    try:
        header = msgspec.json.decode(head, type=_Header)
        if not found or header.format != FORMAT or (header.epoch, header.seq) != (epoch, seq):
            raise StoreError(f"segment {seq} of {epoch} is another object")
        if digest(body) != header.sha256:
            raise StoreError(f"segment {seq} of {epoch} is damaged")
        press = zlib.decompressobj()
        plain = press.decompress(body, MOST_BYTES)
        if not press.eof:
            raise StoreError(f"segment {seq} of {epoch} ends early or is larger than any of ours")
        transactions = []
        at = 0
        while at < len(plain):
            start = at + _LENGTH
            at = start + int.from_bytes(plain[at:start], "big")
            transactions.append(_transaction.decode(plain[start:at]))
    except (msgspec.MsgspecError, zlib.error, UnicodeDecodeError) as error:
        raise StoreError(f"segment {seq} of {epoch} cannot be read: {error}") from error
    return Segment(seq, header.made_ms, header.previous, digest(data), transactions)


async def put_seen(target: Target, clock: Clock, name: str, data: bytes) -> None:
    """Store bytes and wait until they can be read as they are. Raises TargetError."""
    await target.put(name, data)
    async for _ in _looks(clock, name):
        try:
            if await target.get(name) == data:
                return
        except TargetError as error:
            if error.kind != MISSING:
                raise


async def size_seen(target: Target, clock: Clock, name: str, size: int) -> None:
    """Wait until an object of that size can be seen. Raises TargetError."""
    folder, _, last = name.rpartition("/")
    async for _ in _looks(clock, name):
        if (await target.sizes(folder)).get(last) == size:
            return


async def _looks(clock: Clock, name: str) -> AsyncIterator[None]:
    """Times to look; raises TargetError when there have been enough."""
    until, wait_s = clock.monotonic() + SEEN_S, LOOK_S
    while clock.monotonic() < until:
        yield
        await clock.sleep(wait_s)
        wait_s = min(wait_s * 1.5, LONGEST_LOOK_S)
    raise TargetError(f"{name} was stored and cannot be seen after {SEEN_S:g} s")


async def claims(target: Target) -> list[str]:
    """The epochs that were taken, the newest last; older ones may have been cleared away. Raises TargetError."""
    return sorted(filter(is_epoch, await target.sizes(CLAIMS)))


async def highest_claim(target: Target) -> str:
    """The newest epoch that was taken, or an empty text. Raises TargetError."""
    return max(await claims(target), default="")


async def claim(target: Target, clock: Clock, word: str) -> str:
    """Take the highest epoch; gives it once it can be seen and none is higher. Whoever held one before finds this out
    before he confirms anything more. Raises TargetError; nothing is claimed then."""
    tried: list[str] = []
    try:
        while True:
            taken = await highest_claim(target)
            at_ms = max(clock.now_ms(), int(taken.partition("-")[0] or 0) + 1)
            epoch = epoch_of(at_ms, word)
            if not is_epoch(epoch):
                raise TargetError(f"{CLAIMS}/{taken} at the target leaves no epoch above it")
            tried.append(epoch)
            await put_seen(target, clock, f"{CLAIMS}/{epoch}", b"{}\n")
            if await highest_claim(target) == epoch:
                await give_back(target, *tried[:-1])
                return epoch
    except BaseException:
        await give_back(target, *tried)
        raise


async def give_back(target: Target, *epochs: str) -> None:
    """Take claims away under which nothing was put and nothing will be. One that stays, for the target does not answer,
    holds whoever ships up for a while."""
    if epochs:
        with suppress(TargetError, TimeoutError):
            async with asyncio.timeout(GIVE_BACK_S):
                await target.remove(f"{CLAIMS}/{epoch}" for epoch in epochs)


class Above(NamedTuple):
    """What was claimed above an epoch: `begun` is the newest start of those that have shipped something, `claimed` the
    newest of all. `own`: whether the epoch's own claim is there."""

    begun: str | None
    claimed: str | None
    own: bool


async def above(target: Target, epoch: str) -> Above:
    """Which starts are newer than `epoch`. Raises TargetError."""
    there = await claims(target)
    newer = [claim for claim in reversed(there) if claim > epoch]
    for claim in newer:
        if await begun(target, claim):
            return Above(claim, newer[0], epoch in there)
    return Above(None, newer[0] if newer else None, epoch in there)


async def begun(target: Target, epoch: str) -> bool:
    """Whether the start that claimed it has shipped something. Raises TargetError."""
    return any(name.startswith("manifest-") for name in await target.sizes(epoch))


async def manifests(target: Target, below: str) -> AsyncIterator[Manifest]:
    """Manifests whose objects can all be seen, the newest first, of epochs under `below`. Raises TargetError."""
    epochs = sorted(filter(is_epoch, await target.folders()), reverse=True)
    seen: dict[str, dict[str, int]] = {}

    async def visible(ref: Ref) -> bool:
        folder, _, name = ref.name.rpartition("/")
        if folder not in seen:
            seen[folder] = await target.sizes(folder)
        return seen[folder].get(name) == ref.size

    for epoch in epochs:
        if epoch >= below:
            continue
        seen[epoch] = await target.sizes(epoch)
        named = [
            n for n, size in seen[epoch].items() if n.startswith("manifest-") and size <= MOST_MANIFEST_BYTES
        ]
        for name in sorted(named, reverse=True):
            found = await _manifest(target, f"{epoch}/{name}")
            if found is None or found.epoch != epoch:
                continue
            if any(ref.size > MOST_BYTES for ref in found.segments):
                continue
            if all([await visible(ref) for ref in (found.snapshot, *found.segments)]):
                yield found


async def _manifest(target: Target, name: str) -> Manifest | None:
    try:
        data = await target.get(name)
        found = msgspec.json.decode(data, type=Manifest)
    except TargetError as error:
        if error.kind != MISSING:
            raise
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return found if found.format == FORMAT else None


async def has_manifests(target: Target, below: str) -> bool:
    """Whether epochs under `below` have a manifest, be it one that counts or not. Raises TargetError."""
    for epoch in filter(is_epoch, await target.folders()):
        if epoch < below and await begun(target, epoch):
            return True
    return False


async def newest_epoch(target: Target, below: str) -> str | None:
    """The highest epoch under `below` with a manifest that counts. Raises TargetError."""
    async for found in manifests(target, below):
        return found.epoch
    return None


async def unpacked(data: bytes, epoch: str, seq: int) -> Segment:
    """`unpack` in a thread."""
    return await asyncio.to_thread(unpack, data, epoch, seq)
