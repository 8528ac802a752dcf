"""Describes view functions for the OpenAPI document; a test compares it with the routes and answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from app.web.openapi.schemas import Schema, Shape, schema_of

JSON = "application/json"
UNCHANGED = {304: "没有变化"}
_FORM, _FILES = "application/x-www-form-urlencoded", "multipart/form-data"
_View = TypeVar("_View", bound=Callable[..., Any])


def describe(
    summary: str,
    response: Schema | str | Sequence[str],
    *,
    on: str = "",
    status: int = 200,
    query: Mapping[str, Shape] | None = None,
    headers: Mapping[str, Shape] | None = None,
    json: Schema | None = None,
    form: Schema | None = None,
    files: Schema | None = None,
    is_body_optional: bool = False,
    also: Mapping[int, str | Schema] | None = None,
    is_page: bool = False,
) -> Callable[[_View], _View]:
    """Describe a view function, or with ``on`` one of its methods.

    ``response`` is the schema of its JSON, or the media types of its file. ``json``, ``form`` and ``files``
    are the request bodies. ``also`` are other responses by status: a description, or a schema. ``is_page``:
    a browser may open the URL and then gets errors as a page.
    """
    responses: dict[str, Any] = {str(status): {"description": "成功", "content": _content(response)}}
    failure = {"$ref": f"#/components/responses/{'FailureOrPage' if is_page else 'Failure'}"}
    for code, other in (also or {}).items():
        text = other if isinstance(other, str) else "成功" if code < 400 else "没有成功"
        content = {} if isinstance(other, str) else {"content": _content(other)}
        responses[str(code)] = {"description": text, **content}
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {**responses, "4XX": failure, "5XX": failure},
    }
    if parameters := [*_parameters("query", query), *_parameters("header", headers)]:
        operation["parameters"] = parameters
    bodies = {JSON: json, _FORM: form, _FILES: files}
    if content := {kind: {"schema": schema} for kind, schema in bodies.items() if schema}:
        operation["requestBody"] = {"required": not is_body_optional, "content": content}

    def decorate(view: _View) -> _View:
        vars(view).setdefault("operations", {})[on] = operation
        return view

    return decorate


def operation_of(view: Callable[..., Any], method: str) -> dict[str, Any] | None:
    """The description of a view function called with this method; None when it has none."""
    operations: dict[str, dict[str, Any]] = vars(view).get("operations", {})
    return operations.get(method, operations.get(""))


def body_schema(view: Callable[..., Any], method: str) -> Schema:
    """The schema of the JSON that a view function takes; empty when it has none."""
    content = (operation_of(view, method) or {}).get("requestBody", {}).get("content", {})
    schema: Schema = content.get(JSON, {}).get("schema", {})
    return schema


def query_of(view: Callable[..., Any], method: str) -> dict[str, Schema]:
    """The schemas of the query parameters that a view function takes, by name."""
    parameters = (operation_of(view, method) or {}).get("parameters", ())
    return {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}


def is_body_optional(view: Callable[..., Any], method: str) -> bool:
    """Whether a view function may be called without a body."""
    return not (operation_of(view, method) or {}).get("requestBody", {}).get("required", True)


def _content(response: Schema | str | Sequence[str]) -> dict[str, Any]:
    if isinstance(response, dict):
        return {JSON: {"schema": response}}
    return {kind: {} for kind in ([response] if isinstance(response, str) else response)}


def _parameters(location: str, shapes: Mapping[str, Shape] | None) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": location, "schema": schema_of(shape)} for name, shape in (shapes or {}).items()
    ]
