"""Starts the product as it is, in a hurry: short leases and pauses, a clock that can be moved from outside,
and, where it is told so, kill -9 by its own hand at one step of its work.

    TORTURE_CLOCK   a file of eight bytes: seconds to add to the time
    TORTURE_DIE     "moment:count", a moment of plan.SERVER_MOMENTS
    TORTURE_GRAVE   where it writes down whose step it was, before it dies
    TORTURE_LOCK    how often the database is locked when a line of the ledger is to be written
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

LEASE_SECONDS = 2.5
_real_time = time.time


def move_clock(control: Path) -> None:
    """``time.time`` and ``datetime.now`` follow the file from now on. SQLite's own clock does not."""
    with control.open("rb") as file:
        shown = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)

    def moved() -> float:
        return _real_time() + float(struct.unpack("d", shown[:8])[0])

    class Moved(calendar.datetime):
        @classmethod
        def now(cls, tz: calendar.tzinfo | None = None) -> Moved:
            return cls.fromtimestamp(moved(), tz)

    time.time = moved
    calendar.datetime = Moved  # type: ignore[misc]


def hurry() -> None:
    """Everything that waits waits less; what is decided stays the same."""
    from app.db import connection
    from app.worker import disk_space, pipeline, worker

    worker.LEASE_SECONDS = LEASE_SECONDS
    worker.POLL_SECONDS = 0.1
    pipeline.BLOCKED_RETRY_SECONDS = 2.0
    pipeline._MAX_DELAY = 0.3
    connection.BUSY_SECONDS = 1.0
    disk_space.LEAST_BYTES = disk_space.PICTURE_BYTES = 200_000  # the disks of these rounds are small


def lock_at_the_ledger(times: int) -> None:
    """The first ``times`` lines of the ledger meet a database that another connection keeps locked."""
    import database

    add_send, lock, left = database.open_charge, threading.Lock(), [times]

    @functools.wraps(add_send)
    def locked(*told: Any, **more: Any) -> Any:
        with lock:
            left[0] -= 1
            is_to_lock = left[0] >= 0
        with held(os.environ["DATABASE_PATH"]) if is_to_lock else nullcontext():
            return add_send(*told, **more)

    database.open_charge = locked


@contextmanager
def held(path: str) -> Iterator[None]:
    """Lock the file as another program would, as soon as that can be."""
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


class Grim:
    """Ends this process at the ``count``-th time of a moment."""

    def __init__(self, moment: str, count: int, grave: Path) -> None:
        self.moment = moment
        self.left = count
        self.grave = grave
        self.lock = threading.Lock()
        self.mine = threading.local()

    def pass_by(self, moment: str, about: Any) -> None:
        """A moment has come."""
        if moment != self.moment:
            return
        with self.lock:
            self.left -= 1
            if self.left == 0:
                self.grave.write_text(json.dumps(_told(about), ensure_ascii=False), "utf-8")
                os.kill(os.getpid(), signal.SIGKILL)
                threading.Event().wait()

    def haunt(self) -> None:
        """Stand at every step."""
        import database
        import generator
        from app.images import atomic_write, store
        from app.system import windows_files

        self._remembering(store)
        self._after(database, "claim_record", "claimed", lambda _, record: record)
        self._after(database, "open_charge", "ledger written", lambda told, _: told[1])
        self._before(database, "save_task_id", "answer read")
        self._after(database, "save_task_id", "ticket kept", lambda told, _: told[1])
        self._after(generator, "generate", "picture in hand", lambda told, _: told[1].prompt)
        self._before(database, "finish_record", "about to finish")
        self._after(database, "finish_record", "finished", lambda told, _: told[1])
        self._after(windows_files, "publish", "file named", lambda told, _: told[1].stem)
        atomic_write.temp_file = self._halting(atomic_write.temp_file)

    def _after(self, room: Any, name: str, moment: str, about: Callable[[Any, Any], Any]) -> None:
        step = getattr(room, name)

        @functools.wraps(step)
        def watched(*told: Any, **more: Any) -> Any:
            found = step(*told, **more)
            if found is not None or moment != "claimed":
                self.pass_by(moment, about(told, found))
            return found

        setattr(room, name, watched)

    def _before(self, room: Any, name: str, moment: str) -> None:
        step = getattr(room, name)

        @functools.wraps(step)
        def watched(*told: Any, **more: Any) -> Any:
            self.pass_by(moment, told[1])
            return step(*told, **more)

        setattr(room, name, watched)

    def _remembering(self, pictures: Any) -> None:
        """Whose picture a thread is keeping: what is half-written does not say."""
        keep = pictures.save_image

        @functools.wraps(keep)
        def watched(*told: Any, **more: Any) -> Any:
            self.mine.record = more["record_id"]
            return keep(*told, **more)

        pictures.save_image = watched

    def _halting(self, part_file: Any) -> Any:
        """Parts are written in two halves, with a moment between them and one after."""

        @contextmanager
        def watched(folder: Path, pieces: Any) -> Iterator[Path]:
            with part_file(folder, self._halves(pieces)) as part:
                self.pass_by("file written", self.mine.record)
                yield part

        return watched

    def _halves(self, pieces: Any) -> Iterator[bytes | memoryview]:
        whole = b"".join(pieces)
        yield whole[: len(whole) // 2]
        self.pass_by("file half written", self.mine.record)
        yield whole[len(whole) // 2 :]


def _told(about: Any) -> dict[str, Any]:
    """Whose step it was: a record's id, or what is known of it."""
    if isinstance(about, str):
        return {"words": about}
    return {"record": about if isinstance(about, int) else about.id}


def main() -> int:
    """Prepare, then the product's own ``main``."""
    move_clock(Path(os.environ["TORTURE_CLOCK"]))
    import web_app

    hurry()
    if times := int(os.environ.get("TORTURE_LOCK", "0")):
        lock_at_the_ledger(times)
    moment, _, count = os.environ.get("TORTURE_DIE", "").partition(":")
    if moment:
        Grim(moment, int(count), Path(os.environ["TORTURE_GRAVE"])).haunt()
    return web_app.main()


if __name__ == "__main__":
    sys.exit(main())
