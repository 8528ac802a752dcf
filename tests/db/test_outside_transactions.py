"""Disk work stays outside of transactions: a slow disk does not block writers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.db import connection
from app.domain import ImageRequest, Models, ModelSpec
from app.errors import Billed, DiskError, ModelError
from app.images.filenames import TakenStems

MISSING = ModelError("断了", cause="network", billed=Billed.NO)


@pytest.fixture
def other(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[database.Connection]:
    """A second writer, which fails at once instead of waiting."""
    monkeypatch.setattr(connection, "BUSY_SECONDS", 0.1)
    with closing(database.connect(settings.database)) as opened:
        yield opened


def write(other: database.Connection) -> None:
    with database.transaction(other):
        pass


def test_writes_proceed_while_file_names_are_checked_on_disk(
    db: database.Connection, other: database.Connection, spec: ModelSpec
) -> None:
    checked: list[str] = []

    def is_taken(stem: str) -> bool:
        write(other)
        checked.append(stem)
        return stem == "猫"

    _, ids, _ = database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")] * 2,
            models=Models([spec]),
            stems=["猫"] * 2,
            is_taken=is_taken,
        ),
    )
    assert [database.get_record(db, n).reserved_stem for n in ids] == ["猫-2", "猫-3"]
    assert checked


def test_a_name_reserved_meanwhile_by_another_server_is_not_reserved_twice(
    db: database.Connection, other: database.Connection, spec: ModelSpec
) -> None:
    quicker: list[int] = []

    def is_taken(stem: str) -> bool:
        if not quicker:
            quicker.append(0)
            quicker[0] = database.add_batch(
                other,
                database.Submission(
                    requests=[ImageRequest(prompt="狗")],
                    models=Models([spec]),
                    stems=["猫"],
                    is_taken=lambda _: False,
                ),
            )[1][0]
        return False

    _, ids, _ = database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")], models=Models([spec]), stems=["猫"], is_taken=is_taken
        ),
    )
    assert database.get_record(db, quicker[0]).reserved_stem == "猫"
    assert database.get_record(db, ids[0]).reserved_stem == "猫-2"


def test_equal_and_numbered_names_within_a_batch_are_distinct(
    db: database.Connection, spec: ModelSpec
) -> None:
    wanted = ["猫", "猫-2", "猫", "猫", "CAT", "cat"]
    _, ids, _ = database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")] * 6,
            models=Models([spec]),
            stems=wanted,
            is_taken=lambda _: False,
        ),
    )
    stems = [database.get_record(db, n).reserved_stem for n in ids]
    assert stems == ["猫", "猫-2", "猫-3", "猫-4", "CAT", "cat-2"]


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


def thrown_away(db: database.Connection, spec: ModelSpec, number: int) -> list[int]:
    _, ids, _ = database.add_batch(
        db,
        database.Submission(
            requests=[ImageRequest(prompt="猫")] * number,
            models=Models([spec]),
            stems=["猫"] * number,
            is_taken=lambda _: False,
        ),
    )
    for _ in ids:
        record = database.claim_record(db, model=spec.model_id, owner="me", now=1e9, lease=20.0)
        assert record is not None
        database.fail_record(db, record, MISSING)
    database.delete_records(db, ids)
    db.execute("UPDATE generation_records SET deleted_at = '2020-01-01 00:00:00'")
    return ids


def test_writes_proceed_while_trash_files_are_removed_and_those_cannot_be_restored(
    db: database.Connection, other: database.Connection, spec: ModelSpec
) -> None:
    ids = thrown_away(db, spec, 2)
    restored: list[int] = []

    def remove(_filename: str, record_id: int) -> None:
        restored.append(database.restore_records(other, ids))
        if record_id == ids[1]:
            raise DiskError("占用")

    assert database.empty_trash(db, days=30, remove=remove) == 1
    assert restored == [0, 0]
    assert database.restore_records(other, ids) == 1
    assert database.get_record(db, ids[1]).id == ids[1]


def test_a_trash_emptying_cut_off_by_a_crash_is_completed_at_the_next_start(
    db: database.Connection, other: database.Connection, spec: ModelSpec
) -> None:
    ids = thrown_away(db, spec, 2)

    class Killed(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Killed

    with pytest.raises(Killed):
        database.empty_trash(db, days=30, remove=crash)
    assert database.restore_records(db, ids) == 0
    assert database.empty_trash(other, days=30, remove=lambda *_: None) == 2
