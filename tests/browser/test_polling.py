"""Polling pages: a call without a response times out, and an error of the page itself is reported as one."""

import json
from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess

_BREAK = "document.querySelector('[data-log-lines]').append = null"
_MEND = "delete document.querySelector('[data-log-lines]').append"


def test_errors_of_the_page_and_of_the_connection_are_told_apart_until_they_are_over(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    batch_id = start(server, rows_of(*(f"第 {number} 款" for number in range(6))))
    priced.open_run(batch_id)
    priced.expect_figures("剩 6")
    page, message = priced.page, priced.page.locator("[data-run-offline]")
    page.route("**/pause", lambda route: route.abort())
    page.route("**/api/batches/*since=*", lambda route: route.abort())
    priced.run_button("pause").click()
    expect(message).to_contain_text("连不上服务")
    page.unroute_all()
    expect(message).to_be_hidden()

    page.evaluate(_BREAK)
    server.post(f"/api/batches/{batch_id}/pause", {})
    expect(message).to_contain_text("这一页显示出错了")
    expect(message).not_to_contain_text("连不上服务")
    page.evaluate(_MEND)
    expect(priced.run_button("resume")).to_be_visible()
    priced.expect_figures("剩 6")
    expect(message).to_be_hidden()


def test_a_browser_that_cannot_notify_shows_the_end_of_the_run(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    priced.page.add_init_script("""
      window.Notification = class {
        static requestPermission = async () => "granted";
        constructor() { throw new TypeError("Illegal constructor"); }
      };
    """)
    jimeng.latency = 60
    priced.open_run(start(server, rows_of("猫")))
    priced.open_run_menu().get_by_role("menuitemcheckbox", name="完成时通知我").click()
    jimeng.latency = 0.1
    priced.expect_ended()
    priced.expect_figures("1")
    expect(priced.page.locator("[data-run-offline]")).to_be_hidden()


def test_a_timed_out_submission_is_made_once_when_repeated(
    demo_server: ServerProcess, page: Page, studio: Callable[[ServerProcess], StudioPage]
) -> None:
    page.clock.install()
    opened = studio(demo_server)
    keys: list[str] = []

    def place_without_answer(route: Route) -> None:
        keys.append(json.loads(route.request.post_data or "")["request_id"])
        if len(keys) > 1:
            route.continue_()
        else:
            route.fetch()

    page.route("**/api/batches", place_without_answer)
    opened.write_prompt("只要一张的猫")
    opened.generate()
    expect(opened.tiles()).to_have_count(1)  # the page notices it by its other calls
    page.clock.fast_forward(121_000)
    expect(page.locator("[data-form-error]")).to_contain_text("太久没有回答")
    opened.generate()
    expect(page.locator("[data-form-error]")).to_be_empty()
    assert keys[0] == keys[1]
    assert demo_server.get("/api/batches")["total"] == 1
