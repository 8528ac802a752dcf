"""Earlier prompts: each once, newest first, by words."""

import pytest

import database
from app.core.records import records
from tests.core.records.test_search import add_records, index_all


@pytest.fixture
def db(db: database.Connection) -> database.Connection:
    add_records(db, ["橘猫，水彩", "雪山", "橘猫，水彩", "茶杯", "橘猫，油画"])
    index_all(db)
    return db


def listed(db: database.Connection, search: str = "", limit: int = 50) -> list[tuple[str, int]]:
    return [(one.prompt, one.record_id) for one in database.list_prompts(db, search=search, limit=limit)]


def test_prompts_are_listed_once_newest_first(db: database.Connection) -> None:
    assert listed(db) == [("橘猫，油画", 5), ("茶杯", 4), ("橘猫，水彩", 3), ("雪山", 2)]
    assert listed(db, limit=1) == [("橘猫，油画", 5)]


def test_prompts_are_found_by_all_of_their_words(db: database.Connection) -> None:
    assert listed(db, "水彩 橘猫") == [("橘猫，水彩", 3)]
    assert listed(db, "油画 雪山") == []
    add_records(db, ["#3"])
    assert listed(db, "#3") == [("#3", 6)]


def test_deleted_records_are_left_out_and_queued_ones_are_listed(db: database.Connection) -> None:
    db.execute("UPDATE generation_records SET deleted_at = '2026-01-01' WHERE id IN (4, 5)")
    add_records(db, ["新的"], status="queued")
    assert listed(db) == [("新的", 6), ("橘猫，水彩", 3), ("雪山", 2)]
    assert listed(db, "茶杯") == []
    assert listed(db, "新") == [("新的", 6)]


def test_only_the_newest_records_are_read(db: database.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_RECORDS_READ", 2)
    assert listed(db) == [("橘猫，油画", 5), ("茶杯", 4)]
    assert listed(db, "橘猫") == [("橘猫，油画", 5), ("橘猫，水彩", 3)]
