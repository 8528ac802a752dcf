"""The draft of 批量生成: saving, repair when loaded, and errors when it cannot be saved."""

import json

from playwright.sync_api import Page, Position, expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess

_CORNER: Position = {"x": 5, "y": 5}  # of a cell, beside its button
_KEEP_DRAFT = """
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


def keep(batch: BatchPage, *rows: object) -> None:
    """Store these rows as the draft."""
    batch.page.evaluate(_KEEP_DRAFT, json.dumps({"rows": rows}))


def test_a_draft_with_values_of_wrong_types_is_repaired_cell_by_cell(draft: BatchPage) -> None:
    keep(draft, {"prompt": [{"url": "/a", "filename": "甲.png"}], "sample_images": "一只橘猫"}, "只有一句话")
    draft.reload()
    draft.expect_rows(2)
    draft.expect_text(1, "prompt", "甲.png")
    reason = "没有找到示例图「一只橘猫」，请重新选择或先上传"
    expect(draft.cell(1, "sample_images")).to_have_attribute("title", reason)
    draft.expect_text(2, "prompt", "只有一句话")
    expect(draft.notice()).to_have_text("草稿里有 3 格的内容和它的列不符，已改成文字，请核对。")


def test_a_draft_that_cannot_be_saved_is_reported_once_and_saved_later(
    page: Page, shared_server: ServerProcess
) -> None:
    page.add_init_script(_REFUSE_WRITES_WHILE_FULL)
    page.clock.install()
    draft = BatchPage(page, shared_server.address)
    draft.open()
    page.evaluate("window.isFull = true")
    draft.click_command("add")
    draft.edit_cell(1, "prompt", "一只橘猫")
    trouble = page.locator("[data-draft-error]")
    expect(trouble).to_have_text("草稿没有存下来，正在重试。关闭页面前请先导出表格。")
    page.evaluate("window.isFull = false")
    page.clock.fast_forward(3_000)
    draft.wait_until_saved("一只橘猫")
    expect(trouble).to_be_hidden()
    page.evaluate("window.database.close()")  # as the browser does when it needs the space
    draft.edit_cell(1, "prompt", "两只橘猫")
    draft.wait_until_saved("两只橘猫")


def test_a_draft_read_late_is_merged_with_newly_typed_rows(draft: BatchPage) -> None:
    keep(draft, {"prompt": "昨天的"})
    draft.page.add_init_script(_REFUSE_TO_OPEN_WHILE_CLOSED)
    draft.page.clock.install()
    draft.reload()
    trouble = draft.page.locator("[data-draft-error]")
    expect(trouble).to_contain_text("草稿没有存下来")
    draft.click_command("add")
    draft.edit_cell(1, "prompt", "今天的")
    draft.page.evaluate("window.isClosed = false")
    draft.page.clock.fast_forward(3_000)
    draft.expect_rows(2)
    draft.expect_text(1, "prompt", "昨天的")
    draft.expect_text(2, "prompt", "今天的")
    expect(trouble).to_be_hidden()
    draft.wait_until_saved("昨天的", "今天的")


def test_the_last_words_are_kept_when_the_page_is_left_at_once(draft: BatchPage) -> None:
    draft.fill(("第一行", "", "16:9"), ("第二行",))
    for turn, (is_open, is_reloaded) in enumerate(
        ((True, True), (False, True), (True, False), (False, False))
    ):
        words = f"一只橘猫 {turn}"
        draft.cell(2, "prompt").click(position=_CORNER)
        draft.page.keyboard.type(words)
        if not is_open:
            draft.page.keyboard.press("Control+Enter")
        if is_reloaded:
            draft.reload()
        else:
            draft.page.goto(f"{draft.address}/usage")
            draft.open()
        draft.expect_text(2, "prompt", words)
        draft.expect_text(1, "aspect_ratio", "16:9")
