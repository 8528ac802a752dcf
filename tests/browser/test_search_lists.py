"""The list of commands, earlier prompts, and the switch of single-key shortcuts."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import OpenStudio
from tools.pages.batch_page import BatchPage
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess

CAT, MOUNTAIN = "一只橘猫趴在窗台上看雨", "清晨的雪山木屋"


def open_commands(page: Page, typed: str = "") -> Locator:
    """Press Ctrl+K and type -> the options."""
    page.keyboard.press("Control+k")
    options = page.locator("dialog[open] [role=option]")
    expect(options.first).to_be_visible()
    page.keyboard.type(typed)
    return options


def order(server: ServerProcess, *prompts: str, name: str = "") -> str:
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in prompts]
    return str(server.post("/api/batches", {"rows": rows, "name": name})["batch_id"])


def test_nothing_is_loaded_before_the_first_use(page: Page, archive_server: ServerProcess) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{archive_server.address}/usage", wait_until="networkidle")
    assert not [url for url in asked if "/lists" in url or "search" in url]
    open_commands(page)
    assert [url for url in asked if url.endswith("/ui/lists.js")] != []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    expect(page.locator("dialog[open] [role=combobox]")).to_be_focused()
    assert len([url for url in asked if url.endswith(("/search-list", "/lists.css"))]) == 2


def test_a_command_is_found_by_its_initials_and_done(batch: BatchPage) -> None:
    options = open_commands(batch.page, "tj")
    expect(options.first).to_have_text("添加一行")
    expect(options.last).to_have_text("搜索生成记录：tj")
    batch.page.keyboard.press("Enter")
    batch.expect_rows(1)
    expect(open_commands(batch.page, "tj 撤销").first).to_have_text("搜索生成记录：tj 撤销")
    batch.page.keyboard.press("Escape")
    expect(batch.page.locator("[data-table-editor]")).to_be_focused()


def test_a_batch_is_opened_by_its_name(page: Page, demo_server: ServerProcess) -> None:
    for row, name in ((CAT, "双十一主图"), (MOUNTAIN, "茶具上新")):
        order(demo_server, row, name=name)
    page.goto(f"{demo_server.address}/model")
    options = open_commands(page, "双十一")
    expect(options).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")  # from the last one to the first
    page.keyboard.press("Enter")
    expect(page.locator("[data-batch] [data-name]")).to_have_text("双十一主图")


def test_what_was_typed_is_searched_in_the_records(page: Page, archive_server: ServerProcess) -> None:
    page.goto(f"{archive_server.address}/samples")
    expect(open_commands(page, "橘猫 & 雨")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/records"))
    expect(page.locator("[data-search]")).to_have_value("橘猫 & 雨")


def test_the_theme_is_changed_and_an_open_dialog_is_answered_first(
    page: Page, archive_server: ServerProcess
) -> None:
    page.goto(f"{archive_server.address}/usage")
    page.keyboard.press("?")
    page.keyboard.press("Control+k")
    expect(page.locator("dialog[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    open_commands(page, "深色")
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("[data-theme-switch]")).to_have_attribute("title", "外观：深色")


def test_single_keys_are_switched_off_but_in_the_large_view(page: Page, own_records: RecordsPage) -> None:
    page.locator("[data-record-id] [data-select]").first.check()
    page.keyboard.press("?")
    page.get_by_label("单个字符的快捷键").uncheck()
    page.keyboard.press("Escape")
    own_records.open()
    page.locator("[data-record-id] [data-select]").first.check()
    for key in ("?", "/", "x", "z"):
        page.keyboard.press(key)
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("[data-search]")).not_to_be_focused()
    expect(page.locator("[data-pick=reject]")).to_have_count(0)
    page.locator("[data-record-id] [data-image-url]").first.click()
    with page.expect_response("**/api/records/pick"):
        page.keyboard.press("x")


def test_an_earlier_prompt_is_put_into_the_form(studio: OpenStudio, demo_server: ServerProcess) -> None:
    order(demo_server, MOUNTAIN, CAT)
    opened = studio(demo_server)
    page = opened.page
    opened.write_prompt("")
    page.keyboard.press("ArrowUp")
    options = page.locator("dialog[open] [role=option]")
    expect(options).to_have_count(2)
    expect(options.first).to_contain_text(CAT)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    opened.expect_prompt(MOUNTAIN)
    opened.write_prompt("雪山")
    page.keyboard.press("Control+ArrowUp")
    expect(options).to_have_count(1)
    page.keyboard.press("Enter")
    opened.expect_prompt(MOUNTAIN)
    opened.restore_and_expect("雪山")


def test_an_earlier_prompt_is_put_into_a_cell(batch: BatchPage, demo_server: ServerProcess) -> None:
    order(demo_server, MOUNTAIN, CAT)
    batch.click_command("add")
    batch.cell(1, "prompt").click()
    batch.page.keyboard.type("雪")
    batch.page.keyboard.press("Control+ArrowUp")
    expect(batch.page.locator("dialog[open] [role=option]")).to_have_count(1)
    batch.page.keyboard.press("Enter")
    batch.page.keyboard.press("Control+Enter")
    batch.expect_text(1, "prompt", MOUNTAIN)
    batch.cell(1, "prompt").click(button="right")
    batch.page.get_by_role("menuitem", name="以前的提示词…").click()
    batch.page.locator("dialog[open] [role=option]", has_text=CAT).click()
    batch.expect_text(1, "prompt", CAT)
    batch.page.keyboard.press("Control+z")
    batch.expect_text(1, "prompt", MOUNTAIN)
