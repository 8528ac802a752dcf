"""The library in a bucket. Its list is kept here and brought up to date in the background.

Whoever looks gets the list there is, and waits 1.5 s at most when there is none yet. Hidden under the
prefix: ``.trash/`` with what was deleted, ``.pinned/`` with what records used of what was put there by hand,
``.sent/`` with pictures of this machine that a model had to see, for two days.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from app.domain import PINNED, LibraryImage, ReferenceInfo, ValidatedUpload
from app.errors import BucketError, Conflict, NotFound, TryLater
from app.library import catalogue
from app.library.catalogue import DIGEST_LENGTH, Catalogue, Change, Entry, missing, taken
from app.library.list_cache import CachedList, load, save
from app.library.snapshots import Snapshots
from oss_client import Bucket, StoredObject

FRESH_SECONDS = 60.0
FIRST_WAIT, LATER_WAIT = 1.5, 0.3
BREAKER_SECONDS = 10.0  # after a failure nobody waits for the next try
_THUMBNAIL = "image/auto-orient,1/resize,m_lfit,w_320,h_320/format,webp"
_SHOWN_SECONDS = 7_200  # life of an address for browsers; the same one is given out for half of it
_MOST_ADDRESSES = 3_000  # 2 MB
_TRASH, TEMP_PREFIX = ".trash/", ".sent/"
_SENT_SECONDS = 2 * 24 * 3600.0
_LENT_AGAIN_SECONDS = _SENT_SECONDS / 2  # another house may sweep it by its own clock
_SWEEP = 100
_PINS_A_TURN = 10
T = TypeVar("T")


@dataclass(slots=True)
class _Found:
    """What a reading of the list found. ``trash`` is key -> ETag; ``old`` was lent and has had its time."""

    shown: list[Entry] = field(default_factory=list)
    trash: dict[str, str] = field(default_factory=dict)
    pins: list[str] = field(default_factory=list)
    old: list[str] = field(default_factory=list)


class BucketLibrary:
    """The library's home in the bucket; see ``sample_images.Home``. Raises BucketError."""

    source = "oss"

    def __init__(
        self, bucket: Bucket, prefix: str, *, memory: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._memory = memory
        self._clock = clock
        self._condition = threading.Condition()
        self._catalogue: Catalogue | None = None
        self._trash: Mapping[str, str] = {}
        self._pins = Snapshots(bucket, prefix, clock)
        self._listed_at = 0.0
        self._is_of_this_run = False
        self._failed_at = 0.0
        self._trouble: BucketError | None = None
        self._outage: BucketError | None = None
        self._outage_at = 0.0
        self._rounds = 0
        self._wanted = True
        self._changes: list[Change] = []
        self._addresses: dict[tuple[str, str], tuple[str, float]] = {}
        self._sent: dict[str, float] = {}
        self._measured: dict[str, ReferenceInfo | None] = {}
        self._recall()

    @property
    def listed_at(self) -> float:
        """When the list was made, Unix seconds; 0 = never."""
        return self._listed_at

    @property
    def is_stale(self) -> bool:
        """Whether the list is older than it should be, or could not be read anew."""
        is_as_read = self._is_of_this_run and self._trouble is None
        return not is_as_read or self._clock() - self._listed_at > FRESH_SECONDS

    @property
    def trouble(self) -> str:
        """Why the list could not be brought up to date; empty when it could."""
        return self._trouble.message if self._trouble else ""

    def catalogue(self) -> Catalogue:
        """The list there is. Without one: wait 1.5 s for it at most, then say what is the matter."""
        with self._condition:
            if self.is_stale:
                self._ask_and_wait()
            if self._catalogue is not None:
                return self._catalogue
            if self._trouble:
                raise BucketError(self._trouble.message, transient=self._trouble.transient)
        raise TryLater("正在读取 OSS 里的示例图，请稍等几秒再试")

    def wait_until_wanted(self, timeout: float) -> bool:
        """For the thread that calls ``tend``: whether somebody looked at an old list, or chose a picture."""
        with self._condition:
            return self._condition.wait_for(lambda: self._wanted or self._pins.is_waited_for, timeout)

    def tend(self) -> None:
        """Read the list anew when that is wanted, and copy some of what was chosen; a send does it else."""
        if self._wanted:
            self.refresh()
        for _ in range(_PINS_A_TURN):
            chosen = self._pins.take_chosen()
            if chosen is None:
                return
            with contextlib.suppress(BucketError):
                self._pin(*chosen)

    def refresh(self) -> None:
        """Read the whole list anew; what fails is kept as ``trouble``. One at a time."""
        with self._condition:
            self._changes.clear()
            self._wanted = False
        try:
            found = self._read()
        except BucketError as trouble:
            with self._condition:
                self._trouble, self._failed_at = trouble, self._clock()
                self._end_round()
            return
        self._take(found)
        self._sweep(found.old)

    def add(self, upload: ValidatedUpload) -> LibraryImage:
        """Keep a checked upload. The same picture under any name is kept once: the first stays."""
        digest = hashlib.sha256(upload.content).hexdigest()[:DIGEST_LENGTH]
        same = self._known().of_content(digest)
        if same and self._is_there(same.key):
            return catalogue.to_library_image(same)
        key = catalogue.key_for(upload, digest)
        self._bucket.put(self._prefix + key, upload.content, catalogue.media_type_of(key))
        return self._added(self._entry(key, len(upload.content)))

    def delete(self, key: str) -> None:
        """Into the trash, from where ``restore`` brings it back. Nothing is taken away for good: whether a
        record of another house used it, nobody knows here. Another of that name there makes room."""
        etag = self._etag_at(catalogue.shown_key(key))
        while True:
            with contextlib.suppress(Conflict):
                self._move(key, _TRASH + key, replace=bool(catalogue.digest_in(key)))
                return self._change(Change(without=key, trash_plus={key: etag}))
            self._make_room_in_trash(key)

    def restore(self, key: str) -> LibraryImage:
        """Bring back what was deleted; what is back already stays. NotFound when it never was."""
        try:
            self._move(_TRASH + catalogue.shown_key(key), key, replace=bool(catalogue.digest_in(key)))
        except NotFound:
            pass
        except Conflict:
            if self._is_there(_TRASH + key):
                raise
        found = self._look(key)
        entry = self._entry(key, found.size, found.etag)
        return self._added(entry, trash_without=key)

    def rename(self, key: str, stem: str) -> LibraryImage:
        """The same picture under another name."""
        target = catalogue.renamed(catalogue.shown_key(key), stem)
        found = self._look(key)
        if target == key:
            return catalogue.to_library_image(self._entry(key, found.size))
        self._move(key, target)
        return self._added(self._entry(target, found.size, found.etag), without=key)

    def file(self, key: str, etag: str = "") -> str:
        """An address of the picture for a browser; also when it was renamed or deleted since.

        With an ETag, of that content: NotFound when another lies in its place and no copy was made of it.
        """
        return self._address(self._as_used(key, etag), "")

    def thumbnail(self, key: str, etag: str = "") -> str:
        """The same, 320 px, made by OSS."""
        return self._address(self._as_used(key, etag), _THUMBNAIL)

    def knows(self, key: str) -> bool:
        """Whether the list at hand has it."""
        return key in self._known().entries

    def facts(self, key: str, etag: str) -> ReferenceInfo | None:
        """What is known of it, or of its content with that ETag, without asking."""
        entry = self._known().entries.get(key)
        if entry and etag in ("", entry.etag):
            return self._measured.get(entry.etag) or catalogue.facts_of(key, entry.size)
        if entry and not self.is_stale and not self._pins.find(key, etag):
            return ReferenceInfo(is_missing=True)
        return self._measured.get(etag)

    def etag(self, key: str) -> str:
        """What tells this content from another that is put in its place; empty where the key does, or no
        fresh list is there to ask."""
        return "" if self.is_stale else self._etag_at(key)

    def choose(self, key: str, etag: str) -> None:
        """A record will use this content: a copy is made soon, before another can be put in its place."""
        if self._pins.choose(catalogue.shown_key(key), etag):
            with self._condition:
                self._condition.notify_all()

    def stored(self, key: str, etag: str = "") -> StoredObject:
        """Where it surely is at this moment, renamed or deleted as it may be. Raises NotFound.

        With an ETag, the copy of that content if it can be had; else what is there, with its own ETag.
        """
        found = self._pin(key, etag) if etag else None
        now = self._prefix + self._now(key)
        return found or self._unless_out(lambda: self._bucket.look(now))

    def place(self, key: str) -> str:
        """Where it is, as far as the list tells."""
        return self._prefix + self._now(key)

    def sent_address(self, key: str, *, seconds: int) -> str:
        """An address for a model. From here on a key is whole, as ``stored``, ``place``, ``lend`` tell it."""
        return self._bucket.signed_url(key, seconds=seconds)

    def measured(self, key: str, etag: str) -> ReferenceInfo | None:
        """What OSS finds in such an object; None when its name tells, or OSS cannot."""
        if catalogue.digest_in(key):
            return None
        content = etag or key
        if content not in self._measured:
            self._measured[content] = self._unless_out(lambda: self._measure(key))
        return self._measured[content]

    def content(self, key: str) -> bytes:
        """The picture itself. Raises NotFound."""
        return self._unless_out(lambda: self._bucket.fetch(key))

    def lend(self, content: bytes, media_type: str) -> str:
        """A picture of this machine, for a model to see; stays there for two days -> its key."""
        digest = hashlib.sha256(content).hexdigest()[:32]
        key = f"{self._prefix}{TEMP_PREFIX}{digest}.{media_type.rpartition('/')[2]}"
        now = self._clock()
        if now - self._sent.get(digest, 0.0) > _LENT_AGAIN_SECONDS:
            self._unless_out(lambda: self._bucket.put(key, content, media_type))
            self._sent[digest] = now
        return key

    def _pin(self, key: str, etag: str) -> StoredObject | None:
        source = self._prefix + self._now(key)
        return self._unless_out(lambda: self._pins.keep(source, key, etag))

    def _unless_out(self, ask: Callable[[], T]) -> T:
        """While OSS is out of reach one tries now and then; the others are told at once, holding no place."""
        outage = self._outage
        if outage and self._clock() - self._outage_at < BREAKER_SECONDS:
            raise BucketError(outage.message, transient=True)
        try:
            answer = ask()
        except BucketError as trouble:
            self._outage, self._outage_at = (trouble if trouble.transient else None), self._clock()
            raise
        self._outage = None
        return answer

    def _measure(self, key: str) -> ReferenceInfo | None:
        try:
            found = self._bucket.measure(key)
            return ReferenceInfo(
                format=found["Format"].lower().replace("jpg", "jpeg"),
                size=int(found["FileSize"]),
                width=int(found["ImageWidth"]),
                height=int(found["ImageHeight"]),
            )
        except BucketError as trouble:
            if trouble.transient:
                raise
        except (KeyError, ValueError):
            pass
        return None

    def _ask_and_wait(self) -> None:
        """With the condition held."""
        self._wanted = True
        self._condition.notify_all()
        if self._clock() - self._failed_at < BREAKER_SECONDS:
            return
        rounds, patience = self._rounds, FIRST_WAIT if self._catalogue is None else LATER_WAIT
        self._condition.wait_for(lambda: self._rounds != rounds, patience)

    def _read(self) -> _Found:
        """The whole list; what did not change is not kept twice, and of the pages nothing stays in memory."""
        found, now, known = _Found(), self._clock(), self._known().entries
        for each in self._bucket.list_objects(self._prefix):
            name = self._name(each.key)
            etag = "" if catalogue.digest_in(name) else each.etag
            if name.startswith(_TRASH):
                found.trash[name.removeprefix(_TRASH)] = etag
            elif name.startswith(PINNED):
                found.pins.append(name)
            elif name.startswith(TEMP_PREFIX):
                if each.modified_at < now - _SENT_SECONDS:
                    found.old.append(name)
            elif catalogue.is_picture(name):
                entry = Entry(key=name, size=each.size, kept_at=each.modified_at, etag=etag)
                earlier = known.get(name)
                found.shown.append(earlier if earlier and earlier == entry else entry)
        return found

    def _take(self, found: _Found) -> None:
        """A fresh list takes the old one's place, with what was changed while it was read."""
        fresh = Catalogue(found.shown)
        trash: Mapping[str, str] = found.trash
        with self._condition:
            for change in self._changes:
                fresh, trash = change.of_list(fresh), change.of_trash(trash)
            self._catalogue, self._listed_at, self._trouble = fresh, self._clock(), None
            self._is_of_this_run = True
            self._trash = trash
            self._pins.learn(found.pins)
            self._end_round()
        known = CachedList(listed_at=self._listed_at, catalogue=fresh, trash=trash, pins=self._pins.names)
        save(self._memory, known, of=self._identity())

    def _end_round(self) -> None:
        self._rounds += 1
        self._wanted = False  # who asked meanwhile has what they asked for
        self._condition.notify_all()

    def _sweep(self, old: Iterable[str]) -> None:
        """Take away what was lent long ago; what fails is left for the next time."""
        with contextlib.suppress(BucketError):
            for name in islice(old, _SWEEP):
                self._bucket.delete(self._prefix + name)

    def _known(self) -> Catalogue:
        return self._catalogue or Catalogue(())

    def _now(self, key: str) -> str:
        """Under which key it is now, as far as the list tells; the key itself when nothing is known of it."""
        known = self._known()
        if catalogue.shown_key(key) in known.entries:
            return key
        same = known.of_content(catalogue.digest_in(key))
        if same:
            return same.key
        deleted = catalogue.same_picture(key, self._trash)
        return _TRASH + deleted if deleted else key

    def _as_used(self, key: str, etag: str) -> str:
        """Where that content is, as far as the list tells."""
        pin, now = self._pins.find(key, etag), self._now(key)
        if not pin and etag and self._etag_at(now) not in ("", etag):
            raise missing()
        return pin or now

    def _etag_at(self, key: str) -> str:
        """The ETag that the list tells; empty where it does not."""
        if key.startswith(_TRASH):
            return self._trash.get(key.removeprefix(_TRASH), "")
        entry = self._known().entries.get(key)
        return entry.etag if entry else ""

    def _address(self, key: str, change: str) -> str:
        """Signed once an hour, so that browsers can keep what they fetched."""
        now = self._clock()
        url, until = self._addresses.get((key, change), ("", 0.0))
        if now < until:
            return url
        if len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.clear()
        url = self._bucket.signed_url(self._prefix + key, seconds=_SHOWN_SECONDS, change=change)
        self._addresses[key, change] = url, now + _SHOWN_SECONDS / 2
        return url

    def _look(self, key: str) -> StoredObject:
        try:
            return self._bucket.look(self._prefix + key)
        except NotFound:
            raise missing() from None

    def _is_there(self, key: str) -> bool:
        try:
            self._bucket.look(self._prefix + key)
        except NotFound:
            return False
        return True

    def _move(self, key: str, target: str, *, replace: bool = False) -> None:
        """Copied, then deleted: a failure in between leaves one too many, never one too few.

        Conflict when a picture has that name, unless it may be replaced: then it is the same one.
        """
        try:
            self._bucket.copy(self._prefix + key, self._prefix + target, overwrite=replace)
        except NotFound:
            raise missing() from None
        except Conflict:
            raise taken(target) from None
        self._bucket.delete(self._prefix + key)

    def _make_room_in_trash(self, key: str) -> None:
        """Another deleted picture of that name gets a number; who comes second finds it done."""
        free = catalogue.next_free_key(key, lambda name: self._is_there(_TRASH + name))
        etag = self._etag_at(_TRASH + key)
        with contextlib.suppress(Conflict, NotFound):
            self._move(_TRASH + key, _TRASH + free)
            self._change(Change(trash_without=key, trash_plus={free: etag}))

    def _entry(self, key: str, size: int, etag: str = "") -> Entry:
        etag = "" if catalogue.digest_in(key) else etag
        return Entry(key=key, size=size, kept_at=self._clock(), etag=etag)

    def _added(self, entry: Entry, *, without: str = "", trash_without: str = "") -> LibraryImage:
        self._change(Change(without=without or entry.key, plus=entry, trash_without=trash_without))
        return catalogue.to_library_image(entry)

    def _change(self, change: Change) -> None:
        """In the list at hand, and noted for the one that may be on its way."""
        with self._condition:
            self._changes.append(change)
            self._trash = change.of_trash(self._trash)
            if self._catalogue is not None:
                self._catalogue = change.of_list(self._catalogue)

    def _name(self, key: str) -> str:
        return key.removeprefix(self._prefix)

    def _recall(self) -> None:
        """The list of the last run, until there is a fresh one."""
        known = load(self._memory, of=self._identity())
        if known:
            self._catalogue, self._listed_at = known.catalogue, known.listed_at
            self._trash = known.trash
            self._pins.learn(known.pins)

    def _identity(self) -> str:
        return f"{self._bucket.address.endpoint}/{self._bucket.address.bucket}/{quote(self._prefix)}"
