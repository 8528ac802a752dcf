"""Disk work stays outside of transactions: a slow disk does not block writers."""

from pathlib import Path

import pytest

import database
from app.engine import connection
from app.errors import DiskError
from app.images.filenames import TakenStems
from tests.core.queue.queue import CAT, DOG, REFUSED, add, end, set_fields, stems


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that has to wait fails at once."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)


def write(other: database.Connection) -> None:
    with database.transaction(other):
        pass


def test_writes_proceed_while_file_names_are_checked_on_disk(
    db: database.Connection, other: database.Connection
) -> None:
    checked: list[str] = []

    def is_taken(stem: str) -> bool:
        write(other)
        checked.append(stem)
        return stem == "猫"

    add(db, CAT, CAT, is_taken=is_taken)
    assert stems(db) == ["猫-2", "猫-3"]
    assert checked


def test_a_name_reserved_meanwhile_by_another_server_is_not_reserved_twice(
    db: database.Connection, other: database.Connection
) -> None:
    def is_taken(stem: str) -> bool:
        if not stems(db):
            add(other, DOG)
        return False

    _, ids = add(db, is_taken=is_taken)
    assert ids == [2]
    assert stems(db) == ["猫", "猫-2"]


def test_many_names_are_checked_with_one_directory_listing(tmp_path: Path) -> None:
    for name in ("猫.png", "狗.JPG", "字.txt"):
        (tmp_path / name).touch()
    is_taken = TakenStems(tmp_path)
    first = [is_taken(stem) for stem in ("猫", "字")]
    for number in range(30):
        assert not is_taken(f"图{number}")
    (tmp_path / "后来.png").touch()
    later = [is_taken(stem) for stem in ("猫", "狗", "字", "后来")]
    assert (first, later) == ([True, False], [True, True, False, False])


def thrown_away(db: database.Connection, number: int) -> list[int]:
    _, ids = add(db, *[CAT] * number)
    end(db, *[REFUSED] * number)
    database.delete_records(db, ids)
    set_fields(db, "deleted_at = '2020-01-01 00:00:00'")
    return ids


def test_writes_proceed_while_trash_files_are_removed_and_those_cannot_be_restored(
    db: database.Connection, other: database.Connection
) -> None:
    ids = thrown_away(db, 2)
    restored: list[int] = []

    def remove(_filename: str, record_id: int, _sha256: str) -> None:
        restored.append(database.restore_records(other, ids))
        if record_id == ids[1]:
            raise DiskError("占用")

    assert database.empty_trash(db, days=30, remove=remove) == 1
    assert restored == [0, 0]
    assert database.restore_records(other, ids) == 1
    assert database.get_record(db, ids[1]).id == ids[1]


def test_a_trash_emptying_cut_off_by_a_crash_is_completed_at_the_next_start(
    db: database.Connection, other: database.Connection
) -> None:
    ids = thrown_away(db, 2)

    class Killed(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        database.empty_trash(db, days=30, remove=crash)
    assert database.restore_records(db, ids) == 0
    assert database.empty_trash(other, days=30, remove=lambda *_: None) == 2
