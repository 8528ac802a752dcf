"""One intention, one submission: lost responses, double clicks, and drafts restored in two tabs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.batch_page import BatchPage
from tests.browser.studio_page import StudioPage
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess, running_server

Open = Callable[[ServerProcess], StudioPage]
UNREACHABLE = "连不上服务，请确认程序还在运行"


def lose_response(page: Page, address: str = "**/api/batches") -> None:
    """Let the next submission reach the server and drop its response."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route(address, lose, times=1)


def count_submissions(server: ServerProcess) -> int:
    return int(server.get("/api/batches")["total"])


def table(page: Page, server: ServerProcess, *prompts: str) -> BatchPage:
    """批量生成 with these prompts at 1K."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", *[(prompt, "", "1:1", "1K") for prompt in prompts])
    return batch


@pytest.mark.parametrize("reloads", [False, True])
def test_a_submission_with_a_lost_response_is_made_once_when_repeated(
    demo_server: ServerProcess, studio: Open, reloads: bool
) -> None:
    page = studio(demo_server)
    page.write_prompt("雪山")
    lose_response(page.page)
    page.generate()
    expect(page.page.locator("[data-form-error]")).to_have_text(UNREACHABLE)
    if reloads:
        page.open()
        page.expect_prompt("雪山")
    with page.page.expect_response("**/api/batches"):
        page.generate()
    page.wait_for_images(1)
    assert count_submissions(demo_server) == 1


def test_two_tabs_with_one_draft_submit_it_once(demo_server: ServerProcess, studio: Open) -> None:
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


def test_generate_again_with_a_lost_response_is_submitted_once(
    demo_server: ServerProcess, studio: Open
) -> None:
    page = studio(demo_server)
    page.write_prompt("雪山")
    page.generate()
    page.wait_for_images(1)
    lose_response(page.page)
    page.act("再来一张")
    expect(page.page.locator("[data-record-id] [data-error]").filter(has_text=UNREACHABLE)).to_have_count(1)
    tile = page.page.locator("[data-record-id='1']")
    with page.page.expect_response("**/api/batches"):
        tile.get_by_title("再来一张").click()
    page.wait_for_images(2)
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


def test_a_single_row_with_a_lost_response_is_submitted_once(page: Page, demo_server: ServerProcess) -> None:
    with page.expect_response("**/api/rows/check"):  # a later one would find the picture and hide the button
        batch = table(page, demo_server, "猫")
    lose_response(page)
    batch.cell(1, "actions").locator("[data-run-row]").click()
    expect(page.locator("[data-footer-error]")).to_have_text(UNREACHABLE)
    batch.cell(1, "actions").locator("[data-run-row]").click()
    batch.wait_for_image(1)
    assert count_submissions(demo_server) == 1


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


def test_a_run_copied_as_a_draft_submits_only_changed_rows(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    batch.start_batch()
    batch.expect_ended(1)
    batch.copy_to_draft()
    batch.wait_for_image(2)
    batch.edit_cell(1, "prompt", "狼")
    expect(batch.open_start().locator("[data-start-yes]")).to_have_text("生成 1 张 · ¥0.22")


def test_finished_rows_are_generated_again_when_requested(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(page, server, "猫", "狗")
    batch.start_batch()
    batch.expect_ended(1)
    batch.open()
    dialog = batch.open_start()
    start = dialog.locator("[data-start-yes]")
    expect(start).to_be_disabled()
    expect(start).to_have_text("没有要做的")
    expect(dialog).to_contain_text("改一改要换的那几行，或勾选再做一遍")
    dialog.get_by_label("再做一遍（2 张 ¥0.44）").check()
    expect(start).to_have_text("生成 2 张 · ¥0.44")
    start.click()
    batch.expect_ended(1)
    assert jimeng.charges == 4


def test_rows_under_way_are_left_out_and_uncharged_failures_are_included(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    batch = table(page, server, "猫", "违禁")
    batch.start_batch()
    batch.expect_status(2, "failed")
    batch.open()
    dialog = batch.open_start()
    expect(dialog).to_contain_text("生成中的 1 行")
    expect(dialog.locator("[data-start-yes]")).to_have_text("生成 1 张 · ¥0.22")


def test_a_duplicate_of_a_finished_row_is_made_already(page: Page, demo_server: ServerProcess) -> None:
    batch = table(page, demo_server, "猫")
    batch.cell(1, "actions").locator("[data-run-row]").click()
    batch.wait_for_image(1)
    batch.choose_row_action(1, "复制这一行")
    batch.expect_text(2, "status", "已有")
    expect(batch.open_start().locator("[data-start-yes]")).to_be_disabled()


def charged_failures(server: ServerProcess, jimeng: FakeJimeng, source: str) -> str:
    """A batch with one refused image and one that was charged and cannot be decoded -> its id."""
    jimeng.image_format = "gif"
    rows = [{"prompt": "违禁"}, {"prompt": "猫"}]
    batch_id = str(server.post("/api/batches", {"rows": rows, "source": source})["batch_id"])
    assert server.wait_for_end(batch_id)["counts"]["failed"] == 2
    return batch_id


def test_retrying_failures_leaves_out_charged_ones_and_lists_them_separately(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = BatchPage(page, server.address)
    batch.open(f"?id={charged_failures(server, jimeng, 'batch')}")
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


def test_the_earlier_batches_list_counts_what_a_retry_submits(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    charged_failures(server, jimeng, "batch")
    batch = BatchPage(page, server.address)
    batch.open()
    batch.click_command("history")
    expect(page.locator("[data-history] [data-retry]")).to_have_text("重试失败的 1 张")


@pytest.mark.parametrize("path", ["/", "/records"])
def test_resubmitting_a_charged_failure_asks_with_its_cost(
    page: Page, server: ServerProcess, jimeng: FakeJimeng, path: str
) -> None:
    charged_failures(server, jimeng, "single")
    page.goto(server.address + path)
    record = page.locator("[data-record-id='2']:visible")
    record.get_by_role("button", name="重试", exact=True).click()
    dialog = page.locator("dialog[data-dialog=cost]")
    expect(dialog).to_contain_text("上一次已经计费 ¥0.22")
    dialog.get_by_role("button", name="取消").click()
    expect(page.locator("[data-record-id][data-busy]")).to_have_count(0)
    assert jimeng.charges == 1


def test_the_start_dialog_includes_spending_since_the_page_was_opened(
    page: Page, tmp_path_factory: pytest.TempPathFactory, jimeng: FakeJimeng
) -> None:
    data_dir = tmp_path_factory.mktemp("budget")
    with running_server(data_dir, **jimeng.settings(budget=1)) as server:
        batch = table(page, server, "猫")
        expect(batch.open_start()).to_contain_text("预算还剩 ¥1.00")
        page.keyboard.press("Escape")
        spent = server.post("/api/batches", {"rows": [{"prompt": "狗", "num_images": 4}]})
        server.wait_for_end(spent["batch_id"])
        expect(page.locator("[data-footer-sum]")).to_have_class("batch-footer-sum is-over")
        dialog = batch.open_start()
        expect(dialog).to_contain_text("预算还剩 ¥0.12")
        expect(dialog).to_contain_text("预计费用超过剩余预算")


def test_the_pause_reason_is_at_the_request_and_resume_explains_a_refusal(
    page: Page, tmp_path_factory: pytest.TempPathFactory, jimeng: FakeJimeng
) -> None:
    data_dir = tmp_path_factory.mktemp("budget")
    with running_server(data_dir, **jimeng.settings(budget=0.25)) as server:
        studio = StudioPage(page, server.address)
        studio.open()
        studio.write_prompt("雪山")
        studio.set_count(2)
        studio.generate()
        waiting = page.locator("[data-request-key]")
        expect(waiting).to_contain_text("预算 ¥0.25 只剩 ¥0.03")
        waiting.get_by_role("button", name="继续").click()
        expect(waiting.locator("header [data-error]")).to_contain_text("预算 ¥0.25 只剩 ¥0.03")
        expect(studio.tiles("queued")).to_have_count(1)
