"""A slow network: what is pressed and typed before an answer, and answers that come late or out of order."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import OpenStudio
from tests.browser.test_submissions import count_submissions
from tests.browser.test_usage import lost_batch
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start, upload
from tools.pages.pictures_page import PicturesPage, made_table
from tools.pages.records_page import RecordsPage
from tools.pages.samples_page import Picker, image_file
from tools.pages.usage_page import UsagePage
from tools.server_process import ServerProcess
from tools.waiting import wait_until


class Held:
    """Requests of an address that wait until they are let go."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.routes: list[Route] = []
        self.is_over = False
        page.context.route(address, self._hold)

    def _hold(self, route: Route) -> None:
        if self.is_over:
            route.continue_()
        else:
            self.routes.append(route)

    def wait_for(self, number: int = 1) -> None:
        """Wait until this many are held."""
        wait_until(lambda: self.page.evaluate("true") and len(self.routes) >= number)

    def let_go(self, number: int = 1) -> None:
        """Answer one of them, by its place."""
        route = self.routes[number - 1]
        with self.page.expect_event("requestfinished", lambda request: request == route.request):
            route.continue_()

    def let_go_both_in_reverse(self) -> None:
        """Wait for two, hold no more, and answer the second one first."""
        self.wait_for(2)
        self.stop()
        for number in (2, 1):
            self.let_go(number)

    def stop(self) -> None:
        """Hold no more."""
        self.is_over = True


def test_an_order_shows_a_sign_at_once_whatever_the_network_does(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(demo_server)
    page.write_prompt("雪山")
    page.generate()
    page.wait_for_images(1)
    orders = Held(page.page, "**/api/batches")
    page.set_count(3)
    page.generate()
    expect(page.page.get_by_text("正在提交…")).to_have_count(3, timeout=500)
    expect(page.page.locator("[data-ctrl-enter]")).to_have_css("opacity", "0.55", timeout=500)
    orders.wait_for()
    orders.routes[0].abort()
    expect(page.page.locator("[data-form-error]")).to_contain_text("连不上服务")
    expect(page.page.get_by_text("正在提交…")).to_have_count(0)
    again = page.tiles("success").first.locator("[data-command=again]")
    again.click()
    expect(again).to_have_attribute("data-busy", "yes", timeout=500)
    expect(page.page.get_by_text("正在提交…")).to_have_count(1)
    orders.wait_for(2)
    orders.stop()
    orders.let_go(2)
    page.wait_for_images(2)


def test_one_more_leaves_the_page_where_it_is(demo_server: ServerProcess, studio: OpenStudio) -> None:
    for prompt in ("猫", "狗"):
        row = {"prompt": prompt, "num_images": 4, "resolution": "1K"}
        demo_server.post("/api/batches", {"rows": [row], "source": "single"})
    page = studio(demo_server)
    page.page.set_viewport_size({"width": 1440, "height": 400})
    page.wait_for_images(8)
    last = page.tiles().last
    last.locator("[data-command=again]").hover()
    before = last.bounding_box()
    last.locator("[data-command=again]").evaluate("(button) => button.click()")
    page.wait_for_images(9)
    after = last.bounding_box()
    assert before
    assert after
    assert abs(before["y"] - after["y"]) < 2
    page.page.locator(".toast").get_by_role("button", name="去看").click()
    expect(page.tiles().first).to_be_in_viewport()


def test_figures_are_grey_while_the_server_does_not_answer(demo_server: ServerProcess, page: Page) -> None:
    page.goto(demo_server.address)
    answers = Held(page, "**/live/status")
    answers.wait_for()
    expect(page.locator("html.is-stale")).to_be_attached()
    answers.stop()
    answers.let_go()
    expect(page.locator("html.is-stale")).to_have_count(0)


def test_the_second_click_of_a_double_click_submits_nothing(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(demo_server)
    page.write_prompt("雪山")
    page.generate()
    page.wait_for_images(1)
    box = page.page.locator("[data-studio-form] button[type=submit]").bounding_box()
    assert box
    page.page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.page.mouse.down(click_count=2)
    page.page.mouse.up(click_count=2)
    page.generate()
    page.wait_for_images(2)
    assert count_submissions(demo_server) == 2


def test_a_reference_that_is_uploading_stays_while_the_form_is_filled_until_it_is_cleared(
    shared_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(shared_server)
    file = page.page.locator("[data-references] input[type=file]")
    uploads = Held(page.page, "**/api/sample-images")
    file.set_input_files(image_file("甲.png"))
    uploads.wait_for()
    page.page.locator("[data-example]").first.click()
    expect(page.references()).to_have_count(1)
    page.generate()
    expect(page.page.locator("[data-error-for=sample_images]")).to_have_text("参考图还在上传，请稍等")
    uploads.let_go()
    expect(page.page.locator("[data-references] .is-uploading")).to_have_count(0)
    page.generate()
    page.wait_for_images(1)
    [image] = shared_server.get("/api/records")["records"][0]["sample_images"]
    assert image["filename"] == "甲.png"

    page.write_prompt("照着画")
    file.set_input_files(image_file("乙.png"))
    uploads.wait_for(2)
    page.page.locator("[data-clear]").click()
    expect(page.references()).to_have_count(0)
    page.write_prompt("雪山")
    page.generate()
    page.wait_for_images(2)
    assert shared_server.get("/api/records")["records"][0]["sample_images"] == []


def test_enter_while_a_list_loads_presses_nothing_on_the_page(
    shared_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(shared_server)
    before = count_submissions(shared_server)
    page.write_prompt("雪山")
    scripts = Held(page.page, "**/ui/lists*.js*")
    page.page.locator("[data-studio-form] button[type=submit]").focus()
    page.page.keyboard.press("Control+k")
    scripts.wait_for()
    page.page.keyboard.type("ylx")
    page.page.keyboard.press("Backspace")
    page.page.keyboard.press("Enter")
    scripts.stop()
    scripts.let_go()
    expect(page.page.locator("dialog[open] [role=combobox]")).to_have_value("yl")
    assert count_submissions(shared_server) == before


def test_an_amount_is_typed_only_when_the_budget_is_known(page: Page, server: ServerProcess) -> None:
    server.put("/api/budgets", {"batch": 0.25})
    made = start(server, rows_of(*(f"第 {n} 款" for n in range(4))))
    wait_until(lambda: server.get(f"/api/batches/{made}")["batch"]["counts"]["success"] == 1)
    budgets = Held(page, "**/api/budgets?*")
    batch = BatchPage(page, server.address)
    batch.open_run(made)
    batch.click_command("raise_budget")
    budgets.wait_for()
    amount = page.locator("#run-budget")
    expect(amount).to_be_visible()
    expect(amount).not_to_be_editable()
    budgets.let_go()
    expect(amount).to_be_editable()
    expect(amount).to_have_value("1")


def test_a_choice_that_is_changed_before_the_answer_stays_as_it_was_made_last(
    page: Page, server: ServerProcess
) -> None:
    pictures = PicturesPage(page, server)
    pictures.open(made_table(server, rows_of("茶壶", "茶碗")))
    choices = Held(page, "**/api/records/pick")
    pictures.focus(1)
    pictures.press("p")
    choices.wait_for()
    pictures.focus(1)
    pictures.press("x")
    pictures.expect_pick(1, 1, "reject")
    choices.stop()
    choices.let_go()
    pictures.expect_counts(reject=1, keep=0)
    wait_until(lambda: server.get("/api/records?pick=reject")["total"] == 1)
    pictures.expect_pick(1, 1, "reject")


@pytest.mark.parametrize("first", ["search", "filter"])
def test_a_search_and_a_filter_keep_what_the_other_has_not_answered(
    own_records: RecordsPage, first: str
) -> None:
    records = own_records
    lists = Held(records.page, "**/live/records?*")
    steps = [
        lambda: records.search("夜市"),
        lambda: records.filter("pick", "留下的"),
    ]
    if first == "filter":
        steps.reverse()
    steps[0]()
    lists.wait_for()
    steps[1]()
    lists.let_go_both_in_reverse()
    records.expect_total("找到 0 条")
    records.expect_query(search="夜市", pick="keep")


def test_a_command_that_ends_leaves_the_search_that_is_under_way(own_records: RecordsPage) -> None:
    records = own_records
    deletions = Held(records.page, "**/api/records/delete")
    records.page.locator("[data-records] [data-record-id] [data-select]").first.check()
    records.page.keyboard.press("Delete")
    deletions.wait_for()
    lists = Held(records.page, "**/live/records?*")
    records.search("夜市")
    lists.wait_for()
    deletions.let_go()
    lists.let_go_both_in_reverse()
    records.expect_query(search="夜市")
    expect(records.page.locator("[data-search]")).to_have_value("夜市")
    records.expect_total("找到 10 条")


def test_why_a_command_failed_is_said_though_its_record_was_rendered_anew(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    lost_batch(server, jimeng, "猫")
    usage = UsagePage(page, server.address)
    usage.open()
    usage.act("重试…")
    resubmissions = Held(page, "**/api/records/retry")
    usage.confirm_cost()
    resubmissions.wait_for()
    page.evaluate("document.querySelector('[data-record-id]').dataset.old = 'yes'")
    lost_batch(server, jimeng, "狗")
    expect(page.locator("[data-old]")).to_have_count(0)
    resubmissions.routes[0].abort()
    usage.expect_toast("连不上服务")


def written(page: Page, server: ServerProcess, *prompts: str) -> BatchPage:
    """A new table of these prompts."""
    batch = BatchPage(page, server.address)
    batch.open()
    batch.fill(*[(prompt,) for prompt in prompts])
    return batch


def test_references_asked_for_twice_are_those_of_the_second_row(
    page: Page, shared_server: ServerProcess
) -> None:
    upload(shared_server, "丙.png")
    script = Held(page, "**/table/tools.js*")
    batch = written(page, shared_server, "猫", "狗")
    for row in (1, 2):
        batch.cell(row, "sample_images").locator("[data-references]").click()
    script.wait_for()
    script.stop()
    script.let_go()
    picker = Picker(page)
    picker.pick("丙.png")
    picker.confirm()
    batch.expect_text(2, "sample_images", "选择 (1)")
    batch.expect_text(1, "sample_images", "选择 (0)")


def test_a_card_that_was_saved_takes_no_focus_from_what_is_being_typed(
    page: Page, shared_server: ServerProcess
) -> None:
    page.goto(shared_server.address + "/model")
    card, other = page.get_by_role("region", name="Seedream"), page.locator("#set-BAILIAN_PRICE")
    card.get_by_text("填写密钥").click()
    card.locator("#set-SEEDREAM_PRICE").fill("0.3")
    saves = Held(page, "**/api/settings*")
    card.get_by_role("button", name="保存").click()
    saves.wait_for()
    other.evaluate("field => { field.closest('details').open = true; field.focus(); }")
    page.keyboard.type("0.")
    saves.let_go()
    expect(card.locator("[data-result]")).to_contain_text("已保存")
    page.keyboard.type("5")
    expect(other).to_have_value("0.5")


def test_what_is_typed_while_the_find_bar_loads_is_looked_for(
    page: Page, shared_server: ServerProcess
) -> None:
    script = Held(page, "**/table/tools.js*")
    batch = written(page, shared_server, "猫", "abc")
    bar = page.locator("[data-find]")
    for word, key in (("a?z", "Escape"), ("abcz", "Backspace")):
        page.keyboard.press("Control+f")
        page.keyboard.type(word)
        page.keyboard.press(key)
    script.wait_for()
    script.stop()
    script.let_go()
    expect(bar.locator("[data-find-words]")).to_have_value("abc")
    expect(bar.locator("[data-find-count]")).to_have_text("1 处")
    expect(page.locator("dialog[open]")).to_have_count(0)
    batch.expect_text(2, "prompt", "abc")
