"""Finds the marks of AI-generated pictures in PNG, JPEG and WebP files, and carries one over into a copy.

At most ``_MAX_CANDIDATES`` texts of ``_MAX_TEXT`` bytes are looked at. Damaged metadata counts as far as it
can be read.
"""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape

from app.images import metadata
from app.images.containers import jpeg_segments, png_chunks, sniff, webp_chunks

_MAX_CANDIDATES = 16
_MAX_TEXT = 1_000_000  # bytes
_MAX_FIELDS, _MAX_NAME, _MAX_VALUE = 16, 40, 300  # characters
_NAMESPACE = "tc260.org.cn/ns/aigc/"
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_AIGC = _LETTERS = b"AIGC"
_APP1, _APP11 = 0xE1, 0xEB
_MAX_PACKET = 60_000  # bytes; a JPEG segment holds 65,533
_PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">'
    "<TC260:AIGC>{}</TC260:AIGC></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_IN_COMMENT = re.compile(r'\s*\{\s*"AIGC"\s*:\s*\{')


class MarkLost(Exception):
    """The implicit mark of a picture could not be written into a copy."""


def find_marks(content: bytes) -> dict[str, Any]:
    """``aigc`` and ``c2pa`` of a picture, as in ``app.domain.records``; None for files of other formats."""
    image_format = sniff(content)
    if image_format not in ("png", "jpeg", "webp"):
        return {"aigc": None, "c2pa": None}
    found = _first_mark(content, image_format)
    aigc = {"place": found[0], "fields": _fields(found[1])} if found else False
    return {"aigc": aigc, "c2pa": has_c2pa(content)}


def implicit_value(content: bytes, image_format: str) -> str | None:
    """The implicit mark as the service wrote it, its JSON without what follows; None without one."""
    found = _first_mark(content, image_format)
    if found is None:
        return None
    text = found[1].strip()
    with suppress(ValueError, RecursionError):
        return text[: json.JSONDecoder().raw_decode(text)[1]]
    return text.partition("\n")[0]  # the parameters may follow in the comment of an earlier version


def with_implicit_mark(content: bytes, image_format: str, value: str | None) -> bytes:
    """The picture without metadata but this mark, as XMP; read back. Raises MarkLost if that fails."""
    written = packet(value)
    marked = metadata.clean(content, image_format, written) if len(written) <= _MAX_PACKET else b""
    if not marked or implicit_value(marked, image_format) != value:
        raise MarkLost(value)
    return marked


def packet(value: str | None) -> bytes:
    """The XMP packet with this mark; empty without one."""
    return b"" if value is None else _PACKET.format(escape(value, {"\r": "&#13;"})).encode("utf-8", "replace")


def _candidates(content: bytes, image_format: str) -> Iterator[tuple[str, bytes | str]]:
    """(place, XMP packet or text) of what may hold the mark."""
    if image_format == "png":
        yield from _png_candidates(content)
    elif image_format == "jpeg":
        for part in jpeg_segments(content):
            if part.name[0] == _APP11 and _LETTERS in (segment := content[part.payload]):
                yield "app11", segment[segment.index(_LETTERS) :].decode("utf-8", "replace")
            elif part.name[0] == _APP1 and content.startswith(metadata.JPEG_XMP, part.payload.start):
                yield "xmp", content[part.payload].removeprefix(metadata.JPEG_XMP)
    else:
        for part in webp_chunks(content):
            if part.name == b"XMP ":
                yield "xmp", content[part.beginning(_MAX_TEXT)]
    if comment := metadata.user_comment(content, image_format):
        yield "exif", comment


def _png_candidates(content: bytes) -> Iterator[tuple[str, bytes | str]]:
    for part in png_chunks(content):
        for keyword, place in ((metadata.PNG_XMP, "xmp"), (_PNG_AIGC, "png")):
            if part.name in _PNG_TEXTS and content.startswith(keyword + b"\x00", part.payload.start):
                rest = content[part.beginning(_MAX_TEXT)][len(keyword) + 1 :]
                text = metadata.png_text(part.name, rest)
                yield place, text.encode() if place == "xmp" else text


def _first_mark(content: bytes, image_format: str) -> tuple[str, str] | None:
    """(place, text) of the first candidate that holds a mark."""
    candidates = islice(_candidates(content, image_format), _MAX_CANDIDATES)
    found = ((place, _implicit_mark(place, text)) for place, text in candidates)
    return next(((place, text) for place, text in found if text is not None), None)


def _implicit_mark(place: str, text: bytes | str) -> str | None:
    """The text of the mark in a candidate; None when it holds none."""
    if isinstance(text, bytes):
        return _aigc_property(text)
    if place == "app11":  # how the segment encodes the mark is not published
        return text[text.find("{") :] if "{" in text else text
    return text if place == "png" or _IN_COMMENT.match(text) else None


def _aigc_property(packet: bytes) -> str | None:
    """The text of the property AIGC of an XMP packet, an element or an attribute; None without one.

    What precedes a syntax error or a DOCTYPE, whose entities may expand, counts. Prefixes are looked up here:
    expat would write the namespace out in each name, which takes quadratic time when it is long.
    """
    texts: list[str] = []
    prefixes: set[str] = set()  # those declared so far for the namespace, "" for the default one
    depth = 0  # inside the property

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        for declared, value in attributes.items():
            if declared.partition(":")[0] == "xmlns" and _NAMESPACE in value.lower():
                prefixes.add(declared.partition(":")[2])
        texts.extend(value for each, value in attributes.items() if ":" in each and _is_aigc(each, prefixes))
        if depth or (not texts and _is_aigc(name, prefixes)):
            depth += 1
            texts.append("")

    def end(_name: str) -> None:
        nonlocal depth
        depth = max(depth - 1, 0)

    def data(piece: str) -> None:
        if depth:
            texts.append(piece)

    def doctype(*_: object) -> None:
        raise ValueError("DOCTYPE in XMP")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = data, doctype
    with suppress(expat.ExpatError, ValueError, LookupError):  # the last two: unknown encodings
        parser.Parse(packet, True)
    return "".join(texts) if texts else None


def _is_aigc(name: str, prefixes: Collection[str]) -> bool:
    prefix, _, local = name.rpartition(":")
    return local == "AIGC" and prefix in prefixes


def _fields(text: str) -> dict[str, str]:
    """The fields of the mark's JSON, printable and shortened; empty when it is damaged."""
    with suppress(ValueError, RecursionError):
        found, _ = json.JSONDecoder().raw_decode(text.strip())
        found = found.get("AIGC", found) if isinstance(found, dict) else {}
        if isinstance(found, dict):
            items = ((name, value) for name, value in found.items() if isinstance(value, (str, int)))
            return {
                _printable(name, _MAX_NAME): _printable(str(value), _MAX_VALUE)
                for name, value in islice(items, _MAX_FIELDS)
            }
    return {}


def _printable(text: str, length: int) -> str:
    return "".join(char for char in text[:length] if char.isprintable())


def has_c2pa(content: bytes) -> bool:
    """Whether a picture has a C2PA manifest; False for files of other formats."""
    image_format = sniff(content)
    if image_format == "png":
        return any(part.name == b"caBX" for part in png_chunks(content))
    if image_format == "webp":
        return any(part.name == b"C2PA" for part in webp_chunks(content))
    if image_format != "jpeg":
        return False
    heads = (content[part.beginning(64)] for part in jpeg_segments(content) if part.name[0] == _APP11)
    # The beginning of a JUMBF box of C2PA.
    return any(head.startswith(b"JP") and head[12:16] == b"jumb" and b"c2pa" in head[16:] for head in heads)
