"""Login with the password and logout in the top bar."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a password."""
    data_dir = tmp_path_factory.mktemp("locked")
    with running_server(data_dir, image_model="demo", access_password="开门") as started:
        yield started


def test_after_logout_the_login_page_is_shown(server: ServerProcess, page: Page) -> None:
    for width, height in ((1440, 900), (360, 700)):
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{server.address}/records?search=cat")
        log_in(page)
        expect(page.get_by_role("searchbox")).to_have_value("cat")
        page.wait_for_load_state()  # with its style sheet, which sizes the button
        way_out = page.get_by_role("button", name="退出登录")
        box = way_out.bounding_box()
        assert box
        assert min(box["width"], box["height"]) >= 24
        way_out.click()
        expect(page.get_by_label("访问密码")).to_be_focused()
        page.goto(f"{server.address}/records")
        expect(page.get_by_label("访问密码")).to_be_visible()


def test_an_expired_login_is_told_keeps_the_draft_and_leads_back_to_it(
    server: ServerProcess, page: Page
) -> None:
    batch = BatchPage(page, server.address)
    page.goto(f"{server.address}/batch?from=bookmark")
    log_in(page)
    batch.wait_until_ready()
    page.context.clear_cookies()
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一只橘猫")
    batch.click_command("start")
    notice = page.locator("[data-offline]")
    expect(notice).to_have_text("登录过期了 · 重新登录")

    other = page.context.new_page()
    other.goto(server.address)
    log_in(other)
    page.bring_to_front()
    page.keyboard.press("Escape")
    expect(notice).to_be_empty()

    page.context.clear_cookies()
    notice.get_by_role("link", name="重新登录").click()
    log_in(page)
    page.wait_for_url("**/batch?table=*")
    batch.expect_text(1, "prompt", "一只橘猫")


def log_in(page: Page) -> None:
    """Enter the password on the login page."""
    page.get_by_label("访问密码").fill("开门")
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_visible()
