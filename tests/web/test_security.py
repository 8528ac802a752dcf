"""Access control: hosts, sites and anonymous clients; security headers."""

import io
import re
import struct
import zlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

import database
from app.config import Settings
from app.worker.worker import Worker
from tests.dump import dump
from tools.noise_images import noise_image
from tools.server_process import ServerProcess
from web_app import create_app

PNG = noise_image("PNG", size=(40, 30))
# Routes open to anonymous clients; add one only deliberately.
OPEN = {"GET /login", "POST /login", "GET /static/<path:filename>", "GET /healthz", "POST /language"}
OPEN |= {"POST /logout", "GET /favicon.ico", "GET /readyz"}
OPEN |= {f"GET /assets/<version>/{rest}" for rest in ("<locale>/<page>.js", "<names>.css")}
OPEN |= {"GET /assets/<version>/<locale>/<page>/<path:late>.js"}
FILLED = {"record_id": "1", "batch_id": "x", "name": "x.png", "key": "x.png", "filename": "js/core/http.js"}
FILLED |= {
    "version": "1",
    "locale": "en",
    "page": "studio",
    "late": "ui/lists",
    "names": "tokens+base",
}
HOSTILE = (
    "<img src=x onerror=alert(1)>\"'><script>alert(1)</script></textarea><svg onload=x>"
    "{{7*7}}{% raw %}';DROP TABLE generation_records;--../../x%00=1+1"
)


def calls(app: Flask) -> list[tuple[str, str, str]]:
    """(method, URL, name) of every call of every route."""
    return [
        (method, _filled(rule), f"{method} {rule.rule}")
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _filled(rule: Rule) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: FILLED[found[1]], rule.rule)


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    app = create_app(settings)
    app.testing = False
    return app.test_client()


@pytest.fixture
def locked(settings: Settings) -> FlaskClient:
    """A server with a password, and an anonymous client."""
    return create_app(replace(settings, access_password="开门")).test_client()


def test_a_public_host_without_a_password_refuses_to_start(tmp_path: Path) -> None:
    response = ServerProcess(tmp_path, host="0.0.0.0").refuses_to_start()
    assert response.startswith("ACCESS_PASSWORD：")


def test_with_a_password_every_route_requires_login(locked: FlaskClient) -> None:
    let_in = set()
    for method, address, name in calls(locked.application):
        answer = locked.open(address, method=method)
        to_login = answer.status_code == 302 and answer.headers["Location"].startswith("/login?next=")
        refused = answer.status_code == 403 and "请重新登录" in answer.text
        if not (to_login or refused):
            let_in.add(name)
        answer.close()
    assert let_in == OPEN


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/live/status", {}),
        ("/api/records", {}),
        ("/batch/dialogs", {"X-Requested-With": "fetch"}),
        ("/model", {"X-Requested-With": "fetch"}),
    ],
)
def test_a_script_learns_where_to_log_in(locked: FlaskClient, path: str, headers: dict[str, str]) -> None:
    answer = locked.get(path, headers=headers)
    assert answer.status_code == 403
    assert answer.json == {
        "success": False,
        "error": "没有登录，或登录过期了，请重新登录",
        "login": "/login",
    }


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "TRACE"])
@pytest.mark.parametrize("path", ["/records", "/api/records", "/output/x.png", "/live/status", "/nowhere"])
def test_no_http_method_bypasses_the_login(locked: FlaskClient, path: str, method: str) -> None:
    answer = locked.open(path, method=method)
    assert answer.status_code in (302, 403)
    assert "Allow" not in answer.headers


@pytest.mark.parametrize(
    "path", ["//records", "/./records", "/login/../records", "/static/../records", "/RECORDS"]
)
def test_no_url_spelling_bypasses_the_login(locked: FlaskClient, path: str) -> None:
    answer = locked.get(path)
    assert answer.status_code in (302, 308, 403, 404)
    assert "generation" not in answer.text


def test_a_logged_in_session_reaches_every_route(locked: FlaskClient) -> None:
    locked.post("/login", data={"password": "开门"})
    for method, address, name in calls(locked.application):
        if name == "POST /logout":
            continue
        answer = locked.open(address, method=method, buffered=True)
        assert "请重新登录".encode() not in answer.data, name
        assert not answer.headers.get("Location", "").startswith("/login"), name
        answer.close()


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost", True),
        ("LocalHost:5000", True),
        ("localhost.", True),
        ("127.0.0.1:65535", True),
        ("127.0.0.1.", True),
        ("[::1]", True),
        ("[::1]:5000", True),
        ("[::ffff:127.0.0.1]", True),
        ("192.168.1.7", True),
        ("studio.example", True),
        ("Studio.Example:8080", True),
        ("studio.example.", True),
        ("a.studio.example", False),
        ("studio.example.evil.example", False),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("evil-localhost", False),
        ("127.0.0.1.evil.example", False),
        ("0x7f000001", False),
        ("2130706433", False),
        ("[::1", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("evil.example/localhost", False),
        ("localhost evil.example", False),
        ("", False),
    ],
)
def test_hosts_are_allowed_by_full_name_or_address(settings: Settings, host: str, is_known: bool) -> None:
    client = create_app(replace(settings, allowed_hosts=("studio.example",))).test_client()
    assert client.get("/api/models", headers={"Host": host}).status_code == (200 if is_known else 403)


def test_an_unknown_host_is_answered_with_the_setting_to_change(settings: Settings) -> None:
    host = {"Host": "mac-studio.local:5000"}
    response = create_app(settings).test_client().get("/api/models", headers=host).get_json()["error"]
    assert all(
        word in response for word in ("「mac-studio.local」", "数字地址", ".env", "ALLOWED_HOSTS", "重新启动")
    )
    known = create_app(replace(settings, allowed_hosts=("mac-studio.local",))).test_client()
    assert known.get("/api/models", headers=host).status_code == 200


def test_an_unknown_host_reaches_no_route(client: FlaskClient) -> None:
    for method, address, name in calls(client.application):
        answer = client.open(address, method=method, headers={"Host": "rebound.example"})
        assert answer.status_code == 403, name
        answer.close()


FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "?"},
    {"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_cross_site_unsafe_requests_are_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    changing = [call for call in calls(client.application) if call[0] != "GET"]
    assert len(changing) > 15
    for method, address, name in changing:
        answer = client.open(address, method=method, headers=headers)
        assert answer.status_code == 403, name
        assert "别的网站" in answer.text, name


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "none"}], ids=str)
def test_same_site_and_non_browser_requests_are_accepted(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    assert client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}, headers=headers).status_code == 202


def test_safe_methods_change_nothing(client: FlaskClient, settings: Settings) -> None:
    client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
    with closing(database.connect(settings.database)) as db:
        before = dump(db)
        for method, address, _ in calls(client.application):
            if method == "GET":
                client.get(address, buffered=True)
        assert dump(db) == before


def test_every_answer_forbids_inline_code_sniffing_and_framing(client: FlaskClient) -> None:
    def breaks() -> str:
        raise ZeroDivisionError("/home/somebody/secret.py")

    client.application.view_functions["batch.index"] = breaks
    added = client.post("/api/sample-images", data={"file": (io.BytesIO(PNG), "x.png")}).get_json()
    others = [
        ("GET", added["images"][0]["url"], "a picture"),
        ("GET", "/nowhere", "404"),
        ("PUT", "/", "405"),
    ]
    others += [("GET", "/api//records", "308"), ("POST", "/api/spreadsheet/import", "400")]
    seen = set()
    for method, address, name in [*calls(client.application), *others]:
        answer = client.open(address, method=method)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy, name
        assert "frame-ancestors 'none'" in policy, name
        assert "unsafe" not in policy, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name
        assert answer.headers["X-Frame-Options"] == "DENY", name
        seen.add(answer.status_code)
        answer.close()
    assert {200, 302, 308, 400, 404, 405, 500} <= seen


def test_an_unexpected_error_reveals_nothing(client: FlaskClient) -> None:
    def breaks() -> str:
        raise ZeroDivisionError("/home/somebody/secret.py")

    client.application.view_functions["batch.index"] = breaks
    client.application.view_functions["api.models.list_models"] = breaks
    for path in ("/batch", "/api/models"):
        answer = client.get(path)
        assert answer.status_code == 500
        assert "日志" in answer.text
        assert "ZeroDivision" not in answer.text
        assert "secret.py" not in answer.text


@pytest.mark.parametrize(
    "path", ["/api/sample-images", "/api/spreadsheet/import", "/api/records/find-by-file"]
)
def test_an_oversized_upload_is_refused_unread(client: FlaskClient, path: str) -> None:
    response = {"CONTENT_LENGTH": str(2**40), "CONTENT_TYPE": "multipart/form-data; boundary=x"}
    answer = client.post(path, environ_overrides=response)
    assert answer.status_code == 413
    assert answer.get_json()["error"] == "上传的内容太大，一次最多 64 MB，请压缩或分几次上传"


def test_a_decompression_bomb_is_refused_in_one_sentence(client: FlaskClient) -> None:
    size = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = PNG[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b""))
    )
    answer = client.post("/api/sample-images", data={"file": (io.BytesIO(bomb), "x.png")})
    assert answer.status_code in (400, 413)
    assert "图片超过 16,777,216 像素" in answer.get_json()["error"]


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x.png.html", "x.xml", "x.pdf", "x"])
def test_nothing_executable_is_served_from_the_output_folder(
    client: FlaskClient, settings: Settings, name: str
) -> None:
    for folder in (settings.output_dir, settings.samples_dir):
        (folder / name).write_bytes(b"<script>alert(1)</script>")
    for address in ("/output/", "/samples/files/", "/samples/thumbnails/"):
        assert client.get(address + name).status_code == 404


@pytest.mark.parametrize(
    ("name", "kind"), [("x.png", "image/png"), ("x.jpg", "image/jpeg"), ("x.webp", "image/webp")]
)
def test_html_named_as_an_image_is_served_as_an_image(
    client: FlaskClient, settings: Settings, name: str, kind: str
) -> None:
    for folder, address in ((settings.output_dir, "/output/"), (settings.samples_dir, "/samples/files/")):
        (folder / name).write_bytes(b"<script>alert(1)</script>")
        answer = client.get(address + name, buffered=True)
        assert answer.mimetype == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture
def hostile(settings: Settings) -> tuple[FlaskClient, dict[str, Any]]:
    """A server whose user input is all hostile."""
    worker = Worker(settings)
    client = create_app(settings, worker).test_client()
    added = client.post("/api/sample-images", data={"file": (io.BytesIO(PNG), HOSTILE)}).get_json()["images"][
        0
    ]
    reference = {"url": added["url"], "filename": HOSTILE}
    row = {"prompt": HOSTILE, "negative_prompt": HOSTILE, "filename": HOSTILE, "resolution": "1K"}
    rows = [row | {"sample_images": [reference]}, row]
    response = client.post("/api/batches", json={"rows": rows, "name": HOSTILE}).get_json()
    with closing(database.connect(settings.database)) as db:
        assert worker.run_once(db)
    client.post("/api/batches", json={"rows": rows, "name": HOSTILE, "source": "single"})
    return client, response


def pages_of(response: dict[str, Any]) -> list[str]:
    batch, record = response["batch_id"], response["records"][0]
    return [
        *("/", f"/?from={record}", "/batch", f"/batch?id={batch}", "/samples", "/login", "/live/status"),
        *(f"/records?record={record}", f"/records?batch_id={batch}&view=grid", "/live/records?trash=1"),
        *("/live/records/batches", f"/live/records/{record}/details"),
        *("/live/results?since=0", "/live/samples", "/usage"),
    ]


def test_user_input_never_becomes_markup(hostile: tuple[FlaskClient, dict[str, Any]]) -> None:
    client, response = hostile
    looked_for = [f"/{place}?search=" for place in ("records", "samples", "live/records", "live/samples")]
    written = "%3Cimg src=x onerror=alert(1)%3E%22'%3E%3Cscript%3E"
    for address in [
        *pages_of(response),
        *(start + written for start in looked_for),
        f"/records?model={written}",
    ]:
        page = client.get(address).text
        assert "<img src=x" not in page, address
        assert "<script>alert" not in page, address
        assert "<svg onload" not in page, address
        assert "49" not in re.findall(r"7\*7|>49<", page), address


def test_user_input_never_leaves_its_folder(
    hostile: tuple[FlaskClient, dict[str, Any]], settings: Settings
) -> None:
    client, response = hostile
    record = client.get(f"/api/records/{response['records'][0]}").get_json()["record"]
    assert (settings.output_dir / record["filename"]).resolve().parent == settings.output_dir.resolve()
    assert client.get(record["url"], buffered=True).content_type == "image/jpeg"
    outside = {path.name for path in settings.output_dir.parent.iterdir()}
    assert outside <= {
        "output",
        "samples",
        *(settings.database_path.name + end for end in ("", "-wal", "-shm")),
    }


def test_user_input_never_becomes_a_formula(hostile: tuple[FlaskClient, dict[str, Any]]) -> None:
    from openpyxl import load_workbook

    client, response = hostile
    formula = '=HYPERLINK("http://evil.example";"猫")'
    rows = [
        {"prompt": sign + formula, "filename": sign + formula} for sign in ("", "+", "-", "@", "\t", "\r")
    ]
    batch = client.post("/api/batches", json={"rows": rows, "name": formula}).get_json()["batch_id"]
    for how in (
        {"path": f"/api/batches/{batch}/results.xlsx"},
        {"path": f"/api/batches/{response['batch_id']}/results.xlsx"},
        {"path": "/api/records/export.xlsx?status=queued,success,running"},
        {"path": "/api/usage/export.xlsx"},
        {"path": "/api/spreadsheet/export", "method": "POST", "json": {"rows": rows}},
    ):
        answer = client.open(**how, buffered=True)
        for sheet in load_workbook(io.BytesIO(answer.data)):
            kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
            assert "f" not in kinds, how


def test_a_refusal_tells_a_stranger_nothing_of_the_state(settings: Settings) -> None:
    locked = create_app(replace(settings, access_password="开门")).test_client()
    for answer in (
        locked.post("/records"),
        locked.get("/records", headers={"Host": "evil.example"}),
        create_app(settings).test_client().get("/records", headers={"Host": "evil.example"}),
        create_app(settings).test_client().post("/language", headers={"Origin": "https://evil.example"}),
        locked.get("/static/nowhere.js"),
        locked.put("/login"),
    ):
        assert answer.status_code in (403, 404, 405)
        assert answer.mimetype == "text/plain"
        assert "演示" not in answer.text
    assert "演示" in create_app(settings).test_client().get("/nowhere").text
