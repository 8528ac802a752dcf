"""Choosing the model: of one picture, of a table, and of its rows."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.seedream import FakeSeedream
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess, running_server

JIMENG, FLASH, NEWEST = "jimeng_t2i_v40", "doubao-seedream-5-0-flash-260915", "doubao-seedream-5-5-261028"


@pytest.fixture
def seedream() -> Iterator[FakeSeedream]:
    with FakeSeedream() as service:
        yield service


@pytest.fixture
def server(tmp_path: Path, jimeng: FakeJimeng, seedream: FakeSeedream) -> Iterator[ServerProcess]:
    """A server with the keys of two providers; the default is Jimeng 4.0."""
    settings = {**seedream.settings(), **jimeng.settings()}
    with running_server(tmp_path, **settings, seedream_price="0.12") as started:
        yield started


@pytest.fixture
def batch(page: Page, server: ServerProcess) -> BatchPage:
    opened = BatchPage(page, server.address)
    opened.open()
    return opened


def ids_of(service: FakeSeedream) -> list[str]:
    """The models of the orders that a service got."""
    return [str(order.body["model"]) for order in service.submissions]


def test_one_picture_is_made_by_the_model_that_was_chosen_and_nothing_typed_is_lost(
    server: ServerProcess,
    studio: OpenStudio,
    jimeng: FakeJimeng,
    seedream: FakeSeedream,
) -> None:
    form = studio(server)
    form.write_prompt("雪山下的小屋")
    form.set_count(2)
    model = form.page.get_by_label("模型", exact=True)
    model.select_option(FLASH)
    expect(form.page.locator("[data-submit-price]")).to_have_text("¥0.24")
    expect(model).to_be_focused()
    form.expect_prompt("雪山下的小屋")
    form.generate()
    form.wait_for_images(2)
    assert (ids_of(seedream), jimeng.charges) == ([FLASH, FLASH], 0)
    form.open()
    expect(form.page.get_by_label("模型", exact=True)).to_have_value(FLASH)


def test_options_are_offered_where_the_model_takes_them(
    server: ServerProcess, studio: OpenStudio, seedream: FakeSeedream
) -> None:
    form = studio(server)
    expect(form.page.locator("[name=background]")).to_have_count(0)
    form.open(f"?model={NEWEST}")
    form.write_prompt("一只杯子")
    form.page.locator("[data-more] summary").click()
    form.page.get_by_label("背景").select_option("透明")
    form.page.get_by_label("模型", exact=True).select_option(JIMENG)
    expect(form.page.locator("[name=background]")).to_have_count(0)
    form.page.get_by_label("模型", exact=True).select_option(NEWEST)
    expect(form.page.get_by_label("背景")).to_have_value("transparent")
    form.generate()
    form.wait_for_images(1)
    assert [order.body["background"] for order in seedream.submissions] == ["transparent"]


def test_rows_of_one_table_are_made_by_two_models(
    batch: BatchPage, server: ServerProcess, jimeng: FakeJimeng, seedream: FakeSeedream
) -> None:
    batch.click_command("add")
    lines = (("提示词", "模型", "背景"), ("一只猫", "", "透明"), ("一只狗", "Seedream5.5", "透明"))
    batch.paste_block(1, "prompt", *lines)
    batch.expect_text(1, "model", "即梦 4.0")
    batch.expect_text(2, "model", "Seedream 5.5")
    expect(batch.cell(1, "background")).to_have_attribute("title", "即梦 4.0 不接受背景")
    batch.cell(1, "background").click()
    batch.page.keyboard.type("不透明")
    batch.expect_text(1, "background", "透明")
    dialog = batch.open_start()
    expect(dialog.locator("[data-order-yes]")).to_contain_text("¥0.22 + 1 张价格未设")
    batch.page.keyboard.press("Escape")
    expect(batch.page.locator("[data-footer-sum]")).to_have_text("2 行 · 2 张 · ¥0.22 + 1 张价格未设")
    batch_id = batch.start_batch()
    batch.expect_figures("2 张都做好了.*¥0.22，另有图片价格未设$")
    assert (jimeng.charges, seedream.charges, ids_of(seedream)) == (1, 1, [NEWEST])
    records = server.get(f"/api/batches/{batch_id}")["records"]
    assert [(record["model"], record["background"]) for record in records] == [
        (JIMENG, ""),
        (NEWEST, "transparent"),
    ]
    batch.reload()
    batch.expect_text(2, "model", "Seedream 5.5")
    expect(batch.page.locator("[data-footer-sum]")).to_contain_text("要做 0 张")


def test_the_model_of_a_table_is_kept_when_the_default_changes(
    batch: BatchPage, server: ServerProcess, seedream: FakeSeedream
) -> None:
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一座灯塔")
    batch.page.get_by_label("模型", exact=True).select_option(FLASH)
    expect(batch.page.locator("[data-page-model]")).to_be_focused()
    batch.expect_text(1, "prompt", "一座灯塔")
    expect(batch.page.locator("[data-footer-sum]")).to_contain_text("¥0.12")
    server.stop()
    server.variables["IMAGE_MODEL"] = "demo"
    server.start()
    batch.reload()
    expect(batch.page.locator("[data-page-model]")).to_have_value(FLASH)
    batch.expect_text(1, "prompt", "一座灯塔")
    batch.start_batch()
    batch.expect_ended()
    assert ids_of(seedream) == [FLASH]


def test_a_picture_is_enlarged_once_from_its_large_view(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    form = studio(server)
    form.write_prompt("猫")
    form.generate()
    form.wait_for_images(1)
    page = form.page
    page.goto(f"{server.address}/records")
    page.locator("[data-image-url]").click()
    page.get_by_role("button", name="改图").click()
    page.get_by_role("button", name="放大到 4K", exact=True).click()
    page.get_by_role("button", name="放大到 4K · ¥0.40").click()
    page.get_by_role("button", name="回去再改").click()
    page.get_by_role("button", name="放大到 4K · ¥0.40").click()
    expect(page.locator("[data-retouch-error]")).to_have_text("这样改过了，见记录 2")
    expect(page.get_by_role("button", name="再做一张 · ¥0.40")).to_be_visible()
    assert [order.body.get("resolution") for order in jimeng.submissions] == [None, "4k"]


def test_an_option_is_typed_and_set_like_any_cell(batch: BatchPage) -> None:
    batch.open(f"?new=1&model={NEWEST}")
    for row, prompt in ((1, "一只杯子"), (2, "一把椅子")):
        batch.click_command("add")
        batch.edit_cell(row, "prompt", prompt)
    batch.show_column("背景", "格式")
    batch.edit_cell(1, "background", "transparent")
    batch.expect_text(1, "background", "透明")
    batch.pick_row(2)
    batch.set_value("output_format", "jpg")
    batch.expect_text(2, "output_format", "JPEG")
    batch.edit_cell(2, "background", "透明")
    expect(batch.cell(2, "output_format")).to_have_attribute("title", re.compile("没有透明"))
    batch.wait_until_saved()
    batch.reload()
    batch.expect_text(2, "output_format", "JPEG")


def test_on_a_phone_the_top_bar_shows_what_is_wrong_in_full(page: Page, tmp_path: Path) -> None:
    with running_server(tmp_path, image_model="demo", role="web") as server:
        server.post("/api/batches", {"rows": [{"prompt": "猫"}] * 25})
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(server.address)
        expect(page.locator(".status-work")).to_be_hidden()
        label = page.locator(".status-summary .status-label")
        expect(label).to_have_text("没有生成进程")
        assert label.evaluate("element => element.scrollWidth <= element.clientWidth")
