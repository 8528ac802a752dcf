"""批量生成 in Chromium: from a messy workbook to saved images, and back into a workbook."""

import datetime
from collections import Counter
from pathlib import Path
from typing import Any

from openpyxl import Workbook, load_workbook
from playwright.sync_api import expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start_to_end
from tools.server_process import ServerProcess


def messy_workbook(file: Path) -> Path:
    """A realistic workbook: a title, broken headers, ratios converted to times, and two wrong cells."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(("十一月商品图，周五前要",))
    sheet.append((" 提示词 ", "图片\n比例", "分辨率", "数量", "文件名"))
    sheet.append(("江南水乡的清晨", datetime.time(16, 9), "1k", "１", "江南"))
    sheet.append(("雪山脚下的木屋", "7:5", "１K", 1.0, "雪山"))
    sheet.append((None,))
    sheet.append(("一只橘猫打盹", "3：4", "1K", 12, "橘猫"))
    book.save(file)
    return file


def numbered(count: int, *, bad: int = 0) -> list[dict[str, Any]]:
    """Rows for the API; row ``bad`` is refused by the service."""
    return rows_of(*(f"第 {n} 张{'违禁' if n == bad else ''}" for n in range(1, count + 1)))


def test_a_messy_workbook_is_imported_corrected_extended_and_generated(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng, tmp_path: Path
) -> None:
    batch = priced
    batch.open()
    batch.import_workbook(messy_workbook(tmp_path / "十一月.xlsx"))
    expect(batch.report()).to_contain_text("读到 3 行，2 处要改，自动更正 1 处")
    batch.expect_text(1, "aspect_ratio", "16:9")
    expect(batch.bad_cells()).to_have_count(2)
    batch.click_command("next-problem")
    expect(batch.page.locator("[data-footer-error]")).to_contain_text("7:5")

    batch.edit_cell(2, "aspect_ratio", "4：3")
    batch.expect_text(2, "aspect_ratio", "4:3")
    batch.edit_cell(3, "num_images", "2")
    expect(batch.bad_cells()).to_have_count(0)

    batch.click_command("add")
    batch.paste_block(4, "prompt", ("竹林茶室", "", "1：1", "1k"), ('"海边\n灯塔"', "", "9:16", "1K"))
    batch.expect_rows(5)
    batch.expect_text(4, "aspect_ratio", "1:1")

    dialog = batch.open_start()
    expect(dialog.locator("[data-order-yes]")).to_contain_text("6 张 · ¥1.32")
    dialog.get_by_role("button", name="取消").click()
    assert jimeng.submissions == []
    jimeng.latency = 600.0
    batch.start_batch()
    batch.expect_title(r"^\(0/6\)")
    jimeng.latency = 0.1
    for row in range(1, 6):
        batch.wait_for_image(row)
    batch.expect_figures("6 张都做好了.*花了 ¥1.32")
    batch.expect_title("^✓")
    assert jimeng.charges == 6
    assert Counter(path.suffix for path in (server.data_dir / "output").iterdir() if path.is_file()) == {
        ".png": 6
    }


def test_a_dragged_row_moves_on_drop_and_not_on_cancel(draft: BatchPage) -> None:
    draft.fill(("一",), ("二",), ("三",))
    mouse = draft.page.mouse

    def drag_the_first_below_the_second() -> None:
        draft.cell(1, "number").locator("[data-handle]").hover()
        mouse.down()
        box = draft.cell(2, "number").bounding_box()
        assert box
        mouse.move(box["x"] + 10, box["y"] + box["height"] - 2, steps=4)

    drag_the_first_below_the_second()
    draft.page.keyboard.press("Escape")
    mouse.up()
    draft.expect_text(1, "prompt", "一")
    drag_the_first_below_the_second()
    mouse.up()
    draft.expect_text(1, "prompt", "二")
    draft.expect_text(2, "prompt", "一")


def test_results_are_named_after_the_table(priced: BatchPage, server: ServerProcess, tmp_path: Path) -> None:
    priced.open_run(start_to_end(server, numbered(3, bad=2), name="要补的"))
    file = priced.download_results(tmp_path)
    assert file.name == "要补的-结果.xlsx"
    statuses = [row[0] for row in load_workbook(file).worksheets[0].iter_rows(min_row=2, values_only=True)]
    assert len(statuses) == 3


def test_the_table_regains_the_keyboard_after_the_pressed_button_disappears(draft: BatchPage) -> None:
    draft.fill(("一",), ("二",), ("三",), ("四",), ("五",))
    draft.pick_row(1)
    draft.click_command("remove")
    draft.expect_rows(4)
    draft.page.keyboard.press("Control+z")
    draft.expect_rows(5)
    draft.pick_row(1)
    draft.click_command("pick-none")
    draft.page.keyboard.press("Control+y")
    draft.expect_rows(4)
    draft.click_command("undo")
    draft.pick_row(1)
    draft.click_command("remove")
    draft.page.locator(".toast").get_by_role("button", name="撤销").click()
    draft.expect_rows(5)
    draft.page.keyboard.press("Control+y")
    draft.expect_rows(4)
