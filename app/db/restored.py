"""Pause the batches of a database that is a copy: what is queued in it may have been submitted since."""

from app.db.batches import pause_in_transaction
from app.db.connection import Connection, transaction
from app.domain import PauseCause
from app.errors import DatabaseError

RESTORED = "数据库是从备份恢复的，备份以后可能已经做过，请先核对，再继续，以免重复付费"
MOVED = "数据库刚从别处搬来，请确认原来的程序不再运行，再继续，以免重复付费"


def pause_all(db: Connection, reason: str) -> int:
    """Pause the active batches -> how many; inside a transaction.

    What a sample holds may have been released in the original: its batch says so too. All that waits counts
    as claimed before, so that its image is looked for before it is submitted.
    """
    db.execute(
        """
        UPDATE generation_records
        SET attempts = 1
        WHERE attempts = 0 AND status IN ('held', 'queued')
        """
    )
    db.execute(
        """
        UPDATE batches
        SET paused_reason = :reason, paused_message = ''
        WHERE state = 'paused' AND paused_cause = 'sample'
        """,
        {"reason": reason},
    )
    active = db.execute("SELECT id FROM batches WHERE state = 'active'").fetchall()
    for row in active:
        pause_in_transaction(db, row["id"], reason, cause=PauseCause.OTHER)
    db.execute("DELETE FROM notifications")  # sent from the original
    db.execute("DROP TABLE IF EXISTS moved_to")
    return len(active)


def mark_moved(db: Connection, place: str) -> None:
    """Write into a SQLite file where its contents were moved to; inside a transaction."""
    db.execute("DROP TABLE IF EXISTS moved_to")
    db.execute("CREATE TABLE moved_to (place TEXT NOT NULL)")
    db.execute("INSERT INTO moved_to (place) VALUES (:place)", {"place": place})


def find_new_place(db: Connection) -> str:
    """Where the contents of a SQLite file were moved to; empty: nowhere, or ``pause_all`` has unmarked it."""
    sql = "SELECT name FROM sqlite_schema WHERE name = 'moved_to'"
    is_moved = db.engine == "sqlite" and db.execute(sql).fetchone()
    return str(db.execute("SELECT place FROM moved_to").fetchone()["place"]) if is_moved else ""


def pause_if_restored(db: Connection) -> bool:
    """Pause the active batches when the tables are not where they were opened last -> whether that is so.

    pg_restore puts them into another database, or into tables made anew. PostgreSQL only.
    """
    place = _place(db)
    if _last_place(db) == place:
        return False
    with transaction(db):
        is_restored = _last_place(db) not in ("", place)
        if is_restored:
            pause_all(db, RESTORED)
        db.execute("UPDATE schema_version SET place = :place", {"place": place})
    return is_restored


def _last_place(db: Connection) -> str:
    return str(db.execute("SELECT place FROM schema_version").fetchone()["place"])


def _place(db: Connection) -> str:
    """What a restored copy has not in common with its original: cluster, database and table."""
    try:
        cluster = db.execute("SELECT system_identifier FROM pg_control_system() AS control").fetchone()[0]
    except DatabaseError:  # not permitted
        cluster = 0
    row = db.execute(
        """
        SELECT oid, 'generation_records'::regclass::oid AS records
        FROM pg_database
        WHERE datname = current_database()
        """
    ).fetchone()
    return f"{cluster}/{row['oid']}/{row['records']}"
