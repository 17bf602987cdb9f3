"""How the service is set: secrets, names that mean nothing, addresses that were replaced."""

from __future__ import annotations

from .finding import ERROR, INFO, WARNING, Finding, Scene

TOLD = 10


async def secrets(at: Scene) -> list[Finding]:
    """Secrets that were given and can be guessed."""
    return [
        Finding(
            "settings.secret_weak",
            ERROR,
            f"{weak.setting} is weak: {weak.reason}",
            "Who guesses it can make tokens or use the API as its owner; production refuses to start with it.",
            "Set 32 random bytes, for example what `openssl rand -hex 32` prints.",
            weak.setting,
        )
        for weak in at.place.weak
    ]


async def unknown(at: Scene) -> list[Finding]:
    """Variables that look like settings and are none."""
    return [
        Finding(
            "settings.unknown",
            WARNING,
            f"{name} is no setting" + (f"; {nearest} is" if nearest else ""),
            "It has no effect; the default holds.",
            "Correct the name, or remove it. docs/reference/settings.md has all of them.",
            name,
        )
        for name, nearest in at.place.unknown[:TOLD]
    ]


async def elsewhere(at: Scene) -> list[Finding]:
    """Providers that are asked at another address than their own."""
    names = at.place.elsewhere
    if not names or (at.rt is not None and at.rt.mode != "live"):
        return []
    return [
        Finding(
            "settings.elsewhere",
            INFO,
            f"{len(names)} providers are asked elsewhere: {', '.join(names[:TOLD])}{' …' if len(names) > TOLD else ''}",
            "What they answer is only as good as who answers there.",
            "Remove CDTS_BASE_URL__… where that is not meant.",
        )
    ]
