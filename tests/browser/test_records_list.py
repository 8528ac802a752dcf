"""The list of 生成记录: what stays in sight, what a row offers, and how large its images are."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tools.pages.records_page import RecordsPage, seed_records
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

NUMBER = 90


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    data_dir = tmp_path_factory.mktemp("filled")
    seed_records(data_dir, NUMBER)
    with running_server(data_dir, image_model="demo") as started:
        yield started


@pytest.fixture
def records(page: Page, server: ServerProcess) -> RecordsPage:
    return RecordsPage(page, server.address)


def box_of(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box
    return box


def bottom_of(box: FloatRect) -> float:
    return box["y"] + box["height"]


@pytest.mark.parametrize(("width", "height"), [(1024, 768), (390, 844)])
def test_filters_and_pages_stay_in_sight_and_hide_nothing(
    records: RecordsPage, width: int, height: int
) -> None:
    page = records.page
    page.set_viewport_size({"width": width, "height": height})
    for view in ("table", "grid"):
        records.open(f"?view={view}&limit=60")
        filters, pages = page.locator(".filters"), page.locator(".pagination-pages")
        page.evaluate("scrollTo(0, 400)")
        page.wait_for_function("() => scrollY > 300")
        expect(filters).to_be_in_viewport(ratio=1)
        expect(pages).to_be_in_viewport(ratio=1)
        top = box_of(page.locator(".topbar"))["height"]
        if width == 390:
            assert box_of(filters)["height"] + box_of(pages)["height"] <= 100
            assert box_of(filters)["y"] == pytest.approx(top, abs=1)
        elif view == "table":
            image = box_of(records.records().first.locator(".record-image"))
            assert image["width"] == pytest.approx(96, abs=1)
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        last = records.records().last
        expect(last).to_be_in_viewport(ratio=1)
        assert bottom_of(box_of(last)) <= box_of(pages)["y"] + 1


def test_an_undo_is_offered_above_the_pages(records: RecordsPage) -> None:
    page = records.page
    page.set_viewport_size({"width": 390, "height": 844})
    records.open("?view=table&limit=20")
    records.record(NUMBER).locator("[data-command=delete]").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("已删除 1 条")
    page.wait_for_function("() => document.getAnimations().length === 0")
    assert bottom_of(box_of(toast)) <= box_of(page.locator(".pagination-pages"))["y"]
    page.get_by_role("link", name="下一页").click()
    records.undo()
    records.expect_total(f"共 {NUMBER} 条")


def test_a_row_offers_another_image_and_its_prompt(page: Page, own_archive_server: ServerProcess) -> None:
    server = own_archive_server
    records = RecordsPage(page, server.address)
    records.open("?view=table")
    menu = records.record(59).locator("[data-row-menu]")
    menu.locator("summary").click()
    menu.get_by_role("button", name="再来一张").click()
    expect(records.page.locator(".toast")).to_contain_text("已开始生成 1 张")
    expect(menu).not_to_have_attribute("open")
    wait_until(lambda: server.get("/api/records")["total"] == 61)
    newest = server.get("/api/records?limit=1")["records"][0]
    assert newest["prompt"] == server.get(f"/api/records?search=%23{59}")["records"][0]["prompt"]
    large = records.open_lightbox(60)
    large.locator("[data-lightbox-more] summary").click()
    large.get_by_role("button", name="用作参考图").click()
    expect(large.locator(".toast").last).to_contain_text("参考图")
    records.page.keyboard.press("Escape")
    assert server.get("/api/sample-images")["total"] == 1
    menu.locator("summary").click()
    menu.get_by_role("link", name="改提示词").click()
    expect(records.page.locator("#prompt")).to_have_value(newest["prompt"])


def test_the_size_of_images_is_remembered(records: RecordsPage) -> None:
    records.open("?view=grid")
    tile, slider = records.record(NUMBER), records.page.get_by_label("图片大小")
    width = box_of(tile)["width"]
    slider.fill("2")
    assert box_of(tile)["width"] > width
    records.open("?view=grid&sort=oldest")
    expect(slider).to_have_value("2")
    assert box_of(records.record(1))["width"] > width


def test_a_phone_shows_the_grid_until_a_view_is_chosen(records: RecordsPage) -> None:
    page = records.page
    page.set_viewport_size({"width": 390, "height": 844})
    records.open()
    expect(page.locator(".record-grid")).to_be_visible()
    page.get_by_role("link", name="表格").click()
    expect(page.locator(".record-table")).to_be_visible()
    records.open()
    expect(page.locator(".record-table")).to_be_visible()


def test_on_a_phone_one_line_of_filters_unfolds(records: RecordsPage) -> None:
    page = records.page
    page.set_viewport_size({"width": 390, "height": 844})
    records.open("?status=success")
    ratio = page.locator("summary[data-focus-key=aspect_ratio]")
    expect(page.locator("summary[data-focus-key=status]")).to_be_visible()
    expect(ratio).to_be_hidden()
    page.get_by_role("button", name="筛选 1").click()
    records.filter("aspect_ratio", "16:9")
    expect(ratio).to_have_class(re.compile("is-on"))
    expect(page.get_by_role("button", name="筛选 2")).to_have_attribute("aria-expanded", "false")
