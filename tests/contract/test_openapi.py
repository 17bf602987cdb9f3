"""The OpenAPI document: as recorded, and whole (summary, schema, errors, examples, for every route)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
from api_document import shape_of

from crypto_dt_source.api.app import create_app
from crypto_dt_source.api.deps import Interval
from crypto_dt_source.model.candle import INTERVAL_MS

SNAPSHOT = Path(__file__).with_name("openapi.json")


@cache
def document() -> dict[str, Any]:
    made: dict[str, Any] = create_app().openapi()
    return made


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """`GET /api/prices` and what the document says of it."""
    for path, found in document()["paths"].items():
        for method, operation in found.items():
            yield f"{method.upper()} {path}", operation


def test_document_is_as_recorded() -> None:
    recorded = json.loads(SNAPSHOT.read_text())
    made = json.loads(json.dumps(shape_of(document())))
    assert made == recorded, "if the change is meant, run .venv/bin/python tools/make_openapi.py"


def test_operation_says_what_it_does() -> None:
    silent = []
    for name, operation in operations():
        silent += [
            f"{name}: {part}" for part in ("summary", "description", "tags") if not operation.get(part)
        ]
        for parameter in operation.get("parameters", ()):
            described = parameter.get("description")
            shown = parameter["schema"].get("examples") or parameter.get("example")
            silent += [f"{name}: {parameter['name']}"] if not (described and shown) else []
    assert silent == []


def test_operation_has_its_errors_in_the_one_shape() -> None:
    ill = []
    fits = jsonschema_rs.validator_for(
        {"$ref": "#/components/schemas/ErrorBody", "components": document()["components"]}
    )
    for name, operation in operations():
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        if not {"413", "504"} <= set(errors) or ("422" in errors) < bool(operation.get("parameters")):
            ill.append(f"{name}: {sorted(errors)}")
        for status, answer in errors.items():
            body = answer["content"]["application/json"]
            in_shape = body["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
            told = body["example"]["code"] in answer["description"]
            if not (in_shape and told and fits.is_valid(body["example"])):
                ill.append(f"{name}: {status}")
    assert ill == []


def test_example_answer_fits_its_schema_and_leaves_nothing_undescribed() -> None:
    components = closed(document()["components"])
    ill = []
    for name, operation in operations():
        answers = [answer for status, answer in operation["responses"].items() if status < "400"]
        if not answers:
            ill.append(f"{name}: no answer")
        for answer in answers:
            if "application/json" not in answer["content"]:
                ill += [f"{name}: {kind}" for kind, of in answer["content"].items() if not of["example"]]
                continue
            example = answer["content"]["application/json"]["example"]
            validator = jsonschema_rs.validator_for(
                {**closed(answer["content"]["application/json"]["schema"]), "components": components}
            )
            ill += [f"{name}: {error.message}" for error in validator.iter_errors(example)]
    assert ill == []


def closed(schema: Any) -> Any:
    """The same schema with no room for fields it does not name."""
    if isinstance(schema, dict):
        found = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            found["additionalProperties"] = False
        return found
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def test_no_answer_is_an_untyped_object() -> None:
    for name, schema in document()["components"]["schemas"].items():
        for field, of in schema.get("properties", {}).items():
            items = of.get("items", of)
            loose = items.get("type") == "object" and items.get("additionalProperties") in (True, None)
            assert not loose or (name, field) == ("ErrorBody", "details"), f"{name}.{field}"


def test_every_schema_is_used() -> None:
    text = json.dumps(document())
    for name in document()["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_intervals_are_those_of_the_model() -> None:
    assert list(Interval.__origin__.__args__) == list(INTERVAL_MS)  # type: ignore[attr-defined]
