"""A release is one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

import database
from app.domain import (
    ImageRequest,
    Models,
    ModelSpec,
    PauseCause,
    Record,
    RowExtras,
    SkippedRow,
    Status,
    fingerprint,
)
from app.domain.tables import Row, new_table
from app.errors import Conflict
from app.orders.doors import Release, ReleaseChanges
from app.orders.place import Conditions, place
from app.orders.plan import OrderRow, Plan, repeated_row
from tests.core.queue import queue
from tests.core.queue.queue import CAT, KEY, MODELS, add, add_sample

WHITE = ImageRequest(prompt="白猫")
SIZES = ("2K", "2K", "4K", "2K")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRelease(Release):
    """Releases the held rows as they are, as ``chosen`` (rows of ``held_rows``), or with these prompts."""

    conditions: Conditions = field(init=False)
    changes: ReleaseChanges = field(default_factory=ReleaseChanges)
    chosen: Sequence[OrderRow] = ()
    prompts: Sequence[str] = ()

    def rows(self, seen: database.HeldRows) -> Sequence[OrderRow]:
        rows = [held_row(each, each[0].row_request) for each in seen.rows]
        if self.prompts:
            return [changed(row, prompt=new) for row, new in zip(rows, self.prompts, strict=True)]
        return self.chosen or rows

    def check(self, planned: Plan) -> None:
        """Any model can be ordered from."""


def held_rows(db: database.Connection, batch_id: str, prompts: Sequence[str] = ()) -> list[OrderRow]:
    """The held rows as they are, or with these prompts."""
    rows = [held_row(each, each[0].row_request) for each in database.read_held(db, batch_id).rows]
    if not prompts:
        return rows
    return [changed(row, prompt=prompt) for row, prompt in zip(rows, prompts, strict=True)]


def changed(row: OrderRow, /, typed: str = "", **fields: Any) -> OrderRow:
    return held_row(row.records, replace(row.request, **fields), typed)


def held_row(records: Sequence[Record], request: ImageRequest, typed: str = "") -> OrderRow:
    templates = {"prompt": typed} if typed else {}
    extras = RowExtras(columns=records[0].columns, templates=templates, position=records[0].position)
    return repeated_row(records, request, extras=extras, skips=True, cancels=True)


def release(
    db: database.Connection,
    batch_id: str,
    *prompts: str,
    models: Models = MODELS,
    rows: Sequence[OrderRow] = (),
    **fields: Any,
) -> tuple[int, list[SkippedRow]]:
    chosen = rows or held_rows(db, batch_id, prompts)
    done = place(db, HeldRelease(models=models, batch_id=batch_id, chosen=chosen, **fields))
    return done.number, done.skipped


def add_held(db: database.Connection, *prompts: str, models: Models = MODELS) -> tuple[str, list[int]]:
    """A batch whose first and last rows are tried first, and the others held."""
    return queue.add(db, *(ImageRequest(prompt=prompt) for prompt in prompts), sample=2, models=models)


@pytest.mark.parametrize("step", ["touch", "count_released", "finish_if_done", "save_answer"])
def test_a_crash_during_a_release_leaves_all_as_it_was(
    db: database.Connection, other: database.Connection, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    batch_id, ids = queue.add_sample(db)
    queue.end(db, None, None)
    before = queue.statuses(db, ids)

    def crash(*_: object, **__: object) -> None:
        raise SystemExit

    monkeypatch.setattr(database, step, crash)
    with pytest.raises(SystemExit):
        release(other, batch_id, changes=ReleaseChanges(aspect_ratio="16:9"))
    batch = database.get_batch(db, batch_id)
    assert (queue.statuses(db, ids), batch.paused_cause) == (before, PauseCause.SAMPLE)


def test_rows_that_changed_since_they_were_read_are_read_again(
    db: database.Connection, other: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = queue.add_sample(db)
    choose = database.choose_names

    def cancel_first(*args: Any) -> Any:
        if queue.status_of(db, ids[1]) is Status.HELD:
            database.cancel_record(other, ids[1])
        return choose(*args)

    monkeypatch.setattr(database, "choose_names", cancel_first)
    assert place(db, HeldRelease(models=MODELS, batch_id=batch_id)).number == 3
    assert queue.status_of(db, ids[1]) is Status.CANCELLED


def test_a_release_of_bought_rows_alone_finishes_the_batch(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=2, sample=1)
    queue.make(db)
    queue.add_sample(db, rows=1, sample=1)
    assert release(db, batch_id)[0] == 0
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


def test_held_rows_that_ask_for_something_else_in_their_table_are_named(db: database.Connection) -> None:
    requests = [ImageRequest(prompt=prompt) for prompt in "一二三四五六七"]
    rows = [
        Row(id=-n, position=n, number=n, fingerprint=queue.fingerprint_of(request))
        for n, request in enumerate(requests, 1)
    ]
    batches = []
    for changes in ({1: "x", 2: "x", 4: ""}, {5: "x"}):
        changed = [replace(row, fingerprint=changes.get(row.number, row.fingerprint)) for row in rows]
        with database.transaction(db):
            table = database.add_table(db, new_table("茶具", today="2026-01-02"), changed)
        batches.append(queue.add(db, *requests, sample=2, table_id=table.id))
    db.execute("UPDATE table_rows SET removed_at = '2026-01-02' WHERE number = 3")
    queue.set_fields(db, "fingerprint = ''", batches[0][1][5])
    assert [database.read_held(db, batch_id).changed for batch_id, _ in batches] == [{2, 3}, {3, 5}]


def test_the_rows_of_a_role_are_those_of_the_table_of_the_batch(db: database.Connection) -> None:
    batches = []
    for roles in (("主图", "细节"), ("细节", "主图")):
        rows = [Row(id=-n, position=n, number=n, role=role) for n, role in enumerate(roles, 1)]
        with database.transaction(db):
            table = database.add_table(db, new_table("茶具", today="2026-01-02"), rows)
        batches.append(add(db, CAT, CAT, table_id=table.id)[0])
    assert [database.rows_of_roles(db, each, ["主图"]) for each in batches] == [{1}, {2}]


def test_the_earlier_words_of_a_held_row_keep_no_other_row_back(db: database.Connection) -> None:
    batch_id, ids = add_held(db, "一", "猫", "白猫", "二")
    assert release(db, batch_id, "白猫", "黑猫") == (2, [])
    assert [database.get_record(db, each).prompt for each in ids[1:3]] == ["白猫", "黑猫"]


def test_a_row_with_a_cancelled_picture_gets_only_what_it_still_holds(db: database.Connection) -> None:
    batch_id, ids = queue.add_sample(db, rows=3, pictures=3)
    database.cancel_record(db, ids[3])
    queue.add(db, CAT)
    assert release(db, batch_id)[0] == 1


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


def test_a_released_row_is_made_as_it_was_chosen_by_its_model(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add_sample(db, rows=4, pictures=2)
    other = replace(spec, model_id="other")
    first, second = held_rows(db, batch_id)
    more = {"seed": 7, "steps": 30, "quality": "high", "resolution": "4K", "model": "other"}
    row = changed(first, typed="{颜色}猫", prompt="白猫", **more)
    chosen = row.request
    release(db, batch_id, rows=[row, second], models=Models([spec, other]))
    made = [database.get_record(db, each) for each in ids[2:4]]
    assert [record.request for record in made] == [
        replace(chosen, filename=record.request.filename, seed=seed)
        for record, seed in zip(made, (7, 8), strict=True)
    ]
    assert {record.templates["prompt"] for record in made} == {"{颜色}猫"}
    rows_of = db.execute(
        "SELECT DISTINCT fingerprint FROM generation_records WHERE model = 'other'"
    ).fetchall()
    assert [row["fingerprint"] for row in rows_of] == [fingerprint(chosen)]
    others = [database.get_record(db, each) for each in (*ids[:2], *ids[4:])]
    assert {record.model for record in others} == {"test-1"}
    assert {record.status for record in (*made, *others)} == {Status.QUEUED}


@pytest.mark.parametrize(
    ("change", "cost"),
    [
        ({}, "0.88"),
        ({"resolution": "4K"}, "1.66"),
        ({"model": "gone"}, "0.88"),
        ({"model": "free"}, None),
    ],
)
def test_the_estimate_follows_what_is_released(
    db: database.Connection, spec: ModelSpec, change: dict[str, str], cost: str | None
) -> None:
    """¥0.22 for each of four rows, of which two are held."""
    dear = replace(spec, prices=dict(spec.prices) | {"4K": Decimal("0.61")})
    free = replace(spec, model_id="free", prices={})
    batch_id, _ = add_held(db, "一", "猫", "狗", "二", models=Models([dear]))
    if change.get("model") == "gone":
        db.execute("UPDATE generation_records SET model = 'gone' WHERE status = 'held'")
        change = {"model": "test-1"}
    rows = [changed(row, **change) for row in held_rows(db, batch_id)]
    release(db, batch_id, rows=rows, models=Models([dear, free]))
    assert database.get_batch(db, batch_id).estimated_cost == (None if cost is None else Decimal(cost))


def test_the_estimate_leaves_out_what_is_bought_whatever_its_price(
    db: database.Connection, spec: ModelSpec
) -> None:
    unpriced = replace(spec, model_id="free", prices={})
    batch_id, _ = add_held(db, "一", "猫", "狗", "二")
    add(db, replace(WHITE, model="test-1"))
    add(db, replace(WHITE, model="free"), models=Models([spec, unpriced]))
    first, second = held_rows(db, batch_id)
    rows = [held_row(first.records, replace(WHITE, model="free")), second]
    _, skipped = release(db, batch_id, rows=rows, models=Models([spec, unpriced]))
    assert [row.row for row in skipped] == [2]
    assert database.get_batch(db, batch_id).estimated_cost == Decimal("0.66")


def test_a_record_that_is_left_out_says_why_and_a_released_one_nothing(db: database.Connection) -> None:
    _, bought = add(db, WHITE)
    batch_id, ids = add_held(db, "一", "猫", "狗", "二")
    assert release(db, batch_id, "白猫", "黑猫")[0] == 1
    left_out, made = (database.get_record(db, each) for each in ids[1:3])
    assert (left_out.status, left_out.cause) == (Status.CANCELLED, "bought")
    why = f"已经有同样的图片（记录 {bought[0]}），没有再做"
    assert str(left_out.error) == why
    raw = db.execute("SELECT error, error_message FROM generation_records WHERE error <> ''").fetchall()
    assert [(row["error"], bool(row["error_message"])) for row in raw] == [(why, True)]
    assert left_out.finished_at
    assert (made.status, made.cause, str(made.error), made.finished_at) == (Status.QUEUED, "", "", None)
    lines = queue.log(db, batch_id)
    assert "放行 1 张" in lines
    assert "1 张已经做过或正在做，没有再做" in lines


def test_only_the_records_of_the_batch_are_listed_as_held(db: database.Connection) -> None:
    batch_id, ids = add_held(db, "一", "猫", "二")
    add_held(db, "一", "狗", "二")
    held = database.read_held(db, batch_id)
    assert [[record.id for record in row] for row in held.rows] == [[ids[1]]]


def test_a_record_that_another_program_adds_during_a_release_counts_as_bought(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, bought = add(db, WHITE)
    batch_id, _ = add_held(db, "一", "猫", "二")
    rows = held_rows(db, batch_id, ["白猫"])
    complete = database.complete_fingerprints
    db.execute("UPDATE generation_records SET fingerprint = '' WHERE id = :id", {"id": bought[0]})
    calls: list[int] = []

    def complete_the_second_time(db: database.Connection) -> None:
        calls.append(1)
        if len(calls) > 1:
            complete(db)

    monkeypatch.setattr(database, "complete_fingerprints", complete_the_second_time)
    released = release(db, batch_id, rows=rows, models=Models([spec]))
    assert released == (0, [SkippedRow(row=2, records=bought)])
    assert len(calls) == 2


def test_a_used_key_is_answered_as_before_although_nothing_is_held_any_more(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = add_held(db, "一", "猫", "二")
    rows = held_rows(db, batch_id)
    answers = [release(db, batch_id, rows=rows, models=Models([spec]), key=KEY) for _ in range(2)]
    assert answers == [(1, [])] * 2


def test_the_estimate_stays_when_rows_of_other_prices_than_the_sample_are_released(
    db: database.Connection, spec: ModelSpec
) -> None:
    dear = replace(spec, prices=dict(spec.prices) | {"4K": Decimal("0.61")})
    rows = [ImageRequest(prompt=name, resolution=size) for name, size in zip("一二三四", SIZES, strict=True)]
    batch_id, _ = add(db, *rows, models=Models([dear]), sample=2)
    held = [record.resolution for row in database.read_held(db, batch_id).rows for record in row]
    assert len(held) == 2
    assert release(db, batch_id, models=Models([dear]))[0] == 2
    assert database.get_batch(db, batch_id).estimated_cost == Decimal("1.27")
