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
from openpyxl import load_workbook

import database
from app.config import Settings
from tests.dump import dump
from tests.web.harness import WebHarness, add_reference, answered
from tools.server_process import ServerProcess
from web_app import create_app

# Routes open to anonymous clients; add one only deliberately.
OPEN = {"GET /login", "POST /login", "GET /static/<path:filename>", "GET /healthz", "POST /language"}
OPEN |= {"POST /logout", "GET /favicon.ico", "GET /readyz", "GET /join/<token>", "POST /join/<token>"}
OPEN |= {f"GET /assets/<version>/{rest}" for rest in ("<locale>/<page>.js", "<names>.css")}
OPEN |= {"GET /assets/<version>/<locale>/<page>/<path:later>.js"}
FILLED = {"record_id": "1", "batch_id": "x", "name": "x.png", "key": "x.png", "filename": "js/core/http.js"}
FILLED |= {"version": "1", "locale": "en", "page": "studio", "later": "ui/lists", "names": "tokens+base"}
FILLED |= {"table_id": "x", "delivery_id": "x", "round_id": "x", "token": "x", "n": "1", "rest": "x"}
FILLED |= {"person_id": "1", "token_id": "1", "session_id": "x"}
PASSWORD_FORM = "POST /r/<token>"  # of a page with no-referrer, for which browsers send "Origin: null"
HOSTILE = (
    "<img src=x onerror=alert(1)>\"'><script>alert(1)</script></textarea><svg onload=x>"
    "{{7*7}}{% raw %}';DROP TABLE generation_records;--../../x%00=1+1"
)


def calls(app: Flask) -> list[tuple[str, str, str]]:
    """(method, URL, name) of every call of every route."""
    return [
        (
            method,
            re.sub(r"<(?:\w+:)?(\w+)>", lambda found: FILLED[found[1]], rule.rule),
            f"{method} {rule.rule}",
        )
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


@pytest.fixture(scope="module")
def app_with_password(module_settings: Settings) -> Flask:
    return create_app(replace(module_settings, access_password="开门"))


@pytest.fixture
def locked(app_with_password: Flask) -> FlaskClient:
    """An anonymous client of a server with a password."""
    return app_with_password.test_client()


@pytest.fixture(scope="module")
def named(module_settings: Settings) -> FlaskClient:
    """A client of a server that is called studio.example."""
    return create_app(replace(module_settings, allowed_hosts=("studio.example",))).test_client()


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
    of_links = {name for name in let_in if f"{name}/".split()[1].startswith("/r/")}  # tests/rounds/
    assert let_in - of_links == OPEN


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
    sentence = "没有登录，或登录过期了，请重新登录"
    assert answer.json == {"success": False, "error": sentence, "login": "/login"}


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


def test_a_logged_in_session_reaches_every_route(settings: Settings) -> None:
    app = create_app(replace(settings, access_password="开门"))
    client = app.test_client()
    client.post("/login", data={"password": "开门"})
    for method, address, name in calls(app):
        if name == "POST /logout":
            continue
        answer = client.open(address, method=method, buffered=True)
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
def test_hosts_are_allowed_by_full_name_or_address(named: FlaskClient, host: str, is_known: bool) -> None:
    assert named.get("/api/models", headers={"Host": host}).status_code == (200 if is_known else 403)


def test_an_unknown_host_is_answered_with_the_setting_to_change(
    module_client: FlaskClient, named: FlaskClient
) -> None:
    host = {"Host": "studio.example:5000"}
    refused = answered(module_client.get("/api/models", headers=host), 403)["error"]
    assert all(
        word in refused for word in ("「studio.example」", "数字地址", ".env", "ALLOWED_HOSTS", "重新启动")
    )
    assert named.get("/api/models", headers=host).status_code == 200


def test_an_unknown_host_reaches_no_route(module_client: FlaskClient) -> None:
    for method, address, name in calls(module_client.application):
        answer = module_client.open(address, method=method, headers={"Host": "rebound.example"})
        assert answer.status_code == 403, name
        answer.close()


@pytest.mark.parametrize(
    "headers",
    [
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
    ],
    ids=str,
)
def test_cross_site_unsafe_requests_are_refused(module_client: FlaskClient, headers: dict[str, str]) -> None:
    changing = [call for call in calls(module_client.application) if call[0] != "GET"]
    assert len(changing) > 15
    if headers == {"Origin": "null"}:
        changing = [call for call in changing if call[2] != PASSWORD_FORM]
    for method, address, name in changing:
        answer = module_client.open(address, method=method, headers=headers)
        assert answer.status_code == 403, name
        assert "别的网站" in answer.text, name


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "none"}], ids=str)
def test_same_site_and_non_browser_requests_are_accepted(
    module_client: FlaskClient, headers: dict[str, str]
) -> None:
    body = {"rows": [{"prompt": "猫"}]}
    assert module_client.post("/api/batches", json=body, headers=headers).status_code == 202


def test_safe_methods_change_nothing(client: FlaskClient, settings: Settings) -> None:
    client.post("/api/batches", json={"rows": [{"prompt": "猫"}]})
    with closing(database.connect(settings.database)) as db:
        before = dump(db)
        for method, address, _ in calls(client.application):
            if method == "GET":
                client.get(address, buffered=True)
        assert dump(db) == before


@pytest.fixture
def breaking(module_settings: Settings) -> FlaskClient:
    """A client of an app with two routes that raise an unexpected error."""

    def breaks() -> str:
        raise ZeroDivisionError("/home/somebody/secret.py")

    app = create_app(module_settings)
    app.view_functions |= {"batch.index": breaks, "api.models.list_models": breaks}
    return app.test_client()


def test_every_answer_forbids_inline_code_sniffing_and_framing(breaking: FlaskClient) -> None:
    client = breaking
    added = add_reference(client, "x.png")
    others = [("GET", added["url"], "a picture"), ("GET", "/nowhere", "404"), ("PUT", "/", "405")]
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


def test_an_unexpected_error_reveals_nothing(breaking: FlaskClient) -> None:
    for path in ("/batch", "/api/models"):
        answer = breaking.get(path)
        assert answer.status_code == 500
        assert "日志" in answer.text
        assert "ZeroDivision" not in answer.text
        assert "secret.py" not in answer.text


@pytest.mark.parametrize(
    "path", ["/api/sample-images", "/api/spreadsheet/import", "/api/records/find-by-file"]
)
def test_an_oversized_upload_is_refused_unread(module_client: FlaskClient, path: str) -> None:
    response = {"CONTENT_LENGTH": str(2**40), "CONTENT_TYPE": "multipart/form-data; boundary=x"}
    answer = module_client.post(path, environ_overrides=response)
    assert answer.status_code == 413
    assert answer.get_json()["error"] == "上传的内容太大，一次最多 64 MB，请压缩或分几次上传"


def test_a_decompression_bomb_is_refused_in_one_sentence(module_client: FlaskClient) -> None:
    size = struct.pack(">II5B", 60_000, 60_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in ((b"IHDR", size), (b"IDAT", zlib.compress(bytes(1_000_000))), (b"IEND", b""))
    )
    answer = module_client.post("/api/sample-images", data={"file": (io.BytesIO(bomb), "x.png")})
    assert answer.status_code in (400, 413)
    assert "图片超过 16,777,216 像素" in answer.get_json()["error"]


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x.png.html", "x.xml", "x.pdf", "x"])
def test_nothing_executable_is_served_from_the_output_folder(module_demo: WebHarness, name: str) -> None:
    for folder in (module_demo.settings.output_dir, module_demo.settings.samples_dir):
        (folder / name).write_bytes(b"<script>alert(1)</script>")
    for address in ("/output/", "/samples/files/", "/samples/thumbnails/"):
        assert module_demo.client.get(address + name).status_code == 404


@pytest.mark.parametrize(
    ("name", "kind"), [("x.png", "image/png"), ("x.jpg", "image/jpeg"), ("x.webp", "image/webp")]
)
def test_html_named_as_an_image_is_served_as_an_image(module_demo: WebHarness, name: str, kind: str) -> None:
    for folder, address in (
        (module_demo.settings.output_dir, "/output/"),
        (module_demo.settings.samples_dir, "/samples/files/"),
    ):
        (folder / name).write_bytes(b"<script>alert(1)</script>")
        answer = module_demo.client.get(address + name, buffered=True)
        assert answer.mimetype == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.fixture(scope="module")
def hostile(module_demo: WebHarness) -> dict[str, Any]:
    """The answer to an order of a server whose user input is all hostile."""
    reference = {"url": add_reference(module_demo.client, HOSTILE)["url"], "filename": HOSTILE}
    row = {"prompt": HOSTILE, "negative_prompt": HOSTILE, "filename": HOSTILE, "resolution": "1K"}
    order = {"rows": [row | {"sample_images": [reference]}, row], "name": HOSTILE}
    ordered: dict[str, Any] = module_demo.post("/api/batches", order, 202)
    module_demo.run()
    module_demo.post("/api/batches", order | {"source": "single"}, 202)
    return ordered


def pages_of(response: dict[str, Any]) -> list[str]:
    batch, record = response["batch_id"], response["records"][0]
    return [
        *("/", f"/?from={record}", "/batch", f"/batch?id={batch}", "/samples", "/login", "/live/status"),
        *(f"/records?record={record}", f"/records?batch_id={batch}&view=grid", "/live/records?trash=1"),
        *("/live/records/batches", f"/live/records/{record}/details"),
        *("/live/results?since=0", "/live/samples", "/usage"),
    ]


def test_user_input_never_becomes_markup(module_client: FlaskClient, hostile: dict[str, Any]) -> None:
    looked_for = [f"/{place}?search=" for place in ("records", "samples", "live/records", "live/samples")]
    written = "%3Cimg src=x onerror=alert(1)%3E%22'%3E%3Cscript%3E"
    for address in [
        *pages_of(hostile),
        *(start + written for start in looked_for),
        f"/records?model={written}",
    ]:
        page = module_client.get(address).text
        assert "<img src=x" not in page, address
        assert "<script>alert" not in page, address
        assert "<svg onload" not in page, address
        assert "49" not in re.findall(r"7\*7|>49<", page), address


def test_user_input_never_leaves_its_folder(module_demo: WebHarness, hostile: dict[str, Any]) -> None:
    settings = module_demo.settings
    record = module_demo.record(hostile["records"][0])
    assert (settings.output_dir / record["filename"]).resolve().parent == settings.output_dir.resolve()
    assert module_demo.client.get(record["url"], buffered=True).content_type == "image/jpeg"
    beside = {settings.database_path.name + end for end in ("", "-wal", "-shm")}
    assert {path.name for path in settings.output_dir.parent.iterdir()} <= {"output", "samples"} | beside


def test_user_input_never_becomes_a_formula(module_demo: WebHarness, hostile: dict[str, Any]) -> None:
    formula = '=HYPERLINK("http://evil.example";"猫")'
    rows = [
        {"prompt": sign + formula, "filename": sign + formula} for sign in ("", "+", "-", "@", "\t", "\r")
    ]
    batch = module_demo.submit(rows, name=formula)
    for how in (
        {"path": f"/api/batches/{batch}/results.xlsx"},
        {"path": f"/api/batches/{hostile['batch_id']}/results.xlsx"},
        {"path": "/api/records/export.xlsx?status=queued,success,running"},
        {"path": "/api/usage/export.xlsx"},
        {"path": "/api/spreadsheet/export", "method": "POST", "json": {"rows": rows}},
    ):
        answer = module_demo.client.open(**how, buffered=True)
        for sheet in load_workbook(io.BytesIO(answer.data)):
            kinds = {cell.data_type for row in sheet.iter_rows() for cell in row}
            assert "f" not in kinds, how


def test_a_refusal_tells_a_stranger_nothing_of_the_state(
    module_client: FlaskClient, locked: FlaskClient
) -> None:
    client = module_client
    for answer in (
        locked.post("/records"),
        locked.get("/records", headers={"Host": "evil.example"}),
        client.get("/records", headers={"Host": "evil.example"}),
        client.post("/language", headers={"Origin": "https://evil.example"}),
        locked.get("/static/nowhere.js"),
        locked.put("/login"),
    ):
        assert answer.status_code in (403, 404, 405)
        assert answer.mimetype == "text/plain"
        assert "演示" not in answer.text
    assert "演示" in client.get("/nowhere").text
