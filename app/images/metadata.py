"""Embeds generation parameters in image files and extracts them, without changing pixels.

PNG uses a text chunk ``parameters``, JPEG and WebP an EXIF UserComment. Metadata written by providers
(XMP, C2PA, an ``AIGC`` label, EXIF) is preserved byte for byte.
"""

import json
import re
import struct
import zlib
from collections.abc import Mapping, Sequence

from app.domain import ImageRequest, Size
from app.images import exif, exif_facts
from app.images.containers import (
    Part,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    png_chunks,
    sniff,
    webp_chunk,
    webp_chunks,
)

Pieces = Sequence[bytes | memoryview]

_KEYWORD = b"parameters"
_EXIF_HEADER = b"Exif\x00\x00"
_APP0, _APP1 = 0xE0, 0xE1
_MOST_IN_SEGMENT = 65_533 - len(_EXIF_HEADER)
_MOST_TEXT = 1_000_000
_HAS_EXIF, _HAS_ALPHA = 0x08, 0x10
_DEFAULT = "default"
_SIZE_TO_COME = "Size: ?"
_LABEL = re.compile(r'\{\s*"(?:AIGC"\s*:\s*\{|Label"\s*:\s*").*\}(?:\n|$)')


def parameters_text(
    request: ImageRequest, size: Size | None, model: str, record_id: int, seed: int | None
) -> str:
    """Format parameters like AUTOMATIC1111: prompt, ``Negative prompt: …``, one line of ``Name: value``.

    Readers recognise the line by ``Steps`` and ``Sampler``; ``default`` means chosen by the provider.
    ``seed`` is the one actually used. Without a size, ``with_real_size`` adds it after decoding.
    """
    values: Mapping[str, object] = {
        "Steps": _DEFAULT if request.steps is None else request.steps,
        "Sampler": _DEFAULT,
        "Schedule type": _DEFAULT,
        "Seed": seed,
        "Size": size or "?",
        "Model": model,
        "Record": record_id,
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    used = [f"{name}: {_quoted(str(value))}" for name, value in values.items() if value is not None]
    return "\n".join([*lines, ", ".join(used)])


def with_real_size(text: str, width: int, height: int) -> str:
    """Replace the placeholder of an unknown size with the decoded size in pixels."""
    head, line_break, last = text.rpartition("\n")
    return head + line_break + last.replace(_SIZE_TO_COME, f"Size: {width}x{height}", 1)


def embed(content: bytes, picture_format: str, text: str) -> Pieces:
    """Embed ``text``; returns the pieces that, concatenated, are the new file."""
    return {"png": _into_png, "jpeg": _into_jpeg, "webp": _into_webp}[picture_format](content, text)


def extract(content: bytes) -> str | None:
    """The parameters embedded by ``embed`` or another tool, or None."""
    reader = {"png": _from_png, "jpeg": _from_jpeg, "webp": _from_webp}.get(sniff(content) or "")
    return (reader(content) or None) if reader else None


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,:\n]", value) else value


def _into_png(content: bytes, text: str) -> Pieces:
    """Insert before the first IDAT, for lazy readers, and after any existing ``parameters`` chunk."""
    at = next((part.start for part in png_chunks(content) if part.name == b"IDAT"), 33)
    try:
        chunk = png_chunk(b"tEXt", _KEYWORD + b"\x00" + text.encode("latin-1"))
    except UnicodeEncodeError:
        chunk = png_chunk(b"iTXt", _KEYWORD + b"\x00\x00\x00\x00\x00" + text.encode("utf-8", "replace"))
    return _replaced(content, at, at, chunk)


def _from_png(content: bytes) -> str:
    found = ""
    for part in png_chunks(content):
        if part.name in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, _, rest = content[part.payload].partition(b"\x00")
            if keyword == _KEYWORD:
                found = _png_text(part.name, rest)
    return found


def _png_text(name: bytes, rest: bytes) -> str:
    if name == b"tEXt":
        return rest.decode("latin-1")
    if name == b"zTXt":
        return _inflated(rest[1:]).decode("latin-1")
    is_compressed = rest[:1] == b"\x01"
    text = rest[2:].split(b"\x00", 2)[-1]
    return (_inflated(text) if is_compressed else text).decode("utf-8", "replace")


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MOST_TEXT)
    except zlib.error:
        return b""


def _into_jpeg(content: bytes, text: str) -> Pieces:
    segments = list(jpeg_segments(content))
    picture = exif_facts.jpeg(content, segments)
    found = next((part for part in segments if _is_exif(content, part)), None)
    if found:
        grown = _with_comment(content[found.payload][len(_EXIF_HEADER) :], text, picture, _MOST_IN_SEGMENT)
        if grown:
            return _replaced(content, found.start, found.end, jpeg_segment(_APP1, _EXIF_HEADER + grown))
    at = segments[0].end if len(segments) > 1 and segments[0].name[0] == _APP0 else 2
    return _replaced(content, at, at, jpeg_segment(_APP1, _EXIF_HEADER + _new_block(text, picture)))


def _is_exif(content: bytes, part: Part) -> bool:
    return part.name[0] == _APP1 and content[part.payload].startswith(_EXIF_HEADER)


def _from_jpeg(content: bytes) -> str:
    for part in jpeg_segments(content):
        if _is_exif(content, part):
            return _without_label(exif.read_user_comment(content[part.payload][len(_EXIF_HEADER) :]))
    return ""


def _into_webp(content: bytes, text: str) -> Pieces:
    """Replace the EXIF chunk or append one; converts a simple file to the extended format."""
    chunks = list(webp_chunks(content))
    lead, lead_end = _extended_lead(content, chunks[0])
    picture = exif_facts.webp(lead, content, chunks)
    frame_end = chunks[-1].end
    found = next((part for part in chunks if part.name == b"EXIF"), None)
    payload = content[found.payload] if found else b""
    header = _EXIF_HEADER if payload.startswith(_EXIF_HEADER) else b""
    grown = _with_comment(payload[len(header) :], text, picture, _MOST_TEXT)
    start, end = (found.start, found.end) if found else (frame_end, frame_end)
    if grown is None:
        header, grown, end = b"", _new_block(text, picture), start

    view = memoryview(content)
    padding = bytes(start % 2)
    chunk = webp_chunk(b"EXIF", header + grown)
    body = (lead, view[lead_end:start], padding, chunk, view[end:frame_end])
    size = struct.pack("<L", len(b"WEBP") + sum(map(len, body)))
    return (b"RIFF", size, b"WEBP", *body, view[frame_end:])


def _extended_lead(content: bytes, first: Part) -> tuple[bytes, int]:
    """The VP8X chunk with the EXIF flag, and the offset of the rest of the file."""
    payload = content[first.payload]
    if first.name == b"VP8X":
        return webp_chunk(b"VP8X", bytes([payload[0] | _HAS_EXIF]) + payload[1:]), first.end
    flags = _HAS_EXIF
    if first.name == b"VP8L":
        (bits,) = struct.unpack_from("<L", payload, 1)
        last_column, last_row = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags |= _HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        last_column, last_row = ((side & 0x3FFF) - 1 for side in struct.unpack_from("<HH", payload, 6))
    lead = struct.pack("<L", flags) + last_column.to_bytes(3, "little") + last_row.to_bytes(3, "little")
    return webp_chunk(b"VP8X", lead), first.start


def _from_webp(content: bytes) -> str:
    for part in webp_chunks(content):
        if part.name == b"EXIF":
            return _without_label(exif.read_user_comment(content[part.payload].removeprefix(_EXIF_HEADER)))
    return ""


def _with_comment(block: bytes, text: str, picture: exif.Picture, limit: int) -> bytes | None:
    """The EXIF block with ``text`` as user comment, shortened to fit; None if invalid or too large."""
    label = _other_comment(block)
    while True:
        try:
            grown = exif.with_user_comment(block, f"{label}\n{text}" if label else text, picture)
        except ValueError:
            return None
        excess = len(grown) - limit
        if excess <= 0:
            return grown
        shorter = _shortened(text, by=excess // 4 + 1)
        if len(shorter) >= len(text):
            return None
        text = shorter


def _new_block(text: str, picture: exif.Picture) -> bytes:
    return _with_comment(b"", text, picture, _MOST_IN_SEGMENT) or b""


def _other_comment(block: bytes) -> str:
    """The existing user comment as one line; empty if it holds generation parameters."""
    comment = exif.read_user_comment(block)
    return "" if re.search(r"^Steps: ", comment, re.MULTILINE) else " ".join(comment.splitlines())


def _without_label(comment: str) -> str:
    return _LABEL.sub("", comment, count=1) if _LABEL.match(comment) else comment


def _shortened(text: str, *, by: int) -> str:
    """Shorten the prompts by ``by`` characters; the last line, with seed and record, is unchanged."""
    prompts, _, last = text.rpartition("\n")
    return f"{prompts[: max(len(prompts) - by - 1, 0)]}…\n{last}"


def _replaced(content: bytes, start: int, end: int, piece: bytes) -> Pieces:
    view = memoryview(content)
    return (view[:start], piece, view[end:])
