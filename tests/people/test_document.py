"""The answers of the API of people are those of the document at /api/openapi.json."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.people.harness import Office, token_of
from tests.web.harness import answered
from tests.web.openapi.test_openapi import DOCUMENT, name_of, of_people
from tools.openapi_document import Operation

OPERATIONS = [operation for operation in DOCUMENT.operations if of_people(operation)]
Request = Callable[[Office], dict[str, Any]]


def a_token(office: Office) -> dict[str, Any]:
    token_of(office.owner)
    return {"token_id": answered(office.owner.get("/api/tokens"))["tokens"][0]["id"]}


GOOD: dict[str, Request] = {
    "patch /api/me": lambda _: {"json": {"current": "开门", "password": "12345678"}},
    "delete /api/me/sessions/{session_id}": lambda office: {
        "session_id": answered(office.owner.get("/api/me"))["sessions"][0]["id"]
    },
    "post /api/people": lambda _: {"json": {"name": "小周", "role": "viewer", "month_limit": 5}},
    "patch /api/people/{person_id}": lambda _: {"json": {"name": "老板", "active": True}},
    "post /api/tokens": lambda _: {"json": {"name": "n8n", "expires_at": "2099-01-01"}},
    "delete /api/tokens/{token_id}": a_token,
}


@pytest.mark.sqlite
@pytest.mark.parametrize("operation", OPERATIONS, ids=name_of)
def test_a_successful_answer_matches_the_document(office: Office, operation: Operation) -> None:
    office.add("小王")
    a_token(office)
    request = GOOD.get(name_of(operation))
    how = request(office) if request else {}
    names = {"person_id": 1, "token_id": 1, "session_id": "x"}
    path = operation.path.format(**{name: how.pop(name, value) for name, value in names.items()})
    answer = office.owner.open(path, method=operation.method.upper(), **how)
    assert answer.status_code < 300, answer.text
    assert DOCUMENT.violations(operation, answer.status_code, dict(answer.headers), answer.data) == []
