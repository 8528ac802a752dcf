"""Typing with an input method: composition text that is not yet committed."""

from playwright.sync_api import Page


class InputMethod:
    """The composition under the cursor, as Chromium reports it to the page."""

    def __init__(self, page: Page) -> None:
        self.wire = page.context.new_cdp_session(page)

    def compose(self, *letters: str) -> None:
        """Compose Pinyin letter by letter."""
        for text in letters:
            end = {"selectionStart": len(text), "selectionEnd": len(text)}
            self.wire.send("Input.imeSetComposition", {"text": text, **end})

    def commit(self, word: str) -> None:
        """Replace the composition with the word."""
        self.wire.send("Input.insertText", {"text": word})
