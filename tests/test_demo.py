"""The demo model: real pictures that follow what was asked for."""

import io
from dataclasses import replace

import pytest
from PIL import Image

from config import Settings
from domain import ASPECT_RATIOS, RESOLUTION_AREAS, ImageRequest, Picture, Reference
from image_models import demo, open_model
from image_models.demo import Demo
from tests.fakes.pictures import picture

CABIN = ImageRequest(prompt="雪山下的小屋，水彩", resolution="1K", seed=7)


def made(request: ImageRequest = CABIN, *references: Reference) -> Picture:
    found = Demo(Settings()).order(request, references).picture
    assert found
    return found


def test_demo_is_what_runs_without_keys() -> None:
    assert open_model(Settings()).card.label == "演示"


def test_the_same_request_and_seed_give_the_same_picture() -> None:
    assert made() == made()


@pytest.mark.parametrize(
    "change",
    [{"prompt": "一只猫"}, {"negative_prompt": "人物"}, {"seed": 8}, {"aspect_ratio": "16:9"}, {"steps": 60}],
)
def test_every_field_changes_the_picture(change: dict[str, object]) -> None:
    assert made(replace(CABIN, **change)).content != made().content  # type: ignore[arg-type]


def test_without_a_seed_one_is_drawn_and_told() -> None:
    lot = made(replace(CABIN, seed=None))
    assert lot.seed is not None
    assert made(replace(CABIN, seed=lot.seed)).content == lot.content


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_the_picture_has_the_size_that_the_card_names(ratio: str) -> None:
    request = replace(CABIN, aspect_ratio=ratio)
    size = Demo(Settings()).card.size(request)
    with Image.open(io.BytesIO(made(request).content)) as image:
        image.load()
        assert image.size == (size.width, size.height)
    assert abs(size.area / RESOLUTION_AREAS["1K"] - 1) < 0.05


def test_it_is_drawn_where_no_chinese_font_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_FONTS", ())
    demo._font.cache_clear()
    assert made().content.startswith(b"\xff\xd8\xff")
    demo._font.cache_clear()


@pytest.mark.parametrize(
    "prompt", ["x", "长" * 5000, "a" * 5000, "🦊 emoji", "many words " * 200, "一行\n两行\t三"]
)
def test_any_prompt_can_be_written(prompt: str) -> None:
    assert made(replace(CABIN, prompt=prompt, negative_prompt=prompt)).content


def test_references_are_stuck_on() -> None:
    reference = Reference(filename="a.png", content=picture(30, 20))
    assert made(CABIN, reference).content != made().content


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n broken"])
def test_a_reference_that_cannot_be_read_leaves_its_place_grey(content: bytes | None) -> None:
    assert made(CABIN, Reference(filename="a.png", content=content)).content
