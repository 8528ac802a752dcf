"""Which pictures of rows are missing."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain import ImageRequest, KnownPicture, Models, SkippedRow, Standing, fingerprint
from app.orders.plan import MAKE, OrderRow, Plan, order_lines, plan
from tests.specs import ANY

MADE, MODELS = Standing.MADE, Models([ANY])


def picture(number: int, *, record_id: int = 0, standing: Standing = MADE) -> KnownPicture:
    return KnownPicture(id=record_id or number, number=number, standing=standing)


def numbers_to_order(request: ImageRequest, *known: KnownPicture) -> tuple[int, ...]:
    return plan_of([request], known).rows[0].numbers


def plan_of(
    requests: Sequence[ImageRequest], known: Sequence[KnownPicture] = (), skips: Sequence[bool] = ()
) -> Plan:
    """What is ordered of new rows, when ``known`` are the pictures of the first."""
    rows = [
        OrderRow(
            number=number,
            request=request,
            numbers=range(1, request.num_images + 1),
            skips=skips[number - 1] if skips else True,
        )
        for number, request in enumerate(requests, 1)
    ]
    return plan(rows, MODELS, {fingerprint(requests[0]): known}, {})


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
    known = [picture(1), picture(2), picture(3)]
    (plan,) = plan_of([row], known).rows
    assert plan.ids(MADE) == [1, 2]


def test_a_picture_in_the_trash_is_not_named_as_bought() -> None:
    known = [picture(1), picture(1, record_id=9, standing=Standing.TRASHED)]
    planned = plan_of([ImageRequest(prompt="猫")], known)
    assert by_row(planned.skipped) == [(1, [1])]


@pytest.mark.parametrize("standing", Standing)
def test_only_a_picture_in_the_trash_is_ordered_again(standing: Standing) -> None:
    row = ImageRequest(prompt="猫")
    expected = (1,) if standing is Standing.TRASHED else ()
    assert numbers_to_order(row, picture(1, standing=standing)) == expected


def test_equal_rows_of_a_table_are_ordered_once() -> None:
    cat, dog = ImageRequest(prompt="猫"), ImageRequest(prompt="狗")
    more = replace(cat, num_images=3)
    plans = plan_of([cat, dog, cat, more]).rows
    assert [plan.numbers for plan in plans] == [(1,), (1,), (), (2, 3)]
    assert [plan.same_as for plan in plans] == [None, None, 0, 0]
    assert [[picture.id for picture in plan.known] for plan in plans] == [[], [], [-1], [-1]]


def test_a_row_that_asks_for_its_pictures_again_gets_all_of_them() -> None:
    cat = ImageRequest(prompt="猫", num_images=2)
    plans = plan_of([cat, cat], [picture(1), picture(2)], [False, True]).rows
    assert [plan.numbers for plan in plans] == [(1, 2), ()]


def test_the_pictures_listed_for_a_row_are_bounded() -> None:
    cat = ImageRequest(prompt="猫", num_images=2)
    plans = plan_of([cat] * 100, skips=[False] * 50 + [True] * 50).rows
    assert sum(len(plan.numbers) for plan in plans) == 100
    assert {len(plan.known) for plan in plans[50:]} == {20}


def test_many_pictures_in_the_trash_do_not_hide_one_that_is_ordered() -> None:
    cat = ImageRequest(prompt="猫")
    trash = [picture(1, record_id=n, standing=Standing.TRASHED) for n in range(1, 11)]
    plans = plan_of([cat, cat], trash).rows
    assert [plan.numbers for plan in plans] == [(1,), ()]


def test_without_a_seed_a_picture_of_a_higher_number_counts_too() -> None:
    row = ImageRequest(prompt="猫", num_images=2)
    assert numbers_to_order(row, picture(3), picture(4)) == ()


def test_the_pictures_of_a_plan_are_told_by_their_standing() -> None:
    known = [picture(1), picture(2, standing=Standing.UNKNOWN)]
    (plan,) = plan_of([ImageRequest(prompt="猫", num_images=2)], known).rows
    assert (plan.ids(MADE), plan.ids(Standing.UNKNOWN)) == ([1], [2])


def by_row(found: Sequence[SkippedRow]) -> list[tuple[int, list[int]]]:
    return [(each.row, each.records) for each in found]


def test_a_row_shows_as_many_pictures_of_equal_rows_as_it_lacks() -> None:
    one, two = ImageRequest(prompt="猫"), ImageRequest(prompt="猫", num_images=2)
    planned = plan_of([two, one, two, ImageRequest(prompt="狗")], [picture(1, record_id=7)])
    assert [(row.number, numbers) for row, numbers in planned.to_add] == [(1, (2,)), (4, (1,))]
    assert by_row(planned.to_show) == [(1, [7]), (2, [7]), (3, [7, -1])]
    assert by_row(planned.skipped) == [(1, [7]), (2, [7, -1]), (3, [7, -1])]


def test_without_a_seed_a_row_shows_several_pictures_of_one_number() -> None:
    planned = plan_of([ImageRequest(prompt="猫", num_images=2)], [picture(1, record_id=n) for n in (9, 8)])
    assert by_row(planned.to_show) == [(1, [9, 8])]


def test_a_row_whose_pictures_are_queued_apart_names_a_bought_one_once() -> None:
    cat = ImageRequest(prompt="猫", num_images=2)
    rows = [OrderRow(number=1, request=cat, numbers=[number], skips=True) for number in (1, 2)]
    planned = plan(rows, MODELS, {fingerprint(cat): [picture(1, record_id=7)]}, {})
    assert by_row(planned.skipped) == [(1, [7])]


def test_a_row_with_a_seed_shows_the_pictures_of_the_numbers_that_it_lacks() -> None:
    row = ImageRequest(prompt="猫", num_images=2, seed=7)
    planned = plan_of([row, row], [picture(2, record_id=9), picture(2, record_id=8)])
    assert [each.numbers for each in planned.rows] == [(1,), ()]
    assert by_row(planned.to_show) == [(1, [9]), (2, [-1, 9])]


def test_the_price_is_that_of_the_pictures_to_order() -> None:
    row = replace(ImageRequest(prompt="猫", num_images=3), model=ANY.model_id)
    planned = plan_of([row, row], [picture(1)])
    assert ([each.price for each in planned.rows], planned.price) == ([Decimal("0.44"), 0], Decimal("0.44"))
    assert plan([each.row for each in planned.rows], Models([replace(ANY, prices={})]), {}, {}).price is None


def test_what_was_charged_without_a_picture_is_not_shown() -> None:
    planned = plan_of([ImageRequest(prompt="猫")], [picture(1, standing=Standing.CHARGED)])
    assert (by_row(planned.skipped), planned.to_show) == ([(1, [1])], [])


def test_the_lines_of_an_order_leave_out_the_trash_and_know_no_price_without_one() -> None:
    known = [picture(1, record_id=9, standing=Standing.TRASHED), picture(1)]
    rows = [each.row for each in plan_of([ImageRequest(prompt="猫", num_images=2)]).rows]
    free = Models([replace(ANY, prices={})])
    lines = order_lines(plan(rows, free, {rows[0].fingerprint: known}, {}), ())
    assert [(each.what, each.pictures, each.price) for each in lines] == [(MAKE, 1, None), (MADE, 1, 0)]
