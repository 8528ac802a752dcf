"""Bodies and queries that the document refuses, made from it: each answer names what is wrong."""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

import database
from app.config import Settings
from tests.dump import dump
from tests.web.harness import WebHarness
from tools.openapi_document import Operation, api_document

DOCUMENT = api_document()
UNKNOWN = "没有这样的名字"
TRIED: list[Any] = [None, True, 0, -1, 0.5, 10**19, "", "词", "长" * 20_001, [], ["词"], {}, {"词": []}]
# Rows and changes of rows: their fields are told by row and field.
OF_ROWS = ("#/components/schemas/Row", "#/components/schemas/Changes")
WRITTEN = ["-1", "0", "0.5", "1e3", "２", "9" * 19, "9" * 5_000, "词", "长" * 20_001]  # in a query
QUERIES = [
    (one.method, one.path, name, schema)
    for one in DOCUMENT.operations
    for name, schema in one.parameters("query").items()
    if one.path.startswith("/api/")
]
OPERATIONS = [one for one in DOCUMENT.operations if "properties" in one.bodies.get("application/json", {})]


def least(schema: Any) -> Any:
    """The smallest value that a schema allows."""
    schema = DOCUMENT.resolve(schema)
    for branches in ("anyOf", "oneOf", "allOf"):
        if branches in schema:
            return least(schema[branches][0])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    match kind if isinstance(kind, str) else kind[0]:
        case "object":
            return {name: least(schema["properties"][name]) for name in schema.get("required", ())}
        case "array":
            return [least(schema["items"])] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
    return "x" * schema.get("minLength", 1)


def wrong(schema: Any, field: str) -> Iterator[tuple[Any, str]]:
    """(what a schema refuses, the name of what is wrong): one thing wrong each, of the whole or inside it."""
    if schema.get("$ref") in OF_ROWS:
        return
    kinds = {branch.get("type") for branch in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ()))}
    for value in TRIED:
        is_of_inside = (isinstance(value, dict) and "object" in kinds) or (
            value == ["词"] and "array" in kinds
        )
        if not is_of_inside and DOCUMENT.schema_violations(schema, value):
            yield value, field
    yield from inside(schema, field)


def inside(schema: Any, field: str = "") -> Iterator[tuple[Any, str]]:
    """The same of the values inside an object or an array."""
    schema = DOCUMENT.resolve(schema)
    for branch in (each for name in ("anyOf", "oneOf") for each in schema.get(name, ())):
        yield from inside(branch, field)
    if schema.get("type") == "array":
        yield from (([value], name) for value, name in wrong(schema["items"], field))
    if schema.get("type") != "object":
        return
    valid = least(schema)
    if schema.get("additionalProperties") is False:
        yield {**valid, UNKNOWN: 1}, UNKNOWN
    for name in schema.get("required", ()):
        yield {each: valid[each] for each in valid if each != name}, name
    for name, each in schema.get("properties", {}).items():
        yield from (({**valid, name: value}, named) for value, named in wrong(each, name))


@pytest.fixture(scope="module")
def web(module_settings: Settings) -> WebHarness:
    return WebHarness(module_settings)


@pytest.fixture(scope="module")
def names(web: WebHarness) -> dict[str, Any]:
    """What the parameters of paths are."""
    table = web.post("/api/tables", {"rows": [{"prompt": "猫"}]}, 201)["table"]["id"]
    batch = web.submit([{"prompt": "狗"}])
    return {"table_id": table, "batch_id": batch, "record_id": 1, "person_id": 1, "name": "自己的"}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.method} {each.path}")
def test_what_the_document_refuses_is_refused_by_name_with_nothing_changed(
    web: WebHarness, names: dict[str, Any], operation: Operation
) -> None:
    path = operation.path.format_map({name: names.get(name, "x") for name in operation.parameters("path")})
    wrong_ones = [*inside(operation.bodies["application/json"])]
    with closing(database.connect(web.settings.database)) as db:
        before = dump(db)
        for body, field in wrong_ones:
            answer = web.client.open(path, method=operation.method.upper(), json=body)
            found = answer.get_json()
            assert (answer.status_code, found.get("field")) == (400, field), (body, found)
        assert dump(db) == before


@pytest.mark.parametrize(("method", "path", "name", "schema"), QUERIES, ids=lambda each: str(each)[:40])
def test_a_query_that_the_document_refuses_is_refused_by_name(
    web: WebHarness, names: dict[str, Any], method: str, path: str, name: str, schema: Any
) -> None:
    for written in WRITTEN:
        is_whole = schema["type"] == "integer" and re.fullmatch("[0-9]{1,18}", written)
        if DOCUMENT.schema_violations(schema, int(written) if is_whole else written):
            answer = web.client.open(
                path.format_map(names), method=method.upper(), query_string={name: written}
            )
            found = answer.get_json()
            assert (answer.status_code, found.get("field")) == (400, name), (written[:20], found)
