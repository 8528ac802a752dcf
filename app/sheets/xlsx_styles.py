"""Reads the shared strings, and the number formats that change what a number means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_STYLES, TOO_MUCH, TextBudget
from app.sheets.xlsx_package import Attributes, OoxmlPackage, integer

# Built-in date formats of East Asian editions of Excel, by number.
_EAST_ASIAN_DATES = {*range(27, 37), *range(50, 59)}
# Literals in a number format: quoted text, an escaped character, or a plain sign.
_LITERAL = r"""\"[^"]*"|\\.|[-+/():!^&'~{}<>= $]"""
_NUMBER_FORMAT = re.compile(
    rf"(?:\[\$-[^\]]*\])?((?:{_LITERAL})*)(0{{1,20}}|General)((?:{_LITERAL})*)(;.*)?",
    re.DOTALL | re.IGNORECASE,
)
# A thousands separator, decimals and a percent sign; currencies, padding and colours around them.
_MARK = rf"(?:{_LITERAL}|\[\$[^\]]*\]|\[[A-Za-z]+\]|_.|\*.|[¥\uffe5€£])"
_DECIMAL_FORMAT = re.compile(rf"({_MARK}*+)(#,##)?0(\.0{{1,10}})?(%?)({_MARK}*+)", re.DOTALL)
_CURRENCY = re.compile(r"\[\$([^\]-]*)[^\]]*\]|\[[A-Za-z]+\]|_.|\*.")
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How a whole number is displayed: text before and after it, zero-padded to a width.

    ``is_for_all`` is False when zero or negative numbers have their own format.
    """

    before: str
    width: int
    after: str
    is_for_all: bool

    def display(self, number: int) -> str | None:
        """The displayed text, ``SKU-001``; None when this format does not apply."""
        if number <= 0 and not self.is_for_all:
            return None
        return f"{'-' if number < 0 else ''}{self.before}{abs(number):0{self.width}}{self.after}"


@dataclass(frozen=True, slots=True)
class DecimalFormat:
    """How any number is displayed: ``¥1,234.50``, ``12%``; the sign of a negative number comes first."""

    before: str
    has_thousands: bool
    decimals: int
    is_percent: bool
    after: str

    def display(self, number: float) -> str:
        """The displayed text of a number below 1e15, within the precision of Decimal."""
        scaled = Decimal(str(number)) * (100 if self.is_percent else 1)
        rounded = abs(scaled).quantize(Decimal(1).scaleb(-self.decimals), ROUND_HALF_UP)
        digits = f"{rounded:,f}" if self.has_thousands else f"{rounded:f}"
        sign = "-" if number < 0 and rounded else ""
        return f"{sign}{self.before}{digits}{'%' * self.is_percent}{self.after}"


@dataclass(frozen=True, slots=True)
class Styles:
    """Styles by index: those with a date format, a NumberFormat or a DecimalFormat."""

    dates: frozenset[int]
    formats: dict[int, NumberFormat]
    decimals: dict[int, DecimalFormat]


@dataclass(frozen=True, slots=True)
class Shared:
    """Shared strings without formatting and phonetic hints, styles, and the date epoch.

    With ``placed_images``, an error that is a rich value is an image placed in its cell.
    """

    strings: list[str]
    styles: Styles
    since_1904: bool
    placed_images: bool


def unescape(text: str) -> str:
    """Replace escapes such as ``_x000D_``, used for characters that XML cannot hold."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def read_strings(package: OoxmlPackage, part: str | None) -> list[str]:
    """The shared strings in order; [] without the part."""
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


def read_styles(package: OoxmlPackage, part: str | None) -> Styles:
    """Read the cell styles that affect numbers."""
    formats: dict[int, str] = dict(BUILTIN_FORMATS)
    used: list[int] = []
    inside = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal inside
        if len(formats) > MAX_STYLES or len(used) > MAX_STYLES:
            raise SpreadsheetError(TOO_MUCH)
        if name == "numFmt":
            formats[integer(attributes, "numFmtId")] = attributes.get("formatCode", "")[:255]
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            used.append(integer(attributes, "numFmtId"))

    def end(name: str) -> None:
        nonlocal inside
        if name == "cellXfs":
            inside = False

    if part:
        package.walk(part, start, end)
    dates = {code for code in set(used) if code in _EAST_ASIAN_DATES or is_date_format(formats.get(code))}
    parsed = {code: _parse_format(formats.get(code, "")) for code in set(used)}
    decimals = {code: _parse_decimal(formats.get(code, "")) for code in set(used)}
    return Styles(
        dates=frozenset(style for style, code in enumerate(used) if code in dates),
        formats={style: display for style, code in enumerate(used) if (display := parsed[code])},
        decimals={style: found for style, code in enumerate(used) if (found := decimals[code])},
    )


def _parse_format(code: str) -> NumberFormat | None:
    """Parse ``"SKU-"000``, ``000`` or ``General"号"``; None for any other format code."""
    found = _NUMBER_FORMAT.fullmatch(code)
    if not found:
        return None
    before, digits, after, other_signs = found.groups()
    width = len(digits) if digits.startswith("0") else 1
    number_format = NumberFormat(
        before=_words(before), width=width, after=_words(after), is_for_all=other_signs is None
    )
    return number_format if width > 1 or number_format.before or number_format.after else None


def _parse_decimal(code: str) -> DecimalFormat | None:
    """Parse the first section of ``0.00``, ``#,##0``, ``0%`` or ``¥#,##0.00;…``; None for any other code."""
    found = _DECIMAL_FORMAT.fullmatch(code.partition(";")[0])
    if not found:
        return None
    before, thousands, decimals, percent, after = found.groups()
    before, after = (_words(_CURRENCY.sub(r"\1", text)) for text in (before, after))
    return DecimalFormat(
        before=before,
        has_thousands=thousands is not None,
        decimals=len(decimals or ".") - 1,
        is_percent=bool(percent),
        after=after,
    )


def _words(literals: str) -> str:
    pieces = re.findall(rf"{_LITERAL}|.", literals, re.DOTALL)
    return "".join(piece[1:-1] if piece.startswith('"') else piece[-1] for piece in pieces)
