"""Page object of 生成记录, and records to show."""

import base64
import colorsys
import io
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from PIL import Image, ImageDraw
from playwright.sync_api import Locator, Page, expect

import database
from app.domain import ASPECT_RATIOS, GeneratedImage, Size
from app.images import store
from app.images.parameters import format_parameters
from tools.server_process import ServerProcess, running_server

_SUBJECTS = (
    "一只橘猫趴在窗台上看雨",
    "雪山木屋，窗里亮着灯",
    "未来城市的夜市",
    "白瓷茶杯产品海报",
    "沙漠里的公路",
    "竹林晨雾",
)
_STYLES = ("水彩，大片留白", "胶片质感", "电影镜头", "极简，浅灰背景", "油画", "等距插画，低多边形")
_DISTINCT = 40
_SIDES = {ratio: tuple(int(side) * 24 for side in ratio.split(":")) for ratio in ASPECT_RATIOS}
FAILURE = "提示词没有通过审核（50412），请修改后再试"


def landscape(number: int, ratio: str) -> bytes:
    """A drawn landscape in this aspect ratio, different for every number."""
    width, height = _SIDES[ratio]
    scale = 320 / max(width, height)
    width, height = round(width * scale), round(height * scale)
    hue = number * 0.137 % 1

    def colour(light: float, full: float) -> tuple[int, ...]:
        return tuple(round(255 * part) for part in colorsys.hls_to_rgb(hue, light, full))

    image = Image.new("RGB", (width, height), colour(0.82, 0.45))
    pen = ImageDraw.Draw(image)
    sun = height * (0.2 + number % 5 * 0.06)
    pen.ellipse((width * 0.6, sun, width * 0.6 + height * 0.2, sun + height * 0.2), fill=colour(0.93, 0.8))
    for step, light in enumerate((0.62, 0.45, 0.28)):
        base = height * (0.55 + step * 0.13)
        peak = width * ((number * 0.31 + step * 0.37) % 1)
        pen.polygon(
            [(0, height), (0, base), (peak, base - height * 0.22), (width, base), (width, height)],
            fill=colour(light, 0.4),
        )
    packed = io.BytesIO()
    image.save(packed, "JPEG", quality=80)
    return packed.getvalue()


def seed_records(
    data_dir: Path, number: int, *, failed_every: int = 13, prompts: Sequence[str] = ()
) -> list[int]:
    """Add finished records with small images, oldest first, before a server starts -> their ids."""
    database.open_database(data_dir / "generation_records.db")
    output = data_dir / "output"
    output.mkdir(exist_ok=True)
    rows, files = [], {}
    for index in range(number):
        ratio = ASPECT_RATIOS[index % len(ASPECT_RATIOS)]
        prompt = prompts[index] if index < len(prompts) else _prompt(index)
        is_failed = failed_every > 0 and index % failed_every == failed_every - 1
        files[index + 1] = None if is_failed else (index % _DISTINCT, ratio)
        rows.append(
            (prompt, ratio, "failed" if is_failed else "success", FAILURE if is_failed else "", index)
        )
    with closing(database.connect(data_dir / "generation_records.db")) as db, database.transaction(db):
        db.executemany(
            """
            INSERT INTO generation_records
                (prompt, aspect_ratio, status, error, seed, resolution, model, num_images, created_at)
            VALUES (?, ?, ?, ?, ?, '2K', 'demo', 1, datetime('now', '-' || ? || ' minutes'))
            """,
            [(*row, (number - row[-1]) * 7) for row in rows],
        )
    _keep(data_dir, files)
    with closing(database.connect(data_dir / "generation_records.db")) as db:
        while database.index_records(db):
            pass
    return list(range(1, number + 1))


def _prompt(index: int) -> str:
    return f"{_SUBJECTS[index % 6]}，{_STYLES[index // 6 % 6]}，第 {index + 1} 稿"


def _keep(data_dir: Path, files: dict[int, tuple[int, str] | None]) -> None:
    finished = []
    with closing(database.connect(data_dir / "generation_records.db")) as db:
        records = {record.id: record for record in database.list_selected(db, list(files))}
        for record_id, drawing in files.items():
            if drawing is None:
                continue
            picture = GeneratedImage(content=landscape(*drawing))
            width, height = (round(side) for side in Image.open(io.BytesIO(picture.content)).size)
            image_request = records[record_id].request
            text = format_parameters(
                image_request, Size(width=width, height=height), "demo", record_id, image_request.seed
            )
            saved = store.save_image(
                picture,
                output_dir=data_dir / "output",
                stem=f"图-{record_id}",
                record_id=record_id,
                embed=text,
            )
            finished.append(
                (
                    saved.filename,
                    f"/output/{saved.filename}",
                    saved.width,
                    saved.height,
                    saved.sha256,
                    record_id,
                )
            )
        with database.transaction(db):
            db.executemany(
                """
                UPDATE generation_records
                SET filename = ?, image_path = ?, width = ?, height = ?, sha256 = ?
                WHERE id = ?
                """,
                finished,
            )


@contextmanager
def running_copy(seeded: Path, folder: Path) -> Iterator[ServerProcess]:
    """A server with its own copy of a data folder, in ``folder``."""
    data_dir = folder / "server"
    shutil.copytree(seeded, data_dir)
    with running_server(data_dir, image_model="demo") as process:
        yield process


class RecordsPage:
    """User actions on ``/records`` and expectations about it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address

    def open(self, query: str = "") -> None:
        """Open the page and wait until it is ready."""
        self.page.goto(f"{self.address}/records{query}")
        self.page.locator("[data-records-page][data-ready]").wait_for()

    def records(self) -> Locator:
        """The rows or tiles of this page."""
        return self.page.locator("[data-records] [data-record-id]")

    def record(self, number: int) -> Locator:
        """The row or tile of one record."""
        return self.page.locator(f"[data-records] [data-record-id='{number}']")

    def search(self, words: str) -> None:
        self.page.locator("[data-search]").fill(words)

    def filter(self, chip: str, choice: str) -> None:
        """Open a filter and choose."""
        self.page.locator(f"details[data-filter-more={chip}] > summary").click()
        self.page.locator(f"details[data-filter-more={chip}] .filter-choice").filter(
            has_text=choice
        ).first.click()

    def expect_total(self, words: str) -> None:
        expect(self.page.locator("[data-total-label]")).to_have_text(words)

    def pick(self, *numbers: int) -> None:
        """Select records."""
        for number in numbers:
            self.record(number).locator("[data-select]").check()

    def unpick(self, *numbers: int) -> None:
        """Deselect records."""
        for number in numbers:
            self.record(number).locator("[data-select]").uncheck()

    def selection_bar(self) -> Locator:
        """The actions for the selection."""
        return self.page.locator("[data-selection]")

    def press_more(self, name: str) -> None:
        """Press a command of the menu in the selection bar."""
        self.selection_bar().locator("summary").click()
        self.selection_bar().get_by_role("button", name=name, exact=True).click()

    def open_lightbox(self, number: int) -> Locator:
        self.record(number).locator("[data-image-url]").click()
        return self.lightbox()

    def lightbox(self) -> Locator:
        """The open lightbox."""
        dialog = self.page.locator("dialog[data-lightbox]")
        expect(dialog).to_be_visible()
        return dialog

    def expect_position(self, words: str) -> None:
        """The position in the lightbox: "3 / 300"."""
        expect(self.lightbox().locator("[data-position]")).to_have_text(words)

    def expect_full_image(self, number: int) -> None:
        """Wait until the lightbox shows the full image of this record instead of its thumbnail."""
        whole = quote(f"图-{number}.jpg")
        expect(self.lightbox().locator("[data-viewer-image]")).to_have_attribute(
            "src", re.compile(f"{whole}$")
        )

    def undo(self) -> None:
        """Click 撤销 in the latest message that has it."""
        self.page.locator(".toast").get_by_role("button", name="撤销").last.click()

    def drop(self, file: Path) -> None:
        """Drop a file onto the page."""
        data = base64.b64encode(file.read_bytes()).decode()
        self.page.evaluate(_DROP, [file.name, data])

    def paste(self, file: Path, *, into: str = "body", text: str = "") -> None:
        """Ctrl+V with an image in the clipboard, and text beside it as Excel puts it there."""
        data = base64.b64encode(file.read_bytes()).decode()
        self.page.locator(into).evaluate(_PASTE, [file.name, data, text])

    def expect_query(self, **wanted: str) -> None:
        """Wait until the URL has exactly this query."""
        self.page.wait_for_url(lambda url: dict(parse_qsl(urlsplit(url).query)) == wanted)


_PASTE = """
(place, [name, content, text]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], name, { type: "image/png" }));
  if (text) clipboardData.setData("text/plain", text);
  place.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}
"""

_DROP = """
async ([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const type = name.endsWith("png") ? "image/png" : "image/jpeg";
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type }));
  const veil = document.querySelector("[data-drop-overlay]");
  const drag = (kind) => {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
  };
  drag("dragenter");
  for (const since = performance.now(); !veil.checkVisibility(); ) {
    if (performance.now() - since > 30_000) throw new Error("nothing takes the file");
    await new Promise((resolve) => setTimeout(resolve, 50));
    drag("dragover"); // again and again, as a browser does while a file hovers
  }
  drag("drop");
}
"""
