"""Undo by message or Ctrl+Z, and independent messages."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start
from tools.pages.records_page import RecordsPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until


@pytest.fixture
def records(seeded: ServerProcess, page: Page) -> RecordsPage:
    """生成记录 with a dozen records, none of which is deleted."""
    seeded.post("/api/records/restore", {"ids": list(range(1, 13))})
    opened = RecordsPage(page, seeded.address)
    opened.open()
    return opened


def delete_key(records: RecordsPage, number: int) -> None:
    """Delete a record by keyboard."""
    records.record(number).locator("[data-image-url]").focus()
    records.page.keyboard.press("Delete")
    expect(records.record(number)).to_have_count(0)


def test_a_later_message_does_not_remove_an_undo(records: RecordsPage) -> None:
    delete_key(records, 12)
    records.pick(11)
    records.press_more("导出 Excel")
    expect(records.page.locator(".toast").last).to_contain_text("已开始下载")
    expect(records.page.locator(".toast")).to_have_count(2)
    records.undo()
    expect(records.record(12)).to_be_visible()


def test_ctrl_z_and_z_undo_one_action_after_another(records: RecordsPage) -> None:
    for number in (12, 11, 10):
        delete_key(records, number)
    records.page.keyboard.press("Control+z")
    expect(records.record(10)).to_be_visible()
    records.page.locator("body").press("z")
    expect(records.record(11)).to_be_visible()
    records.page.keyboard.press("Control+z")
    expect(records.record(12)).to_be_visible()
    records.page.keyboard.press("Control+z")
    expect(records.page.locator(".toast").last).to_contain_text("没有可以撤销的了")
    records.expect_total("共 12 条")


def test_ctrl_z_in_a_field_undoes_its_text(records: RecordsPage) -> None:
    delete_key(records, 12)
    records.page.locator("[data-search]").focus()
    records.page.keyboard.type("z")
    records.page.keyboard.press("Control+z")
    records.page.evaluate("fetch('/healthz')")
    expect(records.page.get_by_role("button", name="撤销")).to_be_visible()
    assert records.page.evaluate("fetch('/api/records').then((a) => a.json()).then((a) => a.total)") == 11


def test_the_reason_of_a_failed_undo_stays_until_closed(records: RecordsPage) -> None:
    page = records.page
    page.route("**/api/records/restore", lambda route: route.abort())
    records.open()
    delete_key(records, 12)
    page.keyboard.press("Control+z")
    failure = page.locator(".toast").filter(has_text="连不上服务")
    expect(failure).to_be_visible()
    for number in (11, 10, 9, 8):
        delete_key(records, number)
    expect(failure).to_be_visible()
    failure.get_by_role("button", name="关闭").click()
    expect(failure).to_have_count(0)
    expect(page.locator(".toast")).to_have_count(3)


def test_a_focused_message_stays_and_f8_moves_to_it(records: RecordsPage) -> None:
    page = records.page
    page.clock.install()
    records.open()
    delete_key(records, 12)
    undo = page.get_by_role("button", name="撤销")
    page.keyboard.press("F8")
    expect(undo).to_be_focused()
    page.clock.run_for(60_000)
    expect(undo).to_be_focused()
    records.record(11).locator("[data-image-url]").focus()
    page.clock.run_for(60_000)
    expect(undo).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(records.record(12)).to_be_visible()


def test_delete_applies_to_the_selection_wherever_the_focus_is(records: RecordsPage) -> None:
    records.pick(12, 11)
    records.record(5).locator("[data-image-url]").focus()
    records.page.keyboard.press("Delete")
    expect(records.record(12)).to_have_count(0)
    expect(records.record(11)).to_have_count(0)
    expect(records.record(5)).to_be_visible()


def test_one_queued_image_is_cancelled_and_restored_by_undo(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    page = studio(server)
    page.write_prompt("六张里取消一张")
    page.set_count(6)
    page.generate()
    expect(page.tiles("running")).to_have_count(2)
    expect(page.tiles("queued")).to_have_count(4)
    page.tiles("queued").first.get_by_role("button", name="取消", exact=True).click()
    expect(page.page.locator(".toast")).to_contain_text("已取消 1 张")
    expect(page.tiles("cancelled")).to_have_count(1)
    expect(page.tiles("queued")).to_have_count(3)
    page.tiles("queued").first.get_by_role("button", name="全部取消").click()
    expect(page.page.locator(".toast").last).to_contain_text("已取消 3 张")  # the list may know it before
    expect(page.tiles("cancelled")).to_have_count(4)
    page.page.keyboard.press("Control+z")
    expect(page.tiles("queued")).to_have_count(3)
    expect(page.tiles("cancelled")).to_have_count(1)
    page.page.keyboard.press("Control+z")
    expect(page.tiles("queued")).to_have_count(4)


@pytest.fixture
def running(server: ServerProcess, priced: BatchPage, jimeng: FakeJimeng) -> BatchPage:
    """A batch of eight images, two of which run without an end."""
    jimeng.latency = 600.0
    priced.open_run(start(server, rows_of(*(f"第 {number} 款" for number in range(8)))))
    priced.expect_figures("还有 8")
    wait_until(lambda: counts(server)["running"] == 2)
    return priced


def counts(server: ServerProcess) -> dict[str, int]:
    found: dict[str, int] = server.get("/api/batches")["batches"][0]["counts"]
    return found


def test_undo_continues_a_cancelled_run_and_restores_its_pause(
    running: BatchPage, server: ServerProcess
) -> None:
    toast = running.page.locator(".toast").last
    running.open_run_menu().locator("[data-run-cancel]").click()
    expect(toast).to_contain_text("已取消还没开始的 6 张")
    toast.get_by_role("button", name="撤销").click()
    running.expect_figures("还有 8")
    assert (counts(server)["queued"], counts(server)["cancelled"]) == (6, 0)

    running.pause()
    running.open_run_menu().locator("[data-run-cancel]").click()
    expect(toast).to_contain_text("已取消还没开始的 6 张")
    running.page.keyboard.press("Control+z")
    wait_until(lambda: counts(server)["queued"] == 6)
    expect(running.run_button("resume")).to_be_visible()
