"""What makes two rows equal, and which pictures of a row are missing."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain import ImageRequest, KnownPicture, SampleImage, Standing, fingerprint, plan_rows
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
MADE = Standing.MADE


def picture(number: int, *, record_id: int = 0, standing: Standing = MADE) -> KnownPicture:
    return KnownPicture(id=record_id or number, number=number, standing=standing)


def numbers_to_order(request: ImageRequest, *known: KnownPicture) -> tuple[int, ...]:
    return plan_rows([request], ["f"], {"f": known}, [True])[0].numbers


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "海"},
        {"negative_prompt": ""},
        {"aspect_ratio": "1:1"},
        {"resolution": "4K"},
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


def test_without_a_seed_any_bought_picture_counts() -> None:
    row = ImageRequest(prompt="猫", num_images=4)
    assert numbers_to_order(row) == (1, 2, 3, 4)
    assert numbers_to_order(row, picture(1), picture(2), picture(3)) == (4,)
    assert numbers_to_order(row, picture(1), picture(1, record_id=9)) == (2, 3)
    assert numbers_to_order(row, *(picture(1, record_id=n) for n in range(1, 6))) == ()


def test_with_a_seed_each_picture_number_is_a_picture_of_its_own() -> None:
    row = ImageRequest(prompt="猫", num_images=3, seed=7)
    assert numbers_to_order(row, picture(1), picture(1, record_id=9), picture(3)) == (2,)
    assert numbers_to_order(row, picture(4), picture(5), picture(6)) == (1, 2, 3)


def test_a_row_with_a_seed_knows_only_the_pictures_of_its_own_numbers() -> None:
    row = ImageRequest(prompt="猫", num_images=2, seed=7)
    known = {"f": [picture(1), picture(2), picture(3)]}
    (plan,) = plan_rows([row], ["f"], known, [True])
    assert plan.ids(MADE) == [1, 2]


def test_a_picture_in_the_trash_is_not_named_as_bought() -> None:
    known = {"f": [picture(1), picture(1, record_id=9, standing=Standing.TRASHED)]}
    (plan,) = plan_rows([ImageRequest(prompt="猫")], ["f"], known, [True])
    assert plan.bought == [1]


@pytest.mark.parametrize("standing", Standing)
def test_only_a_picture_in_the_trash_is_ordered_again(standing: Standing) -> None:
    row = ImageRequest(prompt="猫")
    expected = (1,) if standing is Standing.TRASHED else ()
    assert numbers_to_order(row, picture(1, standing=standing)) == expected


def test_equal_rows_of_a_table_are_ordered_once() -> None:
    cat, dog = ImageRequest(prompt="猫"), ImageRequest(prompt="狗")
    more = replace(cat, num_images=3)
    plans = plan_rows([cat, dog, cat, more], ["c", "d", "c", "c"], {}, [True] * 4)
    assert [plan.numbers for plan in plans] == [(1,), (1,), (), (2, 3)]
    assert [plan.same_as for plan in plans] == [None, None, 0, 0]
    assert [plan.bought for plan in plans] == [[], [], [-1], [-1]]


def test_a_row_that_asks_for_its_pictures_again_gets_all_of_them() -> None:
    cat = ImageRequest(prompt="猫", num_images=2)
    plans = plan_rows([cat, cat], ["c", "c"], {"c": [picture(1), picture(2)]}, [False, True])
    assert [plan.numbers for plan in plans] == [(1, 2), ()]


def test_the_pictures_listed_for_a_row_are_bounded() -> None:
    cat = ImageRequest(prompt="猫", num_images=2)
    plans = plan_rows([cat] * 100, ["c"] * 100, {}, [False] * 50 + [True] * 50)
    assert sum(len(plan.numbers) for plan in plans) == 100
    assert {len(plan.known) for plan in plans[50:]} == {20}


def test_many_pictures_in_the_trash_do_not_hide_one_that_is_ordered() -> None:
    cat = ImageRequest(prompt="猫")
    trash = [picture(1, record_id=n, standing=Standing.TRASHED) for n in range(1, 11)]
    plans = plan_rows([cat, cat], ["c", "c"], {"c": trash}, [True, True])
    assert [plan.numbers for plan in plans] == [(1,), ()]


@pytest.mark.parametrize(
    "option", [{"quality": "high"}, {"background": "transparent"}, {"reference_strength": 50}], ids=str
)
def test_each_option_changes_the_fingerprint(option: dict[str, Any]) -> None:
    assert fingerprint(replace(ROW, **option)) != fingerprint(ROW)


def test_without_a_seed_a_picture_of_a_higher_number_counts_too() -> None:
    row = ImageRequest(prompt="猫", num_images=2)
    assert numbers_to_order(row, picture(3), picture(4)) == ()


def test_the_pictures_of_a_plan_are_told_by_their_standing() -> None:
    known = [picture(1), picture(2, standing=Standing.UNKNOWN)]
    (plan,) = plan_rows([ImageRequest(prompt="猫", num_images=2)], ["f"], {"f": known}, [True])
    assert (plan.ids(MADE), plan.ids(Standing.UNKNOWN)) == ([1], [2])
