"""A studio of several people, each with a browser."""

from dataclasses import replace
from typing import Any

from flask.testing import FlaskClient

from app.config import Settings
from tests.web.harness import answered
from web_app import create_app

PASSWORD = "开门"


class Office:
    """A server with a password; ``owner`` is the browser of the first person."""

    def __init__(self, settings: Settings) -> None:
        self.settings = replace(settings, access_password=PASSWORD)
        self.app = create_app(self.settings)
        self.owner = self.browser()
        assert log_in(self.owner, PASSWORD) == 302

    def browser(self) -> FlaskClient:
        """One that has not logged in."""
        return self.app.test_client()

    def invite(self, name: str, role: str = "member", **fields: Any) -> tuple[int, str]:
        """Add a person -> id, the path of the invitation."""
        body = {"name": name, "role": role, **fields}
        made = answered(self.owner.post("/api/people", json=body), 201)
        return made["person"]["id"], "/join/" + made["link"].rpartition("/join/")[2]

    def add(self, name: str, role: str = "member", **fields: Any) -> tuple[int, FlaskClient]:
        """Add a person, who joins -> id, their browser."""
        person_id, path = self.invite(name, role, **fields)
        client = self.browser()
        assert join(client, path, name) == 303
        return person_id, client

    def change(self, person_id: int, status: int = 200, **fields: Any) -> dict[str, Any]:
        return answered(self.owner.patch(f"/api/people/{person_id}", json=fields), status)


def log_in(client: FlaskClient, password: str, name: str = "") -> int:
    return client.post("/login", data={"name": name, "password": password}).status_code


def join(client: FlaskClient, path: str, name: str, password: str = "") -> int:
    """Use an invitation; the password is the name twice and a few letters unless it is given."""
    data = {"name": name, "password": password or password_of(name)}
    return client.post(path, data=data).status_code


def password_of(name: str) -> str:
    return f"{name} 的密码 1234"


def me(client: FlaskClient) -> dict[str, Any]:
    person: dict[str, Any] = answered(client.get("/api/me"))["person"]
    return person


def listed(client: FlaskClient, **query: Any) -> list[int]:
    """The ids of the records that a filter finds."""
    return [each["id"] for each in answered(client.get("/api/records", query_string=query))["records"]]


def token_of(client: FlaskClient, **fields: Any) -> dict[str, str]:
    """A new token of who is logged in there, as headers."""
    made = answered(client.post("/api/tokens", json={"name": "n8n", **fields}), 201)
    return {"Authorization": f"Bearer {made['token']}"}
