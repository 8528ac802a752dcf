"""Caches the object list of a bucket in a file, for the next run until its first refresh."""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.errors import StorageError
from app.library.catalogue import Catalogue, Entry
from app.library.local import write


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedList:
    """A list read at ``listed_at`` (Unix time), with hidden objects: trash keys -> ETags, snapshot names."""

    listed_at: float
    catalogue: Catalogue
    trash: Mapping[str, str]
    pins: frozenset[str]


def load(file: Path, *, of: str) -> CachedList | None:
    """Load the cached list of the bucket and prefix ``of``; None if missing or invalid."""
    unreadable = (OSError, ValueError, KeyError, TypeError)
    with contextlib.suppress(*unreadable), file.open(encoding="utf-8") as lines:
        head = json.loads(lines.readline())
        if head["of"] != of:
            return None
        trash, pins = dict(json.loads(lines.readline())), frozenset(json.loads(lines.readline()))
        rows = (json.loads(line) for line in lines)
        entries = (Entry(key=k, size=s, kept_at=float(t), etag=e) for k, s, t, e in rows)
        return CachedList(
            listed_at=float(head["listed_at"]), catalogue=Catalogue(entries), trash=trash, pins=pins
        )
    return None


def save(file: Path, known: CachedList, *, of: str) -> None:
    """Save the list for the next run; disk errors are ignored, as it is only a cache."""
    head = {"of": of, "listed_at": known.listed_at}
    entries = ([entry.key, entry.size, entry.kept_at, entry.etag] for entry in known.catalogue)
    text = bytearray()  # grows line by line: 10,000 separate strings would keep memory allocated
    for line in itertools.chain((head, known.trash, sorted(known.pins)), entries):
        text += json.dumps(line, ensure_ascii=False).encode() + b"\n"
    with contextlib.suppress(StorageError):
        write(file, text)
