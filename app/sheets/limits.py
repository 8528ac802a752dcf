"""Resource limits for uploaded files: unpacked bytes, tags, cells and text are counted.

Sizes declared in a zip are checked first but not trusted: unpacking stops at the limit in any case.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from xml.parsers import expat

from app.errors import SpreadsheetError, TooLarge

MAX_UPLOAD = 20 * 2**20
MAX_PARTS = 25_000
MAX_DECLARED = 2**30
MAX_UNPACKED = 64 * 2**20
MAX_TAGS = 1_500_000
MAX_DEPTH = 64
MAX_SHEETS = 200
MAX_RELATIONS = 10_000
MAX_STYLES = 65_536
MAX_MERGES = 50_000
MAX_CELLS = 500_000
MAX_COLUMN = 512
MAX_LINE = 400_000
MAX_SHEET_ROWS = 200_000
MAX_CELL_LENGTH = 32_767
MAX_TEXT = 20_000_000

_DIRECTORY_ENTRY = b"PK\x01\x02"
# Exceptions that zipfile raises for a damaged file.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_FIRST_CHUNK = 64 * 2**10
_LONGEST_TOKEN = 512 * 2**10  # maximum bytes without a tag; no cell is that long
_NOT_WHOLE = "这个文件不完整或已损坏，请在 Excel 里重新保存一次再导入"
TOO_MUCH = "这个文件里的内容太多，一次最多导入 5000 行，请只留下要生成的行和列再试"

Attributes = dict[str, str]


class StopParsing(Exception):
    """Raised by a ``walk`` callback to skip the rest of the part."""


def check_upload(content: bytes) -> None:
    """Refuse an empty upload, or one over MAX_UPLOAD bytes."""
    if not content.strip(b"\x00 \r\n\t"):
        raise SpreadsheetError("这个文件是空的，请选一个有内容的表格")
    if len(content) > MAX_UPLOAD:
        raise TooLarge(
            f"文件有 {len(content) / 2**20:.0f} MB，最多 {MAX_UPLOAD // 2**20} MB，请删掉图片或分成几个文件"
        )


class TextBudget:
    """The number of characters that may still be read."""

    def __init__(self) -> None:
        self._left = MAX_TEXT

    def spend(self, letters: int) -> None:
        """Subtract ``letters``; SpreadsheetError when the budget is exceeded."""
        self._left -= letters
        if self._left < 0:
            raise SpreadsheetError(f"表格里的文字超过 {MAX_TEXT // 10_000} 万字，请分成几个文件导入")


class OoxmlPackage:
    """The zip of a workbook, with its remaining budgets. Part names are case-insensitive."""

    def __init__(self, content: bytes) -> None:
        self._zip = _open_zip(content)
        self._parts = {_folded(part.filename): part for part in self._zip.infolist()}
        self._bytes_left = MAX_UNPACKED
        self._tags_left = MAX_TAGS

    def __contains__(self, name: str) -> bool:
        return _folded(name) in self._parts

    @property
    def names(self) -> list[str]:
        """The names of all parts, in lower case."""
        return list(self._parts)

    def walk(
        self,
        name: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Parse one XML part with callbacks ``start``, ``end`` and ``text``; names have no namespace prefix.

        A DOCTYPE is refused: workbooks have none, and its entities allow expansion attacks.
        """
        parser = _parser(start, end, text)
        try:
            for chunk in self._chunks(name):
                parser.Parse(chunk)
            parser.Parse(b"", True)
        except StopParsing:
            pass
        except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: unknown encodings
            raise SpreadsheetError(_NOT_WHOLE) from error

    def _chunks(self, name: str) -> Iterator[bytes]:
        """The part in chunks of doubling size, so that one huge tag is not rescanned for every chunk."""
        part = self._parts[_folded(name)]
        if part.flag_bits & 1:
            raise SpreadsheetError("这个文件有密码，请在 Excel 里去掉密码后再导入")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SpreadsheetError(_NOT_WHOLE)  # workbooks use no other, and bzip2 unpacks without a limit
        if part.file_size > self._bytes_left:
            raise SpreadsheetError(TOO_MUCH)
        size = _FIRST_CHUNK
        try:
            with self._zip.open(part) as source:
                while chunk := source.read(size):
                    self._spend(chunk)
                    yield chunk
                    size *= 2
        except _BROKEN as error:
            raise SpreadsheetError(_NOT_WHOLE) from error

    def _spend(self, chunk: bytes) -> None:
        for place in range(0, len(chunk) - _LONGEST_TOKEN, _LONGEST_TOKEN):
            if chunk.find(b"<", place, place + _LONGEST_TOKEN) < 0:
                raise SpreadsheetError(TOO_MUCH)
        self._bytes_left -= len(chunk)
        self._tags_left -= chunk.count(b"<")
        if self._bytes_left < 0 or self._tags_left < 0:
            raise SpreadsheetError(TOO_MUCH)


def _folded(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _open_zip(content: bytes) -> zipfile.ZipFile:
    if content.count(_DIRECTORY_ENTRY) > MAX_PARTS:
        raise SpreadsheetError(TOO_MUCH)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise SpreadsheetError(_NOT_WHOLE) from error
    if sum(part.file_size for part in archive.infolist()) > MAX_DECLARED:
        raise SpreadsheetError(TOO_MUCH)
    return archive


def _parser(
    start: Callable[[str, Attributes], None],
    end: Callable[[str], None] | None,
    text: Callable[[str], None] | None,
) -> expat.XMLParserType:
    depth = 0

    def opened(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise SpreadsheetError(_NOT_WHOLE)
        start(name.rpartition(":")[2] if ":" in name else name, attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(name.rpartition(":")[2] if ":" in name else name)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_declaration: Any) -> None:
    raise SpreadsheetError(
        "这个文件里夹带了表格不该有的定义，为安全起见没有打开，请在 Excel 里另存为 .xlsx 再导入"
    )
