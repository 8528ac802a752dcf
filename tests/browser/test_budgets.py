"""Budgets: set on 用量 in place, and raised on the page of the batch that one paused."""

from playwright.sync_api import Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess


def submit(server: ServerProcess, number: int) -> str:
    return start(server, rows_of(*(f"猫 {n}" for n in range(number))))


def test_a_budget_is_saved_in_place_and_its_figures_follow(page: Page, server: ServerProcess) -> None:
    page.goto(server.address + "/usage#budgets")
    total, month = page.get_by_label("总预算", exact=True), page.get_by_label("本月预算", exact=True)
    month.fill("¥ 0.50")
    month.press("Enter")
    expect(page.get_by_role("status").filter(has_text="预算已保存")).to_be_visible()
    total.fill("很多")
    total.blur()
    expect(page.locator("[data-scope=total] [data-error]")).to_contain_text(
        "「总预算」应为 0–10000000 的数字"
    )
    expect(total).to_have_attribute("aria-invalid", "true")
    server.wait_for_end(submit(server, 2))
    expect(page.locator("[data-scope=month] [data-spent]")).to_have_text("已用 ¥0.44，还剩 ¥0.06")
    expect(page.locator(".status-budget")).to_have_text("预算已用 88%")
    page.reload()
    expect(month).to_have_value("0.50")
    expect(total).to_have_value("")


def test_the_batch_that_budgets_paused_is_continued_on_its_page(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    server.put("/api/budgets", {"batch": 0.25, "total": 0.5})
    batch = BatchPage(page, server.address)
    batch.open_run(submit(server, 4))
    notice = page.locator("[data-stage]")
    expect(notice).to_contain_text("每批预算 ¥0.25 只剩 ¥0.03")
    batch.run_button("raise_budget").click()
    page.get_by_label("每批预算改成 ¥").fill("1")
    page.get_by_role("button", name="改好并继续").click()
    expect(notice).to_contain_text("总预算 ¥0.50 只剩 ¥0.06")
    batch.run_button("raise_budget").click()
    expect(page.get_by_label("总预算改成 ¥")).to_have_value("1")
    page.get_by_role("button", name="改好并继续").click()
    batch.expect_ended()
    expect(page.locator("[data-run-budget]")).to_be_hidden()
    assert jimeng.charges == 4


def test_the_top_bar_of_a_phone_shows_work_and_budget_in_full(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600
    server.put("/api/budgets", {"total": 0.25})
    submit(server, 1)
    page.set_viewport_size({"width": 390, "height": 844})
    for language in ("zh", "en"):
        page.context.add_cookies([{"name": "language", "value": language, "url": server.address}])
        page.goto(server.address)
        expect(page.locator(".status-budget")).to_be_visible()
        work = page.locator(".status-work")
        expect(work).to_be_visible()
        assert work.evaluate("(each) => each.scrollWidth <= each.clientWidth"), language


def test_an_order_beyond_the_budget_is_told_before_it_and_once_after_it(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    server.put("/api/budgets", {"total": 0.74})
    studio = StudioPage(page, server.address)
    studio.open()
    studio.write_prompt("雪山")
    notice = page.locator("[data-budget]")
    studio.set_count(3)
    expect(notice.locator("span")).to_have_text("总预算还剩 ¥0.74")
    studio.set_count(6)
    expect(notice).to_contain_text("预算还剩 ¥0.74，只够 3 张：做完这些就暂停，不会超支。")
    studio.generate()
    expect(studio.tiles("success")).to_have_count(3)
    request = page.locator("[data-request-key]")
    expect(request.get_by_text("预算 ¥0.74 只剩 ¥0.08")).to_have_count(1)
    expect(studio.tiles("queued").get_by_text("预算")).to_have_count(0)
    expect(notice).to_contain_text("预算还剩 ¥0.08，不够做一张。")
    expect(request.get_by_role("link", name="改预算")).to_have_attribute("href", "/usage#budgets")
    request.get_by_role("button", name="继续 · ¥0.66").click()
    expect(request.locator("header [data-error]")).to_contain_text("预算 ¥0.74 只剩 ¥0.08")
    request.get_by_role("button", name="全部取消").click()
    expect(studio.tiles("cancelled")).to_have_count(3)
    page.locator(".toast").get_by_role("button", name="撤销").click()
    expect(studio.tiles("queued")).to_have_count(3)
    assert jimeng.charges == 3
