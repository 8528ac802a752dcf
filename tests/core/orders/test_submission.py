"""What a submission stores of its batch and its rows."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import database
from app.domain import ImageRequest, Models, ModelSpec, RowExtras, SampleImage, Status, StopRule
from app.orders.place import Placed, place
from tests.core.queue.queue import CAT, DOG, add, set_fields, statuses, submission
from tests.specs import ANY


def submit(db: database.Connection, models: Models, *requests: ImageRequest, **more: Any) -> Placed:
    stems = [request.prompt for request in requests]
    return place(db, submission(*requests, models=models, stems=stems, **more))


def test_the_estimate_is_the_sum_of_what_is_ordered(db: database.Connection, spec: ModelSpec) -> None:
    unpriced = replace(spec, model_id="unpriced", prices={})
    models = Models([spec, unpriced])
    free_row = replace(DOG, model="unpriced")
    added = submit(db, models, replace(CAT, num_images=3), DOG)
    assert database.get_batch(db, added.batch_id).estimated_cost == Decimal("0.88")
    added = submit(db, models, CAT, free_row)
    assert database.get_batch(db, added.batch_id).estimated_cost is None
    added = submit(db, models, CAT, free_row, skips=[False, True])
    assert database.get_batch(db, added.batch_id).estimated_cost == Decimal("0.22")


def test_rows_have_their_numbers_columns_and_names_in_order_unless_others_are_given(
    db: database.Connection, spec: ModelSpec
) -> None:
    plain = submit(db, Models([spec]), CAT, replace(DOG, num_images=2))
    records = [database.get_record(db, each) for each in plain.ids]
    assert [record.row_number for record in records] == [1, 2, 2]
    assert [record.reserved_stem for record in records] == ["猫", "狗_1", "狗_2"]
    assert [record.columns for record in records] == [{}] * 3
    extras = [RowExtras(columns={"颜色": "白"}, templates={}, position=4), RowExtras()]
    given = submit(db, Models([spec]), CAT, DOG, row_numbers=[7, 3], extras=extras)
    records = [database.get_record(db, each) for each in given.ids]
    assert [record.row_number for record in records] == [7, 3]
    assert [record.columns for record in records] == [{"颜色": "白"}, {}]


def test_names_of_batches_are_counted_only_where_that_is_asked(
    db: database.Connection, spec: ModelSpec
) -> None:
    ids = [submit(db, Models([spec]), CAT, name="春").batch_id for _ in range(2)]
    ids.append(submit(db, Models([spec]), CAT, name="春", unique_name=True).batch_id)
    names = [database.get_batch(db, each).name for each in ids]
    assert names[:2] == ["春", "春"]
    assert names[2] != "春"


def test_a_rule_and_a_source_are_stored(db: database.Connection, spec: ModelSpec) -> None:
    rule = StopRule(refused=2)
    ids = [
        submit(db, Models([spec]), CAT, stop_rule=rule).batch_id,
        submit(db, Models([spec]), CAT, source="single").batch_id,
    ]
    rows = [
        db.execute("SELECT stop_after, priority FROM batches WHERE id = :id", {"id": each}).fetchone()
        for each in ids
    ]
    assert [tuple(row) for row in rows] == [(rule.to_json(), 0), ("", 1)]


@pytest.mark.parametrize(("sample", "held"), [(None, 0), (1, 2), (2, 1), (9, 0)])
def test_all_rows_but_the_sample_are_held(
    db: database.Connection, spec: ModelSpec, sample: int | None, held: int
) -> None:
    added = submit(db, Models([spec]), CAT, DOG, ImageRequest(prompt="鸟"), sample=sample)
    assert statuses(db, added.ids).count(Status.HELD) == held
    assert statuses(db, added.ids).count(Status.QUEUED) == 3 - held


def test_rows_that_get_all_their_pictures_are_not_said_to_be_left_out(
    db: database.Connection, spec: ModelSpec
) -> None:
    earlier = submit(db, Models([spec]), CAT)
    added = submit(db, Models([spec]), DOG, replace(CAT, num_images=2), DOG, skips=[True] * 3)
    assert [(row.row, row.records) for row in added.skipped] == [(2, earlier.ids), (3, added.ids[:1])]


def test_fingerprints_are_only_waited_for_where_something_may_be_left_out(
    db: database.Connection, spec: ModelSpec
) -> None:
    earlier = submit(db, Models([spec]), CAT)
    db.execute("UPDATE generation_records SET fingerprint = ''")
    assert submit(db, Models([spec]), CAT).ids
    sql = "SELECT fingerprint FROM generation_records WHERE id = :id"
    assert db.execute(sql, {"id": earlier.ids[0]}).fetchone()["fingerprint"] == ""
    assert submit(db, Models([spec]), CAT, skips=[True]).ids == []
    assert db.execute(sql, {"id": earlier.ids[0]}).fetchone()["fingerprint"] != ""


def test_a_name_that_was_taken_meanwhile_is_chosen_anew(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = iter([[[database.FileName(name, name)]] for name in ("猫", "猫-2")])
    taken = iter([True, False])
    monkeypatch.setattr(database, "choose_names", lambda *_: next(chosen))
    monkeypatch.setattr(database, "are_taken", lambda *_: next(taken))
    added = submit(db, Models([spec]), CAT)
    assert database.get_record(db, added.ids[0]).reserved_stem == "猫-2"


def test_the_pictures_of_the_batch_and_of_the_row_are_counted_with_the_trash(db: database.Connection) -> None:
    _, ids = add(db, replace(CAT, num_images=2), replace(DOG, num_images=3))
    add(db, replace(CAT, num_images=4))
    set_fields(db, "deleted_at = '2026-01-02'", ids[1])
    counted = [database.count_pictures(db, record_id) for record_id in (ids[0], ids[2], 99)]
    assert counted == [(5, 2), (5, 3), (0, 0)]


@pytest.mark.parametrize(
    ("change", "is_there"),
    [
        ("UPDATE generation_records SET status = 'success'", True),
        ("UPDATE generation_records SET status = 'failed'", False),
        ("UPDATE generation_records SET model = 'other'", False),
        ("UPDATE generation_records SET sample_images = '[]'", False),
        ("UPDATE batches SET table_id = 'other'", False),
    ],
)
def test_only_a_made_image_of_references_shows_that_the_model_looks_at_them(
    db: database.Connection, change: str, is_there: bool
) -> None:
    image = SampleImage(url="/samples/files/a.png", filename="a.png")
    add(db, replace(CAT, sample_images=(image,)), table_id="t")
    set_fields(db, "status = 'success'")
    db.execute(change)
    assert database.has_images_of_references(db, "t", ANY.model_id) is is_there
