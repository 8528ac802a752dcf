"""A near-white ground lifted to exact white, and what of a picture is never touched."""

import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from app.errors import Message
from app.images.ground import lift_ground, measure, measure_border

NEARLY, RED = (246, 244, 247), (180, 30, 40)


def mug(ground: tuple[int, int, int] = NEARLY, shadow: int = 0) -> Image.Image:
    """A red ring on a ground with some noise, over a soft shadow that is darker by so many levels."""
    image = Image.new("RGB", (600, 600), ground)
    if shadow:
        ImageDraw.Draw(image).ellipse((60, 380, 540, 520), fill=tuple(level - shadow for level in ground))
        image = image.filter(ImageFilter.GaussianBlur(16))
    ImageDraw.Draw(image).ellipse((150, 150, 450, 450), fill=RED)
    ImageDraw.Draw(image).ellipse((240, 240, 360, 360), fill=ground)
    image = image.filter(ImageFilter.GaussianBlur(1))
    noise = Image.frombytes("L", image.size, random.Random(5).randbytes(360_000)).point(lambda n: n // 32)
    return ImageChops.subtract(image, Image.merge("RGB", [noise] * 3))


def lifted(image: Image.Image) -> tuple[Image.Image, float]:
    made = lift_ground(image)
    assert not isinstance(made, Message)
    return made


def test_a_near_white_ground_becomes_exact_white_and_nothing_else_changes() -> None:
    image = mug()
    made, share = lifted(image)
    assert measure(made).white == 1
    changed = ImageChops.difference(image, made).convert("L").point(lambda level: 255 * (level > 0))
    assert changed.getbbox() == (0, 0, 600, 600)
    assert share == pytest.approx(changed.histogram()[255] / 360_000, abs=0.001)
    for at in ((300, 300), (300, 200)):  # the ground seen through the ring, and the goods
        assert made.getpixel(at) == image.getpixel(at)
    from_border = ImageChops.difference(image, Image.new("RGB", image.size, measure_border(image)[1]))
    from_border.paste((0, 0, 0), mask=ImageChops.invert(changed))
    assert not any(sum(band.histogram()[13:]) for band in from_border.split())


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (mug(shadow=50), "阴影"),
        (mug((215, 215, 215)), "离白色太远"),
        (Image.frombytes("RGB", (300, 300), random.Random(1).randbytes(270_000)), "不是纯色"),
        (Image.new("RGBA", (300, 300)), "透明"),
    ],
    ids=["soft shadow", "grey", "scene", "transparent"],
)
def test_a_ground_that_cannot_be_told_from_the_goods_is_left_and_the_reason_said(
    image: Image.Image, why: str
) -> None:
    reason = lift_ground(image)
    assert isinstance(reason, Message)
    assert why in str(reason)


def test_pale_goods_that_run_into_the_ground_are_left() -> None:
    image = Image.new("RGB", (400, 400), NEARLY)
    ImageDraw.Draw(image).rectangle((100, 100, 300, 300), fill=(226, 224, 227))
    assert isinstance(lift_ground(image), Message)


def test_the_ground_is_what_a_flood_from_the_border_reaches() -> None:
    chance = random.Random(3)
    image = Image.new("RGB", (90, 70), NEARLY)
    for _ in range(260):  # a maze of thin walls
        x, y, length = chance.randrange(3, 85), chance.randrange(3, 65), chance.randrange(2, 14)
        end = (min(x + length, 87), y) if chance.random() < 0.5 else (x, min(y + length, 67))
        ImageDraw.Draw(image).line((x, y, *end), fill=RED)
    flooded = image.copy()
    ImageDraw.floodfill(flooded, (0, 0), (255, 255, 255))
    assert lifted(image)[0].tobytes() == flooded.tobytes()
