"""Which tests run, of those whose programs are there. Of browser cases those that verify a promise, with
``--rest`` the others and what is marked so; with ``--store postgres`` what executes SQL; with ``--once`` a
case of every second.
"""

import ast
import functools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tools.chromium import browser_path
from tools.postgres_server import is_installed

ROOT = Path(__file__).parents[1]
# What executes SQL; tests/over_http.py says which modules of the tests over HTTP do.
_OF_SQL = (
    *("tests/core/", "tests/engine/", "tests/migrations/", "tests/orders/", "tests/people/", "tests/rounds/"),
    *("tests/samples/", "tests/settings/", "tests/tables/", "tests/usage/", "tests/web/", "tests/worker/"),
    *("tests/delivery/test_deliveries.py", "tests/library/test_output_backup.py", "tests/test_cli.py"),
    "tests/test_notifications.py",
)
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
        self.is_once = bool(config.getoption("once"))
        self.has_postgres, self.has_browser = is_installed(), bool(browser_path())
        if os.environ.get("CI") and (missing := list(self.missing())):
            raise pytest.UsageError("; ".join(sentence for sentence, _ in missing))
        self._promised = {test for row in promises() for test in row}

    def of(self, items: Iterable[pytest.Item]) -> list[pytest.Item]:
        """Those that run."""
        first: dict[object, pytest.Item] = {}
        for item in filter(self._has, items):
            first.setdefault(_test_of(item) if self.is_once else item, item)
        return list(first.values())[:: 2 if self.is_once else 1]  # nearly every line is run by several

    def _has(self, item: pytest.Item) -> bool:
        file, name = _test_of(item)
        if is_of_browser(file):
            is_wanted = ((file, name) in self._promised) != self.is_rest
            return is_wanted and self.has_browser and (self.is_rest or not self.on_postgres)
        if item.get_closest_marker("rest"):
            return self.is_rest
        if item.get_closest_marker("postgres"):
            return self.has_postgres and not self.is_rest
        if self.on_postgres:
            is_for_both = "postgres" in getattr(item, "fixturenames", ()) and file.startswith(_OF_SQL)
            return is_for_both and not item.get_closest_marker("sqlite")
        return not self.is_rest

    def missing(self) -> Iterator[tuple[str, str]]:
        """In English and Chinese, each program that is not there, with the number of promises it verifies."""
        programs = (
            ("Chromium", self.has_browser, is_of_browser_test),
            ("PostgreSQL", self.has_postgres, is_of_postgres),
        )
        for program, is_there, needs in programs:
            if not is_there:
                number = sum(any(needs(*test) for test in row) for row in promises())
                yield (
                    f"{program} is not installed: {number} promises are not verified in full",
                    f"没有安装 {program}，{number} 条承诺没有完整检查",
                )

    def summary(self) -> list[str]:
        """What was left out, a line in English and one in Chinese; none when nothing was."""
        parts = list(self.missing())
        if not (self.is_rest or self.on_postgres):
            english = "browser cases, what takes long, statements on PostgreSQL"
            chinese = "浏览器用例、耗时的用例、PostgreSQL 上的语句"
            parts.insert(
                0, (f"what make test-all runs besides: {english}", f"make test-all 另外跑的：{chinese}")
            )
        lines = ["; ".join(part[0] for part in parts), "；".join(part[1] for part in parts)]
        return [f"Left out: {lines[0]}.", f"没有跑：{lines[1]}。"] if parts else []


def _test_of(item: pytest.Item) -> tuple[str, str]:
    """Its file and name, without the parameters."""
    return item.path.relative_to(ROOT).as_posix(), getattr(item, "originalname", item.name)


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
