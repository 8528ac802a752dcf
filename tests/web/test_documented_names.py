"""Labels, URLs, headers, statuses and fields that guides and scripts quote."""

import io
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Status
from app.images.filenames import is_taken
from app.worker.worker import Worker
from web_app import create_app

PAGES = {"/": "🎨单图生成", "/batch": "📦批量生成", "/records": "📊生成记录", "/samples": "🖼️示例图"}
LABELS = {
    "/batch": (
        "📂 导入 Excel",
        "📄 下载模板",
        "💾 导出当前表格",
        "➕ 添加一行",
        "选择 (0)",
        "🚀 开始批量生成",
    ),
    "/": ("选择 (0)", "✓ 确认选择"),
    "/records": ("🔍", "⬇️ 下载", "🗑️ 删除", "加载失败"),
    "/samples": ("🔍",),
}
HEADERS = ("提示词", "负面提示词", "图片比例", "分辨率", "生成数量", "文件名")
RECORD = """
    id created_at prompt negative_prompt aspect_ratio resolution width height num_images seed steps
    sample_images image_path filename batch_id status model error cost favourite finished_at thumbnail_url
"""
BATCH = """
    id name created_at status paused_reason total counts cost estimated_cost eta_seconds
"""


class Words(HTMLParser):
    """The visible text of every element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_data(self, data: str) -> None:
        if text := data.strip():
            self.found.append(text)


@pytest.fixture
def worker(settings: Settings) -> Worker:
    return Worker(settings)


@pytest.fixture
def empty(settings: Settings, worker: Worker) -> FlaskClient:
    return create_app(settings, worker).test_client()


@pytest.fixture
def client(empty: FlaskClient, worker: Worker, db: database.Connection) -> FlaskClient:
    """A client of an app with one image."""
    database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫", resolution="1K")],
            models=worker.engines.models,
            stems=["猫"],
            is_taken=lambda stem: is_taken(worker.settings.output_dir, stem),
        ),
    )
    assert worker.run_once(db)
    return empty


def get(client: FlaskClient, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    fields: dict[str, Any] = answer.get_json()
    return fields


@pytest.mark.parametrize(("path", "label"), [(path, label) for path in LABELS for label in LABELS[path]])
def test_labels_quoted_in_guides_are_on_their_pages(client: FlaskClient, path: str, label: str) -> None:
    assert label in Words(client.get(path).text).found


def test_empty_pages_use_the_quoted_wording(empty: FlaskClient) -> None:
    assert "暂无记录" in Words(empty.get("/records").text).found


@pytest.mark.parametrize("page", PAGES)
def test_every_page_links_to_every_other(empty: FlaskClient, page: str) -> None:
    text = empty.get(page).text
    links = re.findall(r'<a class="topbar-link" href="([^"]+)"[^>]*>(.*?)</a>', text, re.DOTALL)
    assert {path: re.sub(r"<[^>]+>|\s", "", words) for path, words in links} == PAGES
    assert re.search(r'href="([^"]+)"\s+aria-current="page"', text)


@pytest.mark.parametrize("page", PAGES)
def test_the_demo_model_is_named_on_every_page(empty: FlaskClient, page: str) -> None:
    assert any("演示" in words for words in Words(empty.get(page).text).found)


def test_template_and_table_have_the_documented_headers(empty: FlaskClient) -> None:
    book = load_workbook(io.BytesIO(empty.get("/api/spreadsheet/template.xlsx", buffered=True).data))
    [head, *_] = book.worksheets[0].iter_rows(values_only=True)
    assert {*HEADERS, "参考示例图", "种子", "采样步数"} == {*head}
    assert {*HEADERS, "参考示例图"} <= {*Words(empty.get("/batch").text).found}


def test_statuses_have_the_documented_names(client: FlaskClient) -> None:
    assert [*Status] == ["held", "queued", "running", "success", "failed", "unknown", "cancelled"]
    assert [*BatchStatus] == ["queued", "running", "paused", "finished", "cancelled"]
    [batch] = get(client, "/api/batches")["batches"]
    assert batch["counts"] == dict.fromkeys(map(str, Status), 0) | {"success": 1}


def test_records_and_batches_have_the_documented_fields(client: FlaskClient) -> None:
    [record] = get(client, "/api/records")["records"]
    assert {*RECORD.split()} <= record.keys()
    answer = get(client, f"/api/batches/{record['batch_id']}")
    assert {*BATCH.split()} <= answer["batch"].keys()
    assert {"success", "batch", "version", "records", "log"} <= answer.keys()
    assert {"at", "level", "text", "record_id"} == answer["log"][0].keys()


def test_the_records_table_has_the_documented_columns(db: database.Connection) -> None:
    db.execute("INSERT INTO generation_records (prompt) VALUES ('猫')")
    columns = set(db.execute("SELECT * FROM generation_records").fetchone().keys())
    documented = {*RECORD.split()} - {"cost", "thumbnail_url"}
    assert documented <= columns


def test_unknown_outcomes_use_the_documented_wording(client: FlaskClient, db: database.Connection) -> None:
    words = "结果未知，可能已计费"
    db.execute("UPDATE generation_records SET status = 'unknown', image_path = '', filename = ''")
    db.execute("UPDATE batches SET source = 'single'")
    assert words in Words(client.get("/").text).found
    [record] = get(client, "/api/records?status=unknown")["records"]
    path = f"/api/batches/{record['batch_id']}/results.xlsx"
    head, line = load_workbook(io.BytesIO(client.get(path, buffered=True).data)).worksheets[0].values
    assert dict(zip(head, line, strict=True))["状态"] == words
