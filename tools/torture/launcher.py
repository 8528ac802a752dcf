"""Runs the product with short leases and delays, a clock that can be set from outside, and an optional
kill -9 of itself at one step of its work.

    TORTURE_CLOCK       a file of eight bytes: seconds to add to the time
    TORTURE_CRASH       a file of "point:count", a point of plan.CRASH_POINTS, or empty; read at each step
    TORTURE_CRASH_FILE  where it writes the record whose step it was
    TORTURE_LOCK        how many times the database is locked when a charge is opened
    TORTURE_UPGRADE     it is a later version, whose schema has one step more: "beside" when programs of the
                        present version work with it, "alone" when they must not
"""

from __future__ import annotations

import datetime as calendar
import functools
import json
import mmap
import os
import signal
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tools.torture.plan import STORED_POINT

LEASE_SECONDS = 2.5
_real_time = time.time
_shift: Callable[[], float] = float  # seconds


def make_clock_settable() -> None:
    """Let ``time.time`` and ``datetime.now`` follow ``follow_clock``. SQLite's own clock does not."""

    def shifted() -> float:
        return _real_time() + _shift()

    class ShiftedDatetime(calendar.datetime):
        @classmethod
        def now(cls, tz: calendar.tzinfo | None = None) -> ShiftedDatetime:
            return cls.fromtimestamp(shifted(), tz)

    time.time = shifted
    calendar.datetime = ShiftedDatetime  # type: ignore[misc]


def follow_clock(control: Path) -> None:
    """Add the seconds in this file to the time."""
    global _shift
    with control.open("rb") as file:
        shown = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def read() -> float:
        return float(struct.unpack("d", shown[:8])[0])

    _shift = read


def end_with_parent() -> None:
    """End this process soon after the one that started it, which may have been killed."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def shorten_waits() -> None:
    """Shorten every wait without changing a decision."""
    from app import runtime
    from app.core.money import budgets
    from app.engine import connection
    from app.library import outputs
    from app.worker import availability, decision, peers, threads, worker

    worker.LEASE_SECONDS = threads.SILENT_SECONDS = LEASE_SECONDS
    worker.POLL_SECONDS = 0.1
    budgets._LIMIT_SECONDS = 0.5
    decision.BLOCKED_RETRY_SECONDS = 2.0
    decision._MAX_DELAY = 0.3
    connection.BUSY_SECONDS = 1.0
    peers.REPORT_SECONDS, peers.UNSETTLED_SECONDS, peers.ALIVE_SECONDS = 0.5, 0.2, 3.0
    runtime._WATCH_SECONDS = 0.2
    outputs._PROBE_SECONDS, worker._BACKUP_POLL_SECONDS = 0.3, 0.3
    if os.environ.get("DATABASE_URL"):
        from app.engine import links as postgres_links

        postgres_links._SESSION = postgres_links._SESSION.replace("=60s", "=3s")
        postgres_links.STATEMENT_SECONDS, postgres_links._ANSWER_SECONDS = 4.0, 0.5
    availability.LEAST_BYTES = availability.PICTURE_BYTES = 200_000  # the disks of these rounds are small


def upgrade(how: str) -> None:
    """Be a later version of the program: with a step that adds a column, a table and an index."""
    from app.migrations import postgres

    number = postgres.LATEST + 1

    def step(db: Any, _report: object) -> None:
        db.execute("ALTER TABLE generation_records ADD COLUMN later TEXT NOT NULL DEFAULT ''")
        db.execute("CREATE TABLE later_things (id BIGINT PRIMARY KEY)")
        db.execute("CREATE INDEX records_later ON generation_records (later, id)")

    postgres._STEPS = (*postgres._STEPS, (number, step))
    if how == "beside":
        postgres._WORKS_FROM[number] = postgres.LATEST
    postgres.LATEST = number


def lock_at_the_ledger(times: int) -> None:
    """Lock the database from another connection for the first ``times`` charges."""
    import database

    open_charge, lock, left = database.open_charge, threading.Lock(), [times]

    @functools.wraps(open_charge)
    def locked(*args: Any, **kwargs: Any) -> Any:
        with lock:
            left[0] -= 1
            is_to_lock = left[0] >= 0
        with lock_file(os.environ["DATABASE_PATH"]) if is_to_lock else nullcontext():
            return open_charge(*args, **kwargs)

    database.open_charge = locked


@contextmanager
def lock_file(path: str) -> Iterator[None]:
    """Lock the file exclusively, as another program would."""
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


class CrashInjector:
    """Kills this process when a point is reached for the ``count``-th time."""

    def __init__(self, control: Path, crash_file: Path) -> None:
        self.control = control
        self.planned, self.left = "", 0
        self.crash_file = crash_file
        self.lock = threading.Lock()
        self.mine = threading.local()

    @property
    def saved_record(self) -> int:
        """The record that this thread saves; 0 for none."""
        return getattr(self.mine, "record", 0)

    def reach(self, point: str, about: Any) -> None:
        """A point has been reached, of a record or a file name."""
        if not about:
            return
        with self.lock:
            planned = self.control.read_text("utf-8")
            name, _, count = planned.partition(":")
            if planned != self.planned:
                self.planned, self.left = planned, int(count or 0)
            if point != name:
                return
            self.left -= 1
            if self.left == 0:
                self.crash_file.write_text(json.dumps(_describe(about), ensure_ascii=False), "utf-8")
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()

    def install(self) -> None:
        """Wrap every step."""
        import database
        from app.images import atomic_write, store
        from app.library import outputs
        from app.system import windows_files

        self._track_record(store)
        self._after(outputs.Outputs, "upload", STORED_POINT, lambda *_: self.saved_record)
        self._after(database, "claim_record", "claimed", lambda _, record: record)
        self._after(database, "open_charge", "charge opened", lambda args, _: args[1])
        self._before(database, "save_task_id", "response read")
        self._after(database, "save_task_id", "task id stored", lambda args, _: args[1])
        self._before(database, "finish_record", "before finishing")
        self._after(database, "finish_record", "finished", lambda args, _: args[1])
        self._after(windows_files, "publish", "file published", lambda args, _: args[1].stem)
        atomic_write.temp_file = self._split_writes(atomic_write.temp_file)

    def _after(self, module: Any, name: str, point: str, about: Callable[[Any, Any], Any]) -> None:
        step = getattr(module, name)

        @functools.wraps(step)
        def watched(*args: Any, **kwargs: Any) -> Any:
            found = step(*args, **kwargs)
            if found is not None or point != "claimed":
                self.reach(point, about(args, found))
            return found

        setattr(module, name, watched)

    def _before(self, module: Any, name: str, point: str) -> None:
        step = getattr(module, name)

        @functools.wraps(step)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.reach(point, args[1])
            return step(*args, **kwargs)

        setattr(module, name, watched)

    def _track_record(self, store: Any) -> None:
        """Remember which record a thread is about to save: a partial file does not say."""
        keep = store.save_image

        @functools.wraps(keep)
        def watched(*args: Any, **kwargs: Any) -> Any:
            self.mine.record = kwargs["record_id"]
            self.reach("image received", self.mine.record)
            return keep(*args, **kwargs)

        store.save_image = watched

    def _split_writes(self, temp_file: Any) -> Any:
        """Write temporary files in two halves, with a point between them and one after."""

        @contextmanager
        def watched(folder: Path, pieces: Any) -> Iterator[Path]:
            with temp_file(folder, self._halves(pieces)) as part:
                self.reach("file written", self.saved_record)
                yield part

        return watched

    def _halves(self, pieces: Any) -> Iterator[bytes | memoryview]:
        whole = b"".join(pieces)
        yield whole[: len(whole) // 2]
        self.reach("file half written", self.saved_record)
        yield whole[len(whole) // 2 :]


def _describe(about: Any) -> dict[str, Any]:
    """The id of the record, or its prompt or file name."""
    if isinstance(about, str):
        return {"name": about}
    return {"record": about if isinstance(about, int) else about.id}


def prepare() -> None:
    """Import the product, with a clock that can be set."""
    make_clock_settable()
    import web_app  # noqa: F401


def main() -> int:
    """Install the changes, then run ``web_app.main``."""
    import web_app

    end_with_parent()
    follow_clock(Path(os.environ["TORTURE_CLOCK"]))
    shorten_waits()
    if how := os.environ.get("TORTURE_UPGRADE"):
        upgrade(how)
    if times := int(os.environ.get("TORTURE_LOCK", "0")):
        lock_at_the_ledger(times)
    CrashInjector(Path(os.environ["TORTURE_CRASH"]), Path(os.environ["TORTURE_CRASH_FILE"])).install()
    return web_app.main()


if __name__ == "__main__":
    prepare()
    sys.exit(main())
