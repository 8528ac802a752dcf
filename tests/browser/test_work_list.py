"""The work list of 批量生成: problems of the table by kind, and what is done about all of a kind at once."""

import re
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from playwright.sync_api import Locator, expect

from tools.pages.batch_page import BatchPage, upload
from tools.server_process import ServerProcess

HEADERS = ("提示词", "图片比例", "分辨率", "参考图", "生成数量", "文件名")
# What is wrong, by kind: where, what stands there, and in how many rows.
WRONG = [
    ("图片比例", "7:5", 12),
    ("生成数量", "2张", 9),
    ("提示词", None, 9),
    ("参考图", "logo.png", 32),
    ("分辨率", "8K", 18),
]


def messy_workbook(file: Path) -> Path:
    """800 rows, of which every tenth has something that is to be corrected: 80 cells, 5 kinds."""
    rows: list[dict[str, Any]] = [
        {"提示词": f"雪山 {n}", "图片比例": "16:9", "分辨率": "2K", "文件名": f"图 {n}"} for n in range(800)
    ]
    wrong = [(header, value) for header, value, count in WRONG for _ in range(count)]
    for row, (header, value) in zip(rows[::10], wrong, strict=True):
        row[header] = value
    book = Workbook()
    book.worksheets[0].append(HEADERS)
    for row in rows:
        book.worksheets[0].append([row.get(header) for header in HEADERS])
    book.save(file)
    return file


def lines(batch: BatchPage) -> Locator:
    return batch.page.locator(".report-line")


def line(batch: BatchPage, text: str) -> Locator:
    return lines(batch).filter(has_text=text)


def paste(batch: BatchPage, headers: tuple[str, ...], *rows: tuple[str, ...]) -> None:
    """Paste rows below these headers, and open the list."""
    batch.fill(headers, *rows)
    batch.open_report()


def test_a_messy_table_is_clean_after_one_click_for_each_kind(draft: BatchPage, tmp_path: Path) -> None:
    draft.import_workbook(messy_workbook(tmp_path / "十一月.xlsx"))
    expect(draft.report()).to_have_text("「十一月.xlsx」读到 800 行，80 处要改")
    expect(lines(draft)).to_have_text(
        [
            "参考示例图没有找到「logo.png」× 32换一张…去掉",
            "分辨率「8K」× 181K2K4K全部改",
            "图片比例「7:5」× 121:12:33:23:44:316:99:164:55:421:99:21全部改",
            "生成数量「2张」× 9改成 2",
            "提示词没有填写× 9删掉这些行",
        ]
    )
    toasts = draft.page.locator(".toast")
    for text, fix, words in (
        ("7:5", "全部改", "12 行的图片比例改成了 4:3"),
        ("2张", "改成 2", "9 行的生成数量改成了 2"),
        ("没有填写", "删掉这些行", "已删除 9 行"),
        ("logo.png", "去掉", "32 行去掉了「logo.png」"),
        ("8K", "全部改", "18 行的分辨率改成了 4K"),
    ):
        line(draft, text).get_by_role("button", name=fix).last.click()
        expect(line(draft, text)).to_have_count(0)
        expect(toasts.last).to_contain_text(words)
        bottom = toasts.last.evaluate("(toast) => toast.getBoundingClientRect().bottom")
        strip = draft.page.locator("[data-strip]")
        assert bottom <= strip.evaluate("(strip) => strip.getBoundingClientRect().top")  # no line is covered
    expect(draft.report()).to_have_text("「十一月.xlsx」读到 800 行，没有问题")
    draft.expect_rows(791)
    expect(draft.page.locator("[data-command=next-problem]")).to_be_hidden()
    expect(draft.open_start()).to_contain_text("791 行")


def test_every_action_is_one_step_and_the_list_follows_the_table(draft: BatchPage) -> None:
    paste(
        draft,
        ("提示词", "图片比例", "生成数量"),
        ("甲", "7:5", "2张"),
        ("乙", "7:5", "两张"),
        ("丙", "7:5", "1"),
    )
    expect(draft.report()).to_have_text("5 处要改")
    expect(lines(draft)).to_have_count(3)
    line(draft, "7:5").get_by_role("combobox").select_option("3:4")
    draft.edit_cell(3, "aspect_ratio", "1:1")
    ratio = line(draft, "7:5")
    expect(ratio).to_contain_text("× 2")
    expect(ratio.get_by_role("combobox")).to_have_value("3:4")  # what was chosen stays chosen
    ratio.get_by_role("button", name="全部改").click()
    expect(draft.report()).to_have_text("2 处要改")
    expect(line(draft, "两张")).to_contain_text("改成 2")
    draft.page.locator(".toast").get_by_role("button", name="撤销").click()
    expect(line(draft, "7:5")).to_contain_text("× 2")
    draft.click_command("redo")
    draft.edit_cell(1, "num_images", "3")
    line(draft, "两张").get_by_role("button", name="改成 2").click()
    expect(draft.report()).to_have_text("没有要改的了")
    for row, ratio_now, number in ((1, "3:4", "3"), (2, "3:4", "2"), (3, "1:1", "1")):
        draft.expect_text(row, "aspect_ratio", ratio_now)
        draft.expect_text(row, "num_images", number)


def test_the_foot_says_what_the_dialog_asks_before_and_after_a_size_is_mended(priced: BatchPage) -> None:
    priced.open()
    sizes = ("1:1,2K", "300x300,2K", "300x300,2K", "1024x1024,1K")
    priced.import_csv("提示词,图片比例,分辨率", *(f"猫 {n},{size}" for n, size in enumerate(sizes)))
    priced.wait_until_saved()
    expect(priced.bad_cells()).to_have_count(3)  # one cell of each size
    for text, price in (("", "¥0.22"), ("做不了 300x300", "¥0.66"), ("对不上", "¥0.88")):
        if text:
            line(priced, text).get_by_role("button", name="改").last.click()
            expect(line(priced, text)).to_have_count(0)
            priced.wait_until_saved()
        expect(priced.page.locator("[data-footer-sum]")).to_contain_text(price)
        dialog = priced.open_start()
        expect(dialog.locator("[data-order-yes]")).to_contain_text(price)
        priced.page.keyboard.press("Escape")
    expect(priced.bad_cells()).to_have_count(0)


def test_a_line_leads_to_its_cells_and_mended_rows_go_where_only_those_with_problems_are_shown(
    draft: BatchPage,
) -> None:
    paste(draft, ("提示词", "图片比例"), ("甲", "7:5"), ("长" * 10_001, "1:1"), ("丙", "7:5"))
    expect(line(draft, "超过 10000 字").get_by_role("button")).to_have_count(1)  # nothing but the way there
    for row in (1, 3, 1):
        line(draft, "7:5").locator(".report-item").click()
        expect(draft.cell(row, "aspect_ratio")).to_have_class(re.compile(r"\bis-bad is-active\b"))
    draft.edit_cell(3, "aspect_ratio", "1:1")
    draft.click_command("only-problems")
    draft.expect_rows(2)
    line(draft, "7:5").get_by_role("button", name="改", exact=False).last.click()
    draft.expect_rows(1)
    draft.expect_text(1, "number", "2")
    expect(draft.page.locator("[data-filter]")).to_contain_text("1 行，共 3 行")


def test_each_line_is_one_tab_stop_and_arrows_move_inside(draft: BatchPage) -> None:
    paste(draft, ("提示词", "图片比例", "生成数量"), ("甲", "7:5", "2张"), ("乙", "7:5", "1"))
    keyboard, ratio, number = draft.page.keyboard, line(draft, "7:5"), line(draft, "2张")
    ratio.locator(".report-item").focus()
    keyboard.press("ArrowRight")
    expect(ratio.get_by_role("combobox")).to_be_focused()
    keyboard.press("Tab")
    expect(number.locator(".report-item")).to_be_focused()
    keyboard.press("Shift+Tab")
    expect(ratio.get_by_role("combobox")).to_be_focused()
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    expect(ratio).to_have_count(0)
    expect(number.get_by_role("button", name="改成 2")).to_be_focused()


def test_a_missing_image_is_replaced_in_all_rows_that_name_it(
    draft: BatchPage, shared_server: ServerProcess
) -> None:
    upload(shared_server, "标志.png", "杯子.png")
    paste(draft, ("提示词", "参考图"), ("甲", "logo.png；杯子.png"), ("乙", "logo.png"))
    line(draft, "logo.png").get_by_role("button", name="换一张…").click()
    dialog = draft.page.locator("dialog[data-dialog=references]")
    dialog.locator("[data-picker-search]").fill("")
    dialog.get_by_role("option", name="标志.png").click()
    dialog.get_by_role("button", name="✓ 确认选择").click()
    expect(draft.report()).to_have_text("没有要改的了")
    draft.expect_text(1, "sample_images", "选择 (2)")
    draft.expect_text(2, "sample_images", "选择 (1)")
