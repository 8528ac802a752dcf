"""Profiles: the built-in ones can be met, and what cannot be is told at its field."""

import base64
import json
from dataclasses import asdict
from typing import Any

import pytest

from app.delivery.profiles import BUILT_IN, finish_of, preview_of, read_profile, stored_profile
from app.errors import InvalidRequest
from app.images.finishing import finish
from tools.noise_images import noise_image

PNG = noise_image("png")
LOGO = "data:image/png;base64," + base64.b64encode(PNG).decode()
FIELDS: dict[str, Any] = {"width": 800, "height": 800, "fit": "pad", "format": "jpeg", "max_kb": 500}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_copy_of_a_built_in_profile_is_valid_and_has_its_figures(name: str) -> None:
    built_in = BUILT_IN[name]
    copied = read_profile("我的", asdict(built_in))
    assert asdict(copied) | {"name": name, "built_in": True} == asdict(built_in)
    assert finish_of(copied) == finish_of(built_in)
    assert stored_profile(json.loads(json.dumps(asdict(copied)))) == copied
    assert not copied.built_in
    assert built_in.source
    assert built_in.checked_on


def test_fields_that_are_missing_have_their_defaults() -> None:
    profile = read_profile("我的", {"width": 800, "height": 600})
    assert (profile.fit, profile.format, profile.background, profile.max_kb) == ("pad", "jpeg", "auto", 0)
    assert profile.file_name == "{文件名}"
    assert (profile.workbook, profile.note, profile.parameters) == (True, True, False)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("width", {"width": 0}),
        ("height", {"height": 0}),
        ("width", {"fit": "inside", "width": 0, "height": 0}),
        ("width", {"width": 8_000, "height": 5_001, "max_kb": 0}),
        ("fit", {"fit": "original"}),
        ("background", {"background": "white"}),
        ("background", {"background": ""}),
        ("max_kb", {"format": "png", "max_kb": 20}),
        ("max_kb", {"max_kb": 5}),
        ("max_kb", {"rules": [{"rule": "bytes", "at_most": 499}]}),
        ("max_kb", {"fit": "original", "format": "original", "width": 0, "height": 0}),
        (
            "overlay",
            {"fit": "original", "format": "original", "width": 0, "height": 0, "max_kb": 0}
            | {"overlay": {"image": LOGO}},
        ),
        ("min_kb", {"min_kb": 600}),
        ("file_name", {"file_name": " "}),
        ("overlay", {"overlay": {"image": "data:image/png;base64,AAAA"}}),
        ("overlay", {"overlay": {"image": "data:image/png;base64,*"}}),
        ("overlay", {"overlay": {"image": LOGO + "A" * 300_000}}),
    ],
)
def test_what_cannot_be_is_told_at_its_field(field: str, changes: dict[str, Any]) -> None:
    read_profile("我的", FIELDS)
    with pytest.raises(InvalidRequest) as caught:
        read_profile("我的", FIELDS | changes)
    assert caught.value.field == field
    assert "{" not in str(caught.value).replace("{文件名}", "")


@pytest.mark.parametrize("name", ["", " ", "名" * 41])
def test_a_profile_has_a_name(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_profile(name, FIELDS)
    assert caught.value.field == "name"


def test_rules_set_the_floors_of_the_engine() -> None:
    wanted = finish_of(BUILT_IN["淘宝/天猫 主图"])
    assert (wanted.least_side, wanted.least_quality, wanted.max_bytes) == (800, 80, 500_000)
    assert finish_of(BUILT_IN["eBay"]).least_quality == 90
    assert finish_of(read_profile("我的", FIELDS | {"fit": "crop", "focus": "top"})).focus == (0.5, 0.0)
    overlay = finish_of(read_profile("我的", FIELDS | {"overlay": {"image": LOGO}})).overlay
    assert overlay
    assert (overlay.image, overlay.position, overlay.size) == (PNG, "bottom-right", 0.2)


def test_a_stored_profile_of_too_many_pixels_is_refused_when_it_is_used() -> None:
    stored = stored_profile(asdict(read_profile("我的", FIELDS)) | {"width": 10_000, "height": 10_000})
    with pytest.raises(InvalidRequest, match="40,000,000 像素"):
        finish_of(stored)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"width": 8_000, "height": 4_000}, ("pad", 2_000, 1_000)),
        ({"width": 800, "height": 600}, ("pad", 800, 600)),
        ({"fit": "inside", "width": 4_000, "height": 0}, ("inside", 2_000, 2_000)),
        ({"fit": "original", "width": 0, "height": 0}, ("inside", 2_000, 2_000)),
    ],
)
def test_a_preview_has_sides_of_2000_pixels_at_most(
    changes: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    shown = preview_of(read_profile("我的", FIELDS | {"max_kb": 0} | changes))
    assert (shown.fit, shown.width, shown.height) == expected
    assert finish(noise_image("png", size=(2_400, 20)), finish_of(shown)).width <= 2_000
