"""The reference picker: by keyboard, with unusual names, beside a second tab."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLES
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.pages.batch_page import BatchPage
from tools.pages.input_method import InputMethod
from tools.pages.samples_page import Picker, SamplesPage, image_file
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess, running_server

UNUSUAL = [
    "夏季/二级 目录/50% off + a&b=c #1?.png",
    'it\'s "quoted" <b> %E7%8C%AB · 🍵👩‍👩‍👧.png',
]


@pytest.fixture(scope="module")
def cats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with six images, four of them cats, the last one first."""
    with running_server(tmp_path_factory.mktemp("cats"), image_model="demo") as server:
        for name in ("猫一.png", "狗.png", "猫二.png", "猫三.png", "鸟.png", "猫四.png"):
            file = {"file": (name, noise_image("png"))}
            requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)
        yield server


@pytest.fixture
def picker(page: Page, cats: ServerProcess) -> Picker:
    """The picker of 单图生成, open."""
    opened = Picker(page)
    opened.open_on_index(cats.address)
    return opened


def references_of(server: ServerProcess, prompt: str) -> list[str]:
    """Those of the only picture with this prompt."""
    (record,) = server.get(f"/api/records?search={prompt}")["records"]
    return [image["filename"] for image in record["sample_images"]]


def choose_by_keyboard(page: Page, picker: Picker) -> None:
    """Search, choose four images with arrows and Space, Ctrl+Enter."""
    expect(picker.dialog.get_by_label("搜索文件名")).to_be_focused()
    page.keyboard.type("猫")
    picker.expect_names("猫四.png", "猫三.png", "猫二.png", "猫一.png")
    for key, name in (("ArrowDown", "猫四"), ("End", "猫一"), ("ArrowLeft", "猫二"), ("ArrowLeft", "猫三")):
        page.keyboard.press(key)
        expect(picker.dialog.get_by_role("option", name=name)).to_be_focused()
        page.keyboard.press("Space")
    picker.expect_chosen("猫四.png", "猫一.png", "猫二.png", "猫三.png")
    page.keyboard.press("Control+Enter")
    expect(picker.dialog).to_be_hidden()


def test_four_references_are_chosen_by_keyboard_for_one_image(page: Page, cats: ServerProcess) -> None:
    studio, picker = StudioPage(page, cats.address), Picker(page)
    studio.open()
    before = studio.tiles().count()
    studio.write_prompt("照着画一张")
    opener = page.locator("[data-open-picker]")
    opener.focus()
    page.keyboard.press("Enter")
    choose_by_keyboard(page, picker)
    expect(opener).to_be_focused()
    expect(opener).to_have_text("选择 (4)")
    page.keyboard.press("Control+Enter")
    studio.wait_for_images(before + 1)
    # Ctrl+Enter in the picker ordered nothing
    assert references_of(cats, "照着画一张") == ["猫四.png", "猫一.png", "猫二.png", "猫三.png"]


def test_four_references_are_chosen_by_keyboard_for_a_row(page: Page, cats: ServerProcess) -> None:
    batch, picker = BatchPage(page, cats.address), Picker(page)
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("照着画一行", "", "1:1", "1K"))
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    choose_by_keyboard(page, picker)
    expect(page.locator("[data-table-editor]")).to_be_focused()
    button = batch.cell(1, "sample_images").locator("[data-references]")
    expect(button).to_have_accessible_name("选择 (4)，第 1 行的参考图")
    batch.start_batch()
    batch.wait_for_image(1)
    assert references_of(cats, "照着画一行") == ["猫四.png", "猫一.png", "猫二.png", "猫三.png"]


def test_escape_cancels_the_choice(page: Page, picker: Picker) -> None:
    picker.pick("鸟.png")
    picker.confirm()
    page.locator("[data-open-picker]").click()
    picker.expect_chosen("鸟.png")
    picker.pick("狗.png", "鸟.png")
    page.keyboard.press("Escape")
    expect(page.locator("[data-open-picker]")).to_have_text("选择 (1)")
    expect(page.locator("[data-open-picker]")).to_be_focused()


def test_selecting_text_beyond_the_edge_keeps_the_dialog_open(page: Page, picker: Picker) -> None:
    picker.search("猫和狗")
    field = picker.dialog.get_by_label("搜索文件名").bounding_box()
    assert field is not None
    page.mouse.move(field["x"] + 60, field["y"] + 10)
    page.mouse.down()
    page.mouse.move(5, 500)
    page.mouse.up()
    expect(picker.dialog).to_be_visible()
    page.mouse.click(5, 500)
    expect(picker.dialog).to_be_hidden()


def test_input_method_keys_do_not_search_leave_or_confirm(page: Page, picker: Picker) -> None:
    expect(picker.images()).to_have_count(6)
    searched: list[str] = []
    page.on("request", lambda request: searched.append(request.url))
    method = InputMethod(page)
    method.compose("m", "ma", "mao")
    for key in ("ArrowDown", "Control+Enter"):
        page.keyboard.press(key)
    expect(picker.dialog.get_by_label("搜索文件名")).to_be_focused()
    method.commit("羊")
    expect(picker.summary()).to_contain_text("没有文件名含「羊」")
    assert [url for url in searched if "search=m" in url] == []


def test_one_reference_too_many_is_refused_until_another_is_removed(picker: Picker) -> None:
    picker.pick("猫一.png", "猫二.png", "猫三.png", "猫四.png", "狗.png")
    expect(picker.dialog).to_contain_text("最多选 4 张，先点掉一张")
    picker.chosen().nth(1).press("Enter")
    picker.expect_chosen("猫一.png", "猫三.png", "猫四.png")
    expect(picker.chosen().nth(1)).to_be_focused()
    picker.pick("狗.png")
    picker.expect_chosen("猫一.png", "猫三.png", "猫四.png", "狗.png")


def test_any_name_is_listed_shown_found_picked_and_used(page: Page, oss: FakeOss, tmp_path: Path) -> None:
    for age, name in enumerate(UNUSUAL):
        oss.put(SAMPLES + name, noise_image("png"), age=age)
    listed = [name.rpartition("/")[2] for name in UNUSUAL]
    with running_server(tmp_path, image_model="demo", **oss.settings()) as server:
        library, picker = SamplesPage(page, server.address), Picker(page)
        library.open()
        library.expect_names(*listed)
        for number, shown in enumerate(listed, 1):
            library.open()
            library.search(shown)
            library.expect_count("找到 1 张")
            image = library.samples().locator("img")
            expect(image).not_to_have_js_property("naturalWidth", 0)
            page.evaluate("localStorage.clear()")  # without the reference before
            picker.open_on_index(server.address)
            picker.search(shown)
            picker.expect_names(shown)
            picker.images().click()
            picker.expect_chosen(shown)
            picker.confirm()
            studio = StudioPage(page, server.address)
            studio.write_prompt("照着画")
            studio.generate()
            studio.wait_for_images(number)
            used = server.get("/api/records")["records"][0]["sample_images"]
            assert [image["filename"] for image in used] == [shown]
            page.reload()
            expect(page.locator("[data-references] .reference")).to_have_count(1)


@pytest.mark.parametrize("place", ["samples", "picker"])
def test_changes_in_one_tab_appear_in_the_other_on_focus(library: SamplesPage, place: str) -> None:
    for name in ("甲.png", "乙.png"):
        library.upload(image_file(name))
        library.expect_image_loaded(name)
    tab = library.page.context.new_page()
    other: SamplesPage | Picker
    if place == "samples":
        other = SamplesPage(tab, library.address)
        other.open()
    else:
        other = Picker(tab)
        other.open_on_index(library.address)
        other.pick("甲.png")
    library.page.bring_to_front()
    library.upload(image_file("丙.png"))
    library.expect_image_loaded("丙.png")
    library.rename("乙.png", "改了名")
    library.expect_image_loaded("改了名.png")
    other.focus_tab()
    other.expect_names(*library.names())
    library.delete("丙.png")
    expect(library.samples()).to_have_count(2)
    other.focus_tab()
    other.expect_names(*library.names())
    if isinstance(other, Picker):
        other.expect_chosen("甲.png")


def test_updates_keep_the_focus_and_a_half_typed_name(library: SamplesPage) -> None:
    library.upload(image_file("甲.png"))
    library.expect_image_loaded("甲.png")
    other = SamplesPage(library.page.context.new_page(), library.address)
    other.open()
    other.sample("甲.png").locator("a").press("F2")
    other.page.keyboard.type("写了一")
    library.upload(image_file("乙.png"))
    library.expect_image_loaded("乙.png")
    other.focus_tab()
    other.page.keyboard.type("半")
    other.page.keyboard.press("Enter")
    expect(other.sample("写了一半.png").locator("a")).to_be_focused()
    other.focus_tab()
    other.expect_names("乙.png", "写了一半.png")
    expect(other.sample("写了一半.png").locator("a")).to_be_focused()
