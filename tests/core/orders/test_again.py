"""One more picture of a row: its number, name, words and charge, whatever happens at the same time."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from operator import attrgetter
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import RowExtras, SampleImage, Status, fingerprint
from app.errors import Billed, Conflict
from app.orders.doors import OneMore
from app.orders.place import Placed, place
from tests.core.queue import queue
from tests.core.queue.queue import CAT, DOG, KEY, MODELS


def again(*args: Any, **fields: Any) -> list[int]:
    return placed(*args, **fields).ids


def placed(
    db: database.Connection,
    batch_id: str,
    record_id: int,
    *,
    key: database.RequestKey | None = None,
    taken: Sequence[str] = (),
    person_id: int | None = None,
) -> Placed:
    order = OneMore(
        models=MODELS,
        key=key,
        is_taken=lambda stem: stem in taken,
        batch_id=batch_id,
        record_id=record_id,
        request=database.get_record(db, record_id, trash=True).request,
        skips=False,
        stem_for=lambda _: "猫",
        person_id=person_id,
    )
    return place(db, order)


def test_another_picture_stands_beside_the_first(db: database.Connection) -> None:
    row = replace(CAT, filename="红茶", negative_prompt="黑")
    extras = [RowExtras(columns={"品名": "红茶"})]
    batch_id, ids = queue.add(db, row, stems=["红茶"], extras=extras)
    first = database.get_record(db, queue.make(db))
    (new,) = again(db, batch_id, *ids, person_id=7)
    second = database.get_record(db, new)
    same = attrgetter("prompt", "negative_prompt", "row_number", "num_images", "columns")
    assert same(second) == same(first)
    assert second.requested_filename == first.requested_filename
    assert (second.picture_number, second.status) == (2, Status.QUEUED)
    assert second.cost == 0
    assert (second.image_path, second.pick, second.task_id) == ("", "", None)
    assert database.get_record(db, first.id) == first
    assert queue.column(db, "person_id") == [None, 7]
    assert queue.column(db, "fingerprint")[-1] == fingerprint(second.request)
    batch = database.get_batch(db, batch_id)
    assert (batch.total, batch.estimated_cost, batch.status) == (2, Decimal("0.44"), "running")
    assert queue.log(db, batch_id)[-1] == "再做 1 张"
    assert queue.claimed(db).id == new


def test_numbers_and_names_are_never_used_twice(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, replace(CAT, num_images=2), DOG)
    for _ in ids:
        queue.make(db)
    added = [again(db, batch_id, each)[0] for each in ids]
    records = [database.get_record(db, each) for each in added]
    assert [(record.row_number, record.picture_number) for record in records] == [(1, 3), (1, 4), (2, 2)]
    queue.make(db)
    database.delete_records(db, added[:1])
    (last,) = again(db, batch_id, ids[2], taken=["猫_3"])
    assert database.get_record(db, last).picture_number == 3
    assert queue.stems(db) == ["猫_1", "猫_2", "猫-2", "猫_3", "猫_4", "猫-3_2", "猫-4_3"]


def test_only_a_picture_that_is_still_there_is_changed(db: database.Connection) -> None:
    batch_id, _ = queue.add(db, CAT, CAT)
    made, failed = queue.make(db), queue.fail(db, Billed.YES)
    database.delete_records(db, [made])
    for record_id in (made, failed):
        with pytest.raises(Conflict, match="做好的图片"):
            again(db, batch_id, record_id)
    assert database.get_batch(db, batch_id).total == 2


def test_a_paused_batch_stays_paused_and_an_ended_one_goes_on(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, DOG)
    made = queue.make(db)
    database.pause_batch(db, batch_id)
    assert placed(db, batch_id, made).waiting == 1
    assert queue.log(db, batch_id)[-1] == "再做 1 张，等批次继续"
    assert queue.claim(db) is None
    database.cancel_batch(db, batch_id)
    more = placed(db, batch_id, made)
    assert ([queue.claimed(db).id], more.waiting) == (more.ids, 0)
    assert queue.status_of(db, ids[1]) is Status.CANCELLED


def test_a_batch_whose_sample_is_done_makes_the_picture_and_waits_again(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=4, sample=1)
    made = queue.make(db)
    assert queue.cause(db, batch_id) == "sample"
    (new,) = again(db, batch_id, made)
    assert queue.make(db) == new
    assert queue.cause(db, batch_id) == "sample"
    assert sum(queue.status_of(db, each) is Status.HELD for each in ids) == 3


def test_concurrent_calls_with_one_key_add_one_picture(db: database.Connection, settings: Settings) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    new = queue.in_threads(settings, 8, lambda own, _: again(own, batch_id, made, key=KEY))
    assert new == [[made + 1]] * 8
    assert database.get_batch(db, batch_id).total == 2


def test_concurrent_calls_with_different_keys_share_no_number_and_no_name(
    db: database.Connection, settings: Settings
) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    queue.in_threads(
        settings, 8, lambda own, number: again(own, batch_id, made, key=replace(KEY, key=str(number)))
    )
    assert sorted(queue.column(db, "picture_number")) == [*range(1, 10)]
    assert len(set(queue.stems(db))) == 9


def test_a_batch_takes_no_more_pictures_than_a_submission(db: database.Connection) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    db.execute("UPDATE batches SET total = 10000")
    with pytest.raises(Conflict, match="10000"):
        again(db, batch_id, made)


def test_another_picture_names_its_references_as_the_first_does(db: database.Connection) -> None:
    image = SampleImage(url="/samples/files/a.png", filename="a.png", key="a.png", sha256="1" * 64)
    batch_id, _ = queue.add(db, replace(CAT, sample_images=(image,)))
    (new,) = again(db, batch_id, queue.make(db))
    assert database.get_record(db, new).sample_images == (image,)


@pytest.mark.parametrize(("last", "is_added"), [(98, True), (99, False)])
def test_a_row_has_99_pictures_at_most(db: database.Connection, last: int, is_added: bool) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    db.execute("UPDATE generation_records SET picture_number = :last", {"last": last})
    with nullcontext() if is_added else pytest.raises(Conflict, match="最多 99 张"):
        again(db, batch_id, made)


def test_names_with_a_counter_are_free_on_disk_too(db: database.Connection) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    (new,) = again(db, batch_id, made, taken=("猫_2", "猫-2_2"))
    assert database.get_record(db, new).reserved_stem == "猫-3_2"


def test_a_name_that_is_taken_while_the_picture_is_planned_is_chosen_anew(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, _ = queue.add(db, CAT)
    made = queue.make(db)
    answers = iter([True, False])
    monkeypatch.setattr("database.are_taken", lambda *_: next(answers))
    again(db, batch_id, made)
    assert list(answers) == []
