"""Edits of XML parts of a workbook at byte offsets: whatever is not edited stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from app.errors import SpreadsheetError
from app.sheets.xlsx_package import NOT_WHOLE, Attributes, OoxmlPackage, StopParsing, integer, scan

_TAG = re.compile(rb"<(?:[^>\"']|\"[^\"]*\"|'[^']*')*>")
_ENCODING = re.compile(r"""(<\?xml[^>]*encoding=["'])([^"']+)""")
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
STRICT = "http://purl.oclc.org/ooxml/"
CONTENT_TYPES = "[Content_Types].xml"
_CUSTOM_PROPERTIES = "docProps/custom.xml"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
RELATIONSHIPS = f"{_OFFICE}/relationships"
_PROPERTY_KINDS = ("custom-properties", "customProperties")
_PROPERTIES_TYPE = "application/vnd.openxmlformats-officedocument.custom-properties+xml"
_PROPERTY_FORMAT = "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"
BATCH_PROPERTY = "AIImageBatch"
_MAX_BATCH_ID = 100

ByteEdit = tuple[int, int, bytes]  # start, end, what replaces the bytes between


@dataclass(frozen=True, slots=True)
class Element:
    """An element in the bytes of a part: ``end_tag`` is the offset of its end tag, None for ``<a/>``."""

    start: int
    end_tag: int | None
    name: bytes  # with its namespace prefix
    attributes: Attributes

    @property
    def prefix(self) -> str:
        """The namespace prefix with its colon, or ""."""
        before, colon, _ = self.name.decode().rpartition(":")
        return before + colon


def as_utf8(part: bytes) -> bytes:
    """The part in UTF-8 without a byte order mark, as the edits expect it."""
    part = part.removeprefix(b"\xef\xbb\xbf")
    is_utf16 = part.startswith((b"\xff\xfe", b"\xfe\xff"))
    declared = _ENCODING.search(part[:200].decode("latin-1"))
    encoding = "utf-16" if is_utf16 else declared[2].lower() if declared else "utf-8"
    if encoding in ("utf-8", "us-ascii"):
        return part
    try:
        text = part.decode(encoding)
    except (LookupError, UnicodeError) as error:
        raise SpreadsheetError(NOT_WHOLE) from error
    return _ENCODING.sub(r"\g<1>UTF-8", text, count=1).encode()


def tag_at(part: bytes, start: int) -> bytes:
    """The tag that begins at this offset."""
    found = _TAG.match(part, start)
    return found[0] if found else b""


def tag_name(tag: bytes) -> bytes:
    """``<x:row r="1">`` -> ``x:row``."""
    return re.split(rb"[\s/>]", tag[1:], maxsplit=1)[0]


def apply_edits(part: bytes, edits: Iterable[ByteEdit]) -> bytes:
    """The part after these edits, which do not overlap; those at one offset keep their order."""
    pieces, done = [], 0
    for start, end, replacement in sorted(edits, key=lambda edit: edit[:2]):
        pieces += [part[done:start], replacement]
        done = end
    return b"".join([*pieces, part[done:]])


def find_elements(part: bytes, name: str, *, limit: int | None = None) -> list[Element]:
    """The elements of this local name that are not inside one another; at most ``limit`` of them."""
    if not part:
        return []
    found: list[Element] = []
    opened: list[tuple[int, Attributes]] = []

    def start(element: str, attributes: Attributes, offset: int) -> None:
        if element == name:
            opened.append((offset, attributes))

    def end(element: str, offset: int) -> None:
        if element == name:
            first, attributes = opened.pop()
            qualified = tag_name(tag_at(part, first))
            is_open = re.match(rb"</%s\s*>" % re.escape(qualified), part[offset : offset + 300]) is not None
            found.append(Element(first, offset if is_open else None, qualified, attributes))
            if len(found) == limit:
                raise StopParsing

    scan(part, start, end)
    return found


def the_element(part: bytes, name: str) -> Element:
    """The first element of this name. Raises SpreadsheetError when there is none."""
    found = find_elements(part, name, limit=1)
    if not found:
        raise SpreadsheetError(NOT_WHOLE)
    return found[0]


def end_of(part: bytes, element: Element) -> int:
    """The offset behind an element."""
    last = element.start if element.end_tag is None else element.end_tag
    return last + len(tag_at(part, last))


def append_child(part: bytes, parent: Element, child: bytes) -> ByteEdit:
    """The edit that adds a child at the end of an element."""
    if parent.end_tag is not None:
        return parent.end_tag, parent.end_tag, child
    tag = tag_at(part, parent.start)
    opened = tag.removesuffix(b">").rstrip(b"/ \r\n\t") + b">"
    return parent.start, parent.start + len(tag), opened + child + b"</" + parent.name + b">"


def with_child(part: bytes, name: str, child: bytes) -> bytes:
    """The part with a child added to its first element of this name."""
    return apply_edits(part, [append_child(part, the_element(part, name), child)])


def with_attributes(tag: bytes, *, drop: Iterable[str] = (), **values: str) -> bytes:
    """The tag without some attributes, and with others set."""
    for name in (*drop, *values):
        tag = re.sub(rb"\s%s\s*=\s*(\"[^\"]*\"|'[^']*')" % name.encode(), b"", tag)
    end = b"/>" if tag.endswith(b"/>") else b">"
    added = "".join(f" {name}={quoteattr(value)}" for name, value in values.items())
    return tag.removesuffix(end).rstrip() + added.encode() + end


def is_strict(part: bytes) -> bool:
    """Whether a part is in the strict dialect of the format."""
    return STRICT.encode() in part[:4096]


def with_relations(rels: bytes, relations: Mapping[str, tuple[str, str]]) -> bytes:
    """Relationship id -> (type, target) added to a ``.rels`` part, which may be empty."""
    rels = as_utf8(rels) or f'<Relationships xmlns="{_RELATIONS}"/>'.encode()
    prefix = the_element(rels, "Relationships").prefix
    lines = (
        f"<{prefix}Relationship Id={quoteattr(id_)} Type={quoteattr(kind)} Target={quoteattr(target)}/>"
        for id_, (kind, target) in relations.items()
    )
    return with_child(rels, "Relationships", "".join(lines).encode())


def with_content_types(part: bytes, overrides: Mapping[str, str], defaults: Mapping[str, str]) -> bytes:
    """``[Content_Types].xml`` with these part names and extensions, unless they are there."""
    part = as_utf8(part)
    prefix = the_element(part, "Types").prefix
    there = {each.attributes.get("Extension", "").lower() for each in find_elements(part, "Default")}
    there |= {each.attributes.get("PartName", "").lower() for each in find_elements(part, "Override")}
    lines = [
        f"<{prefix}Default Extension={quoteattr(name)} ContentType={quoteattr(kind)}/>"
        for name, kind in defaults.items()
        if name not in there
    ]
    lines += [
        f"<{prefix}Override PartName={quoteattr('/' + name)} ContentType={quoteattr(kind)}/>"
        for name, kind in overrides.items()
        if f"/{name}".lower() not in there
    ]
    return with_child(part, "Types", "".join(lines).encode())


def relations_of(part: str) -> str:
    """``xl/workbook.xml`` -> ``xl/_rels/workbook.xml.rels``; "" is the package."""
    folder, slash, name = part.rpartition("/")
    return f"{folder}{slash}_rels/{name}.rels"


def with_styles(part: bytes, styles: Iterable[str]) -> tuple[bytes, int]:
    """The styles with cell formats added, the attributes of ``<xf>`` -> (part, index of the first).

    Cells of these formats are aligned at the top, with wrapped text.
    """
    part = as_utf8(part)
    found = find_elements(part, "cellXfs", limit=1)
    if not found or found[0].end_tag is None:
        return part, 0
    formats = found[0]
    inside = part[formats.start : formats.end_tag]
    number = len(re.findall(rb"<(?:\w+:)?xf[\s/>]", inside))
    p = formats.prefix
    added = [f'<{p}xf {style}><{p}alignment vertical="top" wrapText="1"/></{p}xf>' for style in styles]
    tag = tag_at(part, formats.start)
    counted = with_attributes(tag, count=str(number + len(added)))
    edits = [
        append_child(part, formats, "".join(added).encode()),
        (formats.start, formats.start + len(tag), counted),
    ]
    return apply_edits(part, edits), number


def with_batch_property(part: bytes, batch_id: str) -> bytes:
    """Custom document properties, which may be empty, with the batch that the results are from."""
    root = f'<Properties xmlns="{_OFFICE}/custom-properties"/>'
    part = as_utf8(part) or f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{root}'.encode()
    properties = find_elements(part, "property")
    numbers = [integer(each.attributes, "pid") for each in properties]
    ours = next((each for each in properties if each.attributes.get("name") == BATCH_PROPERTY), None)
    value = (
        f'<property xmlns="{_OFFICE}/custom-properties" fmtid="{_PROPERTY_FORMAT}" '
        f'pid="{max([1, *numbers]) + 1}" name="{BATCH_PROPERTY}">'
        f'<vt:lpwstr xmlns:vt="{_OFFICE}/docPropsVTypes">{escape(batch_id)}</vt:lpwstr></property>'
    ).encode()
    if ours is None:
        return with_child(part, "Properties", value)
    return apply_edits(part, [(ours.start, end_of(part, ours), value)])


def batch_property_parts(package: OoxmlPackage, batch_id: str) -> tuple[dict[str, bytes], dict[str, str]]:
    """The document properties naming the batch -> (changed parts, content types of new ones)."""
    found = (part for kind, part in package.relations("").values() if kind in _PROPERTY_KINDS)
    if part := next(found, None):
        return {part: with_batch_property(package.read(part), batch_id)}, {}
    root = relations_of("")
    relation = {"resultProperties": (f"{RELATIONSHIPS}/custom-properties", _CUSTOM_PROPERTIES)}
    changed = {
        root: with_relations(package.read(root), relation),
        _CUSTOM_PROPERTIES: with_batch_property(b"", batch_id),
    }
    return changed, {_CUSTOM_PROPERTIES: _PROPERTIES_TYPE}


def batch_of_package(package: OoxmlPackage) -> str:
    """The batch that the file names in its document properties; "" when there is none."""
    found: list[str] = []
    is_ours = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal is_ours
        if name == "property":
            is_ours = attributes.get("name") == BATCH_PROPERTY

    def text(characters: str) -> None:
        if is_ours:
            found.append(characters)

    for kind, part in package.relations("").values():
        if kind in _PROPERTY_KINDS:
            package.walk(part, start, None, text)
    return "".join(found).strip()[:_MAX_BATCH_ID]
