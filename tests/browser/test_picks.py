"""Keeping and rejecting pictures: in the large view, the comparison, the list and the selection."""

import zipfile

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start_to_end
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until


@pytest.fixture
def records(page: Page, seeded: ServerProcess) -> RecordsPage:
    """生成记录 with a dozen records, none of which is chosen."""
    seeded.post("/api/records/pick", {"ids": list(range(1, 13)), "pick": None})
    opened = RecordsPage(page, seeded.address)
    opened.open()
    return opened


def expect_picks(server: ServerProcess, expected: dict[int, str]) -> None:
    """Wait until exactly these records are picked, as the filter finds them."""
    wait_until(lambda: {**ids_of(server, "keep"), **ids_of(server, "reject")} == expected)


def ids_of(server: ServerProcess, pick: str) -> dict[int, str]:
    return {record["id"]: record["pick"] for record in server.get(f"/api/records?pick={pick}")["records"]}


def mark(records: RecordsPage, number: int) -> Locator:
    return records.record(number).locator("[data-pick-mark]")


def test_p_keeps_x_rejects_and_z_restores_what_was_chosen_before(
    records: RecordsPage, seeded: ServerProcess
) -> None:
    keyboard, large = records.page.keyboard, records.open_lightbox(12)
    keyboard.press("p")
    records.expect_position("2 / 12")
    keyboard.press("x")
    records.expect_position("3 / 12")
    expect(large.locator(".toast")).to_have_text("已标为淘汰，没有删除撤销")
    keyboard.press("ArrowLeft")
    expect(large.get_by_role("button", name="淘汰")).to_have_attribute("aria-pressed", "true")
    keyboard.press("p")  # kept instead
    records.expect_position("3 / 12")
    expect(mark(records, 11)).to_have_text("已留下")
    keyboard.press("x")
    expect(large.locator(".toast")).to_have_text("已淘汰撤销")  # what X does is explained once
    expect_picks(seeded, {12: "keep", 11: "keep", 10: "reject"})
    keyboard.press("z")
    records.expect_position("3 / 12")
    keyboard.press("z")
    records.expect_position("2 / 12")
    expect(mark(records, 11)).to_have_text("已淘汰")
    expect(mark(records, 10)).to_have_count(0)
    expect_picks(seeded, {12: "keep", 11: "reject"})
    assert seeded.get("/api/records?trash=1")["total"] == 0
    assert seeded.get("/api/records?pick=keep")["total"] == 1


def test_the_same_key_again_clears_the_choice(records: RecordsPage, seeded: ServerProcess) -> None:
    seeded.post("/api/records/pick", {"ids": [12], "pick": "keep"})
    records.open("?view=grid")
    expect(mark(records, 12)).to_have_text("已留下")
    large = records.open_lightbox(12)
    records.page.keyboard.press("p")
    expect(large.get_by_role("button", name="留下")).to_have_attribute("aria-pressed", "false")
    records.expect_position("1 / 12")
    expect(mark(records, 12)).to_have_count(0)
    records.page.keyboard.press("z")
    expect(large.get_by_role("button", name="留下")).to_have_attribute("aria-pressed", "true")
    expect_picks(seeded, {12: "keep"})


def test_a_choice_that_is_not_saved_is_taken_back_and_said_at_its_image(records: RecordsPage) -> None:
    records.page.route("**/api/records/pick", lambda route: route.abort())
    large = records.open_lightbox(12)
    records.page.keyboard.press("x")
    expect(large.locator("[data-viewer-message]")).to_contain_text("连不上服务")
    records.expect_position("1 / 12")
    expect(mark(records, 12)).to_have_count(0)
    expect(large.locator(".toast")).to_have_count(0)


def test_choices_are_saved_in_the_order_of_the_keys(records: RecordsPage, seeded: ServerProcess) -> None:
    held: list[Route] = []
    records.page.route("**/api/records/pick", lambda route: held.append(route), times=1)
    records.open_lightbox(12)
    for key in ("p", "ArrowLeft", "x"):
        records.page.keyboard.press(key)
    records.expect_position("2 / 12")
    expect(mark(records, 12)).to_have_text("已淘汰")
    with records.page.expect_response(lambda response: "reject" in (response.request.post_data or "")):
        held[0].continue_()
    records.page.keyboard.press("z")
    expect(mark(records, 12)).to_have_text("已留下")
    expect_picks(seeded, {12: "keep"})


def test_a_selection_is_chosen_and_the_kept_are_found_and_downloaded(
    records: RecordsPage, seeded: ServerProcess
) -> None:
    seeded.post("/api/records/pick", {"ids": [11], "pick": "reject"})
    records.pick(12, 11, 10)
    records.selection_bar().get_by_role("button", name="留下").click()
    expect(records.page.locator(".toast").last).to_contain_text("已留下 3 条")
    expect_picks(seeded, {12: "keep", 11: "keep", 10: "keep"})
    records.page.locator("body").press("z")
    expect(mark(records, 11)).to_have_text("已淘汰")
    expect_picks(seeded, {11: "reject"})
    records.page.locator("body").press("p")  # the selection is still there
    expect(mark(records, 11)).to_have_text("已留下")
    records.filter("pick", "留下的")
    records.expect_total("找到 3 条")
    records.page.locator(".records-end summary").click()
    with records.page.expect_download() as started:
        records.page.get_by_role("link", name="下载 ZIP").click()
    with zipfile.ZipFile(started.value.path()) as bundle:
        assert {"图-12.jpg", "图-11.jpg", "图-10.jpg"} <= set(bundle.namelist())
    records.page.get_by_label("选择本页全部").check()
    records.press_more("取消留下、淘汰")
    records.expect_total("找到 0 条")
    expect_picks(seeded, {})


def test_the_pictures_of_a_batch_are_chosen_by_row(page: Page, demo_server: ServerProcess) -> None:
    rows = [{"prompt": f"第 {n} 款", "num_images": 3 if n == 2 else 1, "resolution": "1K"} for n in (1, 2, 3)]
    made = demo_server.post("/api/batches", {"name": "十一月", "rows": rows})
    demo_server.wait_for_end(made["batch_id"])
    _, first, second, *_ = made["records"]
    opened = BatchPage(page, demo_server.address)
    opened.open_run(made["batch_id"])
    page.locator(f"[data-picture='{first}']").click()
    large = page.locator("dialog[data-lightbox]")
    caption = large.locator("[data-caption]")
    expect(caption).to_have_text("第 2 行 · 1/3")
    page.keyboard.press("2")
    expect(caption).to_have_text("第 2 行 · 2/3")
    expect(large.get_by_role("button", name="留下")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("2")  # a digit only keeps
    page.keyboard.press("9")
    expect(large.locator("[data-viewer-message]")).to_have_text("这一行没有第 9 张图")
    page.keyboard.press("Enter")
    expect(caption).to_have_text("第 3 行")
    page.keyboard.press("Enter")
    expect(large.locator("[data-viewer-message]")).to_have_text("这是最后一行")
    expect_picks(demo_server, {second: "keep"})
    page.keyboard.press("Delete")
    expect(caption).to_have_text("第 2 行 · 3/3")
    expect(opened.cell(3, "status").locator("[data-picture]")).to_have_count(0)
    page.keyboard.press("z")
    expect(opened.cell(3, "status").locator("[data-picture]")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(caption).to_have_text("第 3 行")
    large.locator("[data-lightbox-more] summary").click()
    large.get_by_role("button", name="在生成记录里看").click()
    page.wait_for_url("**/records?record=*")
    expect(page.locator("dialog[data-lightbox]")).to_be_visible()


def test_one_more_picture_of_a_row_is_ordered_from_the_large_view(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = start_to_end(server, rows_of("第一款", "第二款"))
    priced.open_run(batch_id)
    priced.wait_for_image(2).click()
    large = priced.page.locator("dialog[data-lightbox]")
    large.locator("[data-lightbox-more] summary").click()
    again = large.get_by_role("button", name="再来一张")
    expect(again).to_contain_text("¥0.22")
    again.click()
    priced.page.get_by_role("button", name="再来 1 张 · ¥0.22").click()
    expect(priced.cell(2, "status").locator("[data-picture]")).to_have_count(2)
    assert jimeng.charges == 3
