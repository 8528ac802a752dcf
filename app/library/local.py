"""Library backend for a local folder, which is the only source of truth: there is no separate index.

Hidden subfolders: ``.thumbnails``, ``.trash``, and ``.pinned`` for snapshots that records use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from pathlib import Path

from app.domain import PINNED, ReferenceInfo, ValidatedUpload
from app.domain.references import DIGEST_LENGTH
from app.errors import Conflict, DiskError, NotFound
from app.images import atomic_write
from app.library import catalogue
from app.library.catalogue import ENDINGS, Catalogue, Entry, IsUsed, missing, taken
from app.system import windows_files

_TRASH = ".trash"
_THUMBNAILS = ".thumbnails"
_SETTLED_NS = 2_000_000_000  # a change within the mtime resolution would go unnoticed
_Version = tuple[str, int, int, int]


class LocalLibrary:
    """The backend used without a bucket. Unknown or invalid keys raise NotFound."""

    source = "local"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cached: tuple[int, Catalogue] | None = None
        self._snapshots: dict[_Version, Path] = {}
        self._digests: dict[_Version, str] = {}

    def catalogue(self) -> Catalogue:
        """The images in the folder; cached until its mtime changes."""
        changed_at = _changed_at(self.folder)
        if self._cached and self._cached[0] == changed_at:
            return self._cached[1]
        found = Catalogue(self._entries())
        settled = time.time_ns() - changed_at > _SETTLED_NS
        self._cached = (changed_at, found) if settled else None
        return found

    def add(self, upload: ValidatedUpload, added_at: float | None = None) -> Entry:
        """Save a validated upload. Identical content is stored once, under its first name."""
        digest = hashlib.sha256(upload.content).hexdigest()[:DIGEST_LENGTH]
        if same := self.catalogue().of_content(digest):
            return same
        key = catalogue.key_for(upload, digest, self._max_key_length())
        write(self._thumbnail(key), upload.thumbnail)
        write(self.folder / key, upload.content)
        if added_at is not None:
            with contextlib.suppress(OSError):  # without it the order is that of arrival
                os.utime(self.folder / key, (added_at, added_at))
        return _entry(self.find(key))

    def keep(self, snapshot: str, content: bytes) -> None:
        """Write a snapshot, unless it is there."""
        if not (self.folder / snapshot).is_file():
            write(self.folder / snapshot, content)

    def delete(self, key: str) -> None:
        """Move an image to the trash, renaming another image of that name there."""
        source, deleted = self.find(key), self.folder / _TRASH / key
        with contextlib.suppress(OSError):  # atime is the time of deletion, for ``empty_trash``
            os.utime(source, ns=(time.time_ns(), source.stat().st_mtime_ns))
        while True:
            with contextlib.suppress(Conflict):
                return _move(source, deleted, replace=bool(catalogue.digest_in(key)))
            with contextlib.suppress(Conflict, NotFound):
                free = catalogue.next_free_key(key, lambda name: os.path.lexists(self.folder / _TRASH / name))
                _move(deleted, deleted.with_name(free))

    def restore(self, key: str) -> Entry:
        """Restore a deleted image; does nothing if it exists."""
        with contextlib.suppress(NotFound):
            deleted = existing(self.folder / _TRASH, key)
            _move(deleted, self.folder / key, replace=bool(catalogue.digest_in(key)))
        return _entry(self.find(key))

    def empty_trash(self, *, days: int, is_used: IsUsed) -> int:
        """Permanently delete unused images after ``days`` in the trash; returns how many."""
        trash, until = self.folder / _TRASH, time.time() - days * 24 * 3600
        old = [name for name in _names(trash) if _deleted_at(trash / name) < until]
        unused = [name for name in old if not is_used(catalogue.names_of(name))]
        return sum(self._purge(name) for name in unused)

    def rename(self, key: str, stem: str) -> Entry:
        """Rename an image; ``stem`` is the base name. Raises Conflict when the name is taken."""
        source, target = self.find(key), catalogue.renamed(key, stem, self._max_key_length())
        if target != key:
            _move(source, self.folder / target)
            with contextlib.suppress(OSError):  # without a thumbnail the image itself is shown
                windows_files.replace(self._thumbnail(key), self._thumbnail(target))
        return _entry(self.find(target))

    def file(self, key: str, content_id: str = "") -> Path:
        """The path of an image, even if it was renamed or deleted.

        With a content id, a SHA-256, the snapshot of that content, even if the image was replaced.
        """
        if content_id:
            return existing(
                self.folder / PINNED, catalogue.snapshot_key(key, content_id).removeprefix(PINNED)
            )
        with contextlib.suppress(NotFound):
            return self.find(key)
        digest = catalogue.digest_in(key)
        if digest and (same := self.catalogue().of_content(digest)):
            return self.find(same.key)
        trash = self.folder / _TRASH
        return existing(trash, catalogue.same_image(key, _names(trash)) or key)

    def thumbnail(self, key: str, content_id: str = "") -> Path:
        """The path of the thumbnail (WebP), or of the image without one."""
        path = self.file(key, content_id)
        thumbnail = self._thumbnail(path.name)
        return thumbnail if thumbnail.is_file() else path

    def content(self, key: str) -> bytes:
        """The bytes of an image that is not deleted. Raises NotFound, or DiskError."""
        path = self.find(key)
        try:
            return path.read_bytes()
        except OSError as error:
            raise DiskError(
                "示例图读不出来（{reason}），请检查磁盘和权限", reason=error.strerror or error
            ) from error

    def facts(self, key: str, content_id: str = "") -> ReferenceInfo:
        """The properties that name and size of an image file, or of this content, provide."""
        path = self.file(key, content_id)
        return catalogue.facts_of(path.name, path.stat().st_size)

    def find(self, key: str) -> Path:
        """The path of an image that is not deleted."""
        return existing(self.folder, key)

    def pin(self, key: str) -> str:
        """The content hash in the key; else the SHA-256, after saving a snapshot of this replaceable file.

        Cached by stat: thousands of rows may reference one file.
        """
        if digest := catalogue.digest_in(key):
            return digest
        source = self.find(key)
        version = _version_of(source)
        snapshot = self._snapshots.get(version)
        if snapshot is None or not snapshot.is_file():
            snapshot = self._snapshot(source)
        if time.time_ns() - version[-1] > _SETTLED_NS:
            self._snapshots[version] = snapshot
        return snapshot.stem

    def content_id(self, key: str) -> str:
        """The first digits of the content hash: without a snapshot the rest would name a missing file."""
        if digest := catalogue.digest_in(key):
            return digest
        source = self.find(key)
        version = _version_of(source)
        digest = self._digests.get(version, "")
        if not digest:
            content = windows_files.retry_while_locked(source.read_bytes)
            digest = hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]
        if time.time_ns() - version[-1] > _SETTLED_NS:
            self._digests[version] = digest
        return digest

    def _purge(self, name: str) -> bool:
        """Delete from the trash with the thumbnail; returns False on OSError (retried next time)."""
        with contextlib.suppress(OSError):
            (self.folder / _TRASH / name).unlink(missing_ok=True)
            if not (self.folder / name).exists():  # else it was uploaded again since
                self._thumbnail(name).unlink(missing_ok=True)
            return True
        return False

    def _snapshot(self, source: Path) -> Path:
        content = windows_files.retry_while_locked(source.read_bytes)
        digest = hashlib.sha256(content).hexdigest()
        snapshot = self.folder / catalogue.snapshot_key(source.name, digest)
        if not snapshot.is_file():
            write(snapshot, content)
        return snapshot

    def _entries(self) -> list[Entry]:
        try:
            with os.scandir(self.folder) as found:
                return [_entry(each) for each in found if catalogue.is_image(each.name) and each.is_file()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DiskError(
                "示例图文件夹打不开（{reason}），请检查它的位置和权限", reason=error.strerror or error
            ) from error

    def _max_key_length(self) -> int | None:
        """The maximum length of a key; its thumbnail has the longest path."""
        length = windows_files.max_name_length(self.folder / _THUMBNAILS)
        return None if length is None else length - len(".webp")

    def _thumbnail(self, key: str) -> Path:
        return self.folder / _THUMBNAILS / f"{key}.webp"


def _version_of(source: Path) -> _Version:
    """What changes when a file is replaced: name, inode, size and time of the last change in ns."""
    state = source.stat()
    return source.name, state.st_ino, state.st_size, max(state.st_mtime_ns, state.st_ctime_ns)


def existing(folder: Path, name: str) -> Path:
    """The path of an image directly in ``folder``; raises NotFound for every other name."""
    is_plain = not name.startswith(".") and not set(name) & set("/\\:\x00")
    if is_plain and name.lower().endswith(ENDINGS):
        path = folder / name
        with contextlib.suppress(OSError):
            is_inside = not path.is_symlink() or path.resolve().parent == folder.resolve()
            if is_inside and path.is_file():
                return path
    raise missing()


def write(path: Path, content: bytes | bytearray) -> None:
    """Write a file atomically. Raises DiskError."""
    try:
        atomic_write.write_over(path, content, path.parent)
    except OSError as error:
        raise _write_error(error) from error


def _entry(found: os.DirEntry[str] | Path) -> Entry:
    try:
        state = found.stat()
    except FileNotFoundError:  # deleted since it was listed
        return Entry(key=found.name, size=0, modified_at=0.0)
    return Entry(key=found.name, size=state.st_size, modified_at=state.st_mtime)


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, of thousands
    except OSError:
        return []


def _changed_at(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _deleted_at(path: Path) -> float:
    try:
        return path.stat().st_atime
    except OSError:
        return time.time()


def _move(source: Path, target: Path, *, replace: bool = False) -> None:
    """Move a file. Raises NotFound without a source, Conflict for an existing target, or DiskError."""
    move = windows_files.replace if replace else windows_files.move
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        move(source, target)
    except FileNotFoundError as error:
        raise missing() from error
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(target):
            raise taken(target.name) from error
        raise _write_error(error) from error


def _write_error(error: OSError) -> DiskError:
    if windows_files.is_locked(error):
        return DiskError(windows_files.locked_message(error))
    return DiskError(
        "示例图文件夹写不进去（{reason}），请检查磁盘空间和权限后重试", reason=error.strerror or error
    )
