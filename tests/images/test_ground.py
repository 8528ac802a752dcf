"""A near-white ground lifted to exact white, and what of a picture is never touched."""

import random
from itertools import pairwise

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageStat

from app.errors import Message
from app.images.ground import _from_border, lift_ground, measure

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


def changed(before: Image.Image, after: Image.Image) -> Image.Image:
    """A mask of the pixels that differ."""
    return ImageChops.difference(before, after).convert("L").point(lambda level: 255 * (level > 0))


def test_a_near_white_ground_becomes_exact_white_and_goods_change_at_their_soft_edge_only() -> None:
    image = mug()
    made, share = lifted(image)
    assert measure(made).white == 1
    goods = Image.new("L", image.size)
    ImageDraw.Draw(goods).ellipse((154, 154, 446, 446), fill=255)
    assert ImageChops.darker(goods, changed(image, made)).getbbox() is None
    outside = Image.new("L", image.size, 255)
    ImageDraw.Draw(outside).ellipse((144, 144, 456, 456), fill=0)
    assert made.convert("L").histogram(outside)[255] == outside.histogram()[255]
    assert share == pytest.approx(outside.histogram()[255] / 360_000, abs=0.02)


def test_white_goods_stay_as_they_are_also_behind_a_gap_in_their_edge() -> None:
    image = Image.new("RGB", (600, 600), NEARLY)
    ImageDraw.Draw(image).rectangle(
        (150, 150, 450, 450), fill=(251, 251, 250), outline=(228, 228, 230), width=2
    )
    ImageDraw.Draw(image).line((300, 150, 303, 150), fill=NEARLY, width=4)
    made, _ = lifted(image)
    inside = (160, 160, 440, 440)
    assert made.crop(inside).tobytes() == image.crop(inside).tobytes()
    assert made.getpixel((140, 300)) == (255, 255, 255)


def test_a_shadow_stays_and_fades_into_the_white_without_a_step() -> None:
    image = mug(shadow=50)
    made, _ = lifted(image)
    steps = []
    for each in (image, made):
        column = [sum(each.convert("L").crop((300, y, 340, y + 1)).tobytes()) / 40 for y in range(460, 600)]
        steps.append([below - above for above, below in pairwise(column)])
    assert max(steps[1]) <= max(steps[0]) + 1.5
    assert min(steps[1]) > -1.5
    dark = (290, 465, 310, 475)
    assert abs(ImageStat.Stat(made.crop(dark)).mean[0] - ImageStat.Stat(image.crop(dark)).mean[0]) <= 6


def test_goods_may_touch_an_edge_and_the_ground_may_darken_gradually() -> None:
    light = Image.linear_gradient("L").resize((600, 600)).point(lambda level: 252 - level // 16)
    image = Image.merge("RGB", [light] * 3)
    ImageDraw.Draw(image).rectangle((150, 200, 450, 600), fill=RED)
    made, _ = lifted(image)
    assert {made.getpixel(at) for at in ((0, 0), (599, 599), (140, 590), (300, 190))} == {(255, 255, 255)}
    assert made.getpixel((300, 599)) == RED


def _with_floor() -> Image.Image:
    image = mug()
    image.paste((205, 205, 207), (0, 510, 600, 600))
    return image


@pytest.mark.parametrize(
    ("image", "why"),
    [
        (mug((215, 215, 215)), "离白色太远"),
        (mug((250, 240, 225)), "离白色太远"),
        (_with_floor(), "深浅不一"),
        (Image.frombytes("RGB", (300, 300), random.Random(1).randbytes(270_000)), "不是纯色"),
        (Image.effect_noise((300, 300), 20).point(lambda level: level - 60).convert("RGB"), "不是纯色"),
        (Image.effect_noise((300, 300), 20).point(lambda level: level + 115).convert("RGB"), "杂点太多"),
        (Image.new("RGBA", (300, 300)), "透明"),
    ],
    ids=["grey", "cream", "a floor", "noise", "dark noise", "light noise", "transparent"],
)
def test_a_ground_that_cannot_be_lifted_is_left_and_the_reason_said(image: Image.Image, why: str) -> None:
    reason = lift_ground(image)
    assert isinstance(reason, Message)
    assert why in str(reason)


def test_what_is_connected_with_the_border_is_what_a_flood_reaches() -> None:
    chance = random.Random(3)
    mask = Image.new("L", (90, 70), 255)
    for _ in range(260):  # a maze of thin walls
        x, y, length = chance.randrange(3, 85), chance.randrange(3, 65), chance.randrange(2, 14)
        end = (min(x + length, 87), y) if chance.random() < 0.5 else (x, min(y + length, 67))
        ImageDraw.Draw(mask).line((x, y, *end), fill=0)
    flooded = mask.copy()
    ImageDraw.floodfill(flooded, (0, 0), 128)
    assert 1000 < flooded.histogram()[128] < mask.histogram()[255]
    found = _from_border(mask)
    assert found
    assert found.tobytes() == flooded.point(lambda level: 255 * (level == 128)).tobytes()
