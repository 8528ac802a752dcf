"""The draft of 批量生成: pasting, saving, repair when loaded, and errors when it cannot be saved."""

import json

import pytest
import requests
from playwright.sync_api import Page, Position, expect

from tests.browser.batch_page import BatchPage
from tools.noise_images import noise_image
from tools.server_process import ServerProcess
from tools.waiting import wait_until

CORNER: Position = {"x": 5, "y": 5}  # of a cell, beside its button
KEEP_DRAFT = """
draft => new Promise((resolve, reject) => {
  const request = indexedDB.open("batch", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("kept");
  request.onerror = () => reject(request.error);
  request.onsuccess = () => {
    const transaction = request.result.transaction("kept", "readwrite");
    transaction.objectStore("kept").put(draft, "draft");
    transaction.oncomplete = () => { request.result.close(); resolve(); };
  };
})
"""
_REFUSE_WRITES_WHILE_FULL = """
const put = IDBObjectStore.prototype.put;
IDBObjectStore.prototype.put = function (...given) {
  if (window.isFull) throw new DOMException("full", "QuotaExceededError");
  return put.apply(this, given);
};
const transaction = IDBDatabase.prototype.transaction;
IDBDatabase.prototype.transaction = function (...given) {
  window.database = this;
  return transaction.apply(this, given);
};
"""
_REFUSE_TO_OPEN_WHILE_CLOSED = """
const open = indexedDB.open.bind(indexedDB);
window.isClosed = true;
indexedDB.open = (...given) => {
  if (window.isClosed) throw new DOMException("private", "InvalidStateError");
  return open(...given);
};
"""


def upload(server: ServerProcess, name: str) -> None:
    """Add an image to the library."""
    requests.post(
        f"{server.address}/api/sample-images", files={"file": (name, noise_image("png"))}, timeout=60
    ).raise_for_status()


def copy_and_paste(batch: BatchPage, source: tuple[int, str], target: tuple[int, str]) -> None:
    """Ctrl+C in one cell, Ctrl+V in another."""
    batch.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=batch.address)
    batch.cell(*source).click(position=CORNER)
    batch.page.keyboard.press("Control+c")
    batch.cell(*target).click(position=CORNER)
    batch.page.keyboard.press("Control+v")


def test_references_pasted_into_their_own_column_keep_their_images(
    batch: BatchPage, demo_server: ServerProcess
) -> None:
    upload(demo_server, "杯子.png")
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一只橘猫")
    batch.pick_references(1, "杯子.png")
    batch.click_command("add")
    copy_and_paste(batch, (1, "sample_images"), (2, "sample_images"))
    expect(batch.cell(2, "sample_images").locator("[data-reference-thumbs] img")).to_have_count(1)


def test_a_draft_with_values_of_wrong_types_is_repaired_cell_by_cell(batch: BatchPage) -> None:
    rows = [
        {"prompt": [{"url": "/a", "filename": "甲.png"}], "sample_images": "一只橘猫", "marks": None},
        {
            "prompt": "雪山",
            "seed": 7,
            "sample_images": [{"url": "/samples/files/b.png", "filename": "乙.png"}],
        },
        "只有一句话",
    ]
    batch.page.evaluate(KEEP_DRAFT, json.dumps({"rows": rows}))
    batch.reload()
    batch.expect_rows(3)
    batch.expect_text(1, "prompt", "甲.png")
    expect(batch.cell(1, "sample_images")).to_have_attribute(
        "title", "没有找到示例图「一只橘猫」，请重新选择或先上传"
    )
    batch.expect_text(2, "prompt", "雪山")
    batch.expect_text(2, "seed", "7")
    batch.expect_text(2, "sample_images", "选择 (1)")
    batch.expect_text(3, "prompt", "只有一句话")
    expect(batch.notice()).to_have_text("草稿里有 3 格的内容和它的列不符，已改成文字，请核对。")


def test_a_draft_that_cannot_be_saved_is_reported_once_and_saved_later(
    page: Page, demo_server: ServerProcess
) -> None:
    page.add_init_script(_REFUSE_WRITES_WHILE_FULL)
    batch = BatchPage(page, demo_server.address)
    batch.open()
    page.evaluate("window.isFull = true")
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一只橘猫")
    trouble = page.locator("[data-draft-error]")
    expect(trouble).to_have_text("草稿没有存下来，正在重试。关闭页面前请先导出表格。")
    page.evaluate("window.isFull = false")
    batch.wait_until_saved("一只橘猫")
    expect(trouble).to_be_hidden()


def test_a_closed_indexeddb_is_reopened(page: Page, demo_server: ServerProcess) -> None:
    page.add_init_script(_REFUSE_WRITES_WHILE_FULL)
    batch = BatchPage(page, demo_server.address)
    batch.open()
    page.evaluate("window.database.close()")
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一只橘猫")
    batch.wait_until_saved("一只橘猫")


def test_a_draft_read_late_is_merged_with_newly_typed_rows(batch: BatchPage) -> None:
    batch.page.evaluate(KEEP_DRAFT, json.dumps({"rows": [{"prompt": "昨天的"}]}))
    batch.page.add_init_script(_REFUSE_TO_OPEN_WHILE_CLOSED)
    batch.reload()
    expect(batch.page.locator("[data-draft-error]")).to_contain_text("草稿没有存下来")
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "今天的")
    batch.page.evaluate("window.isClosed = false")
    batch.expect_rows(2)
    batch.expect_text(1, "prompt", "昨天的")
    batch.expect_text(2, "prompt", "今天的")
    wait_until(lambda: batch.page.locator("[data-draft-error]").is_hidden())
    batch.wait_until_saved("昨天的", "今天的")


@pytest.mark.parametrize("is_open", [False, True], ids=["written", "still being typed"])
def test_the_last_words_are_kept_when_the_page_is_left_at_once(batch: BatchPage, is_open: bool) -> None:
    batch.click_command("add")
    for turn in range(5):
        words = f"一只橘猫 {turn}"
        batch.cell(1, "prompt").click(position=CORNER)
        batch.page.keyboard.type(words)
        if not is_open:
            batch.page.keyboard.press("Control+Enter")
        if turn % 2:
            batch.page.goto(f"{batch.address}/usage")
            batch.open()
        else:
            batch.reload()
        batch.expect_text(1, "prompt", words)
