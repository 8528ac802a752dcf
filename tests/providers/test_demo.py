"""The demo provider draws images that follow the request."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from app.config import Settings
from app.domain import RESOLUTION_AREAS, USUAL_RATIOS, GeneratedImage, ImageRequest, Reference
from app.images import demo_picture, fonts
from app.providers.demo import Demo
from tools.fakes.images import make_image

CABIN = ImageRequest(prompt="雪山下的小屋，水彩", resolution="1K", seed=7)


def made(request: ImageRequest = CABIN, *references: Reference) -> GeneratedImage:
    found = Demo(Settings()).submit(request, references).image
    assert found
    return found


def test_the_same_request_and_seed_give_the_same_image() -> None:
    assert made() == made()


@pytest.mark.parametrize(
    "change",
    [{"prompt": "一只猫"}, {"negative_prompt": "人物"}, {"seed": 8}, {"aspect_ratio": "16:9"}, {"steps": 60}],
)
def test_every_field_changes_the_image(change: dict[str, object]) -> None:
    assert made(replace(CABIN, **change)).content != made().content  # type: ignore[arg-type]


def test_a_missing_seed_is_chosen_and_returned() -> None:
    lot = made(replace(CABIN, seed=None))
    assert lot.seed is not None
    assert made(replace(CABIN, seed=lot.seed)).content == lot.content


@pytest.mark.parametrize("ratio", USUAL_RATIOS)
def test_the_image_has_the_size_of_the_spec(ratio: str) -> None:
    request = replace(CABIN, aspect_ratio=ratio)
    size = Demo(Settings()).spec.size(request)
    with Image.open(io.BytesIO(made(request).content)) as image:
        image.load()
        assert image.size == (size.width, size.height)
    assert abs(size.area / RESOLUTION_AREAS["1K"] - 1) < 0.05


@pytest.fixture
def without_fonts(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """Without a Chinese font, or, with the parameter True, with one that cannot be opened."""
    (tmp_path / "msyh.ttc").write_bytes(b"no font")
    is_broken = getattr(request, "param", False)
    monkeypatch.setattr(fonts, "_FONTS", ((tmp_path / "msyh.ttc", 0),) if is_broken else ())
    for cached in (fonts.chinese_font, fonts._installed_font):
        cached.cache_clear()
    yield
    for cached in (fonts.chinese_font, fonts._installed_font):
        cached.cache_clear()


def pixels(request: ImageRequest) -> Image.Image:
    return Image.open(io.BytesIO(made(request).content)).convert("RGB")


def without_text(request: ImageRequest, monkeypatch: pytest.MonkeyPatch) -> Image.Image:
    """The same image without text."""
    with monkeypatch.context() as patched:
        patched.setattr(demo_picture, "_draw_text", lambda *_: None)
        return pixels(request)


def text_pixels(request: ImageRequest, monkeypatch: pytest.MonkeyPatch, share: tuple[float, float]) -> int:
    """The number of pixels that text changed between these shares of the height."""
    plain, labelled = without_text(request, monkeypatch), pixels(request)
    box = (0, round(plain.height * share[0]), plain.width, round(plain.height * share[1]))
    changes = ImageChops.difference(plain.crop(box), labelled.crop(box)).convert("L")
    return sum(changes.histogram()[60:])


@pytest.mark.usefixtures("without_fonts")
@pytest.mark.parametrize(
    ("ratio", "without_fonts"),
    [*((ratio, False) for ratio in USUAL_RATIOS), ("1:1", True)],
    indirect=["without_fonts"],
)
def test_without_a_chinese_font_the_demo_mark_is_drawn_as_shapes(
    monkeypatch: pytest.MonkeyPatch, ratio: str
) -> None:
    request = replace(CABIN, aspect_ratio=ratio)
    assert text_pixels(request, monkeypatch, (0, 0.2)) > 2_000
    labelled = pixels(request)
    unit = min(labelled.size) / 100
    first, second = (
        labelled.crop(
            (round(x * unit), round(6 * unit), round((x + 5.4) * unit), round(11.8 * unit))
        ).convert("L")
        for x in (5.8, 11.6)
    )
    dark = [sum(sign.histogram()[:90]) / (sign.width * sign.height) for sign in (first, second)]
    assert 0.08 < dark[1] < dark[0] / 1.5 < 0.3  # 演 has three times as many strokes as 示: no two boxes


@pytest.mark.usefixtures("without_fonts")
def test_without_a_chinese_font_only_supported_characters_are_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = text_pixels(CABIN, monkeypatch, (0.8, 1))
    assert facts > 500
    assert text_pixels(replace(CABIN, prompt="A cabin below a mountain"), monkeypatch, (0.8, 1)) > facts * 1.5
    assert text_pixels(replace(CABIN, prompt="雪山" * 50), monkeypatch, (0.8, 1)) < facts * 1.2


@pytest.mark.parametrize("fonts", ["installed", "none"])
@pytest.mark.parametrize(
    "prompt", ["x", "长" * 5000, "a" * 5000, "🦊 emoji", "many words " * 200, "一行\n两行\t三"]
)
def test_any_prompt_can_be_written(request: pytest.FixtureRequest, fonts: str, prompt: str) -> None:
    if fonts == "none":
        request.getfixturevalue("without_fonts")
    assert made(replace(CABIN, prompt=prompt, negative_prompt=prompt)).content.startswith(b"\xff\xd8\xff")


def test_references_are_pasted_into_the_image() -> None:
    reference = Reference(filename="a.png", content=make_image(30, 20))
    assert made(CABIN, reference).content != made().content


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n broken"])
def test_an_unreadable_reference_is_drawn_grey(content: bytes | None) -> None:
    assert made(CABIN, Reference(filename="a.png", content=content)).content
