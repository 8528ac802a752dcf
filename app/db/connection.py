"""Connections and transactions as both engines have them.

A ``Target`` is the path of a SQLite file, or the URL of a PostgreSQL database. SQL is written once, in the
dialect of SQLite with named parameters; ``dialect`` says what of it is translated for PostgreSQL. Where a
statement differs, both stand side by side in one module, chosen by ``engine``.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from app.db.server_clock import ServerClock
from app.errors import Message, TryLater

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
