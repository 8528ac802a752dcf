"""The words in which tests speak of 示例图, and of the picker that shows the same library on / and /batch."""

import base64
import re
from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.noise_images import noise_image

AWAY = 40_000  # ms, within which a page tells that OSS went away or came back

_FILES_IN_HAND = """(files) => {
  const carried = new DataTransfer();
  for (const [name, text] of files) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    carried.items.add(new File([bytes], name, { type: "image/png" }));
  }
  return carried;
}"""


def picture(name: str, size: tuple[int, int] = (40, 30)) -> FilePayload:
    """A file to be chosen, dropped or pasted; each time another picture."""
    content = noise_image("png", size=size)
    return {"name": name, "mimeType": "image/png", "buffer": content}


class Uploads:
    """The lines of files on their way, in whichever place they stand."""

    def __init__(self, place: Locator) -> None:
        self.place = place.locator("[data-uploads]")

    def lines(self) -> Locator:
        """One for each file that is on its way, or that has something to say."""
        return self.place.locator("[data-upload-list] .upload")

    def line(self, name: str) -> Locator:
        """That of a file."""
        return self.lines().filter(has_text=name)

    def sum(self) -> Locator:
        """The line for all of them."""
        return self.place.locator("[data-upload-sum]")

    def expect_sum(self, words: str) -> None:
        """What it says, somewhere in it."""
        expect(self.sum()).to_contain_text(words, timeout=30_000)

    def wait_until_sent_in_part(self, name: str) -> None:
        """Until some of a file has come, and not all of it."""
        bar = self.line(name).locator("progress")
        bar.page.wait_for_function("bar => 0 < bar.value && bar.value < 1", arg=bar.element_handle())

    def button(self, name: str) -> Locator:
        """取消 a, 重试 a, 关闭 a, 全部取消, 全部重试, 全部关闭."""
        return self.place.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        """One of the buttons."""
        self.button(name).click()


class SamplesPage:
    """What a person does on ``/samples`` and what they see there."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.uploads = Uploads(page.locator("[data-library]"))

    def open(self, query: str = "") -> None:
        """Go to the page, or load it anew."""
        self.page.goto(f"{self.address}/samples{query}")

    def come_back(self) -> None:
        """Turn to this tab again."""
        come_back(self.page)

    def upload(self, *files: Path | FilePayload) -> None:
        """Choose files."""
        self.page.locator("[data-files]").set_input_files(files)  # type: ignore[arg-type]

    def drop(self, *files: FilePayload) -> None:
        """Let files go over the page."""
        drop(self.page.locator("[data-library]"), files)

    def paste(self, *files: FilePayload) -> None:
        """Ctrl+V with files in the clipboard."""
        paste(self.page.locator("body"), files)

    def samples(self) -> Locator:
        """The pictures that are shown."""
        return self.page.locator(".sample")

    def sample(self, name: str) -> Locator:
        """That of a name."""
        return self.page.locator(f'.sample[data-filename="{name}"]')

    def names(self) -> list[str]:
        """Their names, in order; ``innerText`` knows nothing of those that were not drawn yet."""
        return [name.strip() for name in self.samples().locator(".sample-name").all_text_contents()]

    def expect_names(self, *names: str) -> None:
        """Until these are shown, in this order."""
        expect(self.samples().locator(".sample-name")).to_have_text(list(names), timeout=AWAY)

    def expect_seen(self, name: str) -> None:
        """Until its picture is there."""
        image = self.sample(name).locator("img")
        expect(image).to_have_js_property("complete", True)
        expect(image).not_to_have_js_property("naturalWidth", 0)

    def search(self, words: str) -> None:
        """``/`` and the words."""
        self.page.keyboard.press("/")
        self.page.keyboard.type(words)

    def focus(self, number: int) -> None:
        """Put the focus on a picture."""
        self.samples().nth(number).locator("a").focus()

    def rename(self, name: str, to: str) -> None:
        """F2, the new name, Enter."""
        self.sample(name).locator("a").press("F2")
        self.page.keyboard.type(to)
        self.page.keyboard.press("Enter")

    def delete(self, name: str) -> None:
        """Delete, with the focus on it."""
        self.sample(name).locator("a").press("Delete")

    def undo(self) -> None:
        """Press 撤销."""
        self.page.get_by_role("button", name="撤销").click()

    def expect_count(self, text: str) -> None:
        """What stands beside the title."""
        expect(self.page.locator("[data-count]")).to_have_text(text)

    def notice(self) -> Locator:
        """The sentence that says what is the matter with the list."""
        return self.page.locator("[data-stale]")

    def broken(self) -> Locator:
        """Pictures that say that they did not come."""
        return self.page.locator("[data-broken]")


class Picker:
    """The dialog in which reference images are chosen."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.dialog = page.locator("dialog[data-reference-picker]")
        self.uploads = Uploads(self.dialog)

    def open_on_index(self, address: str) -> None:
        """选择 (N) of 单图生成."""
        self.page.goto(address)
        self.page.locator("[data-choose]").click()
        expect(self.dialog).to_be_visible()

    def come_back(self) -> None:
        """Turn to this tab again."""
        come_back(self.page)

    def images(self) -> Locator:
        """The pictures that are shown."""
        return self.dialog.get_by_role("option")

    def expect_names(self, *names: str) -> None:
        """Until these are shown, in this order."""
        expect(self.images().locator(".picker-name")).to_have_text(list(names), timeout=AWAY)

    def pick(self, *names: str) -> None:
        """Click them, in this order."""
        for name in names:
            self.dialog.get_by_role("option", name=name, exact=True).click()

    def search(self, words: str) -> None:
        """Type over what is looked for."""
        self.dialog.get_by_label("搜索文件名").fill(words)

    def chosen(self) -> Locator:
        """The small ones in the foot."""
        return self.dialog.locator("[data-picker-chosen] button")

    def expect_chosen(self, *names: str) -> None:
        """Until these are chosen, in this order."""
        words = [re.compile(f"^移除第 {at} 张：{re.escape(name)}$") for at, name in enumerate(names, 1)]
        expect(self.chosen()).to_have_count(len(names))
        for at, pattern in enumerate(words):
            expect(self.chosen().nth(at)).to_have_attribute("aria-label", pattern)

    def confirm(self) -> None:
        """Press ✓ 确认选择."""
        self.dialog.get_by_role("button", name="✓ 确认选择").click()
        expect(self.dialog).to_be_hidden()

    def outage(self) -> Locator:
        """The sentence that stays as long as OSS is away."""
        return self.dialog.locator("[data-picker-outage]")

    def word(self) -> Locator:
        """How many there are, and how many may be chosen."""
        return self.dialog.locator("[data-picker-word]")

    def broken(self) -> Locator:
        """Pictures that say that they did not come."""
        return self.dialog.locator("[data-broken]")

    def drop(self, *files: FilePayload) -> None:
        """Let files go over the dialog."""
        drop(self.dialog, files)

    def paste(self, *files: FilePayload) -> None:
        """Ctrl+V with files in the clipboard."""
        paste(self.dialog.get_by_label("搜索文件名"), files)


def come_back(page: Page) -> None:
    """Turn to a tab: Chromium without a window never tells its pages that they have the focus."""
    page.bring_to_front()
    page.evaluate("window.dispatchEvent(new Event('focus'))")


def drop(place: Locator, files: Iterable[FilePayload]) -> None:
    """Drag files in from outside and let them go."""
    carried = _carried(place.page, files)
    for kind in ("dragenter", "dragover", "drop"):
        place.dispatch_event(kind, {"dataTransfer": carried})


def paste(place: Locator, files: Iterable[FilePayload]) -> None:
    """What Ctrl+V does when the clipboard holds files."""
    carried = _carried(place.page, files)
    place.evaluate(
        """(element, carried) => element.dispatchEvent(
             new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true }))""",
        carried,
    )


def _carried(page: Page, files: Iterable[FilePayload]) -> object:
    packed = [[file["name"], base64.b64encode(file["buffer"]).decode()] for file in files]
    return page.evaluate_handle(_FILES_IN_HAND, packed)
