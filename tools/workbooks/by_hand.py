"""Workbooks assembled part by part, in the shapes that other programs and attackers write."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
STRICT_MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
STRICT_RELATION = "http://purl.oclc.org/ooxml/officeDocument/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'


def workbook(
    sheet: str,
    *,
    strings: Sequence[str] | None = None,
    styles: str | None = None,
    before_sheets: str = "",
    main: str = MAIN,
    relation: str = RELATION,
    extra: Mapping[str, str | bytes] | None = None,
    targets: Mapping[str, str] | None = None,
) -> bytes:
    """A workbook with this inside ``<worksheet>`` of its only sheet; ``strings`` are ``<si>`` contents.

    ``targets`` are the part names written into the relationships, by kind.
    """
    relations = [("rId1", "worksheet", "worksheets/sheet1.xml")]
    parts: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _relations(relation, [("rId1", "officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{relation}">{before_sheets}<sheets>'
        '<sheet name="表1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}">{sheet}</worksheet>',
    }
    if strings is not None:
        relations.append(("rId2", "sharedStrings", "sharedStrings.xml"))
        items = "".join(f"<si>{item}</si>" for item in strings)
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{main}">{items}</sst>'
    if styles is not None:
        relations.append(("rId3", "styles", "styles.xml"))
        parts["xl/styles.xml"] = f'<styleSheet xmlns="{main}">{styles}</styleSheet>'
    places = targets or {}
    relations = [(id_, kind, places.get(kind, target)) for id_, kind, target in relations]
    parts["xl/_rels/workbook.xml.rels"] = _relations(relation, relations)
    return zipped({**parts, **(extra or {})})


def inline_rows(rows: Sequence[Sequence[str]], first: int = 1) -> str:
    """``<sheetData>`` with inline strings."""
    lines = (
        f'<row r="{number}">'
        + "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>' for text in row)
        + "</row>"
        for number, row in enumerate(rows, first)
    )
    return f"<sheetData>{''.join(lines)}</sheetData>"


def moved(content: bytes, name: str, place: str) -> bytes:
    """The workbook with one part at another path in the zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return zipped({place if part == name else part: archive.read(part) for part in archive.namelist()})


def zipped(parts: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _relations(kind: str, relations: Sequence[tuple[str, str, str]]) -> str:
    lines = (
        f'<Relationship Id="{i}" Type="{kind}/{what}" Target="{target}"/>' for i, what, target in relations
    )
    return f'<Relationships xmlns="{_PACKAGE}">{"".join(lines)}</Relationships>'
