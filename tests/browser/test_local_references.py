"""A model that accepts only public URLs, without OSS: explained wherever references are chosen."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.batch_page import BatchPage
from tests.browser.samples_page import SamplesPage, image_file
from tests.browser.studio_page import StudioPage
from tools.server_process import ServerProcess

SENTENCE = "即梦 4.0 只接受公网地址的参考图，这台电脑上的图片用不了；请在 .env 里打开 OSS，或换一个模型"


@pytest.fixture
def library(page: Page, server: ServerProcess) -> SamplesPage:
    """示例图 of a server with Jimeng and one image in its folder."""
    opened = SamplesPage(page, server.address)
    opened.open()
    opened.upload(image_file("红茶.png"))
    opened.expect_names("红茶.png")
    return opened


def test_the_samples_page_says_the_model_accepts_no_local_references(library: SamplesPage) -> None:
    expect(library.page.get_by_text(SENTENCE)).to_have_count(1)
    expect(library.page.get_by_text(SENTENCE)).to_be_visible()


def test_the_form_accepts_no_local_reference_and_explains_once(
    studio: Callable[[ServerProcess], StudioPage], server: ServerProcess, tmp_path: Path
) -> None:
    opened = studio(server)
    field = opened.page.locator("[data-references]")
    message = field.get_by_text(SENTENCE).filter(visible=True)
    expect(message).to_have_count(1)
    expect(field.locator("[data-open-picker]")).to_be_disabled()
    expect(field.locator("[data-add]")).to_be_hidden()
    opened.write_prompt("雪山")
    opened.generate()
    opened.wait_for_images(1)
    opened.act("用作参考图")
    expect(field.get_by_role("alert")).to_have_text(SENTENCE)
    expect(message).to_have_count(1)
    expect(opened.references()).to_have_count(0)
    expect(opened.page.locator(".toast")).to_have_count(0)
    assert server.get("/api/sample-images")["total"] == 0  # it was not copied into the library either


def test_the_lightbox_explains_it_and_adds_nothing(
    studio: Callable[[ServerProcess], StudioPage], server: ServerProcess
) -> None:
    opened = studio(server)
    opened.write_prompt("雪山")
    opened.generate()
    opened.wait_for_images(1)
    opened.page.goto(f"{server.address}/records")
    opened.page.locator("[data-records] [data-image-url]").first.click()
    large = opened.page.locator("dialog[data-lightbox]")
    large.locator("[data-lightbox-more] summary").click()
    large.get_by_role("button", name="用作参考图").click()
    expect(large.locator(".toast")).to_have_text(re.compile(SENTENCE))
    assert server.get("/api/sample-images")["total"] == 0


def test_the_picker_explains_it_and_disables_choosing(
    library: SamplesPage, page: Page, server: ServerProcess
) -> None:
    batch = BatchPage(page, server.address)
    batch.open()
    batch.click_command("add")
    batch.edit_cell(1, "prompt", "雪山")
    dialog = batch.open_references(1)
    expect(dialog.get_by_text(SENTENCE)).to_be_visible()
    dialog.get_by_role("option", name="红茶").click()
    expect(dialog.get_by_role("option", name="红茶")).to_have_attribute("aria-selected", "false")
    expect(dialog.get_by_text(SENTENCE)).to_be_visible()
    dialog.get_by_role("button", name="✓ 确认选择").click()
    batch.expect_text(1, "sample_images", "选择 (0)")
