"""Snapshots in the bucket of images added by hand, as records used them: ``.pinned/<ETag>.png``.

Copied by OSS, only if the content still has the chosen ETag; hidden in lists and never deleted, because
records of other installations may use them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from app.domain import PINNED
from app.errors import BucketError, Conflict, NotFound
from oss_client import Bucket, StoredObject

_REFUSED_SECONDS = 600.0  # seconds without copies after OSS refused one


class Snapshots:
    """The snapshots below a prefix. Thread-safe; raises BucketError for transient errors only."""

    def __init__(self, bucket: Bucket, prefix: str, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._chosen: dict[str, tuple[str, str]] = {}
        self._refused_until = 0.0

    @property
    def names(self) -> frozenset[str]:
        """Known snapshots, without the prefix."""
        return self._names

    @property
    def is_waited_for(self) -> bool:
        """Whether a chosen image may have no snapshot yet."""
        return bool(self._chosen)

    def learn(self, names: Iterable[str]) -> None:
        """Add names found in a listing."""
        self._names = self._names.union(names)

    def find(self, key: str, etag: str) -> str:
        """The name of the snapshot; empty if unknown."""
        name = _name(key, etag)
        return name if etag and name in self._names else ""

    def choose(self, key: str, etag: str) -> bool:
        """Request a snapshot; returns False if it exists or is already requested."""
        name = _name(key, etag)
        is_news = name not in self._names and name not in self._chosen
        if is_news:
            self._chosen[name] = (key, etag)
        return is_news

    def take_chosen(self) -> tuple[str, str] | None:
        """Remove and return a requested snapshot as (key, ETag), or None."""
        with contextlib.suppress(KeyError):
            return self._chosen.popitem()[1]
        return None

    def keep(self, source: str, key: str, etag: str) -> StoredObject | None:
        """The snapshot, created if missing; None if the content was replaced or OSS refuses the copy.

        ``source`` is the current object key of the image. Safe to run concurrently: the copies are equal.
        """
        name = _name(key, etag)
        found = self._look(name, etag)
        if found is None and self._clock() >= self._refused_until:
            try:
                self._bucket.copy(source, self._prefix + name, if_match=etag)
            except (Conflict, NotFound):
                pass  # copied by another thread, or the content is gone: the lookup below decides
            except BucketError as error:
                if error.transient:
                    raise
                self._refused_until = self._clock() + _REFUSED_SECONDS
                return None
            found = self._look(name, etag)
        return found

    def _look(self, name: str, etag: str) -> StoredObject | None:
        try:
            found = self._bucket.look(self._prefix + name)
        except NotFound:
            return None
        except BucketError as error:
            if error.transient:
                raise
            return None
        self.learn([name])
        return replace(found, etag=etag)


def _name(key: str, etag: str) -> str:
    return f"{PINNED}{etag}.{key.rpartition('.')[2].lower()}"
