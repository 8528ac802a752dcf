"""Finished images as local files, whether OUTPUT_DIR or OSS stores them.

With ``OUTPUT_STORE=oss`` OUTPUT_DIR has two folders, besides thumbnails: ``.saving`` for images that OSS does
not have yet, named after their record, and ``.cache`` for those that it has, named after the hash of their
key. Independent of the database: a callable finds the key of a file name. Starts no thread.
"""

import contextlib
import hashlib
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from app.config import Settings
from app.domain import ReferenceInfo
from app.errors import BucketError, DiskError, Message, NotFound
from app.images import answers, atomic_write, sidecar, store
from app.images.marks import has_c2pa
from app.library import catalogue
from app.library.local import LocalLibrary
from app.library.output_backup import OutputBackup, digest_in
from app.system import windows_files

SAVING, _CACHE, _THUMBNAILS = ".saving", ".cache", ".thumbnails"
_MEASURE_SECONDS = 3_600.0
_KEPT_FREE = 3 * 10**9  # bytes left free on the disk: with less, orders would pause soon
_AFTER_EVICTION = 0.9  # share of the limit that eviction leaves, so that it does not run for every image
_IN_USE_SECONDS = 60.0  # after its last use, while it may still be read, a file is not evicted
_TOUCH_SECONDS = 30.0  # precision of the time of the last use
_PATIENCE_SECONDS = 10.0  # of failed calls, before orders pause: a connection may break now and then
_PROBE_SECONDS = 3.0
_WAIT_SECONDS = 30.0  # for the download of the same image by another thread
_DOWNLOADS_AT_ONCE = 4
_DECODINGS_AT_ONCE = 2  # of large thumbnails: a PNG of 4K takes 64 MB

# file name -> (the key in OSS, bytes), ("", 0) for an image that OSS does not have
FindStored = Callable[[str], tuple[str, int]]
T = TypeVar("T")


class Outputs:
    """The finished images. Thread-safe."""

    def __init__(self, settings: Settings, bucket: OutputBackup | None, find_stored: FindStored) -> None:
        self.folder = settings.output_dir
        self.find_stored = find_stored
        self._bucket = bucket if settings.output_store == "oss" else None
        self.are_copied = bucket is not None and self._bucket is None  # to OSS, later
        self._limit = settings.output_cache_gb * 10**9 if settings.output_cache_gb else math.inf
        self._size, self._measured_at = 0, -math.inf  # of the cache
        self._evicting = threading.Lock()
        self._lost: BucketError | None = None
        self._lost_since = self._probed_at = self._unread_at = -math.inf
        self._probing = threading.Lock()
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self._downloads = threading.BoundedSemaphore(_DOWNLOADS_AT_ONCE)
        self._decodings = threading.BoundedSemaphore(_DECODINGS_AT_ONCE)

    @property
    def in_oss(self) -> bool:
        """Whether images are stored in OSS, and OUTPUT_DIR is a cache."""
        return self._bucket is not None

    def path(self, name: str, key: str | None = None) -> Path:
        """The local file of an image, downloaded if it is missing; ``key``: that in OSS, if the caller knows.

        Raises NotFound, BucketError, and DiskError when it cannot be saved.
        """
        if key is None:
            key = self.find_stored(name)[0] if self._bucket else ""
        try:
            return self.local(name, key)
        except NotFound:
            if not key:
                raise
        cached = self._cached(key)
        with self._turn(cached.name):
            if not cached.is_file():
                self._write(cached, self._download(key))
        return cached

    def shown(self, name: str, key: str) -> Path | str:
        """As ``path``, but for an image that only OSS has a signed URL, which lives for minutes."""
        try:
            return self.local(name, key)
        except NotFound:
            if not (key and self._bucket):
                raise
            return self._bucket.url(key)

    def shown_thumbnail(self, record_id: int, name: str, *, is_large: bool) -> Path | str:
        """As ``thumbnail``, but a signed URL where neither it nor the image is on this machine."""
        path = store.thumbnail_path(self.folder, record_id, store.THUMBNAIL_SIDES[is_large])
        if self._bucket and not path.is_file():
            key, size = self.find_stored(name)
            if key and not self._cached(key).is_file():
                return self._bucket.thumbnail_url(key, size, is_large=is_large)
        return self.thumbnail(record_id, name, is_large=is_large)

    def local(self, name: str, key: str) -> Path:
        """The file of an image, if it is on this machine; ``key``: that in OSS, or empty. Raises NotFound."""
        if not (self._bucket and key):
            return store.open_output(self.folder, name)
        cached = self._cached(key)
        if cached.is_file():
            _touch(cached)
            return cached
        earlier = store.open_output(self.folder, name)  # saved before OUTPUT_STORE was set
        with contextlib.suppress(OSError):
            if _is_file_of(earlier, key):
                return earlier
        raise NotFound("找不到这张图片，可能已被移走或删除")

    def read(self, name: str, key: str) -> bytes:
        """The bytes of an image in OSS, without adding it to the cache. Raises NotFound and BucketError."""
        with contextlib.suppress(NotFound, OSError):
            return self.local(name, key).read_bytes()
        return self._download(key)

    def thumbnail(self, record_id: int, name: str, *, is_large: bool = False) -> Path:
        """The thumbnail of a record's image: as saved, from OSS, or made from the image; a large one is made
        when it is first asked for.

        Raises NotFound, BucketError and DiskError.
        """
        if self._bucket is None and not is_large:
            return store.ensure_thumbnail(self.folder, record_id, name)
        side = store.THUMBNAIL_SIDES[is_large]
        path = store.thumbnail_path(self.folder, record_id, side)
        if path.is_file():
            _touch(path)
            return path
        with self._turn(path.name):
            if not path.is_file() and is_large:
                source = self.path(name)
                with self._decodings:
                    store.make_thumbnail(path, source, side)
            elif not path.is_file():
                self._fetch_thumbnail(path, name)
        return path

    def _fetch_thumbnail(self, path: Path, name: str) -> None:
        assert self._bucket
        bucket, key = self._bucket, self.find_stored(name)[0]
        content = b""
        if key and not self._cached(key).is_file():
            try:
                content = self._call_oss(lambda: bucket.fetch_thumbnail(key))
            except BucketError as error:
                if error.transient:
                    raise
        if content:
            self._write(path, content)
        else:
            store.make_thumbnail(path, self.path(name))

    def upload(self, path: Path, *, name: str, thumbnail: Path, answer: Path | None = None) -> str:
        """Store an image in OSS -> its key. Raises NotFound and BucketError."""
        assert self._bucket
        bucket = self._bucket
        return self._store_in_oss(lambda: bucket.upload(path, name=name, thumbnail=thumbnail, answer=answer))

    def answer(self, record_id: int, key: str) -> bytes:
        """The answer that was laid over; ``key``: of the image in OSS. Raises NotFound and BucketError."""
        with contextlib.suppress(OSError):
            if path := answers.find(self.folder, record_id):
                return path.read_bytes()
        if not (self._bucket and key):
            raise NotFound("没有服务给的原样，或它在另一台机器上")
        bucket = self._bucket
        return self._call_oss(lambda: bucket.fetch_answer(key))

    def named(self, stem: str) -> Iterator[tuple[str, bytes]]:
        """Key and bytes of the images in OSS with this base name. Raises BucketError."""
        assert self._bucket
        bucket = self._bucket
        for key in self._call_oss(lambda: list(bucket.list_named(stem))):
            with contextlib.suppress(NotFound):  # deleted since it was listed
                content = self._fetch(key)
                if _is_image_of(content, key):
                    yield key, content

    def texts(self, content: bytes) -> list[str]:
        """The parameters that lie beside these bytes, here or in OSS. Raises BucketError."""
        found = sidecar.texts(self.folder, content)
        if found or self._bucket is None or not has_c2pa(content):
            return found
        bucket = self._bucket
        return self._call_oss(lambda: bucket.texts(content))

    def settle(self, path: Path, key: str) -> None:
        """Move a local file into the cache, if it is the image of this key in OSS."""
        with contextlib.suppress(OSError):
            state = path.stat()
            if _is_file_of(path, key):
                cached = self._cached(key)
                cached.parent.mkdir(exist_ok=True)
                windows_files.replace(path, cached)
                os.utime(cached, ns=(state.st_atime_ns, state.st_mtime_ns))  # it was not used, only compared
                self._grow(state.st_size)

    def delete(self, record_id: int, name: str, sha256: str = "") -> None:
        """Delete an image for good, with its thumbnail and what lies beside it; missing files are ignored.

        ``name`` is empty when another record shares the image; ``sha256``: as recorded. Raises DiskError when
        it must be repeated.
        """
        key = self.find_stored(name)[0] if self._bucket and name else ""
        if key and self._bucket:
            bucket = self._bucket
            try:
                self._call_oss(lambda: bucket.delete(key, sha256=sha256, record_id=record_id))
            except BucketError as error:
                raise DiskError(error.message) from error
            with contextlib.suppress(NotFound), atomic_write.translate_os_errors(self.folder):
                self.local(name, key).unlink(missing_ok=True)
        store.delete_image(self.folder, "" if key else name, record_id, sha256)

    def problem(self) -> Message | None:
        """Why OSS stores nothing: a setting is wrong, or no call has succeeded for some seconds."""
        lost = self._lost
        if lost and lost.transient and time.monotonic() - self._lost_since < _PATIENCE_SECONDS:
            return None
        return lost.message if lost else None

    def check(self) -> Message | None:
        """As ``problem``, after a small upload if the last call failed, at most one every few seconds."""
        with self._probing:
            if time.monotonic() - self._probed_at >= _PROBE_SECONDS:
                self._probe()
        return self.problem()

    def check_now(self) -> Message | None:
        """Why OSS stores nothing now, after a small upload if the last call failed."""
        with self._probing:
            self._probe()
        return self._lost.message if self._lost else None

    def _probe(self) -> None:
        if self._bucket and self._lost:
            with contextlib.suppress(BucketError):
                self._store_in_oss(self._bucket.probe)
            self._probed_at = time.monotonic()

    def evict(self) -> None:
        """Delete what was not used for longest, if the cache exceeds its limit or leaves too little space.

        Only what OSS has, and thumbnails, which can be made again, are deleted.
        """
        size, until = sum(each[1] for each in self._evictable()), time.time() - _IN_USE_SECONDS
        limit = self._limit_at(size)
        if size > limit:
            for used_at, each_size, path in sorted(self._evictable()):
                if size <= limit * _AFTER_EVICTION or used_at > until:
                    break
                with contextlib.suppress(OSError):
                    os.unlink(path)  # noqa: PTH108 - of up to a million
                    size -= each_size
        self._size, self._measured_at = size, time.monotonic()

    def _limit_at(self, size: int) -> float:
        """Bytes that the cache may have, when it has ``size`` now."""
        return min(self._limit, size + shutil.disk_usage(self.folder).free - _KEPT_FREE)

    def _evictable(self) -> Iterator[tuple[float, int, str]]:
        """(last use, bytes, path) of the images in the cache, and of the thumbnails."""
        thumbnails = self.folder / _THUMBNAILS
        folders = [self.folder / _CACHE]
        with contextlib.suppress(OSError):
            folders += [path for path in thumbnails.iterdir() if path.is_dir()]
        for folder in folders:
            with contextlib.suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(catalogue.ENDINGS) and entry.is_file():
                        state = entry.stat()
                        yield state.st_atime, state.st_size, entry.path

    def _cached(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self.folder / _CACHE / (digest + os.path.splitext(key)[1].lower())  # noqa: PTH122

    def _write(self, path: Path, content: bytes) -> None:
        with atomic_write.translate_os_errors(self.folder):
            atomic_write.write_over(path, content, self.folder)
        self._grow(len(content))

    def _grow(self, by: int) -> None:
        """Count what was added, and evict when that is due; other processes may use the folder too."""
        self._size += by
        is_old = time.monotonic() - self._measured_at > _MEASURE_SECONDS
        if (is_old or self._size > self._limit_at(self._size)) and self._evicting.acquire(blocking=False):
            try:
                self.evict()
            finally:
                self._evicting.release()

    def _fetch(self, key: str) -> bytes:
        assert self._bucket
        bucket = self._bucket
        if not self._downloads.acquire(timeout=_WAIT_SECONDS):
            raise _too_slow()
        try:
            return self._call_oss(lambda: bucket.fetch(key))
        finally:
            self._downloads.release()

    def _download(self, key: str) -> bytes:
        content = self._fetch(key)
        if not _is_image_of(content, key):
            text = "OSS 里的这张图片和保存时不一样，可能被改动过，请到 OSS 控制台查看"
            raise BucketError(text, transient=False)
        return content

    def _call_oss(self, call: Callable[[], T]) -> T:
        """Call OSS; just after a call has failed, fail at once instead of waiting again."""
        lost = self._lost
        if lost and lost.transient and time.monotonic() - self._unread_at < _PROBE_SECONDS:
            raise BucketError(lost.message, transient=True)
        try:
            result = call()
        except BucketError as error:
            if error.transient:
                self._lose(error)
                self._unread_at = time.monotonic()
            raise
        if self._lost and self._lost.transient:
            self._lost = None
        return result

    def _store_in_oss(self, call: Callable[[], T]) -> T:
        try:
            result = call()
        except BucketError as error:
            self._lose(error)
            raise
        self._lost = None
        return result

    def _lose(self, error: BucketError) -> None:
        if self._lost is None:
            self._lost_since = time.monotonic()
        self._lost = error

    @contextlib.contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Let one thread at a time create this file. Raises BucketError after ``_WAIT_SECONDS``."""
        with self._changed:
            if not self._changed.wait_for(lambda: name not in self._busy, _WAIT_SECONDS):
                raise _too_slow()
            self._busy.add(name)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(name)
                self._changed.notify_all()


class OutputLibrary(LocalLibrary):
    """Finished images as reference images, from OSS where they are not on this machine."""

    def __init__(self, outputs: Outputs) -> None:
        super().__init__(outputs.folder)
        self._outputs = outputs

    def find(self, key: str) -> Path:
        """The path of an image, downloaded if it is missing."""
        return self._outputs.path(key)

    def content_id(self, key: str) -> str:
        """The first digits of the content hash, without a network call."""
        return digest_in(self._outputs.find_stored(key)[0]) or super().content_id(key)

    def facts(self, key: str, content_id: str = "") -> ReferenceInfo:
        """The properties that name and size provide, without a network call."""
        stored, size = self._outputs.find_stored(key)
        return catalogue.facts_of(key, size) if stored else super().facts(key, content_id)


def _is_image_of(content: bytes, key: str) -> bool:
    """Whether these are the bytes that were uploaded under this key."""
    return hashlib.sha256(content).hexdigest().startswith(digest_in(key))


def _is_file_of(path: Path, key: str) -> bool:
    """Whether this is the image of a key in OSS. Raises OSError."""
    return store.sha256_of(path).startswith(digest_in(key) or "-")


def _touch(path: Path) -> None:
    """Set the time of the last use, if that is not recent; file systems may not do it themselves."""
    with contextlib.suppress(OSError):
        state = path.stat()
        if time.time() - state.st_atime > _TOUCH_SECONDS:
            os.utime(path, ns=(time.time_ns(), state.st_mtime_ns))


def _too_slow() -> BucketError:
    return BucketError("OSS 太慢，图片还没下载完，请稍后再试", transient=True)
