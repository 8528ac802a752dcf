"""The user's own columns, variables, and the prefix and suffix of a table."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Route, expect

from tests.browser.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until

TABLE = """SKU,提示词,文件名,颜色
A-1,一只{颜色}的猫,{SKU}-主图,橘色
A-2,一只{颜色}的猫,{SKU}-主图,
"""


@pytest.fixture
def imported(batch: BatchPage, tmp_path: Path) -> BatchPage:
    """The page with a table of two rows, one of which lacks its colour."""
    import_table(batch, tmp_path)
    return batch


def import_table(batch: BatchPage, folder: Path) -> None:
    file = folder / "新品.csv"
    file.write_text(TABLE, encoding="utf-8")
    batch.import_workbook(file)


def test_an_own_cell_is_edited_undone_and_kept(imported: BatchPage) -> None:
    imported.show_column("SKU")
    imported.edit_cell(1, "column:SKU", "B-7")
    imported.expect_text(1, "column:SKU", "B-7")
    imported.page.keyboard.press("Control+z")
    imported.expect_text(1, "column:SKU", "A-1")
    imported.page.keyboard.press("Control+y")
    imported.wait_until_saved("B-7")
    imported.reload()
    imported.expect_text(1, "column:SKU", "B-7")


def test_a_column_that_appears_while_a_cell_is_edited_keeps_it_open(batch: BatchPage, tmp_path: Path) -> None:
    page, checks = batch.page, list[Route]()
    page.route("**/api/rows/check", lambda route: checks.append(route))
    with page.expect_request("**/api/rows/check"):
        import_table(batch, tmp_path)
    batch.show_column("SKU")
    batch.cell(1, "column:SKU").click()
    page.keyboard.type("B-")
    checks[0].continue_()
    expect(batch.cell(2, "column:颜色")).to_have_class(re.compile("is-bad"))
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    batch.expect_text(1, "column:SKU", "B-7")


def test_cells_show_the_words_that_are_sent_and_their_template_while_edited(imported: BatchPage) -> None:
    imported.expect_text(1, "prompt", "一只橘色的猫")
    imported.expect_text(1, "filename", "A-1-主图")
    imported.cell(1, "prompt").click()
    imported.page.keyboard.press("F2")
    expect(imported.page.locator("[data-table-editor]")).to_have_value("一只{颜色}的猫")


def test_a_brace_offers_the_names_of_variables(imported: BatchPage) -> None:
    imported.cell(1, "negative_prompt").click()
    imported.page.keyboard.type("不要{S")
    expect(imported.page.locator("[data-table-choices] [role=option]")).to_have_text(["{SKU}"])
    imported.page.keyboard.press("Enter")
    imported.page.keyboard.type("标签")
    imported.page.keyboard.press("Enter")
    imported.expect_text(1, "negative_prompt", "不要{SKU}标签")


def test_prefix_and_suffix_surround_every_prompt_and_stay(imported: BatchPage) -> None:
    imported.set_affixes("油画，", "，{SKU}")
    imported.expect_text(1, "prompt", "油画，一只橘色的猫，A-1")
    imported.wait_until_saved("A-1", "油画，")
    imported.reload()
    imported.expect_text(1, "prompt", "油画，一只橘色的猫，A-1")


def test_a_run_and_its_copy_keep_columns_templates_and_prefix(
    imported: BatchPage, demo_server: ServerProcess
) -> None:
    imported.set_affixes("油画，", "")
    imported.edit_cell(2, "column:颜色", "黑色")
    imported.expect_text(2, "prompt", "油画，一只黑色的猫")
    batch_id = imported.start_batch()
    imported.expect_state("已完成")
    records = demo_server.get(f"/api/batches/{batch_id}")["records"]
    assert [record["columns"] for record in records] == [
        {"SKU": "A-1", "颜色": "橘色"},
        {"SKU": "A-2", "颜色": "黑色"},
    ]
    imported.reload()
    imported.expect_text(1, "prompt", "油画，一只橘色的猫")
    imported.expect_text(2, "column:颜色", "黑色")
    imported.copy_to_draft()
    imported.expect_text(1, "prompt", "油画，一只橘色的猫")
    expect(imported.page.locator("[data-command=affixes]")).to_have_text("前缀 ✓")


def width_of(batch: BatchPage, column: str) -> int:
    label = batch.page.locator(f"[data-table-head] .is-{column}")
    return round(float(label.evaluate("label => label.getBoundingClientRect().width")))


def test_columns_are_as_wide_as_they_were_made(batch: BatchPage) -> None:
    page, head = batch.page, batch.page.locator("[data-table-head]")
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("提示词", "文件名"), ("一只橘猫趴在窗台上看雨", "猫" * 20))
    before = width_of(batch, "prompt")
    label = head.locator(".is-prompt").bounding_box()
    assert label
    x, y = label["x"] + label["width"] - 3, label["y"] + label["height"] / 2
    page.mouse.move(x, y)
    expect(page.locator("[data-batch] [data-find]")).to_be_attached()  # the late script runs
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert width_of(batch, "prompt") == before + 60

    batch.cell(1, "resolution").click()
    narrow = width_of(batch, "resolution")
    page.keyboard.press("Alt+Shift+ArrowRight")
    wait_until(lambda: width_of(batch, "resolution") == narrow + 24)

    name = head.locator(".is-filename").bounding_box()
    assert name
    page.mouse.dblclick(name["x"] + name["width"] - 3, y)
    fitted = width_of(batch, "filename")
    assert batch.cell(1, "filename").locator("[data-value]").evaluate("text => text.offsetHeight") < 30

    page.reload()
    batch.wait_until_ready()
    wait_until(lambda: width_of(batch, "prompt") == before + 60)
    assert width_of(batch, "filename") == fitted
    batch.click_command("columns")
    page.get_by_role("menuitem", name="恢复列宽").click()
    assert width_of(batch, "prompt") == before


def test_a_run_leaves_out_columns_without_values_until_they_are_chosen(
    batch: BatchPage, demo_server: ServerProcess
) -> None:
    rows = [{"prompt": "猫", "filename": "一"}, {"prompt": "狗"}]
    batch.open(f"?id={demo_server.post('/api/batches', {'rows': rows})['batch_id']}")
    batch.expect_text(1, "filename", "一")
    expect(batch.cell(1, "negative_prompt")).to_be_hidden()
    expect(batch.cell(1, "sample_images")).to_be_hidden()
    batch.run_button("more").click()
    batch.page.get_by_role("menuitem", name="显示哪些列").click()
    batch.page.get_by_role("menuitemcheckbox", name="负面提示词").click()
    expect(batch.cell(1, "negative_prompt")).to_be_visible()
