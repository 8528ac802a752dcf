"""Copy a SQLite file into an empty PostgreSQL database, and compare what is stored with what was read."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.core.queue.fold import SUMS, filled
from app.core.records.index import rebuild_index
from app.engine.connection import Connection, transaction
from app.engine.sqlite import SqliteConnection, check_pages, connect, damage_text, is_damage
from app.engine.values import number_of, quoted, text_of
from app.errors import DatabaseError, StoreDamaged
from app.migrations import open_database
from app.migrations.baseline import all_columns, columns
from app.migrations.restored import MOVED, mark_moved, pause_all

if TYPE_CHECKING:
    from app.engine.postgres import PostgresConnection


# A table comes after those that it refers to.
COPIED = (
    "generation_records",
    "batches",
    "tables",
    "table_rows",
    "row_pictures",
    "table_workbooks",
    "table_changes",
    "charges",
    "batch_log",
    "workbooks",
    "request_keys",
    "budgets",
    "delivery_profiles",
    "recipes",
    "deliveries",
    "delivery_files",
    "rounds",
    "round_pictures",
    "round_marks",
    "people",
    "tokens",
    "setting_changes",
    "model_statistics",
    "resolutions",
    "resolved_records",
    "output_copies",
    "output_copy_scan",
    "change_counter",
)
_HAVE_A_ROW = ("output_copy_scan", "change_counter", "people")  # also in an empty database
_HAVE_TRIGGERS = ("generation_records", "batches", "charges")
# Logins, living workers, and messages that the earlier program sends.
LEFT_OUT = ("sessions", "login_attempts", "workers", "notifications")
DERIVED = {
    **{table: filled(table) for table in SUMS},
    "reference_uses": """
        INSERT INTO reference_uses (name, record_id)
        SELECT name, id
        FROM generation_records, reference_names(sample_images) AS name
        WHERE sample_images <> '[]'
    """,
}
_TYPES: dict[str, type] = {"bigint": int, "double precision": float, "text": str, "bytea": bytes}
_BUSY_SECONDS = 3.0
_ROWS_AT_ONCE = 1_000
_LARGE = ("workbooks",)  # a row may have many megabytes

# (table, rows done, rows in all)
Progress = Callable[[str, int, int], object]


class CopyDiffers(DatabaseError):
    """What PostgreSQL has stored is not what was read; nothing of it was kept."""


@dataclass(slots=True, kw_only=True)
class Copied:
    """What was copied: table -> rows; the ledger: (outcome, charges, micro-yuan, unpriced charges).

    ``changed`` values had a form that PostgreSQL does not take; ``paused`` is the number of batches,
    ``others`` are the tables of other programs, which stay behind.
    """

    rows: dict[str, int] = field(default_factory=dict)
    ledger: list[tuple[str, int, int, int]] = field(default_factory=list)
    changed: int = 0
    paused: int = 0
    others: list[str] = field(default_factory=list)


def copy_to(path: Path, url: str, progress: Progress) -> Copied:
    """Copy everything to an empty database in one transaction, with its active batches paused.

    The file is then marked as moved, and refuses to start.
    Nothing else may have the file open. The records are searchable as soon as the background job has indexed
    them. Raises DatabaseError: CopyDiffers when the comparison finds a difference, StoreDamaged.
    """
    from app.engine.links import LONG_SECONDS
    from app.engine.postgres import PostgresConnection

    with closing(_open_source(path)) as source:
        open_database(url)
        with closing(PostgresConnection(url, seconds=LONG_SECONDS)) as target:
            try:
                with transaction(target):
                    copied = _Copy(source, target, progress).run()
                mark_moved(source, url.rpartition("@")[2].partition("?")[0])
                source.execute("COMMIT")
            except sqlite3.Error as error:
                raise _unreadable(path, error) from error
    return copied


def _open_source(path: Path) -> SqliteConnection:
    """The file, upgraded and intact, which nothing else may open until it is closed."""
    if not path.is_file():
        raise DatabaseError(f"没有找到数据库 {path}，请在程序所在的文件夹里运行")
    with closing(_lock(path)):  # before a program that has it open sees it upgraded
        pass
    open_database(path)
    db = _lock(path)
    if found := check_pages(db, stops=lambda: False):
        db.close()
        raise StoreDamaged(damage_text(path, found))
    return db


def _lock(path: Path) -> SqliteConnection:
    db = connect(path)
    try:
        db.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_SECONDS)}")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN IMMEDIATE")
    except sqlite3.Error as error:
        db.close()
        raise _unreadable(path, error) from error
    return db


def _unreadable(path: Path, error: sqlite3.Error) -> DatabaseError:
    if is_damage(error):
        return StoreDamaged(damage_text(path, str(error)))
    if error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseError(f"有程序正在用「{path}」，请先停下所有用它的程序，再搬一次")
    return DatabaseError(f"数据库 {path} 读不出来（{error}），请检查磁盘和文件权限")


class _Copy:
    """One copy, inside the transaction of the target."""

    def __init__(self, source: SqliteConnection, target: "PostgresConnection", progress: Progress) -> None:
        self._source = source
        self._target = target
        self._progress = progress
        self._copied = Copied()
        source.row_factory = None
        source.text_factory = self._text

    def run(self) -> Copied:
        for table in COPIED:
            if table not in _HAVE_A_ROW and self._target.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone():
                raise DatabaseError(f"要搬去的数据库里已经有数据（{table}），请新建一个空的数据库")
        for table in _HAVE_A_ROW:
            self._target.execute(f"DELETE FROM {table}")
        for table in _HAVE_TRIGGERS:
            self._target.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table in COPIED:
            self._copy_table(table)
        for sql in DERIVED.values():
            self._target.execute(sql)
        self._compare_ledgers()
        rebuild_index(self._target)
        for table in _HAVE_TRIGGERS:
            self._target.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        self._set_sequences()
        self._copied.paused = pause_all(self._target, MOVED)
        self._target.execute(
            "UPDATE generation_records SET lease_until = 0, lease_owner = NULL WHERE lease_until IS NOT NULL"
        )
        for table in (*COPIED, *DERIVED):
            self._target.execute(f"ANALYZE {table}")
        self._copied.others = self._other_tables()
        return self._copied

    def _copy_table(self, table: str) -> None:
        """Copy a table with the columns that other programs have added, read it back and compare."""
        there = _column_types(self._target, table)
        here = list(columns(self._source, table))
        for name in here:
            if name not in there:
                self._target.execute(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} TEXT")
                there[name] = (str, None)
        read, stored = _Digest(), _Digest()
        total = self._source.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        chosen = ", ".join(map(quoted, here))
        found = self._source.execute(f"SELECT {chosen} FROM {table}")
        rows = self._converted(found, [there[name] for name in here])
        self._target.copy_rows(table, here, self._counted(table, read.passing(rows), total))
        for _ in stored.passing(_stored_rows(self._target, table, chosen)):
            pass
        if not read.number == stored.number == total or read.total != stored.total:
            numbers = f"原来 {total:,} 行，搬过去 {stored.number:,} 行"
            raise CopyDiffers(f"「{table}」比较下来不一样（{numbers}），已撤销，什么都没有搬")
        self._copied.rows[table] = total

    def _counted(self, table: str, rows: Iterable[Any], total: int) -> Iterator[Any]:
        for done, row in enumerate(rows, 1):
            yield row
            if done % _ROWS_AT_ONCE == 0 or done == total:
                self._progress(table, done, total)

    def _converted(
        self, rows: Iterable[tuple[Any, ...]], wanted: Sequence[tuple[type, Any]]
    ) -> Iterator[tuple[Any, ...]]:
        """The rows with values of these types; others are converted as ``rows`` of records reads them."""
        fitting: set[tuple[type, ...]] = set()
        for row in rows:
            types = tuple(map(type, row))
            if types in fitting:
                yield row
            elif all(
                kind is type(None) or kind is want for kind, (want, _) in zip(types, wanted, strict=True)
            ):
                fitting.add(types)
                yield row
            else:
                yield tuple(self._fitting(value, *want) for value, want in zip(row, wanted, strict=True))

    def _fitting(self, value: Any, wanted: type, default: Any) -> Any:
        if value is None or type(value) is wanted:
            return value
        self._copied.changed += 1
        if wanted is str:
            return self._without_nul(text_of(value) if isinstance(value, bytes) else str(value))
        if wanted is bytes:
            return str(value).encode()
        try:
            found = number_of(value) if isinstance(value, bytes) else wanted(float(value))
        except (ValueError, OverflowError):
            found = None
        return default if found is None else wanted(found)

    def _text(self, raw: bytes) -> str:
        """A text of the file, which may be of another encoding or contain NUL."""
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            self._copied.changed += 1
            return self._without_nul(text_of(raw))
        if "\x00" in text:
            self._copied.changed += 1
            return self._without_nul(text)
        return text

    @staticmethod
    def _without_nul(text: str) -> str:
        return text.replace("\x00", "�")

    def _compare_ledgers(self) -> None:
        """Compare the sums of the charges as copied with those that the file's triggers have kept."""
        sql = "SELECT outcome, number, micros, unpriced FROM charge_totals WHERE number <> 0 ORDER BY outcome"
        kept, found = (
            [tuple(row) for row in db.execute(sql).fetchall()] for db in (self._source, self._target)
        )
        if kept != found:
            raise CopyDiffers(f"账目的合计不一样（原来 {kept}，搬过去 {found}），已撤销，什么都没有搬")
        self._copied.ledger = kept

    def _set_sequences(self) -> None:
        """Go on after the highest id that was ever given: the ledger has ids of deleted records."""
        for table, last in self._source.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            if table in COPIED and last > 0:
                self._target.execute(
                    f"""
                    SELECT setval(pg_get_serial_sequence('{table}', 'id'), greatest(:last, max(id)))
                    FROM {table}
                    """,
                    {"last": last},
                )

    def _other_tables(self) -> list[str]:
        sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        ours = set(all_columns())
        names = [name for (name,) in self._source.execute(sql).fetchall()]
        return [name for name in names if name not in ours and not name.startswith("record_search_")]


class _Digest:
    """The number of some rows, and the sum of their hashes: the same in every order."""

    def __init__(self) -> None:
        self.number = self.total = 0

    def passing(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The same rows, added on their way."""
        for row in rows:
            self.number += 1
            self.total += int.from_bytes(blake2b(repr(row).encode(), digest_size=16).digest(), "big")
            yield row


def _column_types(target: Connection, table: str) -> dict[str, tuple[type, Any]]:
    """Column -> its Python type, and what it has instead of a value that cannot be converted."""
    rows = target.execute(
        """
        SELECT column_name, data_type, is_nullable, column_default
        FROM information_schema.columns
        WHERE table_schema = current_schema() AND table_name = :table
        """,
        {"table": table},
    ).fetchall()
    found = {}
    for name, kind, is_nullable, default in rows:
        number = int(default) if default and default.isdigit() else 0
        found[name] = _TYPES[kind], None if is_nullable == "YES" else number
    return found


def _stored_rows(target: Connection, table: str, chosen: str) -> Iterator[tuple[Any, ...]]:
    portion = 1 if table in _LARGE else _ROWS_AT_ONCE
    target.execute(f"DECLARE stored NO SCROLL CURSOR FOR SELECT {chosen} FROM {table}")
    while rows := target.execute(f"FETCH {portion} FROM stored").fetchall():
        yield from (tuple(row) for row in rows)
    target.execute("CLOSE stored")
