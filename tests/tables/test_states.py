"""The state of a row follows from its fingerprint and the pictures that it shows."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain import Status
from app.domain.tables import Row, RowPicture
from app.errors import message
from app.tables.states import missing_pictures, shares_of, shown_pictures, state_of

ROW = Row(id=1, position=1, number=1, fields={"prompt": "猫"}, fingerprint="f")
MADE, FAILED = Status.SUCCESS, Status.FAILED


def row(**fields: Any) -> Row:
    return replace(ROW, **fields)


def picture(status: Status = MADE, number: int = 1, fingerprint: str = "f", **more: Any) -> RowPicture:
    usual: dict[str, Any] = {"is_trashed": False, "is_charged": False, "cause": "", "is_shared": False}
    named: dict[str, Any] = {
        "record_id": number,
        "number": number,
        "status": status,
        "fingerprint": fingerprint,
        "filename": "",
    }
    return RowPicture(**named | usual | more)


@pytest.mark.parametrize(
    ("pictures", "state"),
    [
        ([], "to_make"),
        ([picture()], "made"),
        ([picture(Status.HELD)], "held"),
        ([picture(Status.QUEUED)], "queued"),
        ([picture(Status.RUNNING), picture(Status.QUEUED, 2)], "running"),
        ([picture(Status.UNKNOWN)], "unknown"),
        ([picture(FAILED)], "failed"),
        ([picture(FAILED, is_charged=True)], "paid"),
        ([picture(FAILED, is_charged=True, cause="moderation"), picture(FAILED, 2)], "paid"),
        ([picture(FAILED, cause="moderation")], "refused"),
        ([picture(FAILED, 1), picture(FAILED, 2, cause="moderation")], "refused"),
        ([picture(Status.CANCELLED)], "to_make"),
        ([picture(Status.CANCELLED, is_charged=True)], "paid"),
        ([picture(Status.CANCELLED, is_charged=True), picture(Status.QUEUED, 2)], "queued"),
        ([picture(Status.CANCELLED, is_charged=True), picture(number=2)], "made"),
        ([picture(is_trashed=True)], "trashed"),
        ([picture(is_trashed=True), picture(number=2)], "made"),
        ([picture(fingerprint="earlier")], "to_make"),
        ([picture(fingerprint="earlier"), picture(Status.QUEUED, 2)], "queued"),
        ([picture(is_shared=True)], "made"),
    ],
)
def test_the_state_of_a_row_of_one_picture(pictures: list[RowPicture], state: str) -> None:
    assert state_of(ROW, pictures) == state


@pytest.mark.parametrize(
    ("pictures", "state", "missing"),
    [
        ([picture()], "to_make", 1),
        ([picture(is_shared=True)], "to_make", 1),
        ([picture(), picture(number=2)], "made", 0),
        ([picture(), picture(FAILED, 2)], "failed", 1),
        ([picture(), picture(FAILED, 2, is_charged=True)], "paid", 0),
        ([picture(FAILED), picture(FAILED, 2, is_charged=True)], "failed", 1),
        ([picture(), picture(FAILED, 2), picture(number=2, record_id=3)], "made", 0),
        ([picture(), picture(Status.QUEUED, 2)], "queued", 0),
    ],
)
def test_a_row_of_two_is_made_with_two_pictures(pictures: list[RowPicture], state: str, missing: int) -> None:
    two = row(num_images=2)
    assert (state_of(two, pictures), missing_pictures(two, pictures)) == (state, missing)


def test_with_a_seed_each_number_is_a_picture_of_its_own() -> None:
    seeded = row(num_images=2, is_seeded=True)
    twice = [picture(), picture(record_id=9)]
    assert (missing_pictures(seeded, twice), missing_pictures(row(num_images=2), twice)) == (1, 0)
    assert missing_pictures(seeded, [picture(number=2)], ordered=1) == 0


def test_an_empty_row_and_one_with_problems_wait_for_their_user() -> None:
    assert state_of(row(fields={"aspect_ratio": "1:1"}, fingerprint=""), []) == "empty"
    wrong = row(fingerprint="", problems=[("prompt", message("太长"))])
    assert (state_of(wrong, [picture()]), missing_pictures(wrong, [])) == ("problem", 0)


def test_a_row_that_cannot_be_made_any_more_is_made_when_it_has_its_picture() -> None:
    wrong = row(problems=[("model", message("没有了"))])
    assert [state_of(wrong, pictures) for pictures in ([], [picture()], [picture(FAILED)])] == [
        "problem",
        "made",
        "problem",
    ]


def test_a_row_shows_as_many_pictures_of_others_as_it_lacks() -> None:
    others = [picture(record_id=7, is_shared=True), picture(number=2, record_id=8, is_shared=True)]
    assert [one.record_id for one in shown_pictures(ROW, [picture()], others)] == [1]
    assert [one.record_id for one in shown_pictures(ROW, [picture(fingerprint="earlier")], others)] == [1, 7]
    assert [one.record_id for one in shown_pictures(row(num_images=2), [], others)] == [7, 8]
    third, second = picture(number=3, record_id=9), picture(number=2, record_id=8)
    seeded = row(num_images=2, is_seeded=True)
    assert [one.record_id for one in shown_pictures(seeded, [], [third, second])] == [8]
    assert [one.record_id for one in shown_pictures(row(num_images=1), [], [third, second])] == [9]
    trashed = [picture(record_id=7, is_trashed=True)]
    assert state_of(ROW, shown_pictures(ROW, [], trashed)) == "trashed"
    assert shown_pictures(ROW, [picture()], trashed) == [picture()]


def test_a_failure_that_was_made_again_is_none() -> None:
    pictures = [picture(FAILED, record_id=1), picture(record_id=2)]
    assert state_of(row(num_images=2), pictures) == "to_make"


def test_equal_rows_buy_what_the_largest_of_them_asks_for() -> None:
    rows = [(1, 4, "f", 1), (2, 6, "g", 1), (3, 5, "f", 3), (4, 9, "f", 2), (5, 7, "", 1)]
    shares = shares_of(rows)
    assert {row_id: (share.same_as, share.ordered) for row_id, share in shares.items()} == {
        3: (4, 1),
        4: (4, 3),
    }
    wanted = {row_id: number for row_id, _, _, number in rows}
    bought = [
        missing_pictures(row(num_images=wanted[row_id]), [], ordered=shares[row_id].ordered)
        for row_id in shares
    ]
    assert bought == [2, 0]
    assert missing_pictures(row(num_images=3), [picture()], ordered=1) == 2
