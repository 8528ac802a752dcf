"""The dialog of 交付: what is delivered, made in steps, by profiles of one's own; the contact sheet."""

import io
import zipfile
from typing import Any

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Locator, Page, expect

from tools.pages.pictures_page import made_table
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess

ROWS = 5
KEPT = 3  # of them, the first ones


class DeliveryPage:
    """User actions on the dialog, opened from a table."""

    def __init__(self, page: Page, server: ServerProcess, table_id: str) -> None:
        self.page, self.server, self.table_id = page, server, table_id
        self.dialog = page.locator("dialog[data-dialog=delivery]")
        self.chosen = self.dialog.get_by_role("radio", checked=True)
        self.make = self.dialog.locator("[data-delivery-make]")

    def open(self) -> None:
        self.page.goto(f"{self.server.address}/batch?table={self.table_id}")
        expect(self.page.locator("[data-batch][data-ready]")).to_have_count(1)
        self.choose()

    def choose(self) -> None:
        """Choose 交付… from the menu of the head, by key."""
        self.page.locator("[data-command=more]").press("Enter")
        self.page.locator("[data-more-menu] [data-command=deliver]").press("Enter")
        self.expect_counted()

    def keep(self, *rows: int) -> None:
        """Keep the pictures of rows."""
        made = self.server.get(f"/api/tables/{self.table_id}")["rows"]
        ids = [made[number - 1]["pictures"][0]["record_id"] for number in rows]
        self.server.post("/api/records/pick", {"ids": ids, "pick": "keep"})

    def expect_counted(self) -> None:
        expect(self.dialog.locator("[data-delivery-plan]")).to_have_attribute("aria-busy", "false")
        expect(self.dialog.locator("[data-delivery-source]")).not_to_be_empty()

    def expect_sum(self, text: str) -> None:
        expect(self.dialog.locator(".delivery-sum")).to_contain_text(text)

    def part(self, hook: str) -> Locator:
        return self.dialog.locator(f"[data-{hook}]")


@pytest.fixture
def delivery(page: Page, demo_server: ServerProcess) -> DeliveryPage:
    """The dialog of a table with pictures, of which some are kept; not open yet."""
    rows: list[dict[str, Any]] = [
        {"prompt": f"第 {n} 款茶具", "resolution": "1K", "filename": f"A-{n}", "columns": {"SKU": f"A-{n}"}}
        for n in range(1, ROWS + 1)
    ]
    opened = DeliveryPage(page, demo_server, made_table(demo_server, rows))
    opened.keep(*range(1, KEPT + 1))
    return opened


def test_a_table_is_delivered_by_keys_and_the_focus_comes_back(delivery: DeliveryPage) -> None:
    page = delivery.page
    delivery.open()
    delivery.expect_sum("3 个文件 · 2 行没有留下的图")
    page.keyboard.press("ArrowDown")  # to the next profile
    expect(delivery.part("delivery-example")).to_have_text("名字像这样：白底图/A-1.jpg")
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    with zipfile.ZipFile(started.value.path()) as bundle:
        assert {f"白底图/A-{n}.jpg" for n in range(1, KEPT + 1)} <= {*bundle.namelist()}
    delivery.expect_sum("做好了 3 个文件")
    expect(delivery.part("delivery-groups")).to_contain_text("2 行没有留下的图")  # as before it was made
    expect(delivery.part("delivery-groups")).to_contain_text("3 张不能当白底图")
    expect(delivery.part("delivery-past")).to_contain_text("淘宝/天猫 白底图 3 个")
    page.keyboard.press("Escape")
    expect(page.locator("[data-command=more]")).to_be_focused()
    delivery.choose()
    expect(delivery.chosen).to_have_value("淘宝/天猫 白底图")  # as the last time
    delivery.dialog.locator("[data-delivery-row='5']").press("Enter")
    expect(delivery.dialog).to_be_hidden()
    expect(page.locator("[data-row='5'] .is-active")).to_have_count(1)


def test_only_rows_that_were_chosen_anew_are_delivered_again(delivery: DeliveryPage) -> None:
    delivery.open()
    with delivery.page.expect_download():
        delivery.make.click()
    delivery.expect_sum("做好了 3 个文件")
    delivery.keep(4)
    delivery.page.reload()
    delivery.choose()
    delivery.dialog.get_by_role("button", name="交付后改过 1 → 只交付改过的").click()
    delivery.expect_sum("改过的 1 个文件")
    expect(delivery.part("delivery-example")).to_have_text("名字像这样：主图/A-4.jpg")


def test_files_of_one_name_get_counters_at_a_press(page: Page, demo_server: ServerProcess) -> None:
    rows = [{"prompt": f"同名的第 {n} 款", "resolution": "1K", "filename": "茶具"} for n in (1, 2)]
    delivery = DeliveryPage(page, demo_server, made_table(demo_server, rows))
    delivery.open()
    delivery.expect_sum("0 个文件 · 2 行重名")
    delivery.part("delivery-counters").press("Enter")
    delivery.expect_sum("2 个文件")
    expect(delivery.part("delivery-counters")).to_have_count(0)
    expect(delivery.chosen).to_be_focused()


def test_the_list_of_the_files_has_the_own_columns_that_are_ticked(delivery: DeliveryPage) -> None:
    delivery.open()
    delivery.dialog.get_by_label("SKU").check()
    with delivery.page.expect_download() as started:
        delivery.make.click()
    with zipfile.ZipFile(started.value.path()) as bundle:
        workbook = load_workbook(io.BytesIO(bundle.read("交付清单.xlsx")))
    assert [cell.value for cell in workbook.worksheets[0][1]][-1] == "SKU"


def test_sets_are_delivered_by_product_unless_that_is_switched_off(delivery: DeliveryPage) -> None:
    recipe = {"name": "一张", "roles": [{"role": "正面", "prompt": "{原提示词}", "resolution": "1K"}]}
    delivery.server.post(f"/api/tables/{delivery.table_id}/recipe", {"recipe": recipe})
    delivery.open()
    expect(delivery.part("delivery-example")).to_have_text("名字像这样：A-1/正面.jpg")
    delivery.dialog.get_by_label("一个产品一个文件夹").uncheck()
    expect(delivery.part("delivery-example")).to_have_text("名字像这样：主图/A-1.jpg")


def test_a_lost_connection_is_told_in_the_dialog_and_the_next_press_goes_on(delivery: DeliveryPage) -> None:
    delivery.open()
    delivery.page.route("**/make", lambda route: route.abort())
    delivery.make.click()
    expect(delivery.part("delivery-error")).to_contain_text("连不上服务")
    delivery.expect_sum("0 / 3 个文件 · 停下了")
    delivery.page.unroute("**/make")
    with delivery.page.expect_download():
        delivery.make.click()
    delivery.expect_sum("做好了 3 个文件")
    expect(delivery.part("delivery-error")).to_be_hidden()
    assert len(delivery.server.get(f"/api/deliveries?table={delivery.table_id}")["deliveries"]) == 1


def test_a_profile_is_copied_seen_on_a_real_picture_saved_deleted_and_brought_back(
    delivery: DeliveryPage,
) -> None:
    page, dialog = delivery.page, delivery.dialog
    delivery.open()
    dialog.get_by_role("button", name="复制一份来改").click()
    expect(delivery.part("form-said")).to_contain_text("1024×1024")  # not enlarged
    dialog.get_by_label("宽（像素）").fill("600")
    dialog.get_by_label("高（像素）").fill("400")
    expect(delivery.part("form-said")).to_contain_text("600×400")
    dialog.locator("[name=ground]").select_option("透明")
    expect(delivery.part("form-error")).to_contain_text("JPEG 没有透明")
    expect(dialog.locator("[name=ground]")).to_have_attribute("aria-invalid", "true")
    dialog.locator("[name=ground]").select_option("纯白")
    dialog.get_by_label("图上加").select_option("一行字")
    dialog.get_by_label("文件名", exact=True).fill("图-")
    dialog.get_by_role("button", name="{SKU}").click()
    dialog.get_by_label("规格的名字").fill("客户甲")
    page.keyboard.press("Enter")
    expect(delivery.chosen).to_have_value("客户甲")
    expect(delivery.part("delivery-example")).to_have_text("名字像这样：主图/图-A-1.jpg")
    saved = delivery.server.get("/api/delivery-profiles/客户甲")["profile"]
    assert (saved["width"], saved["height"], saved["overlay"]["position"]) == (600, 400, "bottom-right")
    dialog.get_by_role("button", name="删除").click()
    expect(dialog.locator("input[value=客户甲]")).to_have_count(0)
    dialog.get_by_role("button", name="撤销").click()
    expect(dialog.locator("input[value=客户甲]")).to_be_checked()


def test_chosen_records_are_delivered_as_they_are_chosen(page: Page, archive_server: ServerProcess) -> None:
    records = RecordsPage(page, archive_server.address)
    records.open()
    records.pick(60, 57)
    records.selection_bar().get_by_role("button", name="交付").click()
    dialog = page.locator("dialog[data-dialog=delivery]")
    expect(dialog.locator(".delivery-sum")).to_contain_text("2 个文件")
    expect(dialog.locator("[data-delivery-of]")).to_have_text("选中的 2 张")
    expect(dialog.locator("[data-delivery-pick]:visible")).to_have_count(0)


def test_on_paper_the_contact_sheet_is_pictures_with_number_own_column_and_name(
    delivery: DeliveryPage,
) -> None:
    page = delivery.page
    delivery.open()
    sheet = delivery.part("delivery-sheet").get_attribute("href")
    page.goto(f"{delivery.server.address}{sheet}")
    expect(page.locator(".sheet-picture")).to_have_count(KEPT)
    expect(page.locator(".sheet-picture").first).to_contain_text("1 A-1")
    page.emulate_media(media="print")
    assert page.locator("button:visible, a:visible").count() == 0
    columns = page.locator(".sheet-pictures").evaluate("(list) => getComputedStyle(list).gridTemplateColumns")
    assert len(columns.split()) == 4
