"""Sizes of one's own: how they are written, what a model takes, and what is the same picture."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain import ImageRequest, Size, SizeRule, fingerprint
from app.domain.records import read_changes
from tests.specs import ANY

RULE = SizeRule(
    min_side=480, max_side=3840, min_area=655_360, max_area=3840 * 2160, max_ratio=3, multiple_of=16
)


def read(**fields: str) -> ImageRequest:
    return ImageRequest.parse({"prompt": "猫", **fields})


@pytest.mark.parametrize(
    "written",
    [
        "800x600",
        "800X600",
        "800×600",
        "800*600",
        "800 x 600",
        "８００ｘ６００",
        "800＊600",
        "800x600px",
        "800×600 像素",
    ],
)
def test_an_own_size_is_read_in_either_field(written: str) -> None:
    for field in ("resolution", "aspect_ratio"):
        request = read(**{field: written})
        assert (request.aspect_ratio, request.resolution) == ("4:3", "800x600")


def test_numbers_that_are_too_small_for_pixels_are_a_ratio() -> None:
    assert read(aspect_ratio="16x9").aspect_ratio == "16:9"
    assert read(aspect_ratio="21*9").aspect_ratio == "21:9"


def test_a_ratio_beside_an_own_size_is_told_when_it_is_another() -> None:
    for fields in (
        {"aspect_ratio": "16:9", "resolution": "800x800"},
        {"aspect_ratio": "800x800", "resolution": "4K"},
    ):
        (problem,) = ANY.unsupported(read(**fields))
        assert problem.field in ("resolution", "aspect_ratio")
    for fields in (
        {"aspect_ratio": "1:1", "resolution": "800x600"},
        {"aspect_ratio": "800x600", "resolution": "2K"},
    ):
        assert not ANY.unsupported(read(**fields))  # what an empty field stands for says nothing


@pytest.mark.parametrize("size", ["640x1024", "1024x1024", "3840x2160", "1440x480"])
def test_a_size_within_the_bounds_is_taken(size: str) -> None:
    assert not replace(ANY, sizes={}, own_sizes=RULE).unsupported(read(resolution=size))


@pytest.mark.parametrize("size", ["1000x1000", "800x800", "464x1392", "4096x1024", "3840x2176", "1952x640"])
def test_a_size_out_of_bounds_names_the_bounds(size: str) -> None:
    (problem,) = replace(ANY, sizes={}, own_sizes=RULE).unsupported(read(resolution=size))
    assert problem.field == "resolution"
    for bound in ("16 的倍数", "480–3840", "3 倍", "655,360–8,294,400"):
        assert bound in str(problem)


def test_a_model_without_own_sizes_takes_those_of_its_table() -> None:
    spec = replace(ANY, own_sizes=None, sizes={("1:1", "2K"): Size(width=2048, height=2048)})
    assert not spec.unsupported(read(resolution="2048x2048"))
    assert [problem.field for problem in spec.unsupported(read(resolution="2000x2000"))] == ["resolution"]


def test_an_own_size_of_the_table_is_the_same_picture() -> None:
    own, listed, other = (read(resolution=size) for size in ("2048x2048", "2K", "2048x2046"))
    prints = [fingerprint(ANY.strip_unsupported(request)) for request in (own, listed, other)]
    assert prints[0] == prints[1] != prints[2]


def test_a_ratio_that_a_model_has_not_names_those_that_it_has() -> None:
    spec = replace(ANY, sizes={pair: size for pair, size in ANY.sizes.items() if pair[0] in ("1:1", "5:4")})
    (problem,) = spec.unsupported(read(aspect_ratio="8:1"))
    assert (problem.field, "1:1、5:4" in str(problem)) == ("aspect_ratio", True)


def test_an_own_size_costs_what_the_resolution_costs_that_it_is_within() -> None:
    prices = {"1K": Decimal(1), "2K": Decimal(2), "4K": Decimal(4)}
    spec = replace(ANY, prices=prices, own_sizes=replace(RULE, lines=(1_000_000, 2_000_000)))
    sizes = {"1000x1000": 1, "1000x1001": 2, "2000x1000": 2, "2001x1000": 4}
    assert {size: spec.price(read(resolution=size)) for size in sizes} == sizes


def test_a_changed_size_changes_the_ratio_of_a_record_too() -> None:
    changes, _ = read_changes({"resolution": "800×600"})
    assert changes == {"aspect_ratio": "4:3", "resolution": "800x600"}
    request = read(aspect_ratio="16:9").sized(None, "800x800")
    assert (request.aspect_ratio, request.resolution) == ("1:1", "800x800")
