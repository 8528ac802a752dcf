"""The product in English: no Chinese letter on any page or dialog, and the language switch keeps input."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

import database
from tests.browser.batch_page import BatchPage
from tests.browser.conftest import TIMEOUT_MS
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.noise_images import noise_image
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
def english_page(browser: Browser) -> Iterator[Page]:
    """A browser that asks for English."""
    context = browser.new_context(
        locale="en-US", viewport={"width": 1440, "height": 900}, reduced_motion="reduce"
    )
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def expect_english(page: Page) -> None:
    """Expect not one Chinese letter or punctuation mark."""
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.evaluate(_LEFT_BEHIND) == []


@pytest.fixture
def populated_server(server: ServerProcess, jimeng: FakeJimeng) -> ServerProcess:
    """A server to modify."""
    populate(server, jimeng)
    return server


@pytest.fixture(scope="module")
def readonly_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A shared server for read-only tests."""
    data_dir = tmp_path_factory.mktemp("english")
    with FakeJimeng() as service, running_server(data_dir, **service.settings(model_concurrency=2)) as server:
        populate(server, service)
        yield server


def populate(server: ServerProcess, jimeng: FakeJimeng) -> None:
    """Add images, one of unknown outcome, a batch paused by a wrong key, a reference image."""
    server.post("/api/batch-generate", {"prompt": "a red fox", "num_images": 2})
    jimeng.fail_next("reset")
    server.post("/api/batch-generate", {"prompt": "a blue teapot"})
    jimeng.fail_next("key", times=4)
    batch = server.post("/api/batches", {"rows": [{"prompt": "a lamp", "num_images": 3}], "name": "lamps"})
    wait_until(lambda: server.get(f"/api/batches/{batch['batch_id']}")["batch"]["status"] == "paused")
    jimeng.clear_faults()
    picture = {"file": ("lamp.png", noise_image("PNG", size=(40, 30)), "image/png")}
    requests.post(f"{server.address}/api/sample-images", files=picture, timeout=30)


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_page_is_in_english(english_page: Page, readonly_server: ServerProcess, address: str) -> None:
    english_page.goto(readonly_server.address + address)
    english_page.wait_for_load_state("networkidle")
    expect_english(english_page)


def test_an_image_is_generated_viewed_and_deleted_in_english(
    english_page: Page, populated_server: ServerProcess
) -> None:
    english_page.goto(populated_server.address)
    english_page.get_by_role("button", name="Generate 1 image").click()
    expect(english_page.locator("[data-error-for=prompt]")).to_have_text("Write a prompt")
    english_page.get_by_label("Prompt", exact=True).fill("a green hill")
    english_page.get_by_role("button", name="Generate 1 image").click()
    expect(english_page.locator(".result-card[data-status=success]")).to_have_count(3)
    expect_english(english_page)
    english_page.keyboard.press("Escape")
    english_page.locator(".result-card[data-status=success] .result-card-frame").first.click()
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
    english_page: Page, populated_server: ServerProcess, tmp_path: Path
) -> None:
    table = tmp_path / "table.csv"
    rows = ("Prompt,Aspect ratio,Images", "a hill,16x9,1", "a tree,5:4,2")
    table.write_text("\n".join(rows), "utf-8")
    batch = BatchPage(english_page, populated_server.address)
    batch.open()
    english_page.locator("[data-file]").set_input_files(table)
    expect(batch.report()).to_contain_text("2 rows read")
    expect_english(english_page)
    batch.click_command("start")
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
    expect(batch.open_start()).to_contain_text("2 new rows")
    expect_english(english_page)
    english_page.locator("dialog[data-dialog=start] [data-start-yes]").click()
    batch.expect_state("Finished")
    batch.click_command("history")
    expect(english_page.locator("[data-history]")).to_contain_text("lamps")
    expect_english(english_page)


def test_a_paused_batch_says_why_in_english(english_page: Page, readonly_server: ServerProcess) -> None:
    paused = readonly_server.get("/api/batches")["batches"][0]
    english_page.goto(f"{readonly_server.address}/batch?id={paused['id']}")
    expect(english_page.locator("[data-run-paused]")).to_contain_text(
        "Volcengine does not accept this key pair"
    )
    expect(english_page.locator("[data-log-lines] li").first).to_be_attached()
    expect_english(english_page)


def test_records_are_chosen_found_and_rejected_in_english(
    english_page: Page, populated_server: ServerProcess
) -> None:
    english_page.goto(f"{populated_server.address}/records?search=fox&status=success&from=2026-01-01")
    english_page.wait_for_load_state("networkidle")
    english_page.locator("[data-records] [data-select]").first.check()
    expect(english_page.locator("[data-selection]")).to_contain_text("1 record selected")
    expect_english(english_page)
    english_page.locator("[data-records] [data-image-url]").first.click()
    expect(english_page.locator("dialog[data-lightbox]")).to_be_visible()
    english_page.keyboard.press("x")
    expect(english_page.locator("dialog[data-lightbox] .toast")).to_contain_text("Rejected, not deleted")
    expect_english(english_page)


def test_the_language_switch_keeps_typed_text_and_is_remembered(
    page: Page, demo_server: ServerProcess
) -> None:
    page.goto(demo_server.address)
    page.get_by_label("提示词", exact=True).fill("a green hill")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a green hill")
    page.goto(f"{demo_server.address}/records?search=hill")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("button", name="切换到中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    expect(page).to_have_url(f"{demo_server.address}/records?search=hill")


def test_the_language_switch_works_without_javascript(browser: Browser, demo_server: ServerProcess) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{demo_server.address}/samples")
    page.get_by_role("button", name="Switch to English").click()
    expect(page.get_by_role("heading", name="No sample images yet")).to_be_visible()
    context.close()


@pytest.fixture(scope="module")
def unpriced_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a model without a price."""
    data_dir = tmp_path_factory.mktemp("unpriced")
    with FakeOpenAIImages() as service, running_server(data_dir, **service.settings()) as server:
        yield server


def test_the_footer_of_a_batch_states_that_no_price_is_set(
    english_page: Page, unpriced_server: ServerProcess
) -> None:
    batch = BatchPage(english_page, unpriced_server.address)
    batch.open()
    batch.click_command("add")
    batch.paste_block(1, "prompt", ("a hill",))
    expect(english_page.locator("[data-footer-sum]")).to_have_text("1 row · 1 image · No price set")


def test_the_generate_button_stays_within_its_column(
    english_page: Page, unpriced_server: ServerProcess
) -> None:
    english_page.set_viewport_size({"width": 1024, "height": 768})
    english_page.goto(unpriced_server.address)
    english_page.locator("#num_images").fill("10")
    expect(english_page.locator("[data-submit-label]")).to_have_text("Generate 10 images")
    foot, button = (
        english_page.locator(each).bounding_box() for each in (".studio-form-footer", ".studio-form-submit")
    )
    assert foot
    assert button
    assert button["x"] + button["width"] <= foot["x"] + foot["width"] - 16
    assert english_page.locator(".studio-form-submit").evaluate(
        "(each) => each.scrollWidth <= each.clientWidth"
    )


def test_cause_labels_are_beside_their_bars(english_page: Page, populated_server: ServerProcess) -> None:
    with closing(database.connect(populated_server.data_dir / "generation_records.db")) as db:
        db.execute("UPDATE generation_records SET status = 'failed', cause = 'oss' WHERE id = 3")
    english_page.goto(f"{populated_server.address}/usage")
    line = english_page.locator(".chart-causes li").filter(has_text="Reference image unavailable (OSS)")
    label, bar = line.locator("span").bounding_box(), line.locator("svg").bounding_box()
    assert label
    assert bar
    assert label["x"] + label["width"] <= bar["x"]


@pytest.mark.parametrize("width", [1024, 1440])
def test_the_run_buttons_are_in_one_line(
    english_page: Page, readonly_server: ServerProcess, width: int
) -> None:
    english_page.set_viewport_size({"width": width, "height": 800})
    paused = readonly_server.get("/api/batches")["batches"][0]
    english_page.goto(f"{readonly_server.address}/batch?id={paused['id']}")
    buttons = english_page.locator(".run-line .button:visible")
    expect(buttons.filter(has_text="Cancel")).to_be_visible()
    assert len({round(box["y"]) for each in buttons.all() if (box := each.bounding_box())}) == 1


@pytest.mark.parametrize("width", [360, 390])
def test_the_labels_of_the_card_of_a_row_fit(
    english_page: Page, readonly_server: ServerProcess, width: int
) -> None:
    english_page.set_viewport_size({"width": width, "height": 844})
    english_page.goto(f"{readonly_server.address}/batch")
    english_page.locator("[data-batch][data-ready]").wait_for()
    english_page.locator("[data-command=add]:visible").first.click()
    expect(english_page.locator("[data-row='1']")).to_be_visible()
    labels = english_page.evaluate(_ROW_LABELS)
    assert len(labels) >= 5
    assert [label for label, needs, has in labels if needs > has] == []


def test_a_touch_screen_shows_no_drag_or_paste_hints(
    browser: Browser, unpriced_server: ServerProcess
) -> None:
    context = browser.new_context(
        locale="zh-CN", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(unpriced_server.address)
    assert page.evaluate("matchMedia('(pointer: coarse)').matches")
    assert "拖" not in page.locator(".studio-form").inner_text()
    context.close()
