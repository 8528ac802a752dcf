"""Login with the password and logout in the top bar."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.server_process import running_server


@pytest.mark.parametrize("size", [(1440, 900), (360, 700)])
def test_after_logout_the_login_page_is_shown(tmp_path: Path, page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    with running_server(tmp_path, image_model="demo", access_password="开门") as server:
        page.goto(f"{server.address}/records?search=cat")
        page.get_by_label("访问密码").fill("开门")
        page.keyboard.press("Enter")
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
