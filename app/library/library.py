"""The public API of the reference-image library, stored in an OSS bucket if configured, else a local folder.

Callers do not depend on where an image is stored. Does not use Pillow: uploads are validated before.
Starts no thread; the worker calls ``refresh_when_requested``.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

from app.config import Settings
from app.domain import (
    FILES_URL,
    FULL_DIGEST_LENGTH,
    LibraryImage,
    LibraryPage,
    ModelSpec,
    Reference,
    ReferenceInfo,
    SampleImage,
    ValidatedUpload,
)
from app.errors import BucketError, InvalidRequest, NotFound, TryLater, message
from app.library import catalogue
from app.library.catalogue import THUMBNAILS_URL, IsUsed, to_library_image
from app.library.local import LocalLibrary
from app.library.outputs import OutputLibrary, Outputs
from app.setting import is_loopback

if TYPE_CHECKING:
    from app.library.bucket import BucketLibrary

    Backend = LocalLibrary | BucketLibrary

__all__ = ["FILES_URL", "THUMBNAILS_URL", "Library", "shown_at"]

OUTPUT_URL = "/output/"
_LENGTH_OF_ETAG = 32
_SHORTEST_SECONDS = 2 * 3600  # minimum lifetime of a URL passed to a provider


class Library:
    """The library of this installation. Thread-safe. Unknown or invalid keys raise NotFound.

    The constructor raises SettingError for invalid OSS settings.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = time.time, *, outputs: Outputs | None = None
    ) -> None:
        self._local = LocalLibrary(settings.samples_dir)
        self._outputs = LocalLibrary(settings.output_dir)
        if outputs and outputs.in_oss:
            self._outputs = OutputLibrary(outputs)
        self._bucket = _open_bucket_library(settings, clock) if settings.oss_enabled else None
        self._backend: LocalLibrary | BucketLibrary = self._bucket or self._local
        self._url_seconds = max(_SHORTEST_SECONDS, settings.model_timeout + 3600)  # outlives the generation

    @property
    def source(self) -> str:
        """``oss`` or ``local``."""
        return self._backend.source

    @property
    def wants_refreshing(self) -> bool:
        """Whether ``refresh_when_requested`` must be called in the background."""
        return self._bucket is not None

    def list_images(
        self,
        search: str = "",
        *,
        offset: int = 0,
        limit: int | None = None,
        rank: Callable[[str], Any] | None = None,
    ) -> LibraryPage:
        """A page of the library; ``search`` is a substring of names, case and width folded. ``rank`` of a key
        is what it is sorted by; without one the newest are first.

        Waits at most 1.5 s for OSS; ``is_stale`` marks an outdated list. Raises BucketError or TryLater when
        there is no list at all.
        """
        found = self._backend.catalogue().search(search)
        if rank:
            found = sorted(found, key=lambda entry: rank(entry.key))
        end = None if limit is None else offset + limit
        shown = tuple(to_library_image(entry) for entry in found[offset:end])
        page = LibraryPage(images=shown, total=len(found), source=self.source)
        if self._bucket is None:
            return page
        cached = self._bucket.list
        return replace(page, listed_at=cached.listed_at, is_stale=cached.is_stale, problem=cached.problem)

    @property
    def digest(self) -> str:
        """The same for the same images; empty without a list of them. Waits as ``list_images`` does."""
        with contextlib.suppress(BucketError, TryLater):
            return self._backend.catalogue().digest
        return ""

    def image(self, key: str) -> LibraryImage:
        """One image by key."""
        entry = self._backend.catalogue().entries.get(catalogue.shown_key(key))
        if entry is None:
            raise catalogue.missing()
        return to_library_image(entry)

    def add(self, upload: ValidatedUpload, added_at: float | None = None) -> LibraryImage:
        """Save a validated upload. Identical content is stored once, under its first name.

        ``added_at`` (Unix time) decides its place among the newest; a bucket knows only when it arrived.
        """
        return to_library_image(self._backend.add(upload, added_at))

    def keep(self, content: bytes, filename: str) -> SampleImage:
        """Keep a PNG that belongs to records and is not shown in the library, found by its content.

        Raises BucketError or DiskError.
        """
        digest = hashlib.sha256(content).hexdigest()
        if self._bucket is None:
            self._local.keep(catalogue.snapshot_key(filename, digest), content)
        else:  # as long as an ETag: what has all digits is in the local folder
            digest = digest[:_LENGTH_OF_ETAG]
            self._bucket.keep(catalogue.snapshot_key(filename, digest), content)
        return SampleImage(url="", filename=filename).pin(filename, digest).pinned

    def content(self, key: str) -> bytes:
        """The bytes of an image of the library. Raises NotFound, BucketError or DiskError."""
        backend = self._backend_of(catalogue.shown_key(key))
        if isinstance(backend, LocalLibrary):
            return backend.content(key)
        return backend.content(backend.find(key, "").key)

    def delete(self, key: str) -> None:
        """Move an image to the trash; ``restore`` undoes it."""
        self._backend.delete(key)

    def restore(self, key: str) -> LibraryImage:
        """Restore a deleted image; does nothing if it exists."""
        return to_library_image(self._backend.restore(key))

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Rename an image; ``stem`` is the base name. Records still find it by its hash.

        Raises Conflict when the name is taken.
        """
        return to_library_image(self._backend.rename(key, stem))

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

        Waits at most 1.5 s for a stale list. Raises BucketError for an unlisted image if OSS is out of reach.
        """
        distinct = dict.fromkeys(images)
        names = (name for image in distinct for name in _names_in(image.url, FILES_URL))
        if self._bucket and not all(map(catalogue.digest_in, names)):
            self._bucket.list.await_refresh()
        return {image: self._pinned(image, lambda backend, key: backend.pin(key)) for image in distinct}

    def identify(self, images: Iterable[SampleImage]) -> dict[SampleImage, SampleImage]:
        """As ``pin``, without network calls and snapshots: for comparing, not for submitting.

        An image of the bucket that the cached list does not contain stays as it is.
        """
        distinct = dict.fromkeys(images)
        return {
            image: self._pinned(image, lambda backend, key: backend.content_id(key)) for image in distinct
        }

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
        references, size, limit = [], 0, spec.max_reference_bytes
        for image in images:
            references.append(self._resolve(image, spec))
            size += len(references[-1].content or b"")
            if size > limit:
                text = "参考图一共超过 {limit} MB，{model} 收不下，请少选几张或缩小；没有计费"
                values = {"limit": limit // 1_048_576, "model": message(spec.label)}
                raise InvalidRequest("sample_images", text, **values)
        return references

    def contents(self, images: Iterable[SampleImage]) -> list[bytes]:
        """The bytes of stored references as a record used them. Raises NotFound, BucketError or OSError."""
        found = []
        for image in images:
            backend, key = next(self._sources(image), (self._local, image.url))
            if isinstance(backend, LocalLibrary):
                found.append(backend.file(key, image.content_id).read_bytes())
            else:
                found.append(backend.content(backend.find(key, image.etag).key))
        return found

    def refresh_when_requested(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a request to refresh the list or to snapshot pinned images, and
        carry it out; returns whether there was one."""
        return self._bucket is not None and self._bucket.refresh_when_requested(timeout)

    def refresh(self) -> None:
        """Refresh the list. The next ``list_images`` reports a failure."""
        if self._bucket:
            self._bucket.refresh()

    def empty_trash(self, *, days: int, is_used: IsUsed) -> int:
        """Permanently delete images of the local folder after ``days`` in the trash; returns how many.

        Images used by existing records are not deleted. Nothing is deleted from a bucket: other
        installations share it, and their records are unknown here.
        """
        return self._local.empty_trash(days=days, is_used=is_used)

    def _backend_of(self, key: str, content_id: str = "") -> LocalLibrary | BucketLibrary:
        """The bucket, except for an image saved in the local folder before the bucket was configured."""
        if self._bucket is None or len(content_id) == FULL_DIGEST_LENGTH:
            return self._local
        if not content_id and not self._bucket.knows(key):
            with contextlib.suppress(NotFound):
                self._local.find(key)
                return self._local
        return self._bucket

    def _sources(self, image: SampleImage) -> Iterator[tuple[LocalLibrary | BucketLibrary, str]]:
        """Where one of our own URLs may lead, with the key there; nothing for other URLs."""
        for name in _names_in(image.url, FILES_URL):
            yield self._backend_of(name, image.content_id), name
        for name in _names_in(image.url, OUTPUT_URL):
            yield self._outputs, name

    def _pinned(self, image: SampleImage, content_id_of: Callable[[Backend, str], str]) -> SampleImage:
        for name in _names_in(image.url, FILES_URL):
            content_id, key = catalogue.split_pinned(name)
            with contextlib.suppress(NotFound, OSError):
                return image.pin(key, content_id or content_id_of(self._backend_of(key), key))
        for name in _names_in(image.url, OUTPUT_URL):  # its file is never replaced: no snapshot
            with contextlib.suppress(NotFound, OSError):
                return replace(image, sha256=self._outputs.content_id(name))
        return image

    def _facts(self, image: SampleImage) -> ReferenceInfo | None:
        sources = list(self._sources(image))
        for backend, key in sources:
            with contextlib.suppress(NotFound, OSError):
                return backend.facts(key, image.content_id)
        return ReferenceInfo(is_missing=True) if sources else None

    def _resolve(self, image: SampleImage, spec: ModelSpec) -> Reference:
        for backend, key in self._sources(image):
            with contextlib.suppress(NotFound):
                if isinstance(backend, LocalLibrary):
                    return self._resolve_file(backend.file(key, image.content_id), image, spec)
                return self._resolve_object(backend, key, image, spec)
        address = _split(image.url)
        is_ours = address.path.startswith((FILES_URL, OUTPUT_URL)) and is_loopback(address.hostname or "")
        if address.scheme not in ("http", "https") or is_ours:  # one of our own that was not found
            raise _refused(image, "找不到了，请重新选择")
        return Reference(filename=image.filename, url=image.url)

    def _resolve_object(
        self, bucket: BucketLibrary, key: str, image: SampleImage, spec: ModelSpec
    ) -> Reference:
        found = bucket.find(key, image.etag)
        if image.etag not in ("", found.etag):
            raise _refused(image, "排队之后被换成了另一张，没有生成，也没有计费，请重新选择")
        if spec.reference_form == "bytes":
            return _as_bytes(bucket.content(found.key), image)
        return self._as_url(bucket, found.key, found.etag, image, spec)

    def _resolve_file(self, path: Path, image: SampleImage, spec: ModelSpec) -> Reference:
        """A local file: its bytes, or uploaded temporarily for a model that only accepts URLs."""
        try:
            content = path.read_bytes()
        except OSError as error:
            text = "读不出来（{reason}），请检查文件的权限和磁盘；没有生成，也没有计费"
            raise _refused(image, text, reason=error.strerror or error) from error
        if spec.reference_form != "url" or self._bucket is None:
            return _as_bytes(content, image)
        key = self._bucket.upload_temporary(content, catalogue.media_type_in(content, image.filename))
        return self._as_url(self._bucket, key, "", image, spec)

    def _as_url(
        self, bucket: BucketLibrary, key: str, etag: str, image: SampleImage, spec: ModelSpec
    ) -> Reference:
        """Check the limits before sending: a request that the provider rejects might be charged."""
        facts = bucket.measure(key, etag) if spec.reference_limits else None
        if spec.reference_limits and facts and (why := spec.reference_limits.violation(facts)):
            raise _refused(image, "用不了：它{reason}，没有生成，也没有计费", reason=why)
        url = bucket.signed_url(key, seconds=self._url_seconds)
        return Reference(filename=image.filename, url=url, media_type=catalogue.media_type_of(key))


def shown_at(image: SampleImage) -> str:
    """The thumbnail URL of a reference that a record used; an external image's own URL."""
    used = image.pinned.url
    return THUMBNAILS_URL + used.removeprefix(FILES_URL) if used.startswith(FILES_URL) else used


def _open_bucket_library(settings: Settings, clock: Callable[[], float]) -> BucketLibrary:
    from app.library.bucket import BucketLibrary
    from oss_client import Bucket  # oss2 takes 20 MB of memory: import only with a bucket

    return BucketLibrary(
        Bucket(settings),
        settings.oss_sample_prefix,
        is_shared=bool(settings.database_url),
        cache_file=settings.samples_dir / ".oss-list.json",
        clock=clock,
    )


def _refused(image: SampleImage, text: str, /, **values: object) -> InvalidRequest:
    reason = message(text, **values)
    return InvalidRequest(
        "sample_images", "参考图「{filename}」{reason}", filename=image.filename, reason=reason
    )


def _as_bytes(content: bytes, image: SampleImage) -> Reference:
    media_type = catalogue.media_type_in(content, image.filename)
    return Reference(filename=image.filename, content=content, media_type=media_type)


def _names_in(url: str, prefix: str) -> tuple[str, ...]:
    """The names in one of our own URLs, percent-decoded and literal (``%E7%8C%AB``: 猫); else empty."""
    address = _split(url)
    if not address.path.startswith(prefix) or (address.scheme and not is_loopback(address.hostname or "")):
        return ()
    literal = url[url.find(prefix) + len(prefix) :]
    return tuple(dict.fromkeys((unquote(literal.partition("?")[0]), literal)))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def try_bucket(settings: Settings) -> None:
    """List what the bucket has under each prefix in use, write an object there and delete it.

    Raises SettingError, BucketError.
    """
    from oss_client import Bucket

    bucket = Bucket(settings)
    for prefix in filter(None, (settings.oss_sample_prefix, settings.oss_output_prefix)):
        next(bucket.list_objects(prefix), None)
        key = f"{prefix}.probe-{secrets.token_hex(8)}"
        bucket.put(key, b"", "application/octet-stream")
        bucket.delete(key)
