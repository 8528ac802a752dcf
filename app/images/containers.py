"""Parses the structure of PNG, JPEG and WebP files into chunks and segments, without decoding pixels."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

ENDING_OF = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_WITHOUT_LENGTH = {0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}  # 0xF0-0xFD: no decoder supports them
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_FILL = re.compile(rb"\xff*")
_LONG_FILL = b"\xff" * 64
_MAX_SCANS = 64  # encoders write ten; each decodes the whole image, 20 ms at 4096 x 4096
_MAX_MARKERS = 5_000
_MAX_BETWEEN = 1_000  # bytes between JPEG segments: decoders read them one by one
_MAX_CHUNKS = 50_000  # of PNG and WebP; at the usual 8 kB each, 400 MB
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


class Part(NamedTuple):
    """A chunk or segment: name, start and end offsets in the file, and the slice of its payload."""

    name: bytes
    start: int
    end: int
    payload: slice

    def beginning(self, length: int) -> slice:
        """The slice of the payload's first ``length`` bytes, or of all of it."""
        return slice(self.payload.start, min(self.payload.stop, self.payload.start + length))


def sniff(content: bytes) -> str | None:
    """``png``, ``jpeg``, ``webp``, ``gif``, ``bmp``, ``heic`` or ``avif``, by signature; else None."""
    if content.startswith(PNG_SIGNATURE):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content[4:8] == b"ftyp" and content[8:12] in (*_HEIC_BRANDS, b"avif"):
        return "avif" if content[8:12] == b"avif" else "heic"
    return "bmp" if content.startswith(b"BM") else None


def is_whole(content: bytes, image_format: str) -> bool:
    """Whether a PNG, JPEG or WebP file is not truncated; cheap, and stricter than decoders."""
    if image_format == "png":
        return _png_is_whole(content)
    if image_format == "jpeg":
        scans = (part.start for part in jpeg_segments(content) if part.name[0] == _START_OF_SCAN)
        return content.rfind(b"\xff\xd9") > next(scans, 0)
    if image_format == "webp":
        return len(content) >= 8 + int(struct.unpack_from("<L", content, 4)[0])
    return True


def png_chunks(content: bytes) -> Iterator[Part]:
    """Yield chunks up to the first that exceeds the file, at most ``_MAX_CHUNKS``."""
    at = len(PNG_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if at + 12 > len(content):
            return
        (length,) = struct.unpack_from(">L", content, at)
        end = at + 12 + length
        if end > len(content):
            return
        yield Part(content[at + 4 : at + 8], at, end, slice(at + 8, end - 4))
        at = end


def png_chunk(name: bytes, payload: bytes) -> bytes:
    """Encode one chunk with length and CRC."""
    return struct.pack(">L", len(payload)) + name + payload + struct.pack(">L", zlib.crc32(name + payload))


def jpeg_segments(content: bytes) -> Iterator[Part]:
    """Yield the segments up to the start of scan, at most ``_MAX_MARKERS``; the name is the second byte of
    the marker."""
    at = 2
    for _ in range(_MAX_MARKERS):
        fill = _FILL.match(content, at)
        at = max(at, fill.end() - 1) if fill else at
        if at + 4 > len(content) or content[at] != 0xFF:
            return
        marker = content[at + 1]
        length = 0 if marker in _WITHOUT_LENGTH else struct.unpack_from(">H", content, at + 2)[0]
        end = at + 2 + length
        if end > len(content) or length == 1:  # invalid: the length includes its own two bytes
            return
        yield Part(bytes([marker]), at, end, slice(at + 4, end))
        if marker == _START_OF_SCAN:
            return
        at = end


def jpeg_scans(content: bytes, at: int) -> Iterator[Part]:
    """Yield what follows the first start of scan at ``at``: entropy-coded data, named ``\\0``, the segments
    between scans, and the end mark. What follows the end mark is no part of the picture."""
    while found := _MARKER.search(content, at):
        yield Part(b"\0", at, found.start(), slice(at, found.start()))
        marker, end = found[1], found.end()
        if marker[0] not in _WITHOUT_LENGTH:
            end += int(struct.unpack_from(">H", content, end)[0]) if end + 2 <= len(content) else 0
        yield Part(marker, found.start(), end, slice(found.end(), end))
        if marker[0] == _END_OF_IMAGE:
            return
        at = max(end, found.end())


def is_in_few_parts(content: bytes, image_format: str) -> bool:
    """Whether the number of parts of a PNG, JPEG or WebP file is within limits."""
    if image_format == "jpeg":
        return _jpeg_is_in_few_parts(content)
    chunks = {"png": png_chunks, "webp": webp_chunks}[image_format](content)
    return sum(1 for _ in chunks) < _MAX_CHUNKS


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """Encode one segment; the payload is at most 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def webp_chunks(content: bytes) -> Iterator[Part]:
    """Yield the chunks of the RIFF container, padding included, at most ``_MAX_CHUNKS``."""
    at = 12
    frame_end = min(len(content), 8 + struct.unpack_from("<L", content, 4)[0])
    for _ in range(_MAX_CHUNKS):
        if at + 8 > frame_end:
            return
        (length,) = struct.unpack_from("<L", content, at + 4)
        if at + 8 + length > frame_end:
            return
        end = min(at + 8 + length + length % 2, frame_end)
        yield Part(content[at : at + 4], at, end, slice(at + 8, at + 8 + length))
        at = end


def webp_chunk(name: bytes, payload: bytes) -> bytes:
    """Encode one chunk with padding."""
    return name + struct.pack("<L", len(payload)) + payload + bytes(len(payload) % 2)


def _png_is_whole(content: bytes) -> bool:
    last = b""
    for last, start, end, _ in png_chunks(content):
        if last in _CRITICAL:
            (expected,) = struct.unpack_from(">L", content, end - 4)
            if zlib.crc32(memoryview(content)[start + 4 : end - 4]) != expected:
                return False
        if last == b"IEND":
            return True
    return False


def _jpeg_is_in_few_parts(content: bytes) -> bool:
    """Whether markers, scans and bytes between segments are within limits."""
    scans, between, at = 0, 0, 2
    for _ in range(_MAX_MARKERS):
        found = _MARKER.search(content, at)
        end = found.start() if found else len(content)
        between += 0 if scans else max(end - at, 0)
        if between > _MAX_BETWEEN or (scans and content.find(_LONG_FILL, at, end) >= 0):
            return False
        if found is None or found.end() + 2 > len(content):
            return True
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE and scans:
            return True
        if marker not in _WITHOUT_LENGTH:
            at += max(int(struct.unpack_from(">H", content, at)[0]), 2)
        scans += marker == _START_OF_SCAN
        if scans > _MAX_SCANS:
            return False
    return False
