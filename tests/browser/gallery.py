"""``make gallery``: a screenshot of every page and state into ``docs/images``, and the page that shows them.

The contents are made up: a server with records, a run with the fake Jimeng, a new server.
"""

import io
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import requests
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.batch_page import BatchPage
from tests.browser.conftest import FLAGS, browser_path
from tests.browser.records_page import RecordsPage, landscape, seed_records
from tests.browser.studio_page import StudioPage
from tests.fakes.jimeng import FakeJimeng
from tests.server_process import ROOT, ServerProcess, running_server

IMAGES = ROOT / "docs/images"
MOST_BYTES = 3_000_000
_COLOURS = 256
_WIDE, _PHONE = (1440, 900), (390, 844)
_PROMPTS = (
    "江南水乡的清晨，薄雾，乌篷船缓缓划过石桥",
    "雪山脚下的木屋，窗里透出暖光，满天星",
    "一只橘猫趴在旧书堆上打盹，午后阳光",
    "重庆夜景，霓虹与细雨",
    "敦煌飞天，飘带，矿物颜料的质感",
    "白瓷茶杯产品图，浅灰背景，柔和侧光",
    "海边灯塔，暴风雨前的天空，厚涂油画",
    "秋天的银杏大道，逆光，落叶纷飞",
)
_ENGLISH_PROMPTS = (
    "A cabin in snowy mountains at dawn, thin mist through the pines",
    "Night market of a future city, neon and steam",
    "Product shot of a white porcelain teacup, soft side light",
    "A lighthouse before the storm, thick oil paint",
    "An avenue of ginkgo trees in autumn, leaves in the wind",
)
_RATIOS = ("16:9", "3:2", "1:1", "16:9", "3:4", "4:3", "16:9", "2:3")

Theme = Literal["light", "dark"]
Scene = Callable[[Page, ServerProcess], None]


def first_day(page: Page, server: ServerProcess) -> None:
    """单图生成，第一天：还没有密钥，一键试一张"""
    page.goto(server.address)


def studio(page: Page, server: ServerProcess) -> None:
    """单图生成：左边写，右边看"""
    _write(page, server, _PROMPTS, "一只橘猫趴在旧书堆上打盹，午后阳光，胶片质感")


def studio_english(page: Page, server: ServerProcess) -> None:
    """单图生成，英文界面"""
    _write(
        page,
        server,
        _ENGLISH_PROMPTS,
        "A ginger cat asleep on a pile of old books, afternoon sun, film grain",
    )


def _write(page: Page, server: ServerProcess, prompts: Sequence[str], next_prompt: str) -> None:
    rows = [
        {"prompt": prompt, "aspect_ratio": ratio} for prompt, ratio in zip(prompts, _RATIOS, strict=False)
    ]
    answer = server.post("/api/batches", {"source": "single", "rows": rows})
    server.wait_for_end(answer["batch_id"])
    StudioPage(page, server.address).open()
    page.locator("#prompt").fill(next_prompt)
    page.wait_for_load_state("networkidle")


def model(page: Page, server: ServerProcess) -> None:
    """模型与密钥：要填什么，填了没有，测试密钥不花钱"""
    page.goto(f"{server.address}/model")


def draft(page: Page, server: ServerProcess) -> None:
    """批量生成：像在 Excel 里一样改"""
    opened = BatchPage(page, server.address)
    opened.open()
    opened.click_command("add")
    lines = [(prompt, "文字，水印") for prompt in _PROMPTS * 2]
    opened.paste_block(1, "prompt", *lines)
    opened.expect_rows(len(lines))
    opened.edit_cell(3, "aspect_ratio", "16比9")


def run(page: Page, server: ServerProcess) -> None:
    """批量生成：进度、已花、还要多久"""
    _follow(page, server, [{**row, "resolution": "4K"} for row in _rows(96)])


def failures(page: Page, server: ServerProcess) -> None:
    """批量生成：没有成功的按原因分组，一起重试"""
    _follow(
        page, server, [*_rows(3), {"prompt": "违禁的画面"}, *_rows(2), {"prompt": "必拒的画"}, *_rows(20)]
    )


def _follow(page: Page, server: ServerProcess, rows: list[dict[str, object]]) -> None:
    answer = server.post("/api/batches", {"name": "十一月商品图", "rows": rows})
    opened = BatchPage(page, server.address)
    opened.open(f"?id={answer['batch_id']}")
    opened.wait_for_image(2)
    page.wait_for_timeout(5000)


def records(page: Page, server: ServerProcess) -> None:
    """生成记录：表格"""
    RecordsPage(page, server.address).open("?view=table")


def grid(page: Page, server: ServerProcess) -> None:
    """生成记录：网格，勾选以后"""
    opened = RecordsPage(page, server.address)
    opened.open("?view=grid")
    opened.pick(297, 292, 279)


def large(page: Page, server: ServerProcess) -> None:
    """生成记录：大图和参数"""
    opened = RecordsPage(page, server.address)
    opened.open("?view=grid")
    opened.open_lightbox(294)
    page.wait_for_timeout(500)


def nothing_found(page: Page, server: ServerProcess) -> None:
    """生成记录：什么也没找到"""
    page.goto(f"{server.address}/records?search=恐龙")


def samples(page: Page, server: ServerProcess) -> None:
    """示例图"""
    for number in range(18):
        name = f"{_PROMPTS[number % 8][:4]}{number + 1}.jpg"
        file = {"file": (name, landscape(number, _RATIOS[number % 8]))}
        requests.post(f"{server.address}/api/sample-images", files=file, timeout=30)
    page.goto(f"{server.address}/samples")
    page.wait_for_load_state("networkidle")


def picker(page: Page, server: ServerProcess) -> None:
    """选参考图：单图和批量用的是同一个"""
    opened = BatchPage(page, server.address)
    opened.open()
    opened.click_command("add")
    opened.open_references(1)
    page.wait_for_load_state("networkidle")


def usage(page: Page, server: ServerProcess) -> None:
    """用量：花了多少，还有什么结果未知"""
    page.goto(f"{server.address}/usage")


# name (….en: in English), scene, server, window, theme; in this order: scenes build on earlier ones
SHOTS: tuple[tuple[str, Scene, str, tuple[int, int], Theme], ...] = (
    ("first-day", first_day, "demo", _WIDE, "light"),
    ("model", model, "demo", _WIDE, "light"),
    ("index", studio, "demo", _WIDE, "light"),
    ("index.en", studio_english, "demo", _WIDE, "light"),
    ("index-dark-phone", studio, "demo", _PHONE, "dark"),
    ("batch-draft", draft, "jimeng", _WIDE, "light"),
    ("batch", run, "demo", _WIDE, "light"),
    ("batch-dark", run, "demo", _WIDE, "dark"),
    ("batch-phone", run, "demo", _PHONE, "light"),
    ("batch-failures", failures, "jimeng", _WIDE, "light"),
    ("usage", usage, "jimeng", _WIDE, "light"),
    ("records-table", records, "filled", _WIDE, "light"),
    ("records", grid, "filled", _WIDE, "light"),
    ("records-dark-phone", grid, "filled", _PHONE, "dark"),
    ("records-large", large, "filled", _WIDE, "dark"),
    ("records-nothing", nothing_found, "filled", _WIDE, "light"),
    ("samples", samples, "filled", _WIDE, "light"),
    ("picker", picker, "filled", _WIDE, "light"),
)


def main() -> None:
    """Take all screenshots; exit with 1 if they are too large."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        with servers(Path(folder)) as data_dirs:
            for name, scene, data_dir, window, theme in SHOTS:
                image = shot(browser, scene, data_dirs[data_dir], window, theme, _language(name))
                (IMAGES / f"{name}.png").write_bytes(image)
        browser.close()
    (ROOT / "docs/gallery.md").write_text(render_page(), encoding="utf-8")
    weight = sum((IMAGES / f"{shot[0]}.png").stat().st_size for shot in SHOTS)
    sys.stdout.write(f"{len(SHOTS)} pictures, {weight / 1e6:.2f} MB\n")
    sys.exit(weight > MOST_BYTES)


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, ServerProcess]]:
    """The three running servers of the scenes."""
    for name in ("demo", "jimeng", "filled"):
        (folder / name).mkdir()
    seed_records(folder / "filled", 300)
    with (
        FakeJimeng(latency=1.5) as service,
        running_server(folder / "demo", image_model="demo", model_concurrency=1) as demo_server,
        running_server(folder / "jimeng", **service.settings()) as jimeng,
        running_server(folder / "filled", image_model="demo") as filled,
    ):
        yield {"demo": demo_server, "jimeng": jimeng, "filled": filled}


def shot(
    browser: Browser,
    scene: Scene,
    server: ServerProcess,
    window: tuple[int, int],
    theme: Theme,
    language: str,
) -> bytes:
    """The scene as a small PNG with few colours."""
    width, height = window
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, locale=language
    )
    page = context.new_page()
    scene(page, server)
    page.wait_for_timeout(600)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    context.close()
    packed = io.BytesIO()
    few = image.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(packed, "PNG", optimize=True)
    return packed.getvalue()


def render_page() -> str:
    """The Markdown page that shows them all."""
    lines = ["# 每一页的样子", "", "由 `make gallery` 拍下，图中内容都是编的。"]
    for name, scene, _, window, theme in SHOTS:
        what = (
            f"{scene.__doc__}{'（手机）' if window == _PHONE else ''}{'（深色）' if theme == 'dark' else ''}"
        )
        lines += ["", f"## {what}", "", f"![{what}](images/{name}.png)"]
    return "\n".join(lines) + "\n"


def _language(name: str) -> str:
    return "en-US" if name.endswith(".en") else "zh-CN"


def _rows(number: int) -> list[dict[str, object]]:
    return [
        {"prompt": _PROMPTS[n % 8], "aspect_ratio": _RATIOS[n % 8], "filename": f"商品-{n + 1}"}
        for n in range(number)
    ]


if __name__ == "__main__":
    main()
