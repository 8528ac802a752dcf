"""The round of a client: the page below /r/ on a phone inside WeChat, and the studio's pages around it."""

import itertools
import re
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LAN, NewPage
from tests.browser.test_accessibility import found_by_axe
from tools.pages.measures import out_of_reach
from tools.pages.pictures_page import made_table
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

WECHAT = (
    "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/116.0.0.0 "
    "Mobile Safari/537.36 XWEB/1160065 MicroMessenger/8.0.49.2600 WeChat/arm64"
)
_TABLES = itertools.count(1)
MAX_BYTES = 35_000  # of the page before its pictures


@pytest.fixture(scope="module")
def studio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that others of its network can open."""
    with running_server(tmp_path_factory.mktemp("lan"), image_model="demo", allowed_hosts=LAN) as server:
        yield server


@pytest.fixture
def table(studio_server: ServerProcess) -> str:
    """A table whose five rows were made; no other one has the same words."""
    of = next(_TABLES)
    prompts = [f"第 {n} 款茶具，{of}" for n in range(1, 6)]
    rows = [{"prompt": each, "resolution": "1K", "columns": {"SKU": f"A-{each[2]}"}} for each in prompts]
    return made_table(studio_server, rows)


class ClientPage:
    """What a client does on a phone inside WeChat."""

    def __init__(self, page: Page, link: str) -> None:
        self.page, self.link = page, link
        self.tiles = page.locator(".tile")
        self.large = page.locator("[data-large]")
        self.ask = page.locator("[data-ask]")
        self.foot = page.locator("[data-foot]")

    def open(self) -> None:
        self.page.goto(self.link)
        expect(self.foot).to_be_visible()

    def tile(self, n: int) -> Locator:
        return self.page.locator(f".tile[data-n='{n}']")

    def mark(self, n: int, mark: str = "heart") -> None:
        self.tile(n).locator(f"[data-mark={mark}]").click()

    def say(self, n: int, text: str) -> None:
        self.tile(n).locator("[data-say]").click()
        self.large.locator("[data-comment]").fill(text)
        self.large.locator("[data-close]").click()

    def expect_saved(self) -> None:
        expect(self.foot.locator("[data-saving]")).to_have_text("已存")

    def submit(self) -> None:
        self.page.locator("[data-submit]").click()
        self.ask.locator("[data-confirm]").click()


def open_round(server: ServerProcess, table: str, **fields: Any) -> str:
    """Make a round of all pictures, as from the studio's network -> its link, for this machine."""
    url, body = f"{server.address}/api/tables/{table}/rounds", {"client": "王小姐", "pick": "all", **fields}
    made = requests.post(url, json=body, headers={"Host": f"{LAN}:{server.port}"}, timeout=60).json()
    return str(made["link"]).replace(LAN, "127.0.0.1")


def rounds_of(server: ServerProcess, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server.get(f"/api/tables/{table}/rounds?marks=1")["rounds"]
    return found


def made_again(server: ServerProcess, table: str, number: int) -> bool:
    """Whether a row has a picture of its words as they are now."""
    pictures = server.get(f"/api/tables/{table}")["rows"][number - 1]["pictures"]
    return any(each["status"] == "success" and not each.get("earlier") for each in pictures)


def marks_of(server: ServerProcess, table: str) -> dict[int, tuple[str | None, str]]:
    """What the server has of the newest round."""
    return {each["n"]: (each["mark"], each["comment"]) for each in rounds_of(server, table)[0]["marks"]}


@pytest.fixture
def client(new_page: NewPage, studio_server: ServerProcess, table: str) -> ClientPage:
    """A client with a round of five pictures, of which three may be chosen."""
    page = new_page(390, 844, has_touch=True, is_mobile=True, user_agent=WECHAT)
    return ClientPage(page, open_round(studio_server, table, at_most=3, download="chosen"))


def test_a_client_chooses_while_the_network_fails_meets_the_limit_and_submits(
    client: ClientPage, studio_server: ServerProcess, table: str
) -> None:
    page = client.page
    client.open()
    expect(page.locator("[data-facts]")).to_contain_text("5 张图 · 选 3 张以内")
    expect(client.tile(1)).to_contain_text("A-1")
    client.mark(1)
    client.expect_saved()
    assert marks_of(studio_server, table) == {1: ("heart", "")}

    page.context.set_offline(True)
    client.mark(2)
    client.say(3, "杯口再圆一点")
    client.mark(4, "reject")
    expect(client.foot).to_contain_text("没网，连上就存")
    client.submit()
    expect(client.ask).to_contain_text("没网，连上再提交")
    client.ask.locator("[data-close]").click()
    page.context.set_offline(False)
    client.expect_saved()
    said = {1: ("heart", ""), 2: ("heart", ""), 3: (None, "杯口再圆一点"), 4: ("reject", "")}
    assert marks_of(studio_server, table) == said

    client.mark(3)
    client.mark(5)
    expect(client.tile(5)).to_contain_text("最多选 3 张，先取消一张")
    expect(client.foot).to_contain_text("已选 3 / 最多 3")
    client.submit()
    expect(page.locator("[data-told]")).to_contain_text("已提交")
    expect(client.tile(5).locator("[data-mark=heart]")).to_be_hidden()
    expect(page.locator("[data-download]")).to_be_hidden()  # a dead button inside WeChat
    expect(client.foot).to_contain_text("点右上角 ···，选「在浏览器打开」")
    page.reload()
    expect(page.locator("[data-told]")).to_contain_text("已提交")
    rows = studio_server.get(f"/api/tables/{table}")["rows"]
    assert [row["pictures"][0].get("pick", "") for row in rows] == ["keep", "keep", "keep", "reject", ""]


def test_what_was_marked_without_a_network_is_sent_at_the_next_visit(
    client: ClientPage, studio_server: ServerProcess, table: str
) -> None:
    client.open()
    client.page.context.set_offline(True)
    client.mark(1)
    expect(client.foot).to_contain_text("没网，连上就存")
    client.page.goto("about:blank")
    client.page.context.set_offline(False)
    client.open()
    expect(client.tile(1).locator("[data-mark=heart]")).to_have_attribute("aria-pressed", "true")
    wait_until(lambda: marks_of(studio_server, table) == {1: ("heart", "")})


def test_large_a_picture_has_the_whole_width_and_shows_the_small_one_until_it_is_there(
    client: ClientPage, new_page: NewPage
) -> None:
    for page in (client.page, new_page(390, 844)):  # with fingers, and with a mouse
        at = ClientPage(page, client.link)
        at.open()
        expect(at.tile(1).locator("[data-image]")).to_have_js_property("complete", True)
        page.route("**/pictures/1?size=large", lambda route: route.abort())
        at.tile(1).locator("[data-open]").click()
        image = at.large.locator("img").first
        expect(image).to_have_attribute("src", re.compile("^data:"))  # and is asked for again
        expect(image).to_be_visible()
        box = image.bounding_box()
        assert box is not None
        assert (box["x"], box["width"]) == (0, 390)
        page.unroute("**/pictures/1?size=large")
        expect(image).to_have_attribute("src", re.compile("size=large$"))


def test_large_a_picture_is_marked_said_of_and_left_by_the_phones_way_back(client: ClientPage) -> None:
    client.open()
    client.tile(2).locator("[data-open]").click()
    expect(client.large.locator("[data-save-hint]")).to_be_visible()
    expect(client.large.locator("[data-large-place]")).to_have_text("2 / 5")
    client.page.keyboard.press("ArrowRight")
    expect(client.large.locator("[data-large-label]")).to_have_text("A-3")
    client.large.locator("[data-mark=heart]").click()
    client.large.locator("[data-comment]").fill("就这张")
    client.page.go_back()
    expect(client.large).to_be_hidden()
    expect(client.tile(3)).to_contain_text("就这张")
    expect(client.tile(3).locator("[data-open]")).to_be_focused()
    client.page.locator("[data-filter=chosen]").click()
    expect(client.page.locator(".tile:visible")).to_have_count(1)


def test_every_page_of_a_client_is_accessible_and_fits_in_both_themes(
    client: ClientPage, new_page: NewPage, studio_server: ServerProcess, table: str
) -> None:
    page = new_page(360, 740, locale="en-US")

    def expect_good() -> None:
        page.evaluate(Axe().axe_script)
        for width in (1440, 360):
            page.set_viewport_size({"width": width, "height": 740})
            page.emulate_media(color_scheme="light")
            assert found_by_axe(page) == []
            assert [each for each in out_of_reach(page) if "large-strip" not in each] == []
            page.emulate_media(color_scheme="dark")
            assert found_by_axe(page, "color-contrast") == []

    english = ClientPage(page, client.link)
    english.open()
    english.mark(5, "reject")
    for n in (1, 2, 3, 4):
        english.mark(n)
    expect(english.tile(4)).to_contain_text("At most 3")
    expect_good()
    english.say(2, "A rounder rim, please, and a lighter ground")
    english.tile(2).locator("[data-open]").click()
    expect_good()
    english.large.locator("[data-close]").click()
    page.locator("[data-submit]").click()
    expect_good()
    english.ask.locator("[data-confirm]").click()
    expect(page.locator("[data-told]")).to_be_visible()
    expect_good()
    page.goto(client.link[:-5])
    expect(page.get_by_role("heading")).to_have_text("This link no longer works")
    expect_good()
    page.goto(open_round(studio_server, table, password="246810"))
    expect_good()
    page.get_by_role("textbox").fill("246810")
    page.get_by_role("button").click()
    expect(page.locator(".tile")).to_have_count(4)  # the rejected one is no longer shown


def test_the_page_of_a_client_is_light_and_shows_nothing_of_the_studio(client: ClientPage) -> None:
    sizes: list[int] = []
    client.page.on(
        "requestfinished",
        lambda request: (
            sizes.append(sum(request.sizes()[part] for part in ("responseBodySize", "responseHeadersSize")))
            if "/pictures/" not in request.url
            else None
        ),
    )
    client.open()
    client.page.wait_for_load_state("networkidle")
    assert 0 < sum(sizes) < MAX_BYTES
    content = client.page.content()
    assert [word for word in ("款茶具", "demo", "/output/", "topbar", "¥") if word in content] == []


class RoundsDialog:
    """The studio's dialog, opened from the menu of a table."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.dialog = page.locator("[data-dialog=rounds]")

    def open(self, table: str) -> None:
        self.page.goto(f"{self.address}/batch?table={table}")
        expect(self.page.locator("[data-batch][data-ready]")).to_have_count(1)
        self.choose()

    def choose(self) -> None:
        self.page.locator("[data-command=more]").click()
        self.page.locator("[data-more-menu] [data-command=rounds]").click()
        expect(self.dialog.locator("section:visible, form:visible")).to_have_count(1)

    def act(self, name: str) -> None:
        self.dialog.locator(f"[data-round-act={name}]:visible").first.click()


def test_a_link_is_made_chosen_by_asked_again_and_followed_by_a_second_round(
    page: Page, new_page: NewPage, studio_server: ServerProcess, table: str
) -> None:
    studio = RoundsDialog(page, f"http://{LAN}:{studio_server.port}")
    studio.open(table)
    studio.dialog.locator("[name=client]").fill("王小姐")
    studio.dialog.locator("[name=pick][value=all]").check()
    studio.dialog.locator("[type=submit]").click()
    link = studio.dialog.locator("[data-rounds-address]")
    expect(studio.dialog.locator("svg")).to_be_visible()
    page.evaluate(Axe().axe_script)
    assert found_by_axe(page) == []
    first = ClientPage(new_page(390, 844, user_agent=WECHAT), link.input_value())
    first.open()
    first.mark(1)
    first.say(2, "背景换成浅灰")
    first.expect_saved()
    studio.dialog.locator("[data-rounds-link] [data-rounds-back]").click()
    page.keyboard.press("Escape")
    page.locator("[data-view-name=pictures]").click()
    expect(page.locator("[data-shot-said]").filter(has_text="♥")).to_have_count(1)  # while the client looks
    first.submit()
    expect(page.locator(".shot[data-pick=keep]")).to_have_count(1)

    page.locator(".shot").nth(1).locator("[data-shot]").click()
    expect(page.locator("[data-lightbox] .metadata-list")).to_contain_text("王小姐 背景换成浅灰")
    page.keyboard.press("Escape")
    page.locator(".shot").nth(1).locator("[data-shot]").focus()
    expect(page.locator("[data-words-said]")).to_have_text("王小姐：背景换成浅灰")
    page.set_viewport_size({"width": 390, "height": 844})
    box = page.locator("[data-words-said]").bounding_box()
    assert box is not None
    assert box["width"] > 300  # with the buttons below it
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("[data-words-remake]").click()
    expect(page.locator("[data-words-edit]")).to_have_value(re.compile("^第 2 款茶具，\\d+\n背景换成浅灰$"))
    page.locator("[data-words-change]").click()
    page.locator("[data-dialog=order] [type=submit]:visible, [data-dialog=order] .is-primary:visible").click()
    wait_until(lambda: made_again(studio_server, table, 2))

    studio.choose()
    expect(studio.dialog).to_contain_text("已提交")
    assert found_by_axe(page) == []
    studio.act("next")
    expect(studio.dialog.locator("[data-rounds-told]")).to_contain_text("王小姐的第 2 轮")
    second = ClientPage(new_page(390, 844, user_agent=WECHAT), link.input_value())
    second.open()
    expect(second.tiles).to_have_count(1)
    expect(second.tile(1).locator("[data-earlier-image]")).to_be_visible()
    second.tile(1).locator("[data-open]").click()
    second.large.locator("[data-earlier]").click()
    expect(second.large.locator("img.is-earlier")).to_be_visible()
    second.large.locator("[data-mark=heart]").click()
    second.large.locator("[data-close]").click()
    second.submit()
    expect(second.page.locator("[data-told]")).to_be_visible()
    studio.dialog.locator("[data-rounds-link] [data-rounds-back]").click()
    expect(studio.dialog.locator("[data-round]").first).to_contain_text("已提交")  # meanwhile
    expect(studio.dialog.locator("[data-round-act=next]:visible")).to_have_count(1)  # of the newest alone
    page.keyboard.press("Escape")
    expect(page.locator(".shot[data-pick=keep]")).to_have_count(2)
    page.locator("[data-gallery-deliver]").click()
    expect(page.locator("[data-dialog=delivery] .delivery-sum")).to_contain_text("2 个文件")


def test_where_it_is_allowed_the_chosen_are_downloaded_after_the_submission(
    client: ClientPage, new_page: NewPage
) -> None:
    desk = ClientPage(new_page(), client.link)
    desk.open()
    desk.mark(2)
    desk.mark(4)
    desk.submit()
    with desk.page.expect_download() as started:
        desk.page.locator("[data-download]").click()
    with zipfile.ZipFile(started.value.path()) as bundle:
        assert len(bundle.namelist()) == 2


def test_without_download_pictures_bear_a_watermark_and_nothing_says_that_they_can_be_saved(
    page: Page, new_page: NewPage, studio_server: ServerProcess, table: str
) -> None:
    studio = RoundsDialog(page, f"http://{LAN}:{studio_server.port}")
    studio.open(table)
    watermark, profile = (studio.dialog.locator(f"[name={name}]") for name in ("watermark", "profile"))
    studio.dialog.locator("summary").click()
    profile.select_option("原图")
    expect(watermark).to_have_value("")
    profile.select_option("")
    expect(watermark).to_have_value("样图")
    client = ClientPage(new_page(390, 844, user_agent=WECHAT), open_round(studio_server, table))
    client.open()
    client.tile(1).locator("[data-open]").click()
    expect(client.large.locator("[data-save-hint]")).to_be_hidden()


def test_a_link_that_no_client_could_open_is_not_made_and_the_reason_is_told(
    page: Page, studio_server: ServerProcess, table: str
) -> None:
    studio = RoundsDialog(page, studio_server.address)
    studio.open(table)
    expect(studio.dialog.locator("[data-rounds-reason]")).to_contain_text("只有这台电脑能打开")
    expect(studio.dialog.locator("[data-rounds-reason]")).to_contain_text("「客户意见」")
    expect(studio.dialog.locator("[type=submit]")).to_be_disabled()


def test_a_replaced_link_and_a_closed_or_deleted_round_open_nothing(
    page: Page, client: ClientPage, studio_server: ServerProcess, table: str
) -> None:
    studio = RoundsDialog(page, f"http://{LAN}:{studio_server.port}")
    studio.open(table)
    studio.act("renew")
    page.locator("[data-dialog=round] .is-primary").click()
    expect(studio.dialog.locator("[data-rounds-address]")).to_be_visible()
    client.page.goto(client.link)
    expect(client.page.get_by_role("heading")).to_have_text("这个链接打不开了")
    client.link = studio.dialog.locator("[data-rounds-address]").input_value()
    client.open()
    studio.dialog.locator("[data-rounds-link] [data-rounds-back]").click()
    studio.act("close")
    expect(studio.dialog).to_contain_text("链接已收回")
    client.mark(1)
    expect(client.page.get_by_role("heading")).to_have_text("这个链接打不开了")
    studio.act("delete")
    page.locator("[data-dialog=round] .is-primary").click()
    expect(studio.dialog.locator("[data-round]")).to_have_count(0)
    assert rounds_of(studio_server, table) == []
