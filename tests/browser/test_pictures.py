"""看图: the open table as pictures, chosen by keys, side by side, changed and ordered."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPage
from tools.fakes.jimeng import FakeJimeng
from tools.pages.pictures_page import PicturesPage, made_table
from tools.server_process import ServerProcess
from tools.waiting import wait_until

SIZES = ("256x256", "288x384", "512x288")  # the demo draws them in no time


@pytest.fixture
def pictures(page: Page, server: ServerProcess) -> PicturesPage:
    return PicturesPage(page, server)


def rows(number: int, *, num_images: int = 1) -> list[dict[str, Any]]:
    return [
        {"prompt": f"第 {n} 款茶具", "resolution": "1K", "num_images": num_images}
        for n in range(1, number + 1)
    ]


def picks(server: ServerProcess) -> dict[str, int]:
    return {pick: server.get(f"/api/records?pick={pick}")["total"] for pick in ("keep", "reject")}


def test_rows_are_judged_by_keys_and_each_choice_is_undone(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(3, num_images=3)))
    pictures.focus(1)
    pictures.press("p", "x")
    pictures.expect_pick(1, 1, "keep")
    pictures.expect_pick(1, 2, "reject")
    pictures.expect_focus(1, 3)
    pictures.press("3")  # keeps the third, and goes on to the next row
    pictures.expect_pick(1, 3, "keep")
    pictures.expect_focus(2)
    pictures.press("9")
    note = pictures.page.locator("[data-gallery-note]")
    expect(note).to_have_text("这一行没有第 9 张图")
    pictures.page.evaluate("document.dispatchEvent(new Event('poll-now'))")
    expect(note).to_have_text("这一行没有第 9 张图")  # until the next key
    pictures.press("x")
    expect(note).to_have_text("")
    pictures.expect_counts(all=3, keep=1, none=2)
    pictures.press("z")
    pictures.expect_pick(2, 1, "")
    pictures.expect_focus(2)
    pictures.focus(1)
    pictures.press("u")
    pictures.expect_pick(1, 1, "")
    pictures.press("End")
    pictures.expect_focus(3, 3)
    pictures.press("Home", "Enter")  # the keys of the large view are the same
    expect(pictures.page.locator("[data-caption]")).to_have_text("第 1 行 · 1/3")
    pictures.press("2", "Enter")
    expect(pictures.page.locator("[data-caption]")).to_have_text("第 2 行 · 1/3")
    pictures.press("Escape")
    pictures.expect_focus(2)
    pictures.expect_pick(1, 2, "keep")
    wait_until(lambda: picks(server) == {"keep": 2, "reject": 0})
    pictures.group("keep").click()
    expect(pictures.page.locator("[data-gallery-row]")).to_have_count(1)
    pictures.focus(1, 2)
    pictures.press("x")
    pictures.focus(1, 3)
    pictures.press("x")
    pictures.expect_counts(keep=0)
    expect(pictures.page.locator("[data-gallery-row]")).to_have_count(1)  # it stays where it is judged


def test_a_key_is_for_the_picture_that_is_pointed_at_and_named_below(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(4)))
    pictures.focus(1)
    pictures.picture(3).hover()
    expect(pictures.words("row")).to_have_text("第 3 行")
    pictures.press("p", "x")  # the pointer stays, and the keys go on
    pictures.expect_pick(3, 1, "keep")
    pictures.expect_pick(4, 1, "reject")
    pictures.expect_pick(1, 1, "")
    pictures.page.locator("[data-view-name=pictures]").focus()
    pictures.press("Control+a")
    assert pictures.page.evaluate("String(getSelection())") == ""


def test_a_picture_that_is_deleted_elsewhere_takes_no_command_in_the_large_view(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(1)))
    pictures.focus(1)
    pictures.press("Enter")
    dialog = pictures.page.locator("dialog[data-lightbox]")
    expect(dialog).to_be_visible()
    expect(pictures.group("all").locator("span")).to_have_text("1")
    server.post("/api/records/delete", {"ids": [1]})
    pictures.page.evaluate("document.dispatchEvent(new Event('poll-now'))")
    expect(pictures.page.locator("[data-gallery-row] img")).to_have_count(0)
    pictures.press("p", "e")
    expect(dialog).to_be_visible()


def test_a_deletion_is_undone_although_the_large_view_went_on_before_it_was_answered(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(8)))
    pictures.focus(1)
    pictures.press("Enter")
    held: list[Route] = []
    pictures.page.route("**/api/records/delete", lambda route: held.append(route))
    with pictures.page.expect_request("**/api/records/delete"):
        pictures.page.locator("dialog[data-lightbox] [data-command=delete]").click()
    pictures.press("End")
    expect(pictures.page.locator("[data-caption]")).to_have_text("第 8 行")
    held[0].continue_()
    pictures.page.locator(".toast").get_by_role("button", name="撤销").click()
    expect(pictures.page.locator(".toast")).to_have_count(0)


def test_up_to_four_pictures_are_looked_at_side_by_side(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(3, num_images=2)))
    pictures.focus(1)
    pictures.press("c")
    expect(pictures.page.locator("[data-gallery-note]")).to_have_text("先用空格选 2 到 4 张")
    pictures.press(" ", "ArrowRight", " ", "ArrowRight", " ", "ArrowRight", " ", "ArrowRight", " ")
    expect(pictures.page.locator("[data-gallery-note]")).to_have_text("最多并排看 4 张")
    pictures.focus(2, 2)
    pictures.press(" ", "c")
    dialog = pictures.page.locator("dialog[data-compare]")
    expect(dialog.locator("[data-side]:visible")).to_have_count(3)
    expect(dialog.locator("[data-name]").nth(2)).to_have_text("第 2 行 · 1/2")
    pictures.press("3", "p", "ArrowRight")
    expect(dialog.locator("[data-name]").nth(2)).to_have_text("第 2 行 · 2/2")
    pictures.press("Escape")
    pictures.expect_pick(2, 1, "keep")
    pictures.press("Escape")
    expect(pictures.page.locator("[data-gallery-survey]")).to_be_hidden()


def test_changed_words_are_to_be_made_and_the_earlier_picture_is_one_press_away(
    pictures: PicturesPage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    table_id = made_table(server, rows(2))
    pictures.open(table_id)
    expect(pictures.words("order")).to_have_text("再来一张 ¥0.22")
    pictures.focus(2)
    pictures.press("e")
    pictures.words("edit").fill("第 2 款茶具，俯拍")
    pictures.press("Control+Enter")
    expect(pictures.picture(2)).to_contain_text("还没做")
    expect(pictures.picture(2).locator("[data-place-order]")).to_have_text("做这张 · ¥0.22")
    expect(pictures.words("order")).to_have_text("做这张 · ¥0.22")
    pictures.page.locator("[data-gallery-row='2'] [data-part-earlier]").click()
    expect(pictures.picture(2, 2).locator("img")).to_be_visible()
    expect(pictures.picture(2, 2)).to_contain_text("早先")
    assert jimeng.charges == 2
    pictures.picture(2).locator("[data-place-order]").click()
    expect(pictures.page.locator("dialog[open]")).to_contain_text("¥0.22")
    pictures.page.locator("dialog[open] .is-primary").click()
    expect(pictures.picture(2).locator("img")).to_be_visible()
    assert [jimeng.charges, jimeng.submissions[-1].body["prompt"]] == [3, "第 2 款茶具，俯拍"]
    words = server.get(f"/api/tables/{table_id}")["rows"][1]["prompt"]
    assert words == "第 2 款茶具，俯拍"


def test_pictures_of_another_model_stand_beside_those_of_their_row(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    table_id = made_table(server, rows(2))
    other = {"model": "jimeng_seedream46_cvtob", "resolution": "2K"}
    server.wait_for_end(str(server.post(f"/api/tables/{table_id}/run", other)["batch_id"]))
    pictures.open(table_id)
    expect(pictures.picture(1, 1).locator("[data-shot-label]")).to_have_text("即梦 4.0")
    expect(pictures.picture(1, 2).locator("[data-shot-label]")).to_have_text("即梦 4.6")
    pictures.focus(1)
    pictures.press("2")
    pictures.expect_pick(1, 2, "keep")
    pictures.expect_counts(keep=1, none=1)


def test_what_failed_waits_or_is_shared_stands_in_its_place(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    made = made_table(server, [{"prompt": "违禁的茶壶", "resolution": "1K"}, *rows(1), *rows(1)])
    pictures.open(made)
    failed = pictures.picture(1)
    expect(failed).to_contain_text("失败")
    expect(failed).to_contain_text("50412")
    expect(pictures.words("order")).to_have_text("重试 ¥0.22")
    failed.locator("[data-place-change]").click()  # the same words would be refused again
    expect(pictures.words("edit")).to_have_value("违禁的茶壶")
    pictures.press("Escape")
    pictures.expect_focus(1)
    pictures.expect_counts(all=3, failed=1)
    expect(pictures.picture(2).locator("img")).to_be_visible()
    expect(pictures.page.locator("[data-gallery-row='3']")).to_contain_text("同第 2 行")
    record = pictures.picture(2).get_attribute("data-record-id")
    assert pictures.picture(3).get_attribute("data-record-id") == record
    pictures.focus(3)
    pictures.press("p")
    pictures.expect_pick(2, 1, "keep")  # the same picture

    pictures.open(made_table(server, [{"prompt": f"碗 {n}", "resolution": "1K"} for n in range(6)], sample=2))
    pictures.expect_counts(all=2, waiting=4)
    pictures.group("waiting").click()
    expect(pictures.picture(2)).to_contain_text("等你看过")


def test_a_choice_that_is_not_saved_is_taken_back_and_said_at_the_picture(
    pictures: PicturesPage, server: ServerProcess
) -> None:
    pictures.open(made_table(server, rows(2)))
    pictures.page.context.set_offline(True)
    pictures.focus(1)
    pictures.press("p")
    expect(pictures.picture(1).locator("[data-shot-error]")).to_have_text("连不上服务，请确认程序还在运行")
    pictures.expect_pick(1, 1, "")
    pictures.page.context.set_offline(False)
    pictures.focus(1)
    pictures.press("p")
    pictures.expect_pick(1, 1, "keep")
    expect(pictures.picture(1).locator("[data-shot-error]")).to_be_hidden()
    pictures.expect_counts(keep=1)


def test_two_people_see_what_the_other_chose(
    pictures: PicturesPage, server: ServerProcess, new_page: NewPage
) -> None:
    table_id = made_table(server, rows(2))
    other = PicturesPage(new_page(), server)
    for one in (pictures, other):
        one.open(table_id)
    pictures.focus(2)
    pictures.press("p")
    other.expect_pick(2, 1, "keep")
    other.focus(2)
    other.press("x")
    pictures.expect_pick(2, 1, "reject")


def test_table_and_pictures_are_two_views_of_one_page(pictures: PicturesPage, server: ServerProcess) -> None:
    page, table_id = pictures.page, made_table(server, rows(2))
    page.goto(f"{server.address}/batch?table={table_id}")
    expect(page.locator("[data-batch][data-ready]")).to_have_count(1)
    page.evaluate("window.isSamePage = true")
    page.locator("[data-view-name=pictures]").click()
    pictures.wait_until_ready()
    page.wait_for_url("**view=pictures")
    expect(page.locator("[data-table]")).to_be_hidden()
    page.go_back()
    expect(page.locator("[data-gallery]")).to_be_hidden()
    expect(page.locator("[data-table]")).to_be_visible()
    assert page.evaluate("window.isSamePage") is True
    batch_id = server.get(f"/api/tables/{table_id}")["table"]["run"]
    page.goto(f"{server.address}/batch/pictures?id={batch_id}")  # an address of an earlier version
    pictures.wait_until_ready()
    assert re.search(rf"table={table_id}&view=pictures$", page.url)


def test_a_screen_shows_many_pictures_few_controls_and_draws_only_what_is_near(
    page: Page, phone: Page, demo_server: ServerProcess
) -> None:
    mixed = [
        {**row, "resolution": SIZES[n % 3], "num_images": (1, 2, 1, 4)[n % 4]}
        for n, row in enumerate(rows(48))
    ]
    table_id = made_table(demo_server, mixed)
    wide, narrow = PicturesPage(page, demo_server), PicturesPage(phone, demo_server)
    wide.open(table_id)
    expect(wide.picture(1).locator("img")).to_be_visible()
    assert wide.in_view() >= 24
    assert wide.controls() <= 25
    assert page.locator("[data-shot-key]").count() < 80  # of 96
    narrow.open(table_id)
    expect(narrow.picture(1).locator("img")).to_be_visible()
    assert narrow.in_view() >= 6
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
