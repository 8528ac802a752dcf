"""Keys of library images and the list of them. A key contains name, pixel size and a content hash:
``红茶-640x480-0123456789ab.png``. Files added by hand have only a name.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from app.domain import FILES_URL, PINNED, LibraryImage, ReferenceInfo, ValidatedUpload, normalised
from app.errors import Conflict, InvalidRequest, NotFound
from app.system import windows_files

THUMBNAILS_URL = "/samples/thumbnails/"
TRASH = ".trash/"
THUMBNAIL_PROCESS = "image/auto-orient,1/resize,m_lfit,w_320,h_320/format,webp"  # what OSS is asked for
LARGE_PROCESS = THUMBNAIL_PROCESS.replace("320", "800")

IsUsed = Callable[[Sequence[str]], bool]  # whether a record references any of these names

_KEY = re.compile(
    r"(?P<stem>[^/]+)-(?P<width>\d{1,6})x(?P<height>\d{1,6})-(?P<digest>[0-9a-f]{12})(?P<ending>\.[a-z]+)"
)
_PINNED = re.compile(rf"{re.escape(PINNED)}(?P<content_id>[0-9A-Za-z-]{{1,64}})/(?P<key>.+)", re.DOTALL)
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
ENDINGS = tuple(MEDIA_TYPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An image listed by its backend. ``modified_at`` is a Unix time; ``etag`` is that of an object in a
    bucket whose key contains no hash."""

    key: str
    size: int
    modified_at: float
    etag: str = ""


class Catalogue:
    """An immutable list of images, newest first, those of one time by name; ``entries`` includes hidden ones,
    in ``.trash/`` and ``.pinned/``. 10,000 entries take 5 MB, so ``LibraryImage`` objects are created only
    for the page shown.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        ordered = sorted(entries, key=lambda entry: (-entry.modified_at, natural_order(entry.key)))
        self.entries = {entry.key: entry for entry in ordered}

    @cached_property
    def shown(self) -> tuple[Entry, ...]:
        """The images that are not hidden."""
        return tuple(entry for entry in self.entries.values() if not entry.key.startswith("."))

    @cached_property
    def digest(self) -> str:
        """The same for the same images."""
        written = repr([(entry.key, entry.size, entry.etag) for entry in self.shown])
        return hashlib.sha256(written.encode()).hexdigest()[:16]

    @cached_property
    def _folded_names(self) -> tuple[str, ...]:
        return tuple(folded(filename_in(entry.key)) for entry in self.shown)

    def search(self, words: str) -> Sequence[Entry]:
        """Shown entries whose name contains ``words``, case and width folded."""
        wanted = folded(words.strip())
        if not wanted:
            return self.shown
        named = zip(self.shown, self._folded_names, strict=True)
        return tuple(entry for entry, name in named if wanted in name)

    def of_content(self, digest: str) -> Entry | None:
        """The newest shown entry whose key contains this content hash."""
        marked = (entry for entry in self.shown if digest and digest in entry.key)
        return next((entry for entry in marked if digest_in(entry.key) == digest), None)

    def current_key(self, key: str) -> str:
        """The key of the same image now, if it was renamed or deleted; an unknown key unchanged."""
        if shown_key(key) in self.entries:
            return key
        if same := self.of_content(digest_in(key)):
            return same.key
        return same_image(TRASH + key, (name for name in self.entries if name.startswith(TRASH))) or key

    def edited(self, *, without: str, plus: Entry | None) -> Catalogue:
        """A copy with one entry removed, or added as the newest, without sorting again."""
        changed = Catalogue(())
        added = {plus.key: plus} if plus else {}
        remaining = dict(self.entries)
        for key in (without, *added):
            remaining.pop(key, None)
        changed.entries = added | remaining
        return changed


def shown_key(key: str) -> str:
    """Return ``key`` if it is a visible image's. Raises NotFound otherwise."""
    parts = key.split("/")
    if not all(parts) or any(part.startswith(".") for part in parts) or "\x00" in key:
        raise missing()
    if not is_image(parts[-1]) or len(key.encode()) > 1_000:
        raise missing()
    return key


def key_for(upload: ValidatedUpload, digest: str, max_units: int | None = None) -> str:
    """The key of a new image, shortened to ``max_units`` UTF-16 units."""
    stem, ending = _split(upload.filename)
    rest = f"-{upload.width}x{upload.height}-{digest}{ending}"
    while max_units is not None and len(stem) > 1 and windows_files.utf16_length(stem + rest) > max_units:
        stem = stem[:-1]
    return stem + rest


def renamed(key: str, stem: str, max_units: int | None = None) -> str:
    """The key with a new base name; folder, size and hash are unchanged."""
    folder, slash, name = key.rpartition("/")
    known = _KEY.fullmatch(name)
    if known:
        name = f"{stem}-{known['width']}x{known['height']}-{known['digest']}{known['ending']}"
    else:
        name = stem + _split(name)[1]
    if len(name.encode()) > 240 or (max_units is not None and windows_files.utf16_length(name) > max_units):
        raise InvalidRequest("filename", "名字太长，请短一些")
    return folder + slash + name


def next_free_key(key: str, is_there: Callable[[str], bool]) -> str:
    """The next free key with a counter: ``猫.png`` -> ``猫-2.png``."""
    stem, ending = _split(key)
    return next(free for n in itertools.count(2) if not is_there(free := f"{stem}-{n}{ending}"))


def to_library_image(entry: Entry) -> LibraryImage:
    """The ``LibraryImage`` of an entry. A file added to the folder by hand has no thumbnail."""
    known = _KEY.fullmatch(entry.key.rpartition("/")[2])
    return LibraryImage(
        key=entry.key,
        filename=filename_in(entry.key),
        url=FILES_URL + quote(entry.key),
        thumbnail_url=(THUMBNAILS_URL if known or entry.etag else FILES_URL) + quote(entry.key),
        width=int(known["width"]) if known else None,
        height=int(known["height"]) if known else None,
        size=entry.size,
        added_at=entry.modified_at,
    )


def filename_in(key: str) -> str:
    """The display name: without folder, size and hash."""
    name = key.rpartition("/")[2]
    known = _KEY.fullmatch(name)
    return known["stem"] + known["ending"] if known else name


def facts_of(key: str, size: int) -> ReferenceInfo:
    """The properties that key and size in bytes provide without reading the image."""
    image = to_library_image(Entry(key=key, size=size, modified_at=0.0))
    image_format = media_type_of(key).removeprefix("image/")
    return ReferenceInfo(format=image_format, size=size, width=image.width, height=image.height)


def digest_in(key: str) -> str:
    """The content hash in the key, or ``""``."""
    known = _KEY.fullmatch(key.rpartition("/")[2])
    return known["digest"] if known else ""


def split_pinned(name: str) -> tuple[str, str]:
    """Split ``.pinned/<content id>/<key>`` of a ``SampleImage.pinned`` URL; else the id is empty."""
    pinned = _PINNED.fullmatch(name)
    return (pinned["content_id"], pinned["key"]) if pinned else ("", name)


def snapshot_key(key: str, content_id: str) -> str:
    """The key of the snapshot of this content."""
    return f"{PINNED}{content_id}.{key.rpartition('.')[2].lower()}"


def names_of(key: str) -> list[str]:
    """The names by which records reference this image: its hash and its URL."""
    return [name for name in (digest_in(key), FILES_URL + quote(key)) if name]


def same_image(key: str, others: Iterable[str]) -> str:
    """The same key in ``others``, else one with the same content hash, else ``""``."""
    digest, found = digest_in(key), ""
    for other in others:
        if other == key:
            return key
        if digest and digest in other and digest_in(other) == digest:
            found = other
    return found


def is_image(name: str) -> bool:
    """Whether a file is listed: image extension, not hidden, name encodable in a URL."""
    is_encodable = name == name.encode(errors="ignore").decode() and not name.startswith(".")
    return is_encodable and name.lower().endswith(ENDINGS)


def media_type_of(key: str) -> str:
    """The media type of a key, by extension."""
    return MEDIA_TYPES[_split(key)[1].lower()]


def media_type_in(content: bytes, filename: str) -> str:
    """The media type of image bytes, by signature. Raises InvalidRequest for other formats."""
    if content.startswith(b"\x89PNG"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidRequest(
        "sample_images", "参考图「{filename}」不是 PNG、JPEG 或 WebP 图片，请换一张", filename=filename
    )


def missing() -> NotFound:
    """The error for an unknown key."""
    return NotFound("找不到这张示例图，可能已被删除")


def taken(key: str) -> Conflict:
    """The error for a name in use by another image."""
    return Conflict(
        "已经有一张叫「{filename}」的示例图，请换一个名字，或先给那一张改名", filename=key.rpartition("/")[2]
    )


def folded(text: str) -> str:
    """Normalise (NFKC) and case-fold text for searching."""
    return normalised("NFKC", text).casefold()


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which ``图2`` is before ``图10``; case and width folded."""
    parts = re.findall(r"\d{1,18}|\D+|\d", folded(name))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return stem, dot + ending
