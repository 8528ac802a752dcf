"""示例图 with a folder and with a bucket: upload, search, rename, delete, choose."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLES
from tests.browser.samples_page import SamplesPage
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.server_process import ServerProcess

AT_ONCE = 10_000  # ms before the page polls by itself


def files(folder: Path, *names: str) -> list[Path]:
    made = [folder / name for name in names]
    for path in made:
        path.write_bytes(noise_image("png", size=(400, 300)))
    return made


def test_many_files_are_uploaded_and_bad_ones_say_why(library: SamplesPage, tmp_path: Path) -> None:
    good = files(tmp_path, "红 茶.png", "🍵.png", "a+b %41.png", "丁.png")
    bad = tmp_path / "坏的.png"
    bad.write_bytes(b"nonsense")
    library.upload(*good, bad)
    expect(library.samples()).to_have_count(4)
    assert set(library.names()) == {path.name for path in good}
    expect(library.uploads.lines()).to_have_count(1)
    expect(library.uploads.line("坏的.png")).to_contain_text("这不是可用的图片")
    library.expect_count("共 4 张")
    expect(library.page.locator(".toast")).to_contain_text("已加入 4 张")


def test_an_image_is_renamed_deleted_and_restored_by_keyboard(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "旧名.png"))
    expect(library.samples()).to_have_count(1)
    library.focus(0)
    library.page.keyboard.press("F2")
    library.page.keyboard.type("新 名 🎨")
    library.page.keyboard.press("Enter")
    expect(library.samples().locator(".sample-name")).to_have_text("新 名 🎨.png")
    library.page.keyboard.press("Delete")
    expect(library.samples()).to_have_count(0)
    library.page.get_by_role("button", name="撤销").click()
    expect(library.samples()).to_have_count(1)
    library.open()
    library.expect_names("新 名 🎨.png")


def test_the_large_view_deletes_an_image_and_goes_on(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "甲.png", "乙.png"))
    expect(library.samples()).to_have_count(2)
    first, second = library.names()
    library.samples().first.locator("[data-image-url]").click()
    large = library.page.locator("dialog[data-lightbox]")
    library.page.keyboard.press("i")
    expect(large).to_contain_text(first)
    library.page.keyboard.press("Delete")
    expect(large.locator("[data-panel]")).to_contain_text(second)
    expect(large.locator(".toast")).to_contain_text("已删除")
    library.page.keyboard.press("z")
    expect(library.samples()).to_have_count(2)
    expect(large).to_be_visible()


def test_deleting_the_last_image_shows_the_introduction_and_undo_restores_it(
    library: SamplesPage, tmp_path: Path
) -> None:
    library.upload(*files(tmp_path, "红茶.png"))
    expect(library.samples()).to_have_count(1)
    library.delete("红茶.png")
    expect(library.page.locator(".empty")).to_contain_text("还没有示例图", timeout=AT_ONCE)
    expect(library.page.locator("[data-files]")).to_be_focused()
    library.undo()
    expect(library.sample("红茶.png").locator("a")).to_be_focused(timeout=AT_ONCE)
    expect(library.page.locator(".empty")).to_have_count(0)
    library.delete("红茶.png")
    library.search("茶")
    library.expect_count("找到 0 张")
    library.undo()
    expect(library.sample("红茶.png").locator("a")).to_be_focused(timeout=AT_ONCE)
    library.expect_count("找到 1 张")


def test_a_refused_name_stays_editable(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "绿茶.png"))
    expect(library.samples()).to_have_count(1)
    library.rename("绿茶.png", "//")
    tile = library.sample("绿茶.png")
    expect(tile.locator("[data-error]")).to_contain_text("请写一个名字")
    field = tile.get_by_label("新名字：绿茶.png")
    expect(field).to_have_value("//")
    expect(field).to_be_focused()
    field.fill("红茶")
    library.page.keyboard.press("Enter")
    expect(library.sample("红茶.png").locator("a")).to_be_focused()


def test_search_follows_typing_and_updates_the_url(library: SamplesPage, tmp_path: Path) -> None:
    library.upload(*files(tmp_path, "红茶.png", "绿茶.png", "Cat.png"))
    expect(library.samples()).to_have_count(3)
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


def test_ten_thousand_images_in_a_bucket_are_scrolled_searched_and_picked(
    page: Page, oss_server: ServerProcess, oss: FakeOss
) -> None:
    content = noise_image("png")
    for number in range(10_000):
        oss.put(f"{SAMPLES}茶 🍵 {number:05}.png", content, age=number)
    oss_server.kill()
    oss_server.start()
    library = SamplesPage(page, oss_server.address)
    library.open()
    library.expect_count("共 10000 张")
    expect(library.samples().first.locator("img")).not_to_have_js_property("naturalWidth", 0)
    shown = library.samples().count()
    page.mouse.move(600, 600)
    page.mouse.wheel(0, 20_000)
    expect(library.samples()).not_to_have_count(shown)
    library.search("07777")
    library.expect_count("找到 1 张")
    page.goto(oss_server.address)
    page.get_by_role("button", name="选择 (0)").click()
    page.get_by_label("搜索文件名").fill("09999")
    expect(page.locator(".picker-image")).to_have_count(1)
    page.locator(".picker-image").click()
    page.get_by_role("button", name="✓ 确认选择").click()
    expect(page.locator("[data-references] .reference")).to_have_count(1)
    expect(page.get_by_role("button", name="选择 (1)")).to_be_visible()
