"""Reads and writes the user comment of an EXIF block, preserving everything else in it.

The block is extended, not rewritten: new directories are appended and the first pointer is set to them,
so that every offset inside, including those in maker notes, stays valid.
"""

import struct
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from app.images.containers import Part

EXIF_DIRECTORY = 0x8769
ORIENTATION = 0x0112
USER_COMMENT = 0x9286
_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_DENSITY = (0x011A, 0x011B, 0x0128)  # XResolution, YResolution, ResolutionUnit
_SRGB, _UNCALIBRATED = 1, 0xFFFF
_ENTRY = 12
_EMPTY = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x00" + b"\x00\x00\x00\x00"
_MAX_ENTRIES = 1_000

# For the properties of a JPEG.
_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_COMPONENTS = {1: b"\1\0\0\0", 3: b"\1\2\3\0"}  # Y; Y, Cb, Cr
_RGB = b"\4\5\6\0"
_UNITS = {1: 2, 2: 3}  # JFIF -> EXIF: inches, centimetres
_PROFILE = b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInfo:
    """The image properties that EXIF requires; 0 or empty if unknown.

    ``components`` and density are required for JPEG only: otherwise ``density`` is None.
    """

    width: int
    height: int
    is_srgb: bool
    components: bytes = b""
    density: tuple[int, int] | None = None
    density_unit: int = 2


@dataclass(frozen=True, slots=True)
class _Directory:
    """The raw 12-byte entries of one directory by tag, and the offset of the next directory."""

    entries: dict[int, bytes]
    following: int


def read_user_comment(block: bytes) -> str:
    """The user comment of a TIFF block in any encoding; ``""`` without one."""
    try:
        order = _order(block)
        value = _user_comment(block, order)
    except (struct.error, ValueError):
        return ""
    return _decoded(value, order)


def read_orientation(block: bytes) -> int:
    """1 to 8; 1 (upright) without a valid one."""
    try:
        order = _order(block)
        entry = _directory(block, order, _first(block, order)).entries.get(ORIENTATION, b"")
        value = struct.unpack_from(order + "H", entry, 8)[0] if entry else 1
    except (struct.error, ValueError):
        return 1
    return value if 1 <= value <= 8 else 1


def orientation_block(orientation: int) -> bytes:
    """A TIFF block with nothing but this orientation."""
    return struct.pack(">2sHLHHHLHHL", b"MM", 42, 8, 1, ORIENTATION, _SHORT, 1, orientation, 0, 0)


def jpeg_info(content: bytes, segments: Sequence[Part]) -> ImageInfo:
    """Size, colour components and density of a JPEG."""
    width, height, channels = 0, 0, 0
    density, unit, is_plain_rgb = (72, 72), 2, False  # the EXIF default for unknown: 72 per inch
    profile = []
    for part in segments:
        marker, payload = part.name[0], content[part.payload]
        if marker in _START_OF_FRAME and len(payload) >= 6:
            height, width, channels = struct.unpack_from(">HHB", payload, 1)
        elif marker == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 12:
            of_jfif, *found = struct.unpack_from(">BHH", payload, 7)
            if of_jfif in _UNITS and all(found):
                density, unit = (found[0], found[1]), _UNITS[of_jfif]
        elif marker == _APP2 and payload.startswith(_PROFILE):
            profile.append(payload)
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            is_plain_rgb = payload[11] == 0
    return ImageInfo(
        width=width,
        height=height,
        is_srgb=channels != 4 and _is_srgb(b"".join(profile)),
        components=_RGB if channels == 3 and is_plain_rgb else _COMPONENTS.get(channels, b""),
        density=density,
        density_unit=unit,
    )


def webp_info(lead: bytes, content: bytes, chunks: Sequence[Part]) -> ImageInfo:
    """Size and colour space of a WebP with the extended header ``lead``."""
    profile = next((content[part.payload] for part in chunks if part.name == b"ICCP"), b"")
    width, height = (int.from_bytes(lead[at : at + 3], "little") + 1 for at in (12, 15))
    return ImageInfo(width=width, height=height, is_srgb=_is_srgb(profile))


def with_user_comment(block: bytes, comment: str, info: ImageInfo) -> bytes:
    """Add ``comment`` and missing properties of ``info`` to a TIFF block; returns the new block.

    An empty ``block`` creates one. Raises ValueError or struct.error for an invalid block. The comment is
    UTF-16BE, for compatibility with other tools.
    """
    block = block or _EMPTY
    order = _order(block)
    main = _directory(block, order, _first(block, order))
    inner = _inner_directory(block, order, main)
    grown = bytearray(block + bytes(len(block) % 2))

    def put(directory: _Directory, tag: int, kind: int, count: int, value: bytes) -> None:
        """Set an entry; a value of more than four bytes is appended to the block."""
        if len(value) > 4:
            at = len(grown)
            grown.extend(value + bytes(len(value) % 2))
            value = struct.pack(order + "L", at)
        directory.entries[tag] = struct.pack(order + "HHL4s", tag, kind, count, value)

    encoded = b"UNICODE\x00" + comment.encode("utf-16-be", "replace")
    put(inner, USER_COMMENT, _UNDEFINED, len(encoded), encoded)
    main_fields = _main_fields(info, order, main.entries.keys())
    for directory, fields in ((inner, _inner_fields(info, order)), (main, main_fields)):
        for tag, kind, count, value in fields:
            if tag not in directory.entries:
                put(directory, tag, kind, count, value)
    main.entries.pop(EXIF_DIRECTORY, None)
    put(main, EXIF_DIRECTORY, _LONG, 1, struct.pack(order + "L", len(grown)))
    grown += _packed(inner, order)
    grown[4:8] = struct.pack(order + "L", len(grown))
    return bytes(grown + _packed(main, order))


def _inner_fields(info: ImageInfo, order: str) -> Iterator[tuple[int, int, int, bytes]]:
    """Tag, type, count and value of the required entries of the EXIF directory."""
    yield 0x9000, _UNDEFINED, 4, b"0230"  # ExifVersion
    if info.components:
        yield 0x9101, _UNDEFINED, 4, info.components  # ComponentsConfiguration
    yield 0xA000, _UNDEFINED, 4, b"0100"  # FlashpixVersion
    yield 0xA001, _SHORT, 1, struct.pack(order + "H", _SRGB if info.is_srgb else _UNCALIBRATED)
    if info.width and info.height:
        yield 0xA002, _LONG, 1, struct.pack(order + "L", info.width)  # PixelXDimension
        yield 0xA003, _LONG, 1, struct.pack(order + "L", info.height)


def _main_fields(info: ImageInfo, order: str, known: Set[int]) -> Iterator[tuple[int, int, int, bytes]]:
    """The same for the main directory, with the defaults for JPEG."""
    if info.density and known.isdisjoint(_DENSITY):  # an existing unit may not fit our density
        for tag, density in zip(_DENSITY[:2], info.density, strict=True):
            yield tag, _RATIONAL, 1, struct.pack(order + "LL", density, 1)
        yield _DENSITY[2], _SHORT, 1, struct.pack(order + "H", info.density_unit)
    if info.components[:1] == b"\1":
        yield 0x0213, _SHORT, 1, struct.pack(order + "H", 1)  # YCbCrPositioning: centred


def _order(block: bytes) -> str:
    order = {b"II\x2a\x00": "<", b"MM\x00\x2a": ">"}.get(block[:4])
    if order is None:
        raise ValueError("not a TIFF block")
    return order


def _first(block: bytes, order: str) -> int:
    return int(struct.unpack_from(order + "L", block, 4)[0])


def _directory(block: bytes, order: str, at: int) -> _Directory:
    (count,) = struct.unpack_from(order + "H", block, at)
    end = at + 2 + count * _ENTRY
    if count > _MAX_ENTRIES or end > len(block):
        raise ValueError("directory beyond the block")
    following = struct.unpack_from(order + "L", block, end)[0] if end + 4 <= len(block) else 0
    entries = (block[start : start + _ENTRY] for start in range(at + 2, end, _ENTRY))
    return _Directory({struct.unpack_from(order + "H", entry)[0]: entry for entry in entries}, following)


def _inner_directory(block: bytes, order: str, main: _Directory) -> _Directory:
    entry = main.entries.get(EXIF_DIRECTORY)
    if entry is None:
        return _Directory({}, 0)
    return _directory(block, order, struct.unpack_from(order + "L", entry, 8)[0])


def _user_comment(block: bytes, order: str) -> bytes:
    main = _directory(block, order, _first(block, order))
    entry = _inner_directory(block, order, main).entries.get(USER_COMMENT)
    if entry is None:
        return b""
    count, offset = struct.unpack_from(order + "LL", entry, 4)
    return entry[8 : 8 + count] if count <= 4 else block[offset : offset + count]


def _packed(directory: _Directory, order: str) -> bytes:
    entries = b"".join(entry for _, entry in sorted(directory.entries.items()))
    count, following = len(directory.entries), directory.following
    return struct.pack(order + "H", count) + entries + struct.pack(order + "L", following)


def _decoded(value: bytes, order: str) -> str:
    coding, text = value[:8], value[8:]
    if coding == b"UNICODE\x00":
        return _decoded_unicode(text, order).strip("\x00 ")
    if coding in (b"ASCII\x00\x00\x00", bytes(8)):
        return text.decode("utf-8", "replace").strip("\x00 ")
    return value.decode("utf-8", "replace").strip("\x00 ")


def _decoded_unicode(text: bytes, order: str) -> str:
    """Decode by BOM, else big-endian as most tools write it, or the block's byte order if more plausible."""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace")
    big, little = text.decode("utf-16-be", "replace"), text.decode("utf-16-le", "replace")
    if order == ">":
        return big
    return max(big, little, key=_printable_count)


def _printable_count(text: str) -> int:
    return sum(char.isascii() and char.isprintable() for char in text) + text.count("\n")


def _is_srgb(profile: bytes) -> bool:
    """Whether the colour space is sRGB, the default without a profile."""
    return not profile or b"sRGB" in profile or b"s\0R\0G\0B" in profile
