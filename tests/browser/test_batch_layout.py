"""The layout of 批量生成 on small screens: statuses, causes of failures, the cell to correct."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import FloatRect, Locator, Page, expect

from tests.browser.conftest import jimeng_server
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage, rows_of, start, start_to_end
from tools.pages.measures import controls_in_view
from tools.server_process import ServerProcess
from tools.waiting import wait_until

_ROWS_IN_VIEW = """
() => {
  const boxOf = (element) => element.getBoundingClientRect();
  const { top: edge, bottom } = boxOf(document.querySelector("[data-table]"));
  const top = Math.max(edge, boxOf(document.querySelector("[data-table-head]")).bottom);
  const rows = [...document.querySelectorAll("[data-row]")].map(boxOf);
  return rows.filter((row) => row.top >= top - 1 && row.bottom <= bottom + 1).length;
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the fake Jimeng, which supports neither seed nor steps."""
    with FakeJimeng() as service, jimeng_server(tmp_path_factory.mktemp("layout"), service) as started:
        yield started


@pytest.fixture(scope="module")
def failed_run(server: ServerProcess) -> str:
    """A batch of twelve rows of which the second and the third failed."""
    return start_to_end(server, rows_of(*(f"第 {n} 张{'违禁' if n in (2, 3) else ''}" for n in range(1, 13))))


@pytest.fixture
def batch(page: Page, server: ServerProcess) -> BatchPage:
    return BatchPage(page, server.address)


def box(locator: Locator) -> FloatRect:
    """Its bounding box in the window; rows are rendered anew once the late script is there."""
    boxes: list[FloatRect] = []

    def is_rendered() -> bool:
        boxes.extend(filter(None, [locator.bounding_box()]))
        return bool(boxes)

    wait_until(is_rendered)
    return boxes[0]


def rows_in_view(batch: BatchPage) -> int:
    """How many rows are seen whole, below the head of the table."""
    return int(batch.page.evaluate(_ROWS_IN_VIEW))


def test_at_1024_pixels_nothing_covers_the_focused_cell_or_the_status_and_actions_of_a_row(
    batch: BatchPage, failed_run: str
) -> None:
    batch.page.set_viewport_size({"width": 1024, "height": 768})
    batch.open()
    commands = ("import", "add", "undo", "redo")
    tops = {box(batch.page.locator(f".batch-bar [data-command={name}]"))["y"] for name in commands}
    assert len(tops) == 1
    batch.click_command("add")
    batch.cell(1, "prompt").click()
    for column in ("num_images", "filename"):
        while "is-active" not in (batch.cell(1, column).get_attribute("class") or ""):
            batch.page.keyboard.press("ArrowRight")
        cell, state = box(batch.cell(1, column)), box(batch.cell(1, "status"))
        assert cell["x"] + cell["width"] <= state["x"] + 1, column

    batch.open_run(failed_run)
    batch.expect_status(2, "refused")
    state, actions = box(batch.cell(2, "status")), box(batch.cell(2, "actions"))
    assert state["x"] + state["width"] <= actions["x"] + 1
    assert actions["x"] + actions["width"] <= 1024
    batch.cell(2, "actions").locator("[data-run-row]").click(trial=True)


def test_on_a_phone_two_cards_are_in_view_beside_causes_or_log(batch: BatchPage, failed_run: str) -> None:
    batch.page.set_viewport_size({"width": 390, "height": 844})
    batch.open_run(failed_run)
    expect(batch.run_button("failed")).to_be_visible()
    expect(batch.causes()).to_be_hidden()
    assert box(batch.page.locator("[data-table]"))["height"] > 844 / 2
    expect(batch.open_causes()).to_be_visible()
    wait_until(lambda: rows_in_view(batch) >= 2)
    expect(batch.open_log().first).to_be_visible()
    expect(batch.causes()).to_be_hidden()  # one at a time
    wait_until(lambda: rows_in_view(batch) >= 2)
    assert box(batch.page.locator("[data-run]"))["height"] <= 120


def test_on_a_phone_the_cell_to_correct_is_not_covered_by_the_footer(batch: BatchPage) -> None:
    batch.page.set_viewport_size({"width": 390, "height": 740})
    batch.open()
    batch.import_csv("提示词,参考示例图", "雪山,", "橘猫,", "茶室,没有这张.png")
    batch.click_command("next-problem")
    expect(batch.page.locator("[data-footer-error]")).not_to_be_empty()
    cell, foot = batch.cell(3, "sample_images"), batch.page.locator("[data-footer]")
    wait_until(lambda: box(cell)["y"] + box(cell)["height"] <= box(foot)["y"])
    assert box(cell)["y"] >= box(batch.page.locator("[data-table]"))["y"]


def test_on_a_phone_a_card_shows_all_fields_while_it_has_the_focus(batch: BatchPage) -> None:
    batch.page.set_viewport_size({"width": 390, "height": 844})
    batch.open()
    batch.import_csv("提示词,图片比例", *["茶具,7:5"] * 12)
    expect(batch.page.locator(".report-line")).to_be_hidden()
    wait_until(lambda: rows_in_view(batch) >= 4)
    expect(batch.cell(2, "negative_prompt")).to_be_hidden()
    batch.cell(2, "prompt").click()
    batch.cell(2, "negative_prompt").click()
    batch.page.keyboard.type("文字")
    batch.cell(2, "aspect_ratio").click()
    batch.page.locator("[data-report-fold]").click()
    expect(batch.page.locator(".report-line")).to_be_visible()
    expect(batch.cell(2, "negative_prompt")).to_be_hidden()
    batch.expect_text(2, "negative_prompt", "文字")


def test_many_rows_are_in_view(batch: BatchPage, server: ServerProcess) -> None:
    batch.open()
    batch.import_csv("提示词,图片比例", *["茶具,16：9"] * 28, *(f"茶具,{n}:99" for n in range(12)))
    expect(batch.page.locator(".report-line")).to_have_count(12)
    wait_until(lambda: rows_in_view(batch) >= 10)
    batch.close_strip()
    wait_until(lambda: rows_in_view(batch) >= 14)

    batch.open_run(start(server, rows_of(*(f"第 {n} 款" for n in range(40)))))
    wait_until(lambda: rows_in_view(batch) >= 13)
    expect(batch.open_log().first).to_be_visible()
    wait_until(lambda: rows_in_view(batch) >= 10)
    batch.page.set_viewport_size({"width": 1024, "height": 768})
    assert batch.page.evaluate("document.documentElement.scrollWidth") == 1024
    expect(batch.cell(1, "status")).to_be_in_viewport(ratio=1)


def test_an_open_table_shows_few_controls(batch: BatchPage, server: ServerProcess) -> None:
    rows = [{"prompt": f"第 {n} 款", "aspect_ratio": "1:1" if n % 5 else "7:5"} for n in range(40)]
    table_id = server.post("/api/tables", {"rows": rows})["table"]["id"]
    batch.open_table(table_id)
    batch.open_report()
    assert controls_in_view(batch.page) <= 60
    made = server.post("/api/tables", {"rows": rows_of(*(f"茶具 {n}" for n in range(40)))})["table"]["id"]
    run = server.post(f"/api/tables/{made}/run", {})["batch_id"]
    server.post(f"/api/batches/{run}/pause")
    batch.open_table(made)
    expect(batch.run_button("resume")).to_be_visible()
    assert controls_in_view(batch.page) <= 35
