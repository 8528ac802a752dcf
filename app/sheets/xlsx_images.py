"""Images in a sheet: detects cells with an image and counts floating ones; never reads them."""

from __future__ import annotations

import re
from contextlib import suppress

from app.errors import SpreadsheetError
from app.sheets.limits import Attributes, OoxmlPackage
from app.sheets.table import UnreadableCell
from app.sheets.xlsx_relationships import relations_of

_ERROR = "这格里是一张图片，从表格里读不出来，请把图片上传到「示例图」，再在「参考示例图」这一列写上它的名字"
_CALLS = ("DISPIMG(", "IMAGE(")
_ONLY_A_PICTURE = re.compile(
    r'(?:IFERROR\(__xludf\.DUMMYFUNCTION\("=?\s{0,9})?(?:_xl(?:fn|ws)\.){0,2}(?:DISPIMG|IMAGE)\(', re.I
)
# The formula result as stored by WPS, which is also its text in a CSV file.
_RESULT = re.compile(r'=(?:_xlfn\.)?DISPIMG\("[^"]*",\s*[0-9]+\)', re.I)
_PLACED_PICTURES = "xl/richdata/richvaluerel.xml"


def picture_of_text(text: str) -> UnreadableCell | None:
    """An UnreadableCell for the text that WPS writes for an image; None for any other text."""
    return UnreadableCell(text[:60], _ERROR) if text.startswith("=") and _RESULT.fullmatch(text) else None


def picture_of_formula(formula: str, result: str, *, failed: bool) -> UnreadableCell | None:
    """An UnreadableCell for an image formula of WPS, Excel or Google; ``failed``: its result is an error."""
    if _ONLY_A_PICTURE.match(formula) or (failed and _calls_a_picture(formula.upper())):
        return UnreadableCell(f"={formula[:60]}", _ERROR)
    return picture_of_text(result)


def _calls_a_picture(formula: str) -> bool:
    places = [formula.find(call) for call in _CALLS]
    return any(place >= 0 and not formula[place - 1 : place].isalnum() for place in places)


def placed_picture(seen: str) -> UnreadableCell:
    """An UnreadableCell for an image placed in a cell by Excel; other programs see an error value."""
    return UnreadableCell(seen, _ERROR)


def has_placed_pictures(package: OoxmlPackage) -> bool:
    """Whether the workbook has images placed in cells by Excel."""
    return _PLACED_PICTURES in package


def count_floating(package: OoxmlPackage, sheet: str) -> int:
    """The number of floating images of a sheet part; counting stops at a damaged drawing."""
    count = 0

    def start(name: str, _attributes: Attributes) -> None:
        nonlocal count
        count += name == "pic"

    with suppress(SpreadsheetError):
        for kind, part in set(relations_of(package, sheet).values()):
            if kind == "drawing" and part in package:
                package.walk(part, start)
    return count
