"""Pictures placed in cells: the parts of a drawing, in a new one or added to the one that is there."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from app.errors import message
from app.sheets.sheet_edit import SheetEdit
from app.sheets.xlsx_edit import (
    CONTENT_TYPES,
    RELATIONSHIPS,
    STRICT,
    ByteEdit,
    append_child,
    apply_edits,
    as_utf8,
    end_of,
    find_elements,
    is_strict,
    relations_of,
    the_element,
    with_content_types,
    with_relations,
)
from app.sheets.xlsx_package import OoxmlPackage, integer
from app.sheets.zip_writer import ZipWriter

# Thumbnail size in pixels, and the total of their bytes, which keeps the file small enough to import.
THUMBNAIL_BOX = (96, 76)
MAX_THUMBNAIL_BYTES = 15 * 2**20
# Record ids -> their thumbnails in this order, PNG or JPEG, None where there is none.
Thumbnails = Callable[[Iterable[int]], Iterator[bytes | None]]

# Content types of thumbnails by extension, and what stands in a cell whose thumbnail is left out.
PICTURE_TYPES = {"jpeg": "image/jpeg", "png": "image/png"}
LEFT_OUT = message("缩略图太多，这张没有放入")

_EMU_PER_PIXEL: Final = 9_525
_INSET: Final = 3  # pixels between the picture and the edges of its cell
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAME = re.compile(rb"[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]")
_ROW = re.compile(rb"row>\s*([0-9]{1,7})\s*<")
_NAME = "AI result"
_DRAWING_ID = "resultDrawing"
_DRAWING_TYPE = "application/vnd.openxmlformats-officedocument.drawing+xml"
_NUMBERED = re.compile(r"result([0-9]{1,9})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The cell of a picture, 1-based, and the space in it in pixels, below ``top`` ones for a text."""

    row: int
    column: int
    width: int
    height: int
    top: int = 0


class DrawingWriter:
    """Collects pictures and writes the XML of their drawing.

    ``drawing`` and ``rels`` are the parts that are there, or empty; ``numbers`` are those of its pictures,
    free in the package. With ``moves`` the pictures are hidden and sorted with their rows.
    """

    def __init__(
        self,
        drawing: bytes = b"",
        rels: bytes = b"",
        *,
        numbers: Iterator[int],
        strict: bool = False,
        moves: bool = False,
    ) -> None:
        self._drawing, self._rels, self._moves = as_utf8(drawing), rels, moves
        drawingml = f"{STRICT}drawingml" if strict else "http://schemas.openxmlformats.org/drawingml/2006"
        self.relationships = f"{STRICT}officeDocument/relationships" if strict else RELATIONSHIPS
        self._names = f'xmlns:xdr="{drawingml}/spreadsheetDrawing" xmlns:a="{drawingml}/main"'
        self._numbers = numbers
        ids = [integer(each.attributes, "id") for each in find_elements(self._drawing, "cNvPr")]
        self._last_id = max([1, *ids])
        self._anchors: list[str] = []
        self._rows: set[int] = set()
        self._new: dict[str, tuple[str, str]] = {}

    def add(self, place: Place, content: bytes) -> str:
        """Add a PNG or JPEG -> the name of its part; "" when it is neither."""
        size = picture_size(content)
        if size is None:
            return ""
        number = next(self._numbers)
        self._last_id += 1
        name = f"xl/media/result{number}.{'png' if content.startswith(_PNG) else 'jpeg'}"
        self._new[f"result{number}"] = (f"{self.relationships}/image", f"/{name}")
        self._anchors.append(self._anchor(place, size, number))
        self._rows.add(place.row)
        return name

    def parts(self) -> tuple[bytes, bytes]:
        """(drawing, its relationships); pictures of earlier results in the same rows are replaced."""
        head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        drawing = self._drawing or f"{head}<xdr:wsDr {self._names}/>".encode()
        root = the_element(drawing, "wsDr")
        edits = [*self._removals(), append_child(drawing, root, "".join(self._anchors).encode())]
        return apply_edits(drawing, edits), with_relations(self._rels, self._new)

    def _removals(self) -> Iterator[ByteEdit]:
        for kind in ("oneCellAnchor", "twoCellAnchor"):
            for anchor in find_elements(self._drawing, kind):
                end = end_of(self._drawing, anchor)
                row = _ROW.search(self._drawing, anchor.start, end)
                is_ours = f'name="{_NAME} '.encode() in self._drawing[anchor.start : end]
                if is_ours and row and int(row[1]) + 1 in self._rows:
                    yield anchor.start, end, b""

    def _anchor(self, place: Place, size: tuple[int, int], number: int) -> str:
        scale = min(place.width / size[0], place.height / size[1])
        width, height = (max(1, int(side * scale)) for side in size)
        extent = f'cx="{width * _EMU_PER_PIXEL}" cy="{height * _EMU_PER_PIXEL}"'
        top = _INSET + place.top
        end = _marker("to", place, _INSET + width, top + height) if self._moves else f"<xdr:ext {extent}/>"
        kind = "twoCellAnchor" if self._moves else "oneCellAnchor"
        return (
            f'<xdr:{kind} {self._names} xmlns:r="{self.relationships}">'
            f"{_marker('from', place, _INSET, top)}{end}<xdr:pic><xdr:nvPicPr>"
            f'<xdr:cNvPr id="{self._last_id}" name="{_NAME} {number}"/>'
            '<xdr:cNvPicPr><a:picLocks noChangeAspect="1"/></xdr:cNvPicPr></xdr:nvPicPr><xdr:blipFill>'
            f'<a:blip r:embed="result{number}"/><a:stretch><a:fillRect/></a:stretch></xdr:blipFill>'
            f'<xdr:spPr><a:xfrm><a:off x="0" y="0"/><a:ext {extent}/></a:xfrm><a:prstGeom prst="rect">'
            f"<a:avLst/></a:prstGeom></xdr:spPr></xdr:pic><xdr:clientData/></xdr:{kind}>"
        )


@dataclass(frozen=True, slots=True)
class Drawing:
    """The drawing of a sheet: its part, its writer, and the element to add to the sheet when it is new.

    ``changed`` and ``types`` are what a new one changes in the package, and its content type.
    """

    part: str
    writer: DrawingWriter
    element: str = ""
    changed: Mapping[str, bytes] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)


def picture_numbers(package: OoxmlPackage) -> Iterator[int]:
    """The numbers that are free for pictures: one of them for all drawings of a package."""
    drawings = (name for name in package.names if name.startswith("xl/drawings/_rels/"))
    names = "\n".join([*package.names, *(package.read(name).decode("utf-8", "replace") for name in drawings)])
    return count(1 + max(map(int, _NUMBERED.findall(names)), default=0))


def open_drawing(
    package: OoxmlPackage,
    sheet_part: str,
    edit: SheetEdit,
    numbers: Iterator[int],
    *,
    moves: bool = False,
    others: Collection[str] = (),
) -> Drawing | None:
    """The drawing of the sheet, or a new one; None when the sheet names one that is missing.

    ``numbers`` are ``picture_numbers``; ``others`` the parts of other new drawings.
    """
    if edit.drawing is not None:
        _, part = package.relations(sheet_part).get(edit.drawing, ("", ""))
        if not part:
            return None
        drawing, rels = package.read(part), package.read(relations_of(part))
        return Drawing(
            part, DrawingWriter(drawing, rels, numbers=numbers, strict=is_strict(drawing), moves=moves)
        )
    strict, prefix = is_strict(edit.part), edit.prefix
    return new_drawing(package, sheet_part, numbers, prefix=prefix, strict=strict, moves=moves, others=others)


def new_drawing(
    package: OoxmlPackage,
    sheet_part: str,
    numbers: Iterator[int],
    *,
    prefix: str = "",
    strict: bool = False,
    moves: bool = False,
    others: Collection[str] = (),
) -> Drawing:
    """The drawing of a sheet that has none; ``prefix`` is that of the namespace of the sheet."""
    free = (f"xl/drawings/drawing{number}.xml" for number in count(1))
    part = next(name for name in free if name not in package and name not in others)
    writer, rels_part = DrawingWriter(numbers=numbers, strict=strict, moves=moves), relations_of(sheet_part)
    relation = {_DRAWING_ID: (f"{writer.relationships}/drawing", f"/{part}")}
    return Drawing(
        part,
        writer,
        element=f'<{prefix}drawing xmlns:r="{writer.relationships}" r:id="{_DRAWING_ID}"/>',
        changed={rels_part: with_relations(package.read(rels_part), relation)},
        types={part: _DRAWING_TYPE},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSheet:
    """A sheet with thumbnails of records (id, place) in its drawing, if it has one.

    ``part`` returns the sheet, given the first row whose thumbnail was left out, if any.
    """

    name: str
    drawing: Drawing | None
    places: Sequence[tuple[int, Place]]
    part: Callable[[int | None], bytes]


def package_with_pictures(
    package: OoxmlPackage,
    changed: Mapping[str, bytes],
    types: Mapping[str, str],
    sheets: Sequence[FilledSheet],
    thumbnails: Thumbnails,
) -> Iterator[bytes]:
    """The zip of a package with changed parts and sheets, and the content types of new parts.

    Every other part is copied as it is.
    """
    writer, left, budget = ZipWriter(), dict(changed), MAX_THUMBNAIL_BYTES
    new_types = dict(types)
    for sheet in sheets:
        left |= sheet.drawing.changed if sheet.drawing else {}
        new_types |= sheet.drawing.types if sheet.drawing else {}
    yield writer.add(CONTENT_TYPES, with_content_types(package.read(CONTENT_TYPES), new_types, PICTURE_TYPES))
    for sheet in sheets:
        if sheet.drawing is None:
            left[sheet.name] = sheet.part(None)
            continue
        first_left_out: int | None = None
        found = thumbnails(record_id for record_id, _ in sheet.places)
        for (_, place), content in zip(sheet.places, found, strict=False):
            budget -= len(content or b"")
            if budget <= 0:
                first_left_out = place.row
                break
            if content and (name := sheet.drawing.writer.add(place, content)):
                yield writer.add(name, content, compress=False)
        left[sheet.drawing.part], left[relations_of(sheet.drawing.part)] = sheet.drawing.writer.parts()
        left[sheet.name] = sheet.part(first_left_out)
    for name, content in left.items():
        yield writer.add(name, content)
    written = {name.lower() for name in (CONTENT_TYPES, *left)}
    for name, entry in package.entries().items():
        if name not in written:
            yield writer.copy(package.content, entry)
    yield writer.finish()


def picture_size(content: bytes) -> tuple[int, int] | None:
    """(width, height) of a PNG or JPEG; None for other or damaged content."""
    if content.startswith(_PNG) and len(content) >= 24:
        width, height = struct.unpack_from(">2L", content, 16)
        return (width, height) if width and height else None
    at = 2 if content.startswith(b"\xff\xd8") else len(content)
    while at + 9 <= len(content) and content[at] == 0xFF:
        if _FRAME.match(content, at + 1):
            height, width = struct.unpack_from(">2H", content, at + 5)
            return (width, height) if width and height else None
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _marker(name: str, place: Place, right: int, down: int) -> str:
    return (
        f"<xdr:{name}><xdr:col>{place.column - 1}</xdr:col><xdr:colOff>{right * _EMU_PER_PIXEL}</xdr:colOff>"
        f"<xdr:row>{place.row - 1}</xdr:row><xdr:rowOff>{down * _EMU_PER_PIXEL}</xdr:rowOff></xdr:{name}>"
    )
