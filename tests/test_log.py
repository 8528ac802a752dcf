"""The log: one line per event, machine-readable pairs, no secrets."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import log as app_log


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The log file; the logging of the other tests is restored afterwards."""
    root = logging.getLogger()
    before, raising, level = root.handlers[:], logging.raiseExceptions, root.level
    root.handlers = []
    app_log.init_logging(tmp_path / "app.log")
    yield tmp_path / "app.log"
    for handler in root.handlers:
        handler.close()
    root.handlers, logging.raiseExceptions = before, raising
    root.setLevel(level)


def test_an_event_is_one_line_of_key_value_pairs(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app_log.event("worker", "finished", record=3, batch=None, seconds=2.5, size="10x20")
    line = log.read_text("utf-8")
    assert line.endswith(" info worker event=finished record=3 seconds=2.5 size=10x20\n")
    assert line.count("\n") == 1


@pytest.mark.parametrize("text", ["两 个字", 'a"b', "a=b", "两行\n假的 event=kept", "", "\x1b[31m红"])
def test_a_value_can_neither_break_its_line_nor_forge_another_pair(log: Path, text: str) -> None:
    app_log.event("web", "call", batch=text, status=200)
    line = log.read_text("utf-8")
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert line.split("batch=")[1][0] == '"'
    assert line.endswith('" status=200\n')


def test_a_traceback_is_one_line_too(log: Path) -> None:
    try:
        raise ValueError("坏了\n两行")
    except ValueError:
        app_log.exception("worker", "unhandled_error", thread="picture-1")
    line = log.read_text("utf-8")
    assert line.count("\n") == 1
    assert "ValueError" in line


def test_keys_and_url_signatures_are_redacted_from_every_logger(log: Path) -> None:
    logging.getLogger("urllib3").warning("retry http://x.com/a.png?x-signature=abc%2B1&x-expires=9 once more")
    logging.getLogger("any").error("key sk-0123456789 and AKLTabcdefgh")
    text = log.read_text("utf-8")
    assert "http://x.com/a.png?… once more" in text
    assert not any(secret in text for secret in ("abc", "x-expires", "0123456789", "abcdefgh"))
