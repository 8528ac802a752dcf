"""The product in English, without a Chinese letter, and the language switch keeps input."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

import database
from tests.browser.conftest import NewPage
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.noise_images import noise_image
from tools.pages.batch_page import BatchPage
from tools.pages.measures import resize
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

# Texts, attributes and the title, also hidden and in templates; not those marked as Chinese.
_LEFT_BEHIND = """() => {
  const chinese = /[\\u3000-\\u303f\\u4e00-\\u9fff\\uff00-\\uffef]/;
  const found = chinese.test(document.title) ? [document.title] : [];
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.closest('[lang="zh-CN"], script')) continue;
      if (element.matches("template")) look(element.content);
      const texts = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE);
      const words = [...texts.map(({ data }) => data), ...[...element.attributes].map(({ value }) => value)];
      found.push(...words.filter((text) => chinese.test(text)));
    }
  };
  look(document);
  return found;
}"""
# The width of each label of a phone's card, and of its cell.
_ROW_LABELS = """() => [...document.querySelectorAll("[data-row='1'] .table-cell[data-label]")]
  .filter((cell) => cell.checkVisibility() && getComputedStyle(cell, "::before").content !== "none")
  .map((cell) => {
    const style = getComputedStyle(cell, "::before");
    const word = document.createElement("span");
    word.textContent = cell.dataset.label;
    word.style.cssText = `position: absolute; white-space: nowrap; font-size: ${style.fontSize}`;
    document.body.append(word);
    const width = word.getBoundingClientRect().width;
    word.remove();
    return [cell.dataset.label, width, cell.clientWidth - parseFloat(getComputedStyle(cell).paddingLeft)];
  })"""
ADDRESSES = (
    "/",
    "/batch",
    "/records",
    "/records?status=failed",
    "/records?trash=1",
    "/samples",
    "/usage",
    "/model",
    "/nowhere",
)


@pytest.fixture
def english_page(new_page: NewPage) -> Page:
    """A browser that asks for English."""
    return new_page(locale="en-US")


def expect_english(page: Page) -> None:
    """Expect not one Chinese letter or punctuation mark."""
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.evaluate(_LEFT_BEHIND) == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with images, one of unknown outcome, a batch paused by a wrong key, a reference image."""
    data_dir = tmp_path_factory.mktemp("english")
    with FakeJimeng() as jimeng, running_server(data_dir, **jimeng.settings(model_concurrency=2)) as started:
        started.post("/api/batch-generate", {"prompt": "a red fox", "num_images": 2})
        jimeng.fail_next("reset")
        started.post("/api/batch-generate", {"prompt": "a blue teapot"})
        jimeng.fail_next("key", times=4)
        started.post("/api/batches", {"rows": [{"prompt": "a lamp", "num_images": 3}], "name": "lamps"})
        wait_until(lambda: lamps(started)["status"] == "paused")
        jimeng.clear_faults()
        picture = {"file": ("lamp.png", noise_image("PNG", size=(40, 30)), "image/png")}
        requests.post(f"{started.address}/api/sample-images", files=picture, timeout=30)
        yield started


def lamps(server: ServerProcess) -> dict[str, Any]:
    """The batch that is paused."""
    return next(batch for batch in server.get("/api/batches")["batches"] if batch["name"] == "lamps")


def test_every_page_is_in_english(english_page: Page, server: ServerProcess) -> None:
    tabs = [english_page.context.new_page() for _ in ADDRESSES]
    for tab, address in zip(tabs, ADDRESSES, strict=True):
        tab.goto(server.address + address)
    for tab in tabs:
        tab.wait_for_load_state("networkidle")
        expect_english(tab)


def test_an_image_is_generated_viewed_and_deleted_in_english(
    english_page: Page, server: ServerProcess
) -> None:
    english_page.goto(server.address)
    made = english_page.locator(".result-card[data-status=success]")
    before = made.count()
    english_page.get_by_role("button", name="Generate 1 image").click()
    expect(english_page.locator("[data-error-for=prompt]")).to_have_text("Write a prompt")
    english_page.get_by_label("Prompt", exact=True).fill("a green hill")
    english_page.get_by_role("button", name="Generate 1 image").click()
    expect(made).to_have_count(before + 1)
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    made.locator(".result-card-frame").first.click()
    expect(english_page.locator("dialog[data-lightbox]")).to_contain_text("¥0.22")
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    english_page.locator(".result-card[data-status=unknown] [data-command=resubmit]").click()
    expect(english_page.locator("dialog[data-dialog=cost]")).to_contain_text(
        "¥0.22 may have been charged already"
    )
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    expect(english_page.locator("[data-record-id][data-busy]")).to_have_count(0)
    english_page.locator(".result-card[data-status=unknown] [data-command=write-off]").click()
    expect(english_page.locator("dialog[data-dialog=billing]")).to_contain_text(
        "(¥0.22) on the provider’s bill?"
    )
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    english_page.locator("[data-card-menu] > summary").first.click()
    english_page.locator("[data-card-menu] [data-command=delete]:visible").click()
    expect(english_page.locator(".toast")).to_contain_text("Deleted")
    expect_english(english_page)


def test_a_batch_is_imported_corrected_and_started_in_english(
    english_page: Page, server: ServerProcess, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    rows = ("Prompt,Aspect ratio,Images", "a hill,16x9,1", "a tree,7:5,2")
    table.write_text("\n".join(rows), "utf-8")
    batch = BatchPage(english_page, server.address)
    batch.open()
    english_page.locator("[data-file]").set_input_files(table)
    expect(batch.report()).to_contain_text("2 rows read")
    expect_english(english_page)
    expect(batch.bad_cells()).not_to_have_count(0)
    batch.edit_cell(2, "aspect_ratio", "1:1")
    picker = batch.open_references(1)
    expect(picker.get_by_role("option", name="lamp.png")).to_be_visible()
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    english_page.locator("[data-row='1'] [data-row-menu]").click()
    expect(english_page.locator("[data-menu]")).to_contain_text("Delete this row")
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    dialog = batch.open_start()
    expect(dialog).to_contain_text("2 rows")
    expect_english(english_page)
    batch.submit(dialog)
    batch.expect_ended()
    expect_english(english_page)


def test_a_paused_batch_says_why_in_english_with_its_buttons_in_one_line(
    english_page: Page, server: ServerProcess
) -> None:
    english_page.goto(f"{server.address}/batch?id={lamps(server)['id']}")
    expect(english_page.locator("[data-stage]")).to_contain_text("Volcengine refuses this pair of keys")
    expect(english_page.locator("[data-log-lines] li").first).to_be_attached()
    expect_english(english_page)
    buttons = english_page.locator(".stage .button:visible")
    expect(buttons.filter(has_text="Resume")).to_be_visible()
    for width in (1024, 1440):
        resize(english_page, width)
        assert len({round(box["y"]) for each in buttons.all() if (box := each.bounding_box())}) == 1


def test_the_language_switch_keeps_typed_text_and_is_remembered(
    page: Page, shared_server: ServerProcess
) -> None:
    address = shared_server.address
    page.goto(address)
    page.get_by_label("提示词", exact=True).fill("a green hill")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a green hill")
    page.goto(f"{address}/records?search=hill")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="切换到中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page).to_have_url(f"{address}/records?search=hill")


def test_the_language_switch_works_without_javascript(
    new_page: NewPage, shared_server: ServerProcess
) -> None:
    page = new_page(java_script_enabled=False)
    page.goto(f"{shared_server.address}/samples")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_role("heading", name="No reference images yet")).to_be_visible()


def test_the_generate_button_stays_within_its_column(english_page: Page, tmp_path: Path) -> None:
    english_page.set_viewport_size({"width": 1024, "height": 768})
    with FakeOpenAIImages() as service, running_server(tmp_path, **service.settings()) as server:
        english_page.goto(server.address)
        english_page.locator("#num_images").fill("10")
        expect(english_page.locator("[data-submit-label]")).to_have_text("Generate 10 images")
        expect(english_page.locator("[data-submit-price]")).to_have_text("No price set")
        submit = english_page.locator(".studio-form-submit")
        foot, button = english_page.locator(".studio-form-footer").bounding_box(), submit.bounding_box()
        assert foot
        assert button
        assert button["x"] + button["width"] <= foot["x"] + foot["width"] - 16
        assert submit.evaluate("(each) => each.scrollWidth <= each.clientWidth")


def test_cause_labels_are_beside_their_bars(english_page: Page, server: ServerProcess) -> None:
    with closing(database.connect(server.data_dir / "generation_records.db")) as db:
        db.execute("UPDATE generation_records SET status = 'failed', cause = 'oss' WHERE id = 1")
    english_page.goto(f"{server.address}/usage")
    line = english_page.locator(".chart-causes li").filter(has_text="Reference image unavailable (OSS)")
    label, bar = line.locator("span").bounding_box(), line.locator("svg").bounding_box()
    assert label
    assert bar
    assert label["x"] + label["width"] <= bar["x"]


def test_the_labels_of_the_card_of_a_row_fit(english_page: Page, server: ServerProcess) -> None:
    english_page.set_viewport_size({"width": 360, "height": 844})
    batch = BatchPage(english_page, server.address)
    batch.open()
    batch.click_command("add")
    expect(english_page.locator("[data-row='1']")).to_be_visible()
    for width in (360, 390):
        resize(english_page, width)
        labels = english_page.evaluate(_ROW_LABELS)
        assert len(labels) >= 5
        assert [label for label, needs, has in labels if needs > has] == []


def test_a_touch_screen_shows_no_drag_or_paste_hints(phone: Page, shared_server: ServerProcess) -> None:
    phone.goto(shared_server.address)
    assert phone.evaluate("matchMedia('(pointer: coarse)').matches")
    assert "拖" not in phone.locator(".studio-form").inner_text()
