"""The one dialog that orders from a table: what it comes to, what is sent, and what fails."""

import json
import re
from typing import Any

from playwright.sync_api import Locator, Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start_to_end
from tools.server_process import ServerProcess


def table(batch: BatchPage, *rows: tuple[str, str]) -> BatchPage:
    """A new table of these prompts and ratios, at 1K."""
    batch.open()
    batch.fill(*[(prompt, "", ratio, "1K") for prompt, ratio in rows])
    batch.expect_rows(len(rows))
    batch.wait_until_saved()
    return batch


def yes(dialog: Locator) -> Locator:
    return dialog.locator("[data-order-yes]")


def line(dialog: Locator, kind: str) -> Locator:
    return dialog.locator(f"[data-order-lines] > [data-kind={kind}]")


def prompts(jimeng: FakeJimeng) -> list[str]:
    return sorted(order.body["prompt"] for order in jimeng.submissions)


def test_only_picked_rows_are_made_and_the_others_wait_in_the_table(
    priced: BatchPage, jimeng: FakeJimeng
) -> None:
    batch = table(priced, ("猫", "1:1"), ("狗", "1:1"), ("羊", "1:1"))
    for row in (1, 3):
        batch.pick_row(row)
    batch.page.get_by_role("button", name="做选中的 2 行").click()
    dialog = batch.order()
    expect(yes(dialog)).to_have_text("生成 2 张 · ¥0.44")
    batch.submit(dialog)
    batch.expect_status(1, "made")
    batch.expect_status(3, "made")
    batch.click_command("pick-none")
    expect(yes(batch.open_start())).to_have_text("生成 1 张 · ¥0.22")
    assert prompts(jimeng) == ["猫", "羊"]


def test_rows_without_problems_are_made_while_the_others_are_mended(
    priced: BatchPage, jimeng: FakeJimeng
) -> None:
    batch = priced
    batch.open()
    batch.import_csv("SKU,提示词,图片比例", "A-1,{SKU} 的猫,1:1", "A-2,狗,7:5", "A-3,羊,1:1")
    batch.wait_until_saved()
    dialog = batch.open_start()
    expect(line(dialog, "problem")).to_contain_text("1 行有问题，先不做")
    expect(yes(dialog)).to_have_text("做没有问题的 2 行 · ¥0.44")
    line(dialog, "problem").get_by_role("button", name="去改").click()
    expect(dialog).to_be_hidden()
    expect(batch.cell(2, "aspect_ratio")).to_have_class(re.compile("is-active"))
    batch.start_batch()
    batch.expect_status(1, "made")
    batch.expect_status(3, "made")
    batch.edit_cell(2, "aspect_ratio", "4:3")
    batch.wait_until_saved()
    expect(yes(batch.open_start())).to_have_text("生成 1 张 · ¥0.22")
    assert prompts(jimeng) == ["A-1 的猫", "羊"]


def test_a_sample_is_made_and_after_a_look_the_rest_in_another_shape(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(priced, *((f"第 {n} 只猫", "1:1") for n in range(10)))
    dialog = batch.open_start()
    size = dialog.get_by_label("先试几行")
    dialog.get_by_label("先试", exact=True).check()
    expect(yes(dialog)).to_have_text("先试 8 行 · ¥1.76")
    expect(dialog.locator("[data-order-facts]")).to_contain_text("其余的看过再做，约 ¥0.44")
    expect(dialog.locator("[data-order-facts]")).to_contain_text("同时 2 张")  # from what the model took
    size.fill("50")  # no more than leaves a rest
    expect(yes(dialog)).to_have_text("先试 9 行 · ¥1.98")
    size.fill("3")
    expect(yes(dialog)).to_have_text("先试 3 行 · ¥0.66")
    batch_id = batch.submit(dialog)
    rest = batch.run_button("release")
    expect(rest).to_have_text("做其余的 7 行 · ¥1.54")
    expect(batch.page.locator("[data-gallery-row]")).to_have_count(3)
    made = server.get(f"/api/batches/{batch_id}")["batch"]
    assert (made["counts"]["success"], made["counts"]["held"], jimeng.charges) == (3, 7, 3)

    rest.click()
    dialog = batch.order()
    dialog.get_by_text("先改一下…").click()
    dialog.locator("[name=aspect_ratio]").select_option("16:9")
    assert batch.submit(dialog) == batch_id
    batch.expect_ended()
    batch.expect_figures("10 张都做好了")
    assert sum(order.body["width"] > order.body["height"] for order in jimeng.submissions) == 7
    expect(yes(batch.open_start())).to_have_text("没有要做的")


def test_problems_of_the_rest_stand_in_the_dialog(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch = table(priced, *((f"第 {n} 只猫", "1:1") for n in range(3)))
    dialog = batch.open_start()
    dialog.get_by_label("先试几行").fill("1")
    batch.submit(dialog)
    batch.run_button("release").click()
    dialog = batch.order()
    problems = [{"row": row, "field": "resolution", "error": "做不了"} for row in (2, 3)]
    refused = {"success": False, "error": "第 2 行：做不了", "problems": problems}
    batch.page.route("**/release", lambda route: route.fulfill(status=400, json=refused))
    yes(dialog).click()
    expect(dialog.locator("[data-order-problems] > li")).to_have_count(2)
    expect(dialog.locator("[data-order-error]")).not_to_be_empty()
    assert jimeng.charges == 1


def test_made_rows_and_charged_failures_are_made_once_more_only_when_asked(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.image_format = "gif"
    start_to_end(server, rows_of("坏的"))  # charged, and cannot be decoded
    jimeng.image_format = "png"
    batch = table(priced, ("坏的", "1:1"), ("猫", "1:1"))
    batch.expect_status(1, "paid")
    batch.start_batch()
    batch.expect_status(2, "made")
    dialog = batch.open_start()
    expect(yes(dialog)).to_be_disabled()
    expect(yes(dialog)).to_have_text("没有要做的")
    expect(dialog.locator("[data-order-hint]")).to_contain_text("改一改要换的那几行，或勾选再做")
    expect(line(dialog, "paid")).to_contain_text("1 行付过，没有图")
    dialog.get_by_label("再付一次 · ¥0.22").check()
    dialog.get_by_label("再做一遍 · ¥0.22").check()
    expect(yes(dialog)).to_have_text("生成 2 张 · ¥0.44")
    batch.submit(dialog)
    batch.wait_for_image(1)
    batch.expect_ended()
    assert jimeng.charges == 4


def test_one_more_picture_of_a_row_is_ordered_from_its_menu(priced: BatchPage, jimeng: FakeJimeng) -> None:
    batch = table(priced, ("猫", "1:1"), ("狗", "1:1"))
    batch.cell(1, "actions").locator("[data-run-row]").click()
    expect(yes(batch.order())).to_have_text("生成 1 张 · ¥0.22")
    batch.submit(batch.order())
    batch.wait_for_image(1)
    batch.choose_row_action(1, "再来一张 · ¥0.22")
    dialog = batch.order()
    expect(yes(dialog)).to_have_text("再来 1 张 · ¥0.22")
    batch.submit(dialog)
    expect(batch.cell(1, "status").locator("[data-picture] img")).to_have_count(2, timeout=45_000)
    assert prompts(jimeng) == ["猫", "猫"]


def test_another_model_makes_the_rows_once_more_as_another_version(
    priced: BatchPage, jimeng: FakeJimeng
) -> None:
    batch = table(priced, ("猫", "1:1"), ("狗", "1:1"))
    batch.start_batch()
    batch.expect_ended()
    batch.open_run_menu().get_by_text("换个模型再做…").click()
    dialog = batch.order()
    dialog.locator("[data-order-model]").select_option("jimeng_seedream46_cvtob")
    expect(yes(dialog)).to_have_text("生成 2 张 · ¥0.44")
    batch.submit(dialog)
    batch.expect_ended()
    batch.expect_figures("都做好了")
    assert jimeng.charges == 4
    batch.expect_status(1, "made")


def test_the_dialog_opens_and_answers_a_press_while_the_server_hangs(draft: BatchPage) -> None:
    draft.fill(("没有回答的猫", "", "1:1", "1K"))
    draft.wait_until_saved()
    draft.open_start().get_by_role("button", name="取消").click()  # the script is there
    draft.page.context.route("**/api/**", lambda route: None)
    at_once = draft.page.evaluate(
        """async () => {
          const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
          const dialog = document.querySelector("[data-dialog=order]");
          const yes = dialog.querySelector("[data-order-yes]");
          const seen = [];
          for (const [button, isSeen] of [
            [document.querySelector("[data-command=start]"), () => dialog.open],
            [yes, () => yes.textContent === "正在提交…"],
          ]) {
            button.click();
            await frame();
            seen.push(isSeen());
          }
          return seen;
        }"""
    )
    assert at_once == [True, True]
    expect(draft.page.get_by_role("button", name="取消")).to_be_disabled()


def test_who_types_into_a_row_that_is_made_buys_nothing(priced: BatchPage, jimeng: FakeJimeng) -> None:
    jimeng.latency = 600.0
    batch = table(priced, ("猫", "1:1"))
    batch.start_batch()
    batch.expect_status(1, "running")
    batch.click_command("add")
    batch.edit_cell(2, "prompt", "狗")
    batch.cell(1, "prompt").click()
    keyboard = batch.page.keyboard
    keyboard.type("blue")
    keyboard.press("Control+Enter")
    keyboard.type(" dog")
    keyboard.press("Enter")
    expect(batch.page.locator(".toast")).to_have_text("正在做，做完再改")
    expect(batch.page.locator("dialog[open]")).to_have_count(0)
    assert prompts(jimeng) == ["猫"]


def test_an_order_that_a_key_opened_is_not_paid_by_the_next_one(draft: BatchPage) -> None:
    draft.fill(("猫", "", "1:1", "1K"))
    orders: list[Route] = []
    draft.page.route("**/run", lambda route: orders.append(route))
    draft.page.locator("[data-command=start]").focus()
    keyboard = draft.page.keyboard
    for key in ("Control+Enter", "Space", "Enter", "Control+Enter"):
        keyboard.press(key)
    expect(draft.order().locator("h2")).to_be_focused()
    draft.page.wait_for_timeout(500)  # a key is meant for the dialog from then on
    yes(draft.order()).focus()
    assert orders == []
    with draft.page.expect_request("**/run"):
        keyboard.press("Enter")


def test_a_held_ctrl_enter_does_not_confirm_its_own_dialog(draft: BatchPage) -> None:
    draft.click_command("add")
    draft.edit_cell(1, "prompt", "按住不放")
    orders: list[Route] = []
    draft.page.route("**/run", lambda route: orders.append(route))
    draft.page.keyboard.press("Escape")
    draft.page.keyboard.down("Control")
    draft.page.keyboard.down("Enter")
    expect(draft.order().locator("h2")).to_be_focused()
    for _ in range(5):
        draft.page.keyboard.down("Enter")
    draft.page.evaluate("fetch('/healthz')")
    draft.order()
    assert orders == []


def test_an_order_on_its_way_cannot_be_left_or_repeated(draft: BatchPage) -> None:
    draft.fill(("猫", "", "1:1", "1K"))
    on_the_way: list[Route] = []
    draft.page.route("**/run", lambda route: on_the_way.append(route))
    dialog = draft.open_start()
    yes(dialog).click()
    expect(yes(dialog)).to_have_text("正在提交…")
    expect(dialog.get_by_role("button", name="取消")).to_be_disabled()
    for _ in range(2):
        draft.page.keyboard.press("Escape")
        expect(dialog).to_be_visible()
        draft.page.mouse.click(5, 5)
        expect(dialog).to_be_visible()
    on_the_way[0].fulfill(status=507, json={"error": "磁盘满了"})
    expect(dialog.locator("[data-order-error]")).to_have_text("磁盘满了")
    draft.page.unroute_all()
    draft.submit(dialog)
    draft.wait_for_image(1)
    assert len(on_the_way) == 1


def test_a_run_stops_by_itself_unless_that_is_turned_off(draft: BatchPage) -> None:
    draft.fill(("不会自己停下的猫", "", "1:1", "1K"))
    sent: list[Any] = []

    def answer(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "{}").get("stop_after", "usual"))
        route.abort()

    draft.page.route("**/run", answer)
    dialog = draft.open_start()
    expect(dialog.get_by_label("先试几行")).to_be_hidden()  # one row is no more than its sample
    yes(dialog).click()
    expect(dialog.locator("[data-order-error]")).not_to_be_empty()
    dialog.get_by_label("失败太多时自己停下").uncheck()
    yes(dialog).click()
    expect(yes(dialog)).to_be_enabled()
    assert sent == ["usual", None]


def test_the_dialog_includes_spending_since_the_page_was_opened(
    priced: BatchPage, server: ServerProcess
) -> None:
    server.put("/api/budgets", {"total": 1})
    batch = table(priced, ("猫", "1:1"))
    expect(batch.open_start()).to_contain_text("预算还剩 ¥1.00")
    batch.page.keyboard.press("Escape")
    start_to_end(server, [{"prompt": "狗", "num_images": 4}])
    expect(batch.page.locator("[data-footer-sum]")).to_have_class("batch-footer-sum is-over")
    dialog = batch.open_start()
    expect(dialog).to_contain_text("预算还剩 ¥0.12")
    expect(dialog).to_contain_text("预算不够全部做完")


def test_what_was_bought_elsewhere_meanwhile_is_not_paid_twice(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng, page: Page
) -> None:
    batch = table(priced, ("猫", "1:1"), ("狗", "1:1"))
    page.route(re.compile(r"\?since="), lambda route: route.abort())  # this page hears nothing of it
    dialog = batch.open_start()
    start_to_end(server, rows_of("猫"))
    batch.submit(dialog)
    expect(page.locator(".toast")).to_contain_text("1 行刚才已经做过或正在做，没有再下单")
    server.wait_for_end(server.get("/api/batches")["batches"][0]["id"])
    batch.open_start()
    yes(dialog).click()
    expect(dialog.locator("[data-order-error]")).to_contain_text("没有再下单")
    assert jimeng.charges == 2


def test_pictures_in_the_trash_are_offered_before_they_are_made_anew(
    priced: BatchPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    start_to_end(server, rows_of("猫"))
    server.post("/api/records/delete", {"ids": [1]})
    batch = table(priced, ("猫", "1:1"))
    batch.expect_status(1, "trashed")
    dialog = batch.open_start()
    expect(yes(dialog)).to_have_text("生成 1 张 · ¥0.22")
    dialog.get_by_role("button", name="恢复，不再做").click()
    expect(yes(dialog)).to_have_text("没有要做的")
    batch.page.keyboard.press("Escape")
    batch.wait_for_image(1)
    assert jimeng.charges == 1
