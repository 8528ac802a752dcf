"""The object list of a bucket: cached in memory and in a file, refreshed by a background thread.

Readers get the cached list at once, or wait briefly for a refresh. Starts no thread itself.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from app.domain import PINNED
from app.errors import BucketError, DiskError, Message, TryLater
from app.library.catalogue import TRASH, Catalogue, Entry, digest_in, is_image
from app.library.local import write
from oss_client import Bucket, StoredObject

FRESH_SECONDS = 60.0
SHARED_FRESH_SECONDS = 2.0  # when other processes of this installation change the bucket too
FIRST_WAIT, LATER_WAIT = 1.5, 0.3  # seconds a reader waits for a refresh, without and with a list
BREAKER_SECONDS = 10.0  # after a failure calls fail fast for this long
TEMP_PREFIX = ".sent/"


class ListCache:
    """The objects below a prefix that are images, hidden ones included. Thread-safe."""

    def __init__(
        self, bucket: Bucket, prefix: str, *, is_shared: bool, file: Path, clock: Callable[[], float]
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._is_shared = is_shared
        self._file = file
        self._clock = clock
        self._condition = threading.Condition()
        self._error: BucketError | None = None
        self._failed_at = 0.0
        self._fresh_until = 0.0
        self._generation = 0
        self._refresh_requested = True
        self._pending_edits: list[tuple[str, Entry | None]] = []
        self.listed_at = 0.0  # Unix time of the list; 0 without one
        self._catalogue = self._load()

    @property
    def known(self) -> Catalogue:
        """The cached list; empty without one."""
        return self._catalogue or Catalogue(())

    @property
    def is_stale(self) -> bool:
        """Whether the list is outdated, of a previous run, or its refresh failed."""
        return self._clock() > self._fresh_until

    @property
    def problem(self) -> Message | None:
        """Why the last refresh failed; None if it succeeded."""
        return self._error.message if self._error else None

    def read(self) -> Catalogue:
        """The list, after waiting briefly if it is stale. Raises BucketError or TryLater without one."""
        self.await_refresh(None if self._catalogue is None else LATER_WAIT)
        if self._catalogue is not None:
            return self._catalogue
        if self._error:
            raise BucketError(self._error.message, transient=self._error.transient)
        raise TryLater("正在读取 OSS 里的示例图，请稍等几秒再试")

    def await_refresh(self, timeout: float | None = None) -> None:
        """Request a refresh of a stale list and wait up to ``timeout`` seconds, not just after a failure."""
        with self._condition:
            if not self.is_stale:
                return
            self._refresh_requested = True
            self._condition.notify_all()
            generation = self._generation
            if self._clock() - self._failed_at >= BREAKER_SECONDS:
                longest = FIRST_WAIT if timeout is None else timeout
                self._condition.wait_for(lambda: self._generation != generation, longest)

    def wait_for_request(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; returns whether a refresh is requested."""
        with self._condition:
            return self._condition.wait_for(lambda: self._refresh_requested, timeout)

    def refresh(self) -> list[StoredObject]:
        """List the whole prefix; returns the temporary objects. A failure is stored in ``problem``.

        Must not run concurrently.
        """
        with self._condition:
            self._pending_edits.clear()
            self._refresh_requested = False
        try:
            fresh, temporary = self._list()
        except BucketError as error:
            with self._condition:
                self._error, self._failed_at, self._fresh_until = error, self._clock(), 0.0
                self._end_refresh()
            return []
        with self._condition:
            for without, plus in self._pending_edits:
                fresh = fresh.edited(without=without, plus=plus)
            self._catalogue, self._error, self.listed_at = fresh, None, self._clock()
            seconds = SHARED_FRESH_SECONDS if self._is_shared else FRESH_SECONDS
            self._fresh_until = self.listed_at + seconds
            self._end_refresh()
        self._save(fresh)
        return temporary

    def edit(self, *, without: str = "", plus: Entry | None = None) -> None:
        """Remove one entry and add another, also in a list being read at this moment."""
        with self._condition:
            self._pending_edits.append((without, plus))
            if self._catalogue is not None:
                self._catalogue = self._catalogue.edited(without=without, plus=plus)

    def _list(self) -> tuple[Catalogue, list[StoredObject]]:
        """List the prefix, reusing the objects of unchanged entries to save memory."""
        entries, temporary, known = [], [], self.known.entries
        for found in self._bucket.list_objects(self._prefix):
            key = found.key.removeprefix(self._prefix)
            if key.startswith(TEMP_PREFIX):
                temporary.append(found)
            elif key.startswith((TRASH, PINNED)) or is_image(key):
                entry = entry_of(key, found, found.modified_at)
                entries.append(known[key] if known.get(key) == entry else entry)
        return Catalogue(entries), temporary

    def _end_refresh(self) -> None:
        self._generation += 1
        self._refresh_requested = False  # this list also answers requests made meanwhile
        self._condition.notify_all()

    def _load(self) -> Catalogue | None:
        """The list that the previous run saved; None if missing, invalid or of another bucket."""
        unreadable = (OSError, ValueError, KeyError, TypeError)
        with contextlib.suppress(*unreadable), self._file.open(encoding="utf-8") as lines:
            head = json.loads(lines.readline())
            if head["of"] == self._identity():
                rows = (json.loads(line) for line in lines)
                entries = [Entry(key=k, size=s, modified_at=float(t), etag=e) for k, s, t, e in rows]
                self.listed_at = float(head["listed_at"])
                return Catalogue(entries)
        return None

    def _save(self, known: Catalogue) -> None:
        """Save the list for the next run; disk errors are ignored, as it is only a cache."""
        head = {"of": self._identity(), "listed_at": self.listed_at}
        text = bytearray(
            json.dumps(head).encode() + b"\n"
        )  # 10,000 separate strings would keep memory allocated
        for entry in known.entries.values():
            line = [entry.key, entry.size, entry.modified_at, entry.etag]
            text += json.dumps(line, ensure_ascii=False).encode() + b"\n"
        with contextlib.suppress(DiskError):
            write(self._file, text)

    def _identity(self) -> str:
        return f"{self._bucket.address.endpoint}/{self._bucket.address.bucket}/{quote(self._prefix)}"


def entry_of(key: str, found: StoredObject, modified_at: float) -> Entry:
    """The entry of an object; its ETag is only needed when the key contains no content hash."""
    return Entry(key=key, size=found.size, modified_at=modified_at, etag="" if digest_in(key) else found.etag)
