"""A table with a recipe: its trial of whole products, a set per line in 看图, and the release by role."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.pictures_page import PicturesPage
from tools.server_process import ServerProcess

ROLES = ("主图", "白底", "场景")


@pytest.fixture
def table(page: Page, server: ServerProcess) -> str:
    """An open table of four products of two categories, with three roles each."""
    columns = [{"SKU": f"A-{n}", "品名": f"茶具{n}", "类目": str(n // 3)} for n in range(1, 5)]
    rows = [{"columns": each} for each in columns]
    made = str(server.post("/api/tables", {"rows": rows, "name": "套图"})["table"]["id"])
    roles = [{"role": role, "prompt": f"{{品名}}，{role}", "resolution": "1K"} for role in ROLES]
    server.post(f"/api/tables/{made}/recipe", {"recipe": {"name": "三张", "roles": roles}})
    page.goto(f"{server.address}/batch?table={made}")
    expect(page.locator("[data-sets]")).to_have_text("4 个产品 · 0 套齐了")
    return made


def shots(page: Page, product: str) -> Locator:
    """The places of the product's roles in 看图, in their order."""
    return page.locator(f"[data-gallery-row][aria-label^='{product} '] [data-shot-key]")


def test_a_trial_is_of_products_and_its_roles_are_released_one_by_one(
    page: Page, server: ServerProcess, table: str, jimeng: FakeJimeng
) -> None:
    page.locator("[data-command=start]").click()
    expect(page.locator(".trial")).to_have_count(3)
    page.locator(".trial", has_text="每类先试").click()
    expect(page.locator("[data-order-yes]")).to_have_text("先试 2 个产品 · 6 张 ¥1.32")
    page.locator("[data-order-yes]").click()
    expect(page.locator("[data-set-key]")).to_have_text(["A-1", "A-3"])
    page.keyboard.press("1")
    page.keyboard.press("x")
    expect(shots(page, "A-1").nth(0)).to_have_attribute("data-pick", "keep")
    expect(shots(page, "A-1").nth(1)).to_have_attribute("data-pick", "reject")
    page.locator("[data-stage-action]").click()
    page.locator("[data-order-lines] li", has_text="场景").locator("input").uncheck()
    yes = page.locator("[data-order-yes]")
    expect(yes).to_have_text("做 主图、白底 · 4 张 ¥0.88")
    page.get_by_role("button", name="改配方…").click()
    expect(page.locator("[data-recipes-apply][aria-disabled=false]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(yes).to_have_text("做 主图、白底 · 4 张 ¥0.88")  # it is still there
    yes.click()
    page.locator("[data-filter-all]").click()
    expect(shots(page, "A-4").locator("img")).to_have_count(2)
    expect(shots(page, "A-4").nth(2)).to_contain_text("等你看过")
    assert jimeng.charges == 10
    states = [row["state"] for row in server.get(f"/api/tables/{table}")["rows"]]
    assert (states.count("made"), states.count("held")) == (10, 2)


def test_a_role_is_switched_off_for_a_product_and_on_again_in_the_menu_of_its_rows(
    page: Page, table: str
) -> None:
    rows = page.locator("[data-table-body] [data-row]")

    def press(row: int, label: str) -> None:
        rows.nth(row).hover()
        rows.nth(row).locator("[data-row-menu]").click()
        page.locator("[data-menu]").get_by_text(label).click()

    press(1, "这个产品不要「白底」")
    expect(rows.nth(1)).to_contain_text("茶具1，场景")
    press(0, "恢复「白底」")
    expect(rows.nth(1)).to_contain_text("茶具1，白底")
    expect(page.locator(".toast")).to_have_text(["已恢复「白底」撤销"])
    page.locator(".toast button").click()
    expect(rows.nth(1)).to_contain_text("茶具1，场景")


def test_sets_are_counted_as_their_roles_are_kept_and_those_that_lack_one_are_found(
    page: Page, server: ServerProcess, table: str
) -> None:
    page.locator("[data-row='2']").wait_for()
    starts = [f"[data-row='{row}'].is-set-start" for row in (4, 7, 10)]
    expect(page.locator(", ".join(starts))).to_have_count(3)
    repeated = page.locator(".is-repeated:visible")
    expect(repeated).to_have_count(8)  # the SKU, but not the role
    server.wait_for_end(str(server.post(f"/api/tables/{table}/run", {})["batch_id"]))
    pictures = PicturesPage(page, server)
    pictures.open(table)
    page.locator("[data-shot]").first.focus()
    pictures.press("1", "1", "1", "1")
    expect(page.locator("[data-set-count]")).to_have_text(["3/3", "1/3", "0/3", "0/3"])
    page.locator("[data-gallery-group=incomplete]").click()
    expect(page.locator("[data-set-key]")).to_have_text(["A-2", "A-3", "A-4"])
    expect(page.locator("[data-sets]")).to_have_text("4 个产品 · 1 套齐了")
    page.locator("[data-sets]").click()
    expect(page.locator("[data-filter-text]")).to_contain_text("只显示没齐的产品：9 行")
    page.locator("[data-shot-key] a").nth(2).click()
    caption = page.locator("[data-caption]")
    expect(caption).to_have_text("A-2 · 茶具2 · 场景 · 3/3")
    pictures.press("Enter")
    expect(caption).to_have_text("A-3 · 茶具3 · 主图 · 1/3")
    pictures.press("2")
    expect(caption).to_have_text("A-3 · 茶具3 · 白底 · 2/3")


def test_what_is_rejected_is_made_again_at_one_press(page: Page, server: ServerProcess, table: str) -> None:
    server.wait_for_end(str(server.post(f"/api/tables/{table}/run", {})["batch_id"]))
    pictures = PicturesPage(page, server)
    pictures.open(table)
    page.locator("[data-shot]").first.focus()
    pictures.press("x", "ArrowRight", "x")
    page.locator("[data-gallery-group=reject]").click()
    again = page.locator("[data-gallery-again]")
    expect(again).to_have_text("再来 2 张 · ¥0.44")
    again.click()
    page.locator("[data-order-yes]").click()
    page.locator("[data-gallery-group=all]").click()
    expect(shots(page, "A-1").locator("img")).to_have_count(5)
    expect(again).to_be_hidden()
