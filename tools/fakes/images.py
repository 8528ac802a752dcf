"""Valid images of any size in pixels and bytes, each with the number of its submission inside."""

from __future__ import annotations

import io
import os
import struct
import zlib
from functools import lru_cache

from PIL import Image

# The beginning of a C2PA manifest store: a box with the identifier and label of one.
MANIFEST = bytes.fromhex("000000266a756d62 0000001e6a756d64 6332706100110010800000aa00389b71 03") + b"c2pa\0"


def make_image(
    width: int,
    height: int,
    *,
    number: int = 0,
    form: str = "png",
    weight: int = 0,
    transparent: bool = False,
) -> bytes:
    """A complete ``png`` or ``jpeg`` of at least ``weight`` bytes; the bytes differ by ``number``.

    Other formats (``gif``, ``webp``) ignore ``number`` and ``weight``. ``transparent``: all of it is.
    """
    plain = _plain(width, height, form, transparent)
    if form not in ("png", "jpeg"):
        return plain
    mark = f"order {number}".encode()
    missing = max(weight - len(plain) - len(mark), 0)
    return (_marked_png if form == "png" else _marked_jpeg)(plain, mark, missing)


def with_manifest(content: bytes) -> bytes:
    """A ``png`` or ``jpeg`` with ``MANIFEST`` where a C2PA manifest is."""
    if content.startswith(b"\xff\xd8"):
        return content[:2] + _segment(0xEB, b"JP\0\1\0\0\0\1" + MANIFEST) + content[2:]
    return content[:33] + _chunk(b"caBX", MANIFEST) + content[33:]


@lru_cache(maxsize=32)
def _plain(width: int, height: int, form: str, transparent: bool) -> bytes:
    small = Image.linear_gradient("L").resize((64, 64))
    image = Image.merge("RGB", (small, small.rotate(90), small.rotate(180))).resize((width, height))
    if transparent:
        image.putalpha(0)
    packed = io.BytesIO()
    image.save(packed, form, **({"compress_level": 1} if form == "png" else {"quality": 70}))
    return packed.getvalue()


@lru_cache(maxsize=4)
def _noise(length: int) -> bytes:
    return os.urandom(length)


def _marked_png(plain: bytes, mark: bytes, missing: int) -> bytes:
    """After the header: a text chunk with the mark, and a private chunk that decoders skip."""
    head, rest = plain[:33], plain[33:]
    padding = _chunk(b"paDd", _noise(missing)) if missing else b""
    return head + _chunk(b"tEXt", b"Comment\0" + mark) + padding + rest


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _marked_jpeg(plain: bytes, mark: bytes, missing: int) -> bytes:
    segments = [_segment(0xFE, mark)]
    while missing > 0:
        segments.append(_segment(0xEF, _noise(min(missing, 60_000))))
        missing -= 60_000
    return plain[:2] + b"".join(segments) + plain[2:]


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
