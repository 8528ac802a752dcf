"""Library backend for an OSS bucket. The object list is cached and refreshed in the background.

Readers get the cached list, or wait at most 1.5 s for the first one. Hidden prefixes: ``.trash/`` for deleted
images, ``.pinned/`` for snapshots of images added by hand that records used, ``.sent/`` for local images
uploaded for a provider, deleted after two days.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from app.domain import PINNED, LibraryImage, ReferenceInfo, ValidatedUpload
from app.errors import BucketError, Conflict, NotFound, TryLater
from app.library import catalogue
from app.library.catalogue import DIGEST_LENGTH, Catalogue, Change, Entry, missing, taken
from app.library.list_cache import CachedList, load, save
from app.library.snapshots import Snapshots
from oss_client import Bucket, StoredObject

FRESH_SECONDS = 60.0
FIRST_WAIT, LATER_WAIT = 1.5, 0.3
BREAKER_SECONDS = 10.0  # after a failure calls fail fast for this long
_THUMBNAIL = "image/auto-orient,1/resize,m_lfit,w_320,h_320/format,webp"
_SHOWN_SECONDS = 7_200  # lifetime of a URL for browsers; reused for half of it
_MOST_ADDRESSES = 3_000  # 2 MB
_TRASH, TEMP_PREFIX = ".trash/", ".sent/"
_SENT_SECONDS = 2 * 24 * 3600.0
_LENT_AGAIN_SECONDS = _SENT_SECONDS / 2  # another installation may delete it by its own clock
_SWEEP = 100
_PINS_A_TURN = 10
T = TypeVar("T")


@dataclass(slots=True)
class _Found:
    """The result of listing the bucket. ``trash`` maps keys to ETags; ``old`` are expired ``.sent/`` keys."""

    shown: list[Entry] = field(default_factory=list)
    trash: dict[str, str] = field(default_factory=dict)
    pins: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)


class BucketLibrary:
    """The bucket backend; see ``library.LibraryBackend``. Raises BucketError."""

    source = "oss"

    def __init__(
        self, bucket: Bucket, prefix: str, *, memory: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._cache_file = memory
        self._clock = clock
        self._condition = threading.Condition()
        self._catalogue: Catalogue | None = None
        self._trash: Mapping[str, str] = {}
        self._pins = Snapshots(bucket, prefix, clock)
        self._listed_at = 0.0
        self._is_of_this_run = False
        self._failed_at = 0.0
        self._trouble: BucketError | None = None
        self._outage: BucketError | None = None
        self._outage_at = 0.0
        self._rounds = 0
        self._refresh_wanted = True
        self._changes: list[Change] = []
        self._addresses: dict[tuple[str, str], tuple[str, float]] = {}
        self._sent: dict[str, float] = {}
        self._measured: dict[str, ReferenceInfo | None] = {}
        self._load_cache()

    @property
    def listed_at(self) -> float:
        """Unix time of the list; 0 without one."""
        return self._listed_at

    @property
    def is_stale(self) -> bool:
        """Whether the list is outdated or its refresh failed."""
        is_as_read = self._is_of_this_run and self._trouble is None
        return not is_as_read or self._clock() - self._listed_at > FRESH_SECONDS

    @property
    def trouble(self) -> str:
        """Why the last refresh failed; empty if it succeeded."""
        return str(self._trouble or "")

    def catalogue(self) -> Catalogue:
        """The cached list. Without one, waits at most 1.5 s, then raises BucketError or TryLater."""
        with self._condition:
            if self.is_stale:
                self._request_refresh()
            if self._catalogue is not None:
                return self._catalogue
            if self._trouble:
                raise BucketError(self._trouble.message, transient=self._trouble.transient)
        raise TryLater("正在读取 OSS 里的示例图，请稍等几秒再试")

    def wait_until_wanted(self, timeout: float) -> bool:
        """Wait until ``tend`` has work (a refresh or a snapshot); returns False after ``timeout`` seconds."""
        with self._condition:
            return self._condition.wait_for(lambda: self._refresh_wanted or self._pins.is_waited_for, timeout)

    def tend(self) -> None:
        """Refresh the list if requested and snapshot some chosen images; submitting snapshots the others."""
        if self._refresh_wanted:
            self.refresh()
        for _ in range(_PINS_A_TURN):
            chosen = self._pins.take_chosen()
            if chosen is None:
                return
            with contextlib.suppress(BucketError):
                self._pin(*chosen)

    def refresh(self) -> None:
        """List the whole bucket; a failure is stored in ``trouble``. Must not run concurrently."""
        with self._condition:
            self._changes.clear()
            self._refresh_wanted = False
        try:
            found = self._read()
        except BucketError as trouble:
            with self._condition:
                self._trouble, self._failed_at = trouble, self._clock()
                self._end_round()
            return
        self._apply(found)
        self._sweep(found.old)

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Save a validated upload. Identical content is stored once, under its first name."""
        digest = hashlib.sha256(upload.content).hexdigest()[:DIGEST_LENGTH]
        same = self._known().of_content(digest)
        if same and self._is_there(same.key):
            return catalogue.to_library_image(same)
        key = catalogue.key_for(upload, digest)
        self._bucket.put(self._prefix + key, upload.content, catalogue.media_type_of(key))
        return self._added(self._entry(key, len(upload.content)))

    def delete(self, key: str) -> None:
        """Move an image to the trash, renaming another image of that name there. The trash is never emptied:
        records of other installations may use its images."""
        etag = self._etag_at(catalogue.shown_key(key))
        while True:
            with contextlib.suppress(Conflict):
                self._move(key, _TRASH + key, replace=bool(catalogue.digest_in(key)))
                return self._change(Change(without=key, trash_plus={key: etag}))
            self._make_room_in_trash(key)

    def restore(self, key: str) -> LibraryImage:
        """Restore a deleted image; does nothing if it exists. Raises NotFound for an unknown key."""
        try:
            self._move(_TRASH + catalogue.shown_key(key), key, replace=bool(catalogue.digest_in(key)))
        except NotFound:
            pass
        except Conflict:
            if self._is_there(_TRASH + key):
                raise
        found = self._look(key)
        entry = self._entry(key, found.size, found.etag)
        return self._added(entry, trash_without=key)

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Rename an image; ``stem`` is the base name. Raises Conflict when the name is taken."""
        target = catalogue.renamed(catalogue.shown_key(key), stem)
        found = self._look(key)
        if target == key:
            return catalogue.to_library_image(self._entry(key, found.size))
        self._move(key, target)
        return self._added(self._entry(target, found.size, found.etag), without=key)

    def file(self, key: str, etag: str = "") -> str:
        """A URL of the image for browsers, even if it was renamed or deleted.

        With an ETag, of that content: raises NotFound when it was replaced and has no snapshot.
        """
        return self._address(self._key_as_used(key, etag), "")

    def thumbnail(self, key: str, etag: str = "") -> str:
        """A URL of the thumbnail, 320 px, created by OSS."""
        return self._address(self._key_as_used(key, etag), _THUMBNAIL)

    def knows(self, key: str) -> bool:
        """Whether the cached list contains the key."""
        return key in self._known().entries

    def facts(self, key: str, etag: str) -> ReferenceInfo | None:
        """Known properties of the key, or of its content with this ETag, without network calls."""
        entry = self._known().entries.get(key)
        if entry and etag in ("", entry.etag):
            return self._measured.get(entry.etag) or catalogue.facts_of(key, entry.size)
        if entry and not self.is_stale and not self._pins.find(key, etag):
            return ReferenceInfo(is_missing=True)
        return self._measured.get(etag)

    def etag(self, key: str) -> str:
        """The ETag that identifies the current content; empty when the key contains a hash or the list is
        stale."""
        return "" if self.is_stale else self._etag_at(key)

    def choose(self, key: str, etag: str) -> None:
        """Request a snapshot of content that a record will use, in case the object is replaced."""
        if self._pins.choose(catalogue.shown_key(key), etag):
            with self._condition:
                self._condition.notify_all()

    def stored(self, key: str, etag: str = "") -> StoredObject:
        """Ask OSS for the object of an image, even if renamed or deleted. Raises NotFound.

        With an ETag, the snapshot of that content if available, else the current object with its own ETag.
        """
        found = self._pin(key, etag) if etag else None
        now = self._prefix + self._current_key(key)
        return found or self._with_breaker(lambda: self._bucket.look(now))

    def place(self, key: str) -> str:
        """The full object key, according to the cached list."""
        return self._prefix + self._current_key(key)

    def sent_address(self, key: str, *, seconds: int) -> str:
        """A signed URL for a provider. ``key`` is a full one, from ``stored``, ``place`` or ``lend``."""
        return self._bucket.signed_url(key, seconds=seconds)

    def measured(self, key: str, etag: str) -> ReferenceInfo | None:
        """Image properties measured by OSS; None when the key contains them or OSS cannot read the image."""
        if catalogue.digest_in(key):
            return None
        content = etag or key
        if content not in self._measured:
            self._measured[content] = self._with_breaker(lambda: self._measure(key))
        return self._measured[content]

    def content(self, key: str) -> bytes:
        """The image bytes. Raises NotFound."""
        return self._with_breaker(lambda: self._bucket.fetch(key))

    def lend(self, content: bytes, media_type: str) -> str:
        """Upload a local image for a provider, deleted after two days; returns its full key."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        key = f"{self._prefix}{TEMP_PREFIX}{digest}.{media_type.rpartition('/')[2]}"
        now = self._clock()
        if now - self._sent.get(digest, 0.0) > _LENT_AGAIN_SECONDS:
            self._with_breaker(lambda: self._bucket.put(key, content, media_type))
            self._sent[digest] = now
        return key

    def _pin(self, key: str, etag: str) -> StoredObject | None:
        source = self._prefix + self._current_key(key)
        return self._with_breaker(lambda: self._pins.keep(source, key, etag))

    def _with_breaker(self, ask: Callable[[], T]) -> T:
        """Circuit breaker: fail fast for ``BREAKER_SECONDS`` after a transient error."""
        outage = self._outage
        if outage and self._clock() - self._outage_at < BREAKER_SECONDS:
            raise BucketError(outage.message, transient=True)
        try:
            answer = ask()
        except BucketError as trouble:
            self._outage, self._outage_at = (trouble if trouble.transient else None), self._clock()
            raise
        self._outage = None
        return answer

    def _measure(self, key: str) -> ReferenceInfo | None:
        try:
            found = self._bucket.measure(key)
            return ReferenceInfo(
                format=found["Format"].lower().replace("jpg", "jpeg"),
                size=int(found["FileSize"]),
                width=int(found["ImageWidth"]),
                height=int(found["ImageHeight"]),
            )
        except BucketError as trouble:
            if trouble.transient:
                raise
        except (KeyError, ValueError):
            pass
        return None

    def _request_refresh(self) -> None:
        """Request a refresh and wait briefly for it. Call with the condition held."""
        self._refresh_wanted = True
        self._condition.notify_all()
        if self._clock() - self._failed_at < BREAKER_SECONDS:
            return
        rounds, patience = self._rounds, FIRST_WAIT if self._catalogue is None else LATER_WAIT
        self._condition.wait_for(lambda: self._rounds != rounds, patience)

    def _read(self) -> _Found:
        """List the bucket page by page, reusing the objects of unchanged entries to save memory."""
        found, now, known = _Found(), self._clock(), self._known().entries
        for each in self._bucket.list_objects(self._prefix):
            name = self._name(each.key)
            etag = "" if catalogue.digest_in(name) else each.etag
            if name.startswith(_TRASH):
                found.trash[name.removeprefix(_TRASH)] = etag
            elif name.startswith(PINNED):
                found.pins.append(name)
            elif name.startswith(TEMP_PREFIX):
                if each.modified_at < now - _SENT_SECONDS:
                    found.old.append(name)
            elif catalogue.is_picture(name):
                entry = Entry(key=name, size=each.size, kept_at=each.modified_at, etag=etag)
                earlier = known.get(name)
                found.shown.append(earlier if earlier and earlier == entry else entry)
        return found

    def _apply(self, found: _Found) -> None:
        """Replace the cached list, applying changes made during listing, and save it to disk."""
        fresh = Catalogue(found.shown)
        trash: Mapping[str, str] = found.trash
        with self._condition:
            for change in self._changes:
                fresh, trash = change.of_list(fresh), change.of_trash(trash)
            self._catalogue, self._listed_at, self._trouble = fresh, self._clock(), None
            self._is_of_this_run = True
            self._trash = trash
            self._pins.learn(found.pins)
            self._end_round()
        known = CachedList(listed_at=self._listed_at, catalogue=fresh, trash=trash, pins=self._pins.names)
        save(self._cache_file, known, of=self._identity())

    def _end_round(self) -> None:
        self._rounds += 1
        self._refresh_wanted = False  # this list also answers requests made meanwhile
        self._condition.notify_all()

    def _sweep(self, old: Iterable[str]) -> None:
        """Delete expired ``.sent/`` objects; failures are retried on the next refresh."""
        with contextlib.suppress(BucketError):
            for name in islice(old, _SWEEP):
                self._bucket.delete(self._prefix + name)

    def _known(self) -> Catalogue:
        return self._catalogue or Catalogue(())

    def _current_key(self, key: str) -> str:
        """The current key according to the cached list; an unknown key is returned unchanged."""
        known = self._known()
        if catalogue.shown_key(key) in known.entries:
            return key
        same = known.of_content(catalogue.digest_in(key))
        if same:
            return same.key
        deleted = catalogue.same_picture(key, self._trash)
        return _TRASH + deleted if deleted else key

    def _key_as_used(self, key: str, etag: str) -> str:
        """The key of that content, according to the cached list."""
        pin, now = self._pins.find(key, etag), self._current_key(key)
        if not pin and etag and self._etag_at(now) not in ("", etag):
            raise missing()
        return pin or now

    def _etag_at(self, key: str) -> str:
        """The ETag in the cached list, or ``""``."""
        if key.startswith(_TRASH):
            return self._trash.get(key.removeprefix(_TRASH), "")
        entry = self._known().entries.get(key)
        return entry.etag if entry else ""

    def _address(self, key: str, change: str) -> str:
        """A signed URL, reused for an hour so that browsers can cache the image."""
        now = self._clock()
        url, until = self._addresses.get((key, change), ("", 0.0))
        if now < until:
            return url
        if len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.clear()
        url = self._bucket.signed_url(self._prefix + key, seconds=_SHOWN_SECONDS, change=change)
        self._addresses[key, change] = url, now + _SHOWN_SECONDS / 2
        return url

    def _look(self, key: str) -> StoredObject:
        try:
            return self._bucket.look(self._prefix + key)
        except NotFound:
            raise missing() from None

    def _is_there(self, key: str) -> bool:
        try:
            self._bucket.look(self._prefix + key)
        except NotFound:
            return False
        return True

    def _move(self, key: str, target: str, *, replace: bool = False) -> None:
        """Copy, then delete: a failure in between leaves a duplicate and loses nothing.

        Raises Conflict when the target exists, unless ``replace``, for identical content.
        """
        try:
            self._bucket.copy(self._prefix + key, self._prefix + target, overwrite=replace)
        except NotFound:
            raise missing() from None
        except Conflict:
            raise taken(target) from None
        self._bucket.delete(self._prefix + key)

    def _make_room_in_trash(self, key: str) -> None:
        """Add a counter to the image of that name in the trash; losing a race is harmless."""
        free = catalogue.next_free_key(key, lambda name: self._is_there(_TRASH + name))
        etag = self._etag_at(_TRASH + key)
        with contextlib.suppress(Conflict, NotFound):
            self._move(_TRASH + key, _TRASH + free)
            self._change(Change(trash_without=key, trash_plus={free: etag}))

    def _entry(self, key: str, size: int, etag: str = "") -> Entry:
        etag = "" if catalogue.digest_in(key) else etag
        return Entry(key=key, size=size, kept_at=self._clock(), etag=etag)

    def _added(self, entry: Entry, *, without: str = "", trash_without: str = "") -> LibraryImage:
        self._change(Change(without=without or entry.key, plus=entry, trash_without=trash_without))
        return catalogue.to_library_image(entry)

    def _change(self, change: Change) -> None:
        """Apply a change to the cached list and log it for a refresh in progress."""
        with self._condition:
            self._changes.append(change)
            self._trash = change.of_trash(self._trash)
            if self._catalogue is not None:
                self._catalogue = change.of_list(self._catalogue)

    def _name(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _load_cache(self) -> None:
        """Load the list saved by the previous run, until the first refresh."""
        known = load(self._cache_file, of=self._identity())
        if known:
            self._catalogue, self._listed_at = known.catalogue, known.listed_at
            self._trash = known.trash
            self._pins.learn(known.pins)

    def _identity(self) -> str:
        return f"{self._bucket.address.endpoint}/{self._bucket.address.bucket}/{quote(self._prefix)}"
