"""批量生成 with many earlier batches, with a long log, and with a model without a price."""

import re
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page, expect

import database
from app.config import Settings
from app.db.batch_log import add_log
from app.domain import ImageRequest, Models
from app.providers.demo import Demo
from tests.browser.batch_page import BatchPage
from tests.browser.studio_page import StudioPage
from tools.fakes.openai_images import FakeOpenAIImages
from tools.server_process import running_server


def ended_batches(data_dir: Path, number: int) -> list[str]:
    """Cancelled batches, the newest last -> their ids."""
    file = data_dir / "generation_records.db"
    database.open_database(file)
    spec, ids = Demo(Settings()).spec, []
    with closing(database.connect(file)) as db:
        for n in range(number):
            request = ImageRequest(prompt="猫")
            batch_id, _, _ = database.add_batch(
                db,
                database.Submission(
                    requests=[request],
                    models=Models([spec]),
                    stems=["猫"],
                    is_taken=lambda stem: False,
                    name=f"第 {n} 批",
                ),
            )
            database.cancel_batch(db, batch_id)
            ids.append(batch_id)
    return ids


def test_earlier_batches_are_listed_down_to_the_first(page: Page, tmp_path: Path) -> None:
    ended_batches(tmp_path, 105)
    with running_server(tmp_path, image_model="demo") as server:
        batch = BatchPage(page, server.address)
        batch.open()
        batch.click_command("history")
        dialog = page.locator("dialog[data-dialog=history]")
        items, more = dialog.locator(".history-item"), dialog.get_by_role("button", name="加载更早的")
        expect(items).to_have_count(50)
        expect(dialog).to_contain_text("共 105 个批次，这里是最近的 50 个")
        more.click()
        expect(items).to_have_count(100)
        expect(items.nth(50).get_by_role("link").first).to_be_focused()
        more.click()
        expect(items).to_have_count(105)
        expect(more).to_be_hidden()
        names = dialog.locator("[data-name]").all_inner_texts()
        assert names == [f"第 {n} 批" for n in range(104, -1, -1)]


def test_a_long_log_states_what_is_omitted_and_keeps_every_error(page: Page, tmp_path: Path) -> None:
    [batch_id] = ended_batches(tmp_path, 1)
    with closing(database.connect(tmp_path / "generation_records.db")) as db, database.transaction(db):
        add_log(db, batch_id, "error", "很早的失败")
        for n in range(700):
            add_log(db, batch_id, "info", f"已保存 {n}")
    with running_server(tmp_path, image_model="demo") as server:
        batch = BatchPage(page, server.address)
        batch.open(f"?id={batch_id}")
        page.locator("[data-log] summary").click()
        expect(page.locator("[data-log-omitted]")).to_have_text("较早的 201 条没有列出，警告和错误都在。")
        expect(page.locator("[data-log-count]")).to_have_text("702 条")
        lines = page.locator(".log-line")
        expect(lines).to_have_count(501)
        expect(lines.first).to_contain_text("很早的失败")
        expect(lines.last).to_contain_text("已保存 699")


def test_a_short_log_is_complete(page: Page, tmp_path: Path) -> None:
    [batch_id] = ended_batches(tmp_path, 1)
    with running_server(tmp_path, image_model="demo") as server:
        batch = BatchPage(page, server.address)
        batch.open(f"?id={batch_id}")
        page.locator("[data-log] summary").click()
        expect(page.locator(".log-line")).to_have_count(1)
        expect(page.locator("[data-log-omitted]")).to_be_hidden()


def test_an_unknown_price_is_never_shown_as_free(page: Page, tmp_path: Path) -> None:
    with FakeOpenAIImages() as service, running_server(tmp_path, **service.settings()) as server:
        studio = StudioPage(page, server.address)
        studio.open()
        expect(page.locator("[data-submit-price]")).to_have_text("价格未设")
        page.locator("[name=aspect_ratio][value='16:9']").check(force=True)
        expect(page.locator("[data-price]").first).to_have_text("价格未设")
        batch = BatchPage(page, server.address)
        batch.open()
        batch.click_command("add")
        batch.paste_block(1, "prompt", ("猫",), ("崩",))
        expect(page.locator("[data-footer-sum]")).to_contain_text("价格未设")
        expect(batch.open_start()).to_contain_text("价格未设")
        page.keyboard.press("Escape")
        batch.start_batch()
        batch.expect_figures("完成 1 / 2 · 结果未知 1 · 价格未设")
        expect(batch.causes()).to_contain_text("结果未知，可能已计费 价格未设")
        batch.open_causes().locator("[data-command=retry]").click()
        expect(page.locator("dialog[data-dialog=cost]")).to_contain_text("价格未设")
        expect(page.locator("body")).not_to_contain_text(re.compile("免费|NaN|null"), use_inner_text=True)


def test_the_place_in_the_large_view_counts_all_pictures_of_a_batch(page: Page, tmp_path: Path) -> None:
    number, file = 2_600, tmp_path / "generation_records.db"
    database.open_database(file)
    submission = database.Submission(
        requests=[ImageRequest(prompt=f"第 {n} 款") for n in range(1, number + 1)],
        models=Models([Demo(Settings()).spec]),
        stems=[str(n) for n in range(number)],
        is_taken=lambda stem: False,
    )
    with closing(database.connect(file)) as db:
        batch_id, _, _ = database.add_batch(db, submission)
        database.cancel_batch(db, batch_id)
        db.execute(
            """
            UPDATE generation_records
            SET status = 'success', filename = id || '.png', image_path = '/output/' || id || '.png'
            """
        )
    with running_server(tmp_path, image_model="demo") as server:
        batch = BatchPage(page, server.address)
        batch.open(f"?id={batch_id}")
        page.locator("[data-row='1'] [data-picture]").click()
        place = page.locator("dialog[data-lightbox] [data-position]")
        for key, position in (("End", 2_600), ("ArrowLeft", 2_599), ("Home", 1), ("ArrowRight", 2)):
            page.keyboard.press(key)
            expect(place).to_have_text(f"{position} / {number}")
