"""Keys and the list made of them. A key says everything of its picture: name, size, a hash of its bytes.

``红茶-640x480-0123456789ab.png``. Files put there by hand have a key without these: only a name.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from app.domain import FILES_URL, PINNED, LibraryImage, ReferenceInfo, ValidatedUpload
from app.errors import Conflict, InvalidRequest, NotFound
from app.system import windows_files

THUMBNAILS_URL = "/samples/thumbnails/"
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")
DIGEST_LENGTH = 12

IsUsed = Callable[[Sequence[str]], bool]  # whether a record used a picture that goes by any of these names

_KEY = re.compile(
    r"(?P<stem>[^/]+)-(?P<width>\d{1,6})x(?P<height>\d{1,6})-(?P<digest>[0-9a-f]{12})(?P<ending>\.[a-z]+)"
)
_PIN = re.compile(rf"{re.escape(PINNED)}(?P<mark>[0-9A-Za-z-]{{1,64}})/(?P<key>.+)", re.DOTALL)
_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A picture as its home lists it. ``kept_at`` is a Unix time; ``etag`` where the key tells no hash."""

    key: str
    size: int
    kept_at: float
    has_thumbnail: bool = True
    etag: str = ""


class Catalogue:
    """The pictures of a library, newest first; made once, never changed. Ten thousand are 5 MB: what a page
    shows of them is made when it is drawn."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        ordered = sorted(entries, key=lambda entry: (entry.kept_at, entry.key), reverse=True)
        self.entries = {entry.key: entry for entry in ordered}

    def of_content(self, digest: str) -> Entry | None:
        """The newest whose key tells that hash of its content."""
        marked = (key for key in self.entries if digest and digest in key)
        return next((self.entries[key] for key in marked if digest_in(key) == digest), None)

    @cached_property
    def _folded_names(self) -> tuple[str, ...]:
        return tuple(folded(filename_in(key)) for key in self.entries)

    def search(self, words: str) -> Sequence[Entry]:
        """Those whose name holds the words, letters, case and width folded."""
        wanted = folded(words.strip())
        entries = tuple(self.entries.values())
        if not wanted:
            return entries
        named = zip(entries, self._folded_names, strict=True)
        return tuple(entry for entry, name in named if wanted in name)

    def changed(self, *, without: str = "", plus: Entry | None = None) -> Catalogue:
        """The catalogue after one change."""
        kept = [entry for entry in self.entries.values() if entry.key != without]
        return Catalogue([*kept, plus] if plus else kept)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of the library. Names in the trash are those below its folder, with their ETag."""

    without: str = ""
    plus: Entry | None = None
    trash_without: str = ""
    trash_plus: Mapping[str, str] = field(default_factory=dict)

    def of_list(self, known: Catalogue) -> Catalogue:
        """The list after the change."""
        return known.changed(without=self.without, plus=self.plus) if self.without or self.plus else known

    def of_trash(self, known: Mapping[str, str]) -> Mapping[str, str]:
        """The trash after the change."""
        kept = {key: etag for key, etag in known.items() if key != self.trash_without}
        return {**kept, **self.trash_plus}


def shown_key(key: str) -> str:
    """A key that is a picture's and not hidden. NotFound for every other."""
    parts = key.split("/")
    if not all(parts) or any(part.startswith(".") for part in parts) or "\x00" in key:
        raise missing()
    if not is_picture(parts[-1]) or len(key.encode()) > 1_000:
        raise missing()
    return key


def key_for(upload: ValidatedUpload, digest: str, room: int | None = None) -> str:
    """The key of a new picture, its name shortened to that many UTF-16 units of ``room``."""
    stem, ending = _split(upload.filename)
    rest = f"-{upload.width}x{upload.height}-{digest}{ending}"
    while room is not None and len(stem) > 1 and windows_files.utf16_length(stem + rest) > room:
        stem = stem[:-1]
    return stem + rest


def renamed(key: str, stem: str, room: int | None = None) -> str:
    """The key of the same picture under another name; folder, size and hash stay."""
    folder, slash, name = key.rpartition("/")
    known = _KEY.fullmatch(name)
    if known:
        name = f"{stem}-{known['width']}x{known['height']}-{known['digest']}{known['ending']}"
    else:
        name = stem + _split(name)[1]
    if len(name.encode()) > 240 or (room is not None and windows_files.utf16_length(name) > room):
        raise InvalidRequest("filename", "名字太长，请短一些")
    return folder + slash + name


def next_free_key(key: str, is_there: Callable[[str], bool]) -> str:
    """A key for another picture of that name: ``猫.png`` -> ``猫-2.png``, or the next that is free."""
    stem, ending = _split(key)
    return next(free for n in itertools.count(2) if not is_there(free := f"{stem}-{n}{ending}"))


def to_library_image(entry: Entry) -> LibraryImage:
    """A picture by its key."""
    known = _KEY.fullmatch(entry.key.rpartition("/")[2])
    return LibraryImage(
        key=entry.key,
        filename=filename_in(entry.key),
        url=FILES_URL + quote(entry.key),
        thumbnail_url=(THUMBNAILS_URL if entry.has_thumbnail else FILES_URL) + quote(entry.key),
        width=int(known["width"]) if known else None,
        height=int(known["height"]) if known else None,
        size=entry.size,
    )


def filename_in(key: str) -> str:
    """The name that people know a picture by."""
    name = key.rpartition("/")[2]
    known = _KEY.fullmatch(name)
    return known["stem"] + known["ending"] if known else name


def facts_of(key: str, size: int) -> ReferenceInfo:
    """What is known of a picture before it is sent."""
    image = to_library_image(Entry(key=key, size=size, kept_at=0.0))
    picture_format = media_type_of(key).removeprefix("image/")
    return ReferenceInfo(format=picture_format, size=size, width=image.width, height=image.height)


def digest_in(key: str) -> str:
    """The hash that the key tells, or nothing."""
    known = _KEY.fullmatch(key.rpartition("/")[2])
    return known["digest"] if known else ""


def read_pin(key: str) -> tuple[str, str]:
    """``.pinned/<mark>/<key>``, as in an address of ``SampleImage.pinned`` -> both; else no mark."""
    pin = _PIN.fullmatch(key)
    return (pin["mark"], pin["key"]) if pin else ("", key)


def names_of(key: str) -> list[str]:
    """By what a record that used this picture knows it: its hash, and the address it was picked by."""
    return [name for name in (digest_in(key), FILES_URL + quote(key)) if name]


def nobody_used(names: Sequence[str]) -> bool:
    """An ``IsUsed`` for a house without records."""
    return False


def same_picture(key: str, others: Iterable[str]) -> str:
    """Of other keys the same, else one of the same content; nothing when there is none."""
    digest, found = digest_in(key), ""
    for other in others:
        if other == key:
            return key
        if digest and digest in other and digest_in(other) == digest:
            found = other
    return found


def is_picture(name: str) -> bool:
    """Whether a file of that name is shown: a picture's ending, not hidden, sayable in an address."""
    is_sayable = name == name.encode(errors="ignore").decode() and not name.startswith(".")
    return is_sayable and name.lower().endswith(ENDINGS)


def media_type_of(key: str) -> str:
    """By its ending."""
    return _MEDIA_TYPES[_split(key)[1].lower()]


def media_type_in(content: bytes, filename: str) -> str:
    """By its first bytes. InvalidRequest when they are no picture's."""
    if content.startswith(b"\x89PNG"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidRequest("sample_images", f"参考图「{filename}」不是 PNG、JPEG 或 WebP 图片，请换一张")


def missing() -> NotFound:
    """What is said of a key that leads nowhere."""
    return NotFound("找不到这张示例图，可能已被删除")


def taken(key: str) -> Conflict:
    """What is said before another picture would be written over."""
    return Conflict(f"已经有一张叫「{key.rpartition('/')[2]}」的示例图，请换一个名字，或先给那一张改名")


def folded(text: str) -> str:
    """Letters, case and width do not matter."""
    return unicodedata.normalize("NFKC", text).casefold()


def _split(name: str) -> tuple[str, str]:
    stem, dot, ending = name.rpartition(".")
    return stem, dot + ending
