"""The reference-image library: a local folder that people fill, search, and pick references from.

A file's key says everything about it (name, size, a hash of its bytes), so the folder is the whole
truth and there is no list to keep in step. Knows nothing of Pillow: what comes in was checked before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from config import Settings, is_loopback
from domain import CheckedUpload, LibraryImage, Reference, SampleImage
from errors import InvalidRequest, NotFound, StorageError

FILES_URL = "/samples/files/"
THUMBNAILS_URL = "/samples/thumbnails/"
OUTPUT_URL = "/output/"

_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
_KEY = re.compile(r"(?P<stem>.+)-(?P<width>\d{1,6})x(?P<height>\d{1,6})-[0-9a-f]{12}(?P<ending>\.[a-z]+)")
_TRASH = ".trash"
_THUMBNAILS = ".thumbnails"


def list_sample_images(settings: Settings, search: str = "") -> list[LibraryImage]:
    """The library, newest first; ``search`` is looked for in the names, letters, case and width folded."""
    wanted = _folded(search.strip())
    images = [_described(settings, path.name) for path in _newest_first(settings.samples_dir)]
    return [image for image in images if wanted in _folded(image.filename)]


def add_sample_image(settings: Settings, upload: CheckedUpload) -> LibraryImage:
    """Keep a checked upload. The same picture under any name is kept once: the first stays."""
    digest = hashlib.sha256(upload.content).hexdigest()[:12]
    known = next((path for path in _newest_first(settings.samples_dir) if f"-{digest}." in path.name), None)
    if known:
        return _described(settings, known.name)
    stem, dot, ending = upload.filename.rpartition(".")
    key = f"{stem}-{upload.width}x{upload.height}-{digest}{dot}{ending}"
    _write(_thumbnail_path(settings, key), upload.thumbnail)
    _write(settings.samples_dir / key, upload.content)
    return _described(settings, key)


def delete_sample_image(settings: Settings, key: str) -> None:
    """Move it to the library's trash, from where ``restore_sample_image`` brings it back."""
    _move(open_sample_image(settings, key), settings.samples_dir / _TRASH / key)


def restore_sample_image(settings: Settings, key: str) -> LibraryImage:
    """Bring back what was deleted; what is back already stays. NotFound when it never was."""
    with contextlib.suppress(NotFound):
        _move(_existing(settings.samples_dir / _TRASH, key), settings.samples_dir / key)
    return _described(settings, open_sample_image(settings, key).name)


def open_sample_image(settings: Settings, key: str) -> Path:
    """The file behind a key; NotFound for every other name."""
    return _existing(settings.samples_dir, key)


def open_sample_thumbnail(settings: Settings, key: str) -> Path:
    """Its thumbnail (WebP), or the file itself where there is none."""
    path = open_sample_image(settings, key)
    thumbnail = _thumbnail_path(settings, key)
    return thumbnail if thumbnail.is_file() else path


def references(settings: Settings, images: Sequence[SampleImage]) -> list[Reference]:
    """Reference images made ready for a model: public addresses as they are, what is kept here as bytes.

    InvalidRequest("sample_images") names the one that is missing.
    """
    return [_reference(settings, image) for image in images]


def _reference(settings: Settings, image: SampleImage) -> Reference:
    try:
        address = urlsplit(image.url)
    except ValueError:
        raise _missing(image.filename) from None
    is_ours = not address.scheme or is_loopback(address.hostname or "")
    for prefix, folder in ((FILES_URL, settings.samples_dir), (OUTPUT_URL, settings.output_dir)):
        at = image.url.find(prefix)
        if is_ours and address.path.startswith(prefix):
            return _local_reference(folder, image.url[at + len(prefix) :], image.filename)
    if address.scheme not in ("http", "https"):
        raise _missing(image.filename)
    return Reference(filename=image.filename, url=image.url)


def _local_reference(folder: Path, name: str, filename: str) -> Reference:
    """The name as it is, else as an address spells it (``%E7%8C%AB`` for 猫)."""
    for spelled in (name, unquote(name.partition("?")[0])):
        with contextlib.suppress(NotFound, OSError):
            content = _existing(folder, spelled).read_bytes()
            return Reference(filename=filename, content=content, media_type=_media_type(content, filename))
    raise _missing(filename)


def _missing(filename: str) -> InvalidRequest:
    return InvalidRequest("sample_images", f"参考图「{filename}」找不到了，请重新选择")


def _media_type(content: bytes, filename: str) -> str:
    if content.startswith(b"\x89PNG"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidRequest("sample_images", f"参考图「{filename}」不是 PNG、JPEG 或 WebP 图片，请换一张")


def _newest_first(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            dated = [(_kept_at(entry), entry.name) for entry in entries if _is_picture(entry)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(
            f"示例图文件夹打不开（{error.strerror or error}），请检查它的位置和权限"
        ) from error
    return [folder / name for _, name in sorted(dated, reverse=True)]


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """Also what was put there by hand, if its name can be told in an address."""
    name = entry.name
    is_sayable = name == name.encode(errors="ignore").decode() and not name.startswith(".")
    return is_sayable and name.lower().endswith(_ENDINGS) and entry.is_file()


def _kept_at(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mtime_ns
    except FileNotFoundError:  # deleted this very moment
        return 0


def _described(settings: Settings, key: str) -> LibraryImage:
    known = _KEY.fullmatch(key)
    has_thumbnail = _thumbnail_path(settings, key).is_file()
    return LibraryImage(
        key=key,
        filename=known["stem"] + known["ending"] if known else key,
        url=FILES_URL + quote(key),
        thumbnail_url=(THUMBNAILS_URL if has_thumbnail else FILES_URL) + quote(key),
        width=int(known["width"]) if known else None,
        height=int(known["height"]) if known else None,
    )


def _thumbnail_path(settings: Settings, key: str) -> Path:
    return settings.samples_dir / _THUMBNAILS / f"{key}.webp"


def _existing(folder: Path, name: str) -> Path:
    path = folder / _plain(name)
    with contextlib.suppress(OSError):
        if path.is_file() and path.resolve().parent == folder.resolve():
            return path
    raise NotFound("找不到这张示例图，可能已被删除")


def _plain(key: str) -> str:
    """A key that is one name and a picture's: it cannot lead anywhere else."""
    if key.startswith(".") or set(key) & set("/\\:\x00") or not key.lower().endswith(_ENDINGS):
        raise NotFound("找不到这张示例图，可能已被删除")
    return key


def _write(path: Path, content: bytes) -> None:
    part = path.parent / f".{secrets.token_hex(8)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise _not_kept(error) from error


def _move(source: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
    except FileNotFoundError as error:
        raise NotFound("找不到这张示例图，可能已被删除") from error
    except OSError as error:
        raise _not_kept(error) from error


def _not_kept(error: OSError) -> StorageError:
    return StorageError(f"示例图文件夹写不进去（{error.strerror or error}），请检查磁盘空间和权限后重试")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
