"""The connections of a process to PostgreSQL, which its threads share: lent for a statement or a transaction.

Only this module and ``postgres`` import psycopg.
"""

import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg import ClientCursor, conninfo, pq
from psycopg.abc import PQGen
from psycopg.adapt import Buffer, Loader

from app.engine import connection
from app.engine.dialect import ServerRow
from app.errors import SettingError, StoreLost, WriteRefused, message

_T = TypeVar("_T")
MOST_LINKS = 8  # and one that listens: however many threads there are, a process has at most twelve
STATEMENT_SECONDS = 30.0  # writers wait for each other for 15
LONG_SECONDS = 3600.0  # of a migration or a move
_ANSWER_SECONDS = 5.0  # more, for the server to say that it has ended the statement
_CONNECT_SECONDS = 3
_PATIENCE_SECONDS = 1.5  # without an answer, before the server is asked whether it answers anybody
_BETWEEN_PROBES_SECONDS = 1.0
_FULL_SECONDS = 1.0  # after a connection was refused the process makes do with those that it has
_IDLE_SECONDS = 30.0  # then a link is closed: other processes may need it
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
# Settings of a session; PgBouncer ignores them, the role then has them. The server ends the transaction of a
# machine that vanished, whose lock would stop every other writer. To compile a query or start processes for
# it takes longer than most queries; work_mem is for the ids of a word.
_SESSION = (
    "-c idle_in_transaction_session_timeout=60s -c jit=off "
    "-c max_parallel_workers_per_gather=0 -c work_mem=32MB"
)


class _NoAnswer(psycopg.OperationalError):
    """The server answers nobody."""


class Link(psycopg.Connection[ServerRow]):
    """Closed when a statement gets no answer for ``seconds``, or sooner if the server answers nobody."""

    seconds = STATEMENT_SECONDS
    sent_at: float | None = None  # when the statement was sent (monotonic) whose answer is waited for
    is_server_silent: Callable[[], bool] = staticmethod(bool)

    def wait(self, gen: PQGen[_T], interval: float = 0.1, timeout: float | None = None) -> _T:
        """Wait for a step of the protocol; one that has its own ``timeout`` is not a statement."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        self.sent_at = began = time.monotonic()
        try:
            return super().wait(self._watched(gen), interval, self.seconds)
        except psycopg.OperationalError as error:
            if isinstance(error, _NoAnswer) or time.monotonic() >= began + self.seconds:
                self.close()
            raise
        finally:
            self.sent_at = None

    def _watched(self, gen: PQGen[_T]) -> PQGen[_T]:
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        try:
            state = next(gen)
            while True:
                ready = yield state
                if not ready and time.monotonic() > patient_until and self.is_server_silent():
                    raise _NoAnswer("no answer")
                state = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def open_link(url: str, *, seconds: float | None = None, options: str = "") -> Link:
    """A connection with autocommit. Raises psycopg.Error, SettingError."""
    seconds = seconds or STATEMENT_SECONDS
    try:
        own = str(conninfo.conninfo_to_dict(url).get("options") or "")
        timeout = f"-c statement_timeout={round(1000 * seconds)}"
        session = " ".join(filter(None, (_SESSION, timeout, options, own)))  # PgBouncer takes one space only
        link = Link.connect(
            url,
            autocommit=True,
            row_factory=_row_factory,
            cursor_factory=ClientCursor,
            options=session,
            **_OPTIONS,
        )
    except psycopg.ProgrammingError:  # its text has the URL
        raise SettingError("DATABASE_URL", "写法不对，密码里的符号要写成 %40 这样的编码") from None
    link.seconds = seconds + _ANSWER_SECONDS
    link.adapters.register_loader("numeric", _NumberLoader)
    return link


class Links:
    """A pool of connections. Thread-safe; opens one only when it is asked for one and none is idle."""

    def __init__(self, url: str, *, seconds: float | None = None, options: str = "") -> None:
        self._url, self._seconds, self._options = url, seconds, options
        self._changed = threading.Condition()
        self._idle: list[tuple[float, Link]] = []  # since when, the last used at the end
        self._lent: set[Link] = set()
        self._opening = 0
        self._full_until = 0.0
        self.users: weakref.WeakSet[object] = weakref.WeakSet()  # while there are none, nothing stays open
        self._next_probe = 0.0
        self._silence: psycopg.Error | None = None  # when the server was last asked, it did not answer

    def borrow(self, user: object) -> Link:
        """A connection for this thread alone, until ``give_back``; never while it has another one.

        Raises StoreLost, at once while the server is known to be silent; WriteRefused when none gets free.
        """
        until = time.monotonic() + connection.BUSY_SECONDS
        while True:
            if self._silence and self.is_silent():
                raise lost(self._silence)
            with self._changed:
                while not (self._idle or self._silence or self._may_open()):
                    if time.monotonic() >= until:
                        raise WriteRefused("数据库正忙，等了太久，没有写入，请稍后再试")
                    self._changed.wait(_FULL_SECONDS)
                if self._silence:
                    continue
                self.users.add(user)
                if self._idle:
                    link = self._idle.pop()[1]
                    self._lent.add(link)
                    return link
                self._opening += 1
            try:
                link = self._open()
            except StoreLost:
                self._full_until = time.monotonic() + _FULL_SECONDS
                if not self._lent:
                    raise
            else:
                self._lent.add(link)
                return link
            finally:
                with self._changed:
                    self._opening -= 1
                    self._changed.notify()

    def give_back(self, link: Link) -> None:
        """End the use of a connection; one that was lost or is in a transaction is not used again."""
        with self._changed:
            self._lent.discard(link)
            unused = []
            if link.closed:  # the others may be lost too
                unused, self._idle = [each for _, each in self._idle], []
            elif not self.users or link.info.transaction_status != pq.TransactionStatus.IDLE:
                unused = [link]
            else:
                self._idle.append((time.monotonic(), link))
            while self._idle and self._idle[0][0] < time.monotonic() - _IDLE_SECONDS:
                unused.append(self._idle.pop(0)[1])
            self._changed.notify()
        for each in unused:
            each.close()

    def leave(self, user: object) -> None:
        """This user needs none any more."""
        with self._changed:
            self.users.discard(user)
            unused, self._idle = ([], self._idle) if self.users else (self._idle, [])
        for _, link in unused:
            link.close()

    def is_silent(self) -> bool:
        """Whether the server did not answer when it was last asked; has it asked again, a second after that.

        On a new connection, by a thread that ends then: whoever waits for an answer need not wait for this.
        The server's processes may be stopped, or the network drop everything; a statement may take its time.
        """
        with self._changed:
            if is_due := time.monotonic() >= self._next_probe:
                self._next_probe = math.inf
        if is_due:
            threading.Thread(target=self._probe, name="probe", daemon=True).start()
        return self._silence is not None

    def _probe(self) -> None:
        with suppress(StoreLost):
            self._open().close()
        self._next_probe = time.monotonic() + _BETWEEN_PROBES_SECONDS

    def _may_open(self) -> bool:
        number = len(self._idle) + len(self._lent) + self._opening
        return number < MOST_LINKS and (not self._lent or time.monotonic() >= self._full_until)

    def _open(self) -> Link:
        """Raises StoreLost."""
        try:
            link = open_link(self._url, seconds=self._seconds, options=self._options)
        except psycopg.Error as error:  # a refusal is an answer
            self._silence = error if isinstance(error, psycopg.errors.ConnectionTimeout) else None
            raise lost(error) from error
        self._silence = None
        link.is_server_silent = self.is_silent
        return link


_of_process: dict[tuple[int, str], Links] = {}


def links_to(url: str) -> Links:
    """Those that the threads of this process share; a forked process has its own."""
    return _of_process.setdefault((os.getpid(), url), Links(url))


class Listener:
    """Waits for NOTIFY on a session of its own."""

    def __init__(self, url: str, channel: str) -> None:
        self._url, self._channel = url, channel
        self._link: Link | None = None

    def wait(self, seconds: float) -> bool:
        """Wait for a notification -> whether there was one, or may have been before it listened.

        Raises StoreLost when the connection is lost; the next call opens it again.
        """
        try:
            if self._link and not self._link.closed:
                return any(True for _ in self._link.notifies(timeout=seconds, stop_after=1))
            self._link = open_link(self._url)
            self._link.execute(f"LISTEN {self._channel}")
            return True
        except psycopg.Error as error:
            self.close()
            raise lost(error) from error

    def close(self) -> None:
        """End the session."""
        if self._link:
            self._link.close()


def lost(reason: object) -> StoreLost:
    """The error of a server that cannot be reached."""
    return StoreLost(
        message(
            "数据库连不上，不再下单：请检查 PostgreSQL 是否在运行、网络是否通，恢复后自动继续（{reason}）",
            reason=reason_of(reason),
        )
    )


def reason_of(error: object) -> str:
    """The first line of an error; it may name the host, never the password."""
    return " ".join(str(error).split("\n", 1)[0].split())[:200]


class _NumberLoader(Loader):
    """Sums of integers are ``numeric``: read as int, and what has a fraction as float."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data).decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)


def _row_factory(cursor: Any) -> Any:
    names = {column.name: at for at, column in enumerate(cursor.description or ())}
    return lambda values: ServerRow(names, tuple(values))
