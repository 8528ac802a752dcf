"""Opening the database file: connections, the transaction, migrations, the copy made before them."""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import windows
from errors import StorageError, StoreDamaged, StoreLost
from storage.grams import holds
from storage.health import check_pages
from storage.opened import (
    OpenConnection,
    damage_text,
    damaged,
    file_id,
    is_damage,
    missing_text,
)
from storage.schema import MIGRATIONS
from storage.schema_finding import index_anew, was_folded_otherwise

BUSY_SECONDS = 15.0
_CHECK_SECONDS = 1.0  # of looking at the pages at each start; a million records take three

# Writers of one process take turns here: SQLite's own waiting is a lottery of sleeps, in which some of 64
# threads lose for half a second. Between processes the file's lock decides, as ever.
_TURN = threading.Lock()


def open_database(path: Path) -> None:
    """Make the file or bring it up to date; an older one is first copied beside itself.

    Call once before serving. Raises StorageError when the file is a newer one or cannot be opened, StoreLost
    when it is damaged, as far as a second of looking shows.
    """
    deadline = time.monotonic() + _CHECK_SECONDS
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(connect(path, create=True)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            if found := check_pages(db, stops=lambda: time.monotonic() > deadline):
                raise StoreDamaged(damage_text(path, found))
            _migrate(db, path)
            if was_folded_otherwise(db):
                with transaction(db):
                    index_anew(db)
    except (sqlite3.DatabaseError, OSError) as error:
        if is_damage(error):
            raise StoreDamaged(damage_text(path, str(error))) from error
        raise StorageError(f"数据库文件 {path} 打不开（{error}），请检查它是否损坏、能否写入") from error


def connect(path: Path, *, one_thread: bool = True, create: bool = False) -> OpenConnection:
    """A connection: rows by name, autocommit, foreign keys, durable commits.

    Not ``one_thread``: several threads use it, one at a time. Raises StoreLost when there is no file, unless
    it is to be made.
    """
    if not (create or file_id(path)):
        raise StoreLost(missing_text(path))
    db = sqlite3.connect(
        path,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=one_thread,
        factory=OpenConnection,
    )
    db.opened(path)
