"""示例图: several images at a time, their order, and commands of the large view."""

import zipfile

from playwright.sync_api import Page, expect

from tools.pages.samples_page import SamplesPage, image_file
from tools.pages.touch import press_long
from tools.server_process import ServerProcess

NAMES = [f"第 {number} 张.png" for number in range(1, 13)]


def fill(library: SamplesPage, *names: str) -> None:
    library.upload(*(image_file(name) for name in names))
    expect(library.samples()).to_have_count(len(names))


def select(library: SamplesPage, *names: str) -> None:
    for name in names:
        library.page.get_by_label(f"选择：{name}", exact=True).check()


def bar(page: Page, name: str) -> None:
    page.locator("[data-selection]").get_by_role("button", name=name, exact=True).click()


def test_images_uploaded_together_keep_their_order(library: SamplesPage) -> None:
    fill(library, "旧.png")
    library.upload(*(image_file(name) for name in NAMES))
    library.expect_names(*NAMES, "旧.png")
    library.open()
    library.expect_names(*NAMES, "旧.png")


def test_several_images_are_deleted_and_restored_together(library: SamplesPage) -> None:
    fill(library, *NAMES[:4])
    select(library, NAMES[0])
    library.page.get_by_label(f"选择：{NAMES[2]}", exact=True).click(modifiers=["Shift"])
    expect(library.page.locator("[data-selection-count]")).to_have_text("已选 3 张")
    with library.page.expect_download() as download:
        bar(library.page, "下载")
    assert download.value.suggested_filename == "示例图.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == NAMES[:3]
    bar(library.page, "删除")
    library.expect_names(NAMES[3])
    expect(library.page.locator("[data-selection]")).to_be_hidden()
    library.undo()
    library.expect_names(*NAMES[:4])
    library.focus(1)
    library.page.keyboard.press("Space")
    library.page.keyboard.press("ArrowRight")
    library.page.keyboard.press("Space")
    library.page.keyboard.press("Delete")
    library.expect_names(NAMES[0], NAMES[3])


def test_an_image_becomes_a_reference_of_the_next_picture(library: SamplesPage) -> None:
    page = library.page
    fill(library, *NAMES[:6])
    library.samples().nth(1).locator("[data-image-url]").click()
    page.locator("[data-lightbox-more] summary").click()
    page.locator("[data-lightbox]").get_by_role("button", name="用它生成").click()
    expect(page).to_have_url(f"{library.address}/")
    expect(page.locator("[data-list] [data-move]")).to_have_attribute("title", NAMES[1])
    library.open()
    select(library, *NAMES[:5])
    bar(page, "用作参考图")
    expect(page.locator(".toast")).to_contain_text("最多用 4 张")


def test_by_finger_a_long_press_selects_and_the_large_view_has_the_other_commands(
    demo_server: ServerProcess, phone: Page
) -> None:
    library = SamplesPage(phone, demo_server.address)
    library.open()
    fill(library, *NAMES[:3])
    large, count = phone.locator("dialog[data-lightbox]"), phone.locator("[data-selection-count]")
    press_long(library.samples().first, lambda: expect(count).to_have_text("已选 1 张"))
    library.samples().nth(1).locator("a").tap()
    expect(count).to_have_text("已选 2 张")
    expect(large).to_be_hidden()
    phone.get_by_role("button", name="取消选择").tap()
    phone.get_by_role("button", name="选择", exact=True).tap()
    expect(count).to_have_text("点图片选择")
    phone.keyboard.press("Escape")
    expect(phone.locator("[data-selection]")).to_be_hidden()
    library.samples().nth(1).locator("a").tap()
    phone.locator("[data-lightbox-more] summary").tap()
    for name in ("用它生成", "改名", "复制文件名"):
        expect(large.get_by_role("button", name=name)).to_be_visible()
