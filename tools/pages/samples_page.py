"""Page objects of 示例图, and of the picker that shows the same library on / and /batch."""

import base64
import re
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, expect

from tools.noise_images import noise_image

OUTAGE_TIMEOUT_MS = 40_000  # within which a page reports the start or end of an outage

_DATA_TRANSFER = """(files) => {
  const carried = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    carried.items.add(new File([bytes], name, { type: "image/png" }));
  }
  return carried;
}"""


def image_file(name: str, size: tuple[int, int] = (40, 30)) -> FilePayload:
    """A file payload with a new image each time."""
    content = noise_image("png", size=size)
    return {"name": name, "mimeType": "image/png", "buffer": content}


class Uploads:
    """The upload list, wherever it is shown."""

    def __init__(self, place: Locator) -> None:
        self.place = place.locator("[data-uploads]")

    def lines(self) -> Locator:
        """One line for each upload in progress or with a message."""
        return self.place.locator("[data-upload-list] .upload")

    def line(self, name: str) -> Locator:
        return self.lines().filter(has_text=name)

    def sum(self) -> Locator:
        """The summary line."""
        return self.place.locator("[data-upload-total]")

    def expect_sum(self, words: str) -> None:
        expect(self.sum()).to_contain_text(words, timeout=30_000)

    def wait_until_partly_sent(self, name: str) -> None:
        """Wait until a file is partly sent."""
        bar = self.line(name).locator("progress")
        bar.page.wait_for_function("bar => 0 < bar.value && bar.value < 1", arg=bar.element_handle())

    def button(self, name: str) -> Locator:
        """取消 a, 重试 a, 关闭 a, 全部取消, 全部重试, 全部关闭."""
        return self.place.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.button(name).click()


class SamplesPage:
    """User actions on ``/samples`` and expectations about it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.uploads = Uploads(page.locator("[data-library]"))

    def open(self, query: str = "") -> None:
        self.page.goto(f"{self.address}/samples{query}")

    def focus_tab(self) -> None:
        focus_tab(self.page)

    def upload(self, *files: Path | FilePayload) -> None:
        self.page.locator("[data-files]").set_input_files(files)  # type: ignore[arg-type]

    def drop(self, *files: FilePayload) -> None:
        drop(self.page.locator("[data-library]"), files)

    def paste(self, *files: FilePayload) -> None:
        paste(self.page.locator("body"), files)

    def samples(self) -> Locator:
        return self.page.locator(".sample")

    def sample(self, name: str) -> Locator:
        return self.page.locator(f'.sample[data-filename="{name}"]')

    def names(self) -> list[str]:
        """The names in order; ``innerText`` leaves out those that are not rendered yet."""
        return [name.strip() for name in self.samples().locator(".sample-name").all_text_contents()]

    def expect_names(self, *names: str) -> None:
        expect(self.samples().locator(".sample-name")).to_have_text(list(names), timeout=OUTAGE_TIMEOUT_MS)

    def expect_image_loaded(self, name: str) -> None:
        image = self.sample(name).locator("img")
        expect(image).to_have_js_property("complete", True)
        expect(image).not_to_have_js_property("naturalWidth", 0)

    def search(self, words: str) -> None:
        """Press ``/`` and type."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(words)

    def focus(self, number: int) -> None:
        self.samples().nth(number).locator("a").focus()

    def rename(self, name: str, to: str) -> None:
        """F2, the new name, Enter."""
        self.sample(name).locator("a").press("F2")
        self.page.keyboard.type(to)
        self.page.keyboard.press("Enter")

    def delete(self, name: str) -> None:
        """Press Delete with the focus on it."""
        self.sample(name).locator("a").press("Delete")

    def undo(self) -> None:
        self.page.get_by_role("button", name="撤销").click()

    def expect_count(self, text: str) -> None:
        """The count beside the title."""
        expect(self.page.locator("[data-count]")).to_have_text(text)

    def notice(self) -> Locator:
        """The message about the state of the list."""
        return self.page.locator("[data-stale]")

    def broken(self) -> Locator:
        """Images that failed to load."""
        return self.page.locator("[data-broken]")


class Picker:
    """The dialog in which reference images are chosen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("dialog[data-reference-picker]")
        self.uploads = Uploads(self.dialog)

    def open_on_index(self, address: str) -> None:
        """Open it by 选择 (N) of 单图生成."""
        self.page.goto(address)
        self.page.locator("[data-open-picker]").click()
        expect(self.dialog).to_be_visible()

    def focus_tab(self) -> None:
        focus_tab(self.page)

    def images(self) -> Locator:
        return self.dialog.get_by_role("option")

    def expect_names(self, *names: str) -> None:
        expect(self.images().locator(".picker-name")).to_have_text(list(names), timeout=OUTAGE_TIMEOUT_MS)

    def pick(self, *names: str) -> None:
        for name in names:
            self.dialog.get_by_role("option", name=name, exact=True).click()

    def search(self, words: str) -> None:
        self.dialog.get_by_label("搜索文件名").fill(words)

    def chosen(self) -> Locator:
        """The chosen images in the footer."""
        return self.dialog.locator("[data-picker-chosen] button")

    def expect_chosen(self, *names: str) -> None:
        words = [re.compile(f"^移除第 {at} 张：{re.escape(name)}$") for at, name in enumerate(names, 1)]
        expect(self.chosen()).to_have_count(len(names))
        for at, pattern in enumerate(words):
            expect(self.chosen().nth(at)).to_have_attribute("aria-label", pattern)

    def confirm(self) -> None:
        """Click ✓ 确认选择."""
        self.dialog.get_by_role("button", name="✓ 确认选择").click()
        expect(self.dialog).to_be_hidden()

    def outage(self) -> Locator:
        """The message shown during an OSS outage."""
        return self.dialog.locator("[data-picker-outage]")

    def summary(self) -> Locator:
        """How many images there are, and how many may be chosen."""
        return self.dialog.locator("[data-picker-hint]")

    def broken(self) -> Locator:
        """Images that failed to load."""
        return self.dialog.locator("[data-broken]")

    def drop(self, *files: FilePayload) -> None:
        drop(self.dialog, files)

    def paste(self, *files: FilePayload) -> None:
        paste(self.dialog.get_by_label("搜索文件名"), files)


def focus_tab(page: Page) -> None:
    """Bring a tab to the front and dispatch ``focus``, which headless Chromium does not."""
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def drop(place: Locator, files: Iterable[FilePayload]) -> None:
    """Drag files in from outside and drop them."""
    carried = _data_transfer(place.page, files)
    for kind in ("dragenter", "dragover", "drop"):
        place.dispatch_event(kind, {"dataTransfer": carried})


def paste(place: Locator, files: Iterable[FilePayload]) -> None:
    """Dispatch a paste of files."""
    carried = _data_transfer(place.page, files)
    place.evaluate(
        """(element, carried) => element.dispatchEvent(
             new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }))""",
        carried,
    )


def _data_transfer(page: Page, files: Iterable[FilePayload]) -> object:
    packed = [[file["name"], base64.b64encode(file["buffer"]).decode()] for file in files]
    return page.evaluate_handle(_DATA_TRANSFER, packed)
