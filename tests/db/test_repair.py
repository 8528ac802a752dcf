"""Records that are changed and queued again, and what is left out because it was bought meanwhile."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import replace

import pytest

import database
from app.config import Settings
from app.domain import ImageRequest, Models, ModelSpec, SampleImage, SkippedRow, Status, fingerprint
from app.errors import Billed, Conflict
from tests.db.test_database import SAVED, add, claim, claimed, outcomes
from tests.worker.test_charged_failures import fail

CAT, DOG = ImageRequest(prompt="猫"), ImageRequest(prompt="狗")
KEY = database.RequestKey(key="k", digest="d", at=0.0)


def log(db: database.Connection, batch_id: str) -> list[str]:
    return [str(line.text) for line in database.list_log(db, batch_id)]


def make(db: database.Connection) -> int:
    """Finish the next record -> its id."""
    record = claimed(db)
    assert database.finish_record(db, record, replace(SAVED, filename=f"{record.id}.png"))
    return record.id


def test_a_changed_record_keeps_its_place_and_its_charges(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, (first, second) = add(db, spec, CAT, DOG)
    fail(db, Billed.YES)
    before = database.get_record(db, first)
    changes = {first: {"prompt": "白猫", "aspect_ratio": "16:9"}}
    assert database.retry_records(db, batch_id, [first], models=Models([spec]), changes=changes).number == 1
    after = database.get_record(db, first)
    assert (after.prompt, after.aspect_ratio, after.status) == ("白猫", "16:9", Status.QUEUED)
    names = ("row_number", "picture_number", "reserved_stem", "requested_filename", "cost", "batch_id")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert outcomes(db) == ["billed"]
    assert log(db, batch_id)[-2:] == ["第 1 行：改了提示词、比例，重试。原来是「猫」、「1:1」", "重试 1 张"]
    assert database.get_record(db, second).prompt == "狗"


def test_the_fingerprint_is_that_of_a_row_with_the_new_words(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, ImageRequest(prompt="猫", num_images=2, seed=7))
    failed = [fail(db, Billed.NO) for _ in ids]
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    new = ImageRequest(prompt="白猫", negative_prompt="黑", num_images=2, seed=7, sample_images=(image,))
    changes = {"prompt": "白猫", "negative_prompt": "黑", "sample_images": (image,)}
    database.retry_records(
        db, batch_id, failed, models=Models([spec]), changes=dict.fromkeys(failed, changes)
    )
    rows = db.execute("SELECT DISTINCT fingerprint FROM generation_records").fetchall()
    assert [row["fingerprint"] for row in rows] == [fingerprint(replace(new, model=spec.model_id))]
    assert database.count_reference_uses(db, [image.url]) == 2


def test_a_reference_that_was_replaced_is_used_no_more(db: database.Connection, spec: ModelSpec) -> None:
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    batch_id, ids = add(db, spec, replace(CAT, sample_images=(image,)))
    fail(db, Billed.NO)
    database.retry_records(db, batch_id, ids, models=Models([spec]), changes={ids[0]: {"sample_images": ()}})
    assert not database.is_reference_used(db, [image.url])
    assert log(db, batch_id)[-2] == "第 1 行：改了参考图，重试。原来是「a.png」"


def test_a_changed_field_loses_its_typed_form(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    fail(db, Billed.NO)
    typed = '{"prompt": "一只{颜色}猫", "negative_prompt": "{颜色}"}'
    db.execute("UPDATE generation_records SET templates = ?", [typed])
    database.retry_records(db, batch_id, ids, models=Models([spec]), changes={ids[0]: {"prompt": "白猫"}})
    assert database.get_record(db, ids[0]).templates == {"negative_prompt": "{颜色}"}


def test_a_change_to_the_same_words_fetches_what_was_submitted(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.YES, task_id="t-1")
    database.retry_records(db, batch_id, ids, models=Models([spec]), changes={ids[0]: {"prompt": "猫"}})
    assert database.get_record(db, ids[0]).task_id == "t-1"
    assert not any("改了" in line for line in log(db, batch_id))


@pytest.mark.parametrize("billed", [Billed.YES, Billed.UNKNOWN])
def test_what_may_have_been_charged_is_fetched_before_it_is_changed(
    db: database.Connection, spec: ModelSpec, billed: Billed
) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, billed, task_id="t-1")
    with pytest.raises(Conflict, match="取回"):
        database.retry_records(db, batch_id, ids, models=Models([spec]), changes={ids[0]: {"prompt": "白猫"}})
    record = database.get_record(db, ids[0])
    assert (record.prompt, record.task_id, claim(db)) == ("猫", "t-1", None)


def test_a_changed_record_that_was_not_charged_is_submitted(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.NO, task_id="t-1")
    database.retry_records(db, batch_id, ids, models=Models([spec]), changes={ids[0]: {"prompt": "白猫"}})
    assert database.get_record(db, ids[0]).task_id is None
    assert claimed(db).prompt == "白猫"


@pytest.mark.parametrize("billed", [False, True])
def test_a_written_off_record_is_changed_only_if_it_was_not_charged(
    db: database.Connection, spec: ModelSpec, billed: bool
) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.UNKNOWN, task_id="t-1")
    database.resolve_charges(db, ids, billed=billed)
    changes = {ids[0]: {"prompt": "白猫"}}
    with pytest.raises(Conflict, match="取回") if billed else nullcontext():
        database.retry_records(db, batch_id, ids, models=Models([spec]), changes=changes)
    assert database.get_record(db, ids[0]).prompt == ("猫" if billed else "白猫")


@pytest.mark.parametrize(
    "assignment",
    [
        *("status = 'success'", "status = 'running'", "status = 'queued'", "status = 'held'"),
        "deleted_at = '2026-01-01'",
        "batch_id = 'another'",
    ],
)
def test_only_what_ended_without_an_image_is_retried(
    db: database.Connection, spec: ModelSpec, assignment: str
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    for _ in ids:
        fail(db, Billed.NO)
    db.execute(f"UPDATE generation_records SET {assignment} WHERE id = ?", [ids[0]])
    with pytest.raises(Conflict, match="可以重试"):
        database.retry_records(db, batch_id, ids, models=Models([spec]))
    assert database.get_record(db, ids[1]).status is Status.FAILED


def test_a_record_that_is_named_twice_is_retried_once(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.NO)
    assert database.retry_records(db, batch_id, ids * 2, models=Models([spec])).number == 1


def test_equal_rows_of_one_batch_are_retried_together(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec, CAT, CAT)
    for _ in ids:
        fail(db, Billed.NO)
    done = database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True)
    assert done == database.Requeued(number=2)


def test_a_change_that_the_model_does_not_support_queues_nothing(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    failed = [fail(db, Billed.NO) for _ in ids]
    changes = {ids[0]: {"prompt": "白猫"}, ids[1]: {"aspect_ratio": "5:1"}}
    with pytest.raises(Conflict):
        database.retry_records(db, batch_id, failed, models=Models([spec]), changes=changes)
    assert claim(db) is None
    assert database.get_record(db, ids[0]).prompt == "猫"


def test_concurrent_retries_with_one_key_change_and_queue_once(
    db: database.Connection, settings: Settings, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.NO)

    def retry(_number: int) -> database.Requeued:
        with closing(database.connect(settings.database)) as own:
            changes = {ids[0]: {"prompt": "白猫"}}
            return database.retry_records(own, batch_id, ids, models=Models([spec]), key=KEY, changes=changes)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(retry, range(8))) == [database.Requeued(number=1)] * 8
    assert log(db, batch_id).count("重试 1 张") == 1
    assert claimed(db).id == ids[0]
    assert claim(db) is None


@pytest.mark.parametrize("status", ["success", "running", "queued", "held", "unknown"])
def test_a_retry_leaves_out_what_was_bought_meanwhile(
    db: database.Connection, spec: ModelSpec, status: str
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    for _ in ids:
        fail(db, Billed.NO)
    _, (other,) = add(db, spec, CAT)
    db.execute("UPDATE generation_records SET status = ? WHERE id = ?", [status, other])
    done = database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True)
    assert done == database.Requeued(number=1, skipped=[SkippedRow(row=1, records=[other])])
    assert [database.get_record(db, each).status for each in ids] == [Status.FAILED, Status.QUEUED]


@pytest.mark.parametrize(
    "assignment", ["status = 'failed'", "deleted_at = '2026-01-01'", "picture_number = 2"]
)
def test_a_retry_queues_what_was_not_bought(
    db: database.Connection, spec: ModelSpec, assignment: str
) -> None:
    batch_id, _ = add(db, spec, CAT)
    fail(db, Billed.NO)
    add(db, spec, CAT)
    other = make(db)
    db.execute(f"UPDATE generation_records SET {assignment} WHERE id = ?", [other])
    assert database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True).number == 1


def test_an_earlier_picture_of_the_row_does_not_keep_its_retry_back(
    db: database.Connection, spec: ModelSpec
) -> None:
    add(db, spec, CAT)
    make(db)
    batch_id, _ = add(db, spec, CAT, CAT)
    fail(db, Billed.NO)
    make(db)
    assert database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True).number == 1


def test_changed_words_are_left_out_when_any_record_has_them(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG, DOG)
    cat = make(db)
    failed = [fail(db, Billed.NO) for _ in ids[1:]]
    changes = {failed[0]: {"prompt": "猫"}, failed[1]: {"prompt": "猫"}}
    done = database.retry_records(
        db, batch_id, failed, models=Models([spec]), changes=changes, skips_bought=True
    )
    assert done.skipped == [SkippedRow(row=2, records=[cat]), SkippedRow(row=3, records=[cat])]
    assert database.get_record(db, failed[0]).prompt == "狗"
    changes = {each: {"prompt": "鸟"} for each in failed}
    done = database.retry_records(
        db, batch_id, failed, models=Models([spec]), changes=changes, skips_bought=True
    )
    assert done == database.Requeued(number=1, skipped=[SkippedRow(row=3, records=[failed[0]])])


def test_a_changed_record_is_left_out_although_it_has_a_task_id_when_its_words_were_bought(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, DOG)
    fail(db, Billed.NO, task_id="t-1")
    add(db, spec, CAT)
    cat = make(db)
    changes = {ids[0]: {"prompt": "猫"}}
    done = database.retry_records(
        db, batch_id, ids, models=Models([spec]), changes=changes, skips_bought=True
    )
    assert done == database.Requeued(number=0, skipped=[SkippedRow(row=1, records=[cat])])
    assert database.get_record(db, ids[0]).prompt == "狗"


def test_what_has_a_task_id_is_fetched_although_the_row_was_bought(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add(db, spec, CAT)
    fail(db, Billed.YES, task_id="t-1")
    add(db, spec, CAT)
    make(db)
    assert database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True).number == 1


def test_an_undone_cancellation_leaves_out_what_was_bought_meanwhile(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT, DOG)
    database.cancel_batch(db, batch_id)
    _, (other,) = add(db, spec, CAT)
    done = database.uncancel_records(db, batch_id, models=Models([spec]), skips_bought=True)
    assert done == database.Requeued(number=1, skipped=[SkippedRow(row=1, records=[other])])
    assert [database.get_record(db, each).status for each in ids] == [Status.CANCELLED, Status.QUEUED]
    assert database.uncancel_records(db, batch_id, models=Models([spec])).number == 1


def test_a_retry_with_everything_bought_leaves_the_batch_as_it_is(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, spec, CAT)
    fail(db, Billed.NO)
    add(db, spec, CAT)
    assert database.retry_records(db, batch_id, models=Models([spec]), skips_bought=True).number == 0
    assert database.get_batch(db, batch_id).status == "finished"
    assert database.get_record(db, ids[0]).status is Status.FAILED
