"""The script logic that needs no browser, tested by Node's own test runner in tests/js."""

import json
import os
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from app.config import Settings
from web_app import create_app

HERE = Path(__file__).parent
_LIMIT, _SECONDS = "--test-timeout", 60  # of a test that waits for what never comes; older runners have none
_DATA = ("data-model", "data-columns", "data-variables")


class _Attributes(HTMLParser):
    """The data of 批量生成, out of its page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if "data-batch" in given and not self.found:
            self.found = {name.removeprefix("data-"): given[name] or "" for name in _DATA}


def node() -> str | None:
    """The Node of Playwright's driver or the one installed, whichever has a test runner; None without one."""
    for program in (compute_driver_executable()[0], shutil.which("node")):
        if program and Path(program).exists() and _LIMIT in _help(program):
            return program
    return None


def _help(program: str) -> str:
    return subprocess.run([program, "--help"], capture_output=True, text=True, check=False).stdout


def rendered_pages(folder: Path) -> dict[str, dict[str, str]]:
    """Language -> the data of 批量生成 in it."""
    settings = Settings(
        database_path=folder / "records.db", output_dir=folder / "output", samples_dir=folder / "samples"
    )
    client = create_app(settings).test_client()
    return {
        language: _Attributes(client.get("/batch", headers={"Accept-Language": language}).text).found
        for language in ("zh", "en")
    }


def test_the_script_logic_passes_its_tests(tmp_path: Path) -> None:
    program = node()
    if program is None:
        pytest.skip("Node is not installed: the script logic in tests/js is not tested here")
    files = sorted(str(path) for path in HERE.glob("**/*.test.mjs"))
    assert files
    done = subprocess.run(
        [program, "--test", f"{_LIMIT}={_SECONDS * 1000}", "--test-reporter=spec", *files],
        env={**os.environ, "BATCH_PAGES": json.dumps(rendered_pages(tmp_path)), "TZ": "Asia/Shanghai"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if done.returncode:
        failures = done.stdout.partition("failing tests:")[2]
        pytest.fail(f"{failures or done.stdout}\n{done.stderr}", pytrace=False)
