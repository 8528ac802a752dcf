"""The public API of the reference-image library, stored in an OSS bucket if configured, else a local folder.

Callers do not depend on where an image is stored. Does not use Pillow: uploads are validated before.
Starts no thread; the worker calls ``refresh_if_requested`` when a fresh list is needed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, quote, unquote, urlsplit

from app.config import Settings, is_loopback
from app.domain import (
    FILES_URL,
    WHOLE_DIGEST,
    LibraryImage,
    LibraryPage,
    Reference,
    ReferenceInfo,
    ReferenceLimits,
    SampleImage,
    ValidatedUpload,
)
from app.errors import InvalidRequest, NotFound
from app.library import catalogue, local
from app.library.catalogue import THUMBNAILS_URL, Catalogue, IsUsed, media_type_in, media_type_of, never_used
from app.library.local import LocalLibrary

if TYPE_CHECKING:
    from app.library.bucket import BucketLibrary

__all__ = ["FILES_URL", "THUMBNAILS_URL", "Library", "open_library", "shown_at"]

OUTPUT_URL = "/output/"
_SHORTEST_SECONDS = 2 * 3600  # minimum lifetime of a URL passed to a provider


class LibraryBackend(Protocol):
    """Storage for the images of a library. Unknown or invalid keys raise NotFound."""

    source: str

    def catalogue(self) -> Catalogue:
        """The stored images, newest first."""

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Save a validated upload. Identical content is stored once, under its first name."""

    def delete(self, key: str) -> None:
        """Move an image to the trash; ``restore`` undoes it."""

    def restore(self, key: str) -> LibraryImage:
        """Restore a deleted image; does nothing if it exists. Raises NotFound for an unknown key."""

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Rename an image; ``stem`` is the base name. Raises Conflict when the name is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRequest:
    """A reference to prepare, and the form in which the model accepts it."""

    image: SampleImage
    form: str
    limits: ReferenceLimits | None

    def refused(self, why: str) -> InvalidRequest:
        """The error to raise when the reference cannot be sent."""
        return InvalidRequest("sample_images", f"参考图「{self.image.filename}」{why}")


class Library:
    """The library of this installation. Thread-safe."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._local = LocalLibrary(settings.samples_dir)
        self._bucket_library = _open_bucket_library(settings, clock) if settings.oss_enabled else None
        self._backend: LibraryBackend = self._bucket_library or self._local

    @property
    def source(self) -> str:
        """``oss`` or ``local``."""
        return self._backend.source

    @property
    def wants_refreshing(self) -> bool:
        """Whether the list must be refreshed in the background."""
        return self._bucket_library is not None

    def list_images(self, search: str = "", *, offset: int = 0, limit: int | None = None) -> LibraryPage:
        """A page of the library, newest first; ``search`` is a substring of names, case and width folded.

        Waits at most 1.5 s for OSS; ``is_stale`` marks an outdated list. Raises BucketError or TryLater when
        there is no list at all.
        """
        found = self._backend.catalogue().search(search)
        end = None if limit is None else offset + limit
        shown = tuple(catalogue.to_library_image(entry) for entry in found[offset:end])
        page = LibraryPage(images=shown, total=len(found), source=self.source)
        bucket = self._bucket_library
        if bucket is None:
            return page
        return replace(page, listed_at=bucket.listed_at, is_stale=bucket.is_stale, problem=bucket.trouble)

    def image(self, key: str) -> LibraryImage:
        """One image by key. Raises NotFound."""
        entry = self._backend.catalogue().entries.get(key)
        if entry is None:
            raise catalogue.missing()
        return catalogue.to_library_image(entry)

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Save a validated upload."""
        return self._backend.add(upload)

    def delete(self, key: str) -> None:
        """Move an image to the trash."""
        self._backend.delete(key)

    def restore(self, key: str) -> LibraryImage:
        """Restore an image from the trash."""
        return self._backend.restore(key)

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Rename an image; records still find it by its hash."""
        return self._backend.rename(key, stem)

    def file(self, key: str) -> Path | str:
        """The path or URL of the image, even if it was renamed or deleted. For a key from the URL of
        ``SampleImage.pinned``, the content that the record used."""
        mark, plain = catalogue.read_pin(key)
        return (self._bucket_for(plain, mark) or self._local).file(plain, mark)

    def thumbnail(self, key: str) -> Path | str:
        """The path or URL of the thumbnail."""
        mark, plain = catalogue.read_pin(key)
        return (self._bucket_for(plain, mark) or self._local).thumbnail(plain, mark)

    def pin(self, images: Iterable[SampleImage]) -> tuple[SampleImage, ...]:
        """Add key and hash or ETag to the references, so that a record can show what it used."""
        return tuple(self._pinned(image) for image in images)

    def identify(self, images: Iterable[SampleImage]) -> tuple[SampleImage, ...]:
        """Like ``pin``, at submit time, for references whose ETag was unknown without a fresh list.

        Calls OSS. Raises BucketError.
        """
        return tuple(self._identified(image) for image in images)

    def names_of(self, key: str) -> list[str]:
        """The names by which records reference this image: its hash and its URL."""
        return catalogue.names_of(key)

    def facts(self, images: Iterable[SampleImage]) -> dict[str, ReferenceInfo]:
        """Known properties of references by URL, without network calls."""
        found = {image.url: self._facts(image) for image in images}
        return {url: facts for url, facts in found.items() if facts}

    def references(
        self, images: Sequence[SampleImage], *, form: str, limits: ReferenceLimits | None = None
    ) -> list[Reference]:
        """Prepare reference images for a provider at submit time.

        ``form`` is the model's ``reference_form``. Public URLs pass unchanged; stored images become signed
        URLs or bytes, as the model requires. Raises InvalidRequest("sample_images") naming the image that
        is missing, was replaced or violates ``limits``, and BucketError for OSS errors.
        """
        return [self._reference(ReferenceRequest(image=image, form=form, limits=limits)) for image in images]

    def wait_for_request(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; returns whether ``refresh_if_requested`` has work."""
        return self._bucket_library is not None and self._bucket_library.wait_until_wanted(timeout)

    def refresh_if_requested(self) -> None:
        """Refresh the list if requested; snapshot chosen images that could be replaced in the bucket."""
        if self._bucket_library:
            self._bucket_library.tend()

    def refresh(self) -> None:
        """Refresh the list. The next ``list_images`` reports a failure."""
        if self._bucket_library:
            self._bucket_library.refresh()

    def empty_trash(self, *, days: int, is_used: IsUsed = never_used) -> int:
        """Permanently delete images of the local folder after ``days`` in the trash; returns how many.

        Images used by existing records are not deleted. Nothing is deleted from a bucket: other
        installations share it, and their records are unknown here.
        """
        return self._local.empty_trash(days=days, is_used=is_used)

    def _bucket_for(self, key: str, mark: str = "") -> BucketLibrary | None:
        """The bucket, or None for an image saved in the local folder before the bucket was configured."""
        is_here = len(mark) == WHOLE_DIGEST if mark else self._is_local(key)
        return None if is_here else self._bucket_library

    def _is_local(self, key: str) -> bool:
        if self._bucket_library and self._bucket_library.knows(key):
            return False
        with contextlib.suppress(NotFound):
            return bool(self._local.find(key))
        return False

    def _pinned(self, image: SampleImage) -> SampleImage:
        for name in _names_in(image.url, FILES_URL):
            mark, key = catalogue.read_pin(name)
            with contextlib.suppress(NotFound, OSError):
                digest, etag = self._pins_of(key, mark)
                return replace(image, url=FILES_URL + quote(key), key=key, sha256=digest, etag=etag)
        return image

    def _pins_of(self, key: str, mark: str) -> tuple[str, str]:
        """Hash and ETag, where known; for an image that a record used, those of the record."""
        bucket = self._bucket_for(key, mark)
        if bucket is None and mark:
            return (mark, "") if len(mark) == WHOLE_DIGEST else ("", mark)
        if bucket is None:
            return self._local.pin(key), ""
        etag = mark or bucket.etag(key)
        if etag:
            bucket.choose(key, etag)
        return catalogue.digest_in(key), etag

    def _identified(self, image: SampleImage) -> SampleImage:
        for key in () if image.sha256 or image.etag else _names_in(image.url, FILES_URL):
            bucket = None if catalogue.digest_in(key) else self._bucket_for(key)
            with contextlib.suppress(NotFound):
                return replace(image, key=key, etag=bucket.stored(key).etag) if bucket else image
        return image

    def _facts(self, image: SampleImage) -> ReferenceInfo | None:
        for prefix, place in ((FILES_URL, None), (OUTPUT_URL, self._settings.output_dir)):
            names = _names_in(image.url, prefix)
            found = [self._facts_of(name, image.content_id, place) for name in names]
            if names:
                unknown = None if place is None and self._bucket_library else ReferenceInfo(is_missing=True)
                return next((facts for facts in found if facts), unknown)
        return None

    def _facts_of(self, name: str, mark: str, place: Path | None) -> ReferenceInfo | None:
        bucket = None if place else self._bucket_for(name, mark)
        if bucket:
            return bucket.facts(name, mark)
        with contextlib.suppress(NotFound, OSError):
            path = local.existing(place, name) if place else self._local.file(name, mark)
            return catalogue.facts_of(path.name, path.stat().st_size)
        return None

    def _reference(self, request: ReferenceRequest) -> Reference:
        image = request.image
        for key in _names_in(image.url, FILES_URL):
            with contextlib.suppress(NotFound):
                return self._library_reference(key, request)
        for name in _names_in(image.url, OUTPUT_URL):
            with contextlib.suppress(NotFound):
                return self._local_reference(
                    _read(local.existing(self._settings.output_dir, name), request), request
                )
        if not _is_web_address(image.url):
            raise request.refused("找不到了，请重新选择")
        return Reference(filename=image.filename, url=image.url)

    def _library_reference(self, key: str, request: ReferenceRequest) -> Reference:
        etag, bucket = request.image.etag, self._bucket_for(key, request.image.content_id)
        if bucket is None:
            return self._local_reference(
                _read(self._local.file(key, request.image.content_id), request), request
            )
        if request.form == "bytes" and not etag:
            return _as_bytes(bucket.content(bucket.place(key)), request)
        stored = bucket.stored(key, etag)
        if etag not in ("", stored.etag):
            raise request.refused("排队之后被换成了另一张，没有生成，也没有计费，请重新选择")
        if request.form == "bytes":
            return _as_bytes(bucket.content(stored.key), request)
        return self._as_address(bucket, stored.key, stored.etag, request)

    def _local_reference(self, content: bytes, request: ReferenceRequest) -> Reference:
        """A reference to a local image, uploaded temporarily for a model that only accepts URLs."""
        if request.form == "url" and self._bucket_library:
            key = self._bucket_library.lend(content, media_type_in(content, request.image.filename))
            return self._as_address(self._bucket_library, key, "", request)
        return _as_bytes(content, request)

    def _as_address(self, bucket: BucketLibrary, key: str, etag: str, request: ReferenceRequest) -> Reference:
        """Check ``limits`` before sending: a request that the provider rejects might be charged."""
        facts = bucket.measured(key, etag) if request.limits else None
        if request.limits and facts and (why := request.limits.violation(facts)):
            raise request.refused(f"用不了：它{why}，没有生成，也没有计费")
        url = bucket.sent_address(key, seconds=self._seconds)
        return Reference(filename=request.image.filename, url=url, media_type=media_type_of(key))

    @property
    def _seconds(self) -> int:
        """The lifetime of a URL for a provider: longer than the generation timeout."""
        return max(_SHORTEST_SECONDS, self._settings.model_timeout + 3600)


def open_library(settings: Settings, clock: Callable[[], float] = time.time) -> Library:
    """The library for these settings. Raises SettingError for invalid OSS settings."""
    return Library(settings, clock)


def shown_at(image: SampleImage) -> str:
    """The thumbnail URL of a reference that a record used; an external image's own URL."""
    used = image.pinned.url
    return THUMBNAILS_URL + used.removeprefix(FILES_URL) if used.startswith(FILES_URL) else used


def _read(path: Path, request: ReferenceRequest) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or error
        raise request.refused(f"读不出来（{why}），请检查文件的权限和磁盘；没有生成，也没有计费") from error


def _as_bytes(content: bytes, request: ReferenceRequest) -> Reference:
    name = request.image.filename
    return Reference(filename=name, content=content, media_type=media_type_in(content, name))


def _open_bucket_library(settings: Settings, clock: Callable[[], float]) -> BucketLibrary:
    from app.library.bucket import BucketLibrary
    from oss_client import Bucket  # oss2 takes 20 MB of memory: import only with a bucket

    memory = settings.samples_dir / ".oss-list.json"
    return BucketLibrary(Bucket(settings), settings.oss_sample_prefix, memory=memory, clock=clock)


def _names_in(url: str, prefix: str) -> tuple[str, ...]:
    """The names in one of our own URLs, percent-decoded and literal (``%E7%8C%AB``: 猫); else empty."""
    address = _split(url)
    if not address.path.startswith(prefix):
        return ()
    if address.scheme and not is_loopback(address.hostname or ""):
        return ()
    as_it_stands = url[url.find(prefix) + len(prefix) :]
    return tuple(dict.fromkeys((unquote(as_it_stands.partition("?")[0]), as_it_stands)))


def _is_web_address(url: str) -> bool:
    """Whether this is an external URL; one of our own that was not found is not."""
    address = _split(url)
    is_ours = address.path.startswith((FILES_URL, OUTPUT_URL)) and is_loopback(address.hostname or "")
    return address.scheme in ("http", "https") and not is_ours


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
