"""The dialog of recipes: from a sheet of products to the rows of its sets."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tools.pages.recipes_page import RecipesPage
from tools.server_process import ServerProcess

NAMES = ["主图", "白底", "场景", "细节", "卖点"]


@pytest.fixture
def recipes(page: Page, demo_server: ServerProcess) -> RecipesPage:
    return RecipesPage(page, demo_server)


def test_a_sheet_of_products_gets_a_recipe_whose_problems_lead_to_their_places_and_which_is_undone(
    recipes: RecipesPage,
) -> None:
    page, dialog = recipes.page, recipes.dialog
    recipes.import_products(4, photos=3)
    expect(dialog).to_contain_text("这份表格没有提示词，每行当作一个产品：选一个配方")
    expect(recipes.roles).to_have_text(NAMES)
    expect(dialog.locator("[data-preview-more]")).to_have_text("参考图 正1.png · 文件名 A-1_主图")
    dialog.locator("[data-recipes-item='2']").click()
    recipes.words.fill("{型号}")
    expect(recipes.problems).to_have_count(2)
    expect(recipes.problems.last).to_contain_text("示例图里没有「正4.png」")
    recipes.expect_sum("要做 12 张")
    dialog.locator("[data-recipes-item='0']").click()
    recipes.problems.get_by_role("button", name="场景：没有「型号」这一列").click()
    expect(recipes.words).to_be_focused()
    expect(recipes.words).to_have_attribute("aria-invalid", "true")
    recipes.words.fill("{")
    page.keyboard.type("品")
    page.keyboard.press("Enter")
    expect(recipes.words).to_have_value("{品名}")
    expect(recipes.problems).to_have_count(1)
    recipes.problems.get_by_role("button", name="到第 5 行").click()
    expect(dialog).to_be_hidden()
    active = page.locator("[data-row='4'] .is-active")
    expect(active).to_have_text("正4.png")
    recipes.open()
    recipes.expect_sum("4 个产品 × 5 个角色 = 20 张 要做 15 张 免费")
    recipes.press("recipes-apply")
    expect(dialog).to_be_hidden()
    recipes.batch.expect_rows(20)
    page.locator("[data-toasts]").get_by_role("button", name="撤销").click()
    recipes.batch.expect_rows(4)
    recipes.batch.reload()
    expect(dialog).to_have_count(0)  # it was opened once by itself


def test_what_is_typed_before_the_recipes_arrive_belongs_to_that_of_the_table(recipes: RecipesPage) -> None:
    recipes.import_products(2)
    recipes.press("recipes-apply")
    recipes.batch.expect_rows(10)
    held: list[Route] = []
    recipes.page.route("**/api/recipes", lambda route: held.append(route))
    with recipes.page.expect_request("**/api/recipes"):
        recipes.open()
    recipes.words.fill("{品名}，斜放")
    held[0].continue_()
    recipes.expect_chosen("这个表格用的：电商五张（没有保存）")
    expect(recipes.words).to_have_value("{品名}，斜放")
    recipes.expect_sum("要做 10 张")


def test_roles_are_added_moved_and_removed_by_keys_and_kept_until_they_are_stored(
    recipes: RecipesPage,
) -> None:
    page, dialog = recipes.page, recipes.dialog
    recipes.import_products(2)
    expect(dialog.locator("[data-recipes-item='0']")).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Delete")
    expect(recipes.roles).to_have_text(["白底", "主图", "细节", "卖点"])
    dialog.get_by_role("button", name="撤销").click()
    expect(recipes.roles).to_have_text(["白底", "主图", "场景", "细节", "卖点"])
    recipes.press("recipes-add")
    page.keyboard.type("手持")
    expect(dialog.locator("[data-recipes-sum]")).to_have_text("「手持」还没有提示词")
    dialog.get_by_role("button", name="{品名}").click()
    expect(recipes.words).to_have_value("{品名}")
    recipes.expect_sum("2 个产品 × 6 个角色 = 12 张")
    page.keyboard.press("Escape")
    recipes.batch.reload()
    recipes.open()
    recipes.expect_chosen("电商五张（没有保存）")
    recipes.press("recipes-store")
    page.keyboard.type("我的六张")
    page.keyboard.press("Enter")
    recipes.expect_chosen("我的六张")
    stored = recipes.server.get("/api/recipes/我的六张")["recipe"]["roles"]
    assert [role["role"] for role in stored] == ["白底", "主图", "场景", "细节", "卖点", "手持"]


def test_a_recipe_is_renamed_deleted_and_brought_back_and_travels_as_a_sheet(
    recipes: RecipesPage, tmp_path: Path
) -> None:
    page, dialog = recipes.page, recipes.dialog
    role = {"role": "主图", "prompt": "{品名}", "sample_images": [{"column": "产品图1"}]}
    recipes.server.put("/api/recipes/一张", {"roles": [role]})
    recipes.import_products(2)
    recipes.expect_chosen("一张")
    recipes.press_in_menu("recipes-rename")
    page.keyboard.type("一张图")
    page.keyboard.press("Enter")
    recipes.expect_chosen("一张图")
    with page.expect_download() as started:
        recipes.press_in_menu("recipes-export")
    started.value.save_as(tmp_path / "一张图-配方.xlsx")
    recipes.press_in_menu("recipes-delete")
    recipes.expect_chosen("电商五张")
    dialog.get_by_role("button", name="撤销").click()
    recipes.expect_chosen("一张图")
    dialog.locator("[data-recipes-file]").set_input_files(tmp_path / "一张图-配方.xlsx")
    recipes.expect_chosen("新配方（没有保存）")
    recipes.expect_sum("2 个产品 × 1 个角色 = 2 张")


def test_a_changed_role_of_a_table_says_what_is_to_be_made_again(recipes: RecipesPage) -> None:
    recipes.import_products(3)
    recipes.expect_sum("15 张")
    recipes.press("recipes-apply")
    recipes.batch.expect_rows(15)
    server, table = recipes.server, recipes.batch.table_id
    server.wait_for_end(server.post(f"/api/tables/{table}/run", {})["batch_id"])
    recipes.open()
    recipes.expect_chosen("这个表格用的：电商五张")
    recipes.expect_sum("15 张 没有要做的")
    recipes.words.fill("{品名}，白底")
    recipes.expect_sum("改了 1 个角色 · 要做 3 张 免费")


def test_a_recipe_that_was_changed_elsewhere_is_looked_at_before_it_is_replaced(recipes: RecipesPage) -> None:
    recipes.import_products(2)
    recipes.expect_sum("10 张")
    recipes.press("recipes-apply")
    recipes.batch.expect_rows(10)
    server, table = recipes.server, recipes.batch.table_id
    recipes.open()
    recipes.expect_chosen("这个表格用的：电商五张")
    recipes.words.fill("{品名}，主图")
    recipes.expect_sum("改了 1 个角色")
    recipe = server.get(f"/api/tables/{table}")["table"]["recipe"]
    recipe["roles"][4]["prompt"] = "{品名}，卖点"
    server.post(f"/api/tables/{table}/recipe", {"recipe": recipe})
    recipes.press("recipes-apply")
    expect(recipes.dialog.locator("[data-recipes-error]")).to_contain_text("刚在别处改过")
    recipes.dialog.locator("[data-close]").click()
    recipes.open()
    expect(recipes.words).to_have_value("{品名}，主图")
    recipes.expect_sum("改了 2 个角色")
    recipes.press("recipes-apply")
    expect(recipes.dialog).to_be_hidden()


def test_on_a_phone_a_recipe_is_chosen_changed_and_applied(phone: Page, demo_server: ServerProcess) -> None:
    recipes = RecipesPage(phone, demo_server)
    recipes.import_products(2)
    last = recipes.dialog.locator("[data-recipes-item='4']")
    last.tap()
    recipes.dialog.get_by_role("button", name="往前移").tap()
    expect(recipes.roles).to_have_text(["主图", "白底", "场景", "卖点", "细节"])
    recipes.dialog.get_by_role("button", name="用到这个表格").tap()
    expect(recipes.dialog).to_be_hidden()
    recipes.batch.expect_rows(10)
    expect(phone.locator("[data-row='6'] .is-prompt")).to_have_attribute("data-product", "A-2")
