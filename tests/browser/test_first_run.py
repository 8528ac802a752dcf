"""The first day: an image in one click, and the way to a key."""

import re

from playwright.sync_api import Page, expect

from tools.server_process import ServerProcess


def test_a_new_user_gets_an_image_after_one_click_and_is_guided_to_the_key(
    demo_server: ServerProcess, page: Page
) -> None:
    page.goto(demo_server.address)
    page.get_by_role("button", name="试一张").click()
    expect(page.locator(".result-card[data-status=success] img")).to_be_visible()
    assert len(list((demo_server.data_dir / "output").glob("*.jpg"))) == 1
    page.get_by_role("link", name="设置密钥", exact=True).click()
    jimeng = page.get_by_role("region", name="即梦")
    jimeng.get_by_text("填写密钥").click()
    expect(jimeng.get_by_label("Secret Access Key")).to_be_editable()


def test_the_first_step_and_two_examples_are_in_sight_on_a_phone(
    demo_server: ServerProcess, phone: Page
) -> None:
    page = phone
    page.goto(demo_server.address)
    steps = page.locator("[data-first-example], [data-demo]").locator("visible=true")
    expect(steps).to_have_count(3)
    generate = page.locator("[data-ctrl-enter]").bounding_box()
    assert generate  # above the tab bar, and never covered
    for step in steps.all():
        box = step.bounding_box()
        assert box
        assert box["y"] > 0
        assert box["y"] + box["height"] < generate["y"]
    steps.last.tap()
    expect(page.get_by_label("提示词", exact=False).first).to_have_value(re.compile("橘猫"))
    expect(steps).to_have_count(0)
