"""Polling pages: a call without a response times out, and an error of the page itself is reported as one."""

from playwright.sync_api import expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start
from tools.server_process import ServerProcess

_BREAK = "document.querySelector('[data-log-lines]').append = null"
_MEND = "delete document.querySelector('[data-log-lines]').append"


def test_errors_of_the_page_and_of_the_connection_are_told_apart_until_they_are_over(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    batch_id = start(server, rows_of(*(f"第 {number} 款" for number in range(6))))
    priced.open_run(batch_id)
    priced.expect_figures("还有 6")
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
    priced.expect_figures("已暂停")
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
