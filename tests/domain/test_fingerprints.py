"""What makes two rows equal."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain import ImageRequest, SampleImage, fingerprint
from tests.specs import ANY

ROW = ImageRequest(
    prompt="雪山",
    negative_prompt="人",
    aspect_ratio="16:9",
    resolution="2K",
    seed=7,
    steps=20,
    sample_images=(
        SampleImage(url="/samples/files/a.png", filename="a.png", key="a.png", sha256="1" * 64),
        SampleImage(url="https://example.com/b.png", filename="b.png"),
    ),
)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "海"},
        {"negative_prompt": ""},
        {"aspect_ratio": "1:1"},
        {"resolution": "4K"},
        {"resolution": "1280x720"},
        {"seed": 8},
        {"steps": 21},
        {"model": "another"},
        {"sample_images": ()},
        {"sample_images": ROW.sample_images[::-1]},
        {"sample_images": (replace(ROW.sample_images[0], sha256="2" * 64), ROW.sample_images[1])},
    ],
    ids=str,
)
def test_whatever_is_sent_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert fingerprint(replace(ROW, **change)) != fingerprint(ROW)


def test_stored_fingerprints_of_earlier_versions_stay_valid() -> None:
    asked = ImageRequest(model="jimeng_t2i_v40", prompt="猫", negative_prompt="x", seed=3, resolution="2K")
    assert fingerprint(replace(asked, aspect_ratio="1:1")) == "7e184a7bb51c046b7ba9e8a4c8ca7ff7"


@pytest.mark.parametrize(
    "change",
    [
        {"filename": "封面"},
        {"num_images": 4},
        {
            "sample_images": (
                SampleImage(url="/samples/files/c.png", filename="c", key="c.png", sha256="1" * 12),
                replace(ROW.sample_images[1], filename="d.png"),
            )
        },
    ],
    ids=str,
)
def test_names_and_the_number_of_pictures_do_not_count(change: dict[str, Any]) -> None:
    assert fingerprint(replace(ROW, **change)) == fingerprint(ROW)


def test_fields_that_the_model_ignores_do_not_count_once_they_are_removed() -> None:
    plain = replace(ANY, takes_seed=False, takes_steps=False)
    with_seed, other = (plain.strip_unsupported(each) for each in (ROW, replace(ROW, seed=1, steps=None)))
    assert fingerprint(with_seed) == fingerprint(other)


@pytest.mark.parametrize(
    "option", [{"quality": "high"}, {"background": "transparent"}, {"reference_strength": 50}], ids=str
)
def test_each_option_changes_the_fingerprint(option: dict[str, Any]) -> None:
    assert fingerprint(replace(ROW, **option)) != fingerprint(ROW)
