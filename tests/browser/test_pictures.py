"""看图: choosing pictures by row, another picture of a row, and the release of the rest of a sample."""

from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import rows_of, start_to_end
from tools.pages.pictures_page import PicturesPage
from tools.server_process import ServerProcess


@pytest.fixture
def pictures(page: Page, server: ServerProcess) -> PicturesPage:
    return PicturesPage(page, server)


def submit(server: ServerProcess, number: int, *, num_images: int = 1, **more: Any) -> str:
    """Submit this many rows and wait until those that are not held are made."""
    rows = rows_of(*(f"第 {n} 款茶具" for n in range(1, number + 1)))
    return start_to_end(server, [{**row, "num_images": num_images} for row in rows], **more)


def picks(server: ServerProcess, batch_id: str) -> dict[str, int]:
    found: dict[str, int] = server.get(f"/api/batches/{batch_id}")["batch"]["picks"]
    return found


def test_a_sample_is_reviewed_mended_and_the_rest_released_with_other_words(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = submit(server, 20, sample=8)
    pictures.open(batch_id)
    expect(pictures.page.locator("[data-picture-rows] > [data-row]")).to_have_count(8)
    pictures.expect_counts(all=8, none=8, held=12)
    expect(pictures.release("sum")).to_contain_text("其余 12 行")
    expect(pictures.release("yes")).to_have_text("放行 · ¥2.64")

    pictures.picture(1).locator("[data-command=reject]").click()
    pictures.expect_counts(reject=1, none=7)
    pictures.focus(20)
    pictures.press("e")
    form = pictures.row(20).locator("[data-edit]")
    form.locator("[data-edit-prompt]").fill("第 20 款茶具，俯拍")
    expect(form.locator("[data-edit-yes]")).to_have_text("再来一张 · ¥0.22")
    form.locator("[data-edit-yes]").click()
    expect(pictures.row(20).locator("[data-image-url]")).to_have_count(2)
    expect(pictures.row(20)).to_contain_text("俯拍")
    assert [jimeng.charges, jimeng.submissions[-1].body["prompt"]] == [9, "第 20 款茶具，俯拍"]

    pictures.release("change").click()
    pictures.page.locator("[name=suffix]").fill("，白底")
    expect(pictures.release("examples").locator("li").first).to_contain_text("，白底")
    expect(pictures.release("yes")).to_be_enabled()
    pictures.release("yes").click()
    expect(pictures.page.locator(".toast").last).to_contain_text("已放行 12 张")
    expect(pictures.page.locator("[data-image-url]")).to_have_count(21)
    expect(pictures.page.locator("[data-release]")).to_be_hidden()
    assert jimeng.charges == 21
    assert sum(order.body["prompt"].endswith("款茶具，白底") for order in jimeng.submissions) == 12
    assert picks(server, batch_id) == {"keep": 0, "reject": 1}


def test_a_row_is_judged_by_keys_and_each_choice_is_undone(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    batch_id = submit(server, 2, num_images=3)
    pictures.open(batch_id)
    pictures.focus(1)
    pictures.press("p", "ArrowRight", "x")
    pictures.expect_pick(1, 1, "keep")
    pictures.expect_pick(1, 2, "reject")
    pictures.press("3")
    pictures.expect_pick(1, 3, "keep")
    pictures.press("Enter")
    expect(pictures.picture(2).locator("[data-place]")).to_be_focused()
    pictures.press("x")
    pictures.expect_pick(2, 1, "reject")
    pictures.expect_counts(keep=1, none=1)
    expect(pictures.page.locator(".pictures-download")).to_have_text("下载留下的 2 张")
    pictures.press("z", "z")
    pictures.expect_pick(2, 1, "")
    pictures.expect_pick(1, 3, "")
    expect(pictures.page.locator(".pictures-download")).to_have_text("下载留下的 1 张")
    assert picks(server, batch_id) == {"keep": 1, "reject": 1}
    pictures.focus(1)
    pictures.press(" ")  # the keys of the large view are the same
    expect(pictures.page.locator("[data-caption]")).to_have_text("第 1 行 · 1/3")
    pictures.press("2", "Enter")
    pictures.expect_counts(keep=1)
    expect(pictures.page.locator("[data-caption]")).to_have_text("第 2 行 · 1/3")
    pictures.press("Escape")
    pictures.expect_pick(1, 2, "keep")
    expect(pictures.picture(2).locator("[data-place]")).to_be_focused()
    pictures.open(batch_id, "&show=keep")
    expect(pictures.page.locator("[data-picture-rows] > [data-row]")).to_have_count(1)


def test_a_failed_row_is_changed_and_tried_again_in_its_place(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = start_to_end(server, [{"prompt": "违禁的茶壶", "resolution": "1K", "filename": "茶壶"}])
    pictures.open(batch_id, "&show=failed")
    expect(pictures.row(1)).to_contain_text("50412")
    pictures.row(1).locator("[data-command=change]").click()
    form = pictures.row(1).locator("[data-edit]")
    form.locator("[data-edit-prompt]").fill("茶壶")
    expect(form.locator("[data-edit-yes]")).to_have_text("改好重试 · ¥0.22")
    pictures.press("Control+Enter")
    expect(pictures.row(1).locator("[data-image-url]")).to_have_count(1)
    expect(pictures.row(1).locator("[data-record-id]")).to_have_count(1)
    record = server.get(f"/api/batches/{batch_id}")["records"][0]
    assert (record["filename"], record["prompt"], jimeng.charges) == ("茶壶.png", "茶壶", 1)


def test_what_is_being_written_stays_while_the_row_changes(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    batch_id = submit(server, 3)
    pictures.open(batch_id)
    pictures.focus(2)
    pictures.press("e")
    prompt = pictures.row(2).locator("[data-edit-prompt]")
    prompt.fill("还没写完")
    assert "还没写完" in pictures.page.evaluate("localStorage.getItem('pictures.unsent')")  # at once
    record = server.get(f"/api/batches/{batch_id}")["records"][1]["id"]
    server.post(f"/api/batches/{batch_id}/again", {"records": [record]})
    server.post("/api/records/pick", {"ids": [record], "pick": "keep"})
    pictures.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(pictures.row(2).locator("[data-image-url]")).to_have_count(2)
    pictures.expect_pick(2, 1, "keep")
    expect(prompt).to_have_value("还没写完")
    expect(prompt).to_be_focused()

    pictures.page.reload()
    pictures.focus(2)
    pictures.press("e")
    expect(prompt).to_have_value("还没写完")
    pictures.press("Control+Enter")
    expect(pictures.row(2).locator("[data-image-url]")).to_have_count(3)
    expect(pictures.row(2).locator("[data-command=change]")).to_be_focused()


def test_a_lost_connection_is_shown_until_it_is_back_and_pictures_in_the_trash_are_found(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    batch_id = submit(server, 1)
    pictures.open(batch_id)
    notice = pictures.page.locator("[data-pictures-offline]")
    pictures.page.context.set_offline(True)
    pictures.picture(1).locator("[data-command=keep]").click()
    expect(pictures.picture(1).locator("[data-error]")).to_have_text("连不上服务，请确认程序还在运行")
    pictures.expect_pick(1, 1, "")
    pictures.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(notice).to_have_text("连不上服务，正在重试…")
    pictures.page.context.set_offline(False)
    expect(notice).to_be_hidden()
    pictures.picture(1).locator("[data-command=keep]").click()
    pictures.expect_counts(keep=1)

    server.post("/api/records/delete", {"ids": [server.get(f"/api/batches/{batch_id}")["records"][0]["id"]]})
    pictures.page.goto(f"{server.address}/batch?id={batch_id}")
    expect(pictures.page.locator("[data-run-paused]")).to_contain_text("图片都删掉了")
    pictures.open(batch_id)
    pictures.page.get_by_role("link", name="看回收站").click()
    expect(pictures.page.locator("[data-records] [data-record-id]")).to_have_count(1)


def test_the_rest_is_not_made_and_that_is_undone(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = submit(server, 6, sample=2)
    checks: list[Route] = []
    pictures.page.route("**/release", lambda route: route.continue_() if checks else checks.append(route))
    pictures.page.route("**/cancel", lambda route: route.abort(), times=1)
    pictures.open(batch_id)
    pictures.release("no").press("Enter")
    expect(pictures.release("error")).not_to_be_empty()
    checks[0].continue_()  # its answer leaves the sentence
    expect(pictures.release("yes")).to_contain_text("放行 ·")
    expect(pictures.release("error")).not_to_be_empty()
    expect(pictures.release("no")).to_be_focused()
    pictures.press("Enter")
    expect(pictures.page.locator("[data-release]")).to_be_hidden()
    assert server.get(f"/api/batches/{batch_id}")["batch"]["counts"]["cancelled"] == 4
    pictures.press("Control+z")
    expect(pictures.release("sum")).to_be_visible()
    expect(pictures.release("sum")).to_contain_text("其余 4 行")
    counts = server.get(f"/api/batches/{batch_id}")["batch"]["counts"]
    assert (counts["held"], jimeng.charges) == (4, 2)


def test_problems_of_a_change_are_shown_by_row_and_release_nothing(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = submit(server, 4, sample=1)
    pictures.open(batch_id)
    pictures.release("change").click()
    pictures.page.locator("[name=suffix]").fill("白" * 10_000)
    expect(pictures.release("problems").locator("li")).to_have_count(3)
    expect(pictures.release("problems")).to_contain_text("第 3 行")
    expect(pictures.release("error")).to_have_text("3 处要改，还没有放行")
    expect(pictures.release("yes")).to_be_disabled()
    pictures.page.locator("[name=suffix]").fill("")
    expect(pictures.release("yes")).to_be_enabled()
    expect(pictures.release("problems")).to_be_hidden()
    assert jimeng.charges == 1

    server.post(f"/api/batches/{batch_id}/release", {})  # in another tab
    pictures.release("yes").click()
    expect(pictures.page.locator("[data-release]")).to_be_hidden()


def test_the_rows_are_made_by_another_model_and_both_are_compared(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = submit(server, 3, name="茶具")
    pictures.open(batch_id)
    page = pictures.page
    page.locator("[data-copy-batch]").click()
    expect(page.locator("[data-copy-model]")).to_have_value("jimeng_seedream46_cvtob")
    expect(page.locator("[data-copy-sum]")).to_have_text("3 行，3 张")
    yes = page.locator("[data-copy-yes]")
    expect(yes).to_have_text("做一遍 · ¥0.66")
    page.locator("[data-copy-model]").select_option("jimeng_t2i_v40")
    expect(yes).to_have_text("没有要做的")
    expect(yes).to_be_disabled()
    page.locator("[data-copy-model]").select_option("jimeng_seedream46_cvtob")
    expect(yes).to_be_enabled()
    yes.click()
    page.wait_for_url("**with=**")
    expect(page.locator("[data-picture-rows] [data-image-url]")).to_have_count(6)
    assert (jimeng.charges, jimeng.submissions[-1].body["req_key"]) == (6, "jimeng_seedream46_cvtob")
    for model in ("即梦 4.0", "即梦 4.6"):
        expect(page.locator(".sides-table tr", has_text=model)).to_contain_text("¥0.66")
        expect(pictures.row(1)).to_contain_text(f"{model} · ¥0.22")

    pictures.focus(1)
    pictures.press("ArrowRight", "p")
    pictures.expect_pick(1, 2, "keep")
    pictures.press("Enter", "x")
    pictures.expect_pick(2, 1, "reject")
    pictures.press("2")
    pictures.expect_pick(2, 2, "keep")
    pictures.expect_counts(reject=1, none=2)
    copied = page.url.split("with=")[1]
    assert picks(server, batch_id) == {"keep": 0, "reject": 1}
    assert picks(server, copied) == {"keep": 2, "reject": 0}
