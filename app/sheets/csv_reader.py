"""``.csv`` bytes -> one sheet. The separator chosen is the one that yields the most known headers.

Text that only happens to decode as GB18030 is refused rather than garbled: almost any two bytes are a Chinese
character in it, so other encodings often decode without an error, as rare characters or as a single one in
the middle of a Latin word.
"""

from __future__ import annotations

import codecs
import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator
from itertools import islice

from app.errors import SpreadsheetError
from app.sheets.headers import find_header
from app.sheets.limits import MAX_CELL_LENGTH, MAX_COLUMN, MAX_LINE, MAX_SHEET_ROWS
from app.sheets.table import Grid, SheetRow, UnreadableCell, Value, is_blank
from app.sheets.xlsx_package import image_of_text

_HEADER = "提示词"  # these bytes mean this in no other encoding
_MAX_RUNS = 10_000
_MAX_RUN_LENGTH = 40
_BEGINNING = 256 * 2**10
_RUN = re.compile(r"[^\x00-\x7f]+")
_BEYOND_TWO_BYTES = re.compile("[\u0800-\U0010ffff]")
_SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO"}
_FIRST_LEVEL = (b"\xb0\xa1", b"\xd7\xf9")
_LAST_COMMON_BIG5 = b"\xc6"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def decode(content: bytes) -> str:
    """Decode UTF-8 with or without a BOM, UTF-16 with a BOM, or GB18030; else SpreadsheetError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _decoded(content, "utf-16")
    else:
        text = _decoded(content, "utf-8-sig")
        if text is None or (_mixes_scripts(text) and not content.startswith(codecs.BOM_UTF8)):
            chinese = _decoded(content, "gb18030")
            if chinese and (_HEADER in chinese or (_is_chinese(chinese) and not _is_damaged_utf_8(content))):
                text = chinese
    if text is None:
        raise SpreadsheetError("看不懂这个文件的编码，请在 Excel 里另存为 .xlsx 或「CSV UTF-8」再导入")
    return text


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _mixes_scripts(text: str) -> bool:
    """Whether text decoded as UTF-8 may be GB18030, where ``小猫`` has the bytes of ``Сè``."""
    if text.isascii() or _BEYOND_TWO_BYTES.search(text):
        return False
    runs = (run[0][:_MAX_RUN_LENGTH] for run in islice(_RUN.finditer(text), _MAX_RUNS))
    named = ({unicodedata.name(letter, "").partition(" ")[0] for letter in run} for run in runs)
    return any(len(scripts & _SCRIPTS) > 1 for scripts in named)


def _is_chinese(text: str) -> bool:
    """Whether text decoded as GB18030 is plausible Chinese."""
    runs = list(islice(_RUN.finditer(text), _MAX_RUNS))
    letters = "".join(run[0][:_MAX_RUN_LENGTH] for run in runs)
    counts = Counter(letters)
    in_words = sum(len(run[0]) for run in runs if _is_in_a_word(text, run))
    private = sum(count for letter, count in counts.items() if "\ue000" <= letter <= "\uf8ff")
    rare = sum(count for letter, count in counts.items() if _is_hanzi(letter) and not _is_common(letter))
    total = len(letters)
    if (in_words + private) * 4 >= total:
        return False
    return total < 5 or ((rare + private) * 2 < total and not _is_big5(letters))


def _is_damaged_utf_8(content: bytes) -> bool:
    """Whether the content is mostly Chinese in UTF-8 with a few damaged bytes."""
    text = content[:_BEGINNING].decode("utf-8", "replace")
    lost = text.count("\ufffd")
    return 0 < lost * 3 < len(_BEYOND_TWO_BYTES.findall(text)) - lost


def _is_in_a_word(text: str, run: re.Match[str]) -> bool:
    """Whether a run is like ``閘閙`` in ``l閘閙ent``: accented letters decoded with the letter after each."""
    characters, (start, end) = run[0], run.span()
    if len(characters) > 4 or not all(map(_is_hanzi, characters)):
        return False
    after_letter, before_letter = text[start - 1 : start] in _LETTERS, text[end : end + 1] in _LETTERS
    if len(characters) == 1 and after_letter and before_letter and not _is_of_first_level(characters):
        return True
    if not all(map(_ends_in_a_letter, characters)):
        return False
    if len(characters) == 1 and _is_common(characters) and not before_letter:
        return after_letter and text[start - 2 : start - 1] in _LETTERS  # not T卹
    return after_letter or before_letter or len(characters) == 1


def _is_big5(letters: str) -> bool:
    """Whether the same bytes are common Traditional Chinese characters in Big5."""
    content = letters.encode("gb18030")
    low = sum(byte < 0x7F for byte in content[1::2])
    if len(letters) < 8 or len(content) != 2 * len(letters) or low * 6 < len(letters):
        return False
    try:
        content.decode("big5")
    except UnicodeDecodeError:
        return False
    return max(content[::2]) <= _LAST_COMMON_BIG5[0]


def _is_hanzi(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff"


def _is_common(hanzi: str) -> bool:
    """Whether it is one of the 6,763 characters of GB2312 or the 5,401 common ones of Big5."""
    if hanzi.encode("gb2312", "ignore"):
        return True
    return b"" < hanzi.encode("big5", "ignore")[:1] <= _LAST_COMMON_BIG5


def _is_of_first_level(hanzi: str) -> bool:
    """Whether it is one of the 3,755 level-1 characters of GB2312."""
    return _FIRST_LEVEL[0] <= hanzi.encode("gb2312", "ignore") <= _FIRST_LEVEL[1]


def _ends_in_a_letter(hanzi: str) -> bool:
    content = hanzi.encode("gb18030", "ignore")
    return len(content) == 2 and chr(content[1]) in _LETTERS


_SEPARATORS = ",\t;，；|"
_HEADER_DEPTH = 30
_SEPARATOR_LINE = re.compile(r"sep=([,;|\t；，])\s*?(?:\r\n|\r|\n)", re.IGNORECASE)
_TEXT_FORMULA = re.compile(r'="((?:[^"]|"")*+)"')  # how programs force Excel to read a number as text
_SCIENTIFIC = re.compile(r"-?[0-9](?:\.[0-9]+)?E\+[0-9]{2,3}")
_LOST_DIGITS = (
    "Excel 把这个长数字存成了科学计数法，后面几位已经丢了，请在原来的表格里改成文字格式并重新填写，再导出"
)
# A line with its terminator; a line over MAX_LINE matches in pieces, the first without a terminator.
_LINE = re.compile(rf"[^\r\n]{{0,{MAX_LINE}}}+(\r\n|\r|\n|\Z)?")


class DelimitedSheet:
    """The single sheet of a delimited text; row numbers count records, as in Excel."""

    hidden = False
    active = True

    def __init__(self, content: bytes, name: str) -> None:
        self.name = name
        self._text = decode(content)
        declared = _SEPARATOR_LINE.match(self._text)
        self._start = declared.end() if declared else 0
        self._separator = declared[1] if declared else max(_SEPARATORS, key=self._count_headers)

    def top(self, count: int) -> list[SheetRow]:
        """The non-empty rows numbered up to ``count``."""
        return self._top(count, self._separator)

    def read(
        self, columns: Container[int], after: int, max_rows: int, own: Container[int] = frozenset()
    ) -> Grid:
        """At most ``max_rows`` rows after row ``after`` with content in ``columns``; see ``SheetRow.own``."""
        grid = Grid()
        width = 0
        for number, record in self._records(self._separator):
            filled = _values(record)
            if number <= after:
                width = max(filled, default=0)
            grid.add(SheetRow(number, filled), columns, after, max_rows, own)
            if grid.rows and grid.rows[-1].number == number and max(filled) > width:
                grid.rows_too_wide.append(number)
        return grid

    def _count_headers(self, separator: str) -> int:
        try:
            header = find_header(self._top(_HEADER_DEPTH, separator))
        except SpreadsheetError:
            return 0
        return len(header.columns) if header else 0

    def _top(self, count: int, separator: str) -> list[SheetRow]:
        rows = []
        for number, record in self._records(separator):
            if number > count:
                break
            if values := _values(record):
                rows.append(SheetRow(number, values))
        return rows

    def _records(self, separator: str) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(_lines(self._text, self._start), delimiter=separator, strict=True)
        number = 1 if self._start else 0  # the line that declares the separator
        try:
            for record in reader:
                number += 1
                if number > MAX_SHEET_ROWS:
                    text = "文件有超过 {limit} 行，一次最多导入 20000 行，请分成几个文件"
                    raise SpreadsheetError(text, limit=MAX_SHEET_ROWS)
                yield number, record
        except csv.Error as error:
            raise SpreadsheetError(
                "第 {number} 行附近的引号不成对，或一格太长，请检查这一行，或在 Excel 里另存为 .xlsx 再导入",
                row=number + 1,
                number=number + 1,
            ) from error


def _lines(text: str, start: int) -> Iterator[str]:
    for line in _LINE.finditer(text, start):
        if line[1] is None:
            text = "有一行超过 {limit} 字，这不像是表格，请检查文件"
            raise SpreadsheetError(text, limit=f"{MAX_LINE:,}")
        if line[0]:
            yield line[0]


def _values(record: list[str]) -> dict[int, Value]:
    values: dict[int, Value] = {}
    for column, written in enumerate(record[:MAX_COLUMN], 1):
        found = _TEXT_FORMULA.fullmatch(written) if written.startswith("=") else None
        text = found[1].replace('""', '"') if found else written
        if len(text) > MAX_CELL_LENGTH:
            raise SpreadsheetError(
                "有一格写了 {length} 字，一格最多 {limit} 字，请缩短后再导入",
                length=len(text),
                limit=MAX_CELL_LENGTH,
            )
        if not is_blank(text):
            is_lost = _SCIENTIFIC.fullmatch(text)
            values[column] = UnreadableCell(text, _LOST_DIGITS) if is_lost else image_of_text(text) or text
    return values
