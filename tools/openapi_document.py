"""The OpenAPI document, and validation of responses against it."""

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator

from app.web.api.openapi import document
from web_app import BLUEPRINTS

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the document."""

    method: str
    path: str
    fields: Schema

    def parameters(self, place: str) -> dict[str, Schema]:
        """Name -> schema of the parameters in ``path`` or ``query``."""
        return {p["name"]: p["schema"] for p in self.fields["parameters"] if p["in"] == place}

    @property
    def bodies(self) -> dict[str, Schema]:
        """Media type -> schema of the request body."""
        content = self.fields.get("requestBody", {}).get("content", {})
        return {kind: described["schema"] for kind, described in content.items()}


class Document:
    """The OpenAPI document, and checks of answers against it."""

    def __init__(self, fields: Schema) -> None:
        self.fields = fields
        self.schemas: dict[str, Schema] = fields["components"]["schemas"]
        self.operations = [
            Operation(
                method, path, {**call, "parameters": item.get("parameters", []) + call.get("parameters", [])}
            )
            for path, item in fields["paths"].items()
            for method, call in item.items()
            if method != "parameters"
        ]

    def find(self, method: str, path: str) -> Operation | None:
        """The operation that a path belongs to, the most literal one."""
        fitting = [o for o in self.operations if o.method == method.lower() and _matches(o.path, path)]
        return min(fitting, key=lambda o: o.path.count("{")) if fitting else None

    def resolve(self, schema: Schema) -> Schema:
        """Follow a ``$ref``."""
        return self.schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def schema_violations(self, schema: Schema, value: Any) -> list[str]:
        """Where a value violates the schema; empty if it is valid."""
        whole = {**schema, "components": self.fields["components"]}
        found = Draft202012Validator(whole).iter_errors(value)
        return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}" for error in found]

    def violations(
        self, operation: Operation, status: int, headers: Mapping[str, str], content: bytes
    ) -> list[str]:
        """How a response violates the document; empty if it is valid."""
        kind = (headers.get("Content-Type") or "").partition(";")[0]
        described = self._answer(operation, status)
        if described is None:
            return [f"{status} is not described"]
        if "content" not in described:
            return []
        if kind not in described["content"]:
            return [f"{kind} instead of {list(described['content'])}"]
        if kind != "application/json":
            return []
        return self.schema_violations(described["content"][kind].get("schema", {}), json.loads(content))

    def _answer(self, operation: Operation, status: int) -> Schema | None:
        answers = operation.fields["responses"]
        found = answers.get(str(status)) or answers.get(f"{status // 100}XX")
        if found and "$ref" in found:
            named: Schema = self.fields["components"]["responses"][found["$ref"].rpartition("/")[2]]
            return named
        return found if found is None else dict(found)


@functools.cache
def api_document() -> Document:
    """The document of the product's routes."""
    app = Flask(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    return Document(document(app))


def _matches(template: str, path: str) -> bool:
    pattern = re.sub(r"\\{record_id\\}", "[0-9]+", re.escape(template))
    pattern = re.sub(r"\\{(key|name)\\}", ".+", pattern)
    return bool(re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", pattern), path))
