"""Batches share the slots of a model: which record is claimed next, and what that costs."""

from typing import Any

import pytest

import database
from app.db.sqlite_connection import SqliteConnection
from app.domain import ImageRequest, Models, ModelSpec, Record, SavedImage
from app.errors import Billed, ModelError

NOW = 1_000_000.0


def add(db: database.Connection, spec: ModelSpec, number: int, *, source: str = "batch") -> str:
    """A batch of so many pictures -> its id."""
    return database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")] * number,
            models=Models([spec]),
            stems=["猫"] * number,
            is_taken=lambda _: False,
            source=source,
        ),
    )[0]


def claim(db: database.Connection, model: str = "test-1") -> Record:
    record = database.claim_record(db, model=model, owner="me", now=NOW, lease=20.0)
    assert record is not None
    return record


def finish(db: database.Connection, record: Record) -> None:
    name = f"{record.id}.png"
    saved = SavedImage(filename=name, width=8, height=8, format="png", file_size=9, sha256="ab")
    assert database.finish_record(db, record, saved)


def work(db: database.Connection, turns: int, under_way: list[Record]) -> list[str | None]:
    """Finish the oldest of the records under way and claim another, so often -> the batches claimed from."""
    for _ in range(turns):
        finish(db, under_way.pop(0))
        under_way.append(claim(db))
    return [record.batch_id for record in under_way]


def test_a_small_batch_gets_the_next_free_slots_beside_a_large_one(
    db: database.Connection, spec: ModelSpec
) -> None:
    large = add(db, spec, 50)
    under_way = [claim(db) for _ in range(8)]
    small = add(db, spec, 3)
    assert work(db, 3, under_way) == [large] * 5 + [small] * 3


def test_two_large_batches_have_as_many_pictures_under_way_each(
    db: database.Connection, spec: ModelSpec
) -> None:
    first = add(db, spec, 50)
    under_way = [claim(db) for _ in range(6)]
    second = add(db, spec, 50)
    assert sorted(work(db, 12, under_way), key=str) == sorted([first] * 3 + [second] * 3)


def test_with_fewer_slots_than_batches_each_gets_its_turn(db: database.Connection, spec: ModelSpec) -> None:
    batches = [add(db, spec, 9) for _ in range(3)]
    under_way = [claim(db)]
    turns = [under_way[0].batch_id, *(work(db, 1, under_way)[0] for _ in range(5))]
    assert turns == batches * 2


def test_within_a_batch_the_order_of_the_rows_stays(db: database.Connection, spec: ModelSpec) -> None:
    batches = [add(db, spec, 4) for _ in range(2)]
    claimed = [claim(db) for _ in range(8)]
    for batch_id in batches:
        ids = [record.id for record in claimed if record.batch_id == batch_id]
        assert ids == [record.id for record in database.list_batch_records(db, batch_id)]


def test_what_is_under_way_at_another_model_does_not_count(db: database.Connection, spec: ModelSpec) -> None:
    first, second = add(db, spec, 9), add(db, spec, 9)
    db.execute("UPDATE generation_records SET model = 'other' WHERE batch_id = :id AND id < 5", {"id": first})
    assert [claim(db, "other").batch_id for _ in range(3)] == [first] * 3
    assert {claim(db).batch_id for _ in range(2)} == {first, second}


def test_paused_batches_and_delayed_records_give_their_turn_to_others(
    db: database.Connection, spec: ModelSpec
) -> None:
    paused, delayed, other = (add(db, spec, 1), add(db, spec, 1), add(db, spec, 3))
    database.pause_batch(db, paused)
    record = claim(db)
    busy = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=True)
    database.requeue_record(db, record, not_before=NOW + 30, error=busy)
    assert record.batch_id == delayed
    assert [claim(db).batch_id for _ in range(3)] == [other] * 3


def test_what_is_ahead_of_a_batch_is_what_is_claimed_before_its_first_picture(
    db: database.Connection, spec: ModelSpec
) -> None:
    earlier, later = add(db, spec, 5), add(db, spec, 5)
    single = add(db, spec, 3, source="single")
    batches = (earlier, later, single)
    seen = [[database.count_ahead(db, each) for each in batches]]
    claimed = []
    for _ in range(5):
        claimed.append(claim(db).batch_id)
        seen.append([database.count_ahead(db, each) for each in batches])
    assert claimed == [single] * 3 + [earlier, later]
    assert seen == [[3, 4, 0], [2, 3, 0], [1, 2, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert [database.get_batch(db, each).ahead for each in batches] == [0, 0, 0]


def test_nothing_is_ahead_of_what_is_paused_and_what_is_paused_or_of_another_model_is_not_ahead(
    db: database.Connection, spec: ModelSpec
) -> None:
    paused, other, mine = (add(db, spec, 2) for _ in range(3))
    assert database.get_batch(db, mine).ahead == 2
    database.pause_batch(db, paused)
    db.execute("UPDATE generation_records SET model = 'other' WHERE batch_id = :id", {"id": other})
    assert [database.count_ahead(db, each) for each in (paused, other, mine)] == [0, 0, 0]


def add_many(db: database.Connection, spec: ModelSpec) -> None:
    """Two batches with one record under way and 5,000 queued after as many that have ended."""
    for _ in range(2):
        add(db, spec, 1)
        claim(db)
    for status in ("success", "queued"):
        with database.transaction(db):
            db.execute(
                """
                WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 5000)
                INSERT INTO generation_records (batch_id, status, model)
                SELECT batches.id, :status, 'test-1'
                FROM numbers
                CROSS JOIN batches ON numbers.n > 0
                """,
                {"status": status},
            )


@pytest.mark.sqlite
def test_a_claim_reads_no_more_of_a_large_batch_than_its_first_record(
    db: database.Connection, spec: ModelSpec
) -> None:
    add_many(db, spec)
    ticks: list[int] = []
    assert isinstance(db, SqliteConnection)
    db.set_progress_handler(lambda: ticks.append(1), 1000)
    assert database.has_claimable(db, model="test-1", now=NOW)
    db.set_progress_handler(None, 0)
    assert len(ticks) < 3


@pytest.mark.postgres
def test_a_claim_reads_no_more_of_a_large_batch_than_its_first_record_on_postgres(
    db: database.Connection, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(db, spec)
    db.execute("ANALYZE generation_records")
    execute, plans = db.execute, list[dict[str, Any]]()

    def explain(sql: str, fields: Any) -> Any:
        plan = execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", fields).fetchone()[0]
        plans.append(plan[0]["Plan"])
        return execute(sql, fields)

    monkeypatch.setattr(db, "execute", explain)
    assert database.has_claimable(db, model="test-1", now=NOW)
    reads = [node for node in nodes(plans[0]) if node.get("Relation Name") == "generation_records"]
    assert "records_claimable" in {node.get("Index Name") for node in reads}
    for node in reads:
        assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) < 10, node


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """A node of a plan and all below it."""
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]
