"""The language of responses; the database stores only one."""

import re
import zipfile
from dataclasses import replace
from io import BytesIO
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.domain import ImageRequest, Pick
from app.errors import Billed, ModelError
from app.sheets.headers import RESULT_STATUSES, status_named
from app.web.i18n import english
from tests.core.queue import queue
from tests.core.queue.queue import CAT
from tests.web.harness import answered, import_sheet
from tools.wording import HAN

ENGLISH = {"Accept-Language": "en-GB,en;q=0.9"}


def language_of(client: FlaskClient, accept_language: str = "") -> str:
    text = client.get("/", headers={"Accept-Language": accept_language} if accept_language else {}).text
    return text.partition('<html lang="')[2].partition('"')[0]


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        ("en-US,en;q=0.9", "en"),
        ("fr-FR,fr;q=0.9,en;q=0.5", "en"),
        ("en;q=0.8,zh-CN;q=0.9", "zh-CN"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("fr-FR,fr;q=0.9", "zh-CN"),
        ("*", "zh-CN"),
        ("", "zh-CN"),
    ],
)
def test_the_first_supported_language_of_the_browser_is_used(
    module_client: FlaskClient, accept_language: str, language: str
) -> None:
    assert language_of(module_client, accept_language) == language


def test_the_language_switch_overrides_the_browser_and_returns_to_the_page(client: FlaskClient) -> None:
    page = "http://localhost/records?search=cat"
    answer = client.post("/language", data={"language": "en"}, headers={"Referer": page})
    assert (answer.status_code, answer.location) == (303, "/records?search=cat")
    assert language_of(client, "zh-CN") == "en"
    client.post("/language", data={"language": "zh"})
    assert language_of(client, "en") == "zh-CN"


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_the_name_of_the_language_switch_has_its_visible_text(
    module_client: FlaskClient, language: str
) -> None:
    page = module_client.get("/", headers={"Accept-Language": language}).text
    found = re.search(r'value="(?:zh|en)" lang="[^"]+"\s+aria-label="([^"]+)" title="[^"]+">([^<]+)<', page)
    assert found is not None
    assert found[2] in found[1]


def test_an_unsupported_language_is_not_stored(module_client: FlaskClient) -> None:
    answer = module_client.post("/language", data={"language": "<b>"})
    assert "Set-Cookie" not in answer.headers


def test_scripts_use_the_language_of_the_page(module_client: FlaskClient) -> None:
    scripts = [script_of(module_client, accept_language) for accept_language in ("zh-CN", "en")]
    assert ["跟随系统" in text for text in scripts] == [True, False]
    assert "System" in scripts[1]
    assert module_client.get("/assets/1/fr/studio.js").status_code == 404


def script_of(client: FlaskClient, accept_language: str) -> str:
    page = client.get("/", headers={"Accept-Language": accept_language}).text
    return client.get(page.partition('<script type="module" src="')[2].partition('"')[0]).text


def test_the_api_answers_browsers_in_their_language_and_scripts_in_chinese(
    module_client: FlaskClient,
) -> None:
    body = {"rows": [{"prompt": "猫", "aspect_ratio": "7:5"}]}
    payload = module_client.post("/api/batches", json=body, headers=ENGLISH).get_json()
    assert payload["problems"][0]["error"].startswith("Aspect ratio “7:5” is not supported")
    assert payload["error"].startswith("Row 1: Aspect ratio “7:5”")
    chinese = module_client.post("/api/batches", json=body).get_json()
    assert chinese["error"].startswith("第 1 行：不支持的图片比例")
    error = module_client.get("/api/records/7", headers=ENGLISH).get_json()["error"]
    assert error.startswith("This record does not exist")


def test_a_missing_page_is_reported_in_english(module_client: FlaskClient) -> None:
    answer = module_client.get("/nowhere", headers=ENGLISH)
    assert answer.status_code == 404
    assert "Page not found" in answer.text


def test_a_change_of_language_changes_the_etag(client: FlaskClient) -> None:
    batch_id = client.post("/api/batches", json={"rows": [{"prompt": "猫"}]}).get_json()["batch_id"]
    for address in ("/live/results", f"/api/batches/{batch_id}"):
        tag = client.get(address).headers["ETag"]
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 304
        assert client.get(address, headers={"If-None-Match": tag} | ENGLISH).status_code == 200
    assert {"Accept-Language", "Cookie"} <= set(client.get("/").vary)
    with client.get("/static/favicon.svg") as picture:
        assert "Cookie" not in picture.vary


def test_stored_text_stays_chinese_and_is_shown_in_english(
    client: FlaskClient, db: database.Connection
) -> None:
    batch_id, _ = queue.add(db)
    database.pause_batch(db, batch_id, reason="方舟账户欠费，请充值后继续")
    assert str(database.get_batch(db, batch_id).paused_reason) == "方舟账户欠费，请充值后继续"
    payload = client.get(f"/api/batches/{batch_id}", headers=ENGLISH).get_json()
    reason = payload["batch"]["paused_reason"]
    assert reason == "The Ark account has an overdue balance. Top it up, then resume"
    assert not HAN.search("".join(line["text"] for line in payload["log"]))


def test_a_stored_message_keeps_its_values_for_every_language(
    client: FlaskClient, db: database.Connection
) -> None:
    error = ModelError(
        "连不上 {service}（{reason}）", service="S", reason="R", cause="network", billed=Billed.NO
    )
    batch_id, ids = queue.add(db, replace(CAT, num_images=2))
    queue.end(db, error)
    (line,) = database.list_log(db, batch_id)
    assert database.get_record(db, ids[0]).error == error.message
    assert queue.column(db, "error")[0] == "连不上 S（R）"
    assert str(line.text) == "第 1 行 · 第 1 张：失败，连不上 S（R）"
    shown = client.get(f"/api/batches/{batch_id}", headers=ENGLISH).get_json()
    assert shown["log"][0]["text"] == "Row 1, image 1 failed: 连不上 S（R）"


def test_models_are_described_in_the_language_of_the_request(module_client: FlaskClient) -> None:
    assert module_client.get("/api/models", headers=ENGLISH).get_json()["model"]["label"] == "Demo"
    assert module_client.get("/api/models").get_json()["model"]["label"] == "演示"


def test_import_problems_are_reported_in_english(module_client: FlaskClient) -> None:
    table = "提示词,图片比例\n猫,7:5\n".encode()
    answer = module_client.post(
        "/api/spreadsheet/import", data={"file": (BytesIO(table), "t.csv")}, headers=ENGLISH
    )
    payload = answer.get_json()
    assert payload["problems"][0]["error"].startswith("Aspect ratio “7:5”")
    assert payload["problems"][0]["column"] == "图片比例"
    assert payload["notes"] == ["Missing columns use the defaults: Resolution (2K), Images (1)"]


def test_the_template_is_all_english_for_an_english_browser(module_client: FlaskClient) -> None:
    file = module_client.get("/api/spreadsheet/template.xlsx", headers=ENGLISH)
    assert "filename=batch-template.xlsx" in file.headers["Content-Disposition"]
    workbook = load_workbook(BytesIO(file.data))
    words = [str(cell.value) for sheet in workbook for row in sheet for cell in row if cell.value]
    assert workbook.sheetnames == ["Prompts", "Notes"]
    header = (
        "Prompt, Negative prompt, Aspect ratio, Resolution, Images, File name, Reference images, Seed, Steps"
    )
    assert words[:9] == header.split(", ")
    assert [word for word in words if HAN.search(word)] == []


def words_of(content: bytes) -> list[str]:
    """Every text of a workbook, with the names of its sheets."""
    workbook = load_workbook(BytesIO(content))
    cells = [str(cell.value) for sheet in workbook for row in sheet for cell in row if cell.value]
    return [*workbook.sheetnames, *cells]


@pytest.fixture
def mixed_batch(db: database.Connection) -> str:
    """A batch with one unknown and one queued record, one kept -> its id."""
    batch_id, ids = queue.add(db, *(ImageRequest(prompt=prompt, seed=7) for prompt in ("cat", "dog")))
    unheard = ModelError("请求发出后断开了", cause="network", billed=Billed.UNKNOWN)
    assert database.fail_record(db, queue.charged(db), unheard)
    database.pick_records(db, ids[:1], Pick.KEEP)
    return batch_id


def test_results_are_written_in_the_language_of_the_request_and_imported_in_any(
    client: FlaskClient, mixed_batch: str
) -> None:
    file = client.get(f"/api/batches/{mixed_batch}/results.xlsx", headers=ENGLISH, buffered=True)
    assert [word for word in words_of(file.data) if HAN.search(word)] == []
    again = import_sheet(client, file.data)
    assert [row["status"] for row in again["rows"]] == ["unknown", "queued"]
    assert [row["seed"] for row in again["rows"]] == [7, 7]
    assert {each["column"] for each in again["problems"]} == {"模型"}  # this server does not have it
    assert not any("没有用到" in note for note in again["notes"])


def test_every_status_is_recognised_in_either_language() -> None:
    words = english()
    for status, label in RESULT_STATUSES.items():
        assert status_named(label) is status
        assert status_named(words[label]) is status


@pytest.mark.parametrize("path", ["/api/records/export.xlsx?status=unknown", "/api/usage/export.xlsx"])
def test_record_and_ledger_exports_use_the_language_of_the_request(
    client: FlaskClient, mixed_batch: str, path: str
) -> None:
    english = client.get(path, headers=ENGLISH, buffered=True)
    assert [word for word in words_of(english.data) if HAN.search(word)] == []
    assert "cat" in words_of(english.data)
    assert not HAN.search(unquote(english.headers["Content-Disposition"]))
    assert HAN.search(" ".join(words_of(client.get(path, buffered=True).data)))


def test_streamed_text_uses_the_language_of_the_request(client: FlaskClient, mixed_batch: str) -> None:
    ledger = client.get("/api/usage/export.csv", headers=ENGLISH)
    assert not HAN.search(ledger.text)
    assert "1 charge," in ledger.text.splitlines()[-1]
    assert not HAN.search(unquote(ledger.headers["Content-Disposition"]))
    bundle = client.get("/api/records/archive.zip?status=unknown", headers=ENGLISH, buffered=True)
    with zipfile.ZipFile(BytesIO(bundle.data)) as files:
        assert files.namelist() == ["records.xlsx"]
        assert [word for word in words_of(files.read("records.xlsx")) if HAN.search(word)] == []


def test_the_openapi_document_is_served_in_english(module_client: FlaskClient) -> None:
    text = module_client.get("/api/openapi.json", headers=ENGLISH).text
    assert '"A batch with its records (none with records=0) and log lines that changed after since' in text
    assert not HAN.search(text)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(("records?limit=0", None), ("records?aspect_ratio=7:5", None), ("usage?from=x", None)),
        *(("batches", {"rows": [{"prompt": "", "seed": "x", "number": 0}, 5]}), ("batches", {"rows": 1})),
        *(("records/delete", {"odd": 1}), ("records/pick", {"ids": [1], "pick": 1})),
        ("spreadsheet/export", {"rows": 1}),
    ],
)
def test_refusals_are_answered_in_english(module_client: FlaskClient, path: str, body: object) -> None:
    method = "GET" if body is None else "POST"
    answer = module_client.open(f"/api/{path}", method=method, json=body, headers=ENGLISH)
    fields = answered(answer, 400)
    sentences = [fields["error"], *(problem["error"] for problem in fields.get("problems", []))]
    assert not HAN.search(" ".join(sentences))
