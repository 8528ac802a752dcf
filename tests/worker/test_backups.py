"""The daily backup: when it is made, which are kept, and what is told when it fails."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.errors import AppError, Conflict
from app.system.windows_files import try_lock
from app.web.i18n import in_english
from app.worker.backups import KEPT, Backups

_NOON = datetime(2026, 11, 30, 12)


class Days(Backups):
    """Backups with a clock that the test sets."""

    def __init__(self, settings: Settings, free: int = 10**12) -> None:
        self.time, self.seconds = _NOON, 0.0
        super().__init__(settings, now=lambda: self.time, clock=lambda: self.seconds, free=lambda _: free)

    def look(self, db: database.Connection, *, hours: float = 0.0, is_busy: bool = False) -> bool:
        """Let hours go by, and look whether a backup is due -> whether it was made."""
        self.time += timedelta(hours=hours)
        self.seconds += 3600 * hours
        return self.make_daily(db, is_busy=is_busy, stops=bool)

    @property
    def numbers(self) -> list[int]:
        return [backup.number for backup in self.list()]


@pytest.fixture
def days(settings: Settings) -> Days:
    return Days(settings)


def told(db: database.Connection) -> list[str]:
    return [row["content"] for row in db.execute("SELECT content FROM notifications")]


@pytest.mark.sqlite
def test_one_is_made_a_day_and_the_last_seven_are_kept(
    days: Days, settings: Settings, db: database.Connection
) -> None:
    made = [days.look(db, hours=1) for _ in range(24 * 10)]
    assert 10 <= made.count(True) <= 12
    assert days.numbers == list(range(made.count(True), made.count(True) - KEPT, -1))
    assert days.folder == settings.database_path.parent / "backups"


@pytest.mark.sqlite
def test_a_backup_opens_and_has_what_the_database_has(days: Days, db: database.Connection) -> None:
    db.execute("INSERT INTO generation_records (prompt, status) VALUES ('画', 'failed')")
    path = days.make()
    assert path
    with closing(sqlite3.connect(path)) as copy:
        assert copy.execute("SELECT prompt FROM generation_records").fetchall() == [("画",)]
    assert {each.name for each in path.parent.iterdir()} == {path.name, ".lock"}


@pytest.mark.sqlite
def test_a_restart_at_midnight_makes_no_second_one(
    days: Days, settings: Settings, db: database.Connection
) -> None:
    assert days.look(db, hours=11.9)
    again = Days(settings)
    again.time = days.time
    assert not again.look(db, hours=0.5)


@pytest.mark.sqlite
def test_a_clock_that_jumps_loses_no_more_than_a_backup_a_day(
    days: Days, settings: Settings, db: database.Connection
) -> None:
    for _ in range(KEPT):
        days.look(db, hours=24)
    kept = set(days.numbers)
    for jumps in ("1970-01-01", "2026-12-07", "2099-05-01") * 5:
        restarted = Days(settings)
        restarted.time = datetime.fromisoformat(jumps)
        restarted.look(db)
    assert len(kept & set(days.numbers)) == KEPT - 2
    assert max(days.numbers) == KEPT + 2


@pytest.mark.sqlite
def test_it_waits_while_pictures_are_made_but_not_for_ever(days: Days, db: database.Connection) -> None:
    assert not days.look(db, is_busy=True)
    assert not days.look(db, hours=1.9, is_busy=True)
    assert days.look(db, hours=0.2, is_busy=True)


@pytest.mark.sqlite
def test_a_failure_is_told_once_a_day_and_shown_until_one_is_made(
    days: Days, settings: Settings, db: database.Connection
) -> None:
    full = Days(settings, free=1_000_000)
    full.time = days.time = datetime.now().replace(hour=9) + timedelta(days=1)  # a failure has the real time
    for hours in (0, 1, 2):
        assert not full.look(db, hours=hours)
    assert len(told(db)) == 1
    problem = full.problem(db)
    assert problem
    assert "磁盘只剩 1 MB，放不下备份" in str(problem)
    assert "only 1 MB left" in in_english(problem)
    days.time += timedelta(minutes=1)
    assert days.look(db)
    assert days.problem(db) is None


@pytest.mark.sqlite
def test_a_damaged_database_is_not_backed_up_over_the_last_seven(
    days: Days, settings: Settings, db: database.Connection
) -> None:
    good = days.make()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    with settings.database_path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 20)
    with pytest.raises(AppError):
        days.make()
    assert [backup.name for backup in days.list()] == [good.name] if good else False


@pytest.mark.sqlite
def test_two_processes_never_make_one_at_once(days: Days, db: database.Connection) -> None:
    assert days.make()
    assert days.folder
    program = (
        "import sys, pathlib; from app.system.windows_files import try_lock\n"
        "with try_lock(pathlib.Path(sys.argv[1])) as mine: print(mine, flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(days.folder / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        assert other.stdout.readline() == "True\n"
        with pytest.raises(Conflict):
            days.make()
        assert not days.look(db, hours=30)
        assert told(db) == []
        other.kill()
    with try_lock(days.folder / ".lock") as is_mine:
        assert is_mine


@pytest.mark.sqlite
def test_what_a_killed_process_left_is_removed(days: Days, db: database.Connection) -> None:
    assert days.folder
    days.folder.mkdir()
    for ending in (".part", ".part-journal"):
        (days.folder / f"generation_records-0001-20261129-120000.db{ending}").write_bytes(b"half")
    path = days.make()
    assert path
    assert {each.name for each in days.folder.iterdir()} == {path.name, ".lock"}


@pytest.mark.sqlite
def test_it_stops_when_the_program_does(days: Days, settings: Settings, db: database.Connection) -> None:
    assert days.make(stops=lambda: True) is None
    assert days.list() == []


@pytest.mark.parametrize(
    ("chosen", "folder"), [("none", None), ("None", None), ("elsewhere", Path("elsewhere"))]
)
@pytest.mark.sqlite
def test_the_folder_can_be_chosen_or_switched_off(
    settings: Settings, chosen: str, folder: Path | None
) -> None:
    assert Backups(replace(settings, backup_dir=Path(chosen))).folder == folder


@pytest.mark.sqlite
def test_postgresql_is_backed_up_only_into_a_folder_that_was_chosen(settings: Settings) -> None:
    there = replace(settings, database_url="postgresql://localhost/x")
    assert there.backup_folder is None
    assert replace(there, backup_dir=Path("d")).backup_folder == Path("d")


@pytest.mark.postgres
def test_a_dump_is_made_listed_and_followed_by_the_next_on_postgresql(
    settings: Settings, db: database.Connection, tmp_path: Path
) -> None:
    days = Days(replace(settings, backup_dir=tmp_path / "dumps"))
    assert [days.look(db), days.look(db), days.look(db, hours=24)] == [True, False, True]
    assert days.numbers == [2, 1]
    assert days.list()[0].size > 1000
