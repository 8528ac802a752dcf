"""Copies in the bucket of pictures that were put there by hand, as records used them: ``.pinned/<ETag>.png``.

Made by OSS itself, only while the content is the one that was chosen; hidden in lists, and never taken away:
whose records use them, in which house, nobody knows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import replace

from app.domain import PINNED
from app.errors import BucketError, Conflict, NotFound
from oss_client import Bucket, StoredObject

_UNTIL_ASKED_AGAIN = 600.0  # seconds, after OSS would not copy


class Snapshots:
    """The pinned copies below a prefix. For all threads; raises BucketError for what may pass."""

    def __init__(self, bucket: Bucket, prefix: str, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._chosen: dict[str, tuple[str, str]] = {}
        self._refused_until = 0.0

    @property
    def names(self) -> frozenset[str]:
        """Those that are known to be there, below the prefix."""
        return self._names

    @property
    def is_waited_for(self) -> bool:
        """Whether something was chosen of which there may be no copy yet."""
        return bool(self._chosen)

    def learn(self, names: Iterable[str]) -> None:
        """These were seen in a list."""
        self._names = self._names.union(names)

    def find(self, key: str, etag: str) -> str:
        """The copy's name; empty when none is known."""
        name = _name(key, etag)
        return name if etag and name in self._names else ""

    def choose(self, key: str, etag: str) -> bool:
        """A copy of this is to be made soon -> whether that is news."""
        name = _name(key, etag)
        is_news = name not in self._names and name not in self._chosen
        if is_news:
            self._chosen[name] = (key, etag)
        return is_news

    def take_chosen(self) -> tuple[str, str] | None:
        """The next one to be made, as key and ETag."""
        with contextlib.suppress(KeyError):
            return self._chosen.popitem()[1]
        return None

    def keep(self, source: str, key: str, etag: str) -> StoredObject | None:
        """The copy, made where there is none; None when it cannot be had: another lies there, or no right to.

        ``source`` is where the picture of that key is now. Two at a time do no harm: the copy is the same.
        """
        name = _name(key, etag)
        found = self._look(name, etag)
        if found is None and self._clock() >= self._refused_until:
            try:
                self._bucket.copy(source, self._prefix + name, if_match=etag)
            except (Conflict, NotFound):
                pass  # another was faster, or what was chosen is gone: the next look tells
            except BucketError as trouble:
                if trouble.transient:
                    raise
                self._refused_until = self._clock() + _UNTIL_ASKED_AGAIN
                return None
            found = self._look(name, etag)
        return found

    def _look(self, name: str, etag: str) -> StoredObject | None:
        try:
            found = self._bucket.look(self._prefix + name)
        except NotFound:
            return None
        except BucketError as trouble:
            if trouble.transient:
                raise
            return None
        self.learn([name])
        return replace(found, etag=etag)


def _name(key: str, etag: str) -> str:
    return f"{PINNED}{etag}.{key.rpartition('.')[2].lower()}"
