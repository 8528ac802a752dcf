"""A release is one transaction."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

import pytest

import app.db.release
import database
from app.config import Settings
from app.domain import ImageRequest, Models, ModelSpec, PauseCause, SkippedRow, Status
from app.errors import Conflict
from tests.db.test_cancellation import statuses
from tests.db.test_database import add
from tests.db.test_samples import add_sample, finish

WHITE = ImageRequest(prompt="白猫")


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


def release(db: database.Connection, spec: ModelSpec, batch_id: str, *prompts: str) -> database.Released:
    rows = held_rows(db, batch_id, prompts)
    released = database.release_rows(db, batch_id, rows, models=Models([spec]), prefix="", suffix="")
    assert released is not None
    return released


def add_held(db: database.Connection, spec: ModelSpec, *prompts: str) -> tuple[str, list[int]]:
    """A batch whose first and last rows are tried first, and the others held."""
    submission = database.Submission(
        requests=[ImageRequest(prompt=prompt) for prompt in prompts],
        models=Models([spec]),
        stems=["猫"] * len(prompts),
        is_taken=lambda _: False,
        sample=2,
    )
    return database.add_batch(db, submission)[:2]


@pytest.mark.parametrize("step", ["touch", "_update_batch", "finish_if_done", "save_answer"])
def test_a_crash_during_a_release_leaves_all_as_it_was(
    db: database.Connection,
    spec: ModelSpec,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    batch_id, ids = add_sample(db, spec)
    finish(db, number=2)
    before = statuses(db, ids)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(app.db.release, step, crash)
    with closing(database.connect(settings.database)) as other, pytest.raises(SystemExit):
        database.release_rows(
            other, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="a", suffix="b"
        )
    batch = database.get_batch(db, batch_id)
    assert (statuses(db, ids), batch.paused_cause, batch.prefix) == (before, PauseCause.SAMPLE, "")


def test_rows_that_changed_since_they_were_read_are_not_released(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec)
    rows = held_rows(db, batch_id)
    database.cancel_record(db, ids[1])
    assert database.release_rows(db, batch_id, rows, models=Models([spec]), prefix="", suffix="") is None
    assert database.get_record(db, ids[2]).status is Status.HELD
    released = database.release_rows(
        db, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="", suffix=""
    )
    assert released is not None
    assert released.number == 3


def test_a_release_of_bought_rows_alone_finishes_the_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add_sample(db, spec, rows=2, sample=1)
    finish(db)
    add_sample(db, spec, rows=1, sample=1)
    released = database.release_rows(
        db, batch_id, held_rows(db, batch_id), models=Models([spec]), prefix="", suffix=""
    )
    assert released is not None
    assert released.number == 0
    assert database.get_record(db, ids[1]).cause == "bought"
    assert database.get_batch(db, batch_id).status == "finished"


def test_a_changed_row_is_left_out_when_its_picture_was_bought_before(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, bought = add(db, spec, WHITE)
    batch_id, _ = add_held(db, spec, "一", "猫", "二")
    assert release(db, spec, batch_id, "白猫") == (0, [SkippedRow(row=2, records=bought)])


def test_a_changed_row_is_left_out_when_the_sample_has_its_picture(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_held(db, spec, "白猫", "猫", "二")
    assert release(db, spec, batch_id, "白猫") == (0, [SkippedRow(row=2, records=ids[:1])])


def test_a_changed_row_is_left_out_when_another_batch_holds_its_picture(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, held = add_held(db, spec, "一", "白猫", "二")
    batch_id, _ = add_held(db, spec, "一", "猫", "二")
    assert release(db, spec, batch_id, "白猫") == (0, [SkippedRow(row=2, records=held[1:2])])


def test_the_earlier_words_of_a_held_row_keep_no_other_row_back(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_held(db, spec, "一", "猫", "白猫", "二")
    assert release(db, spec, batch_id, "白猫", "黑猫") == (2, [])
    assert [database.get_record(db, each).prompt for each in ids[1:3]] == ["白猫", "黑猫"]


def test_a_row_with_a_cancelled_picture_gets_only_what_it_still_holds(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, spec, rows=3, pictures=3)
    database.cancel_record(db, ids[3])
    add(db, spec, ImageRequest(prompt="猫"))
    assert release(db, spec, batch_id).number == 1


def test_a_picture_in_the_trash_is_not_named_as_bought(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add_sample(db, spec, rows=3, pictures=2)
    _, since = add(db, spec, *[ImageRequest(prompt="猫")] * 2)
    db.execute("UPDATE generation_records SET status = 'success' WHERE id = :id", {"id": since[0]})
    database.delete_records(db, since[:1])
    assert release(db, spec, batch_id) == (1, [SkippedRow(row=2, records=since[1:])])


def test_nothing_is_released_while_the_sample_waits_for_a_model_that_is_gone(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_held(db, spec, "一", "猫", "二")
    db.execute("UPDATE generation_records SET model = 'gone' WHERE id = :id", {"id": ids[0]})
    with pytest.raises(Conflict, match="gone"):
        release(db, spec, batch_id, "白猫")
    assert database.get_record(db, ids[1]).prompt == "猫"
