"""Library backend for a local folder, which is the only source of truth: there is no separate index.

Hidden subfolders: ``.thumbnails``, ``.trash``, and ``.pinned`` for snapshots that records use.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from app.domain import PINNED, LibraryImage, ReferenceInfo, ValidatedUpload
from app.errors import Conflict, NotFound, StorageError
from app.library import catalogue
from app.library.catalogue import DIGEST_LENGTH, ENDINGS, Catalogue, Entry, IsUsed, missing, taken
from app.system import windows_files

_TRASH = ".trash"
_THUMBNAILS = ".thumbnails"
_SETTLED_NS = 2_000_000_000  # a change within the mtime resolution would go unnoticed


class LocalLibrary:
    """The backend used without a bucket; see ``library.LibraryBackend``."""

    source = "local"

    def __init__(self, place: Path) -> None:
        self.place = place
        self._seen: tuple[tuple[int, int], Catalogue] | None = None
        self._pins: dict[tuple[str, int, int, int], Path] = {}

    def catalogue(self) -> Catalogue:
        """The images in the folder; cached until its mtime changes."""
        state = self._state()
        if self._seen and self._seen[0] == state:
            return self._seen[1]
        found = Catalogue(self._entries())
        settled = time.time_ns() - max(state) > _SETTLED_NS
        self._seen = (state, found) if settled else None
        return found

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Save a validated upload. Identical content is stored once, under its first name."""
        digest = hashlib.sha256(upload.content).hexdigest()[:DIGEST_LENGTH]
        same = self.catalogue().of_content(digest)
        if same:
            return catalogue.to_library_image(same)
        key = catalogue.key_for(upload, digest, self._max_key_length())
        write(self._thumbnail(key), upload.thumbnail)
        write(self.place / key, upload.content)
        return self._library_image(key)

    def delete(self, key: str) -> None:
        """Move an image to the trash, renaming another image of that name there."""
        source, deleted = self.find(key), self.place / _TRASH / key
        with contextlib.suppress(OSError):  # atime is the time of deletion, for ``empty_trash``
            os.utime(source, ns=(time.time_ns(), source.stat().st_mtime_ns))
        while True:
            with contextlib.suppress(Conflict):
                return _move(source, deleted, replace=_has_digest(key))
            with contextlib.suppress(Conflict, NotFound):
                _move(deleted, deleted.with_name(catalogue.next_free_key(key, self._is_in_trash)))

    def restore(self, key: str) -> LibraryImage:
        """Restore a deleted image; does nothing if it exists. Raises NotFound for an unknown key."""
        with contextlib.suppress(NotFound):
            deleted = existing(self.place / _TRASH, key)
            _move(deleted, self.place / key, replace=_has_digest(key))
        return self._library_image(self.find(key).name)

    def empty_trash(self, *, days: int, is_used: IsUsed) -> int:
        """Permanently delete unused images after ``days`` in the trash; returns how many."""
        trash, until = self.place / _TRASH, time.time() - days * 24 * 3600
        old = [name for name in _names(trash) if _deleted_at(trash / name) < until]
        unused = [name for name in old if not is_used(catalogue.names_of(name))]
        return sum(self._purge(name) for name in unused)

    def rename(self, key: str, stem: str) -> LibraryImage:
        """Rename an image; ``stem`` is the base name. Raises Conflict when the name is taken."""
        source, target = self.find(key), catalogue.renamed(key, stem, self._max_key_length())
        if target == key:
            return self._library_image(key)
        with self._rename_thumbnail(key, target):
            _move(source, self.place / target)
        return self._library_image(target)

    def file(self, key: str, mark: str = "") -> Path:
        """The path of an image, even if it was renamed or deleted. Raises NotFound.

        With ``mark``, a SHA-256, the snapshot of that content, even if the image was replaced.
        """
        if mark:
            return existing(self.place / PINNED, _pin(mark, key))
        with contextlib.suppress(NotFound):
            return self.find(key)
        same = self.catalogue().of_content(catalogue.digest_in(key))
        if same:
            return self.find(same.key)
        trash = self.place / _TRASH
        return existing(trash, catalogue.same_image(key, _names(trash)) or key)

    def thumbnail(self, key: str, mark: str = "") -> Path:
        """The path of the thumbnail (WebP), or of the image without one."""
        path = self.file(key, mark)
        thumbnail = self._thumbnail(path.name)
        return thumbnail if thumbnail.is_file() else path

    def facts(self, key: str, content_id: str = "") -> ReferenceInfo:
        """Known properties of an image, or of this content. Raises NotFound."""
        return facts(self.file(key, content_id))

    def find(self, key: str) -> Path:
        """The path of an image that is not deleted. Raises NotFound."""
        return existing(self.place, key)

    def pin(self, key: str) -> str:
        """The content hash in the key; else the SHA-256, after saving a snapshot of this replaceable file.

        Cached by stat: thousands of rows may reference one file.
        """
        digest = catalogue.digest_in(key)
        if digest:
            return digest
        source = self.find(key)
        state = source.stat()
        seen = (key, state.st_ino, state.st_size, max(state.st_mtime_ns, state.st_ctime_ns))
        pin = self._pins.get(seen)
        if pin is None or not pin.is_file():
            pin = self._snapshot(source)
        if time.time_ns() - seen[-1] > _SETTLED_NS:
            self._pins[seen] = pin
        return pin.stem

    def _purge(self, name: str) -> bool:
        """Delete from the trash with the thumbnail; returns False on OSError (retried next time)."""
        with contextlib.suppress(OSError):
            (self.place / _TRASH / name).unlink(missing_ok=True)
            if not (self.place / name).exists():  # else it was uploaded again since
                self._thumbnail(name).unlink(missing_ok=True)
            return True
        return False

    @contextlib.contextmanager
    def _rename_thumbnail(self, key: str, target: str) -> Iterator[None]:
        """Copy the thumbnail before a rename and delete the unused one after, so one always exists."""
        old = self._thumbnail(key)
        if old.is_file():
            write(self._thumbnail(target), windows_files.retry_while_locked(old.read_bytes))
        try:
            yield
        finally:
            for name in (key, target):
                if not (self.place / name).exists():
                    with contextlib.suppress(OSError):
                        windows_files.unlink(self._thumbnail(name))

    def _is_in_trash(self, name: str) -> bool:
        return os.path.lexists(self.place / _TRASH / name)

    def _snapshot(self, source: Path) -> Path:
        content = windows_files.retry_while_locked(source.read_bytes)
        pin = self.place / PINNED / _pin(hashlib.sha256(content).hexdigest(), source.name)
        if not pin.is_file():
            write(pin, content)
        return pin

    def _state(self) -> tuple[int, int]:
        return _changed_at(self.place), _changed_at(self.place / _THUMBNAILS)

    def _entries(self) -> list[Entry]:
        thumbnails = {name.removesuffix(".webp") for name in _names(self.place / _THUMBNAILS)}
        try:
            with os.scandir(self.place) as found:
                shown = [entry for entry in found if catalogue.is_image(entry.name) and entry.is_file()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(
                "示例图文件夹打不开（{reason}），请检查它的位置和权限", reason=error.strerror or error
            ) from error
        return [_entry(each, each.name in thumbnails) for each in shown]

    def _library_image(self, key: str) -> LibraryImage:
        state = self.find(key).stat()
        has_thumbnail = self._thumbnail(key).is_file()
        entry = Entry(key=key, size=state.st_size, kept_at=state.st_mtime, has_thumbnail=has_thumbnail)
        return catalogue.to_library_image(entry)

    def _max_key_length(self) -> int | None:
        """The maximum length of a key; its thumbnail has the longest path."""
        length = windows_files.max_name_length(self.place / _THUMBNAILS)
        return None if length is None else length - len(".webp")

    def _thumbnail(self, key: str) -> Path:
        return self.place / _THUMBNAILS / f"{key}.webp"


def existing(folder: Path, name: str) -> Path:
    """The path of an image directly in ``folder``; raises NotFound for every other name."""
    is_plain = not name.startswith(".") and not set(name) & set("/\\:\x00")
    if is_plain and name.lower().endswith(ENDINGS):
        path = folder / name
        with contextlib.suppress(OSError):
            if path.is_file() and path.resolve().parent == folder.resolve():
                return path
    raise missing()


def facts(path: Path) -> ReferenceInfo:
    """The properties that name and size of an image file provide. Raises OSError."""
    return catalogue.facts_of(path.name, path.stat().st_size)


def write(path: Path, content: bytes | bytearray) -> None:
    """Write a file atomically. Raises StorageError."""
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        windows_files.replace(part, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            windows_files.unlink(part)
        raise _write_error(error) from error


def _pin(digest: str, key: str) -> str:
    return digest + Path(key).suffix.lower()


def _entry(found: os.DirEntry[str], has_thumbnail: bool) -> Entry:
    try:
        state = found.stat()
        size, kept_at = state.st_size, state.st_mtime
    except FileNotFoundError:  # deleted since it was listed
        size, kept_at = 0, 0.0
    return Entry(key=found.name, size=size, kept_at=kept_at, has_thumbnail=has_thumbnail)


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


def _has_digest(key: str) -> bool:
    """Whether the key contains a content hash, so that overwriting is safe."""
    return bool(catalogue.digest_in(key))


def _move(source: Path, target: Path, *, replace: bool = False) -> None:
    """Move a file. Raises NotFound without a source, Conflict for an existing target, or StorageError."""
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


def _write_error(error: OSError) -> StorageError:
    if windows_files.is_locked(error):
        return StorageError(windows_files.locked_message(error))
    return StorageError(
        "示例图文件夹写不进去（{reason}），请检查磁盘空间和权限后重试", reason=error.strerror or error
    )
