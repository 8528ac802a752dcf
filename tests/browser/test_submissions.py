"""One intention, one submission: lost responses, double clicks, and drafts restored in two tabs."""

import re

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start_to_end
from tools.server_process import ServerProcess

_CHANGES = re.compile(r"[?]since=")
UNREACHABLE = "连不上服务，请确认程序还在运行"


def lose_response(page: Page, path: str = "**/api/batches") -> None:
    """Let the next submission reach the server and drop its response."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route(path, lose, times=1)


def count_submissions(server: ServerProcess) -> int:
    return int(server.get("/api/batches")["total"])


def table(page: Page, server: ServerProcess, *prompts: str) -> BatchPage:
    """A new table with these prompts at 1K."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.fill(*[(prompt, "", "1:1", "1K") for prompt in prompts])
    batch.wait_until_saved()
    return batch


def test_a_submission_with_a_lost_response_is_made_once_when_repeated(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(demo_server)
    for number, reloads in enumerate((False, True), 1):
        page.write_prompt("雪山")
        lose_response(page.page)
        page.generate()
        expect(page.page.locator("[data-form-error]")).to_have_text(UNREACHABLE)
        if reloads:
            page.open()
            page.expect_prompt("雪山")
        with page.page.expect_response("**/api/batches"):
            page.generate()
        page.wait_for_images(number)
        assert count_submissions(demo_server) == number

    lose_response(page.page)
    tile = page.page.locator("[data-record-id='1']")
    tile.get_by_title("再来一张").click()
    expect(page.page.locator("[data-record-id] [data-error]").filter(has_text=UNREACHABLE)).to_have_count(1)
    with page.page.expect_response("**/api/batches"):
        tile.get_by_title("再来一张").click()
    page.wait_for_images(3)
    assert count_submissions(demo_server) == 3


def test_two_tabs_with_one_draft_submit_it_once(demo_server: ServerProcess, studio: OpenStudio) -> None:
    first = studio(demo_server)
    first.write_prompt("雪山")
    second = first.second_tab()
    second.expect_prompt("雪山")
    first.page.bring_to_front()
    first.generate()
    first.wait_for_images(1)
    second.page.bring_to_front()
    expect(second.tiles()).to_have_count(1)
    second.generate()
    expect(second.page.locator(".toast")).to_have_text("这一单刚才已经提交，没有重复下单")
    assert count_submissions(demo_server) == 1
    second.generate()
    second.wait_for_images(2)
    assert count_submissions(demo_server) == 2


def test_a_table_with_a_lost_response_is_submitted_once(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    for reloads in (False, True):
        lose_response(page, "**/run")
        page.route(_CHANGES, lambda route: route.abort())  # nor does the page hear of it in another way
        dialog = batch.open_start()
        dialog.locator("[data-order-yes]").click()
        expect(dialog.locator("[data-order-error]")).to_have_text(UNREACHABLE)
        if reloads:
            batch.reload()
            expect(batch.open_start().locator("[data-order-yes]")).to_have_text("没有要做的")
            page.keyboard.press("Escape")
        else:
            dialog.locator("[data-order-yes]").click()
        page.unroute(_CHANGES)
        batch.wait_for_image(2)
        batch.expect_ended()
        for row, prompt in enumerate(("虎", "狼"), 1):
            batch.edit_cell(row, "prompt", prompt)
        batch.wait_until_saved()
    assert (count_submissions(server), jimeng.charges) == (2, 4)


def test_resubmitting_a_charged_failure_asks_with_its_cost(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.image_format = "gif"  # charged, and cannot be decoded
    start_to_end(server, rows_of("违禁", "猫"), source="single")
    for path in ("/", "/records"):
        page.goto(server.address + path)
        record = page.locator("[data-record-id='2']:visible")
        record.get_by_role("button", name="重试 · ¥0.22").click()
        dialog = page.locator("dialog[data-dialog=cost]")
        expect(dialog).to_contain_text("上一次已经计费 ¥0.22")
        dialog.get_by_role("button", name="取消").click()
        expect(page.locator("[data-record-id][data-busy]")).to_have_count(0)
    assert jimeng.charges == 1
