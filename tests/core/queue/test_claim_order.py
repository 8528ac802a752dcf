"""Batches share the slots of a model: which record is claimed next, and what that costs."""

from typing import Any

import pytest

import database
from app.domain import Record
from app.errors import Billed, ModelError
from tests.core.queue.queue import CAT, NOW, SAVED, add, claimed, ticks_of


def batch_of(db: database.Connection, number: int, source: str = "batch") -> str:
    """A batch of so many pictures -> its id."""
    return add(db, *[CAT] * number, source=source)[0]


def work(db: database.Connection, turns: int, under_way: list[Record]) -> list[str | None]:
    """Finish the oldest of the records under way and claim another, so often -> the batches claimed from."""
    for _ in range(turns):
        assert database.finish_record(db, under_way.pop(0), SAVED)
        under_way.append(claimed(db))
    return [record.batch_id for record in under_way]


def test_a_small_batch_gets_the_next_free_slots_beside_a_large_one(db: database.Connection) -> None:
    large = batch_of(db, 50)
    under_way = [claimed(db) for _ in range(8)]
    small = batch_of(db, 3)
    assert work(db, 3, under_way) == [large] * 5 + [small] * 3


def test_two_large_batches_have_as_many_pictures_under_way_each(db: database.Connection) -> None:
    first = batch_of(db, 50)
    under_way = [claimed(db) for _ in range(6)]
    second = batch_of(db, 50)
    assert sorted(work(db, 12, under_way), key=str) == sorted([first] * 3 + [second] * 3)


def test_with_fewer_slots_than_batches_each_gets_its_turn(db: database.Connection) -> None:
    batches = [batch_of(db, 9) for _ in range(3)]
    under_way = [claimed(db)]
    turns = [under_way[0].batch_id, *(work(db, 1, under_way)[0] for _ in range(5))]
    assert turns == batches * 2


def test_within_a_batch_the_order_of_the_rows_stays(db: database.Connection) -> None:
    batches = [batch_of(db, 4) for _ in range(2)]
    records = [claimed(db) for _ in range(8)]
    for batch_id in batches:
        ids = [record.id for record in records if record.batch_id == batch_id]
        assert ids == [record.id for record in database.list_batch_records(db, batch_id)]


def test_what_is_under_way_at_another_model_does_not_count(db: database.Connection) -> None:
    first, second = batch_of(db, 9), batch_of(db, 9)
    db.execute("UPDATE generation_records SET model = 'other' WHERE batch_id = :id AND id < 5", {"id": first})
    assert [claimed(db, model="other").batch_id for _ in range(3)] == [first] * 3
    assert {claimed(db).batch_id for _ in range(2)} == {first, second}


def test_paused_batches_and_delayed_records_give_their_turn_to_others(db: database.Connection) -> None:
    paused, delayed, other = (batch_of(db, 1), batch_of(db, 1), batch_of(db, 3))
    database.pause_batch(db, paused)
    record = claimed(db)
    busy = ModelError("太多", cause="limit", billed=Billed.NO, retryable=True, throttled=True)
    database.requeue_record(db, record, not_before=NOW + 30, error=busy)
    assert record.batch_id == delayed
    assert [claimed(db).batch_id for _ in range(3)] == [other] * 3


def test_what_is_ahead_of_a_batch_is_what_is_claimed_before_its_first_picture(
    db: database.Connection,
) -> None:
    earlier, later = batch_of(db, 5), batch_of(db, 5)
    single = batch_of(db, 3, source="single")
    batches = (earlier, later, single)
    seen = [[database.count_ahead(db, each) for each in batches]]
    turns = []
    for _ in range(5):
        turns.append(claimed(db).batch_id)
        seen.append([database.count_ahead(db, each) for each in batches])
    assert turns == [single] * 3 + [earlier, later]
    assert seen == [[3, 4, 0], [2, 3, 0], [1, 2, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert [database.get_batch(db, each).ahead for each in batches] == [0, 0, 0]


def test_nothing_is_ahead_of_what_is_paused_and_what_is_paused_or_of_another_model_is_not_ahead(
    db: database.Connection,
) -> None:
    paused, other, mine = (batch_of(db, 2) for _ in range(3))
    assert database.get_batch(db, mine).ahead == 2
    database.pause_batch(db, paused)
    db.execute("UPDATE generation_records SET model = 'other' WHERE batch_id = :id", {"id": other})
    assert [database.count_ahead(db, each) for each in (paused, other, mine)] == [0, 0, 0]


def add_many(db: database.Connection) -> None:
    """Two batches with one record under way and 5,000 queued after as many that have ended."""
    for _ in range(2):
        batch_of(db, 1)
        claimed(db)
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
def test_a_claim_reads_no_more_of_a_large_batch_than_its_first_record(db: database.Connection) -> None:
    add_many(db)
    with ticks_of(db) as ticks:
        assert database.has_claimable(db, model="test-1", now=NOW)
    assert len(ticks) < 3


@pytest.mark.postgres
def test_a_claim_reads_no_more_of_a_large_batch_than_its_first_record_on_postgres(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_many(db)
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
