"""Dialogs that pages fetch."""

from pathlib import Path

import pytest

from tests.web.harness import WebHarness

PAGES = Path(__file__).parents[3] / "templates/pages"


@pytest.mark.parametrize("page", sorted(path.stem for path in PAGES.glob("*.html")))
def test_the_list_of_shortcuts_has_those_of_the_page(module_demo: WebHarness, page: str) -> None:
    has_own = "{% block shortcuts %}" in (PAGES / f"{page}.html").read_text("utf-8")
    common = module_demo.page("/live/shortcuts/").count("<dt>")
    assert (module_demo.page(f"/live/shortcuts/{page}").count("<dt>") > common > 3) is has_own


def test_an_unknown_page_has_the_shortcuts_of_every_page(module_demo: WebHarness) -> None:
    assert module_demo.page("/live/shortcuts/layout") == module_demo.page("/live/shortcuts/")
