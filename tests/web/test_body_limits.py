"""Body limits by kind of request."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from app.config import Settings
from app.domain import MAX_ROWS_A_BATCH
from app.web import security
from app.web.security import MAX_UPLOAD_BYTES
from web_app import create_app

_ROW = {
    "prompt": "雪山下的小屋, 清晨, (光线:1.2), [柔和], {列名}, " * 20,
    "negative_prompt": "模糊, 变形, 水印",
    "sample_images": [{"url": f"/samples/files/{n}.png", "filename": f"{n}.png"} for n in range(4)],
    "num_images": 2,
    "filename": "小屋",
}


@pytest.fixture
def client(module_client: FlaskClient) -> FlaskClient:
    return module_client


def limit(client: FlaskClient, target: str, kind: str = "", **headers: str) -> int:
    """The body limit in bytes of a POST with this head."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": target,
        "QUERY_STRING": "",
        "CONTENT_TYPE": kind,
        "HTTP_HOST": "localhost",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        **headers,
    }
    return security.body_limit(client.application, environ)


@pytest.mark.parametrize(
    ("target", "kind", "most"),
    [
        ("/login", "application/x-www-form-urlencoded", security.MAX_OPEN_BYTES),
        ("/language", "multipart/form-data; boundary=x", security.MAX_OPEN_BYTES),
        ("/nowhere", "application/json", security.MAX_OPEN_BYTES),
        ("/", "application/x-www-form-urlencoded", security.MAX_FORM_BYTES),
        ("/", "multipart/form-data; boundary=x", security.MAX_FORM_BYTES),
        ("/api/batches", "application/json", security.MAX_JSON_BYTES),
        ("/api/batches", "application/x-www-form-urlencoded", security.MAX_FORM_BYTES),
        ("/api/sample-images", "multipart/form-data; boundary=x", MAX_UPLOAD_BYTES),
        ("/api/spreadsheet/import", "multipart/form-data; boundary=x", MAX_UPLOAD_BYTES),
    ],
)
def test_each_kind_of_request_has_its_limit(client: FlaskClient, target: str, kind: str, most: int) -> None:
    assert limit(client, target, kind) == most


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_HOST": "evil.example"},
        {"HTTP_HOST": "a b"},
    ],
)
def test_a_cross_site_request_is_limited_to_the_size_of_a_form(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    assert limit(client, "/api/batches", "application/json", **headers) == security.MAX_OPEN_BYTES


def test_with_a_password_only_logged_in_clients_may_send_more(settings: Settings) -> None:
    client = create_app(replace(settings, access_password="open")).test_client()
    upload = ("/api/sample-images", "multipart/form-data; boundary=x")
    assert limit(client, *upload) == security.MAX_OPEN_BYTES
    client.post("/login", data={"password": "open"})
    cookie = client.get("/login").request.headers["Cookie"]
    assert limit(client, *upload, HTTP_COOKIE=cookie) == MAX_UPLOAD_BYTES


def test_an_oversized_form_is_refused_naming_the_limit(client: FlaskClient) -> None:
    answer = client.post("/language", data={"language": "x" * security.MAX_OPEN_BYTES})
    assert answer.status_code == 413
    assert "一次最多 64 KB" in answer.text


def test_a_form_before_the_login_may_have_few_parts(client: FlaskClient) -> None:
    fields = {f"field{number}": "x" for number in range(30)}
    answer = client.post("/language", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 413


@pytest.mark.parametrize("text", ["[" + "[]," * 2_000_000 + "[]]", "[" + "0," * 5_000_000 + "0]"])
def test_excessive_json_values_are_refused_before_parsing(client: FlaskClient, text: str) -> None:
    answer = client.post("/api/batches", data='{"rows": ' + text + "}", content_type="application/json")
    assert answer.status_code == 413
    assert "一次最多 5000 行" in answer.get_json()["error"]


def test_the_maximum_of_rows_with_long_prompts_and_all_fields_is_read(client: FlaskClient) -> None:
    refused = client.post("/api/batches", json={"rows": [_ROW] * MAX_ROWS_A_BATCH, "name": 5})
    assert (refused.status_code, refused.get_json()["field"]) == (400, "name")
