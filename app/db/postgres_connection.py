"""The connection to a PostgreSQL database; the only module that imports psycopg.

Write transactions take one advisory lock, so that there is one writer at a time, as with a SQLite file: the
invariants of the queue and the ledger are checked and kept under it. The steps of workers, each on its own
record, share the lock: they run beside each other, and never beside another writer. A connection is opened
when it is used first, and again when it is used after it was lost.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, NoReturn, TypeVar

import psycopg
from psycopg import ClientCursor, pq
from psycopg.abc import PQGen
from psycopg.adapt import Buffer, Loader

from app.db.connection import Cursor
from app.db.dialect import to_postgres
from app.db.row_mapping import ServerRow, quoted
from app.db.server_clock import clock_of
from app.errors import DatabaseError, Message, SettingError, StoreDamaged, StoreLost, WriteRefused, message

_T = TypeVar("_T")
_WRITERS = 4_114_001  # the key of the advisory lock of writers, in this database
STATEMENT_SECONDS = 30.0  # writers wait for each other for 15
LONG_SECONDS = 3600.0  # of a migration or a move
_ANSWER_SECONDS = 5.0  # more, for the server to say that it has ended the statement
_CONNECT_SECONDS = 5
_CONFIRM_SECONDS = 10.0
_UNCONFIRMED = "数据库连不上，不知道刚才的操作存下没有：请在恢复后刷新核对，再决定要不要重做"
_IN_TRANSACTION = (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)
_ROWS_AT_ONCE = 500
_READS = re.compile(r"\s*SELECT\b")
_HAS_NO_RESULT = re.compile(r"\s*(?:INSERT|UPDATE|DELETE)\b(?!.*\bRETURNING\b)", re.DOTALL)
# (up to the values, the values) of a statement that inserts one row.
_INSERTS_A_ROW = re.compile(r"(\s*INSERT\b.*?\bVALUES\s*)(\((?:[^()]|\([^()]*\))*\))\s*", re.DOTALL)
_OPTIONS: dict[str, Any] = {
    "connect_timeout": _CONNECT_SECONDS,
    "application_name": "ai-image-generator",
    "client_encoding": "utf8",
    # A server that vanished is noticed after about 25 s.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# The server ends the transaction of a machine that vanished, whose lock would stop every other writer. To
# compile a query or start processes for it takes longer than most queries; work_mem is for the ids of a word.
_SESSION = """
    SET idle_in_transaction_session_timeout = '60s';
    SET jit = off;
    SET max_parallel_workers_per_gather = 0;
    SET work_mem = '32MB'
"""
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


class _Link(psycopg.Connection[ServerRow]):
    """Closed when a statement gets no answer for ``seconds``, however the server or the network is silent."""

    seconds = STATEMENT_SECONDS
    sent_at: float | None = None  # when the statement was sent (monotonic) whose answer is waited for

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Wait for a step of the protocol; one that has its own ``timeout`` is not a statement."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        self.sent_at = began = time.monotonic()
        try:
            return super().wait(gen, interval, self.seconds)
        except psycopg.OperationalError:
            if time.monotonic() >= began + self.seconds:
                self.close()
            raise
        finally:
            self.sent_at = None


class PostgresConnection:
    """A connection with autocommit and durable commits; ``url`` may contain a password.

    The constructor opens nothing: every use raises StoreLost while the server cannot be reached, and a thread
    that starts meanwhile goes on when it can. A statement may take so many ``seconds``, 30 without them.
    """

    engine: Literal["postgres"] = "postgres"

    def __init__(self, url: str, *, seconds: float | None = None) -> None:
        self._url = url
        self._seconds = seconds or STATEMENT_SECONDS
        self._raw: _Link | None = None
        self._listening: _Link | None = None
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
        query, values = to_postgres(sql), _values(fields)
        if self._waiting is not None:
            [text] = self._texts(query, [values])
            self._writes = self._writes or not _READS.match(query)
            if not _HAS_NO_RESULT.match(query):
                return self._send(text)
            self._waiting.append(_Waiting(text, self._send))
            return self._waiting[-1]
        try:
            return self._current().execute(query, values)
        except psycopg.Error as error:
            if self.in_transaction or not self._is_lost or not _READS.match(query):
                self._raise(error)
        try:  # the connection was lost since it was last used
            return self._connected().execute(query, values)
        except psycopg.Error as error:
            self._raise(error)

    def executemany(self, sql: str, rows: Iterable[Mapping[str, Any] | Sequence[Any]], /) -> None:
        """Run a statement for each of the rows, many in one message; inside a transaction."""
        query = to_postgres(sql)
        inserts = _INSERTS_A_ROW.fullmatch(query)
        head, each, between = (inserts[1], inserts[2], ",") if inserts else ("", query, ";")
        texts = self._texts(each, map(_values, rows))
        self._writes = True
        for first in range(0, len(texts), _ROWS_AT_ONCE):
            self._send(head + between.join(texts[first : first + _ROWS_AT_ONCE]))

    def wait_for_notification(self, channel: str, seconds: float) -> bool:
        """Wait for a NOTIFY on this channel -> whether there was one, or may have been before it listened.

        Raises StoreLost when the connection is lost; the next call opens it again.
        """
        try:
            raw = self._connected()
            if raw is not self._listening:
                raw.execute(f"LISTEN {channel}")
                self._listening = raw
                return True
            return any(True for _ in raw.notifies(timeout=seconds, stop_after=1))
        except psycopg.Error as error:
            self._raise(error)

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
            self._raise(error)

    def close(self) -> None:
        """Close it; an open transaction is rolled back."""
        if self._raw:
            self._raw.close()

    def problem(self) -> Message | None:
        """None: a lost connection is opened again."""
        return None

    def silent_seconds(self) -> float:
        """How long the statement that another thread runs here has had no answer."""
        sent_at = self._raw.sent_at if self._raw else None
        return time.monotonic() - sent_at if sent_at is not None else 0.0

    @contextmanager
    def write_transaction(self, *, durable: bool, wait: float, shared: bool) -> Iterator[None]:
        """Run the body as the only writer, or beside other shared ones; see ``connection.transaction``.

        The server's queue for the lock is first in, first out: new shared ones wait behind an exclusive one
        that waits, so that it is not starved.

        Every commit is durable: unlike with a file, this process survives a crash of the database, and would
        go on with what that has lost, such as a claim that another process then makes too.
        When the connection is lost during the commit, it is found out whether that was done: see ``_commit``.
        """
        self._begin(_as_writer(wait, shared=shared))
        self._waiting, self._writes, self.is_shared = [], False, shared
        try:
            yield
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

    def _open(self) -> _Link:
        try:
            raw = _Link.connect(
                self._url, autocommit=True, row_factory=_row_factory, cursor_factory=ClientCursor, **_OPTIONS
            )
            raw.seconds = self._seconds + _ANSWER_SECONDS
            raw.adapters.register_loader("numeric", _NumberLoader)
            raw.execute(f"{_SESSION}; SET statement_timeout = {round(1000 * self._seconds)}")
        except psycopg.ProgrammingError:  # its text has the URL
            raise SettingError("DATABASE_URL", "写法不对，密码里的符号要写成 %40 这样的编码") from None
        except psycopg.Error as error:
            raise _lost(error) from error
        return raw

    def _texts(self, query: str, rows: Iterable[Any]) -> list[str]:
        """The statement with the values of each row in it."""
        try:
            cursor = ClientCursor(self._current())
            return [cursor.mogrify(query, values) for values in rows]
        except psycopg.Error as error:
            self._raise(error)

    def _send(self, *texts: str) -> psycopg.Cursor[ServerRow]:
        """Send what waits and these statements in one message -> the result of the last."""
        try:
            return self._send_raw(*texts)
        except psycopg.Error as error:
            self._raise(error)

    def _send_raw(self, *texts: str) -> psycopg.Cursor[ServerRow]:
        raw, waiting = self._current(), self._waiting or []
        if waiting:
            self._waiting = []
        cursor = raw.execute(";".join([*(each.text for each in waiting), *texts]))
        for each in waiting:
            each.changed = cursor.rowcount
            cursor.nextset()
        while cursor.nextset():  # of a text of several statements
            pass
        return cursor

    def _current(self) -> _Link:
        """The connection; raises StoreLost when it was lost in a transaction."""
        if self.in_transaction and self._is_lost:
            raise _lost("connection lost")
        return self._connected()

    def _connected(self) -> _Link:
        if self._raw is None or self._raw.closed:
            self._raw = self._open()
        return self._raw

    @property
    def _is_lost(self) -> bool:
        return self._raw is None or self._raw.closed

    def _begin(self, statements: str) -> str:
        """Begin a transaction -> the last value of these statements; a lost connection is opened again."""
        for is_last in (False, True):
            try:
                cursor = self._connected().execute(statements)
                while cursor.nextset():
                    pass
                self.in_transaction = True
                return str(cursor.fetchone()[0]) if cursor.description else ""  # type: ignore[index]
            except psycopg.Error as error:
                is_lost = self._is_lost
                self._roll_back()
                if is_last or not is_lost:
                    self._raise(error)
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
            is_lost = self._is_lost
            self._roll_back()
            if not is_lost:
                self._raise(error)
            if not self._has_committed():
                raise _lost(error) from error
            return
        finally:
            self.in_transaction, self.is_shared, self._waiting = False, False, None
        if cursor.statusmessage != "COMMIT":  # a statement failed, and the body went on
            raise DatabaseError("数据库拒绝了这次写入，没有任何改动，请再试一次")

    def _has_committed(self) -> bool:
        """Whether the last commit, in which the connection was lost, was done.

        As the only writer, so that the transaction has ended. Raises StoreLost when that is not found out in
        time.
        """
        sql = f"SELECT coalesce(max(number), 0) FROM last_commits WHERE connection = '{self._name}'"
        deadline = time.monotonic() + _CONFIRM_SECONDS
        while True:
            try:
                return int(self._begin(f"{_as_writer(_CONFIRM_SECONDS)}; {sql}")) == self._number
            except DatabaseError as error:
                if time.monotonic() > deadline:
                    raise StoreLost(_UNCONFIRMED) from error
            finally:
                self._roll_back()
            time.sleep(0.2)

    def _roll_back(self) -> None:
        self.in_transaction, self.is_shared, self._waiting = False, False, None
        with suppress(psycopg.Error):
            if self._raw and self._raw.info.transaction_status in _IN_TRANSACTION:
                self._raw.execute("ROLLBACK")

    def _raise(self, error: psycopg.Error) -> NoReturn:
        error.args = (_reason(error),)  # the log shows it; further lines quote values, so prompts
        state = error.sqlstate or ""
        if self._is_lost:
            raise _lost(error) from error
        if state in _DAMAGED:
            text = "数据库有损坏，不再下单：请让管理数据库的人检查并恢复（{reason}）"
            raise StoreDamaged(text, reason=_reason(error)) from error
        if state in _BUSY:
            raise WriteRefused("数据库正忙，等了太久，没有写入，请稍后再试") from error
        if state.startswith(_REFUSED):
            text = "数据库现在写不进去（{reason}），请检查磁盘空间和权限"
            raise WriteRefused(text, reason=_reason(error)) from error
        text = "数据库不接受这个操作（{reason}），请把这句话交给管理数据库的人"
        raise DatabaseError(text, reason=_reason(error)) from error


def _as_writer(wait: float, *, shared: bool = False) -> str:
    """Statements that begin a transaction as the only writer, or as one of those that share the lock.

    READ COMMITTED, so that what it reads is as the writer before it left it: in other levels, which may be
    the server's default, the lock is waited for with an older snapshot.
    """
    return f"""
        BEGIN ISOLATION LEVEL READ COMMITTED;
        SET LOCAL lock_timeout = {round(1000 * wait) or 1};
        SET LOCAL synchronous_commit = on;
        SELECT pg_advisory_xact_lock{"_shared" if shared else ""}({_WRITERS})
    """


def environment_of(url: str) -> dict[str, str]:
    """The environment variables by which PostgreSQL's own programs connect to this database."""
    options = pq.Conninfo.parse(url.encode())
    return {each.envvar.decode(): each.val.decode() for each in options if each.envvar and each.val}


class _NumberLoader(Loader):
    """Sums of integers are ``numeric``: read as int, and what has a fraction as float."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def _row_factory(cursor: Any) -> Any:
    names = {column.name: at for at, column in enumerate(cursor.description or ())}
    return lambda values: ServerRow(names, tuple(values))


def _values(fields: Mapping[str, Any] | Sequence[Any]) -> Mapping[str, Any] | Sequence[Any]:
    """Parameters as SQLite takes them: a bool is a number. NUL, which no text may contain, becomes ``�``."""
    if isinstance(fields, Mapping):
        return {name: _value(value) for name, value in fields.items()}
    return [_value(value) for value in fields]


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return str(value).replace("\x00", "�")
    if isinstance(value, list):
        return [_value(each) for each in value]
    return value


def _lost(reason: object) -> StoreLost:
    return StoreLost(
        message(
            "数据库连不上，不再下单：请检查 PostgreSQL 是否在运行、网络是否通，恢复后自动继续（{reason}）",
            reason=_reason(reason),
        )
    )


def _reason(error: object) -> str:
    """The first line of an error; it may name the host, never the password."""
    return " ".join(str(error).split("\n", 1)[0].split())[:200]
