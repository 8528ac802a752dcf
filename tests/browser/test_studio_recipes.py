"""A role of an own recipe fills the form of one picture."""

from playwright.sync_api import expect

from tests.browser.conftest import OpenStudio
from tests.browser.test_search_lists import open_commands
from tools.server_process import ServerProcess

POSTER = {"role": "图片", "prompt": "{原提示词}，极简", "aspect_ratio": "16:9", "negative_prompt": "文字"}
SET = [
    {
        "role": "主图",
        "prompt": "棚拍：{原提示词}",
        "aspect_ratio": "1:1",
        "sample_images": [{"column": "产品图"}],
    },
    {"role": "细节", "prompt": "微距", "aspect_ratio": "3:4"},
]


def test_a_role_fills_the_form_around_what_was_written_and_the_next_one_takes_its_place(
    studio: OpenStudio, demo_server: ServerProcess
) -> None:
    opened = studio(demo_server)
    page = opened.page
    choice = page.get_by_label("用配方", exact=True)
    expect(choice).to_be_hidden()
    demo_server.put("/api/recipes/海报", {"roles": [POSTER]})
    demo_server.put("/api/recipes/五张", {"roles": SET})
    page.reload()
    opened.write_prompt("一只橘猫")
    choice.select_option("海报")
    opened.expect_prompt("一只橘猫，极简")
    expect(page.locator("input[value='16:9']")).to_be_checked()
    expect(page.locator("#negative_prompt")).to_have_value("文字")
    choice.select_option("主图")
    opened.expect_prompt("棚拍：一只橘猫")
    expect(page.locator("input[value='1:1']")).to_be_checked()
    expect(open_commands(page, "配方 细节").first).to_have_text("配方：五张 · 细节")
    page.keyboard.press("Enter")
    opened.expect_prompt("微距")
    choice.select_option("不用")
    opened.expect_prompt("一只橘猫")


def test_the_form_becomes_a_role_of_a_recipe_that_can_be_chosen_at_once(
    studio: OpenStudio, demo_server: ServerProcess
) -> None:
    opened = studio(demo_server)
    page = opened.page
    opened.write_prompt("一只橘猫")
    opened.choose("16:9", "1K")
    page.locator("[data-more] > summary").click()
    page.get_by_role("button", name="存成配方…").click()
    dialog = page.locator("dialog[data-dialog=recipes]")
    expect(dialog.locator("[name=prompt]")).to_have_value("一只橘猫")
    dialog.locator("[name=prompt]").fill("高清，{原提示词}")
    dialog.get_by_role("button", name="保存", exact=True).click()
    dialog.locator("[data-recipes-naming] [name=name]").fill("海报")
    dialog.locator("[data-recipes-naming] [type=submit]").click()
    expect(dialog.get_by_text("已保存「海报」")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_label("用配方", exact=True).select_option("海报")
    opened.expect_prompt("高清，一只橘猫")
    (own,) = (one for one in demo_server.get("/api/recipes")["recipes"] if not one["built_in"])
    role = {"role": "图片", "prompt": "高清，{原提示词}", "aspect_ratio": "16:9", "resolution": "1K"}
    assert {name: own["roles"][0][name] for name in role} == role
