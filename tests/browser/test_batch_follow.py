"""How 批量生成 follows rows and runs, and what its log shows of failures."""

from playwright.sync_api import Page, expect

from tests.browser.batch_page import BatchPage
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess


def test_a_single_row_is_followed_to_its_image(batch: BatchPage) -> None:
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "一只橘猫")
    batch.cell(1, "actions").locator("[data-run-row]").click()
    batch.wait_for_image(1)
    batch.wait_until_saved('run\\":\\"')
    batch.reload()
    batch.wait_for_image(1)


def test_the_failure_log_has_one_line_per_record_and_none_after_success(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    rows = [{"prompt": "违禁的图", "resolution": "1K"}, {"prompt": "一只橘猫", "resolution": "1K"}]
    batch_id = str(server.post("/api/batches", {"rows": rows, "source": "batch"})["batch_id"])
    batch = BatchPage(page, server.address)
    batch.open(f"?id={batch_id}")
    batch.expect_state("已完成")
    batch.retry_failed()
    batch.expect_ended(2)
    page.locator("[data-log] summary").click()
    page.locator("[data-log-failures]").check()
    failures = page.locator("[data-log-lines] [data-record]:visible")
    expect(failures).to_have_count(1)
    expect(failures).to_contain_text("第 1 行")


def test_a_browser_that_cannot_notify_shows_the_end_of_the_run(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    page.add_init_script("""
      window.Notification = class {
        static requestPermission = async () => "granted";
        constructor() { throw new TypeError("Illegal constructor"); }
      };
    """)
    jimeng.latency = 60
    batch = BatchPage(page, server.address)
    batch.open(f"?id={server.post('/api/batches', {'rows': [{'prompt': '猫'}]})['batch_id']}")
    page.locator("[data-notify]").check()
    jimeng.latency = 0.1
    batch.expect_state("已完成")
    batch.expect_figures("1")
    expect(page.locator("[data-run-offline]")).to_be_hidden()
