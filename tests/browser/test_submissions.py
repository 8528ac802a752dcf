"""One intention, one submission: lost responses, double clicks, and drafts restored in two tabs."""

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start, start_to_end
from tools.server_process import ServerProcess

UNREACHABLE = "连不上服务，请确认程序还在运行"


def lose_response(page: Page) -> None:
    """Let the next submission reach the server and drop its response."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/batches", lose, times=1)


def count_submissions(server: ServerProcess) -> int:
    return int(server.get("/api/batches")["total"])


def table(page: Page, server: ServerProcess, *prompts: str) -> BatchPage:
    """批量生成 with these prompts at 1K."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.fill(*[(prompt, "", "1:1", "1K") for prompt in prompts])
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
    lose_response(page)
    dialog = batch.open_start()
    dialog.locator("[data-start-yes]").click()
    expect(dialog.locator("[data-start-error]")).to_have_text(UNREACHABLE)
    dialog.locator("[data-start-yes]").click()
    batch.wait_for_image(2)
    assert (count_submissions(server), jimeng.charges) == (1, 2)


def test_a_row_generated_singly_is_left_out_of_the_run(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    batch.cell(1, "actions").locator("[data-run-row]").click()
    page.locator("[data-cost-yes]").click()
    batch.wait_for_image(1)
    dialog = batch.open_start()
    expect(dialog).to_contain_text("新的 1 行")
    expect(dialog).to_contain_text("没有变的 1 行（已有）")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 1 张 · ¥0.22")
    dialog.locator("[data-start-yes]").click()
    batch.expect_ended(1)
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["狗", "猫"]


def test_after_a_run_only_the_changed_row_is_submitted(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    batch.start_batch()
    batch.expect_ended(1)
    batch.open()
    batch.wait_for_image(2)
    batch.edit_cell(2, "prompt", "狼")
    dialog = batch.open_start()
    expect(dialog).to_contain_text("改过的 1 行")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 1 张 · ¥0.22")
    dialog.locator("[data-start-yes]").click()
    batch.expect_ended(1)
    assert sorted(order.body["prompt"] for order in jimeng.submissions) == ["狗", "狼", "猫"]

    batch.copy_to_draft()  # a copy is made already
    batch.wait_for_image(1)
    expect(batch.open_start().locator("[data-start-yes]")).to_have_text("没有要做的")


def test_finished_rows_are_generated_again_when_requested(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    batch.start_batch()
    batch.expect_ended(1)
    batch.open()
    batch.choose_row_action(1, "复制这一行")
    batch.expect_text(2, "status", "已有")  # a duplicate is made already
    batch.click_command("undo")
    dialog = batch.open_start()
    yes = dialog.locator("[data-start-yes]")
    expect(yes).to_be_disabled()
    expect(yes).to_have_text("没有要做的")
    expect(dialog).to_contain_text("改一改要换的那几行，或勾选再做一遍")
    dialog.get_by_label("再做一遍（2 张 ¥0.44）").check()
    expect(yes).to_have_text("生成 2 张 · ¥0.44")
    yes.click()
    batch.expect_ended(1)
    assert jimeng.charges == 4


def test_rows_under_way_are_followed_and_left_out_and_uncharged_failures_are_included(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    start(server, rows_of("猫"))  # elsewhere
    batch = table(page, server, "猫", "违禁")
    batch.expect_text(1, "status", "生成中")
    batch.start_batch()
    batch.expect_status(1, "failed")
    batch.open()
    dialog = batch.open_start()
    expect(dialog).to_contain_text("生成中的 1 行")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 1 张 · ¥0.22")
    page.keyboard.press("Escape")
    jimeng.latency = 0.1
    batch.wait_for_image(1)
    batch.expect_text(1, "status", "已有")


def charged_failures(server: ServerProcess, jimeng: FakeJimeng, source: str) -> str:
    """A batch with one refused image and one that was charged and cannot be decoded -> its id."""
    jimeng.image_format = "gif"
    return start_to_end(server, rows_of("违禁", "猫"), source=source)


def test_retrying_failures_leaves_out_charged_ones_and_lists_them_separately(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = BatchPage(page, server.address)
    batch.open_run(charged_failures(server, jimeng, "batch"))
    batch.click_command("history")
    expect(page.locator("[data-history] [data-retry]")).to_have_text("重试失败的 1 张")
    page.keyboard.press("Escape")
    expect(batch.run_button("retry")).to_have_text("重试失败的 1 张")
    expect(batch.causes()).to_have_count(2)
    batch.retry_failed()
    expect(page.locator(".toast")).to_contain_text("1 张已重新排队")
    batch.expect_ended(2)
    assert jimeng.charges == 1
    paid = batch.open_causes().filter(has_text="已计费")
    paid.get_by_role("button", name="重试…").click()
    dialog = page.locator("dialog[data-dialog=cost]")
    expect(dialog).to_contain_text("上一次已经计费 ¥0.22")
    jimeng.image_format = "png"
    dialog.locator("[data-cost-yes]").click()
    batch.wait_for_image(2)
    assert jimeng.charges == 2


def test_resubmitting_a_charged_failure_asks_with_its_cost(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    charged_failures(server, jimeng, "single")
    for path in ("/", "/records"):
        page.goto(server.address + path)
        record = page.locator("[data-record-id='2']:visible")
        record.get_by_role("button", name="重试", exact=True).click()
        dialog = page.locator("dialog[data-dialog=cost]")
        expect(dialog).to_contain_text("上一次已经计费 ¥0.22")
        dialog.get_by_role("button", name="取消").click()
        expect(page.locator("[data-record-id][data-busy]")).to_have_count(0)
    assert jimeng.charges == 1


def test_the_start_dialog_includes_spending_since_the_page_was_opened(
    page: Page, server: ServerProcess
) -> None:
    server.put("/api/budgets", {"total": 1})
    batch = table(page, server, "猫")
    expect(batch.open_start()).to_contain_text("预算还剩 ¥1.00")
    page.keyboard.press("Escape")
    start_to_end(server, [{"prompt": "狗", "num_images": 4}])
    expect(page.locator("[data-footer-sum]")).to_have_class("batch-footer-sum is-over")
    dialog = batch.open_start()
    expect(dialog).to_contain_text("预算还剩 ¥0.12")
    expect(dialog).to_contain_text("预计费用超过剩余预算")
