"""Every way into the queue, and every state of a picture of an equal row: what is bought then."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

import database
from app.config import Settings
from app.domain import Models, ModelSpec, SampleImage, Status
from app.domain.models import UPSCALERS
from app.errors import Conflict, InvalidRequest, Message, message
from app.library.library import Library
from app.orders.batches import (
    check_rows,
    submit_rows,
)
from app.orders.doors import OneMore, Release, ReleaseChanges
from app.orders.edit import Wish, edit
from app.orders.place import BatchOptions, Conditions, Placed, place
from app.orders.read import AGAIN, SKIP, RowReader
from app.orders.repeats import Refetch, Resubmit, Retry, Uncancel, validated_changes
from tests.core.money.test_person_limits import person
from tests.core.queue import queue
from tests.specs import ANY

OTHER = replace(ANY, model_id="other", name="other", label="另一个")
UPSCALER = replace(ANY, model_id=next(iter(UPSCALERS)), name="upscaler")
MODELS = Models([ANY, OTHER, UPSCALER])
CAT, DOG = {"prompt": "猫"}, {"prompt": "狗"}

# The state of the picture of an equal row, as the columns of its record have it.
STATES = {
    "made": "status = 'success'",
    "under way": "status = 'running'",
    "held": "status = 'held'",
    "unknown": "status = 'unknown'",
    "charged and failed": "status = 'failed', cost_micros = 220000",
    "refused": "status = 'failed'",
    "cancelled": "status = 'cancelled'",
    "in the trash": "status = 'success', deleted_at = '2026-01-01'",
}
# On PostgreSQL three: one that is bought, by its status or by its cost, and one that is not.
EVERY_STATE = [
    state
    if state in ("made", "charged and failed", "refused")
    else pytest.param(state, marks=pytest.mark.sqlite)
    for state in STATES
]


class Case(NamedTuple):
    """Orders in a new database."""

    db: database.Connection
    conditions: Conditions

    def submit(self, *rows: dict[str, Any], repeats: str = AGAIN, **options: Any) -> Any:
        """Queue rows."""
        return submit_rows(self.conditions, rows, BatchOptions(repeats=repeats, **options))

    def ended(self, assignments: str, row: dict[str, Any] = CAT) -> tuple[str, list[int]]:
        """A batch whose record ended so."""
        placed = self.submit(row)
        queue.set_fields(self.db, assignments, *placed.ids)
        return placed.batch_id, placed.ids

    def repeat(self, kind: Any, **fields: Any) -> int:
        """Queue records again -> how many."""
        return place(self.db, kind(models=MODELS, **fields)).number


@pytest.fixture
def case(db: database.Connection, settings: Settings) -> Case:
    return new_case(db, settings, MODELS)


def new_case(db: database.Connection, settings: Settings, models: Models, *, without_key: str = "") -> Case:
    settings.output_dir.mkdir(exist_ok=True)
    reader = RowReader(models=models, library=Library(settings), find_model=models.find)
    return Case(
        db,
        Conditions(
            db=db,
            reader=reader,
            models_now=lambda: models,
            output_dir=settings.output_dir,
            budget=None,
            model_problem=lambda spec: message("没有密钥") if spec.model_id == without_key else None,
            saving_problem=lambda: None,
        ),
    )


# (…, what orders the equal row elsewhere) -> the pictures bought
Door = Callable[[Case, Callable[[], None]], int]


def check(case: Case, elsewhere: Callable[[], None]) -> int:
    elsewhere()
    total: int = check_rows(case.conditions, [CAT], model="")["total"]["new"]
    return total


def run(case: Case, elsewhere: Callable[[], None]) -> int:
    elsewhere()
    return len(case.submit(CAT, repeats=SKIP).ids)


def trial(case: Case, elsewhere: Callable[[], None]) -> int:
    elsewhere()
    return len(case.submit(DOG, CAT, repeats=SKIP, sample=1).ids) - 1


def run_again(case: Case, elsewhere: Callable[[], None]) -> int:
    elsewhere()
    return len(case.submit(CAT).ids)


def one_more(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, ids = case.ended("status = 'success'")
    elsewhere()
    request = database.get_record(case.db, ids[0]).request
    fields = {"request": request, "skips": False, "stem_for": lambda _: "猫"}
    return case.repeat(OneMore, batch_id=batch_id, record_id=ids[0], **fields)


def release(case: Case, elsewhere: Callable[[], None]) -> int:
    """Of a held row as it was ordered."""
    return _release(case, elsewhere, CAT, ReleaseChanges())


def release_changed(case: Case, elsewhere: Callable[[], None]) -> int:
    """Of a held row that becomes equal to the other."""
    return _release(case, elsewhere, {**CAT, "aspect_ratio": "16:9"}, ReleaseChanges(aspect_ratio="1:1"))


def _release(case: Case, elsewhere: Callable[[], None], row: dict[str, Any], changes: ReleaseChanges) -> int:
    batch_id = case.submit(DOG, row, sample=1).batch_id
    elsewhere()
    return case.repeat(Release, conditions=case.conditions, batch_id=batch_id, changes=changes)


def check_of_a_release(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id = case.submit(DOG, CAT, sample=1).batch_id
    elsewhere()
    release = Release(models=MODELS, conditions=case.conditions, batch_id=batch_id, changes=ReleaseChanges())
    pictures: int = release.preview()["pictures"]
    return pictures


def retry(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, _ = case.ended("status = 'failed'")
    elsewhere()
    return case.repeat(Retry, batch_id=batch_id, skips=True)


def retry_changed(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, ids = case.ended("status = 'failed'", DOG)
    elsewhere()
    return case.repeat(Retry, batch_id=batch_id, ids=ids, changes={ids[0]: CAT}, skips=True)


def retry_again(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, _ = case.ended("status = 'failed'")
    elsewhere()
    return case.repeat(Retry, batch_id=batch_id)


def uncancel(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, _ = case.ended("status = 'cancelled'")
    elsewhere()
    return case.repeat(Uncancel, batch_id=batch_id, skips=True)


def uncancel_again(case: Case, elsewhere: Callable[[], None]) -> int:
    batch_id, _ = case.ended("status = 'cancelled'")
    elsewhere()
    return case.repeat(Uncancel, batch_id=batch_id)


def resume(case: Case, elsewhere: Callable[[], None]) -> int:
    placed = case.submit(CAT)
    database.pause_batch(case.db, placed.batch_id)
    elsewhere()
    database.resume_batch(case.db, placed.batch_id, models=MODELS.ids)
    return queue.statuses(case.db, placed.ids).count(Status.QUEUED)


def resubmit(case: Case, elsewhere: Callable[[], None]) -> int:
    _, ids = case.ended("status = 'unknown'")
    elsewhere()
    return case.repeat(Resubmit, ids=ids)


def refetch(case: Case, elsewhere: Callable[[], None]) -> int:
    """Which fetches, and buys nothing."""
    _, ids = case.ended("status = 'unknown', task_id = 't-1'")
    elsewhere()
    return case.repeat(Refetch, ids=ids)


# What each way buys when the equal row is in each of the STATES.
EXPECTED: dict[Door, Sequence[int]] = {
    check: (0, 0, 0, 0, 0, 1, 1, 1),
    run: (0, 0, 0, 0, 0, 1, 1, 1),
    trial: (0, 0, 0, 0, 0, 1, 1, 1),
    release: (0, 0, 0, 0, 0, 1, 1, 1),
    release_changed: (0, 0, 0, 0, 0, 1, 1, 1),
    check_of_a_release: (0, 0, 0, 0, 0, 1, 1, 1),
    retry: (0, 0, 0, 0, 0, 1, 1, 1),
    retry_changed: (0, 0, 0, 0, 0, 1, 1, 1),
    uncancel: (0, 0, 0, 0, 0, 1, 1, 1),
    # Those that say so buy what is bought already, and what was ordered goes on.
    run_again: (1, 1, 1, 1, 1, 1, 1, 1),
    one_more: (1, 1, 1, 1, 1, 1, 1, 1),
    retry_again: (1, 1, 1, 1, 1, 1, 1, 1),
    uncancel_again: (1, 1, 1, 1, 1, 1, 1, 1),
    resubmit: (1, 1, 1, 1, 1, 1, 1, 1),
    refetch: (1, 1, 1, 1, 1, 1, 1, 1),
    resume: (1, 1, 1, 1, 1, 1, 1, 1),
}


@pytest.mark.parametrize("state", EVERY_STATE)
@pytest.mark.parametrize("door", EXPECTED)
def test_a_way_buys_what_is_not_bought_elsewhere(case: Case, door: Door, state: str) -> None:
    def elsewhere() -> None:
        queue.set_fields(case.db, STATES[state], *case.submit(CAT).ids)

    assert door(case, elsewhere) == EXPECTED[door][list(STATES).index(state)]


@pytest.mark.parametrize("state", EVERY_STATE)
def test_a_picture_is_enlarged_once(case: Case, state: str) -> None:
    made = "status = 'success', image_path = '/output/a.png', filename = 'a.png', width = 1024, height = 1024"
    batch_id, ids = case.ended(made)

    def enlarge() -> list[int]:
        wish = Wish(enlarges=True)
        return edit(case.conditions, ids[0], wish, address=lambda _: "https://example.com/a.png").ids

    queue.set_fields(case.db, STATES[state], *enlarge())
    assert len(enlarge()) == EXPECTED[run][list(STATES).index(state)]
    assert "再做 0 张" not in "".join(queue.log(case.db, batch_id))


@pytest.mark.parametrize("door", [release, check_of_a_release, retry, uncancel])
@pytest.mark.parametrize("state", EVERY_STATE)
def test_what_was_known_when_a_row_was_ordered_does_not_count(case: Case, door: Door, state: str) -> None:
    queue.set_fields(case.db, STATES[state], *case.submit(CAT).ids)
    assert door(case, lambda: None) == 1


@pytest.mark.parametrize("door", [release_changed, retry_changed])
def test_what_has_other_words_counts_every_picture(case: Case, door: Door) -> None:
    case.submit(CAT)
    assert door(case, lambda: None) == 0


def test_a_release_that_makes_held_rows_equal_buys_one(case: Case) -> None:
    rows = [DOG, CAT, {**CAT, "aspect_ratio": "16:9"}, {**CAT, "aspect_ratio": "9:16"}]
    batch_id, ids = (placed := case.submit(*rows, sample=1)).batch_id, placed.ids
    order = Release(
        models=MODELS,
        conditions=case.conditions,
        batch_id=batch_id,
        changes=ReleaseChanges(aspect_ratio="1:1"),
    )
    assert (order.preview()["pictures"], order.preview()["price"]) == (1, Decimal("0.22"))
    placed = place(case.db, order)
    assert placed.ids == ids[1:2]
    assert [(row.row, row.records) for row in placed.skipped] == [(3, ids[1:2]), (4, ids[1:2])]


def change_row(case: Case, placed: Placed, number: int) -> None:
    """Let a row ask for something else in its table."""
    sql = "UPDATE table_rows SET fingerprint = 'x' WHERE table_id = :table AND number = :number"
    case.db.execute(sql, {"table": placed.table_id, "number": number})


def test_a_held_row_that_was_changed_in_its_table_is_not_made_as_it_was(case: Case) -> None:
    placed = case.submit(DOG, CAT, {"prompt": "鸟"}, sample=1)
    change_row(case, placed, 2)
    queue.set_fields(case.db, "resolution = '9K'", placed.ids[1])  # which its model does not offer
    fields = {"batch_id": placed.batch_id, "changes": ReleaseChanges()}
    order = Release(models=MODELS, conditions=case.conditions, **fields)
    assert order.preview()["pictures"] == 1
    assert place(case.db, order).ids == placed.ids[2:]
    record = database.get_record(case.db, placed.ids[1])
    assert (record.status, str(record.error)) == (Status.CANCELLED, "这一行后来改过，没有照原来的做")
    lines = ["放行 1 张", "1 张的行后来改过，没有照原来的做"]
    assert queue.log(case.db, placed.batch_id)[-2:] == lines


@pytest.mark.parametrize("is_changed", [True, False])
def test_only_held_rows_that_are_made_need_a_model(case: Case, is_changed: bool) -> None:
    """The default would make the row of a model that is gone; it has no key."""

    def problem(spec: ModelSpec) -> Message | None:
        return message("没有密钥") if spec.model_id == ANY.model_id else None

    placed = case.submit(*[{"prompt": prompt, "model": "other"} for prompt in "猫狗鸟"], sample=1)
    queue.set_fields(case.db, "model = 'gone'", placed.ids[1])
    fields = {"batch_id": placed.batch_id, "changes": ReleaseChanges()}
    conditions = replace(case.conditions, model_problem=problem)
    order = Release(models=MODELS, conditions=conditions, **fields)
    with pytest.raises(Conflict, match="没有密钥"):
        place(case.db, order)
    if is_changed:
        change_row(case, placed, 2)
    else:
        case.ended(STATES["made"], {"prompt": "狗"})
    assert place(case.db, replace(order, model=OTHER.model_id)).ids == placed.ids[2:]


@pytest.mark.parametrize("limit", [None, Decimal(5)])
def test_a_model_without_a_price_is_not_ordered_under_the_limit_of_a_person(
    case: Case, limit: Decimal | None
) -> None:
    conditions = replace(case.conditions, person_id=person(case.db, limit=limit))
    with pytest.raises(Conflict, match="不知道 测试模型 每张多少钱") if limit else nullcontext():
        conditions.require_models([replace(ANY, prices={})])


@pytest.mark.parametrize("changed", [0, 1])
def test_a_retry_that_makes_rows_equal_buys_one(case: Case, changed: int) -> None:
    rows = [CAT, CAT]
    rows[changed] = DOG
    placed = case.submit(*rows)
    queue.set_fields(case.db, "status = 'failed'", *placed.ids)
    order = {"batch_id": placed.batch_id, "ids": placed.ids, "changes": {placed.ids[changed]: CAT}}
    done = place(case.db, Retry(models=MODELS, skips=True, **order))
    unchanged = placed.ids[1 - changed]
    assert (done.ids, done.skipped[0].row, done.skipped[0].records) == ([unchanged], changed + 1, [unchanged])


def test_a_picture_of_new_words_is_not_kept_for_failures_with_the_old_ones(case: Case) -> None:
    placed = case.submit({**DOG, "num_images": 2})
    queue.set_fields(case.db, "status = 'failed'", *placed.ids)
    case.submit(CAT)
    first = placed.ids[0]
    order = {"batch_id": placed.batch_id, "ids": [first], "changes": {first: CAT}}
    assert case.repeat(Retry, skips=True, **order) == 0


def test_a_retried_row_shows_in_its_run_the_picture_that_was_bought_elsewhere(case: Case) -> None:
    batch_id, ids = case.ended("status = 'failed'")
    other = case.submit(CAT).ids
    case.repeat(Retry, batch_id=batch_id, skips=True)
    assert [record.id for record in database.list_delivered_records(case.db, batch_id)] == [*ids, *other]


def test_with_a_seed_only_the_same_picture_number_counts(case: Case) -> None:
    row = {**CAT, "seed": 7, "num_images": 2}
    placed = case.submit(row)
    queue.set_fields(case.db, "status = 'failed'", *placed.ids)
    case.submit({**row, "num_images": 1})
    assert place(case.db, Retry(models=MODELS, batch_id=placed.batch_id, skips=True)).ids == placed.ids[1:]


def test_a_picture_bought_elsewhere_takes_the_place_of_one_of_a_row_however_they_are_retried(
    case: Case,
) -> None:
    placed = case.submit({**CAT, "num_images": 2})
    queue.set_fields(case.db, "status = 'failed'", *placed.ids)
    case.submit(CAT)
    one_by_one = [
        case.repeat(Retry, batch_id=placed.batch_id, ids=[record_id], skips=True) for record_id in placed.ids
    ]
    assert one_by_one == [1, 0]
    queue.set_fields(case.db, "status = 'failed'", *placed.ids)
    assert case.repeat(Retry, batch_id=placed.batch_id, skips=True) == 1


def test_the_references_that_a_record_has_are_not_fixed_anew(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = {"url": "https://example.com/a.png", "filename": "a.png"}
    batch_id, ids = case.ended("status = 'failed'", {**CAT, "sample_images": [image]})
    fixed = list[SampleImage]()

    def pin(_: Library, images: Iterable[SampleImage]) -> dict[SampleImage, SampleImage]:
        fixed.extend(images)
        return {}

    monkeypatch.setattr(Library, "pin", pin)
    assert validated_changes(case.conditions, {ids[0]: DOG}, batch_id) == {ids[0]: DOG}
    assert fixed == []


def test_the_file_of_a_batch_is_read_before_the_transaction(case: Case) -> None:
    seen = list[bool]()

    def cells() -> dict[int, Any]:
        seen.append(case.db.in_transaction)
        return {}

    submit_rows(case.conditions, [CAT], BatchOptions(), cells=cells)
    assert seen == [False]


def test_a_batch_without_a_warning_has_an_empty_log(case: Case) -> None:
    assert queue.log(case.db, case.submit(CAT).batch_id) == []


def test_a_batch_makes_a_table_of_its_rows(case: Case) -> None:
    other = {**DOG, "model": "other"}
    table_ids = [
        case.submit({**CAT, "seed": 7}, other, other, **of).table_id for of in ({}, {"model": "test-1"})
    ]
    assert [database.get_table(case.db, table_id).model for table_id in table_ids] == ["other", "test-1"]
    rows = database.read_rows(case.db, table_ids[0])
    assert [row.is_seeded for row in rows] == [True, False, False]


def test_a_batch_with_too_many_pictures_is_refused(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.orders.batches.MAX_PICTURES_A_BATCH", 2)
    assert len(case.submit(CAT, DOG).ids) == 2
    with pytest.raises(InvalidRequest, match="最多 2 张，现在有 3 张"):
        case.submit(CAT, {**DOG, "num_images": 2})


def test_no_other_model_makes_the_rows_of_one_that_is_removed_while_they_are_read(case: Case) -> None:
    conditions = replace(case.conditions, models_now=lambda: Models([OTHER]))
    with pytest.raises(Conflict, match="test-1 的设置刚刚改了"):
        Case(case.db, conditions).submit(CAT)
