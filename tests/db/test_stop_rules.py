"""A batch pauses by itself when its stop rule says so."""

import database
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, PauseCause, Status, StopRule
from app.errors import Billed, ModelError
from tests.db.test_cancellation import statuses
from tests.db.test_database import SAVED, claim, claimed

REFUSED = ModelError("违规", cause="moderation", billed=Billed.NO)
LOST = ModelError("断线", cause="network", billed=Billed.UNKNOWN)
RULE = StopRule(refused=2, of=4, failed=0.5, last=8)


def add(
    db: database.Connection,
    spec: ModelSpec,
    rows: int = 10,
    *,
    rule: StopRule | None = RULE,
    sample: int | None = None,
) -> tuple[str, list[int]]:
    submission = database.Submission(
        requests=[ImageRequest(prompt="猫")] * rows,
        models=Models([spec]),
        stems=["猫"] * rows,
        is_taken=lambda _: False,
        stop_rule=rule,
        sample=sample,
    )
    return database.add_batch(db, submission)[:2]


def end(db: database.Connection, *errors: ModelError | None) -> None:
    """End the next records with these errors, or with a picture (None)."""
    for error in errors:
        if error is None:
            database.finish_record(db, claimed(db), SAVED)
        else:
            database.fail_record(db, claimed(db), error)


def cause(db: database.Connection, batch_id: str) -> str:
    return database.get_batch(db, batch_id).paused_cause


def test_refusals_among_the_first_pause_the_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec)
    end(db, REFUSED, None)
    assert cause(db, batch_id) == ""
    end(db, REFUSED)
    batch = database.get_batch(db, batch_id)
    assert (batch.status, batch.paused_cause) == (BatchStatus.PAUSED, PauseCause.STOP_RULE)
    assert str(batch.paused_reason).startswith("前 3 张里有 2 张没有通过内容审核")
    assert claim(db) is None
    assert str(database.list_log(db, batch_id)[-1].text).startswith("已暂停：前 3 张里有 2 张")
    assert database.get_paused_batch(db) == (batch.id, batch.paused_reason)


def test_failures_of_any_cause_pause_the_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec)
    end(db, None, LOST, LOST, REFUSED)
    assert cause(db, batch_id) == ""
    end(db, LOST)
    assert cause(db, batch_id) == PauseCause.STOP_RULE
    reason = database.get_batch(db, batch_id).paused_reason
    assert str(reason).startswith("最近 5 张里有 4 张没有成功：网络连接中断 3 张、内容审核没有通过 1 张")


def test_resuming_starts_the_rule_anew(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec)
    end(db, REFUSED, REFUSED)
    for _ in range(2):
        database.resume_batch(db, batch_id, models=[spec.model_id])
        end(db, REFUSED)
        assert cause(db, batch_id) == ""
        end(db, REFUSED)
        assert cause(db, batch_id) == PauseCause.STOP_RULE


def test_retrying_an_ended_batch_starts_the_rule_anew(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, 2)
    end(db, REFUSED, REFUSED)
    assert database.get_batch(db, batch_id).status is BatchStatus.FINISHED
    database.retry_records(db, batch_id, models=Models([spec]))
    end(db, REFUSED)
    assert cause(db, batch_id) == ""


def test_a_release_starts_the_rule_anew(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, 4, sample=2)
    end(db, REFUSED)
    rows = [
        database.ReleaseRow(records=records, request=records[0].row_request, templates={})
        for records in database.list_held(db, batch_id).rows
    ]
    database.release_rows(db, batch_id, rows, models=Models([spec]), prefix="", suffix="")
    end(db, REFUSED)
    assert cause(db, batch_id) == ""


def test_a_batch_with_nothing_left_to_submit_is_not_paused(db: database.Connection, spec: ModelSpec) -> None:
    finished, _ = add(db, spec, 2)
    end(db, REFUSED, REFUSED)
    assert database.get_batch(db, finished).status is BatchStatus.FINISHED
    sample, _ = add(db, spec, 4, sample=2)
    end(db, REFUSED, REFUSED)
    assert cause(db, sample) == PauseCause.SAMPLE


def test_cancelled_pictures_do_not_count(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    for record_id in ids[5:]:
        database.cancel_record(db, record_id)
    end(db, REFUSED)
    assert cause(db, batch_id) == ""


def test_what_was_under_way_ends_in_the_paused_batch(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, spec)
    running = [claimed(db) for _ in range(4)]
    for record in running[:3]:
        database.fail_record(db, record, REFUSED)
    database.finish_record(db, running[3], SAVED)
    assert cause(db, batch_id) == PauseCause.STOP_RULE
    assert statuses(db, ids[:4]) == [Status.FAILED] * 3 + [Status.SUCCESS]
    log = [str(line.text) for line in database.list_log(db, batch_id)]
    assert sum(line.startswith("已暂停") for line in log) == 1


def test_without_a_rule_nothing_pauses(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = add(db, spec, 40, rule=None)
    end(db, *[REFUSED] * 39)
    assert cause(db, batch_id) == ""


def test_a_picture_that_another_server_calls_interrupted_does_not_count(
    db: database.Connection, spec: ModelSpec
) -> None:
    """As when the clock of that server is ahead: the record is still under way."""
    batch_id, _ = add(db, spec, rule=StopRule(refused=9, of=9, failed=0.5, last=2))
    for _ in range(3):
        record = claimed(db)
        database.open_charge(db, record, price=None, budget=None)
        database.reap_stalled(db, now=1e12)
        assert database.finish_record(db, record, SAVED)
    assert cause(db, batch_id) == ""
