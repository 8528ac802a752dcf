"""Presets are stored from the form, fill it, and are applied to rows of the table."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStudio
from tests.browser.test_search_lists import open_commands
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess

POSTER = {"aspect_ratio": "16:9", "resolution": "1K", "negative_prompt": "文字", "suffix": "，极简"}
AVATAR = {"aspect_ratio": "1:1", "suffix": "，头像"}


def put(server: ServerProcess, name: str, fields: dict[str, str]) -> None:
    server.put(f"/api/presets/{name}", fields)


def test_a_preset_is_stored_and_deleted_on_the_page(studio: OpenStudio, demo_server: ServerProcess) -> None:
    opened = studio(demo_server)
    page = opened.page
    choice, dialog = page.get_by_label("预设", exact=True), page.locator("dialog[data-dialog=preset]")
    expect(choice).to_be_hidden()
    opened.choose("16:9", "1K")
    page.locator("[data-more] > summary").click()
    page.locator("#negative_prompt").fill("文字")
    page.get_by_role("button", name="存成预设").click()
    expect(dialog.locator("[data-preset-summary]")).to_have_text("16:9 · 1K · 文字")
    dialog.get_by_label("名称").fill("海报")
    dialog.get_by_label("后缀").fill("，极简")
    dialog.get_by_role("button", name="保存", exact=True).click()
    expect(dialog).to_be_hidden()
    page.reload()
    choice.select_option("海报")
    expect(page.get_by_role("button", name="存成预设")).to_be_visible()
    assert demo_server.get("/api/presets")["presets"] == [{"name": "海报", "fields": POSTER}]
    page.get_by_role("button", name="存成预设").click()
    dialog.get_by_role("button", name="删除预设「海报」").click()
    expect(choice).to_be_hidden()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="撤销").click()
    expect(choice).to_be_visible()


def test_a_preset_fills_the_form_and_the_next_one_replaces_its_suffix(
    studio: OpenStudio, demo_server: ServerProcess
) -> None:
    put(demo_server, "海报", POSTER)
    put(demo_server, "头像", AVATAR)
    opened = studio(demo_server)
    page = opened.page
    opened.write_prompt("一只橘猫")
    page.get_by_label("预设", exact=True).select_option("海报")
    opened.expect_prompt("一只橘猫，极简")
    expect(page.locator("input[value='16:9']")).to_be_checked()
    expect(page.locator("#negative_prompt")).to_have_value("文字")
    page.get_by_label("预设", exact=True).select_option("头像")
    opened.expect_prompt("一只橘猫，头像")
    expect(page.locator("input[value='1:1']")).to_be_checked()
    expect(page.locator("#negative_prompt")).to_have_value("文字")
    expect(open_commands(page, "预设 海报").first).to_have_text("预设：海报")
    page.keyboard.press("Enter")
    opened.expect_prompt("一只橘猫，极简")


def test_a_preset_is_applied_to_chosen_rows_in_one_step(
    page: Page, batch: BatchPage, demo_server: ServerProcess
) -> None:
    put(demo_server, "海报", POSTER)
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("猫",), ("狗",), ("鸟，极简",), ("", "水印"))
    batch.expect_rows(4)
    for row in (1, 3, 4):
        batch.pick_row(row)
    batch.click_command("bulk-edit")
    dialog = page.locator("dialog[data-dialog=bulk-edit]")
    dialog.locator("[data-bulk-column]").select_option("preset:海报")
    expect(dialog.locator("[data-bulk-value]")).to_be_hidden()
    expect(dialog.locator("[data-bulk-preset]")).to_have_text("16:9 · 1K · 文字 · ，极简")
    dialog.get_by_role("button", name="设置").click()
    for row, prompt, ratio in ((1, "猫，极简", "16:9"), (2, "狗", "1:1"), (3, "鸟，极简", "16:9")):
        batch.expect_text(row, "prompt", prompt)
        batch.expect_text(row, "aspect_ratio", ratio)
    batch.expect_text(4, "prompt", "")
    expect(page.get_by_text("1 行还没有提示词，没有加后缀")).to_be_visible()
    page.get_by_role("button", name="撤销").last.click()
    batch.expect_text(1, "prompt", "猫")
    batch.expect_text(3, "aspect_ratio", "1:1")
