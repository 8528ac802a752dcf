"""``.xls``, ``.xlsb``, ``.et`` and ``.ods``: read by python-calamine in a bounded process."""

import importlib.util
import random
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest

from app.errors import SpreadsheetError
from app.sheets import Import, read_workbook
from app.system.bounded_process import run_bounded
from tools.workbooks import by_hand
from tools.workbooks.other_formats import XLS, ods, ods_row, xlsb

CELL = "<table:table-cell office:value-type={}><text:p>x</text:p></table:table-cell>".format
TIME = CELL('"time" office:time-value="PT16H09M00S"')
DATE = CELL('"date" office:date-value="2026-12-01"')
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def fields(found: Import, name: str) -> list[object]:
    return [row.fields[name] for row in found.rows]


@pytest.mark.parametrize("name", ["秋款.xls", "秋款.et", "秋款.xlsx"])
def test_an_old_workbook_is_read_with_its_merges_times_and_dates(name: str) -> None:
    found = read_workbook(XLS, name)
    assert (found.read[0].name, found.read[0].header_row) == ("秋款", 2)
    assert [row.number for row in found.rows] == [3, 4, 5]
    assert fields(found, "prompt") == ["一只橘猫", "一只橘猫", "=狗"]
    assert fields(found, "aspect_ratio") == ["16:9", "3:4", "1:1"]
    assert fields(found, "num_images")[:2] == [2, 1]
    assert found.rows[0].columns == {"SKU": "7", "交期": "2026-12-01"}
    assert [(one.row, one.column, one.fixed) for one in found.problems] == [
        (3, "图片比例", "16:9"),
        (4, "提示词", "一只橘猫"),
        (5, "生成数量", None),
    ]


def test_a_hidden_sheet_of_an_old_workbook_is_not_read() -> None:
    assert "秘密" not in str(read_workbook(XLS, "a.xls").rows)


def test_an_open_document_is_read() -> None:
    rows = ods_row("SKU", "提示词", "图片比例", "交期") + ods_row("007", "猫", TIME, DATE)
    found = read_workbook(ods(rows), "a.ods")
    assert (fields(found, "prompt"), fields(found, "aspect_ratio")) == (["猫"], ["16:9"])
    assert found.rows[0].columns == {"SKU": "007", "交期": "2026-12-01"}


def test_a_binary_workbook_is_read() -> None:
    found = read_workbook(xlsb([["提示词", "生成数量"], ["猫", 3.0], ["-狗", 1.0]]), "a.xlsb")
    assert (fields(found, "prompt"), fields(found, "num_images")) == (["猫", "-狗"], [3, 1])


def test_rows_keep_the_number_of_their_line() -> None:
    gap = '<table:table-row table:number-rows-repeated="3"><table:table-cell/></table:table-row>'
    found = read_workbook(ods(gap + ods_row("提示词") + gap + ods_row("猫")), "a.ods")
    assert [row.number for row in found.rows] == [8]


@pytest.mark.parametrize("number", ["NaN", "INF", "-INF", "1e400"])
def test_a_number_that_is_none_is_an_empty_cell(number: str) -> None:
    cell = CELL(f'"float" office:value="{number}"')
    found = read_workbook(ods(ods_row("提示词", "SKU", "种子") + ods_row("猫", cell, cell)), "a.ods")
    assert (found.rows[0].columns["SKU"], found.rows[0].fields["seed"]) == ("", None)


def test_a_cell_that_is_too_long_is_refused() -> None:
    with pytest.raises(SpreadsheetError, match="一格写了 40000 字"):
        read_workbook(ods(ods_row("提示词") + ods_row("长" * 40_000)), "a.ods")


def explosion() -> bytes:
    filled = CELL('"string" table:number-columns-repeated="16000"')
    many = f'<table:table-row table:number-rows-repeated="1000000">{filled}</table:table-row>'
    return ods(ods_row("提示词") + many)


def _changed(number: int) -> bytes:
    content, noise = bytearray(XLS), random.Random(number)
    for _ in range(40):
        content[noise.randrange(512, len(content))] = noise.randrange(256)
    return bytes(content)


HOSTILE: dict[str, Callable[[], bytes]] = {
    "an explosion of cells": explosion,
    "a bomb": lambda: ods(ods_row("提示词") + " " * 60_000_000),
    "noise": lambda: OLE + random.Random(3).randbytes(20_000),
    "only a signature": lambda: OLE + bytes(600),
    "no sheet": lambda: by_hand.zipped({"xl/workbook.bin": b"x"}),
    "broken XML": lambda: by_hand.zipped({"mimetype": "x", "content.xml": "<office:document-content><"}),
    **{f"cut at {size}": partial(bytes, XLS[:size]) for size in (600, 1500, 3000, 4000, 5000)},
    **{f"changed {number}": partial(_changed, number) for number in range(12)},
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_read_or_refused_in_one_sentence(make: Callable[[], bytes]) -> None:
    with suppress(SpreadsheetError):
        read_workbook(make(), "a.xls")


def test_a_file_that_needs_too_much_memory_is_refused() -> None:
    with pytest.raises(SpreadsheetError, match="读不出来"):
        read_workbook(explosion(), "a.ods")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SpreadsheetError, match="python-calamine 没有安装"):
        read_workbook(XLS, "a.xls")


def test_a_bounded_process_returns_what_it_writes() -> None:
    echo = [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"]
    content = b"x" * 300_000
    assert run_bounded(echo, content, memory=2**30, seconds=60, output=400_000) == content
    assert run_bounded(echo, content, memory=2**30, seconds=60, output=200_000) is None


@pytest.mark.parametrize(
    ("program", "seconds"),
    [
        ("import sys; sys.exit(3)", 60),
        ("import os; os.abort()", 60),
        ("import time; time.sleep(600)", 0.5),
        ("x = bytearray(b'x') * 2**28; import time; time.sleep(600)", 60),
    ],
)
def test_a_process_that_fails_or_exceeds_a_bound_returns_nothing(program: str, seconds: float) -> None:
    command = [sys.executable, "-c", program]
    assert run_bounded(command, b"", memory=2**27, seconds=seconds, output=100) is None
