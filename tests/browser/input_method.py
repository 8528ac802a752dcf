"""Typing by an input method: letters that are not yet the words they will become."""

from playwright.sync_api import Page


class InputMethod:
    """What stands under the cursor while a word is chosen, as Chromium tells it to the page."""

    def __init__(self, page: Page) -> None:
        self.wire = page.context.new_cdp_session(page)

    def compose(self, *letters: str) -> None:
        """Pinyin, a letter more each time."""
        for text in letters:
            end = {"selectionStart": len(text), "selectionEnd": len(text)}
            self.wire.send("Input.imeSetComposition", {"text": text, **end})

    def commit(self, word: str) -> None:
        """The word takes the place of its letters."""
        self.wire.send("Input.insertText", {"text": word})
