"""Library backend for an OSS bucket.

Hidden prefixes: ``.trash/`` for deleted images, ``.pinned/`` for snapshots of images added by hand that
records used, ``.sent/`` for local images uploaded for a provider, deleted after two days. Nothing else is
ever deleted: other installations share the bucket, and their records are unknown here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from app.domain import ReferenceInfo, ValidatedUpload
from app.domain.references import DIGEST_LENGTH
from app.errors import BucketError, Conflict, NotFound
from app.library import catalogue
from app.library.catalogue import THUMBNAIL_PROCESS, TRASH, Catalogue, Entry, missing, taken
from app.library.list_cache import BREAKER_SECONDS, TEMP_PREFIX, ListCache, entry_of
from oss_client import Bucket, StoredObject

_SHOWN_SECONDS = 7_200  # lifetime of a URL for browsers; reused for half of it
_MOST_URLS = 3_000  # 2 MB
_TEMP_SECONDS = 2 * 24 * 3600.0
_TEMP_REUSE_SECONDS = _TEMP_SECONDS / 2  # another installation may delete it by its own clock
_MOST_DELETES = 100  # temporary objects per refresh
_MOST_SNAPSHOTS = 10  # between two looks at whether a refresh is requested
_REFUSED_SECONDS = 600.0  # without snapshots after OSS refused one
T = TypeVar("T")


class BucketLibrary:
    """The backend used with a bucket. Unknown or invalid keys raise NotFound; every method BucketError."""

    source = "oss"

    def __init__(
        self, bucket: Bucket, prefix: str, *, is_shared: bool, cache_file: Path, clock: Callable[[], float]
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self.list = ListCache(bucket, prefix, is_shared=is_shared, file=cache_file, clock=clock)
        self._open_error: BucketError | None = None
        self._open_since = 0.0
        self._copies_refused_until = 0.0
        self._requested_snapshots: dict[str, tuple[str, str]] = {}
        self._urls: dict[tuple[str, str], tuple[str, float]] = {}
        self._uploaded_at: dict[str, float] = {}
        self._measured: dict[str, ReferenceInfo | None] = {}

    def catalogue(self) -> Catalogue:
        """The cached list. Without one, waits at most 1.5 s, then raises BucketError or TryLater."""
        return self.list.read()

    def refresh_when_requested(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a request to refresh the list or to make snapshots, and carry it
        out; returns whether there was one."""
        is_stale = self.list.wait_for_request(0.0 if self._requested_snapshots else timeout)
        if is_stale:
            self.refresh()
        snapshots = min(_MOST_SNAPSHOTS, len(self._requested_snapshots))
        for _ in range(snapshots):
            key, etag = self._requested_snapshots.popitem()[1]
            with contextlib.suppress(BucketError):  # ``find`` makes it before the paid call
                self._snapshot(key, etag)
        return is_stale or snapshots > 0

    def refresh(self) -> None:
        """Refresh the list and delete expired temporary objects; those that fail are deleted next time."""
        until = self._clock() - _TEMP_SECONDS
        expired = [found.key for found in self.list.refresh() if found.modified_at < until]
        with contextlib.suppress(BucketError):
            for key in expired[:_MOST_DELETES]:
                self._bucket.delete(key)

    def add(self, upload: ValidatedUpload, added_at: float | None = None) -> Entry:
        """Save a validated upload. Identical content is stored once, under its first name."""
        digest = hashlib.sha256(upload.content).hexdigest()[:DIGEST_LENGTH]
        same = self.list.known.of_content(digest)
        if same and self._exists(same.key):
            return same
        key = catalogue.key_for(upload, digest)
        self._bucket.put(self._prefix + key, upload.content, catalogue.media_type_of(key))
        modified_at = self._clock() if added_at is None else added_at
        entry = Entry(key=key, size=len(upload.content), modified_at=modified_at)
        self.list.edit(without=key, plus=entry)
        return entry

    def keep(self, snapshot: str, content: bytes) -> None:
        """Upload a snapshot, unless it is listed."""
        if not self.knows(snapshot):
            key = self._prefix + snapshot
            self._with_breaker(lambda: self._bucket.put(key, content, catalogue.media_type_of(snapshot)))
            self.list.edit(plus=Entry(key=snapshot, size=len(content), modified_at=self._clock()))

    def delete(self, key: str) -> None:
        """Move an image to the trash, renaming another image of that name there."""
        key, deleted = catalogue.shown_key(key), TRASH + key
        while True:
            with contextlib.suppress(Conflict):
                self._move(key, deleted, overwrite=bool(catalogue.digest_in(key)))
                return
            with contextlib.suppress(Conflict, NotFound):  # lost a race
                self._move(deleted, catalogue.next_free_key(deleted, self._exists))

    def restore(self, key: str) -> Entry:
        """Restore a deleted image; does nothing if it exists."""
        key, is_same = catalogue.shown_key(key), bool(catalogue.digest_in(key))
        try:
            return self._move(TRASH + key, key, overwrite=is_same)
        except NotFound:
            return entry_of(key, self._head(key), self._clock())

    def rename(self, key: str, stem: str) -> Entry:
        """Rename an image; ``stem`` is the base name. Raises Conflict when the name is taken."""
        target = catalogue.renamed(catalogue.shown_key(key), stem)
        if target == key:
            return entry_of(key, self._head(key), self._clock())
        return self._move(key, target)

    def file(self, key: str, etag: str = "") -> str:
        """A URL of the image for browsers, even if it was renamed or deleted.

        With an ETag, of that content: raises NotFound when it was replaced and has no snapshot.
        """
        return self._url(self._key_of_content(key, etag), "")

    def thumbnail(self, key: str, etag: str = "") -> str:
        """A URL of the thumbnail, 320 px, created by OSS."""
        return self._url(self._key_of_content(key, etag), THUMBNAIL_PROCESS)

    def knows(self, key: str) -> bool:
        """Whether the cached list contains the key."""
        return key in self.list.known.entries

    def facts(self, key: str, etag: str = "") -> ReferenceInfo | None:
        """Known properties of the key, or of its content with this ETag, without network calls."""
        known = self.list.known.entries
        entry = known.get(key)
        if entry and etag in ("", entry.etag):
            return self._measured.get(entry.etag) or catalogue.facts_of(key, entry.size)
        if entry and not self.list.is_stale and catalogue.snapshot_key(key, etag) not in known:
            return ReferenceInfo(is_missing=True)
        return self._measured.get(etag)

    def pin(self, key: str) -> str:
        """The hash in the key, else the ETag of the content, of which a snapshot is requested.

        Asks OSS only for a key that is not listed. Raises NotFound.
        """
        current = self.list.known.current_key(key)
        if digest := catalogue.digest_in(key):
            return digest
        entry = self.list.known.entries.get(current)
        etag = entry.etag if entry else self._with_breaker(lambda: self._head(current)).etag
        snapshot = catalogue.snapshot_key(key, etag)
        if not self.knows(snapshot):
            self._requested_snapshots[snapshot] = key, etag
        return etag

    def content_id(self, key: str) -> str:
        """As ``pin``, from the cached list alone. Raises NotFound for a key that is not listed."""
        if digest := catalogue.digest_in(key):
            return digest
        entry = self.list.known.entries.get(self.list.known.current_key(key))
        if entry is None:
            raise missing()
        return entry.etag

    def find(self, key: str, etag: str) -> StoredObject:
        """The object of an image as OSS has it now, even if renamed or deleted. Raises NotFound.

        With an ETag, the snapshot of that content, made if possible; else the current object, with its own.
        """
        found = self._with_breaker(lambda: self._snapshot(key, etag)) if etag else None
        current = self.list.known.current_key(key)
        return found or self._with_breaker(lambda: self._head(current))

    def signed_url(self, key: str, *, seconds: int) -> str:
        """A signed URL of a full object key."""
        return self._bucket.signed_url(key, seconds=seconds)

    def content(self, key: str) -> bytes:
        """The bytes of a full object key. Raises NotFound."""
        return self._with_breaker(lambda: self._bucket.fetch(key))

    def measure(self, key: str, etag: str) -> ReferenceInfo | None:
        """Properties of a full object key, measured by OSS; None when the key contains them or OSS cannot
        read the image."""
        if catalogue.digest_in(key):
            return None
        content = etag or key
        if content not in self._measured:
            self._measured[content] = self._with_breaker(lambda: self._measure(key))
        return self._measured[content]

    def upload_temporary(self, content: bytes, media_type: str) -> str:
        """Upload a local image for a provider, deleted after two days; returns its full key."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        key = f"{self._prefix}{TEMP_PREFIX}{digest}.{media_type.rpartition('/')[2]}"
        now = self._clock()
        if now - self._uploaded_at.get(digest, 0.0) > _TEMP_REUSE_SECONDS:
            self._with_breaker(lambda: self._bucket.put(key, content, media_type))
            self._uploaded_at[digest] = now
        return key

    def _snapshot(self, key: str, etag: str) -> StoredObject | None:
        """The snapshot of this content, copied by OSS if missing; None if it was replaced or OSS refuses.

        Safe to run concurrently: the copies are equal.
        """
        name = catalogue.snapshot_key(key, etag)
        with contextlib.suppress(NotFound):
            return self._head_snapshot(name, etag)
        if self._clock() < self._copies_refused_until:
            return None
        source = self._prefix + self.list.known.current_key(key)
        try:
            with contextlib.suppress(Conflict, NotFound):  # copied meanwhile, or the content is gone
                self._bucket.copy(source, self._prefix + name, if_match=etag)
            return self._head_snapshot(name, etag)
        except NotFound:
            return None
        except BucketError as error:
            if error.transient:
                raise
            self._copies_refused_until = self._clock() + _REFUSED_SECONDS
            return None

    def _head_snapshot(self, name: str, etag: str) -> StoredObject:
        found = replace(self._head(name), etag=etag)  # a copy of a multipart object has another ETag
        if not self.knows(name):
            self.list.edit(plus=entry_of(name, found, self._clock()))
        return found

    def _with_breaker(self, call: Callable[[], T]) -> T:
        """Circuit breaker: fail fast for ``BREAKER_SECONDS`` after a transient error."""
        open_error = self._open_error
        if open_error and self._clock() - self._open_since < BREAKER_SECONDS:
            raise BucketError(open_error.message, transient=True)
        try:
            answer = call()
        except BucketError as error:
            self._open_error, self._open_since = (error if error.transient else None), self._clock()
            raise
        self._open_error = None
        return answer

    def _measure(self, key: str) -> ReferenceInfo | None:
        try:
            info = json.loads(self._bucket.fetch(key, process="image/info"))
            return ReferenceInfo(
                format=info["Format"]["value"].lower().replace("jpg", "jpeg"),
                size=int(info["FileSize"]["value"]),
                width=int(info["ImageWidth"]["value"]),
                height=int(info["ImageHeight"]["value"]),
            )
        except BucketError as error:
            if error.transient:
                raise
        except (AttributeError, KeyError, TypeError, ValueError):  # not the documented answer
            pass
        return None

    def _key_of_content(self, key: str, etag: str) -> str:
        """The key of that content, according to the cached list."""
        known = self.list.known
        snapshot = catalogue.snapshot_key(key, etag)
        if etag and snapshot in known.entries:
            return snapshot
        current = known.current_key(key)
        entry = known.entries.get(current)
        if etag and entry and entry.etag not in ("", etag):
            raise missing()
        return current

    def _url(self, key: str, process: str) -> str:
        """A signed URL, reused for an hour so that browsers can cache the image."""
        now = self._clock()
        url, until = self._urls.get((key, process), ("", 0.0))
        if now < until:
            return url
        if len(self._urls) > _MOST_URLS:
            self._urls.clear()
        url = self._bucket.signed_url(self._prefix + key, seconds=_SHOWN_SECONDS, process=process)
        self._urls[key, process] = url, now + _SHOWN_SECONDS / 2
        return url

    def _head(self, key: str) -> StoredObject:
        try:
            return self._bucket.head(self._prefix + key)
        except NotFound:
            raise missing() from None

    def _exists(self, key: str) -> bool:
        with contextlib.suppress(NotFound):
            return bool(self._head(key))
        return False

    def _move(self, key: str, target: str, *, overwrite: bool = False) -> Entry:
        """Copy, then delete: a failure in between leaves a duplicate and loses nothing.

        Raises Conflict when the target exists, unless ``overwrite``, for identical content.
        """
        found = self._head(key)
        try:
            self._bucket.copy(found.key, self._prefix + target, overwrite=overwrite)
        except NotFound:
            raise missing() from None
        except Conflict:
            raise taken(target) from None
        self._bucket.delete(found.key)
        entry = entry_of(target, found, self._clock())
        self.list.edit(without=key, plus=entry)
        return entry
