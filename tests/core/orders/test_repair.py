"""Records that are changed and queued again, and what is left out because it was bought meanwhile."""

from contextlib import nullcontext
from dataclasses import replace

import pytest

import database
from app.config import Settings
from app.domain import ImageRequest, SampleImage, SkippedRow, Status
from app.errors import Billed, Conflict
from app.samples.sql import count_reference_uses
from tests.core.queue import queue
from tests.core.queue.queue import CAT, DOG, KEY, MODELS
from tools import orders


def test_a_changed_record_keeps_its_place_and_its_charges(db: database.Connection) -> None:
    batch_id, (first, second) = queue.add(db, CAT, DOG)
    queue.fail(db, Billed.YES)
    before = database.get_record(db, first)
    changes = {first: {"prompt": "白猫", "aspect_ratio": "16:9"}}
    assert queue.retry(db, batch_id, [first], changes=changes).number == 1
    after = database.get_record(db, first)
    assert (after.prompt, after.aspect_ratio, after.status) == ("白猫", "16:9", Status.QUEUED)
    names = ("row_number", "picture_number", "reserved_stem", "requested_filename", "cost", "batch_id")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert queue.outcomes(db) == ["billed"]
    assert queue.log(db, batch_id)[-2:] == [
        "第 1 行：改了提示词、比例，重试。原来是「猫」、「1:1」",
        "重试 1 张",
    ]
    assert database.get_record(db, second).prompt == "狗"


def test_the_fingerprint_is_that_of_a_row_with_the_new_words(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, ImageRequest(prompt="猫", num_images=2, seed=7))
    failed = [queue.fail(db, Billed.NO) for _ in ids]
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    new = ImageRequest(prompt="白猫", negative_prompt="黑", num_images=2, seed=7, sample_images=(image,))
    changes = {"prompt": "白猫", "negative_prompt": "黑", "sample_images": (image,)}
    queue.retry(db, batch_id, failed, changes=dict.fromkeys(failed, changes))
    assert set(queue.column(db, "fingerprint")) == {queue.fingerprint_of(new)}
    assert count_reference_uses(db, [image.url]) == 2


def test_a_reference_that_was_replaced_is_used_no_more(db: database.Connection) -> None:
    image = SampleImage(url="https://example.com/a.png", filename="a.png")
    batch_id, ids = queue.add(db, replace(CAT, sample_images=(image,)))
    queue.fail(db, Billed.NO)
    queue.retry(db, batch_id, ids, changes={ids[0]: {"sample_images": ()}})
    assert not database.is_reference_used(db, [image.url])
    assert queue.log(db, batch_id)[-2] == "第 1 行：改了参考图，重试。原来是「a.png」"


def test_a_changed_field_loses_its_typed_form(db: database.Connection) -> None:
    batch_id, ids = queue.add(db)
    queue.fail(db, Billed.NO)
    typed = '{"prompt": "一只{颜色}猫", "negative_prompt": "{颜色}"}'
    db.execute("UPDATE generation_records SET templates = ?", [typed])
    queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "白猫"}})
    assert database.get_record(db, ids[0]).templates == {"negative_prompt": "{颜色}"}


def test_a_change_to_the_same_words_fetches_what_was_submitted(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.YES, task_id="t-1")
    queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "猫"}})
    assert database.get_record(db, ids[0]).task_id == "t-1"
    assert not any("改了" in line for line in queue.log(db, batch_id))


@pytest.mark.parametrize("billed", [Billed.YES, Billed.UNKNOWN])
def test_what_may_have_been_charged_is_fetched_before_it_is_changed(
    db: database.Connection, billed: Billed
) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, billed, task_id="t-1")
    with pytest.raises(Conflict, match="取回"):
        queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "白猫"}})
    record = database.get_record(db, ids[0])
    assert (record.prompt, record.task_id, queue.claim(db)) == ("猫", "t-1", None)


def test_what_an_earlier_charge_may_have_paid_for_is_fetched_before_it_is_changed(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.UNKNOWN)
    orders.resubmit(db, ids, models=MODELS)
    queue.fail(db, Billed.NO, task_id="t-1")
    with pytest.raises(Conflict, match="取回"):
        queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "白猫"}})


def test_a_changed_record_that_was_not_charged_is_submitted(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.NO, task_id="t-1")
    queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "白猫"}})
    assert database.get_record(db, ids[0]).task_id is None
    assert queue.claimed(db).prompt == "白猫"


@pytest.mark.parametrize("billed", [False, True])
def test_a_written_off_record_is_changed_only_if_it_was_not_charged(
    db: database.Connection, billed: bool
) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.UNKNOWN, task_id="t-1")
    database.resolve_charges(db, ids, billed=billed)
    changes = {ids[0]: {"prompt": "白猫"}}
    with pytest.raises(Conflict, match="取回") if billed else nullcontext():
        queue.retry(db, batch_id, ids, changes=changes)
    assert database.get_record(db, ids[0]).prompt == ("猫" if billed else "白猫")


@pytest.mark.parametrize(
    "assignment",
    [
        *("status = 'success'", "status = 'running'", "status = 'queued'", "status = 'held'"),
        "deleted_at = '2026-01-01'",
        "batch_id = 'another'",
    ],
)
def test_only_what_ended_without_an_image_is_retried(db: database.Connection, assignment: str) -> None:
    batch_id, ids = queue.add(db, CAT, DOG)
    for _ in ids:
        queue.fail(db, Billed.NO)
    queue.set_fields(db, assignment, ids[0])
    with pytest.raises(Conflict, match="可以重试"):
        queue.retry(db, batch_id, ids)
    assert queue.status_of(db, ids[1]) is Status.FAILED


def test_a_record_that_is_named_twice_is_retried_once(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.NO)
    assert queue.retry(db, batch_id, ids * 2).number == 1


def test_equal_rows_of_one_batch_are_retried_together(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, CAT)
    for _ in ids:
        queue.fail(db, Billed.NO)
    done = queue.retry(db, batch_id, skips=True)
    assert (done.number, done.skipped) == (2, [])


def test_a_change_that_the_model_does_not_support_queues_nothing(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, DOG)
    failed = [queue.fail(db, Billed.NO) for _ in ids]
    changes = {ids[0]: {"prompt": "白猫"}, ids[1]: {"aspect_ratio": "5:1"}}
    with pytest.raises(Conflict):
        queue.retry(db, batch_id, failed, changes=changes)
    assert queue.claim(db) is None
    assert database.get_record(db, ids[0]).prompt == "猫"


def test_concurrent_retries_with_one_key_change_and_queue_once(
    db: database.Connection, settings: Settings
) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.NO)
    changes = {ids[0]: {"prompt": "白猫"}}
    done = queue.in_threads(
        settings, 8, lambda own, _: queue.retry(own, batch_id, ids, key=KEY, changes=changes)
    )
    assert [each.number for each in done] == [1] * 8
    assert queue.log(db, batch_id).count("重试 1 张") == 1
    assert queue.claimed(db).id == ids[0]
    assert queue.claim(db) is None


def test_changed_words_are_left_out_when_any_record_has_them(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, DOG, DOG)
    cat = queue.make(db)
    failed = [queue.fail(db, Billed.NO) for _ in ids[1:]]
    changes = {failed[0]: {"prompt": "猫"}, failed[1]: {"prompt": "猫"}}
    done = queue.retry(db, batch_id, failed, changes=changes, skips=True)
    assert done.skipped == [SkippedRow(row=2, records=[cat]), SkippedRow(row=3, records=[cat])]
    left_out = database.get_record(db, failed[0])
    assert (left_out.prompt, left_out.status, left_out.cause) == ("猫", Status.CANCELLED, "bought")
    assert str(left_out.error) == f"已经有同样的图片（记录 {cat}），没有再做"
    assert queue.log(db, batch_id)[-1] == "2 张已经做过或正在做，没有再做"
    changes = {each: {"prompt": "鸟"} for each in failed}
    done = queue.retry(db, batch_id, failed, changes=changes, skips=True)
    assert (done.number, done.skipped) == (1, [SkippedRow(row=3, records=[failed[0]])])


def test_a_changed_record_is_left_out_although_it_has_a_task_id_when_its_words_were_bought(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, DOG)
    queue.fail(db, Billed.NO, task_id="t-1")
    queue.add(db, CAT)
    cat = queue.make(db)
    changes = {ids[0]: {"prompt": "猫"}}
    done = queue.retry(db, batch_id, ids, changes=changes, skips=True)
    assert (done.number, done.skipped) == (0, [SkippedRow(row=1, records=[cat])])
    assert database.get_record(db, ids[0]).prompt == "狗"


def test_what_may_have_been_charged_stays_unknown_although_its_new_words_are_bought(
    db: database.Connection,
) -> None:
    batch_id, ids = queue.add(db, DOG)
    queue.fail(db, Billed.UNKNOWN)
    queue.add(db, CAT)
    assert queue.retry(db, batch_id, ids, changes={ids[0]: {"prompt": "猫"}}, skips=True).number == 0
    record = database.get_record(db, ids[0])
    assert (record.status, record.prompt) == (Status.UNKNOWN, "狗")


def test_what_has_a_task_id_is_fetched_although_the_row_was_bought(db: database.Connection) -> None:
    batch_id, _ = queue.add(db, CAT)
    queue.fail(db, Billed.YES, task_id="t-1")
    queue.add(db, CAT)
    queue.make(db)
    assert queue.retry(db, batch_id, skips=True).number == 1


def test_an_undone_cancellation_leaves_out_what_was_bought_meanwhile(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT, DOG)
    database.cancel_batch(db, batch_id)
    _, (other,) = queue.add(db, CAT)
    done = orders.uncancel(db, batch_id, models=MODELS, skips=True)
    assert (done.number, done.skipped) == (1, [SkippedRow(row=1, records=[other])])
    assert queue.statuses(db, ids) == [Status.CANCELLED, Status.QUEUED]
    assert orders.uncancel(db, batch_id, models=MODELS).number == 1


def test_a_retry_with_everything_bought_leaves_the_batch_as_it_is(db: database.Connection) -> None:
    batch_id, ids = queue.add(db, CAT)
    queue.fail(db, Billed.NO)
    queue.add(db, CAT)
    log = queue.log(db, batch_id)
    assert queue.retry(db, batch_id, skips=True).number == 0
    assert (queue.batch_status(db, batch_id), queue.log(db, batch_id)) == ("finished", log)
    assert queue.status_of(db, ids[0]) is Status.FAILED
