"""Page object of 生成记录, and records to show."""

import base64
import io
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

from PIL import Image
from playwright.sync_api import Locator, Page, expect

import database
from app.domain import COMMON_RATIOS, GeneratedImage, Record, Size
from app.images import store
from app.images.metadata import format_parameters
from tools.landscapes import landscape
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
_DISTINCT = 40  # pictures
FAILURE = "提示词没有通过审核（50412），请修改后再试"


def seed_records(data_dir: Path, number: int, *, failed_every: int = 13, prompts: Sequence[str] = ()) -> None:
    """Add finished records with small images, oldest first, before a server starts."""
    database.open_database(data_dir / "generation_records.db")
    rows = []
    for index in range(number):
        prompt = prompts[index] if index < len(prompts) else _prompt(index)
        is_failed = failed_every > 0 and index % failed_every == failed_every - 1
        end = ("failed", FAILURE) if is_failed else ("success", "")
        ratio = COMMON_RATIOS[index % len(COMMON_RATIOS)]
        rows.append((prompt, ratio, *end, index, (number - index) * 7))
    with closing(database.connect(data_dir / "generation_records.db")) as db:
        with database.transaction(db):
            db.executemany(
                """
                INSERT INTO generation_records
                    (prompt, aspect_ratio, status, error, seed, resolution, model, num_images, created_at)
                VALUES (?, ?, ?, ?, ?, '2K', 'demo', 1, datetime('now', '-' || ? || ' minutes'))
                """,
                rows,
            )
            for record in list(database.list_selected(db, list(range(1, number + 1)))):
                if record.status == "success":
                    _save_image(db, data_dir / "output", record)
        while database.index_records(db):
            pass


def _prompt(index: int) -> str:
    return f"{_SUBJECTS[index % 6]}，{_STYLES[index // 6 % 6]}，第 {index + 1} 稿"


def _save_image(db: database.Connection, output_dir: Path, record: Record) -> None:
    """Draw an image with the parameters of a record in it, and note its file."""
    picture = landscape((record.id - 1) % _DISTINCT, record.request.aspect_ratio)
    width, height = Image.open(io.BytesIO(picture)).size
    size, seed = Size(width=width, height=height), record.request.seed
    saved = store.save_image(
        GeneratedImage(content=picture),
        output_dir=output_dir,
        stem=f"图-{record.id}",
        record_id=record.id,
        embed=format_parameters(record.request, size, "demo", record.id, seed),
    )
    db.execute(
        """
        UPDATE generation_records SET filename = ?, image_path = ?, width = ?, height = ?, sha256 = ?
        WHERE id = ?
        """,
        (saved.filename, f"/output/{saved.filename}", saved.width, saved.height, saved.sha256, record.id),
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

    def paste(self, file: Path) -> None:
        """Ctrl+V with an image in the clipboard."""
        data = base64.b64encode(file.read_bytes()).decode()
        self.page.evaluate(_PASTE, [file.name, data])

    def expect_query(self, **wanted: str) -> None:
        """Wait until the URL has exactly this query."""
        self.page.wait_for_url(lambda url: dict(parse_qsl(urlsplit(url).query)) == wanted)


_PASTE = """
([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], name, { type: "image/png" }));
  const how = { clipboardData, bubbles: true, cancelable: true };
  document.body.dispatchEvent(new ClipboardEvent("paste", how));
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
