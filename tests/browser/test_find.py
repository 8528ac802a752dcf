"""Find and replace in all rows of the table of 批量生成, and how much of it is in view."""

import re

from playwright.sync_api import expect

from tools.pages.batch_page import BatchPage


def test_words_are_found_and_replaced_in_rows_out_of_view(draft: BatchPage) -> None:
    """In 300 rows, of which every hundredth speaks of a cat, twice."""
    draft.import_csv(
        "提示词,文件名", *(f"第 {n} 款{'，Cat 与 cat' if n % 100 == 0 else ''},茶" for n in range(1, 301))
    )
    draft.close_strip()
    page, bar = draft.page, draft.page.locator("[data-find]")
    draft.cell(1, "prompt").click()
    page.keyboard.press("Control+f")
    expect(bar.locator("[data-find-words]")).to_be_focused()
    page.keyboard.type("CAT")
    expect(bar.locator("[data-find-count]")).to_have_text("6 处")
    for key, row, place in (
        ("Enter", 100, 1),
        ("Enter", 200, 3),
        ("Shift+Enter", 100, 1),
        ("Shift+Enter", 300, 5),
    ):
        page.keyboard.press(key)
        expect(draft.cell(row, "prompt")).to_have_class(re.compile("is-active"))
        expect(draft.cell(row, "prompt")).to_be_in_viewport()
        expect(bar.locator("[data-find-count]")).to_have_text(f"第 {place} 处，共 6 处")
    assert page.evaluate("CSS.highlights.get('found').size") == 2

    bar.locator("[data-find-with]").fill("狗")
    page.keyboard.press("Enter")  # in this cell, then on to the next
    expect(bar.locator("[data-find-count]")).to_have_text("第 1 处，共 4 处")
    bar.get_by_role("button", name="全部替换（4）").click()
    draft.expect_text(100, "prompt", "第 100 款，狗 与 狗")
    expect(bar.locator("[data-find-count]")).to_have_text("没有找到")
    page.keyboard.press("Control+z")  # all of them are one step
    draft.expect_text(100, "prompt", "第 100 款，Cat 与 cat")
    expect(bar.locator("[data-find-count]")).to_contain_text("共 4 处")
    bar.locator("[data-find-with]").fill("Cat")
    for _ in range(2):  # once they are the same, too
        bar.get_by_role("button", name="全部替换（4）").click()
        draft.expect_text(100, "prompt", "第 100 款，Cat 与 Cat")
    expect(bar.get_by_role("button", name="全部替换（4）")).to_be_enabled()
    bar.locator("[data-find-words]").fill("狗 与 狗")
    page.keyboard.press("Enter")
    draft.expect_text(300, "prompt", "第 300 款，狗 与 狗")
    bar.locator("[data-find-words]").press("Escape")
    expect(bar).to_be_hidden()
    expect(page.locator("[data-table-editor]")).to_be_focused()
