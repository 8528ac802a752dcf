"""Labels, URLs, headers, statuses and fields that guides and scripts quote."""

import io
import re
from html.parser import HTMLParser

import pytest
from openpyxl import load_workbook

from app.domain import BatchStatus, Status
from tests.web.harness import WebHarness

PAGES = {"/": "🎨单图生成", "/batch": "📦批量生成", "/records": "📊生成记录", "/samples": "🖼️示例图"}
LABELS = {
    "/batch": (
        *("📂 导入 Excel", "📄 下载模板", "💾 导出当前表格"),
        *("➕ 添加一行", "选择 (0)", "🚀 开始批量生成"),
    ),
    "/": ("选择 (0)", "✓ 确认选择"),
    "/records": ("🔍", "⬇️ 下载", "🗑️ 删除", "加载失败"),
    "/samples": ("🔍",),
}
HEADERS = ("提示词", "负面提示词", "图片比例", "分辨率", "生成数量", "文件名")
RECORD = """
    id created_at prompt negative_prompt aspect_ratio resolution width height num_images seed steps
    sample_images image_path filename batch_id status model error cost pick finished_at thumbnail_url
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


def with_image(web: WebHarness) -> WebHarness:
    web.submit([{"prompt": "猫", "resolution": "1K", "filename": "猫"}])
    web.run()
    return web


@pytest.fixture(scope="module")
def made(module_demo: WebHarness) -> WebHarness:
    """An app with one image."""
    return with_image(module_demo)


@pytest.mark.parametrize("path", LABELS)
def test_labels_quoted_in_guides_are_on_their_pages(made: WebHarness, path: str) -> None:
    shown = made.page(path + "?new=1" * (path == "/batch"))
    assert {*LABELS[path]} <= {*Words(shown).found}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_links_to_every_other(module_demo: WebHarness, page: str) -> None:
    text = module_demo.page(page)
    links = re.findall(r'<a class="topbar-link" href="([^"]+)"[^>]*>(.*?)</a>', text, re.DOTALL)
    assert {path: re.sub(r"<[^>]+>|\s", "", words) for path, words in links} == PAGES
    assert re.search(r'href="([^"]+)"\s+aria-current="page"', text)


@pytest.mark.parametrize("page", PAGES)
def test_the_demo_model_is_named_on_every_page(module_demo: WebHarness, page: str) -> None:
    assert any("演示" in words for words in Words(module_demo.page(page)).found)


def test_template_and_table_have_the_documented_headers(module_demo: WebHarness) -> None:
    book = load_workbook(
        io.BytesIO(module_demo.client.get("/api/spreadsheet/template.xlsx", buffered=True).data)
    )
    [head, *_] = book.worksheets[0].iter_rows(values_only=True)
    assert {*HEADERS, "参考示例图", "种子", "采样步数"} == {*head}
    assert {*HEADERS, "参考示例图"} <= {*Words(module_demo.page("/batch?new=1")).found}


def test_statuses_have_the_documented_names(made: WebHarness) -> None:
    assert [*Status] == ["held", "queued", "running", "success", "failed", "unknown", "cancelled"]
    assert [*BatchStatus] == ["queued", "running", "paused", "finished", "cancelled"]
    [batch] = made.get("/api/batches")["batches"]
    assert batch["counts"] == dict.fromkeys(map(str, Status), 0) | {"success": 1}


def test_records_and_batches_have_the_documented_fields(made: WebHarness) -> None:
    [record] = made.get("/api/records")["records"]
    assert {*RECORD.split()} <= record.keys()
    answer = made.get(f"/api/batches/{record['batch_id']}")
    assert {*BATCH.split()} <= answer["batch"].keys()
    assert {"success", "batch", "version", "records", "log"} <= answer.keys()
    assert {"at", "level", "text", "record_id"} == answer["log"][0].keys()


def test_the_records_table_has_the_documented_columns(made: WebHarness) -> None:
    columns = set(made.select("SELECT * FROM generation_records")[0].keys())
    documented = {*RECORD.split()} - {"cost", "thumbnail_url"}
    assert documented <= columns


def test_unknown_outcomes_use_the_documented_wording(demo: WebHarness) -> None:
    made = with_image(demo)
    words = "结果未知，可能已计费"
    made.execute("UPDATE generation_records SET status = 'unknown', image_path = '', filename = ''")
    made.execute("UPDATE batches SET source = 'single'")
    assert words in Words(made.page("/")).found
    [record] = made.get("/api/records?status=unknown")["records"]
    path = f"/api/batches/{record['batch_id']}/results.xlsx"
    head, line = load_workbook(io.BytesIO(made.client.get(path, buffered=True).data)).worksheets[0].values
    assert dict(zip(head, line, strict=True))["状态"] == words
