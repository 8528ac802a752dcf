"""A model that accepts only public URLs, without OSS: explained wherever references are chosen."""

import re
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image
from tools.pages.batch_page import BatchPage
from tools.pages.samples_page import SamplesPage
from tools.server_process import ServerProcess, running_server

SENTENCE = "即梦 4.0 看不到这台电脑里的图：请改用 即梦 4.6，或设置 OSS"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with Jimeng, a picture, and one reference image in its folder."""
    data_dir = tmp_path_factory.mktemp("local")
    with FakeJimeng() as jimeng, running_server(data_dir, **jimeng.settings()) as started:
        made = started.post("/api/batches", {"rows": [{"prompt": "雪山"}], "source": "single"})
        started.wait_for_end(made["batch_id"])
        file = {"file": ("红茶.png", noise_image("png"))}
        requests.post(f"{started.address}/api/sample-images", files=file, timeout=30)
        yield started


def test_the_samples_page_says_the_model_accepts_no_local_references(
    page: Page, server: ServerProcess
) -> None:
    SamplesPage(page, server.address).open()
    expect(page.get_by_text(SENTENCE)).to_have_count(1)
    expect(page.get_by_text(SENTENCE)).to_be_visible()


def test_the_form_accepts_no_local_reference_and_explains_once(
    studio: OpenStudio, server: ServerProcess
) -> None:
    opened = studio(server)
    field = opened.page.locator("[data-references]")
    message = field.get_by_text(SENTENCE).filter(visible=True)
    expect(message).to_have_count(1)
    expect(field.locator("[data-open-picker]")).to_be_disabled()
    expect(field.locator("[data-add]")).to_be_hidden()
    opened.act("用作参考图")
    expect(field.get_by_role("alert")).to_have_text(SENTENCE)
    expect(message).to_have_count(1)
    expect(opened.references()).to_have_count(0)
    expect(opened.page.locator(".toast")).to_have_count(0)
    assert server.get("/api/sample-images")["total"] == 1  # it was not copied into the library either


def test_the_lightbox_explains_it_and_adds_nothing(page: Page, server: ServerProcess) -> None:
    page.goto(f"{server.address}/records")
    page.locator("[data-records] [data-image-url]").first.click()
    large = page.locator("dialog[data-lightbox]")
    large.locator("[data-lightbox-more] summary").click()
    large.get_by_role("button", name="用作参考图").click()
    expect(large.locator(".toast")).to_have_text(re.compile(SENTENCE))
    assert server.get("/api/sample-images")["total"] == 1


def test_the_picker_explains_it_and_disables_choosing(page: Page, server: ServerProcess) -> None:
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
