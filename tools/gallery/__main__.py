"""``make gallery``: a screenshot of every page and state into ``docs/images``, and the page that shows them.

The contents are made up; the pictures are drawn by the demo model.
"""

import io
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from tools.chromium import FLAGS, require_browser
from tools.fakes.oss import FakeOss
from tools.gallery import scenes
from tools.gallery.contents import DrawnJimeng
from tools.gallery.scenes import Scene, Servers
from tools.server_process import ROOT, running_server

IMAGES = ROOT / "docs/images"
MOST_BYTES = 3_000_000
_COLOURS = 96
_WIDE, _TABLET, _PHONE = (1440, 900), (1024, 768), (390, 844)

Theme = Literal["light", "dark"]

# name (….en: in English), scene, window, theme; in this order: scenes build on earlier ones
SHOTS: tuple[tuple[str, Scene, tuple[int, int], Theme], ...] = (
    ("batch-import", scenes.imported, _WIDE, "light"),
    ("batch-sample", scenes.sample, _WIDE, "light"),
    ("pictures-sample", scenes.sampled, _WIDE, "light"),
    ("batch", scenes.run, _WIDE, "light"),
    ("batch-phone", scenes.run, _PHONE, "light"),
    ("pictures", scenes.choose, _TABLET, "light"),
    ("pictures-dark-phone", scenes.choose, _PHONE, "dark"),
    ("own-sheet", scenes.own_sheet, _WIDE, "light"),
    ("first-day", scenes.first_day, _WIDE, "light"),
    ("index", scenes.studio, _WIDE, "light"),
    ("index-phone", scenes.studio, _PHONE, "light"),
    ("picker", scenes.picker, _WIDE, "light"),
    ("commands", scenes.commands, _WIDE, "dark"),
    ("records", scenes.grid, _TABLET, "light"),
    ("records-phone", scenes.grid, _PHONE, "light"),
    ("records-table", scenes.records, _WIDE, "light"),
    ("large", scenes.large, _WIDE, "dark"),
    ("samples", scenes.samples, _WIDE, "light"),
    ("usage", scenes.usage, _WIDE, "light"),
    ("model", scenes.model, _WIDE, "light"),
    ("index.en", scenes.studio_english, _WIDE, "light"),
    ("pictures.en", scenes.choose_english, _TABLET, "light"),
)


def main() -> None:
    """Take all screenshots; exit with 1 if they are too large."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="gallery-") as folder:
        browser = playwright.chromium.launch(executable_path=require_browser(), args=FLAGS)
        with servers(Path(folder)) as running:
            scenes.fill(running)
            for name, scene, window, theme in SHOTS:
                image = shot(browser, scene, running, window, theme, _language(name))
                (IMAGES / f"{name}.png").write_bytes(image)
        browser.close()
    (ROOT / "docs/gallery.md").write_text(render_page(), encoding="utf-8")
    weight = sum((IMAGES / f"{shot[0]}.png").stat().st_size for shot in SHOTS)
    sys.stdout.write(f"{len(SHOTS)} pictures, {weight / 1e6:.2f} MB\n")
    sys.exit(weight > MOST_BYTES)


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """The running servers of the scenes."""
    for name in ("empty", "shop", "english"):
        (folder / name).mkdir()
    with DrawnJimeng() as service, FakeOss() as oss:
        keys = {"ark_api_key": "made-up", "dashscope_api_key": "made-up"}
        shop = {
            **service.settings(model_concurrency=4, model_timeout=7200),
            **oss.settings(),
            **keys,
            "budget": 100,
        }
        with (
            running_server(folder / "empty", image_model="demo") as empty,
            running_server(folder / "shop", **shop) as full,
            running_server(folder / "english", image_model="demo") as english,
        ):
            yield Servers(empty=empty, shop=full, service=service, english=english, folder=folder)


def shot(
    browser: Browser, scene: Scene, running: Servers, window: tuple[int, int], theme: Theme, language: str
) -> bytes:
    """The scene as a small PNG with few colours."""
    width, height = window
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=theme,
        locale=language,
        has_touch=window == _PHONE,
    )
    page = context.new_page()
    scene(page, running)
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
    for name, scene, window, theme in SHOTS:
        on = {_PHONE: "（手机）", _TABLET: "（平板）"}.get(window, "")
        what = f"{scene.__doc__}{on}{'（深色）' if theme == 'dark' else ''}"
        lines += ["", f"## {what}", "", f"![{what}](images/{name}.png)"]
    return "\n".join(lines) + "\n"


def _language(name: str) -> str:
    return "en-US" if name.endswith(".en") else "zh-CN"


if __name__ == "__main__":
    main()
