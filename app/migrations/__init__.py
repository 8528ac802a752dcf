"""Open a database file: make a new one from ``schema.sql``, or upgrade a file of an earlier version.

``PRAGMA user_version`` is the number of the last step applied. A change of the schema is made in
``schema.sql`` and, for existing files, in the step of the next release.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from app.core.orders.fingerprints import add_fingerprints
from app.core.records.index import has_other_normaliser, rebuild_index
from app.engine.connection import Connection, Target, transaction
from app.engine.sqlite import SqliteConnection, check_pages, connect, damage_text, is_damage
from app.errors import DatabaseError, StoreDamaged
from app.migrations import legacy_import, m0025_one_schema
from app.migrations.baseline import add_indexes, add_tables, fill_tables
from app.migrations.earlier_tables import Progress
from app.migrations.restored import complete_restore, pause_if_older
from app.system import windows_files

_CHECKED_BYTES = 8_000_000  # a larger file is checked in the background, before anything is submitted

# Append only: (the version that it leads to, the step), each in its own transaction.
_STEPS: tuple[tuple[int, Callable[[SqliteConnection, Progress], None]], ...] = (
    (25, m0025_one_schema.upgrade),
)
LATEST = _STEPS[-1][0]


def _silent(_done: int, _total: int) -> None:
    pass


def open_database(target: Target, report: Progress = _silent) -> None:
    """Make or migrate the database; call once before serving. Raises DatabaseError and its subclasses.

    ``report`` is called with the numbers of records while one of an earlier version is upgraded.
    """
    if isinstance(target, Path):
        open_file(target, report)
        return
    from app.migrations import postgres

    postgres.open_database(target, report)


def open_to_read(target: Target) -> Connection:
    """A connection to the present database that changes nothing. Raises DatabaseError for another version."""
    db: Connection
    if isinstance(target, Path):
        db = connect(target)
    else:
        from app.engine.postgres import PostgresConnection

        db = PostgresConnection(target, only_reads=True)
    try:
        if isinstance(db, SqliteConnection):
            db.execute("PRAGMA query_only = ON")
            version, latest = _version(db), LATEST
        else:
            from app.migrations import postgres

            version, latest = postgres.version_of(db), postgres.LATEST
        if version != latest:
            text = "数据库的版本是 {version}，不是 {latest}，没有打开：请用写它的那个版本检查"
            raise DatabaseError(text, version=version, latest=latest)
    except DatabaseError:
        db.close()
        raise
    return db


def is_outdated(db: Connection) -> bool:
    """Whether a later version has changed the open database so that this program must not write it."""
    if isinstance(db, SqliteConnection):
        return _version(db) > LATEST
    from app.migrations import postgres

    return postgres.is_outdated(db)


def open_file(path: Path, report: Progress = _silent) -> None:
    """Create the database file or migrate it; before a migration it is copied to ``<name>.backup-<time>``.

    In an older copy the active batches are paused; one that was restored is completed.
    Raises DatabaseError when the file has a newer schema or cannot be opened,
    StoreDamaged when the page check of a small file finds damage.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(connect(path, create=True)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            is_small = path.stat().st_size <= _CHECKED_BYTES
            if is_small and (found := check_pages(db, stops=lambda: False)):
                raise StoreDamaged(damage_text(path, found))
            _migrate(db, path, report)
            if has_other_normaliser(db):
                with transaction(db):
                    rebuild_index(db)
            complete_restore(db)
            pause_if_older(db)
    except (sqlite3.DatabaseError, OSError) as error:
        if is_damage(error):
            raise StoreDamaged(damage_text(path, str(error))) from error
        raise DatabaseError(
            "数据库文件 {path} 打不开（{reason}），请检查它是否损坏、能否写入", path=path, reason=error
        ) from error


def is_up_to_date(db: SqliteConnection) -> bool:
    """Whether all steps have been applied to the file."""
    return _version(db) == LATEST


def _migrate(db: SqliteConnection, path: Path, report: Progress) -> None:
    if is_up_to_date(db):
        return
    if _version(db) > LATEST:
        raise DatabaseError("数据库文件 {path} 由更新的版本写成，请升级程序后再打开", path=path)
    if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        _copy_beside(db, path)
    with db.foreign_keys_off():
        while not is_up_to_date(db):
            with transaction(db):
                _apply_next_step(db, report)


def _apply_next_step(db: SqliteConnection, report: Progress) -> None:
    """Apply the next step, if another process has not done so; inside a transaction."""
    version = _version(db)
    steps = _STEPS if version else ((LATEST, _create),)
    for number, step in steps:
        if number > version:
            step(db, report)
            db.execute(f"PRAGMA user_version = {number}")
            return


def _create(db: SqliteConnection, _report: Progress) -> None:
    """Make the schema, with the records of the earlier app if the file has any."""
    earlier = legacy_import.rename_clashing_tables(db)
    new = add_tables(db)
    if earlier:
        legacy_import.copy_records(db, earlier)
        add_fingerprints(db)
    fill_tables(db, new)
    legacy_import.take_over_users(db)
    add_indexes(db)


def _version(db: SqliteConnection) -> int:
    """The number of the last step; a ``user_version`` set by another program counts as 0."""
    ours = db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'change_counter'").fetchone()
    return int(db.execute("PRAGMA user_version").fetchone()[0]) if ours else 0


def _copy_beside(db: SqliteConnection, path: Path) -> None:
    copy = path.with_name(f"{path.name}.backup-{time.strftime('%Y%m%d-%H%M%S')}")
    part = copy.with_name(f"{copy.name}.{os.getpid()}.part")
    try:
        with closing(sqlite3.connect(part)) as target:
            db.backup(target)
        if not copy.exists():  # another process may have made it in the same second
            windows_files.replace(part, copy)
    finally:
        windows_files.unlink(part)
