"""What pausing a restored database changes, and which charges it is known by."""

from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import ModelSpec, PauseCause, Status
from app.migrations.restored import RESTORED, mark_restored, note_sent, pause_all
from app.migrations.restoring import find_restored
from tests.core.queue.queue import CAT, PRICE, REFUSED, add, add_sample, claimed, outcomes
from tests.core.queue.test_batches import state


def sent(db: database.Connection) -> int:
    """Charge the next record and note it -> its id."""
    record = claimed(db)
    note_sent(db, database.open_charge(db, record, price=PRICE, budget=None))
    return record.id


def test_what_waits_counts_as_claimed_before(db: database.Connection) -> None:
    add(db, *[CAT] * 5)
    values = [("held", 0), ("queued", 0), ("queued", 3), ("running", 2), ("success", 0)]
    for number, (status, attempts) in enumerate(values, 1):
        db.execute(
            "UPDATE generation_records SET status = :status, attempts = :attempts WHERE id = :id",
            {"status": status, "attempts": attempts, "id": number},
        )
    with database.transaction(db):
        assert pause_all(db, RESTORED) == 1
    rows = db.execute("SELECT attempts FROM generation_records ORDER BY id").fetchall()
    assert [row["attempts"] for row in rows] == [1, 1, 3, 2, 0]


def test_only_batches_that_would_go_on_get_the_reason(db: database.Connection) -> None:
    active, _ = add(db)
    paused, _ = add(db)
    done, _ = add(db)
    sample, _ = add_sample(db)
    database.pause_batch(db, paused, "磁盘满了", cause=PauseCause.DISK)
    db.execute("UPDATE batches SET state = 'finished' WHERE id = :id", {"id": done})
    db.execute("UPDATE batches SET state = 'paused', paused_cause = 'sample' WHERE id = :id", {"id": sample})
    with database.transaction(db):
        assert pause_all(db, RESTORED) == 1
    states = [state(db, batch_id) for batch_id in (active, paused, done, sample)]
    assert states == [
        ("paused", "other", RESTORED),
        ("paused", "disk", "磁盘满了"),
        ("finished", "", ""),
        ("paused", "sample", RESTORED),
    ]


@pytest.fixture
def beside(settings: Settings) -> Path:
    """The list of charges beside the SQLite file."""
    return settings.database_path.with_name(f"{settings.database_path.name}.charges")


def is_paused_when_opened(db: database.Connection, beside: Path, batch_id: str) -> bool:
    database.open_database(beside.with_suffix(""))
    return state(db, batch_id)[0] == "paused"


@pytest.mark.sqlite
def test_only_charges_that_may_cost_money_are_noted(db: database.Connection, beside: Path) -> None:
    add(db)
    note_sent(db, database.open_charge(db, claimed(db), price=PRICE * 0, budget=None, is_free=True))
    assert not beside.exists()


@pytest.mark.sqlite
def test_a_list_that_holds_nothing_new_is_left_as_it_is(db: database.Connection, beside: Path) -> None:
    batch_id, _ = add(db)
    sent(db)
    before = beside.read_bytes()
    assert not is_paused_when_opened(db, beside, batch_id)
    assert beside.read_bytes() == before


@pytest.mark.sqlite
def test_a_second_charge_is_missing_although_its_record_has_an_earlier_one(
    db: database.Connection, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = add(db)
    for second in (1, 2):
        monkeypatch.setattr(
            "app.core.money.ledger.utc_now", lambda second=second: f"2026-11-01 12:00:0{second}.000"
        )
        sent(db)
        database.requeue_record(db, database.get_record(db, ids[0]), not_before=0, error=REFUSED)
    db.execute("DELETE FROM charges WHERE opened_at = '2026-11-01 12:00:02.000'")
    assert is_paused_when_opened(db, beside, batch_id)
    restored = find_restored(db)
    assert restored
    assert (restored.copied_at, restored.ended) == ("2026-11-01 12:00:01.000", False)


@pytest.mark.sqlite
def test_what_is_said_of_the_backup_stays_when_charges_are_missing_in_it(
    db: database.Connection, beside: Path
) -> None:
    batch_id, _ = add(db)
    sent(db)
    db.execute("DELETE FROM charges")
    mark_restored(db, "2026-10-31 12:00:00.000", "generation_records.db.replaced")
    assert is_paused_when_opened(db, beside, batch_id)
    restored = find_restored(db)
    assert restored
    assert (restored.copied_at, restored.replaced) == (
        "2026-10-31 12:00:00.000",
        "generation_records.db.replaced",
    )


@pytest.mark.sqlite
def test_a_charge_of_another_record_of_the_same_moment_is_not_that_of_this_one(
    db: database.Connection, beside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.money.ledger.utc_now", lambda: "2026-11-01 12:00:00.000")
    batch_id, _ = add(db, CAT, CAT)
    first = sent(db)
    sent(db)
    db.execute("DELETE FROM charges WHERE record_id = :id", {"id": first})
    assert is_paused_when_opened(db, beside, batch_id)


@pytest.mark.sqlite
def test_a_finished_record_is_not_looked_for_again(db: database.Connection, beside: Path) -> None:
    batch_id, ids = add(db, CAT, CAT)
    sent(db)
    db.execute("DELETE FROM charges")
    db.execute("UPDATE generation_records SET status = 'success' WHERE id = :id", {"id": ids[0]})
    assert is_paused_when_opened(db, beside, batch_id)
    assert database.get_record(db, ids[0]).status is Status.SUCCESS
    assert outcomes(db) == []


@pytest.mark.sqlite
def test_charges_of_another_database_pause_it_once(
    db: database.Connection, spec: ModelSpec, beside: Path
) -> None:
    batch_id, _ = add(db, CAT)
    sent(db)
    db.execute("DELETE FROM charges")
    db.execute("UPDATE generation_records SET batch_id = 'other'")
    db.execute("UPDATE batches SET id = 'other'")
    beside.write_bytes(beside.read_bytes().replace(batch_id.encode(), b"elsewhere"))
    assert is_paused_when_opened(db, beside, "other")
    database.resume_batch(db, "other", models=[spec.model_id])
    assert not is_paused_when_opened(db, beside, "other")
    assert database.get_record(db, 1).attempts == 1
