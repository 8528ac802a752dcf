"""The scenes of the gallery: each opens a page and brings it into the state that is shown."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Page, expect

import database
from tools.gallery.contents import (
    BATCH,
    EARLIER_BATCHES,
    EARLIER_VIEWS,
    ENGLISH_PROMPTS,
    SINGLE_PROMPTS,
    SINGLE_RATIOS,
    DrawnJimeng,
    messy_workbook,
    wares,
)
from tools.landscapes import landscape
from tools.pages.batch_page import BatchPage
from tools.pages.records_page import RecordsPage
from tools.pages.sheet_page import sheet_page
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until

_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Servers:
    """A server on its first day, that of the shop with the service it uses, and one with English prompts."""

    empty: ServerProcess
    shop: ServerProcess
    service: DrawnJimeng
    english: ServerProcess
    folder: Path


Scene = Callable[[Page, Servers], None]


def fill(servers: Servers) -> None:
    """Reference images, earlier batches and single pictures of the shop; English pictures."""
    shop, english = servers.shop, servers.english
    for number, (ware, _, ratio) in enumerate(wares(18), 1):
        file = {"file": (f"{ware}-实拍{number}.jpg", landscape(number, ratio))}
        requests.post(f"{shop.address}/api/sample-images", files=file, timeout=30)
    for name, days, number in EARLIER_BATCHES:
        rows = [_row(f"{name}，{prompt}", ratio) for _, prompt, ratio in wares(number, EARLIER_VIEWS)]
        _move_to_the_past(shop, _made(shop, rows, name=name), days)
    for server, prompts in ((shop, SINGLE_PROMPTS), (english, ENGLISH_PROMPTS)):
        for prompt, ratio in zip(prompts, SINGLE_RATIOS, strict=True):
            _made(server, [_row(prompt, ratio)], source="single")
    styles = ("", ", watercolour", ", film grain")
    rows = [_row(prompt + style, "3:2") for style in styles for prompt in ENGLISH_PROMPTS]
    _made(english, rows, name="Spring teas")


def first_day(page: Page, servers: Servers) -> None:
    """单图生成，第一天：还没有密钥，一键试一张"""
    page.goto(servers.empty.address)


def model(page: Page, servers: Servers) -> None:
    """模型与密钥：每家要填什么，填了没有，测试密钥不花钱"""
    page.goto(f"{servers.shop.address}/model")


def studio(page: Page, servers: Servers) -> None:
    """单图生成：左边写，右边看"""
    _write(page, servers.shop, "老茶馆的午后，阳光斜照在一排盖碗上，胶片质感")


def studio_english(page: Page, servers: Servers) -> None:
    """单图生成，英文界面"""
    _write(
        page, servers.english, "An old tea house in the afternoon, light across a row of bowls, film grain"
    )


def commands(page: Page, servers: Servers) -> None:
    """Ctrl+K：去哪一页、哪一批，或者找一句提示词"""
    page.goto(f"{servers.shop.address}/usage")
    page.locator("[data-usage][data-ready]").wait_for()
    page.keyboard.press("Control+k")
    page.locator("[role=option][aria-selected=true]").wait_for()
    page.keyboard.type("茶山")
    page.wait_for_load_state("networkidle")


def imported(page: Page, servers: Servers) -> None:
    """批量生成 1：导入自己的表，问题按种类一次改好"""
    opened = BatchPage(page, servers.shop.address)
    opened.open()
    opened.import_workbook(messy_workbook(servers.folder))
    page.locator("[data-report-problems] [data-issue-fixes] button").first.wait_for()


def sample(page: Page, servers: Servers) -> None:
    """批量生成 2：先试 8 行，看过再做其余的"""
    imported(page, servers)
    fixes = page.locator("[data-issue-fixes] button:last-child")
    expect(fixes).to_have_count(4)
    while fixes.count():
        number = fixes.count()
        fixes.first.click()
        expect(fixes).not_to_have_count(number)
    dialog = BatchPage(page, servers.shop.address).open_start()
    dialog.locator("[data-order-sample]").check()
    _wait_for_toasts(page)


def sampled(page: Page, servers: Servers) -> None:
    """批量生成 3：看图，觉得可以就放行其余的行"""
    servers.service.latency = 2.0
    sample(page, servers)
    opened = BatchPage(page, servers.shop.address)
    batch_id = opened.submit(opened.order())
    servers.shop.wait_for_end(batch_id)
    _open_pictures(page, servers.shop, batch_id)
    _choose(page, keep=(1, 2, 4), reject=(3,))


def run(page: Page, servers: Servers) -> None:
    """批量生成 4：进度、花费、没有成功的"""
    batch = _batch(servers.shop)
    if batch["counts"]["held"]:
        servers.shop.post(f"/api/batches/{batch['id']}/release", {})
        wait_until(lambda: _batch(servers.shop)["counts"]["success"] >= 20)
        servers.service.latency = _HOUR
    opened = BatchPage(page, servers.shop.address)
    opened.open(f"?id={batch['id']}")
    opened.wait_for_image(2)
    page.wait_for_load_state("networkidle")


def choose(page: Page, servers: Servers) -> None:
    """批量生成 5：看图，按行留下和淘汰"""
    servers.service.latency = 0.0
    batch_id = str(_batch(servers.shop)["id"])
    servers.shop.wait_for_end(batch_id)
    _open_pictures(page, servers.shop, batch_id)
    _choose(page, keep=(4, 5, 6), reject=(8, 11))


def own_sheet(page: Page, servers: Servers) -> None:
    """批量生成 6：下载我的表（带结果）（按下载到的文件画出它的格子和图片，不是 Excel 的窗口）"""
    batch_id = _batch(servers.shop)["id"]
    answer = requests.get(f"{servers.shop.address}/api/batches/{batch_id}/results.xlsx?form=own", timeout=60)
    file = servers.folder / "结果.xlsx"
    file.write_bytes(answer.content)
    page.set_content(sheet_page(file, rows=14, last_column=14))  # up to 缩略图
    page.evaluate("document.body.style.zoom = innerWidth / document.body.scrollWidth")


def choose_english(page: Page, servers: Servers) -> None:
    """看图，英文界面"""
    batch_id = servers.english.get("/api/batches")["batches"][0]["id"]
    _open_pictures(page, servers.english, str(batch_id))
    _choose(page, keep=(1, 3, 4, 8), reject=(2, 7))


def records(page: Page, servers: Servers) -> None:
    """生成记录：表格"""
    RecordsPage(page, servers.shop.address).open("?view=table&search=茶山")


def grid(page: Page, servers: Servers) -> None:
    """生成记录：网格，勾选以后"""
    opened = RecordsPage(page, servers.shop.address)
    opened.open("?view=grid&status=success")
    if page.evaluate("navigator.maxTouchPoints"):
        page.get_by_role("button", name="选择", exact=True).click()
    for place in (1, 3, 7):
        opened.pick(int(opened.records().nth(place).get_attribute("data-record-id") or 0))


def large(page: Page, servers: Servers) -> None:
    """生成记录：大图和参数"""
    opened = RecordsPage(page, servers.shop.address)
    opened.open("?view=grid&status=success&search=云海")
    page.locator("[data-image-url]").first.click()
    opened.lightbox()
    page.keyboard.press("i")
    page.locator("[data-copy=prompt]").wait_for()
    page.wait_for_load_state("networkidle")


def samples(page: Page, servers: Servers) -> None:
    """示例图"""
    page.goto(f"{servers.shop.address}/samples")
    page.wait_for_load_state("networkidle")


def picker(page: Page, servers: Servers) -> None:
    """选参考图：单图和批量用的是同一个"""
    page.goto(servers.shop.address)
    page.locator("[data-open-picker]").click()
    options = page.locator("dialog[data-dialog=references] [role=option]")
    options.nth(1).click()
    options.nth(6).click()
    page.wait_for_load_state("networkidle")


def usage(page: Page, servers: Servers) -> None:
    """用量：花了多少，还有什么结果未知"""
    page.goto(f"{servers.shop.address}/usage")


def _write(page: Page, server: ServerProcess, prompt: str) -> None:
    StudioPage(page, server.address).open()
    page.locator("#prompt").fill(prompt)
    page.wait_for_load_state("networkidle")


def _made(server: ServerProcess, rows: list[dict[str, object]], **more: object) -> str:
    """Submit a batch and wait for its pictures -> its id."""
    batch_id = str(server.post("/api/batches", {"rows": rows, **more})["batch_id"])
    server.wait_for_end(batch_id)
    return batch_id


def _row(prompt: str, ratio: str) -> dict[str, object]:
    return {"prompt": prompt, "aspect_ratio": ratio, "resolution": "1K"}


def _batch(server: ServerProcess) -> dict[str, Any]:
    """The batch of the imported workbook."""
    batches: list[dict[str, Any]] = server.get("/api/batches")["batches"]
    return next(batch for batch in batches if batch["name"] == BATCH)


def _open_pictures(page: Page, server: ServerProcess, batch_id: str) -> None:
    page.goto(f"{server.address}/batch/pictures?id={batch_id}")
    page.locator("[data-gallery]:not([hidden]) [data-shot]").first.wait_for()
    page.wait_for_load_state("networkidle")


def _choose(page: Page, *, keep: tuple[int, ...], reject: tuple[int, ...]) -> None:
    """Choose pictures by their place on the page, from 1."""
    pictures = page.locator("[data-gallery] [data-record-id]:has(img)")
    for key, pick, places in (("p", "keep", keep), ("x", "reject", reject)):
        for place in places:
            picture = pictures.nth(place - 1)
            if picture.get_attribute("data-pick") != pick:
                picture.locator("[data-shot]").press(key)
            expect(picture).to_have_attribute("data-pick", pick)
    page.evaluate("document.activeElement.blur()")
    _wait_for_toasts(page)


def _wait_for_toasts(page: Page) -> None:
    expect(page.locator(".toast")).to_have_count(0, timeout=20_000)


def _move_to_the_past(server: ServerProcess, batch_id: str, days: int) -> None:
    columns = (("generation_records", "created_at", "batch_id"), ("charges", "opened_at", "batch_id"))
    with closing(database.connect(server.data_dir / "generation_records.db")) as db, database.transaction(db):
        for table, column, key in (*columns, ("batches", "created_at", "id")):
            sql = f"UPDATE {table} SET {column} = datetime({column}, :days) WHERE {key} = :id"
            db.execute(sql, {"days": f"-{days} days", "id": batch_id})
