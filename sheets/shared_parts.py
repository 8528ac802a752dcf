"""What the cells of all sheets refer to: the shared strings, and the number formats that change a meaning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from errors import SpreadsheetError
from sheets.bounds import MAX_STYLES, TOO_MUCH, Attributes, Package, TextBudget

# Date formats that only East Asian editions of Excel name by number.
_EAST_ASIAN_DATES = {*range(27, 37), *range(50, 59)}
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class Styles:
    """What number formats do to a number: which styles make it a date, which pad it with zeros."""

    dates: frozenset[int]
    padded: dict[int, int]


@dataclass(frozen=True, slots=True)
class Shared:
    """The shared strings, formatting and phonetic hints left out; the styles; the epoch of dates.

    With ``placed_pictures``, an error that is a rich value is a picture placed in its cell.
    """

    strings: list[str]
    styles: Styles
    since_1904: bool
    placed_pictures: bool


def unescape(text: str) -> str:
    """``_x000D_`` -> the character it stands for; the way workbooks write what XML cannot."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def read_strings(package: Package, part: str | None) -> list[str]:
    """The shared strings in their order; none without the part."""
    strings: list[str] = []
    pieces: list[str] = []
    letters = TextBudget()
    inside = phonetic = False

    def start(name: str, _attributes: Attributes) -> None:
        nonlocal inside, phonetic
        if name == "t":
            inside = not phonetic
        elif name == "rPh":
            phonetic = True

    def end(name: str) -> None:
        nonlocal inside, phonetic
        if name == "t":
            inside = False
        elif name == "rPh":
            phonetic = False
        elif name == "si":
            strings.append(unescape("".join(pieces)))
            pieces.clear()

    def text(characters: str) -> None:
        if inside:
            letters.spend(len(characters))
            pieces.append(characters)

    if part:
        package.walk(part, start, end, text)
    return strings


def read_styles(package: Package, part: str | None) -> Styles:
    """What the styles of cells do to numbers."""
    formats: dict[int, str] = dict(BUILTIN_FORMATS)
    used: list[int] = []
    inside = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal inside
        if len(formats) > MAX_STYLES or len(used) > MAX_STYLES:
            raise SpreadsheetError(TOO_MUCH)
        if name == "numFmt":
            formats[_whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")[:255]
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            used.append(_whole(attributes.get("numFmtId")))

    def end(name: str) -> None:
        nonlocal inside
        if name == "cellXfs":
            inside = False

    if part:
        package.walk(part, start, end)
    dates = {
        number for number in set(used) if number in _EAST_ASIAN_DATES or is_date_format(formats.get(number))
    }
    zeros = {number: len(code) for number, code in formats.items() if re.fullmatch("00{1,19}", code)}
    return Styles(
        dates=frozenset(style for style, number in enumerate(used) if number in dates),
        padded={style: zeros[number] for style, number in enumerate(used) if number in zeros},
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 0
