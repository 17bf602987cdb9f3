"""A mark at each target that is used, so that a disk which is not mounted is told from a target nobody has used yet: both
look empty, and what is written to the first is lost."""

from __future__ import annotations

from .targets import Target, TargetError

MARK = "cdts-target.json"
EMPTIED = "emptied"


class TargetEmptied(TargetError):
    """A target that was used has nothing in it."""

    def __init__(self, target: Target, use: str) -> None:
        super().__init__(
            f"{target.shown} was used and is empty now: is its disk mounted? `cdts db accept {use}` begins anew there",
            kind=EMPTIED,
        )


async def marked(target: Target) -> bool:
    """Whether the mark is there. Raises TargetError."""
    return MARK in await target.sizes("")


async def mark(target: Target) -> None:
    """Take a target as it is, empty or not. Raises TargetError."""
    await target.put(MARK, b'{"of":"crypto-dt-source"}\n')


async def admit(target: Target, use: str, *, used: bool, there: bool | None = None) -> None:
    """Mark a target before it is written to. `use` is backup, ship or archive, `used` whether this database went there
    before, `there` whether what it left is there, None to take any folder for that. Raises TargetEmptied where nothing is,
    TargetError."""
    if await marked(target):
        return
    if used and not (await target.folders() if there is None else there):
        raise TargetEmptied(target, use)
    await mark(target)
