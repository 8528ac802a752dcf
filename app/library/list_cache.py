"""The list of a bucket in a file beside the folder: what the next run shows until it has read a fresh one."""

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
    """A list that was read at a Unix time, with what it hides: the trash as key -> ETag, names of pins."""

    listed_at: float
    catalogue: Catalogue
    trash: Mapping[str, str]
    pins: frozenset[str]


def load(file: Path, *, of: str) -> CachedList | None:
    """What was remembered of this bucket and prefix; None when that is nothing, or cannot be read."""
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
    """Keep it for the next run; where the disk would not take it, that one waits for the bucket."""
    head = {"of": of, "listed_at": known.listed_at}
    entries = ([entry.key, entry.size, entry.kept_at, entry.etag] for entry in known.catalogue)
    text = bytearray()  # grows line by line: ten thousand lines beside each other would stay in the memory
    for line in itertools.chain((head, known.trash, sorted(known.pins)), entries):
        text += json.dumps(line, ensure_ascii=False).encode() + b"\n"
    with contextlib.suppress(StorageError):
        write(file, text)
