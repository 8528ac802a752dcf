"""A release is one transaction."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

import app.db.release
import database
from app.domain import ImageRequest, PauseCause, SkippedRow, Status
from app.errors import Conflict
from tests.db import queue
from tests.db.queue import CAT, MODELS


def held_rows(
    db: database.Connection, batch_id: str, prompts: Sequence[str] = ()
) -> list[database.ReleaseRow]:
    """The held rows as they are, or with these prompts."""
    rows = database.list_held(db, batch_id).rows
    requests = [records[0].row_request for records in rows]
    if prompts:
        requests = [replace(each, prompt=prompt) for each, prompt in zip(requests, prompts, strict=True)]
    return [
        database.ReleaseRow(records=records, request=request, templates={})
        for records, request in zip(rows, requests, strict=True)
    ]


def release(db: database.Connection, batch_id: str, *prompts: str) -> database.Released:
    rows = held_rows(db, batch_id, prompts)
    released = database.release_rows(db, batch_id, rows, models=MODELS, prefix="", suffix="")
    assert released is not None
    return released


def add_held(db: database.Connection, *prompts: str) -> tuple[str, list[int]]:
    """A batch whose first and last rows are tried first, and the others held."""
    return queue.add(db, *(ImageRequest(prompt=prompt) for prompt in prompts), sample=2)


@pytest.mark.parametrize("step", ["touch", "_update_batch", "finish_if_done", "save_answer"])
def test_a_crash_during_a_release_leaves_all_as_it_was(
    db: database.Connection, other: database.Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.end(db, None, None)
    before = queue.statuses(db, ids)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(app.db.release, step, crash)
    with pytest.raises(SystemExit):
        database.release_rows(other, batch_id, held_rows(db, batch_id), models=MODELS, prefix="a", suffix="b")
    batch = database.get_batch(db, batch_id)
    assert (queue.statuses(db, ids), batch.paused_cause, batch.prefix) == (before, PauseCause.SAMPLE, "")


def test_rows_that_changed_since_they_were_read_are_not_released(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db)
    rows = held_rows(db, batch_id)
    database.cancel_record(db, ids[1])
    assert database.release_rows(db, batch_id, rows, models=MODELS, prefix="", suffix="") is None
    assert queue.status_of(db, ids[2]) is Status.HELD
    assert release(db, batch_id).number == 3


def test_a_release_of_bought_rows_alone_finishes_the_batch(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=2, sample=1)
    queue.make(db)
    queue.add_sample(db, rows=1, sample=1)
    assert release(db, batch_id).number == 0
    assert database.get_record(db, ids[1]).cause == "bought"
    assert queue.batch_status(db, batch_id) == "finished"


@pytest.mark.parametrize(
    ("where", "others"),
    [("bought", ["白猫"]), ("in the sample", []), ("held", ["一", "白猫", "二"])],
)
def test_a_changed_row_is_left_out_when_its_picture_is_there(
    db: database.Connection, where: str, others: list[str]
) -> None:
    other = add_held(db, *others)[1] if others else []
    batch_id, ids = add_held(db, "一" if others else "白猫", "猫", "二")
    known = {"bought": other, "in the sample": ids[:1], "held": other[1:2]}[where]
    assert release(db, batch_id, "白猫") == (0, [SkippedRow(row=2, records=known)])


def test_the_earlier_words_of_a_held_row_keep_no_other_row_back(db: database.Connection) -> None:
    batch_id, ids = add_held(db, "一", "猫", "白猫", "二")
    assert release(db, batch_id, "白猫", "黑猫") == (2, [])
    assert [database.get_record(db, each).prompt for each in ids[1:3]] == ["白猫", "黑猫"]


def test_a_row_with_a_cancelled_picture_gets_only_what_it_still_holds(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=3, pictures=3)
    database.cancel_record(db, ids[3])
    queue.add(db, CAT)
    assert release(db, batch_id).number == 1


def test_a_picture_in_the_trash_is_not_named_as_bought(db: database.Connection) -> None:
    batch_id, _ = queue.add_sample(db, rows=3, pictures=2)
    _, since = queue.add(db, *[CAT] * 2)
    queue.set_fields(db, "status = 'success'", since[0])
    database.delete_records(db, since[:1])
    assert release(db, batch_id) == (1, [SkippedRow(row=2, records=since[1:])])


def test_nothing_is_released_while_the_sample_waits_for_a_model_that_is_gone(db: database.Connection) -> None:
    batch_id, ids = add_held(db, "一", "猫", "二")
    queue.set_fields(db, "model = 'gone'", ids[0])
    with pytest.raises(Conflict, match="gone"):
        release(db, batch_id, "白猫")
    assert database.get_record(db, ids[1]).prompt == "猫"
