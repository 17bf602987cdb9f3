"""One line a claim, the same for every benchmark: what was measured, against what, the ratio, the target, the verdict."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One claim. `measured` and `reference` are in `unit`; `ratio` is measured over reference (or the other way round
    where less is better: the target says which)."""

    name: str
    measured: float
    unit: str
    reference_name: str
    reference: float | None
    ratio: float | None
    target: str
    ok: bool

    def __str__(self) -> str:
        against = (
            "" if self.reference is None else f", {self.reference_name} {_shown(self.reference)} {self.unit}"
        )
        ratio = "" if self.ratio is None else f", ratio {self.ratio:.2f}"
        verdict = "PASS" if self.ok else "FAIL"
        return f"{self.name}: {_shown(self.measured)} {self.unit}{against}{ratio}, target {self.target}: {verdict}"


def claim(
    name: str,
    measured: float,
    unit: str,
    reference_name: str,
    reference: float | None,
    ratio: float | None,
    target: str,
    ok: bool,
) -> bool:
    """Print one claim's line; gives `ok` back."""
    print(Line(name, measured, unit, reference_name, reference, ratio, target, ok), flush=True)
    return ok


def _shown(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
