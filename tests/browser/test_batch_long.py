"""批量生成 with many earlier batches, with a long log, and with a model without a price."""

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import database
from app.config import Settings
from app.core.log import add_log
from app.domain import ImageRequest, Models
from app.migrations.earlier_tables import add_tables_of_batches
from app.providers.demo import Demo
from tools import orders
from tools.fakes.openai_images import FakeOpenAIImages
from tools.pages.batch_page import BatchPage
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess, running_server

PICTURES, LINES = 2_600, 700


def cancelled_batch(db: database.Connection, name: str, *prompts: str) -> str:
    """A batch of which nothing is made -> its id."""
    batch_id, _ = orders.add_batch(
        db,
        [ImageRequest(prompt=prompt) for prompt in prompts],
        models=Models([Demo(Settings()).spec]),
        stems=[str(n) for n in range(len(prompts))],
        name=name,
    )
    database.cancel_batch(db, batch_id)
    return batch_id


@pytest.fixture(scope="module")
def batches() -> list[str]:
    """The ids of those on the server, the oldest first: that has a long log, the newest has many pictures."""
    return []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, batches: list[str]) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("long")
    file: Path = folder / "generation_records.db"
    database.open_database(file)
    with closing(database.connect(file)) as db:
        batches += [cancelled_batch(db, f"第 {n} 批", "猫") for n in range(2)]
        batches.append(cancelled_batch(db, "第 3 批", *(f"第 {n} 款" for n in range(1, PICTURES + 1))))
        with database.transaction(db):
            add_tables_of_batches(db, lambda _done, _total: None)
            add_log(db, batches[0], "error", "很早的失败")
            for n in range(LINES):
                add_log(db, batches[0], "info", f"已保存 {n}")
            db.execute(
                """
                UPDATE generation_records
                SET status = 'success', filename = id || '.png', image_path = '/output/' || id || '.png'
                WHERE batch_id = ?
                """,
                (batches[-1],),
            )
    with running_server(folder, image_model="demo") as started:
        yield started


@pytest.fixture
def batch(page: Page, server: ServerProcess) -> BatchPage:
    return BatchPage(page, server.address)


def test_a_long_log_states_what_is_omitted_and_keeps_every_error(
    batch: BatchPage, batches: list[str]
) -> None:
    page, lines = batch.page, batch.page.locator(".log-line")
    omitted = page.locator("[data-log-omitted]")
    batch.open_run(batches[0])
    batch.open_log()
    expect(omitted).to_have_text("较早的 201 条没有列出，警告和错误都在。")
    expect(page.locator("[data-log-count]")).to_have_text("702 条")
    expect(lines).to_have_count(501)
    expect(lines.first).to_contain_text("很早的失败")
    expect(lines.last).to_contain_text("已保存 699")

    batch.open_run(batches[1])
    batch.open_log()
    expect(lines).to_have_count(1)
    expect(omitted).to_be_hidden()


def test_an_unknown_price_is_never_shown_as_free(page: Page, tmp_path: Path) -> None:
    with FakeOpenAIImages() as service, running_server(tmp_path, **service.settings()) as server:
        studio = StudioPage(page, server.address)
        studio.open()
        expect(page.locator("[data-submit-price]")).to_have_text("价格未设")
        page.locator("[name=aspect_ratio][value='16:9']").check(force=True)
        expect(page.locator("[data-price]").first).to_have_text("价格未设")
        batch = BatchPage(page, server.address)
        batch.open()
        batch.fill(("猫",), ("崩",))
        expect(page.locator("[data-footer-sum]")).to_contain_text("价格未设")
        expect(batch.open_start()).to_contain_text("价格未设")
        page.keyboard.press("Escape")
        batch.start_batch()
        batch.expect_figures("1 张做好，1 张没有成功")
        batch.expect_figures("价格未设")
        batch.expect_status(2, "unknown")
        for part in ("[data-run]", "[data-footer]"):
            expect(page.locator(part)).not_to_contain_text(re.compile("免费|NaN|null"), use_inner_text=True)


def test_the_place_in_the_large_view_counts_all_pictures_of_a_batch(
    batch: BatchPage, batches: list[str]
) -> None:
    batch.open_run(batches[-1])
    batch.page.locator("[data-row='1'] [data-picture]").click()
    position_shown = batch.page.locator("dialog[data-lightbox] [data-position]")
    expect(position_shown).to_have_text(f"1 / {PICTURES}")
    for key, position in (("End", 2_600), ("ArrowLeft", 2_599), ("Home", 1), ("ArrowRight", 2)):
        batch.page.keyboard.press(key)
        expect(position_shown).to_have_text(f"{position} / {PICTURES}")
