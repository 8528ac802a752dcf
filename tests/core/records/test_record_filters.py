"""Every combination of filters gives the records and the total that reading all of them gives."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import database
from app.domain import Status
from database import RecordFilter

COLUMNS = "id, created_at, prompt, status, aspect_ratio, resolution, model, batch_id, pick, deleted_at"
MOST = [("success", "failed", "unknown"), ("queued", "running")]  # all ended or open ones but one
CHOICES: dict[str, list[Any]] = {
    "statuses": [(), (), ("success",), ("failed", "unknown"), ("success", "queued"), ("running",), *MOST],
    "aspect_ratio": ["", "", "1:1", "16:9", "7:5"],
    "resolution": ["", "", "2K", "4K"],
    "model": ["", "", "demo", "Demo", "a b-c"],
    "batch_id": ["", "", "b"],
    "person_id": [0, 0, 0, 1],  # whose batches are b and d
    "pick": ["", "", "keep", "reject", "none"],
    "search": ["", "", "猫", "a", "没有"],
    "trash": [False] * 6 + [True],
    "sort": ["newest", "oldest"],
}
OPEN = ("queued", "running")
FIRST_DAY = datetime(2026, 2, 20)


def fill(db: database.Connection, chance: random.Random, number: int = 200) -> None:
    """Records of twenty days, with times at and around the limits of days, in no order."""
    rows = [
        (
            str(
                FIRST_DAY
                + timedelta(days=chance.randrange(20), seconds=chance.choice((0, 1, 43_200, 86_399)))
            ),
            chance.choice(("猫", "一只狗 a", "猫 A", "")),
            chance.choice(("success",) * 6 + ("failed", "unknown", "cancelled", "queued", "running", "odd")),
            chance.choice(("1:1", "16:9", "")),
            chance.choice(("2K", "4K")),
            chance.choice(("demo", "Demo", "a b-c")),
            chance.choice(("b", "c", "d", None)),
            chance.choice(("", "", "", "keep", "reject")),
            "2026-03-20 00:00:00" if chance.random() < 0.1 else None,
        )
        for _ in range(number)
    ]
    of = [("b", 1), ("c", 2), ("d", 1)]
    db.executemany(
        """
        INSERT INTO batches (id, person_id, name, source, total, estimated_micros, version)
        VALUES (?, ?, '', 'batch', 1, 0, 0)
        """,
        of,
    )
    names = COLUMNS.removeprefix("id, ")
    rows = [(*row[:-1], None if row[2] in OPEN else row[-1]) for row in rows]
    db.executemany(f"INSERT INTO generation_records ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)


def change(db: database.Connection, chance: random.Random) -> None:
    """What people, and other programs, do to records."""
    for assignment in (
        "pick = 'keep'",
        "pick = ''",
        "deleted_at = '2026-03-21 00:00:00'",
        "status = 'queued'",
        "status = 'success'",
        "aspect_ratio = '16:9', model = 'demo'",
        "created_at = '2026-02-25 00:00:00'",
    ):
        ids = chance.sample(range(1, 200), 10)
        db.execute(
            f"""
            UPDATE generation_records
            SET {assignment}
            WHERE id IN ({", ".join(map(str, ids))})
                AND deleted_at IS NULL AND status NOT IN ('queued', 'running')
            """
        )
    db.execute("UPDATE generation_records SET deleted_at = NULL WHERE id % 13 = 5")
    db.execute("DELETE FROM generation_records WHERE id % 17 = 3")


def expected(rows: list[Any], wanted: RecordFilter) -> list[int]:
    """The ids by reading every row."""
    statuses = wanted.statuses
    ids = [
        row["id"]
        for row in rows
        if wanted.trash == (row["deleted_at"] is not None)
        and (row["status"] in statuses if statuses else row["status"] not in OPEN)
        and all(
            getattr(wanted, name) in ("", row[name])
            for name in ("aspect_ratio", "resolution", "model", "batch_id")
        )
        and (not wanted.person_id or row["batch_id"] in ("b", "d"))
        and wanted.pick in ("", row["pick"] or "none")
        and (not wanted.created_from or row["created_at"] >= wanted.created_from)
        and (not wanted.created_before or row["created_at"] < wanted.created_before)
        and wanted.search in row["prompt"].casefold()
    ]
    return sorted(ids, reverse=wanted.sort == "newest")


def any_time(chance: random.Random) -> str:
    if chance.random() < 0.4:
        return ""
    seconds = chance.choice((0, 1, 43_200, 57_600, 86_399))
    return str(FIRST_DAY + timedelta(days=chance.randrange(-2, 22), seconds=seconds))


def any_filter(chance: random.Random) -> RecordFilter:
    chosen = {name: chance.choice(values) for name, values in CHOICES.items()}
    if chosen["trash"]:
        chosen["statuses"] = ()
    return RecordFilter(**chosen, created_from=any_time(chance), created_before=any_time(chance))


@pytest.mark.parametrize("indexed", [0, 80, 200], ids=["not indexed", "half indexed", "indexed"])
def test_any_filter_equals_reading_every_record(db: database.Connection, indexed: int) -> None:
    chance = random.Random(indexed)
    fill(db, chance)
    if indexed:
        database.index_records(db, limit=indexed)
    for _ in range(2):
        rows = db.execute(f"SELECT {COLUMNS} FROM generation_records").fetchall()
        for _ in range(80):
            wanted = any_filter(chance)
            ids = expected(rows, wanted)
            assert list(database.list_record_ids(db, wanted)) == ids, wanted
            assert database.count_records(db, wanted) == len(ids), wanted
            offset = chance.randrange(len(ids) + 1)
            page = database.list_records(db, wanted, limit=5, offset=offset)
            assert [record.id for record in page] == ids[offset : offset + 5], wanted
        change(db, chance)


def test_all_records_are_listed_whatever_their_status(db: database.Connection) -> None:
    fill(db, random.Random(1))
    wanted = RecordFilter(statuses=tuple(Status))
    rows = db.execute(
        "SELECT id FROM generation_records WHERE deleted_at IS NULL ORDER BY id DESC"
    ).fetchall()
    page = database.list_records(db, wanted, limit=5, offset=20)
    assert [record.id for record in page] == [row["id"] for row in rows[20:25]]
    assert database.count_records(db, wanted) == len(rows)


def test_counts_of_days_follow_every_change(db: database.Connection) -> None:
    chance = random.Random(9)
    fill(db, chance)
    for _ in range(3):
        change(db, chance)
        days = "day, status, aspect_ratio, resolution, model"
        kinds = days.replace("day", "substr(created_at, 1, 10)")
        counted = db.execute(
            f"""
            SELECT {kinds}, count(*), min(id), max(id)
            FROM generation_records
            WHERE deleted_at IS NULL AND status NOT IN ('queued', 'running')
            GROUP BY {kinds}
            """
        ).fetchall()
        stored = {
            tuple(row)[:5]: tuple(row)[5:]
            for row in db.execute(
                f"""
                SELECT {days}, sum(number), min(first_id), max(last_id)
                FROM counts_by_day
                GROUP BY {days}
                HAVING sum(number) > 0
                """
            )
        }
        assert {tuple(row)[:5]: row[5] for row in counted} == {kind: row[0] for kind, row in stored.items()}
        for row in counted:
            _, first_id, last_id = stored[tuple(row)[:5]]
            assert first_id <= row[6] <= row[7] <= last_id


def test_a_filter_of_dates_and_queued_records_counts_both(db: database.Connection) -> None:
    fill(db, random.Random(2))
    wanted = RecordFilter(created_from="2026-02-22 12:00:00", created_before="2026-03-01 12:00:00")
    both = replace(wanted, statuses=("success", "queued"))
    apart = [replace(wanted, statuses=(status,)) for status in ("success", "queued")]
    assert database.count_records(db, both) == sum(database.count_records(db, each) for each in apart) > 0
