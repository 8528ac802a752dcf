"""Goods in their own pixels on white or on nothing: what is kept of the picture, and when nothing is made."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageStat

from app.images.cutout import CannotCutOut, on_white, with_alpha
from app.images.marks import find_marks, with_implicit_mark

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
MARK = '{"Label":"1","ContentProducer":"x"}'


def packed(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def goods(ground: tuple[int, int, int] = (245, 245, 246)) -> Image.Image:
    image = Image.new("RGB", (300, 200), ground)
    ImageDraw.Draw(image).rectangle((100, 50, 200, 150), fill=(20, 90, 60))
    return image


def drawn(size: tuple[int, int] = (300, 200)) -> bytes:
    """What a service answers: opaque in the middle, transparent at the border, in colours of its own."""
    image = Image.new("RGB", size, (200, 0, 200))
    alpha = Image.radial_gradient("L").point(lambda level: max(0, min(255, (150 - level) * 16)))
    image.putalpha(alpha.resize(size))
    return packed(image)


@pytest.mark.parametrize("make", [on_white, lambda photo: with_alpha(photo, drawn())], ids=["white", "alpha"])
def test_colour_profile_and_implicit_mark_go_with_the_picture(make: Callable[[bytes], bytes]) -> None:
    photo = with_implicit_mark(packed(goods(), "JPEG", quality=95, icc_profile=ICC), "jpeg", MARK)
    made = make(photo)
    assert opened(made).info["icc_profile"] == ICC
    assert find_marks(made)["aigc"]["fields"] == {"Label": "1", "ContentProducer": "x"}


def test_the_goods_keep_their_own_pixels_behind_the_alpha_that_was_drawn() -> None:
    image = goods()
    made = opened(with_alpha(packed(image), drawn()))
    assert made.getchannel("A").tobytes() == opened(drawn()).getchannel("A").tobytes()
    opaque = made.getchannel("A").point(lambda level: 255 * (level == 255))
    changed = ImageChops.difference(made.convert("RGB"), image).convert("L")
    assert opaque.getbbox()
    assert ImageChops.darker(changed, opaque).getbbox() is None
    assert made.getpixel((0, 0)) == (255, 255, 255, 0)


def test_no_ground_is_left_in_a_soft_edge() -> None:
    alpha, goods_alone = opened(drawn()).getchannel("A"), Image.new("RGB", (300, 200), (20, 90, 60))
    photo = Image.composite(goods_alone, Image.new("RGB", (300, 200), (245, 245, 246)), alpha)
    made = opened(with_alpha(packed(photo), drawn()))
    black = Image.new("RGB", (300, 200))
    expected = Image.composite(goods_alone, black, alpha)
    shown = Image.composite(made.convert("RGB"), black, alpha)
    assert max(ImageStat.Stat(ImageChops.difference(expected, shown)).rms) < 2


def test_an_answer_of_another_size_is_brought_to_that_of_the_picture() -> None:
    assert opened(with_alpha(packed(goods()), drawn((150, 100)))).size == (300, 200)
    with pytest.raises(CannotCutOut, match="150×150"):
        with_alpha(packed(goods()), drawn((150, 150)))


@pytest.mark.parametrize(
    "answer", [packed(Image.new("RGBA", (300, 200))), packed(Image.new("RGB", (300, 200))), drawn()[:400]]
)
def test_an_answer_without_goods_without_ground_or_damaged_makes_nothing(answer: bytes) -> None:
    with pytest.raises(CannotCutOut):
        with_alpha(packed(goods()), answer)


def test_a_transparent_ground_becomes_white() -> None:
    cut = with_alpha(packed(goods()), drawn())
    made = opened(on_white(cut))
    assert (made.mode, made.getpixel((0, 0)), made.getpixel((150, 100))) == ("RGB", (255,) * 3, (20, 90, 60))


def test_a_turned_photo_is_made_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert opened(on_white(packed(goods(), exif=exif))).size == (200, 300)


@pytest.mark.parametrize(
    ("photo", "why"),
    [(packed(goods((255, 255, 255))), "已经是纯白"), (packed(goods((120, 90, 60))), "离白色太远")],
)
def test_a_white_ground_and_a_coloured_one_are_left(photo: bytes, why: str) -> None:
    with pytest.raises(CannotCutOut, match=why):
        on_white(photo)
