"""Images in a sheet: detects cells with an image and counts floating ones; never reads them."""

from __future__ import annotations

import re
from contextlib import suppress

from app.errors import SpreadsheetError
from app.sheets.table import UnreadableCell
from app.sheets.xlsx_package import Attributes, OoxmlPackage

_ERROR = "这格里是一张图片，从表格里读不出来，请把图片上传到「示例图」，再在「参考示例图」这一列写上它的名字"
_IMAGE_CALL = re.compile(r"(?<![^\W_])(?:DISPIMG|IMAGE)\(", re.I)
_ONLY_AN_IMAGE = re.compile(
    r'(?:IFERROR\(__xludf\.DUMMYFUNCTION\("=?\s{0,9})?(?:_xl(?:fn|ws)\.){0,2}(?:DISPIMG|IMAGE)\(', re.I
)
# The formula result as stored by WPS, which is also its text in a CSV file.
_RESULT = re.compile(r'=(?:_xlfn\.)?DISPIMG\("[^"]*",\s*[0-9]+\)', re.I)
_PLACED_IMAGES = "xl/richdata/richvaluerel.xml"


def image_of_text(text: str) -> UnreadableCell | None:
    """An UnreadableCell for the text that WPS writes for an image; None for any other text."""
    return placed_image(text) if text.startswith("=") and _RESULT.fullmatch(text) else None


def image_of_formula(formula: str, result: str, *, failed: bool) -> UnreadableCell | None:
    """An UnreadableCell for an image formula of WPS, Excel or Google; ``failed``: its result is an error."""
    if _ONLY_AN_IMAGE.match(formula) or (failed and _IMAGE_CALL.search(formula)):
        return UnreadableCell(f"={formula[:60]}", _ERROR)
    return image_of_text(result)


def placed_image(seen: str) -> UnreadableCell:
    """An UnreadableCell for an image placed in a cell by Excel; other programs see an error value."""
    return UnreadableCell(seen[:60], _ERROR)


def has_placed_images(package: OoxmlPackage) -> bool:
    """Whether the workbook has images placed in cells by Excel."""
    return _PLACED_IMAGES in package


def count_floating(package: OoxmlPackage, sheet: str) -> int:
    """The number of floating images of a sheet part; counting stops at a damaged drawing."""
    count = 0

    def start(name: str, _attributes: Attributes) -> None:
        nonlocal count
        count += name == "pic"

    with suppress(SpreadsheetError):
        for kind, part in set(package.relations(sheet).values()):
            if kind == "drawing":
                package.walk(part, start)
    return count
