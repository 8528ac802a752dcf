"""Reads the image properties that EXIF requires from the other parts of a JPEG or WebP file."""

import struct
from collections.abc import Sequence

from app.images.containers import Part
from app.images.exif import Picture

_START_OF_FRAME = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_APP0, _APP2, _APP14 = 0xE0, 0xE2, 0xEE
_COMPONENTS = {1: b"\1\0\0\0", 3: b"\1\2\3\0"}  # Y; Y, Cb, Cr
_RGB = b"\4\5\6\0"
_UNITS = {1: 2, 2: 3}  # JFIF -> EXIF: inches, centimetres
_PROFILE = b"ICC_PROFILE\0"


def jpeg(content: bytes, segments: Sequence[Part]) -> Picture:
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
    return Picture(
        width=width,
        height=height,
        is_srgb=channels != 4 and _is_srgb(b"".join(profile)),
        components=_RGB if channels == 3 and is_plain_rgb else _COMPONENTS.get(channels, b""),
        density=density,
        density_unit=unit,
    )


def webp(lead: bytes, content: bytes, chunks: Sequence[Part]) -> Picture:
    """Size and colour space of a WebP with the extended header ``lead``."""
    profile = next((content[part.payload] for part in chunks if part.name == b"ICCP"), b"")
    width, height = (int.from_bytes(lead[at : at + 3], "little") + 1 for at in (12, 15))
    return Picture(width=width, height=height, is_srgb=_is_srgb(profile))


def _is_srgb(profile: bytes) -> bool:
    """Whether the colour space is sRGB, the default without a profile."""
    return not profile or b"sRGB" in profile or b"s\0R\0G\0B" in profile
