"""The connection to a PostgreSQL database, as the rest of the program uses it.

Write transactions take one advisory lock, so that there is one writer at a time, as with a SQLite file: the
invariants of the queue and the ledger are checked and kept under it. The steps of workers, each on its own
record, share the lock: they run beside each other, and never beside another writer. Each statement and each
transaction borrows a link of those that the threads of the process share (``links``).
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import psycopg
from psycopg import ClientCursor, pq

from app.engine.connection import Cursor, clock_of
from app.engine.dialect import ServerRow, parameters_of, to_postgres
from app.engine.links import Link, Links, links_to, lost, reason_of
from app.engine.values import quoted
from app.errors import DatabaseError, Message, StoreDamaged, StoreLost, WriteRefused

_WRITERS, _ELECTED = 4_114_001, 4_114_002  # keys of advisory locks in this database
_NOT_ELECTED = "not elected"
_CONFIRM_SECONDS = 10.0
_UNCONFIRMED = "数据库连不上，不知道刚才的操作存下没有：请在恢复后刷新核对，再决定要不要重做"
_IN_TRANSACTION = (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)
_ROWS_AT_ONCE = 500
_READS = re.compile(r"\s*SELECT\b")
_HAS_NO_RESULT = re.compile(r"\s*(?:INSERT|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.DOTALL)
# (up to the values, the values) of a statement that inserts one row.
_INSERTS_A_ROW = re.compile(r"(\s*INSERT\b.*?\bVALUES\s*)(\((?:[^()]|\([^()]*\))*\))\s*", re.DOTALL)
_DAMAGED = ("XX001", "XX002")
_BUSY = ("55P03", "40P01", "57014")  # locked for too long, deadlock, statement_timeout
# No disk space, memory or connections; read-only; shutting down or starting.
_REFUSED = ("53", "25006", "57P0")


class _Waiting:
    """The result of a statement that is sent with a later one, or when its number of rows is asked for."""

    def __init__(self, text: str, send: Callable[[], object]) -> None:
        self.text = text
        self.changed: int | None = None
        self._send = send

    @property
    def rowcount(self) -> int:
        """The number of rows that it changed."""
        if self.changed is None:
            self._send()
        return self.changed or 0

    def fetchone(self) -> None:
        """It has no rows."""

    def fetchall(self) -> list[Any]:
        """It has no rows."""
        return []

    def __iter__(self) -> Iterator[Any]:
        return iter(())


class PostgresConnection:
    """A connection with autocommit and durable commits; ``url`` may contain a password.

    The constructor opens nothing: every use raises StoreLost while the server cannot be reached, and a thread
    that starts meanwhile goes on when it can. Two uses may have two sessions. With ``seconds``, which a
    statement may take instead of 30, or when it ``only_reads``, it shares none with others.
    """

    engine: Literal["postgres"] = "postgres"
    has_gone: Callable[[], bool] | None = None

    def __init__(self, url: str, *, seconds: float | None = None, only_reads: bool = False) -> None:
        options = "-c default_transaction_read_only=on" if only_reads else ""
        is_own = seconds is not None or only_reads
        self._links = Links(url, seconds=seconds, options=options) if is_own else links_to(url)
        self._link: Link | None = None  # during a statement or a transaction
        self.clock = clock_of(url)
        self.in_transaction = self.is_shared = False
        self._waiting: list[_Waiting] | None = None  # None: no write transaction
        self._writes = False
        self._name, self._number = secrets.token_hex(8), 0  # of the last commit: the row of last_commits

    def execute(self, sql: str, fields: Mapping[str, Any] | Sequence[Any] = (), /) -> Cursor:
        """Run one statement. Raises DatabaseError and its subclasses, never an error of psycopg.

        In a write transaction a statement without result is sent with the next one that has a result, or with
        the commit, which then raises what it would have raised.
        """
        query, values = to_postgres(sql), parameters_of(fields)
        if self._waiting is not None:
            [text] = self._texts(query, [values])
            self._writes = self._writes or not _READS.match(query)
            if not _HAS_NO_RESULT.match(query):
                return self._send(text)
            self._waiting.append(_Waiting(text, self._send))
            return self._waiting[-1]
        for is_last in (self.in_transaction or not _READS.match(query), True):
            with self._lent() as link:
                try:
                    return link.execute(query, values)
                except psycopg.Error as error:
                    if is_last or not link.closed:  # else it was lost since it was last used
                        raise self._translated(error) from error
        raise AssertionError

    def executemany(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]], /) -> None:
        """Run a statement for each of the rows, many in one message, each in one transaction."""
        query = to_postgres(sql)
        inserts = _INSERTS_A_ROW.fullmatch(query)
        head, each, between = (inserts[1], inserts[2], ",") if inserts else ("", query, ";")
        self._writes = True
        with self._lent():
            texts = self._texts(each, map(parameters_of, rows))
            for first in range(0, len(texts), _ROWS_AT_ONCE):
                self._send(head + between.join(texts[first : first + _ROWS_AT_ONCE]))

    def copy_rows(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Insert many rows at once, with these columns; inside a transaction."""
        names = ", ".join(map(quoted, columns))
        self._writes = True
        try:
            if self._waiting:
                self._send_raw()
            with (
                self._current().cursor() as cursor,
                cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def close(self) -> None:
        """Close it; an open transaction is rolled back."""
        if self._link:
            self._link.close()
        self._give_back()
        self._links.leave(self)

    def problem(self) -> Message | None:
        """None: a lost connection is opened again."""
        return None

    def silent_seconds(self) -> float:
        """How long the statement that another thread runs here has had no answer."""
        link = self._link
        sent_at = link.sent_at if link else None
        return time.monotonic() - sent_at if sent_at is not None else 0.0

    @contextmanager
    def write_transaction(self, *, durable: bool, wait: float, shared: bool, elects: bool) -> Iterator[bool]:
        """Run the body as the only writer, or beside other shared ones; see ``connection.transaction``.

        The server's queue for the lock is first in, first out: new shared ones wait behind an exclusive one
        that waits, so that it is not starved.

        Every commit is durable: unlike with a file, this process survives a crash of the database, and would
        go on with what that has lost, such as a claim that another process then makes too.
        When the connection is lost during the commit, it is found out whether that was done: see ``_commit``.
        """
        is_writer = self._begin(_as_writer(wait, shared=shared, elects=elects)) != _NOT_ELECTED
        self._waiting, self._writes, self.is_shared = [], False, shared
        try:
            yield is_writer
        except BaseException:
            self._roll_back()
            raise
        self._commit()

    @contextmanager
    def read_transaction(self) -> Iterator[None]:
        """Run several reads on one snapshot; inside an open transaction, use that one."""
        if self.in_transaction:
            yield
            return
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            self._roll_back()

    @contextmanager
    def foreign_keys_off(self) -> Iterator[None]:
        """Foreign keys of other programs are kept: PostgreSQL lets only a superuser ignore them."""
        yield

    def _texts(self, query: str, rows: Iterable[Any]) -> list[str]:
        """The statement with the values of each row in it."""
        try:
            cursor = ClientCursor(self._current())
            return [cursor.mogrify(query, values) for values in rows]
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _send(self, *texts: str) -> psycopg.Cursor[ServerRow]:
        """Send what waits and these statements in one message -> the result of the last."""
        try:
            return self._send_raw(*texts)
        except psycopg.Error as error:
            raise self._translated(error) from error

    def _send_raw(self, *texts: str) -> psycopg.Cursor[ServerRow]:
        link, waiting = self._current(), self._waiting or []
        if waiting:
            self._waiting = []
        cursor = link.execute(";".join([*(each.text for each in waiting), *texts]))
        for each in waiting:
            each.changed = cursor.rowcount
            cursor.nextset()
        while cursor.nextset():  # of a text of several statements
            pass
        return cursor

    def _current(self) -> Link:
        """The link of this transaction; raises StoreLost when it was lost."""
        if self._link is None or self._link.closed:
            raise lost("connection lost")
        return self._link

    @contextmanager
    def _lent(self) -> Iterator[Link]:
        """The link of this transaction, or one for the block."""
        if self.in_transaction:
            yield self._current()
            return
        try:
            yield self._borrow()
        finally:
            self._give_back()

    def _borrow(self) -> Link:
        self._link = self._links.borrow(self)
        return self._link

    def _give_back(self) -> None:
        link, self._link = self._link, None
        if link:
            self._links.give_back(link)

    def _begin(self, statements: str) -> str:
        """Begin a transaction -> the last value of these statements; a lost connection is opened again."""
        for is_last in (False, True):
            link = self._borrow()
            try:
                cursor = link.execute(statements)
                while cursor.nextset():
                    pass
                self.in_transaction = True
                return str(cursor.fetchone()[0]) if cursor.description else ""  # type: ignore[index]
            except psycopg.Error as error:
                problem, is_lost = self._translated(error), link.closed
                self._roll_back()
                if is_last or not is_lost:
                    raise problem from error
        raise AssertionError

    def _commit(self) -> None:
        """Commit, with the number of this commit; after a lost connection that shows whether it was done.

        The number of a transaction would not: after a crash the server gives it to another one.
        """
        self._number += 1
        forget = "DELETE FROM last_commits WHERE at < now() - interval '1 hour';" if self._number == 1 else ""
        note = f"""
            {forget}
            INSERT INTO last_commits (connection, number) VALUES ('{self._name}', {self._number})
            ON CONFLICT (connection) DO UPDATE SET number = excluded.number, at = now()
        """
        try:
            cursor = self._send_raw(*((note, "COMMIT") if self._writes else ("COMMIT",)))
        except psycopg.Error as error:
            problem, is_lost = self._translated(error), self._is_lost
            self._roll_back()
            if not is_lost:
                raise problem from error
            if not self._has_committed():
                raise lost(error) from error
            return
        finally:
            self._end()
        if cursor.statusmessage != "COMMIT":  # a statement failed, and the body went on
            raise DatabaseError("数据库拒绝了这次写入，没有任何改动，请再试一次")

    def _has_committed(self) -> bool:
        """Whether the last commit, in which the connection was lost, was done.

        As the only writer, so that the transaction has ended. Raises StoreLost when that is not found out in
        time, or the server answers nobody.
        """
        sql = f"SELECT coalesce(max(number), 0) FROM last_commits WHERE connection = '{self._name}'"
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while True:
            try:
                return int(self._begin(f"{_as_writer(_CONFIRM_SECONDS)}; {sql}")) == self._number
            except DatabaseError as error:
                if time.monotonic() > deadline or self._links.is_silent():
                    raise StoreLost(_UNCONFIRMED) from error
            finally:
                self._roll_back()
            time.sleep(0.2)

    def _roll_back(self) -> None:
        with suppress(psycopg.Error):
            if self._link and self._link.info.transaction_status in _IN_TRANSACTION:
                self._link.execute("ROLLBACK")
        self._end()

    def _end(self) -> None:
        """Outside a transaction."""
        self.in_transaction, self.is_shared, self._waiting = False, False, None
        self._give_back()

    @property
    def _is_lost(self) -> bool:
        return self._link is None or self._link.closed

    def _translated(self, error: psycopg.Error) -> DatabaseError:
        error.args = (reason_of(error),)  # the log shows it; further lines quote values, so prompts
        state = error.sqlstate or ""
        if self._is_lost:
            return lost(error)
        if state in _DAMAGED:
            text = "数据库有损坏，不再下单：请让管理数据库的人检查并恢复（{reason}）"
            return StoreDamaged(text, reason=reason_of(error))
        if state in _BUSY:
            return WriteRefused("数据库正忙，等了太久，没有写入，请稍后再试")
        if state.startswith(_REFUSED):
            text = "数据库现在写不进去（{reason}），请检查磁盘空间和权限"
            return WriteRefused(text, reason=reason_of(error))
        text = "数据库不接受这个操作（{reason}），请把这句话交给管理数据库的人"
        return DatabaseError(text, reason=reason_of(error))


def _as_writer(wait: float, *, shared: bool = False, elects: bool = False) -> str:
    """Statements that begin a transaction as the only writer, or as one of those that share the lock.

    READ COMMITTED, so that what it reads is as the writer before it left it: in other levels, which may be
    the server's default, the lock is waited for with an older snapshot. The lock of the elected one ends with
    the transaction too: that of a session would stay where PgBouncer lends it to another process.
    """
    lock = f"pg_advisory_xact_lock{'_shared' if shared else ''}({_WRITERS})"
    if elects:
        lock = f"CASE WHEN pg_try_advisory_xact_lock({_ELECTED}) THEN {lock}::text ELSE '{_NOT_ELECTED}' END"
    return f"""
        BEGIN ISOLATION LEVEL READ COMMITTED;
        SET LOCAL lock_timeout = {round(1000 * wait) or 1};
        SET LOCAL synchronous_commit = on;
        SELECT {lock}
    """


def environment_of(url: str) -> dict[str, str]:
    """The environment variables by which PostgreSQL's own programs connect to this database."""
    options = pq.Conninfo.parse(url.encode())
    return {each.envvar.decode(): each.val.decode() for each in options if each.envvar and each.val}
