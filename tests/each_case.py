"""Thousands of cases of a tenth of a millisecond each: as many tests would take ten times as long to be handed out."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any


def each(name: str, values: Iterable[Any], ids: Callable[[Any], str] = str) -> Callable[[Any], Any]:
    """As `pytest.mark.parametrize` with one argument, in one test: it tells of every case whose assertion fails, by
    `ids`. Another error ends it and has a note of its case. For plain functions that leave nothing behind."""
    cases = list(values)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def of_all(**fixtures: Any) -> None:
            assert cases, "there are no cases"
            failed: dict[str, AssertionError] = {}
            for value in cases:
                try:
                    test(**{name: value}, **fixtures)
                except AssertionError as error:
                    failed[ids(value)] = error
                except BaseException as error:
                    error.add_note(f"in the case {ids(value)}")
                    raise
            if failed:
                told = "\n".join(f"{case}: {error}" for case, error in failed.items())
                raise AssertionError(f"{len(failed)} of {len(cases)} cases:\n{told}") from next(
                    iter(failed.values())
                )

        signature = inspect.signature(test)
        left = [parameter for parameter in signature.parameters.values() if parameter.name != name]
        of_all.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return of_all

    return decorate
