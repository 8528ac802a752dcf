"""Pictures to deliver: sizes, bytes, grounds and marks; colours and odd originals are read by a browser."""

import contextlib
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw

from app.images import metadata
from app.images.containers import jpeg_segments
from app.images.exif import ORIENTATION
from app.images.finishing import POSITIONS, CannotFinish, Finish, Finished, Overlay, finish, layout
from app.images.marks import find_marks
from tools.marked_images import FIELDS, WRAPPED, with_c2pa, with_comment, with_xmp, xmp
from tools.noise_images import noise_image, pixels

SQUARE = Finish(width=800, height=800, fit="pad", format="jpeg")
WHITE, RED = (255, 255, 255), (230, 0, 18)


def packed(image: Image.Image, image_format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def opened(finished: Finished) -> Image.Image:
    image = Image.open(io.BytesIO(finished.content))
    image.load()
    return image


def goods(ground: tuple[int, ...] = WHITE, box: tuple[int, int, int, int] = (100, 200, 700, 600)) -> bytes:
    """A picture of 800×800 with something red in this box."""
    image = Image.new("RGBA" if len(ground) == 4 else "RGB", (800, 800), ground)
    image.paste((*RED, 255)[: len(ground)], box)
    return packed(image)


def words(finished: Finished) -> list[str]:
    return [str(change) for change in finished.changes]


def sampling(content: bytes) -> int:
    """Horizontal and vertical factor of the first component of a JPEG: 0x11 is 4:4:4, 0x22 is 4:2:0."""
    frame = next(part for part in jpeg_segments(content) if part.name[0] == 0xC0)
    return content[frame.payload][7]


@pytest.mark.parametrize(
    ("wanted", "original", "frame", "picture"),
    [
        (SQUARE, (2048, 2048), (800, 800), (800, 800)),
        (SQUARE, (2048, 1024), (800, 800), (800, 400)),
        (SQUARE, (600, 600), (800, 800), (600, 600)),  # placed as it is from 70 % of the frame on
        (SQUARE, (300, 150), (800, 800), (800, 400)),  # enlarged
        (
            Finish(width=1440, height=1440, fit="pad", least_side=800),
            (1024, 1024),
            (1024, 1024),
            (1024, 1024),
        ),
        (Finish(width=1440, height=1440, fit="pad", least_side=800), (1024, 512), (1024, 1024), (1024, 512)),
        (Finish(width=1440, height=1440, fit="pad", least_side=800), (400, 400), (800, 800), (800, 800)),
        (Finish(width=600, height=800, fit="crop"), (2000, 1000), (600, 800), (1600, 800)),
        (Finish(width=600, height=800, fit="crop"), (300, 300), (600, 800), (800, 800)),
        (Finish(width=790, height=1500, fit="inside"), (1580, 1000), (790, 500), (790, 500)),
        (Finish(width=790, fit="inside"), (400, 9000), (400, 9000), (400, 9000)),
        (Finish(), (123, 45), (123, 45), (123, 45)),
    ],
)
def test_an_original_is_placed_in_its_frame(
    wanted: Finish, original: tuple[int, int], frame: tuple[int, int], picture: tuple[int, int]
) -> None:
    placed = layout(wanted, *original)
    assert (placed.frame, placed.picture) == (frame, picture)
    assert placed.scale == pytest.approx(picture[0] / original[0], rel=0.01)


@pytest.mark.parametrize(("quality", "subsampling"), [(95, 0), (93, 0), (89, 0), (86, 2), (81, 2)])
def test_the_best_quality_that_fits_is_taken(quality: int, subsampling: int) -> None:
    noise = noise_image("png", size=(800, 800))
    image = Image.open(io.BytesIO(noise))
    most = len(packed(image, "JPEG", quality=quality, subsampling=subsampling, optimize=True)) + 2_000
    made = finish(noise, Finish(width=800, height=800, fit="pad", format="jpeg", max_bytes=most))
    assert most * 0.9 < len(made.content) <= most
    assert made.quality == pytest.approx(quality, abs=2)
    assert sampling(made.content) == (0x11 if subsampling == 0 else 0x22)


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_a_picture_that_cannot_be_small_enough_is_shrunk_inside_and_refused_in_a_frame(
    image_format: str,
) -> None:
    noise = noise_image("png", "RGB", size=(800, 800))
    with pytest.raises(CannotFinish, match="放不进 60 KB"):
        finish(noise, Finish(width=800, height=800, fit="pad", format=image_format, max_bytes=60_000))
    made = finish(noise, Finish(width=800, height=800, fit="inside", format=image_format, max_bytes=60_000))
    assert len(made.content) <= 60_000
    assert 200 < made.width == made.height < 800
    assert opened(made).size == (made.width, made.height)


def test_a_floor_of_quality_is_kept() -> None:
    noise = noise_image("png", size=(800, 800))
    wanted = Finish(width=800, height=800, fit="pad", format="jpeg", max_bytes=380_000)
    assert (finish(noise, wanted).quality or 0) < 90
    with pytest.raises(CannotFinish):
        finish(noise, replace(wanted, least_quality=90))


def test_a_plain_picture_that_would_be_too_small_gets_more_quality() -> None:
    noise = noise_image("png", size=(800, 800))
    least = len(finish(noise, SQUARE).content) + 10_000
    more = finish(noise, replace(SQUARE, min_bytes=least))
    assert len(more.content) >= least
    assert (more.quality or 0) > 95


def test_the_ground_at_the_border_is_padded_on_without_a_seam() -> None:
    made = finish(packed(Image.new("RGB", (900, 300), (244, 240, 235))), SQUARE)
    levels = [level for band in opened(made).split() for level in band.getextrema()]
    assert levels == pytest.approx([244, 244, 240, 240, 235, 235], abs=1)
    assert words(made) == ["从 900×300 缩小到 800×267", "四周补了 #F4F0EB"]


def test_a_colour_that_is_not_the_ground_is_said_to_show_a_seam() -> None:
    white = Finish(width=800, height=800, fit="pad", background="#ffffff", format="png")
    made = finish(packed(Image.new("RGB", (800, 300), (244, 240, 235))), white)
    assert opened(made).getpixel((0, 0)) == WHITE
    assert words(made)[-1] == "原图底色是 #F4F0EB，看得出接缝"
    scene = finish(noise_image("png", size=(800, 300)), white)
    assert words(scene)[-1] == "背景不是纯色，补的边会像加了框"


@pytest.mark.parametrize(
    ("background", "image_format", "corner"),
    [
        ("auto", "jpeg", (255, 255, 255)),
        ("#102030", "png", (16, 32, 48)),
        ("auto", "png", (0, 0, 0, 0)),
        ("", "webp", (0, 0, 0, 0)),
    ],
)
def test_transparent_parts_are_filled_or_kept(
    background: str, image_format: str, corner: tuple[int, ...]
) -> None:
    clear = Image.new("RGBA", (400, 300), (9, 9, 9, 0))
    clear.paste((*RED, 255), (100, 100, 300, 200))
    wanted = Finish(width=500, height=500, fit="pad", background=background, format=image_format)
    made = opened(finish(packed(clear), wanted))
    assert made.getpixel((0, 0)) == corner
    assert made.getpixel((60, 110))[3:] == corner[3:]  # type: ignore[index]
    assert made.convert("RGB").getpixel((250, 250)) == pytest.approx(RED, abs=3)


def test_an_opaque_original_is_padded_with_nothing_where_the_profile_is_transparent() -> None:
    wanted = Finish(width=900, height=800, fit="pad", background="", format="png")
    made = opened(finish(goods(), wanted))
    assert (made.getpixel((0, 400)), made.getpixel((450, 10))) == ((0, 0, 0, 0), (255, 255, 255, 255))


def test_a_crop_keeps_what_is_around_its_focus() -> None:
    stripes = Image.new("RGB", (900, 300))
    for number, colour in enumerate(((200, 0, 0), (0, 200, 0), (0, 0, 200))):
        stripes.paste(colour, (300 * number, 0, 300 * number + 300, 300))
    seen = [
        opened(
            finish(packed(stripes), Finish(width=300, height=300, fit="crop", format="png", focus=(at, 0.5)))
        )
        for at in (0.0, 0.5, 1.0)
    ]
    assert [image.getpixel((150, 150)) for image in seen] == [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    made = finish(packed(stripes), Finish(width=300, height=300, fit="crop", format="png"))
    assert words(made) == ["裁剪，留下宽的 33%、高的 100%"]


@pytest.mark.parametrize("position", POSITIONS)
def test_an_overlay_lies_where_it_is_asked_for(position: str) -> None:
    logo = Overlay(
        image=packed(Image.new("RGBA", (50, 50), (0, 0, 255, 255))), position=position, opacity=0.5
    )
    made = opened(finish(goods(), Finish(width=800, height=800, fit="pad", format="png", overlay=logo)))
    across, down = POSITIONS[position]
    centre = (24 + 80 + round(across * (800 - 160 - 48)), 24 + 80 + round(down * (800 - 160 - 48)))
    red, _, blue = made.getpixel(centre)  # type: ignore[misc]
    assert blue - red >= 20
    assert made.getpixel((centre[0] - 82, centre[1])) in (WHITE, RED)


def test_an_overlay_that_is_no_picture_is_refused() -> None:
    broken = Finish(width=800, height=800, fit="pad", format="png", overlay=Overlay(image=b"\x89PNG"))
    with pytest.raises(CannotFinish, match="叠加"):
        finish(goods(), broken)


def test_a_large_photo_on_its_side_is_cropped_upright() -> None:
    """Decoded at half its size."""
    upright = Image.new("RGB", (1000, 3000), (0, 0, 200))
    upright.paste((200, 0, 0), (0, 0, 1000, 1000))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    lying = packed(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)
    wanted = Finish(width=200, height=200, fit="crop", format="png", focus=(0.5, 0.1))
    made = finish(lying, wanted)
    assert opened(made).convert("RGB").getpixel((100, 190)) == pytest.approx((200, 0, 0), abs=4)
    assert words(made)[0] == "按拍摄方向转正"


def test_another_format_keeps_the_size() -> None:
    made = finish(noise_image("png", "LA"), Finish(format="jpeg"))
    assert (made.format, made.width, made.height, made.scale) == ("jpeg", 96, 64, 1.0)


# --- the ground


@pytest.mark.parametrize(
    ("content", "kind", "fill", "edges"),
    [
        (goods, "white", 0.75, ()),
        (lambda: goods((235, 230, 225)), "plain", 0.75, ()),
        (lambda: goods(box=(200, 0, 600, 400)), "white", 0.5, ("top",)),
        (lambda: goods(box=(0, 300, 800, 500)), "white", 1.0, ("left", "right")),
        (lambda: noise_image("png", size=(800, 800)), "scene", None, ()),
    ],
    ids=["white", "plain", "at the top", "from edge to edge", "scene"],
)
def test_the_ground_and_the_goods_are_measured_in_the_finished_bytes(
    content: Callable[[], bytes], kind: str, fill: float | None, edges: tuple[str, ...]
) -> None:
    measured = finish(content(), SQUARE).measured
    assert (measured.kind, measured.edges) == (kind, edges)
    assert measured.fill == (None if fill is None else pytest.approx(fill, abs=0.02))
    assert (measured.white > 0.999) == (kind == "white")


def test_a_shadow_in_the_ground_is_not_white() -> None:
    image = Image.new("RGB", (800, 800), WHITE)
    ImageDraw.Draw(image).ellipse((100, 560, 700, 680), fill=(248, 248, 248))
    image.paste(RED, (300, 200, 500, 500))
    measured = finish(packed(image), SQUARE).measured
    assert measured.kind == "white"
    assert measured.white < 0.95
    assert measured.fill_area == pytest.approx(200 * 300 / 640_000, abs=0.01)


ON_WHITE = replace(SQUARE, white=True, fill=(0.7, 0.8), background="#ffffff")


@pytest.mark.parametrize(
    ("content", "change"),
    [
        (lambda: goods((244, 243, 246), (300, 250, 500, 500)), "从 31% 调到 73%"),
        (lambda: goods((244, 243, 246), (20, 200, 780, 600)), "从 95% 调到 77%"),
        (lambda: goods((244, 243, 246), (50, 500, 650, 760)), "提到纯白"),
        (lambda: goods((0, 0, 0, 0), (300, 250, 500, 500)), "从 31% 调到 73%"),
    ],
    ids=["small", "large", "off the middle", "cut out"],
)
def test_goods_on_a_near_white_ground_get_exact_white_and_their_share(
    content: Callable[[], bytes], change: str
) -> None:
    finished = finish(content(), ON_WHITE)
    assert opened(finished).size == (800, 800)
    assert (finished.measured.kind, finished.measured.edges) == ("white", ())
    assert finished.measured.white >= 0.995
    assert finished.measured.fill == pytest.approx(0.75, abs=0.04)
    assert any(change in line for line in words(finished))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (lambda: noise_image("png", size=(800, 800)), "底色没有提白：背景不是纯色"),
        (lambda: goods((180, 180, 180)), "底色没有提白：底色 #B4B4B4 离白色太远"),
        (lambda: goods((245, 245, 245), (0, 300, 500, 500)), "商品占比没有调：商品碰到了边"),
        (lambda: packed(Image.new("RGB", (800, 800), (250, 250, 250))), "商品占比没有调：没有找到商品"),
    ],
    ids=["scene", "grey", "cut goods", "no goods"],
)
def test_what_cannot_be_put_on_white_is_left_and_the_reason_said(
    content: Callable[[], bytes], why: str
) -> None:
    finished = finish(content(), ON_WHITE)
    assert why in words(finished)
    assert finished.scale == 1


# --- marks and metadata


@pytest.mark.parametrize("source", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("target", ["png", "jpeg", "webp", "original"])
def test_the_implicit_mark_is_carried_into_every_format(source: str, target: str) -> None:
    wanted = Finish(width=64, height=64, fit="pad", format=target)
    made = finish(with_xmp(source, xmp()), wanted)
    assert find_marks(made.content)["aigc"] == {"place": "xmp", "fields": FIELDS}
    assert made.aigc == json.dumps(FIELDS)
    assert made.content.count(b"ContentProducer") == 1


def test_the_mark_of_a_comment_is_carried_without_what_follows_it() -> None:
    made = finish(with_comment("jpeg", f"{WRAPPED}\n一只猫\nSteps: 20"), SQUARE)
    assert made.aigc == WRAPPED
    assert "一只猫".encode() not in made.content
    assert metadata.extract(made.content) is None


def test_a_mark_that_cannot_be_written_stops_the_picture() -> None:
    with pytest.raises(CannotFinish, match="AI 标识"):
        finish(with_xmp("png", xmp(json.dumps({"Label": "x" * 70_000}))), SQUARE)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_a_c2pa_manifest_is_kept_with_its_bytes_or_left_behind(image_format: str) -> None:
    signed = with_c2pa(image_format)
    kept = finish(signed, Finish())
    assert (kept.content, kept.c2pa, kept.changes) == (signed, "kept", ())
    changed = finish(signed, SQUARE)
    assert (changed.c2pa, find_marks(changed.content)["c2pa"]) == ("left", False)
    embedded = b"".join(metadata.embed(signed, image_format, "一只猫\nSteps: 20"))
    cleaned = finish(embedded, Finish())
    assert (cleaned.c2pa, find_marks(cleaned.content)["c2pa"]) == ("left", False)
    assert metadata.extract(cleaned.content) is None


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_the_original_keeps_its_pixels_profile_and_orientation_and_nothing_else(
    image_format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION], exif[0x010E] = orientation, "secret"
    original = noise_image(image_format, exif=exif, icc_profile=b"\0" * 128, xmp=b"<x>secret</x>")
    original = b"".join(metadata.embed(original, image_format, "secret\nSteps: 20"))
    made = finish(original, Finish())
    assert pixels(made.content) == pixels(original)
    assert b"secret" not in made.content
    assert "secret".encode("utf-16-be") not in made.content
    image = opened(made)
    assert dict(image.getexif()) == ({ORIENTATION: 6} if orientation == 6 else {})
    assert image.info["icc_profile"] == b"\0" * 128
    assert (made.width, made.height) == ((64, 96) if orientation == 6 else (96, 64))


@pytest.mark.parametrize("wanted", [Finish(), SQUARE, Finish(width=64, height=64, fit="pad", format="png")])
def test_parameters_are_embedded_where_they_are_asked_for(wanted: Finish) -> None:
    original = b"".join(metadata.embed(with_xmp("webp", xmp()), "webp", "一只猫\nSteps: 20"))
    assert metadata.extract(finish(original, wanted).content) is None
    made = finish(original, replace(wanted, parameters=True))
    assert metadata.extract(made.content) == "一只猫\nSteps: 20"
    assert find_marks(made.content)["aigc"]


def test_the_bound_holds_with_mark_and_parameters() -> None:
    noise = noise_image("png", size=(800, 800))
    noise = b"".join(metadata.embed(noise, "png", "雪" * 3_000 + "\nSteps: 20"))
    for most in (400_000, 420_000, 440_000):
        made = finish(noise, replace(SQUARE, max_bytes=most, parameters=True))
        assert (len(made.content) <= most, metadata.extract(made.content) is None) == (True, False)


# --- bad originals


def damaged() -> Iterator[bytes]:
    yield b""
    yield b"GIF89a" + bytes(100)
    whole = noise_image("png", size=(200, 200))
    yield whole[: len(whole) // 2]
    yield whole[:16] + b"\x00\x01\x00\x00\x00\x01\x00\x00" + whole[24:]  # 65,536 pixels a side
    rng = random.Random(1)
    noise = bytearray(noise_image("jpeg", size=(200, 200)))
    del noise[2:600]
    yield bytes(noise)
    yield b"\xff\xd8\xff" + rng.randbytes(500)


@pytest.mark.parametrize("content", list(damaged()))
@pytest.mark.parametrize("wanted", [SQUARE, Finish()])
def test_a_damaged_original_is_a_sentence(content: bytes, wanted: Finish) -> None:
    with pytest.raises(CannotFinish, match="原图"):
        finish(content, wanted)


@pytest.mark.parametrize("image_format", ["png", "jpeg", "webp"])
def test_whatever_is_damaged_is_a_picture_or_a_sentence(image_format: str) -> None:
    rng = random.Random(f"damaged {image_format}")
    sample = finish(with_xmp(image_format, xmp()), Finish()).content
    small = replace(SQUARE, width=64, height=64)
    for number in range(120):
        content = bytearray(sample[: rng.choice([len(sample), rng.randrange(13, len(sample))])])
        for _ in range(rng.randrange(6)):
            content[rng.randrange(12, min(len(content), 700))] = rng.randrange(256)
        with contextlib.suppress(CannotFinish):
            made = finish(bytes(content), (Finish(), small)[number % 2])
            assert opened(made).size == (made.width, made.height)
