"""Which tests run: of the browser cases those that verify a promise, or with ``--rest`` only the others; and
nothing whose programs are not installed.
"""

import ast
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.chromium import browser_path
from tools.postgres_server import is_installed

ROOT = Path(__file__).parents[1]
_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def promises() -> list[set[tuple[str, str]]]:
    """Of each row of docs/promises.md the tests that verify it: (file, name)."""
    text = (ROOT / "docs/promises.md").read_text("utf-8")
    return [set(_NAMED.findall(line)) for line in text.splitlines() if _NAMED.search(line)]


class Selection:
    """What this run leaves out. Raises UsageError in CI (``CI=1``) when a program is not there."""

    def __init__(self, config: pytest.Config) -> None:
        self.on_postgres = config.getoption("store") == "postgres"
        self.is_rest = bool(config.getoption("rest"))
        self.has_postgres, self.has_browser = is_installed(), bool(browser_path())
        if os.environ.get("CI") and (missing := list(self.missing())):
            raise pytest.UsageError("; ".join(missing))
        self._promised = {test for row in promises() for test in row}

    def has(self, item: pytest.Item) -> bool:
        """Whether the item runs."""
        file, name = item.path.relative_to(ROOT).as_posix(), getattr(item, "originalname", item.name)
        if is_of_browser(file):
            is_wanted = ((file, name) in self._promised) != self.is_rest
            return is_wanted and self.has_browser and not self.on_postgres
        if self.is_rest:
            return False
        if item.get_closest_marker("postgres"):
            return self.has_postgres
        if self.on_postgres:
            return "postgres" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("sqlite")
        return True

    def missing(self) -> Iterator[str]:
        """A sentence for each program that is not there, with the number of promises it verifies."""
        programs = (
            ("Chromium", self.has_browser, is_of_browser_test),
            ("PostgreSQL", self.has_postgres, is_of_postgres),
        )
        for program, is_there, needs in programs:
            if not is_there:
                number = sum(any(needs(*test) for test in row) for row in promises())
                yield f"{program} is not installed: {number} promises are not verified in full"

    def summary(self) -> str:
        """One line about what was left out; empty when nothing was."""
        parts = list(self.missing())
        if not (self.is_rest or self.on_postgres):
            parts.insert(
                0,
                "what make test-all runs besides: other browser cases, and all tests on PostgreSQL",
            )
        return "; ".join(parts)


def is_of_browser(file: str) -> bool:
    """Whether a test file needs a browser."""
    return file.startswith("tests/browser/")


def is_of_browser_test(file: str, _name: str) -> bool:
    return is_of_browser(file)


@functools.cache
def is_of_postgres(file: str, name: str) -> bool:
    """Whether a test, or all of its module, concerns PostgreSQL only."""
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    marked = [
        node for node in tree.body if isinstance(node, ast.Assign) and "mark.postgres" in ast.unparse(node)
    ]
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    decorators = [ast.unparse(each) for function in functions for each in function.decorator_list]
    return bool(marked) or any("mark.postgres" in each for each in decorators)
