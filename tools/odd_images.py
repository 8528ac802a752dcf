"""Originals that are hard to make a picture from: wide colours, 16 bits, CMYK, odd sizes, hidden texts."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw, PngImagePlugin

from app.images.containers import jpeg_segment, png_chunk
from tools.marked_images import FIELDS, WRAPPED, xmp

Colour = tuple[int, int, int]

SECRET = "一只猫在雪山下 secret-prompt"  # in the metadata of many; never in what is delivered
COLOURS: Mapping[tuple[float, float], Colour] = {  # at these shares of width and height
    (0.4, 0.4): (200, 60, 50),
    (0.6, 0.4): (60, 140, 80),
    (0.4, 0.6): (70, 90, 180),
    (0.6, 0.6): (225, 190, 60),
}
_CMYK = ((0, 200, 180, 40), (180, 0, 150, 30), (200, 140, 0, 20), (20, 30, 200, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """An original, its upright size, the sRGB colours at places of it, and what else is known of it."""

    content: bytes
    size: tuple[int, int]
    colours: Mapping[tuple[float, float], Colour] = field(default_factory=dict)
    ground: Colour | None = None
    aigc: str | None = None
    is_cmyk: bool = False


def odd_images() -> dict[str, Odd]:
    """By name; about twenty."""
    tall, wide = (400, 8000), (8000, 400)
    gps = Image.Exif()
    gps.get_ifd(0x8825)[1] = "N"
    gps[0x010E] = SECRET
    gps[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_itxt("parameters", SECRET)
    text.add_text("AIGC", WRAPPED)
    value = json.dumps(FIELDS)
    return {
        "large with transparency": _of(_clear((2400, 2400)), "PNG", compress_level=1),
        "CMYK without a profile": Odd(content=_packed(_cmyk(), "JPEG", quality=95), size=(1200, 1200)),
        "CMYK with a profile": _profiled_cmyk(),
        "16 bits of grey": _of_16_bits(0),
        "16 bits of colour": _of_16_bits(2),
        "Adobe RGB": _wide_gamut("JPEG", ADOBE_RGB, quality=97, subsampling=0, comment=SECRET.encode()),
        "Display P3": _wide_gamut("PNG", DISPLAY_P3, pnginfo=text),
        "21:9": _of(_drawn((1680, 720), None), "JPEG", quality=95, subsampling=0),
        "white frame of 30 px": _of(_framed(), "PNG"),
        "panorama": _of(_drawn(wide, (255, 255, 255)), "PNG"),
        "tower": _of(_drawn(tall, (240, 240, 240)), "PNG"),
        "turned": _turned(gps),
        "palette with transparency": _palette(),
        "greyscale": _of(_drawn((1200, 800), (255, 255, 255)).convert("L"), "JPEG", quality=95),
        "1×1": Odd(
            content=_packed(Image.new("RGB", (1, 1), (90, 90, 90)), "PNG"), size=(1, 1), ground=(90, 90, 90)
        ),
        "off-white ground": _of(_drawn((1000, 1000), (245, 244, 242)), "PNG", pnginfo=text, aigc=WRAPPED),
        "touches an edge": _of(_at_the_edge(), "PNG"),
        "red words on white": _of(_words(), "PNG"),
        "WebP with transparency": _of(_clear((1000, 1500)), "WEBP", quality=95, xmp=xmp(), aigc=value),
        "exact square": _of(_drawn((800, 800), (255, 255, 255)), "PNG"),
        "progressive with a tail": _progressive(),
        "mark in a comment": _marked_jpeg(),
    }


def _of(image: Image.Image, image_format: str, aigc: str | None = None, **options: Any) -> Odd:
    """One drawn by ``_drawn`` or alike; the colours are those of its own pixels."""
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    width, height = image.size
    at = {place: flat.getpixel((int(place[0] * width), int(place[1] * height))) for place in COLOURS}
    ground = {flat.getpixel((x, y)) for x in (0, width - 1) for y in (0, height - 1)}
    return Odd(
        content=_packed(image, image_format, **options),
        size=image.size,
        colours=at,  # type: ignore[arg-type]
        ground=ground.pop() if len(ground) == 1 else None,  # type: ignore[arg-type]
        aigc=aigc,
    )


def _packed(image: Image.Image, image_format: str, **options: Any) -> bytes:
    packed = io.BytesIO()
    image.save(packed, image_format, **options)
    return packed.getvalue()


def _drawn(size: tuple[int, int], ground: Colour | None) -> Image.Image:
    """Four fields of colour in the middle; a scene instead of a plain ground for None."""
    width, height = size
    if ground is None:
        across = Image.linear_gradient("L").resize(size)
        image = Image.merge(
            "RGB", (across, Image.effect_noise(size, 90), across.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
        )
    else:
        image = Image.new("RGB", size, ground)
    pen = ImageDraw.Draw(image)
    for (x, y), colour in COLOURS.items():
        left, top = (0.25 if at < 0.5 else 0.5 for at in (x, y))
        box = (left * width, top * height, (left + 0.25) * width - 1, (top + 0.25) * height - 1)
        pen.rectangle(box, fill=colour)
    return image


def _clear(size: tuple[int, int]) -> Image.Image:
    """The same on a transparent ground, below which there is black."""
    image = _drawn(size, (0, 0, 0))
    alpha = Image.new("L", size, 0)
    box = [round(side * share) for share in (0.25, 0.75) for side in size]
    alpha.paste(255, (box[0], box[1], box[2], box[3]))
    image.putalpha(alpha)
    return image


def _framed() -> Image.Image:
    image = Image.new("RGB", (1024, 1024), "white")
    image.paste(_drawn((964, 964), (30, 60, 40)), (30, 30))
    return image


def _at_the_edge() -> Image.Image:
    image = _drawn((1200, 1200), (255, 255, 255))
    ImageDraw.Draw(image).rectangle((400, 0, 800, 400), fill=(90, 60, 40))
    return image


def _words() -> Image.Image:
    image = _drawn((1200, 1200), (255, 255, 255))
    ImageDraw.Draw(image).text((120, 1000), "SALE 50%", fill=(230, 0, 18), font_size=110)
    return image


def _turned(exif: Image.Exif) -> Odd:
    """Stored lying on its side."""
    upright = _drawn((1200, 1600), (255, 255, 255))
    lying = upright.transpose(Image.Transpose.ROTATE_90)
    content = _packed(lying, "JPEG", quality=95, subsampling=0, exif=exif)
    return Odd(content=content, size=upright.size, colours=COLOURS, ground=(255, 255, 255))


def _palette() -> Odd:
    drawn = _drawn((900, 900), (1, 2, 3))
    image = drawn.quantize(16, dither=Image.Dither.NONE)
    ground = image.getpixel((0, 0))
    return Odd(
        content=_packed(image, "PNG", transparency=ground),
        size=(900, 900),
        colours=COLOURS,
        ground=(255,) * 3,
    )


def _progressive() -> Odd:
    """A JPEG of several scans, a thumbnail in JFIF's place, a text between scans, and one after its end."""
    drawn = _drawn((1000, 1000), (250, 250, 250))
    content = _packed(drawn, "JPEG", quality=95, subsampling=0, progressive=True, comment=SECRET.encode())
    scan = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    between = jpeg_segment(0xFE, SECRET.encode()) + jpeg_segment(
        0xE1, b"Exif\0\0" + SECRET.encode("utf-16-le")
    )
    content = content[:scan] + between + content[scan:] + SECRET.encode()
    return Odd(content=content, size=drawn.size, colours=COLOURS, ground=(250, 250, 250))


def _marked_jpeg() -> Odd:
    """The mark in the comment, followed by our parameters, as this app embeds them."""
    exif = Image.Exif()
    comment = f"{WRAPPED}\n{SECRET}\nSteps: 20, Seed: 1"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + comment.encode("utf-16-be")
    drawn = _drawn((2048, 2048), (255, 255, 255))
    content = _packed(drawn, "JPEG", quality=95, subsampling=0, exif=exif)
    return Odd(content=content, size=drawn.size, colours=COLOURS, ground=(255, 255, 255), aigc=WRAPPED)


def _of_16_bits(kind: int) -> Odd:
    """A PNG of 16 bits a channel, grey (0) or colour (2), written here: Pillow writes none in colour."""
    size = (1000, 1000)
    drawn = _drawn(size, (255, 255, 255))
    shown = drawn.convert("L") if kind == 0 else drawn
    low = bytes(range(256))
    rows = []
    stride = size[0] * (3 if kind else 1)
    pixels = shown.tobytes()
    for row in range(size[1]):
        high = pixels[row * stride : (row + 1) * stride]
        rows.append(b"\0" + b"".join(high[n : n + 1] + low[high[n] : high[n] + 1] for n in range(stride)))
    header = struct.pack(">LLBBBBB", *size, 16, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(rows), 1)
    chunks = ((b"IHDR", header), (b"tEXt", b"prompt\0" + SECRET.encode()), (b"IDAT", packed), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)
    grey = shown.convert("RGB")
    colours = {place: grey.getpixel((int(place[0] * 1000), int(place[1] * 1000))) for place in COLOURS}
    return Odd(content=content, size=size, colours=colours, ground=(255, 255, 255))  # type: ignore[arg-type]


# Wide gamuts: XYZ (D50) of red, green and blue; the colours of pixels are computed here, not by LittleCMS.
Matrix = tuple[tuple[float, float, float], ...]
ADOBE_RGB: Matrix = ((0.60974, 0.20528, 0.14919), (0.31111, 0.62567, 0.06322), (0.01947, 0.06087, 0.74457))
DISPLAY_P3: Matrix = ((0.51512, 0.29198, 0.15710), (0.24120, 0.69225, 0.06657), (-0.00105, 0.04189, 0.78407))
SRGB: Matrix = ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
_GAMMA = 563 / 256


def _wide_gamut(image_format: str, primaries: Matrix, **options: Any) -> Odd:
    """The colours of the drawing in another colour space."""
    drawn = _drawn((1000, 1000), (255, 255, 255))
    backwards = _inverse(primaries)
    image = Image.new("RGB", drawn.size, "white")
    for colour in COLOURS.values():
        xyz = _times(SRGB, [_linear(level / 255) for level in colour])
        levels = [max(0.0, value) ** (1 / _GAMMA) for value in _times(backwards, xyz)]
        stored = tuple(round(255 * min(level, 1.0)) for level in levels)
        image.paste(stored, mask=_where(drawn, colour))
    icc = icc_profile(b"RGB ", b"XYZ ", _matrix_tags(primaries))
    content = _packed(image, image_format, icc_profile=icc, **options)
    aigc = WRAPPED if "pnginfo" in options else None
    return Odd(content=content, size=drawn.size, colours=COLOURS, ground=(255, 255, 255), aigc=aigc)


def _where(image: Image.Image, colour: Colour) -> Image.Image:
    masks = [
        band.point([255 * (n == level) for n in range(256)])
        for band, level in zip(image.split(), colour, strict=True)
    ]
    return Image.composite(
        masks[0], Image.new("L", image.size), Image.composite(masks[1], masks[2], masks[2])
    )


def _linear(level: float) -> float:
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


def _times(matrix: Matrix, vector: list[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _inverse(m: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = m
    det = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    return (
        ((e * i - f * h) / det, (c * h - b * i) / det, (b * f - c * e) / det),
        ((f * g - d * i) / det, (a * i - c * g) / det, (c * d - a * f) / det),
        ((d * h - e * g) / det, (b * g - a * h) / det, (a * e - b * d) / det),
    )


def _matrix_tags(primaries: Matrix) -> dict[bytes, bytes]:
    columns = zip(*primaries, strict=True)
    curve = b"curv" + struct.pack(">LLH", 0, 1, round(_GAMMA * 256)) + b"\0\0"
    tags = {name: _xyz(*column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)}
    return tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3l", *(round(value * 65536) for value in values))


def icc_profile(space: bytes, connection: bytes, tags: Mapping[bytes, bytes]) -> bytes:
    """An ICC profile of version 2 with these tags, a name and D50."""
    name = b"a profile of the tests"
    described = b"desc\0\0\0\0" + struct.pack(">L", len(name) + 1) + name + bytes(1 + 8 + 3 + 67)
    every = {b"desc": described, b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"cprt": b"text\0\0\0\0none\0", **tags}
    table, body, at = b"", b"", 128 + 4 + 12 * len(every)
    for tag, data in every.items():
        padded = data + bytes(-len(data) % 4)
        table += tag + struct.pack(">LL", at + len(body), len(data))
        body += padded
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    header = struct.pack(">L4sL4s4s4s", 0, b"none", 0x02400000, kind, space, connection)
    header += struct.pack(">6H4sL", 2026, 1, 1, 0, 0, 0, b"acsp", 0) + bytes(20)
    header += struct.pack(">L3l", 0, 63190, 65536, 54061)
    whole = header.ljust(128, b"\0") + struct.pack(">L", len(every)) + table + body
    return struct.pack(">L", len(whole)) + whole[4:]


def _cmyk() -> Image.Image:
    image = Image.new("CMYK", (1200, 1200), (0, 0, 0, 0))
    for (x, y), ink in zip(COLOURS, _CMYK, strict=True):
        left, top = (300 if at < 0.5 else 600 for at in (x, y))
        image.paste(ink, (left, top, left + 300, top + 300))
    return image


def _profiled_cmyk() -> Odd:
    """Full inks; the profile says which colour each combination of them has."""
    inks = {(0.4, 0.4): (0, 255, 255, 0), (0.6, 0.4): (255, 0, 255, 0), (0.4, 0.6): (255, 255, 0, 0)}
    inks[0.6, 0.6] = (0, 0, 255, 0)
    image = Image.new("CMYK", (1200, 1200), (0, 0, 0, 0))
    for (x, y), ink in inks.items():
        left, top = (300 if at < 0.5 else 600 for at in (x, y))
        image.paste(ink, (left, top, left + 300, top + 300))
    colours = dict(zip(inks.values(), COLOURS.values(), strict=True))
    corners = bytearray()
    for number in range(16):
        cyan, magenta, yellow, black = (255 * (number >> bit & 1) for bit in (3, 2, 1, 0))
        colour = colours.get((cyan, magenta, yellow, black), (0, 0, 0) if number else (255, 255, 255))
        corners += bytes(_lab(colour))
    identity = bytes(range(256))
    lut = b"mft1\0\0\0\0" + struct.pack(">4B9l", 4, 3, 2, 0, *(65536 * (n % 4 == 0) for n in range(9)))
    lut += identity * 4 + bytes(corners) + identity * 3
    icc = icc_profile(b"CMYK", b"Lab ", {b"A2B0": lut})
    content = _packed(image, "JPEG", quality=100, subsampling=0, icc_profile=icc)
    shown = dict(zip(inks, COLOURS.values(), strict=True))
    return Odd(content=content, size=image.size, colours=shown, is_cmyk=True)


def _lab(colour: Colour) -> list[int]:
    """A colour of sRGB as Lab of 8 bits, as the profile connection space has it."""
    light, a, b = lab(colour)
    return [round(light * 2.55), round(a + 128), round(b + 128)]


def lab(colour: tuple[int, ...]) -> tuple[float, float, float]:
    """CIE Lab (D50) of a colour of sRGB."""
    xyz = _times(SRGB, [_linear(level / 255) for level in colour[:3]])
    cube: Callable[[float], float] = lambda t: t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116  # noqa: E731
    x, y, z = (cube(value / white) for value, white in zip(xyz, (0.9642, 1.0, 0.8249), strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    """ΔE (1976) of two colours of sRGB."""
    return float(sum((a - b) ** 2 for a, b in zip(lab(one), lab(other), strict=True)) ** 0.5)
