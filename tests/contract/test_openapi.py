"""The OpenAPI document: as recorded, and whole (summary, schema, errors, examples, for every route)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from api_document import shape_of

from crypto_dt_source.api.app import create_app
from crypto_dt_source.api.deps import Interval
from crypto_dt_source.model.candle import INTERVAL_MS

SNAPSHOT = Path(__file__).with_name("openapi.json")
DOCUMENT = create_app().openapi()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def schema_of(answer: dict[str, Any]) -> dict[str, Any]:
    """The schema of an answer with the document's components beside it."""
    return {**answer["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}


def test_document_is_as_recorded() -> None:
    recorded = json.loads(SNAPSHOT.read_text())
    made = json.loads(json.dumps(shape_of(DOCUMENT)))
    assert made == recorded, "if the change is meant, run .venv/bin/python tools/make_openapi.py"


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_says_what_it_does(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"]
    for parameter in operation.get("parameters", ()):
        assert parameter["description"], parameter["name"]
        assert parameter["schema"].get("examples") or parameter.get("example"), parameter["name"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_has_its_errors_in_the_one_shape(name: str) -> None:
    operation = OPERATIONS[name]
    errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
    assert {"413", "504"} <= set(errors)
    assert ("422" in errors) >= bool(operation.get("parameters"))
    for status, answer in errors.items():
        body = answer["content"]["application/json"]
        assert body["schema"] == {"$ref": "#/components/schemas/ErrorBody"}, status
        assert body["example"]["code"] in answer["description"], status
        assert jsonschema_rs.is_valid(schema_of(answer), body["example"]), status


@pytest.mark.parametrize("name", OPERATIONS)
def test_example_answer_fits_its_schema_and_leaves_nothing_undescribed(name: str) -> None:
    answers = [answer for status, answer in OPERATIONS[name]["responses"].items() if status < "400"]
    assert answers
    for answer in answers:
        if "application/json" not in answer["content"]:
            assert all(content["example"] for content in answer["content"].values())
            continue
        example = answer["content"]["application/json"]["example"]
        jsonschema_rs.validate(closed(schema_of(answer)), example)


def closed(schema: Any) -> Any:
    """The same schema with no room for fields it does not name."""
    if isinstance(schema, dict):
        found = {key: closed(value) for key, value in schema.items()}
        if isinstance(schema.get("properties"), dict):
            found["additionalProperties"] = False
        return found
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def test_no_answer_is_an_untyped_object() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for field, of in schema.get("properties", {}).items():
            items = of.get("items", of)
            loose = items.get("type") == "object" and items.get("additionalProperties") in (True, None)
            assert not loose or (name, field) == ("ErrorBody", "details"), f"{name}.{field}"


def test_every_schema_is_used() -> None:
    text = json.dumps(DOCUMENT)
    for name in DOCUMENT["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name


def test_intervals_are_those_of_the_model() -> None:
    assert list(Interval.__origin__.__args__) == list(INTERVAL_MS)  # type: ignore[attr-defined]
