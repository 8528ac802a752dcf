"""One more picture of a row: its number, name, words and charge, whatever happens at the same time."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

import database
from app.config import Settings
from app.domain import Changes, ImageRequest, Models, ModelSpec, RowExtras, Status, fingerprint
from app.errors import Billed, Conflict
from tests.db.test_database import add, claim, claimed, stems
from tests.db.test_repair import CAT, DOG, KEY, log, make
from tests.worker.test_charged_failures import fail


def again(
    db: database.Connection,
    spec: ModelSpec,
    batch_id: str,
    *ids: int,
    changes: dict[int, Changes] | None = None,
    key: database.RequestKey | None = None,
    taken: str = "",
) -> list[int]:
    wanted = database.MorePictures(
        ids=ids,
        models=Models([spec]),
        stems=dict.fromkeys(ids, "猫"),
        is_taken=lambda stem: stem == taken,
        changes=changes or {},
        key=key,
    )
    return database.add_pictures(db, batch_id, wanted)


def test_another_picture_stands_beside_the_first(db: database.Connection, spec: ModelSpec) -> None:
    submission = database.Submission(
        requests=[replace(CAT, seed=7, filename="红茶", negative_prompt="黑")],
        models=Models([spec]),
        stems=["红茶"],
        is_taken=lambda _: False,
        extras=[RowExtras(columns={"品名": "红茶"}, templates={"prompt": "{品名}"})],
    )
    batch_id, ids, _ = database.add_batch(db, submission)
    first = database.get_record(db, make(db))
    (new,) = again(db, spec, batch_id, *ids)
    second = database.get_record(db, new)
    same = (
        "prompt",
        "negative_prompt",
        "row_number",
        "num_images",
        "requested_filename",
        "columns",
        "templates",
    )
    assert [getattr(second, name) for name in same] == [getattr(first, name) for name in same]
    assert (second.picture_number, second.seed, second.status) == (2, None, Status.QUEUED)
    assert second.cost == 0
    assert (second.image_path, second.pick, second.favourite, second.task_id) == ("", "", False, None)
    assert database.get_record(db, first.id) == first
    stored = db.execute("SELECT fingerprint FROM generation_records WHERE id = ?", [new]).fetchone()
    assert stored["fingerprint"] == fingerprint(second.request)
    batch = database.get_batch(db, batch_id)
    assert (batch.total, batch.estimated_cost, batch.status) == (2, Decimal("0.44"), "running")
    assert log(db, batch_id)[-1] == "再做 1 张"
    assert claimed(db).id == new


def test_a_picture_made_again_may_be_changed(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, CAT)
    first = make(db)
    (new,) = again(db, spec, batch_id, *ids, changes={first: {"prompt": "白猫", "aspect_ratio": "1:1"}})
    assert (database.get_record(db, new).prompt, database.get_record(db, first).prompt) == ("白猫", "猫")
    assert log(db, batch_id)[-2:] == ["第 1 行：改了提示词，再做一张。原来是「猫」", "再做 1 张"]
    stored = db.execute("SELECT fingerprint FROM generation_records WHERE id = ?", [new]).fetchone()
    assert stored["fingerprint"] == fingerprint(ImageRequest(prompt="白猫", model=spec.model_id))


def test_numbers_and_names_are_never_used_twice(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, replace(CAT, num_images=2), DOG)
    for _ in ids:
        make(db)
    added = again(db, spec, batch_id, *ids)
    records = [database.get_record(db, each) for each in added]
    assert [(record.row_number, record.picture_number) for record in records] == [(1, 3), (1, 4), (2, 2)]
    make(db)
    database.delete_records(db, added[:1])
    (last,) = again(db, spec, batch_id, ids[2], taken="猫_3")
    assert database.get_record(db, last).picture_number == 3
    assert stems(db) == ["猫_1", "猫_2", "猫-2", "猫_3", "猫_4", "猫-3_2", "猫-4_3"]


def test_every_ended_record_may_be_made_again_and_no_other(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, *[CAT] * 6)
    made, failed, unknown = make(db), fail(db, Billed.YES), fail(db, Billed.UNKNOWN)
    database.cancel_record(db, ids[3])
    running = claimed(db).id
    assert len(again(db, spec, batch_id, made, failed, unknown, ids[3])) == 4
    other, _ = add(db, spec)
    database.delete_records(db, [failed])
    for batch, record_id in ((batch_id, running), (batch_id, ids[5]), (other, made), (batch_id, failed)):
        with pytest.raises(Conflict, match="已经结束"):
            again(db, spec, batch, made, record_id)
    assert database.get_batch(db, batch_id).total == 10


def test_a_request_the_model_does_not_support_adds_nothing(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    made = [make(db) for _ in ids]
    with pytest.raises(Conflict):
        again(db, spec, batch_id, *made, changes={made[1]: {"aspect_ratio": "5:1"}})
    assert database.get_batch(db, batch_id).total == 2
    assert claim(db) is None


def test_a_paused_batch_stays_paused_and_an_ended_one_goes_on(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    made = make(db)
    database.pause_batch(db, batch_id)
    again(db, spec, batch_id, made)
    assert log(db, batch_id)[-1] == "再做 1 张，等批次继续"
    assert claim(db) is None
    database.cancel_batch(db, batch_id)
    (new,) = again(db, spec, batch_id, made)
    assert claimed(db).id == new
    assert database.get_record(db, ids[1]).status is Status.CANCELLED


def test_a_batch_whose_sample_is_done_makes_the_picture_and_waits_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    submission = database.Submission(
        requests=[CAT] * 4, models=Models([spec]), stems=["猫"] * 4, is_taken=lambda _: False, sample=1
    )
    batch_id, ids, _ = database.add_batch(db, submission)
    made = make(db)
    assert database.get_batch(db, batch_id).paused_cause == "sample"
    (new,) = again(db, spec, batch_id, made)
    assert make(db) == new
    assert database.get_batch(db, batch_id).paused_cause == "sample"
    assert sum(database.get_record(db, each).status is Status.HELD for each in ids) == 3


def test_concurrent_calls_with_one_key_add_one_picture(
    db: database.Connection, settings: Settings, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, spec, CAT)
    made = make(db)

    def call(_number: int) -> list[int]:
        with closing(database.connect(settings.database)) as own:
            return again(own, spec, batch_id, made, key=KEY)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [[made + 1]] * 8
    assert database.get_batch(db, batch_id).total == 2


def test_concurrent_calls_with_different_keys_share_no_number_and_no_name(
    db: database.Connection, settings: Settings, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, spec, CAT)
    made = make(db)

    def call(number: int) -> list[int]:
        with closing(database.connect(settings.database)) as own:
            return again(own, spec, batch_id, made, key=replace(KEY, key=str(number)))

    with ThreadPoolExecutor(8) as pool:
        new = [record_id for ids in pool.map(call, range(8)) for record_id in ids]
    assert sorted(database.get_record(db, each).picture_number for each in new) == [*range(2, 10)]
    assert len(set(stems(db))) == 9


def test_a_batch_takes_no_more_pictures_than_a_submission(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, CAT)
    made = make(db)
    db.execute("UPDATE batches SET total = 10000")
    with pytest.raises(Conflict, match="10000"):
        again(db, spec, batch_id, made)
