"""The clock of the database server, which all its processes agree on."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from app.errors import DatabaseError, Message, TryLater

_KEPT_SECONDS = 5.0
_JUMP_SECONDS = 1.0  # by which the wall clock is set, or the machine was suspended
_QUICK_SECONDS = 0.5
_TRIES = 3


class _Measured(NamedTuple):
    """The same moment on three clocks; the server's is right within half of ``took`` seconds."""

    server: float
    wall: float
    monotonic: float
    took: float


class ServerClock:
    """Asked every few seconds and when the clock of this machine jumps; between, carried by the monotonic."""

    def __init__(self) -> None:
        self._measured: _Measured | None = None

    def now(self, ask: Callable[[], float]) -> float:
        """Unix time of the server; ``ask`` asks it.

        Raises DatabaseError when it never answered; one that does not answer now is assumed to go on.
        """
        measured = self._measured
        if measured is None or self._is_old(measured):
            try:
                measured = self._measured = min(_measurements(ask), key=lambda each: each.took)
            except DatabaseError:
                if measured is None:
                    raise
        return measured.server + time.monotonic() - measured.monotonic

    @staticmethod
    def _is_old(measured: _Measured) -> bool:
        age = time.monotonic() - measured.monotonic
        return age > _KEPT_SECONDS or abs(time.time() - measured.wall - age) > _JUMP_SECONDS


@cache
def clock_of(_url: str) -> ServerClock:
    """That of the server with this URL, one for all connections of a process."""
    return ServerClock()


def _measurements(ask: Callable[[], float]) -> list[_Measured]:
    """Some, the last of which was quick if any was."""
    found: list[_Measured] = []
    while len(found) < _TRIES and not (found and found[-1].took < _QUICK_SECONDS):
        began = time.monotonic()
        server = ask()
        ended = time.monotonic()
        found.append(_Measured(server, time.time(), ended, ended - began))
    return [each._replace(server=each.server + each.took / 2) for each in found]


BUSY_SECONDS = 15.0  # how long a writer waits for others, of this process and of others
CHANGE_SECONDS = 10.0  # how long a change is worked out anew

Target = Path | str
Storing = Callable[[], AbstractContextManager[object]]
Stored = TypeVar("Stored")


class Row(Protocol):
    """A row of a result: values by column name or by position."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def keys(self) -> Any:
        """The column names, so that ``dict(row)`` works."""


class Cursor(Protocol):
    """The result of a statement; ``rowcount`` is the number of rows that it changed."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """What both engines offer; one thread at a time."""

    has_gone: Callable[[], bool] | None  # whether the client of this request has; None: there is none

    @property
    def engine(self) -> Literal["sqlite", "postgres"]: ...
    @property
    def clock(self) -> ServerClock | None: ...
    @property
    def in_transaction(self) -> bool: ...
    def execute(self, sql: str, fields: Any = ..., /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Any], /) -> Any: ...
    def close(self) -> None: ...

    def problem(self) -> Message | None:
        """Why this connection must not be used any more; None when it may."""

    def silent_seconds(self) -> float:
        """How long a statement of another thread has waited for a server that does not answer."""

    @property
    def is_shared(self) -> bool:
        """Whether other writers may run beside the open transaction; never on SQLite."""

    def write_transaction(
        self, *, durable: bool, wait: float, shared: bool, elects: bool
    ) -> AbstractContextManager[bool]:
        """See ``transaction``."""

    def read_transaction(self) -> AbstractContextManager[None]:
        """See ``read_transaction``."""

    def foreign_keys_off(self) -> AbstractContextManager[None]:
        """Do not enforce foreign keys that other programs may have added, while the block runs."""


def transaction(
    db: Connection,
    *,
    durable: bool = True,
    wait: float | None = None,
    shared: bool = False,
    elects: bool = False,
) -> AbstractContextManager[bool]:
    """Run the body in a transaction that excludes every other writer; roll back when it raises.

    With ``shared=True`` PostgreSQL runs it beside other shared ones, but never beside an exclusive one, which
    follows those that came before it. So it may read what only exclusive ones write (batches, budgets, other
    records' orders) as if it were alone, and must lock what shared ones write before it reads it: the row of
    its own record (``still_owned``). SQLite has one writer at a time all the same.
    With ``elects=True`` the block gets False, excludes nobody and must change nothing while another such one
    waits or runs on PostgreSQL.
    With ``durable=False`` a power cut (not a crash) may undo it until the next durable commit.
    Waits ``wait`` seconds for other writers, 15 without it.
    Raises WriteRefused, with nothing changed, when it has to wait for too long or the disk is full;
    StoreLost when the database was moved, replaced or cannot be reached, StoreDamaged when it is damaged.
    """
    wait = BUSY_SECONDS if wait is None else wait
    return db.write_transaction(durable=durable, wait=wait, shared=shared, elects=elects)


def until_stored(db: Connection, attempt: Callable[[Storing], Stored | None]) -> Stored:
    """Call ``attempt``, which works a change out and stores it in ``storing()``, until it returns something.

    It returns None when what it read was changed meanwhile. After two of these, or when one takes long, it
    runs as the only writer, so that nobody can. Raises TryLater, with nothing stored, after 10 s, or when the
    client has gone.
    """
    began, lost = time.monotonic(), 0

    def storing() -> AbstractContextManager[object]:
        left = began + CHANGE_SECONDS - time.monotonic()
        return nullcontext() if db.in_transaction else transaction(db, wait=max(left, 1.0))

    while True:
        seconds = time.monotonic() - began
        if lost and (seconds > CHANGE_SECONDS or (db.has_gone and db.has_gone())):
            raise TryLater("一直有别人在改，这一步没有存上，请再试一次", retry_after=1)
        is_alone = lost > 1 or seconds > CHANGE_SECONDS / 3
        with storing() if is_alone else nullcontext():
            if (stored := attempt(storing)) is not None:
                return stored
        lost += 1


def read_transaction(db: Connection) -> AbstractContextManager[None]:
    """Run several reads on one snapshot; inside an open transaction, use that one."""
    return db.read_transaction()


def now(db: Connection) -> float:
    """Unix time by the clock of the server, so that processes on several machines agree; of SQLite, by ours.

    Raises DatabaseError.
    """
    if not (clock := db.clock):
        return time.time()
    sql = "SELECT extract(epoch FROM clock_timestamp()) AS seconds"
    return clock.now(lambda: float(db.execute(sql).fetchone()["seconds"]))


def next_version(db: Connection) -> int:
    """Increment the change counter and return it; inside a transaction."""
    row = db.execute("UPDATE change_counter SET value = value + 1 RETURNING value").fetchall()[0]
    return int(row["value"])


def last_version(db: Connection) -> int:
    """The current value of the change counter, which grows with every change of a record or batch."""
    return int(db.execute("SELECT value FROM change_counter").fetchone()["value"])
