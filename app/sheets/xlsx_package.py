"""The zip of a workbook: unpacks and parses its XML parts within limits, resolves their relationships, and
tells which cells have an image and how many float.

Sizes declared in a zip are checked first but not trusted: unpacking stops at the limit in any case. Images
are never read.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import unquote
from xml.parsers import expat

from app.errors import SpreadsheetError
from app.sheets.limits import (
    MAX_DECLARED,
    MAX_DEPTH,
    MAX_PARTS,
    MAX_RELATIONS,
    MAX_TAGS,
    MAX_TOKEN,
    MAX_UNPACKED,
    TOO_MUCH,
)
from app.sheets.table import UnreadableCell

_DIRECTORY_ENTRY = b"PK\x01\x02"
# Exceptions that zipfile raises for a damaged file.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)
_FIRST_CHUNK = 64 * 2**10
NOT_WHOLE = "这个文件不完整或已损坏，请在 Excel 里重新保存一次再导入"

Attributes = dict[str, str]


class StopParsing(Exception):
    """Raised by a ``walk`` callback to skip the rest of the part."""


class OoxmlPackage:
    """The zip of a workbook, with its remaining budgets. Part names are case-insensitive."""

    def __init__(self, content: bytes) -> None:
        self.content = content
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

    def relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Relationship id -> (kind, existing part), from the ``.rels`` file of a part; "" is the package."""
        folder, name = posixpath.split(part)
        relations: dict[str, tuple[str, str]] = {}

        def start(element: str, attributes: Attributes) -> None:
            if len(relations) > MAX_RELATIONS:
                raise SpreadsheetError(TOO_MUCH)
            # Absolute or relative to the folder, literal or percent-encoded.
            target = posixpath.join("/", folder, attributes.get("Target", "").replace("\\", "/"))
            target = posixpath.normpath(target).lstrip("/")
            if target not in self:
                target = unquote(target)
            if element == "Relationship" and attributes.get("TargetMode") != "External" and target in self:
                kind = attributes.get("Type", "").rpartition("/")[2]
                relations[attributes.get("Id", "")] = (kind, target)

        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if rels in self:
            self.walk(rels, start)
        return relations

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
            raise SpreadsheetError(NOT_WHOLE) from error

    def read(self, name: str) -> bytes:
        """One part, within the limits; empty when it is missing."""
        return b"".join(self._chunks(name)) if name in self else b""

    def entries(self) -> dict[str, zipfile.ZipInfo]:
        """The entries of the zip by part name in lower case."""
        return dict(self._parts)

    def _chunks(self, name: str) -> Iterator[bytes]:
        """The part in chunks of doubling size, so that one huge tag is not rescanned for every chunk."""
        part = self._parts[_folded(name)]
        if part.flag_bits & 1:
            raise SpreadsheetError("这个文件有密码，请在 Excel 里去掉密码后再导入")
        if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise SpreadsheetError(NOT_WHOLE)  # workbooks use no other, and bzip2 unpacks without a limit
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
            raise SpreadsheetError(NOT_WHOLE) from error

    def _spend(self, chunk: bytes) -> None:
        for start in range(0, len(chunk) - MAX_TOKEN, MAX_TOKEN):
            if chunk.find(b"<", start, start + MAX_TOKEN) < 0:
                raise SpreadsheetError(TOO_MUCH)
        self._bytes_left -= len(chunk)
        self._tags_left -= chunk.count(b"<")
        if self._bytes_left < 0 or self._tags_left < 0:
            raise SpreadsheetError(TOO_MUCH)


def scan(
    content: bytes, start: Callable[[str, Attributes, int], None], end: Callable[[str, int], None]
) -> None:
    """Parse a part in UTF-8 with callbacks as ``walk`` does, and the byte offset of each tag.

    An empty element ends behind its only tag. ``StopParsing`` skips the rest.
    """
    parser = _parser(
        lambda name, attributes: start(name, attributes, parser.CurrentByteIndex),
        lambda name: end(name, parser.CurrentByteIndex),
        None,
    )
    try:
        parser.Parse(content, True)
    except StopParsing:
        pass
    except expat.ExpatError as error:
        raise SpreadsheetError(NOT_WHOLE) from error


def is_true(attributes: Attributes, name: str) -> bool:
    """Whether a boolean attribute is set."""
    return attributes.get(name) in ("1", "true")


def integer(attributes: Attributes, name: str) -> int:
    """An unsigned integer attribute; 0 if missing or invalid."""
    text = attributes.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 9 else 0


def _folded(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()


def _open_zip(content: bytes) -> zipfile.ZipFile:
    if content.count(_DIRECTORY_ENTRY) > MAX_PARTS:
        raise SpreadsheetError(TOO_MUCH)
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _BROKEN as error:
        raise SpreadsheetError(NOT_WHOLE) from error
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
            raise SpreadsheetError(NOT_WHOLE)
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
