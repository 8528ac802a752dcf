"""Previews: their size, colours and watermark, and that they hold pixels and nothing else."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms

from app.errors import NotFound
from app.images import atomic_write, fonts, previews, store
from app.images.previews import LARGE, SMALL, PreviewFile, draw, preview, size_of
from tools.marked_images import with_c2pa, with_comment, xmp
from tools.noise_images import noise_image


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).copy()


def picture(size: tuple[int, int], mode: str = "RGB", colour: object = "red", **saved: object) -> bytes:
    packed = io.BytesIO()
    Image.new(mode, size, colour).save(packed, "PNG", **saved)  # type: ignore[arg-type]
    return packed.getvalue()


def test_a_preview_fits_its_size_and_is_never_enlarged() -> None:
    drawn = draw(picture((3000, 1500)), "")
    assert {side: opened(content).size for side, content in drawn.items()} == {
        LARGE: (1600, 800),
        SMALL: (480, 240),
    }
    assert {opened(content).size for content in draw(picture((300, 200)), "").values()} == {(300, 200)}
    assert (size_of(3000, 1500), size_of(None, None), size_of(1, 9000)) == ((1600, 800), (1, 1), (1, 1600))


@pytest.mark.parametrize(
    "content",
    [
        with_comment("png", "暗号"),
        with_comment("jpeg", "暗号"),
        with_c2pa("png"),
        noise_image("webp", xmp=xmp()),
        noise_image("jpeg", exif=Image.Exif().tobytes()),
        noise_image("jpeg", comment="暗号"),
    ],
)
def test_nothing_but_pixels_is_left(content: bytes) -> None:
    for drawn in draw(content, "").values():
        assert b"Exif" not in drawn
        assert b"http://ns.adobe.com" not in drawn
        assert "暗号".encode() not in drawn
        assert not opened(drawn).getexif()


def test_a_preview_stands_upright_on_white_in_srgb() -> None:
    packed, turned = io.BytesIO(), Image.Exif()
    turned[0x0112] = 6
    Image.new("RGB", (40, 20), "red").save(packed, "JPEG", exif=turned)
    assert opened(draw(packed.getvalue(), "")[SMALL]).size == (20, 40)
    clear = opened(draw(picture((20, 20), "RGBA", (255, 0, 0, 0)), "")[SMALL])
    assert clear.getpixel((9, 9)) == (255, 255, 255)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert opened(draw(picture((20, 20), icc_profile=profile), "")[SMALL]).mode == "RGB"


@pytest.mark.parametrize("ground", ["white", "black", "#808080"])
@pytest.mark.parametrize("words", ["STUDIO", "样图 · 请勿使用"])
def test_a_watermark_is_seen_on_every_ground_and_all_over(ground: str, words: str) -> None:
    if not previews.can_draw(words):
        pytest.skip("no Chinese font")
    content = picture((900, 600), colour=ground)
    plain, marked = (opened(draw(content, text)[LARGE]) for text in ("", words))
    difference = ImageChops.difference(plain, marked).convert("L")
    for left in (0, 450):
        for top in (0, 300):
            part = difference.crop((left, top, left + 450, top + 300))
            assert part.point(lambda level: 255 * (level > 40)).getbbox()


def test_without_a_chinese_font_only_other_letters_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "chinese_font", lambda size: None)
    assert (previews.can_draw("SAMPLE"), previews.can_draw("样图")) == (True, False)
    assert draw(picture((200, 200), colour="white"), "SAMPLE")
    assert fonts.chinese_font.cache_info().maxsize == 16


def test_a_preview_is_drawn_once_and_anew_for_other_bytes_or_words(tmp_path: Path) -> None:
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        return picture((60, 40))

    for sha256, words in (("a", ""), ("a", ""), ("a", "X"), ("b", ""), ("a", "X")):
        assert preview(PreviewFile(tmp_path, 7, sha256, words), SMALL, read)
    assert len(reads) == 3
    preview(PreviewFile(tmp_path, 7, "a", ""), LARGE, read)
    assert len(reads) == 3
    preview(PreviewFile(tmp_path, 77, "a", ""), LARGE, read)
    store.delete_image(tmp_path, "x.png", 7)
    assert {path.name.partition("-")[0] for path in tmp_path.glob(".thumbnails/*/*")} == {"77"}


def test_previews_of_an_earlier_version_are_drawn_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(previews, "_FORM", "1")
        kept = preview(PreviewFile(tmp_path, 7, "a", ""), SMALL, lambda: picture((60, 40)))
    assert preview(PreviewFile(tmp_path, 7, "a", ""), SMALL, lambda: picture((60, 40), colour="blue")) != kept


def test_a_damaged_picture_has_no_preview() -> None:
    for content in (b"", b"x" * 100, noise_image("PNG", size=(40, 30))[:60]):
        with pytest.raises(NotFound):
            draw(content, "")


def test_a_full_disk_keeps_nobody_from_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_write, "write_over", refuse)
    assert preview(PreviewFile(tmp_path, 7, "a", ""), SMALL, lambda: picture((60, 40)))
