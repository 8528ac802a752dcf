"""Generation parameters that every tool finds, embedded without changing a pixel."""

import io
import json
import random
import struct
import zlib
from typing import Any

import pytest
from PIL import ExifTags, Image

from app.domain import ImageRequest, Size
from app.images import exif, metadata, store
from app.images.containers import jpeg_segment, png_chunk, png_chunks, webp_chunk, webp_chunks
from app.images.metadata import format_parameters, parse_parameters
from tools.noise_images import noise_image, pixels

REQUEST = ImageRequest(prompt="雪山下的小屋，水彩 😀", negative_prompt="人物", steps=20)
TEXT = format_parameters(REQUEST, Size(width=96, height=64), "jimeng_t2i_v40", 12, 7)
SERVICE_MARK = '{"AIGC":{"Label":"1","ContentProducer":"甲","ProduceID":"20260101"}}'
KINDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "png": ("png", "RGB", {}),
    "png, grey": ("png", "L", {}),
    "png, palette": ("png", "P", {}),
    "png, 16 bits": ("png", "I;16", {}),
    "png, clear parts": ("png", "RGBA", {}),
    "jpeg": ("jpeg", "RGB", {}),
    "jpeg, progressive": ("jpeg", "RGB", {"progressive": True}),
    "jpeg, print colours": ("jpeg", "CMYK", {}),
    "webp": ("webp", "RGB", {}),
    "webp, lossless": ("webp", "RGB", {"lossless": True}),
    "webp, clear parts": ("webp", "RGBA", {}),
    "webp, extended": ("webp", "RGB", {"xmp": b"<x:xmpmeta/>", "icc_profile": b"a profile"}),
}


def embedded(content: bytes, text: str = TEXT) -> bytes:
    picture_format = store.validate_upload("猫", content).format
    return b"".join(metadata.embed(content, picture_format, text))


def of_kind(kind: str) -> bytes:
    picture_format, mode, options = KINDS[kind]
    if mode == "RGBA":
        clear = Image.effect_noise((96, 64), 60).convert("RGBA")
        clear.putalpha(Image.effect_noise((96, 64), 90))
        packed = io.BytesIO()
        clear.save(packed, picture_format.upper(), **options)
        return packed.getvalue()
    return noise_image(picture_format, mode, **options)


def user_comment(content: bytes) -> bytes:
    with Image.open(io.BytesIO(content)) as image:
        return bytes(image.getexif().get_ifd(exif.EXIF_DIRECTORY)[exif.USER_COMMENT])


def test_parameters_have_the_form_other_tools_read() -> None:
    assert TEXT == (
        "雪山下的小屋，水彩 😀\nNegative prompt: 人物\n"
        "Steps: 20, Sampler: default, Schedule type: default, Seed: 7, Size: 96x64, "
        "Model: jimeng_t2i_v40, Record: 12"
    )


def test_parameters_omit_unused_fields_and_quote_ambiguous_values() -> None:
    text = format_parameters(ImageRequest(prompt="猫"), Size(width=1, height=2), "a, b: c", 3, None)
    chosen = "Steps: default, Sampler: default, Schedule type: default"
    assert text == f'猫\n{chosen}, Size: 1x2, Model: "a, b: c", Record: 3'


@pytest.mark.parametrize("line", ["a" * 300_000, 'a: "' * 80_000, "a:" * 150_000, " " * 300_000 + "x"])
def test_parsing_parameters_takes_linear_time(line: str) -> None:
    assert "猫" in parse_parameters(f"猫\n{line}").prompt


@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize("steps", [None, 20])
def test_parsers_recognise_the_last_line_with_defaults(seed: int | None, steps: int | None) -> None:
    request = ImageRequest(prompt="雪山，\n小屋: 水彩", negative_prompt="人物", steps=steps)
    text = format_parameters(request, Size(width=96, height=64), "jimeng_t2i_v40", 12, seed)
    prompts, _, line = text.rpartition("\n")
    found = dict(item.split(": ") for item in line.split(", "))
    # sd-parsers: three of these, one the sampler. Civitai, sd-prompt-reader: a line that begins with Steps.
    known = {"Sampler", "CFG scale", "Seed", "Steps", "ENSD", "Schedule type"} & set(found)
    assert len(known) >= 3
    assert found["Sampler"] == "default"
    assert line.startswith("Steps: ")
    assert prompts.split("\nNegative prompt: ") == ["雪山，\n小屋: 水彩", "人物"]
    assert found.get("Seed") == (str(seed) if seed else None)
    parsed = parse_parameters(text)
    assert (parsed.seed, parsed.steps, parsed.width, parsed.record_id) == (seed, steps, 96, 12)


@pytest.mark.parametrize("kind", KINDS)
def test_embedding_changes_no_pixel_and_can_be_read_back(kind: str) -> None:
    plain = of_kind(kind)
    assert pixels(embedded(plain)) == pixels(plain)
    assert metadata.extract(plain) is None
    assert metadata.extract(embedded(plain)) == TEXT


@pytest.mark.parametrize("text", [TEXT, "plain English\nSteps: 1, Size: 1x1, Record: 1"])
def test_png_tools_find_the_parameters_on_opening(text: str) -> None:
    with Image.open(io.BytesIO(embedded(noise_image("png"), text))) as image:
        assert image.info["parameters"] == text  # before anything is loaded
        image.load()
        assert getattr(image, "text")["parameters"] == text  # noqa: B009  -- only PNG files have it


@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.startswith("png")])
def test_exif_tools_find_the_parameters_in_the_user_comment(kind: str) -> None:
    comment = user_comment(embedded(of_kind(kind)))
    assert comment == b"UNICODE\x00" + TEXT.encode("utf-16-be")


def exif_of(content: bytes) -> dict[str, Any]:
    """Every field of the first and the EXIF directory, by its standard name."""
    with Image.open(io.BytesIO(content)) as image:
        found = image.getexif()
        fields = {**found, **found.get_ifd(exif.EXIF_DIRECTORY)}
    return {ExifTags.TAGS[tag]: value for tag, value in fields.items()}


EVERY_PICTURE = {
    "ExifVersion": b"0230",
    "FlashPixVersion": b"0100",
    "ColorSpace": 1,
    "ExifImageWidth": 96,
    "ExifImageHeight": 64,
}
EVERY_JPEG = EVERY_PICTURE | {
    "ComponentsConfiguration": b"\1\2\3\0",
    "XResolution": 72,
    "YResolution": 72,
    "ResolutionUnit": 2,
    "YCbCrPositioning": 1,
}


@pytest.mark.parametrize(
    ("kind", "options", "demanded"),
    [
        ("jpeg", {}, EVERY_JPEG),
        ("jpeg", {"progressive": True}, EVERY_JPEG),
        ("jpeg", {"dpi": (300, 300)}, EVERY_JPEG | {"XResolution": 300, "YResolution": 300}),
        ("jpeg", {"icc_profile": b"Display P3"}, EVERY_JPEG | {"ColorSpace": 0xFFFF}),
        ("jpeg", {"icc_profile": b"sRGB IEC61966-2.1"}, EVERY_JPEG),
        ("webp", {}, EVERY_PICTURE),
        ("webp", {"lossless": True}, EVERY_PICTURE),
        ("webp", {"icc_profile": b"Display P3"}, EVERY_PICTURE | {"ColorSpace": 0xFFFF}),
    ],
)
def test_exif_has_the_mandatory_fields(kind: str, options: dict[str, Any], demanded: dict[str, Any]) -> None:
    found = exif_of(embedded(noise_image(kind, **options)))
    assert found.pop("UserComment")
    assert found.pop("ExifOffset")
    assert found == demanded


def test_exif_components_match_grey_and_cmyk_jpegs() -> None:
    grey, print_colours = (exif_of(embedded(noise_image("jpeg", mode))) for mode in ("L", "CMYK"))
    assert grey["ComponentsConfiguration"] == b"\1\0\0\0"
    assert print_colours.keys() & {"ComponentsConfiguration", "YCbCrPositioning"} == set()
    assert print_colours["ColorSpace"] == 0xFFFF


@pytest.mark.parametrize("order", ["<", ">"])
def test_exif_fields_of_the_service_are_kept_and_missing_ones_added(order: str) -> None:
    head = {"<": b"II\x2a\x00", ">": b"MM\x00\x2a"}[order] + struct.pack(order + "L", 8)
    fields = struct.pack(order + "HHHLHHL", 1, 0x0128, 3, 1, 3, 0, 0)  # ResolutionUnit: centimetres
    plain = noise_image("jpeg")
    found = exif_of(embedded(plain[:2] + jpeg_segment(0xE1, b"Exif\x00\x00" + head + fields) + plain[2:]))
    assert found.pop("UserComment")
    assert found.pop("ExifOffset")
    density = {"XResolution", "YResolution"}  # the unit of a service is unknown
    assert found == {name: EVERY_JPEG[name] for name in EVERY_JPEG.keys() - density} | {"ResolutionUnit": 3}


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
def test_existing_exif_is_kept(picture_format: str) -> None:
    before = Image.Exif()
    before[0x010E], before[0x0112] = "a description", 1
    before.get_ifd(exif.EXIF_DIRECTORY)[0x9003] = "2026:01:01 00:00:00"
    before.get_ifd(0x8825)[0x0001] = "N"
    after = embedded(noise_image(picture_format, exif=before))
    with Image.open(io.BytesIO(after)) as image:
        found = image.getexif()
        assert found[0x010E] == "a description"
        assert found.get_ifd(exif.EXIF_DIRECTORY)[0x9003] == "2026:01:01 00:00:00"
        assert found.get_ifd(0x8825)[0x0001] == "N"
    assert metadata.extract(after) == TEXT


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
def test_a_service_mark_in_the_user_comment_precedes_the_parameters(picture_format: str) -> None:
    before = Image.Exif()
    before.get_ifd(exif.EXIF_DIRECTORY)[exif.USER_COMMENT] = b"UNICODE\x00" + SERVICE_MARK.encode("utf-16-be")
    after = embedded(noise_image(picture_format, exif=before))
    first, _, rest = user_comment(after)[8:].decode("utf-16-be").partition("\n")
    assert json.loads(first) == json.loads(SERVICE_MARK)
    assert rest == TEXT
    assert metadata.extract(after) == TEXT


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_broken_exif_block_is_unchanged() -> None:
    broken = b"Exif\x00\x00II\x2a\x00\xff\xff\xff\x7f"
    plain = noise_image("jpeg")
    after = embedded(plain[:2] + jpeg_segment(0xE1, broken) + plain[2:])
    assert broken in after
    assert metadata.extract(after) == TEXT


def test_service_segments_of_a_jpeg_stay_byte_for_byte() -> None:
    plain = noise_image("jpeg")
    xmp = jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00<TC260:AIGC>" + SERVICE_MARK.encode())
    c2pa = jpeg_segment(0xEB, b"JP\x00\x01\x00\x00\x00\x01jumb c2pa")
    after = embedded(plain[:20] + xmp + c2pa + plain[20:])
    assert xmp + c2pa in after
    assert pixels(after) == pixels(plain)


def test_service_chunks_of_a_png_stay_byte_for_byte() -> None:
    plain = noise_image("png")
    mark = png_chunk(b"tEXt", b"AIGC\x00" + json.dumps(json.loads(SERVICE_MARK)).encode())
    c2pa = png_chunk(b"caBX", b"jumb c2pa")
    before = plain[:33] + mark + c2pa + plain[33:]
    after = embedded(before)
    added = {part.name for part in png_chunks(after)} - {part.name for part in png_chunks(before)}
    assert mark + c2pa in after
    assert added == {b"iTXt"}
    assert len(after) > len(before)


def test_service_chunks_of_a_webp_stay_byte_for_byte() -> None:
    xmp = b"<TC260:AIGC>" + SERVICE_MARK.encode()
    before = noise_image("webp", xmp=xmp)
    after = embedded(before)
    assert webp_chunk(b"XMP ", xmp) in after
    names = [part.name for part in webp_chunks(after)]
    assert names == [b"VP8X", b"VP8 ", b"XMP ", b"EXIF"]
    with Image.open(io.BytesIO(after)) as image:
        assert image.info["xmp"] == xmp


def test_parameters_of_another_tool_are_kept_and_ours_found() -> None:
    plain = noise_image("png")
    theirs = png_chunk(b"tEXt", b"parameters\x00theirs")
    after = embedded(plain[:33] + theirs + plain[33:])
    assert theirs in after
    assert metadata.extract(after) == TEXT


@pytest.mark.parametrize(
    "chunk",
    [
        png_chunk(b"zTXt", b"parameters\x00\x00" + zlib.compress("caf\xe9".encode("latin-1"))),
        png_chunk(b"iTXt", b"parameters\x00\x01\x00zh\x00\x00" + zlib.compress("café".encode())),
        png_chunk(b"iTXt", b"parameters\x00\x00\x00zh\x00\x00" + "café".encode()),
        png_chunk(b"tEXt", b"parameters\x00caf\xe9"),
    ],
)
def test_parameters_are_read_from_every_kind_of_text_chunk(chunk: bytes) -> None:
    plain = noise_image("png")
    assert metadata.extract(plain[:33] + chunk + plain[33:]) == "café"


def test_a_user_comment_in_the_other_byte_order_is_read() -> None:
    value = b"UNICODE\x00" + "猫\nSteps: 20, Seed: 1".encode("utf-16-le")
    block = b"II\x2a\x00" + struct.pack("<LHHHLLL", 8, 1, exif.EXIF_DIRECTORY, 4, 1, 26, 0)
    block += struct.pack("<HHHLLL", 1, exif.USER_COMMENT, 7, len(value), 44, 0) + value
    assert exif.read_user_comment(block) == "猫\nSteps: 20, Seed: 1"


def test_prompts_too_long_for_a_jpeg_are_shortened_keeping_the_last_line() -> None:
    request = ImageRequest(prompt="😀" * 10_000, negative_prompt="😀" * 10_000)
    text = format_parameters(request, Size(width=1, height=1), "m", 5, 6)
    found = metadata.extract(embedded(noise_image("jpeg"), text))
    assert found is not None
    chosen = "Steps: default, Sampler: default, Schedule type: default"
    assert found.endswith(f"…\n{chosen}, Seed: 6, Size: 1x1, Model: m, Record: 5")
    assert len(found) > 15_000
    assert metadata.extract(embedded(noise_image("png"), text)) == text


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x00\x00\x00\x00WEBP"]
)
def test_a_file_that_is_no_image_has_no_parameters(content: bytes) -> None:
    assert metadata.extract(content) is None


@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_parsing_parameters_survives_any_corruption(picture_format: str) -> None:
    chance = random.Random(7)
    content = embedded(noise_image(picture_format, exif=Image.Exif()))
    for _ in range(300):
        damaged = bytearray(content[: chance.randrange(len(content))])
        for _ in range(min(3, len(damaged))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        metadata.extract(bytes(damaged))
