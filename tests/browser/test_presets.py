"""Presets are stored from the form, and fill it."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenStudio
from tests.browser.test_search_lists import open_commands
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
