"""``.ods`` and ``.xlsb`` files assembled by hand, and one ``.xls`` written by xlwt."""

import struct
from collections.abc import Sequence
from pathlib import Path

from tools.workbooks import by_hand

XLS = (Path(__file__).parent / "xlwt" / "autumn.xls").read_bytes()
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"
_ODS_TYPE = "application/vnd.oasis.opendocument.spreadsheet"


def ods(rows: str) -> bytes:
    """An OpenDocument spreadsheet with these ``<table:table-row>`` elements."""
    names = " ".join(f'xmlns:{name}="{_OFFICE}:{name}:1.0"' for name in ("office", "table", "text"))
    content = (
        f'<?xml version="1.0"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="秋款">{rows}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    manifest = (
        f'<manifest:manifest xmlns:manifest="{_OFFICE}:manifest:1.0"><manifest:file-entry '
        f'manifest:full-path="/" manifest:media-type="{_ODS_TYPE}"/></manifest:manifest>'
    )
    return by_hand.zipped({"mimetype": _ODS_TYPE, "content.xml": content, "META-INF/manifest.xml": manifest})


def ods_row(*cells: str) -> str:
    """A row of texts; a text that begins with ``<`` is a cell as it is."""
    inside = (
        cell
        if cell.startswith("<")
        else f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
        for cell in cells
    )
    return f"<table:table-row>{''.join(inside)}</table:table-row>"


def xlsb(rows: Sequence[Sequence[str | float]]) -> bytes:
    """A binary workbook with one sheet of texts and numbers."""
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    line = '<Relationship Id="rId1" Type="{}/{}" Target="{}"/>'.format
    bundle = _record(156, struct.pack("<2L", 0, 1) + _wide("rId1") + _wide("秋款"))
    workbook = _record(131) + _record(143) + bundle + _record(144) + _record(132)
    return by_hand.zipped(
        {
            "[Content_Types].xml": types,
            "_rels/.rels": relations.format(line(by_hand.RELATION, "officeDocument", "xl/workbook.bin")),
            "xl/workbook.bin": workbook,
            "xl/_rels/workbook.bin.rels": relations.format(
                line(by_hand.RELATION, "worksheet", "worksheets/sheet1.bin")
            ),
            "xl/worksheets/sheet1.bin": _binary_sheet(rows),
        }
    )


def _binary_sheet(rows: Sequence[Sequence[str | float]]) -> bytes:
    size = struct.pack("<4L", 0, len(rows) - 1, 0, max(map(len, rows)) - 1)
    lines = b"".join(
        _record(0, struct.pack("<2L", number, 0) + bytes(9))
        + b"".join(map(_binary_cell, range(len(row)), row))
        for number, row in enumerate(rows)
    )
    return _record(129) + _record(148, size) + _record(145) + lines + _record(146) + _record(130)


def _binary_cell(column: int, value: str | float) -> bytes:
    head = struct.pack("<2L", column, 0)
    return (
        _record(6, head + _wide(value))
        if isinstance(value, str)
        else _record(5, head + struct.pack("<d", value))
    )


def _wide(text: str) -> bytes:
    return struct.pack("<L", len(text)) + text.encode("utf-16-le")


def _record(kind: int, content: bytes = b"") -> bytes:
    """Type and size as integers of 7 bits a byte, then the content."""
    return _packed(kind) + _packed(len(content)) + content


def _packed(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _packed(high) if high else bytes([low])
