"""The reference-image library: one library with two homes, the bucket when there is one, else a local folder.

The face of ``sample_library/``: nothing above knows where a picture lies. Knows nothing of Pillow: what
comes in was checked before. Starts no thread; the worker calls ``tend`` when somebody waits for a list.
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
from app.library.catalogue import THUMBNAILS_URL, Catalogue, IsUsed, media_type_in, media_type_of, nobody_used
from app.library.local import LocalLibrary

if TYPE_CHECKING:
    from app.library.bucket import BucketLibrary

__all__ = ["FILES_URL", "THUMBNAILS_URL", "Library", "open_library", "shown_at"]

OUTPUT_URL = "/output/"
_SHORTEST_SECONDS = 2 * 3600  # an address that a model is given lives at least so long


class LibraryBackend(Protocol):
    """Where the pictures of a library lie. Keys that lead nowhere, or elsewhere, are NotFound."""

    source: str

    def catalogue(self) -> Catalogue:
        """What there is, newest first."""

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Keep a checked upload. The same picture under any name is kept once: the first stays."""

    def delete(self, key: str) -> None:
        """Into the trash, from where ``restore`` brings it back."""

    def restore(self, key: str) -> LibraryImage:
        """Bring back what was deleted; what is back already stays. NotFound when it never was."""

    def rename(self, key: str, stem: str) -> LibraryImage:
        """The same picture under another name, without ending. Conflict when that is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRequest:
    """A reference to be made ready, and in which form the model takes it."""

    image: SampleImage
    form: str
    limits: ReferenceLimits | None

    def refused(self, why: str) -> InvalidRequest:
        """What is said when it cannot be sent."""
        return InvalidRequest("sample_images", f"参考图「{self.image.filename}」{why}")


class Library:
    """The reference images of this house. For all threads."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._folder = LocalLibrary(settings.samples_dir)
        self._shelf = _open_shelf(settings, clock) if settings.oss_enabled else None
        self._home: LibraryBackend = self._shelf or self._folder

    @property
    def source(self) -> str:
        """``oss`` or ``local``."""
        return self._home.source

    @property
    def wants_refreshing(self) -> bool:
        """Whether there is a list to be kept up to date in the background."""
        return self._shelf is not None

    def list_images(self, search: str = "", *, offset: int = 0, limit: int | None = None) -> LibraryPage:
        """The library, newest first; ``search`` is looked for in names, letters, case and width folded.

        Waits for OSS 2 s at most, and says when the list is an older one. Raises BucketError or Busy when
        there is none at all.
        """
        found = self._home.catalogue().search(search)
        end = None if limit is None else offset + limit
        shown = tuple(catalogue.to_library_image(entry) for entry in found[offset:end])
        page = LibraryPage(images=shown, total=len(found), source=self.source)
        shelf = self._shelf
        if shelf is None:
            return page
        return replace(page, listed_at=shelf.listed_at, is_stale=shelf.is_stale, trouble=shelf.trouble)

    def image(self, key: str) -> LibraryImage:
        """One of them. Raises NotFound."""
        entry = self._home.catalogue().entries.get(key)
        if entry is None:
            raise catalogue.missing()
        return catalogue.to_library_image(entry)

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Keep a checked upload."""
        return self._home.add(upload)

    def delete(self, key: str) -> None:
        """Into the trash."""
        self._home.delete(key)

    def restore(self, key: str) -> LibraryImage:
        """Out of the trash."""
        return self._home.restore(key)

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Another name; what records used stays known by its hash."""
        return self._home.rename(key, stem)

    def file(self, key: str) -> Path | str:
        """Where the picture is: a file, or an address. Also when it was renamed or deleted since; as a record
        used it, for a key as in the address of ``SampleImage.pinned``."""
        mark, plain = catalogue.read_pin(key)
        return (self._shelf_of(plain, mark) or self._folder).file(plain, mark)

    def thumbnail(self, key: str) -> Path | str:
        """The same, small."""
        mark, plain = catalogue.read_pin(key)
        return (self._shelf_of(plain, mark) or self._folder).thumbnail(plain, mark)

    def pin(self, images: Iterable[SampleImage]) -> tuple[SampleImage, ...]:
        """The references of a request with key and hash or ETag, so that a record can show what it used."""
        return tuple(self._pinned(image) for image in images)

    def identify(self, images: Iterable[SampleImage]) -> tuple[SampleImage, ...]:
        """The same at the moment of sending, for those of which ``pin`` had no fresh list to tell the ETag.

        Asks OSS. Raises BucketError.
        """
        return tuple(self._identified(image) for image in images)

    def names_of(self, key: str) -> list[str]:
        """By what a record that used this picture knows it: its hash, and the address it was picked by."""
        return catalogue.names_of(key)

    def facts(self, images: Iterable[SampleImage]) -> dict[str, ReferenceInfo]:
        """What is known of references before they are sent, by their address. Asks nobody."""
        found = {image.url: self._facts(image) for image in images}
        return {url: facts for url, facts in found.items() if facts}

    def references(
        self, images: Sequence[SampleImage], *, form: str, limits: ReferenceLimits | None = None
    ) -> list[Reference]:
        """Reference images made ready for a model at the moment of sending.

        ``form`` is the model's ``reference_form``. Public addresses pass as they are; what is kept here
        becomes a signed address where the model wants one, else bytes. InvalidRequest("sample_images")
        names the one that is missing, was replaced since, or breaks the ``limits``; BucketError when OSS
        would not.
        """
        return [self._reference(ReferenceRequest(image=image, form=form, limits=limits)) for image in images]

    def wait_for_request(self, timeout: float) -> bool:
        """Whether there is something for ``tend`` to do; waits so many seconds for it."""
        return self._shelf is not None and self._shelf.wait_until_wanted(timeout)

    def refresh_if_requested(self) -> None:
        """Read the list anew when that is wanted; copy what was chosen and may be replaced by hand."""
        if self._shelf:
            self._shelf.tend()

    def refresh(self) -> None:
        """Read the list anew. What fails is told by the next ``list_images``."""
        if self._shelf:
            self._shelf.refresh()

    def empty_trash(self, *, days: int, is_used: IsUsed = nobody_used) -> int:
        """Delete for good what was deleted from the folder that many days ago -> how many.

        What a record used stays, hidden, for as long as there is the record. A bucket has other houses, whose
        records nobody knows here: there everything stays.
        """
        return self._folder.empty_trash(days=days, is_used=is_used)

    def _shelf_of(self, key: str, mark: str = "") -> BucketLibrary | None:
        """The bucket, unless the picture is one of the folder, from the time before there was a bucket."""
        is_here = len(mark) == WHOLE_DIGEST if mark else self._is_here(key)
        return None if is_here else self._shelf

    def _is_here(self, key: str) -> bool:
        if self._shelf and self._shelf.knows(key):
            return False
        with contextlib.suppress(NotFound):
            return bool(self._folder.find(key))
        return False

    def _pinned(self, image: SampleImage) -> SampleImage:
        for name in _names_in(image.url, FILES_URL):
            mark, key = catalogue.read_pin(name)
            with contextlib.suppress(NotFound, OSError):
                digest, etag = self._pins_of(key, mark)
                return replace(image, url=FILES_URL + quote(key), key=key, sha256=digest, etag=etag)
        return image

    def _pins_of(self, key: str, mark: str) -> tuple[str, str]:
        """Hash and ETag, as far as they are known; of what a record used before, those that it had."""
        shelf = self._shelf_of(key, mark)
        if shelf is None and mark:
            return (mark, "") if len(mark) == WHOLE_DIGEST else ("", mark)
        if shelf is None:
            return self._folder.pin(key), ""
        etag = mark or shelf.etag(key)
        if etag:
            shelf.choose(key, etag)
        return catalogue.digest_in(key), etag

    def _identified(self, image: SampleImage) -> SampleImage:
        for key in () if image.sha256 or image.etag else _names_in(image.url, FILES_URL):
            shelf = None if catalogue.digest_in(key) else self._shelf_of(key)
            with contextlib.suppress(NotFound):
                return replace(image, key=key, etag=shelf.stored(key).etag) if shelf else image
        return image

    def _facts(self, image: SampleImage) -> ReferenceInfo | None:
        for prefix, place in ((FILES_URL, None), (OUTPUT_URL, self._settings.output_dir)):
            names = _names_in(image.url, prefix)
            found = [self._facts_of(name, image.content_id, place) for name in names]
            if names:
                unknown = None if place is None and self._shelf else ReferenceInfo(is_missing=True)
                return next((facts for facts in found if facts), unknown)
        return None

    def _facts_of(self, name: str, mark: str, place: Path | None) -> ReferenceInfo | None:
        shelf = None if place else self._shelf_of(name, mark)
        if shelf:
            return shelf.facts(name, mark)
        with contextlib.suppress(NotFound, OSError):
            path = local.existing(place, name) if place else self._folder.file(name, mark)
            return catalogue.facts_of(path.name, path.stat().st_size)
        return None

    def _reference(self, wish: ReferenceRequest) -> Reference:
        image = wish.image
        for key in _names_in(image.url, FILES_URL):
            with contextlib.suppress(NotFound):
                return self._library_reference(key, wish)
        for name in _names_in(image.url, OUTPUT_URL):
            with contextlib.suppress(NotFound):
                return self._handed(_read(local.existing(self._settings.output_dir, name), wish), wish)
        if not _is_web_address(image.url):
            raise wish.refused("找不到了，请重新选择")
        return Reference(filename=image.filename, url=image.url)

    def _library_reference(self, key: str, wish: ReferenceRequest) -> Reference:
        etag, shelf = wish.image.etag, self._shelf_of(key, wish.image.content_id)
        if shelf is None:
            return self._handed(_read(self._folder.file(key, wish.image.content_id), wish), wish)
        if wish.form == "bytes" and not etag:
            return _as_bytes(shelf.content(shelf.place(key)), wish)
        stored = shelf.stored(key, etag)
        if etag not in ("", stored.etag):
            raise wish.refused("排队之后被换成了另一张，没有生成，也没有计费，请重新选择")
        if wish.form == "bytes":
            return _as_bytes(shelf.content(stored.key), wish)
        return self._as_address(shelf, stored.key, stored.etag, wish)

    def _handed(self, content: bytes, wish: ReferenceRequest) -> Reference:
        """A picture of this machine: lent to the bucket for a model that only takes addresses."""
        if wish.form == "url" and self._shelf:
            key = self._shelf.lend(content, media_type_in(content, wish.image.filename))
            return self._as_address(self._shelf, key, "", wish)
        return _as_bytes(content, wish)

    def _as_address(self, shelf: BucketLibrary, key: str, etag: str, wish: ReferenceRequest) -> Reference:
        """Nothing that the model would refuse goes out: that might be billed."""
        facts = shelf.measured(key, etag) if wish.limits else None
        if wish.limits and facts and (why := wish.limits.violation(facts)):
            raise wish.refused(f"用不了：它{why}，没有生成，也没有计费")
        url = shelf.sent_address(key, seconds=self._seconds)
        return Reference(filename=wish.image.filename, url=url, media_type=media_type_of(key))

    @property
    def _seconds(self) -> int:
        """How long an address for a model lives: past the longest wait for its picture."""
        return max(_SHORTEST_SECONDS, self._settings.model_timeout + 3600)


def open_library(settings: Settings, clock: Callable[[], float] = time.time) -> Library:
    """The library of these settings. Raises SettingError when those of OSS cannot work."""
    return Library(settings, clock)


def shown_at(image: SampleImage) -> str:
    """Where a page finds a reference that a record used, small; its own address for one from elsewhere."""
    used = image.pinned.url
    return THUMBNAILS_URL + used.removeprefix(FILES_URL) if used.startswith(FILES_URL) else used


def _read(path: Path, wish: ReferenceRequest) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        why = error.strerror or error
        raise wish.refused(f"读不出来（{why}），请检查文件的权限和磁盘；没有生成，也没有计费") from error


def _as_bytes(content: bytes, wish: ReferenceRequest) -> Reference:
    name = wish.image.filename
    return Reference(filename=name, content=content, media_type=media_type_in(content, name))


def _open_shelf(settings: Settings, clock: Callable[[], float]) -> BucketLibrary:
    from app.library.bucket import BucketLibrary
    from oss_client import Bucket  # oss2 takes 20 MB of memory: only where there is a bucket

    memory = settings.samples_dir / ".oss-list.json"
    return BucketLibrary(Bucket(settings), settings.oss_sample_prefix, memory=memory, clock=clock)


def _names_in(url: str, prefix: str) -> tuple[str, ...]:
    """What one of our own addresses names: spelt as in an address (``%E7%8C%AB``: 猫), or as it stands."""
    address = _split(url)
    if not address.path.startswith(prefix):
        return ()
    if address.scheme and not is_loopback(address.hostname or ""):
        return ()
    as_it_stands = url[url.find(prefix) + len(prefix) :]
    return tuple(dict.fromkeys((unquote(as_it_stands.partition("?")[0]), as_it_stands)))


def _is_web_address(url: str) -> bool:
    """Somebody else's: an address of this house that leads nowhere is none."""
    address = _split(url)
    is_ours = address.path.startswith((FILES_URL, OUTPUT_URL)) and is_loopback(address.hostname or "")
    return address.scheme in ("http", "https") and not is_ours


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")
