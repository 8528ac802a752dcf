"""单图生成 in Chromium: from a prompt to a saved image, and back."""

import re
from functools import partial
from pathlib import Path

from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import NewPage, OpenStudio
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until


def test_running_images_are_shown_and_counted_in_two_tabs_and_after_a_reload(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    jimeng.latency = 600.0
    page = studio(server)
    page.write_prompt("雪山下的小屋，水彩")
    page.choose("16:9", "1K")
    page.set_count(3)
    page.generate()
    expect(page.tiles()).to_have_count(3)
    page.expect_title(r"\(0/3\)")
    page.open()
    expect(page.tiles("running")).to_have_count(2)  # of three, by the concurrency of the server
    other = page.second_tab()
    expect(other.tiles("running")).to_have_count(2)
    jimeng.latency = 0.1
    other.wait_for_images(3)
    page.wait_for_images(3)
    image = page.tiles().first.locator("img")
    expect(image).to_have_attribute("width", "1376")
    expect(image).to_have_attribute("height", "774")
    assert jimeng.charges == 3


def pictures(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.write_bytes(noise_image("png"))
    return files


def hold(page: Page, key: str, times: int = 5) -> None:
    """Send the key repeats of a held key."""
    for _ in range(times):
        page.keyboard.down(key)
    page.evaluate("fetch('/healthz')")  # a repeated submission would be under way by now


def submissions_of(page: Page) -> list[Request]:
    """The submissions that a page sends from now on."""
    sent: list[Request] = []

    def note(request: Request) -> None:
        if request.method in ("POST", "DELETE") and "/api/" in request.url:
            sent.append(request)

    page.on("request", note)
    return sent


def test_a_held_key_submits_and_deletes_once(demo_server: ServerProcess, studio: OpenStudio) -> None:
    page = studio(demo_server)
    sent = submissions_of(page.page)
    page.write_prompt("按住不放的猫")
    page.page.keyboard.down("Control")
    page.page.keyboard.down("Enter")
    page.wait_for_images(1)
    hold(page.page, "Enter")
    assert len(sent) == 1
    page.page.keyboard.up("Enter")
    page.page.keyboard.up("Control")

    page.tiles().first.get_by_role("button", name="再来一张").focus()
    page.page.keyboard.down("Enter")
    page.wait_for_images(2)
    page.expect_idle()
    hold(page.page, "Enter")
    assert len(sent) == 2
    page.page.keyboard.up("Enter")

    page.tiles().first.locator("a.result-card-frame").focus()
    page.page.keyboard.down("Delete")
    expect(page.tiles()).to_have_count(1)
    expect(page.tiles().first.locator("a.result-card-frame")).to_be_focused()
    hold(page.page, "Delete")
    assert len(sent) == 3


def test_enter_alone_submits_nothing(demo_server: ServerProcess, studio: OpenStudio) -> None:
    page = studio(demo_server)
    page.page.locator("[data-more] summary").click()
    sent = submissions_of(page.page)
    page.write_prompt("还没写完的猫")
    for field in ("#num_images", "#seed", "#filename", "input[value='16:9']"):
        page.page.locator(field).press("Enter")
    page.page.evaluate("fetch('/healthz')")
    assert sent == []
    page.page.locator("#filename").press("Control+Enter")
    page.wait_for_images(1)


def test_a_failure_is_shown_in_its_tile_with_its_reason_and_retried(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    page = studio(server)
    page.write_prompt("违禁的画面")
    page.generate()
    expect(page.tiles("failed")).to_have_count(1)
    expect(page.tiles("failed")).to_contain_text("50412")
    with page.page.expect_response(re.compile("/retry")):
        page.tiles("failed").get_by_role("button", name="重试").click()
    server.wait_for_end(server.get("/api/batches")["batches"][0]["id"])
    assert jimeng.count("submit") == 2
    expect(page.tiles("failed")).to_contain_text("50412")
    assert jimeng.charges == 0
    page.expect_announced("图片都已结束，其中 1 张失败")
    page.write_prompt("好的画面")
    page.generate()
    page.expect_announced("图片都做好了")


def test_an_unknown_result_asks_before_resubmission(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    jimeng.fail_next("reset")
    page = studio(server)
    page.write_prompt("断线的猫")
    page.generate()
    expect(page.tiles("unknown")).to_contain_text("可能已计费")
    page.tiles("unknown").get_by_role("button", name="重试").click()
    question = page.page.locator("dialog[data-dialog=cost]")
    expect(question).to_contain_text("0.22")
    question.get_by_role("button", name="取消").click()
    page.expect_idle()
    assert len(jimeng.submissions) == 1
    page.tiles("unknown").get_by_role("button", name="重试").click()
    question.locator("[data-ask-choice]").click()
    page.wait_for_images(1)
    assert len(jimeng.submissions) == 2


def test_typed_text_survives_a_reload_and_that_of_two_tabs_is_kept(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(demo_server)
    page.write_prompt("写了一半的")
    page.choose("9:16", "4K")
    page.open()
    page.expect_prompt("写了一半的")
    expect(page.page.locator("input[value='9:16']")).to_be_checked()
    expect(page.page.locator("input[value='4K']")).to_be_checked()
    other = page.second_tab()
    page.write_prompt("这边写的")
    other.write_prompt("那边写的")
    page.open()
    page.expect_prompt("那边写的")
    page.restore_and_expect("这边写的")


def test_typed_text_is_restored_after_loading_records(demo_server: ServerProcess, studio: OpenStudio) -> None:
    for prompt in ("旧的一", "旧的二"):
        demo_server.post("/api/batch-generate", {"prompt": prompt})
    page = studio(demo_server)
    page.write_prompt("写了很久的")
    for tile in (0, 1):
        page.act("改提示词", tile)
    page.expect_prompt("旧的一")
    page.restore_and_expect("写了很久的")
    page.write_prompt("")
    page.page.locator("[data-more] summary").click()
    negative = page.page.get_by_label("负面提示词")
    negative.fill("不要雨")
    page.act("改提示词")
    page.expect_prompt("旧的二")
    page.restore_and_expect("")
    expect(negative).to_have_value("不要雨")


def test_back_or_a_click_beside_the_image_closes_the_lightbox(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    demo_server.post("/api/batch-generate", {"prompt": "一只猫"})
    page = studio(demo_server)
    address = page.page.url
    for _ in range(2):
        large = page.open_lightbox(0)
        page.page.go_back()
        expect(large).to_be_hidden()
        expect(page.page).to_have_url(address)
    large = page.open_lightbox(0)
    box = large.locator("[data-viewer-image]").bounding_box()
    assert box
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(large).to_be_visible()
    page.page.mouse.click(box["x"] + 4, box["y"] + 4)
    expect(large).to_be_hidden()
    expect(page.tiles("success")).to_have_count(1)


def test_images_are_copied_kept_and_deleted_in_the_lightbox(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    for prompt in ("第一张", "第二张"):
        demo_server.post("/api/batch-generate", {"prompt": prompt})
    page = studio(demo_server)
    page.page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=demo_server.address)
    large = page.open_lightbox(0)
    page.page.keyboard.press("i")
    large.locator("[data-copy=prompt]").click()
    wait_until(lambda: page.page.evaluate("navigator.clipboard.readText()") == "第二张")
    page.page.keyboard.press("Delete")
    expect(large).to_contain_text("第一张")
    expect(page.tiles()).to_have_count(1)
    page.page.keyboard.press("z")
    expect(page.tiles()).to_have_count(2)
    page.page.keyboard.press("p")
    wait_until(lambda: demo_server.get("/api/records?pick=keep")["total"] == 1)
    expect(page.tiles().filter(has=page.page.locator("[data-pick-mark]"))).to_contain_text("第一张")
    page.page.route("**/api/batches", lambda route: route.abort())
    large.locator("[data-lightbox-more] summary").click()
    large.get_by_role("button", name="再来一张").click()
    expect(large).to_be_hidden()
    expect(page.tiles().filter(has_text="连不上服务")).to_have_count(1)


def test_a_deletion_and_its_undo_reach_other_tabs(demo_server: ServerProcess, studio: OpenStudio) -> None:
    demo_server.post("/api/batch-generate", {"prompt": "两边都看的猫", "num_images": 2})
    page = studio(demo_server)
    page.wait_for_images(2)
    other = page.second_tab()
    page.focus_tab()
    page.act("删除")
    expect(page.tiles()).to_have_count(1)
    other.focus_tab()
    expect(other.tiles()).to_have_count(1)
    page.focus_tab()
    page.page.get_by_role("button", name="撤销").click()
    page.wait_for_images(2)
    other.focus_tab()
    other.wait_for_images(2)


def test_a_deletion_is_undone_once_the_server_can_be_reached(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    demo_server.post("/api/batch-generate", {"prompt": "删错的猫"})
    page = studio(demo_server)
    page.act("删除")
    expect(page.tiles()).to_have_count(0)
    expect(page.page.locator("[data-example]").first).to_be_focused()
    demo_server.kill()
    page.page.get_by_role("button", name="撤销").click()
    expect(page.page.locator(".toast")).to_contain_text("连不上服务")
    expect(page.page.get_by_role("button", name="重试")).to_be_focused()
    demo_server.start()
    page.page.keyboard.press("Enter")
    page.wait_for_images(1)


def test_generate_again_edit_and_use_as_reference(demo_server: ServerProcess, studio: OpenStudio) -> None:
    page = studio(demo_server)
    page.write_prompt("可以再来的猫")
    page.choose("3:2")
    page.generate()
    page.wait_for_images(1)
    page.act("再来一张")
    page.wait_for_images(2)
    page.write_prompt("别的")
    page.act("改提示词")
    expect(page.page.get_by_label("提示词", exact=False).first).to_have_value("可以再来的猫")
    page.act("用作参考图")
    expect(page.references()).to_have_count(1)


def test_a_result_dragged_onto_the_form_becomes_a_reference(
    demo_server: ServerProcess, studio: OpenStudio
) -> None:
    demo_server.post("/api/batch-generate", {"prompt": "拖走的猫"})
    page = studio(demo_server)
    page.wait_for_images(1)
    picture = page.tiles().first.locator("img")
    picture.hover()
    page.page.mouse.down()
    add = page.page.locator("[data-add]").bounding_box()
    assert add
    page.page.mouse.move(add["x"] + 40, add["y"] + 40, steps=8)
    expect(page.page.get_by_text("松开后用作参考图")).to_be_visible()
    page.page.mouse.up()
    expect(page.references()).to_have_count(1)
    expect(page.page.get_by_text("松开后用作参考图")).to_be_hidden()


def test_references_are_ordered_by_dragging_or_keyboard_and_sent_in_this_order(
    demo_server: ServerProcess, studio: OpenStudio, tmp_path: Path
) -> None:
    page = studio(demo_server)
    page.attach_references(*pictures(tmp_path, "甲.png", "乙.png"))
    names = page.references().locator("[data-move]")

    def drag_the_second_before_the_first() -> None:
        second, first = names.nth(1).bounding_box(), names.nth(0).bounding_box()
        assert second
        assert first
        page.page.mouse.move(second["x"] + 30, second["y"] + 30)
        page.page.mouse.down()
        page.page.mouse.move(first["x"] + 10, first["y"] + 30, steps=5)
        expect(names.nth(0)).to_have_attribute("title", "乙.png")

    drag_the_second_before_the_first()
    page.page.keyboard.press("Escape")
    expect(names.nth(0)).to_have_attribute("title", "甲.png")
    page.page.mouse.up()
    drag_the_second_before_the_first()
    page.page.mouse.up()
    expect(page.references().nth(0)).to_contain_text("1")
    expect(names.nth(0)).to_have_attribute("title", "乙.png")
    for first in ("甲.png", "乙.png"):
        names.nth(1).press("ArrowLeft")
        expect(names.nth(0)).to_have_attribute("title", first)
    page.write_prompt("照着画")
    page.generate()
    page.wait_for_images(1)
    record = demo_server.get("/api/records")["records"][0]
    assert [image["filename"] for image in record["sample_images"]] == ["乙.png", "甲.png"]


def test_unsupported_fields_are_disabled_with_the_reason(server: ServerProcess, studio: OpenStudio) -> None:
    page = studio(server)
    page.page.locator("[data-more] summary").click()
    expect(page.page.locator("#seed")).to_be_disabled()
    expect(page.page.locator("#steps")).to_be_disabled()
    expect(page.page.locator("#seed-note")).to_contain_text("即梦")
    expect(page.page.locator("#negative_prompt-note")).to_contain_text("画面中不要出现")


def test_the_from_parameter_fills_the_form_and_its_references(
    demo_server: ServerProcess, studio: OpenStudio, tmp_path: Path
) -> None:
    page = studio(demo_server)
    page.attach_references(*pictures(tmp_path, "甲 & 乙's.png", "白 底.png"))
    page.write_prompt("照着画")
    page.choose("2:3", "1K")
    page.page.locator("[data-more] summary").click()
    page.page.locator("#seed").fill("77")
    page.generate()
    page.wait_for_images(1)
    made = demo_server.get("/api/records")["records"][0]
    page.page.evaluate("localStorage.clear()")
    page.open(f"?from={made['id']}")
    page.expect_prompt("照着画")
    expect(page.page.locator("input[value='2:3']")).to_be_checked()
    expect(page.page.locator("#seed")).to_have_value("77")
    expect(page.references()).to_have_count(2)
    page.generate()
    page.wait_for_images(2)
    again = demo_server.get("/api/records")["records"][0]
    assert again["sample_images"] == made["sample_images"]


def heights_of(page: StudioPage) -> set[int]:
    frames = page.page.locator(".result-card:not(.is-line) .result-card-frame")
    return {round(height) for height in frames.evaluate_all("all => all.map(one => one.offsetHeight)")}


def test_the_pictures_of_a_request_stand_in_order_under_one_caption_and_have_one_height(
    server: ServerProcess, studio: OpenStudio, jimeng: FakeJimeng
) -> None:
    for prompt, ratio, n in (("旧的一单", "9:16", 1), ("新的一单", "16:9", 3)):
        body = {"prompt": prompt, "aspect_ratio": ratio, "resolution": "1K", "num_images": n}
        made = server.post("/api/batches", {"source": "single", "rows": [body]})
        server.wait_for_end(made["batch_id"])
    page = studio(server)
    captions = page.page.locator(".result-group-head")
    expect(captions).to_have_text(
        [re.compile("新的一单.*3 张 · ¥0.66", re.DOTALL), re.compile("旧的一单.*¥0.22", re.DOTALL)]
    )
    ids = page.tiles().evaluate_all("all => all.map(one => Number(one.dataset.recordId))")
    assert ids == [2, 3, 4, 1]
    medium = heights_of(page)
    assert len(medium) == 1
    slider = page.page.get_by_label("图片大小")
    slider.press("Home")
    small = heights_of(page)
    assert len(small) == 1
    assert max(small) < max(medium)
    page.open()
    expect(slider).to_have_attribute("aria-valuetext", "小")
    assert heights_of(page) == small


def test_what_was_refused_shrinks_with_the_next_order_and_is_cleared_at_once(
    server: ServerProcess, studio: OpenStudio
) -> None:
    page = studio(server)
    for prompt in ("违禁的画面一", "违禁的画面二", "好的画面"):
        page.write_prompt(prompt)
        page.generate()
        done = page.page.locator("[data-request-key]").filter(has_text=prompt)
        expect(done.locator("[data-ended-at], [data-image-url]").first).to_be_visible(timeout=20_000)
        if prompt != "好的画面":
            expect(done.locator(".result-card-choices > :first-child")).to_have_text("改提示词")
    lines = page.page.locator(".result-card.is-line")
    expect(lines).to_have_count(2)
    assert lines.first.bounding_box()["height"] < 48  # type: ignore[index]
    expect(lines.first).to_contain_text("50412")
    page.page.get_by_role("button", name="清除失败和取消的 2 张").click()
    expect(page.tiles()).to_have_count(1)
    page.page.get_by_role("button", name="撤销").click()
    expect(page.tiles()).to_have_count(3)
    expect(lines).to_have_count(2)


def test_no_original_is_loaded_on_a_screen_of_high_density(
    new_page: NewPage, demo_server: ServerProcess
) -> None:
    for ratio in ("1:1", "9:16", "16:9"):
        demo_server.post("/api/batch-generate", {"prompt": "猫", "aspect_ratio": ratio})
    is_sharp = "image => image.complete && image.currentSrc.endsWith('side=800')"
    asked: list[str] = []
    for width, height in ((1440, 900), (390, 844)):
        page = StudioPage(
            new_page(width, height, device_scale_factor=2, is_mobile=width < 720), demo_server.address
        )
        page.page.on("request", lambda request: asked.append(request.url))
        page.open()
        expect(page.tiles("success")).to_have_count(3)
        for tile in page.tiles().all():
            tile.scroll_into_view_if_needed()
            wait_until(partial(tile.locator("img").evaluate, is_sharp))
    assert not [url for url in asked if "/output/" in url]
