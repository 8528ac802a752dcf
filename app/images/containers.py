"""How PNG, JPEG and WebP files are put together: their parts by name and place. Decodes nothing."""

import re
import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CRITICAL = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_WITHOUT_LENGTH = {0x01, 0xC8, *range(0xD0, 0xDA), *range(0xF0, 0xFE)}  # of the last no decoder knows any
_START_OF_SCAN = 0xDA
_END_OF_IMAGE = 0xD9
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_FILL = re.compile(rb"\xff*")
_LONG_FILL = b"\xff" * 64
_MOST_SCANS = 64  # encoders make ten; each is decoded over the whole picture, 20 ms at 4096 x 4096
_MOST_MARKERS = 5_000
_MOST_BETWEEN = 1_000  # bytes between the segments of a JPEG: decoders read them one by one
_MOST_CHUNKS = 50_000  # of PNG and WebP; 8 kB each, as encoders make them, are 400 MB
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")


class Part(NamedTuple):
    """A chunk or segment: its name, where it starts and ends in the file, and where its payload is."""

    name: bytes
    start: int
    end: int
    payload: slice


def sniff(content: bytes) -> str | None:
    """``png``, ``jpeg``, ``webp``, ``gif``, ``bmp``, ``heic`` or ``avif``, by the first bytes; else None."""
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


def is_whole(content: bytes, picture_format: str) -> bool:
    """Whether PNG, JPEG or WebP has its end: costs next to nothing, catches cuts a decoder forgives."""
    if picture_format == "png":
        return _png_is_whole(content)
    if picture_format == "jpeg":
        return content.rfind(b"\xff\xd9") > _scan_start(content)
    if picture_format == "webp":
        return len(content) >= 8 + int(struct.unpack_from("<L", content, 4)[0])
    return True


def png_chunks(content: bytes) -> Iterator[Part]:
    """Every chunk up to the first that does not fit into the file, and no more than are read soon."""
    at = len(PNG_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(content):
            return
        (length,) = struct.unpack_from(">L", content, at)
        end = at + 12 + length
        if end > len(content):
            return
        yield Part(content[at + 4 : at + 8], at, end, slice(at + 8, end - 4))
        at = end


def png_chunk(name: bytes, payload: bytes) -> bytes:
    """One chunk, ready to be put between two others."""
    return struct.pack(">L", len(payload)) + name + payload + struct.pack(">L", zlib.crc32(name + payload))


def jpeg_segments(content: bytes) -> Iterator[Part]:
    """Every segment before the picture itself, the marker's second byte as its name; no more than are read
    soon."""
    at = 2
    for _ in range(_MOST_MARKERS):
        fill = _FILL.match(content, at)
        at = max(at, fill.end() - 1) if fill else at
        if at + 4 > len(content) or content[at] != 0xFF:
            return
        marker = content[at + 1]
        length = 0 if marker in _WITHOUT_LENGTH else struct.unpack_from(">H", content, at + 2)[0]
        end = at + 2 + length
        if end > len(content) or length == 1:  # which cannot be: it counts its own two bytes
            return
        yield Part(bytes([marker]), at, end, slice(at + 4, end))
        if marker == _START_OF_SCAN:
            return
        at = end


def is_in_few_parts(content: bytes, picture_format: str) -> bool:
    """Whether PNG, JPEG or WebP is put together of as many parts as are read soon."""
    if picture_format == "jpeg":
        return _jpeg_is_in_few_parts(content)
    chunks = {"png": png_chunks, "webp": webp_chunks}[picture_format](content)
    return sum(1 for _ in chunks) < _MOST_CHUNKS


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """One segment; the payload is at most 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def webp_chunks(content: bytes) -> Iterator[Part]:
    """Every chunk inside the RIFF frame, its padding included; no more than are read soon."""
    at = 12
    frame_end = min(len(content), 8 + struct.unpack_from("<L", content, 4)[0])
    for _ in range(_MOST_CHUNKS):
        if at + 8 > frame_end:
            return
        (length,) = struct.unpack_from("<L", content, at + 4)
        if at + 8 + length > frame_end:
            return
        end = min(at + 8 + length + length % 2, frame_end)
        yield Part(content[at : at + 4], at, end, slice(at + 8, at + 8 + length))
        at = end


def webp_chunk(name: bytes, payload: bytes) -> bytes:
    """One chunk with its padding."""
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
    """Whether markers, scans and what lies between the segments are few."""
    scans, between, at = 0, 0, 2
    for _ in range(_MOST_MARKERS):
        found = _MARKER.search(content, at)
        end = found.start() if found else len(content)
        between += 0 if scans else max(end - at, 0)
        if between > _MOST_BETWEEN or (scans and content.find(_LONG_FILL, at, end) >= 0):
            return False
        if found is None or found.end() + 2 > len(content):
            return True
        marker, at = found[1][0], found.end()
        if marker == _END_OF_IMAGE and scans:
            return True
        if marker not in _WITHOUT_LENGTH:
            at += max(int(struct.unpack_from(">H", content, at)[0]), 2)
        scans += marker == _START_OF_SCAN
        if scans > _MOST_SCANS:
            return False
    return False


def _scan_start(content: bytes) -> int:
    return next((part.start for part in jpeg_segments(content) if part.name[0] == _START_OF_SCAN), 0)
