"""How the snapshots of the API are made: shared by the tests and by `tools/make_openapi.py`."""

from __future__ import annotations

from typing import Any


def routes_of(document: dict[str, Any]) -> list[str]:
    """`GET /api/prices  Consensus prices`, in the order of the document."""
    return [
        f"{method.upper():6} {path}  {operation['summary']}"
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def shape_of(document: dict[str, Any]) -> dict[str, Any]:
    """The document without recorded examples, whose values change with the simulator, and without the version."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(item) for key, item in value.items() if key != "example"}
        return [bare(item) for item in value] if isinstance(value, list) else value

    shape: dict[str, Any] = bare(document)
    shape["info"].pop("version")
    return shape
