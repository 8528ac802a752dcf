"""示例图 with a folder and with a bucket: upload, search, rename, delete, choose."""

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLES
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.pages.samples_page import Picker, SamplesPage
from tools.server_process import ServerProcess, running_server

MANY = 2_000  # two lists of the bucket
AT_ONCE = 10_000  # ms before the page polls by itself


def files(folder: Path, *names: str) -> list[Path]:
    made = [folder / name for name in names]
    for path in made:
        path.write_bytes(noise_image("png", size=(400, 300)))
    return made


def test_an_image_is_renamed_deleted_and_restored_by_keyboard(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "旧名.png"))
    library.expect_names("旧名.png")
    library.rename("旧名.png", "//")
    tile = library.sample("旧名.png")
    expect(tile.locator("[data-error]")).to_contain_text("请写一个名字")
    field = tile.get_by_label("新名字：旧名.png")
    expect(field).to_have_value("//")
    expect(field).to_be_focused()
    field.fill("新 名 🎨")
    library.page.keyboard.press("Enter")
    renamed = library.sample("新 名 🎨.png")
    expect(renamed.locator("a")).to_be_focused()
    library.page.keyboard.press("Delete")
    expect(library.page.locator(".empty")).to_contain_text("还没有示例图", timeout=AT_ONCE)
    expect(library.page.locator("[data-files]")).to_be_focused()
    library.undo()
    expect(renamed.locator("a")).to_be_focused(timeout=AT_ONCE)
    expect(library.page.locator(".empty")).to_have_count(0)
    library.delete("新 名 🎨.png")
    library.search("名")
    library.expect_count("找到 0 张")
    library.undo()
    expect(renamed.locator("a")).to_be_focused(timeout=AT_ONCE)
    library.expect_count("找到 1 张")
    library.open()
    library.expect_names("新 名 🎨.png")


def test_the_large_view_renames_and_deletes_an_image_and_goes_on(
    library: SamplesPage, tmp_path: Path
) -> None:
    library.upload(*files(tmp_path, "甲.png", "乙.png"))
    library.expect_names("甲.png", "乙.png")
    page = library.page
    large = page.locator("dialog[data-lightbox]")
    library.sample("甲.png").locator("[data-image-url]").click()
    for name, shown in (("//", "请写一个名字"), ("红茶", "红茶.png")):
        if not large.get_by_label("新名字：甲.png").is_visible():
            page.locator("[data-lightbox-more] summary").click()
            large.get_by_role("button", name="改名").click()
        large.get_by_label("新名字：甲.png").fill(name)
        page.keyboard.press("Enter")
        expect(large.locator("[data-panel]")).to_contain_text(shown)
    expect(large).to_be_visible()
    expect(library.sample("红茶.png")).to_have_count(1)
    page.keyboard.press("Delete")
    expect(large.locator("[data-panel]")).to_contain_text("乙.png")
    expect(large.locator(".toast")).to_contain_text("已删除")
    page.keyboard.press("z")
    expect(library.samples()).to_have_count(2)
    expect(large).to_be_visible()


def test_search_and_order_are_kept_in_the_address(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "图10.png", "图2.png", "图1.png", "Cat.png"))
    expect(library.samples()).to_have_count(4)
    library.page.get_by_label("排序").select_option(label="按文件名")
    library.expect_names("Cat.png", "图1.png", "图2.png", "图10.png")
    expect(library.page).to_have_url(re.compile("sort=name"))
    library.page.reload()
    library.expect_names("Cat.png", "图1.png", "图2.png", "图10.png")
    expect(library.page.get_by_label("排序")).to_have_value("name")
    library.search("ｃａｔ")
    library.expect_count("找到 1 张")
    library.expect_names("Cat.png")
    library.page.reload()
    library.expect_names("Cat.png")
    library.open("?search=没有")
    expect(library.page.locator(".empty")).to_contain_text("没有「没有」")


def test_the_usage_count_of_an_image_is_shown(
    library: SamplesPage, demo_server: ServerProcess, tmp_path: Path
) -> None:
    library.upload(*files(tmp_path, "红茶.png"))
    expect(library.samples()).to_have_count(1)
    image = demo_server.get("/api/sample-images")["images"][0]
    reference = {"url": image["url"], "filename": image["filename"]}
    demo_server.post(
        "/api/batch-generate", {"prompt": "猫", "resolution": "1K", "sample_images": [reference]}
    )
    library.open()
    expect(library.samples().first).to_contain_text("用过 1 次")


def test_many_images_in_a_bucket_are_scrolled_searched_and_picked(
    page: Page, oss: FakeOss, tmp_path: Path
) -> None:
    content = noise_image("png")
    for number in range(MANY):
        oss.put(f"{SAMPLES}茶 🍵 {number:05}.png", content, age=number)
    with running_server(tmp_path, image_model="demo", **oss.settings()) as server:
        library = SamplesPage(page, server.address)
        library.open()
        library.expect_count(f"共 {MANY} 张")
        expect(library.samples().first.locator("img")).not_to_have_js_property("naturalWidth", 0)
        shown = library.samples().count()
        page.mouse.move(600, 600)
        page.mouse.wheel(0, 20_000)
        expect(library.samples()).not_to_have_count(shown)
        library.search("01777")
        library.expect_count("找到 1 张")
        picker = Picker(page)
        picker.open_on_index(server.address)
        picker.search("01999")
        expect(picker.images()).to_have_count(1)
        picker.images().click()
        picker.confirm()
        expect(page.locator("[data-references] .reference")).to_have_count(1)
        expect(page.get_by_role("button", name="选择 (1)")).to_be_visible()
