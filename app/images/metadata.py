"""Generation parameters as text in AUTOMATIC1111 format, written by us or another tool; embeds them in image
files, extracts them, and removes metadata, without changing pixels.

PNG uses a text chunk ``parameters``, JPEG and WebP an EXIF UserComment. Metadata written by providers
(XMP, an ``AIGC`` label, EXIF) is preserved byte for byte; a C2PA manifest does not fit the file after it.
"""

import json
import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.domain import ImageRequest, Size, own_size
from app.images import exif
from app.images.containers import (
    Part,
    jpeg_scans,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    png_chunks,
    sniff,
    webp_chunk,
    webp_chunks,
)

Pieces = Sequence[bytes | memoryview]

PNG_XMP = b"XML:com.adobe.xmp"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\x00"

_KEYWORD = b"parameters"
_EXIF_HEADER = b"Exif\x00\x00"
_APP0, _APP1, _APP2, _APP14, _COMMENT = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_MAX_IN_SEGMENT = 65_533 - len(_EXIF_HEADER)
_MAX_TEXT = 1_000_000
_HAS_XMP, _HAS_EXIF, _HAS_ALPHA = 0x04, 0x08, 0x10
# What shows the pixels as they are meant, and nothing else.
_PNG_PIXELS = b"IHDR PLTE tRNS cHRM gAMA iCCP sBIT sRGB cICP pHYs IDAT IEND".split()
_WEBP_PIXELS = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
_LABEL = re.compile(r'\A\{\s*"(?:AIGC"\s*:\s*\{|Label"\s*:\s*").*\}(?:\n|$)')
# The length of a name is limited, so that parsing untrusted text takes linear time.
_SETTING = re.compile(r'([A-Za-z][\w \-/]{0,40}):\s*("(?:\\.|[^\\"])*+"|[^,]*)(?:,|$)')
_DEFAULT = "default"
UNKNOWN_SIZE = "Size: ?"
_NEGATIVE = re.compile(r"^Negative prompt:", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The generation parameters of an image; None or empty if missing.

    ``own_size`` is the size that was asked for in the place of a resolution; ``text`` is the unparsed text.
    """

    prompt: str
    negative_prompt: str
    seed: int | None
    steps: int | None
    width: int | None
    height: int | None
    own_size: str
    model: str
    record_id: int | None
    text: str


def format_parameters(
    request: ImageRequest, size: Size | None, model: str, record_id: int, seed: int | None
) -> str:
    """Format parameters like AUTOMATIC1111: prompt, ``Negative prompt: …``, one line of ``Name: value``.

    Readers recognise the line by ``Steps`` and ``Sampler``; ``default`` means chosen by the provider.
    ``seed`` is the one actually used. Options that were asked for follow (``Background: transparent``).
    Without a size there is UNKNOWN_SIZE, which ``save_image`` replaces after decoding.
    """
    values: Mapping[str, object] = {
        "Steps": _DEFAULT if request.steps is None else request.steps,
        "Sampler": _DEFAULT,
        "Schedule type": _DEFAULT,
        "Seed": seed,
        "Size": size or "?",
        "Own size": own_size(request.resolution),
        "Model": model,
        "Record": record_id,
        **{name.replace("_", " ").capitalize(): value for name, value in request.options.items()},
    }
    lines = [request.prompt]
    if request.negative_prompt:
        lines.append(f"Negative prompt: {request.negative_prompt}")
    used = [f"{name}: {_quoted(str(value))}" for name, value in values.items() if value is not None]
    return "\n".join([*lines, ", ".join(used)])


def parse_parameters(text: str) -> Parameters:
    """Parse prompt, ``Negative prompt: …`` and a line of settings; each may be missing."""
    described, _, last = text.rstrip().rpartition("\n")
    settings = {name: _unquoted(value) for name, value in _SETTING.findall(last)}
    if settings.keys().isdisjoint(("Size", "Seed", "Steps")):  # the last line is one of the prompts
        described, settings = text, {}
    prompt, *negative = _NEGATIVE.split(described, maxsplit=1)
    width, _, height = settings.get("Size", "").partition("x")
    return Parameters(
        prompt=prompt.strip(),
        negative_prompt="".join(negative).strip(),
        seed=_integer(settings.get("Seed")),
        steps=_integer(settings.get("Steps")),
        width=_integer(width),
        height=_integer(height),
        own_size=settings.get("Own size", ""),
        model=settings.get("Model", ""),
        record_id=_integer(settings.get("Record")),
        text=text,
    )


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r"[,:\n]", value) else value


def _unquoted(value: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value


def _integer(value: str | None) -> int | None:
    return int(value) if value and re.fullmatch(r"[0-9]{1,18}", value) else None


def embed(content: bytes, image_format: str, text: str) -> Pieces:
    """Embed ``text``; returns the pieces that, concatenated, are the new file."""
    return {"png": _into_png, "jpeg": _into_jpeg, "webp": _into_webp}[image_format](content, text)


def extract(content: bytes) -> str | None:
    """The parameters embedded in a PNG, JPEG or WebP file by us or another tool; None without any."""
    image_format = sniff(content)
    if image_format == "png":
        return _from_png(content) or None
    return _LABEL.sub("", user_comment(content, image_format), count=1) or None


def clean(content: bytes, image_format: str, xmp: bytes = b"") -> bytes:
    """The same pixels without metadata, but colour profile, density, orientation, and ``xmp`` if given."""
    part = next(_exif_parts(content, image_format), None)
    block = content[part.payload].removeprefix(_EXIF_HEADER) if part else b""
    orientation = exif.read_orientation(block)
    block = exif.orientation_block(orientation) if orientation > 1 else b""
    return {"png": _clean_png, "jpeg": _clean_jpeg, "webp": _clean_webp}[image_format](content, block, xmp)


def user_comment(content: bytes, image_format: str | None) -> str:
    """The EXIF user comment of a JPEG or WebP file; empty without one."""
    part = next(_exif_parts(content, image_format), None)
    if part is None:
        return ""
    block = content[part.beginning(2 * _MAX_TEXT)]
    return exif.read_user_comment(block.removeprefix(_EXIF_HEADER))


def png_text(name: bytes, rest: bytes) -> str:
    """The text of a chunk tEXt, zTXt or iTXt; ``rest`` is its payload after keyword and zero byte."""
    if name == b"tEXt":
        return rest.decode("latin-1")
    if name == b"zTXt":
        return _inflated(rest[1:]).decode("latin-1")
    is_compressed = rest[:1] == b"\x01"
    text = rest[2:].split(b"\x00", 2)[-1]
    return (_inflated(text) if is_compressed else text).decode("utf-8", "replace")


def _clean_png(content: bytes, block: bytes, xmp: bytes) -> bytes:
    pieces = [(part.name, content[part.start : part.end]) for part in png_chunks(content)]
    kept = [piece for name, piece in pieces if name in _PNG_PIXELS]
    added = [png_chunk(b"iTXt", PNG_XMP + bytes(5) + xmp)] if xmp else []
    added += [png_chunk(b"eXIf", block)] if block else []
    return b"".join([content[:8], kept[0], *added, *kept[1:]])


def _clean_jpeg(content: bytes, block: bytes, xmp: bytes) -> bytes:
    segments = list(jpeg_segments(content))
    segments += jpeg_scans(content, segments[-1].end if segments else 2)
    pieces = [jpeg_segment(_APP1, _EXIF_HEADER + block)] if block else []
    pieces += [jpeg_segment(_APP1, JPEG_XMP + xmp)] if xmp else []
    for part in segments:
        marker, payload = part.name[0], content[part.payload]
        if marker == _APP0 and payload.startswith(b"JFIF\x00"):  # first, and without its thumbnail
            pieces.insert(0, jpeg_segment(_APP0, payload[:12] + b"\x00\x00"))
        elif marker == _APP14 and payload.startswith(b"Adobe"):
            pieces.append(jpeg_segment(_APP14, payload[:12]))
        elif (marker == _APP2 and payload.startswith(b"ICC_PROFILE\x00")) or not (
            _APP0 <= marker < _APP0 + 16 or marker == _COMMENT
        ):
            pieces.append(content[part.start : part.end])
    return b"".join([content[:2], *pieces])


def _clean_webp(content: bytes, block: bytes, xmp: bytes) -> bytes:
    chunks = list(webp_chunks(content))
    flags = (_HAS_XMP if xmp else 0) | (_HAS_EXIF if block else 0)
    lead, lead_end = b"", 12
    if flags or chunks[0].name == b"VP8X":
        lead, lead_end = _extended_lead(content, chunks[0], flags, removed=_HAS_XMP | _HAS_EXIF)
    body = [content[p.start : p.end] for p in chunks if p.start >= lead_end and p.name in _WEBP_PIXELS]
    body += [webp_chunk(b"EXIF", block)] if block else []
    body += [webp_chunk(b"XMP ", xmp)] if xmp else []
    size = struct.pack("<L", len(b"WEBP") + len(lead) + sum(map(len, body)))
    return b"".join([b"RIFF", size, b"WEBP", lead, *body])


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
                found = png_text(part.name, rest)
    return found


def _inflated(packed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(packed, _MAX_TEXT)
    except zlib.error:
        return b""


def _into_jpeg(content: bytes, text: str) -> Pieces:
    segments = list(jpeg_segments(content))
    info = exif.jpeg_info(content, segments)
    found = next(_exif_parts(content, "jpeg"), None)
    if found:
        grown = _with_comment(content[found.payload][len(_EXIF_HEADER) :], text, info, _MAX_IN_SEGMENT)
        if grown:
            return _replaced(content, found.start, found.end, jpeg_segment(_APP1, _EXIF_HEADER + grown))
    block = _with_comment(b"", text, info, _MAX_IN_SEGMENT) or b""
    at = segments[0].end if len(segments) > 1 and segments[0].name[0] == _APP0 else 2
    return _replaced(content, at, at, jpeg_segment(_APP1, _EXIF_HEADER + block))


def _exif_parts(content: bytes, image_format: str | None) -> Iterator[Part]:
    """The parts of a PNG, JPEG or WebP file with an EXIF block; none of another format."""
    if image_format == "jpeg":
        for part in jpeg_segments(content):
            if part.name[0] == _APP1 and content[part.payload].startswith(_EXIF_HEADER):
                yield part
    elif image_format == "webp":
        yield from (part for part in webp_chunks(content) if part.name == b"EXIF")
    elif image_format == "png":
        yield from (part for part in png_chunks(content) if part.name == b"eXIf")


def _into_webp(content: bytes, text: str) -> Pieces:
    """Replace the EXIF chunk or append one; converts a simple file to the extended format."""
    chunks = list(webp_chunks(content))
    lead, lead_end = _extended_lead(content, chunks[0], _HAS_EXIF)
    info = exif.webp_info(lead, content, chunks)
    frame_end = chunks[-1].end
    found = next(_exif_parts(content, "webp"), None)
    payload = content[found.payload] if found else b""
    header = _EXIF_HEADER if payload.startswith(_EXIF_HEADER) else b""
    grown = _with_comment(payload[len(header) :], text, info, _MAX_TEXT)
    start, end = (found.start, found.end) if found else (frame_end, frame_end)
    if grown is None:
        header, grown, end = b"", _with_comment(b"", text, info, _MAX_IN_SEGMENT) or b"", start

    view = memoryview(content)
    padding = bytes(start % 2)
    chunk = webp_chunk(b"EXIF", header + grown)
    body = (lead, view[lead_end:start], padding, chunk, view[end:frame_end])
    size = struct.pack("<L", len(b"WEBP") + sum(map(len, body)))
    return (b"RIFF", size, b"WEBP", *body, view[frame_end:])


def _extended_lead(content: bytes, first: Part, flags: int, removed: int = 0) -> tuple[bytes, int]:
    """The VP8X chunk with and without these flags, and the offset of the rest of the file."""
    payload = content[first.payload]
    if first.name == b"VP8X":
        return webp_chunk(b"VP8X", bytes([payload[0] & ~removed | flags]) + payload[1:]), first.end
    if first.name == b"VP8L":
        (bits,) = struct.unpack_from("<L", payload, 1)
        last_column, last_row = bits & 0x3FFF, bits >> 14 & 0x3FFF
        flags |= _HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        last_column, last_row = ((side & 0x3FFF) - 1 for side in struct.unpack_from("<HH", payload, 6))
    lead = struct.pack("<L", flags) + last_column.to_bytes(3, "little") + last_row.to_bytes(3, "little")
    return webp_chunk(b"VP8X", lead), first.start


def _with_comment(block: bytes, text: str, info: exif.ImageInfo, limit: int) -> bytes | None:
    """The EXIF block with ``text`` as user comment, shortened to fit; None if invalid or too large.

    An earlier comment stays before it, unless it has generation parameters. Prompts are shortened, not the
    last line, which has seed and record.
    """
    comment = exif.read_user_comment(block)
    label = "" if re.search(r"^Steps: ", comment, re.MULTILINE) else " ".join(comment.splitlines())
    while True:
        try:
            grown = exif.with_user_comment(block, f"{label}\n{text}" if label else text, info)
        except (ValueError, struct.error):
            return None
        excess = len(grown) - limit
        if excess <= 0:
            return grown
        prompts, _, last = text.rpartition("\n")
        shorter = f"{prompts[: max(len(prompts) - excess // 4 - 2, 0)]}…\n{last}"
        if len(shorter) >= len(text):
            return None
        text = shorter


def _replaced(content: bytes, start: int, end: int, piece: bytes) -> Pieces:
    view = memoryview(content)
    return (view[:start], piece, view[end:])
