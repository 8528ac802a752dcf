"""The public API of the reference-image library, stored in an OSS bucket if configured, else a local folder.

Callers do not depend on where an image is stored. Does not use Pillow: uploads are validated before.
Starts no thread; the worker calls ``refresh_if_requested`` when a fresh list is needed.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from app.config import Settings, is_loopback
from app.domain import (
    FILES_URL,
    WHOLE_DIGEST,
    LibraryImage,
    LibraryPage,
    ModelSpec,
    Reference,
    ReferenceInfo,
    SampleImage,
    ValidatedUpload,
)
from app.errors import InvalidRequest, NotFound, message
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

    def pin(self, key: str) -> str:
        """The content id of the image now: a hash, or the bucket's ETag."""

    def facts(self, key: str, content_id: str = "") -> ReferenceInfo | None:
        """Known properties of the image, or of this content, without network calls."""


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
        listed = bucket.list
        return replace(page, listed_at=listed.listed_at, is_stale=listed.is_stale, problem=listed.problem)

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

    def file(self, name: str) -> Path | str:
        """The path or URL of the image, even if it was renamed or deleted. ``name`` is a key, or that of
        ``SampleImage.pinned``: then the content that the record used."""
        content_id, key = catalogue.split_pinned(name)
        return self._backend_of(key, content_id).file(key, content_id)

    def thumbnail(self, name: str) -> Path | str:
        """The path or URL of the thumbnail."""
        content_id, key = catalogue.split_pinned(name)
        return self._backend_of(key, content_id).thumbnail(key, content_id)

    def pin(self, images: Iterable[SampleImage]) -> dict[SampleImage, SampleImage]:
        """Fix the content of the references of a submission: each distinct one with its key and hash or ETag.

        Waits briefly if the bucket's list is stale. Raises BucketError for an unlisted image while OSS is
        out of reach.
        """
        distinct = dict.fromkeys(images)
        names = [name for image in distinct for name in _names_in(image.url, FILES_URL)]
        if self._bucket_library and not all(map(catalogue.digest_in, names)):
            self._bucket_library.await_refresh()
        return {image: self._pinned(image) for image in distinct}

    def facts(self, images: Iterable[SampleImage]) -> dict[str, ReferenceInfo]:
        """Known properties of references by URL, without network calls."""
        found = {image.url: self._facts(image) for image in images}
        return {url: facts for url, facts in found.items() if facts}

    def resolve(self, images: Iterable[SampleImage], spec: ModelSpec) -> list[Reference]:
        """Prepare the references of a record for the provider, just before submitting.

        Public URLs pass unchanged; stored images become signed URLs or bytes, as the model requires. Raises
        InvalidRequest("sample_images") naming the image that is missing, was replaced or violates the model's
        limits, and BucketError for OSS errors.
        """
        return [self._resolve(image, spec) for image in images]

    def wait_for_request(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds; returns whether ``refresh_if_requested`` has work."""
        return self._bucket_library is not None and self._bucket_library.wait_for_request(timeout)

    def refresh_if_requested(self) -> None:
        """Refresh the list if requested; snapshot pinned images that could be replaced in the bucket."""
        if self._bucket_library:
            self._bucket_library.refresh_if_requested()

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

    def _backend_of(self, key: str, content_id: str = "") -> LocalLibrary | BucketLibrary:
        """The bucket, except for an image saved in the local folder before the bucket was configured."""
        bucket = self._bucket_library
        if bucket is None or len(content_id) == WHOLE_DIGEST:
            return self._local
        if not content_id and not bucket.knows(key):
            with contextlib.suppress(NotFound):
                self._local.find(key)
                return self._local
        return bucket

    def _pinned(self, image: SampleImage) -> SampleImage:
        for name in _names_in(image.url, FILES_URL):
            content_id, key = catalogue.split_pinned(name)
            with contextlib.suppress(NotFound, OSError):
                return image.pin(key, content_id or self._backend_of(key).pin(key))
        return image

    def _facts(self, image: SampleImage) -> ReferenceInfo | None:
        names, outputs = _names_in(image.url, FILES_URL), _names_in(image.url, OUTPUT_URL)
        for name in names:
            with contextlib.suppress(NotFound, OSError):
                return self._backend_of(name, image.content_id).facts(name, image.content_id)
        for name in outputs:
            with contextlib.suppress(NotFound, OSError):
                return local.facts(local.existing(self._settings.output_dir, name))
        return ReferenceInfo(is_missing=True) if names or outputs else None

    def _resolve(self, image: SampleImage, spec: ModelSpec) -> Reference:
        for key in _names_in(image.url, FILES_URL):
            with contextlib.suppress(NotFound):
                return self._resolve_stored(key, image, spec)
        for name in _names_in(image.url, OUTPUT_URL):
            with contextlib.suppress(NotFound):
                return self._resolve_file(local.existing(self._settings.output_dir, name), image, spec)
        if not _is_web_address(image.url):
            raise _refused(image, "找不到了，请重新选择")
        return Reference(filename=image.filename, url=image.url)

    def _resolve_stored(self, key: str, image: SampleImage, spec: ModelSpec) -> Reference:
        backend = self._backend_of(key, image.content_id)
        if isinstance(backend, LocalLibrary):
            return self._resolve_file(backend.file(key, image.content_id), image, spec)
        found = backend.find(key, image.etag)
        if image.etag not in ("", found.etag):
            raise _refused(image, "排队之后被换成了另一张，没有生成，也没有计费，请重新选择")
        if spec.reference_form == "bytes":
            return _as_bytes(backend.content(found.key), image)
        return self._as_url(backend, found.key, found.etag, image, spec)

    def _resolve_file(self, path: Path, image: SampleImage, spec: ModelSpec) -> Reference:
        """A local file: its bytes, or uploaded temporarily for a model that only accepts URLs."""
        try:
            content = path.read_bytes()
        except OSError as error:
            why = error.strerror or error
            text = "读不出来（{reason}），请检查文件的权限和磁盘；没有生成，也没有计费"
            raise _refused(image, text, reason=why) from error
        bucket = self._bucket_library
        if spec.reference_form != "url" or bucket is None:
            return _as_bytes(content, image)
        key = bucket.upload_temporary(content, media_type_in(content, image.filename))
        return self._as_url(bucket, key, "", image, spec)

    def _as_url(
        self, bucket: BucketLibrary, key: str, etag: str, image: SampleImage, spec: ModelSpec
    ) -> Reference:
        """Check the limits before sending: a request that the provider rejects might be charged."""
        facts = bucket.measure(key, etag) if spec.reference_limits else None
        if spec.reference_limits and facts and (why := spec.reference_limits.violation(facts)):
            raise _refused(image, "用不了：它{reason}，没有生成，也没有计费", reason=why)
        lifetime = max(
            _SHORTEST_SECONDS, self._settings.model_timeout + 3600
        )  # beyond the generation timeout
        url = bucket.signed_url(key, seconds=lifetime)
        return Reference(filename=image.filename, url=url, media_type=media_type_of(key))


def open_library(settings: Settings, clock: Callable[[], float] = time.time) -> Library:
    """The library for these settings. Raises SettingError for invalid OSS settings."""
    return Library(settings, clock)


def shown_at(image: SampleImage) -> str:
    """The thumbnail URL of a reference that a record used; an external image's own URL."""
    used = image.pinned.url
    return THUMBNAILS_URL + used.removeprefix(FILES_URL) if used.startswith(FILES_URL) else used


def _refused(image: SampleImage, text: str, /, **values: object) -> InvalidRequest:
    reason = message(text, **values)
    return InvalidRequest(
        "sample_images", "参考图「{filename}」{reason}", filename=image.filename, reason=reason
    )


def _as_bytes(content: bytes, image: SampleImage) -> Reference:
    media_type = media_type_in(content, image.filename)
    return Reference(filename=image.filename, content=content, media_type=media_type)


def _open_bucket_library(settings: Settings, clock: Callable[[], float]) -> BucketLibrary:
    from app.library.bucket import BucketLibrary
    from oss_client import Bucket  # oss2 takes 20 MB of memory: import only with a bucket

    cache_file = settings.samples_dir / ".oss-list.json"
    return BucketLibrary(Bucket(settings), settings.oss_sample_prefix, cache_file=cache_file, clock=clock)


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
