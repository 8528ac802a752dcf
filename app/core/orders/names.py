"""Choose file names for new records that no record and no file on disk uses."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count
from typing import NamedTuple

from app.domain import file_key
from app.engine.connection import Connection
from app.engine.values import IN_IDS, SqlList


class WantedName(NamedTuple):
    """The preferred base name of a row, and what follows it in those of its new pictures: ``_2``, or nothing.

    With ``is_more`` the row has pictures of this name already: the new ones get no counter if they need none.
    """

    stem: str
    endings: Sequence[str]
    is_more: bool = False


class FileName(NamedTuple):
    """A base name, and its ``file_key``."""

    stem: str
    key: str


def choose_names(
    db: Connection, wanted: Iterable[WantedName], is_taken: Callable[[str], bool]
) -> list[list[FileName]]:
    """For each row the base names to use; reads the database and the disk.

    Call it before the transaction, which must not wait for a slow disk, and ``are_taken`` inside it.
    """
    rows = [(file_key(row.stem), row) for row in wanted]
    known, highest = _used_names(db, rows)
    chosen, counters = list[list[FileName]](), dict[str, int]()
    for key, row in rows:
        names = list[FileName]()
        first = counters.get(key) or highest.get(key, 0) + 1
        for number in chain([1] * row.is_more, count(first)) if row.endings else ():
            counters[key] = max(number + 1, first)
            counter = "" if number == 1 else f"-{number}"
            names = [FileName(f"{row.stem}{counter}{end}", f"{key}{counter}{end}") for end in row.endings]
            if not any(name.key in known or is_taken(name.stem) for name in names):
                break
        known.update(name.key for name in names)
        chosen.append(names)
    return chosen


def are_taken(db: Connection, names: Sequence[Sequence[FileName]]) -> bool:
    """Whether a record uses one of these names; checks the chosen ones again, inside the transaction."""
    keys = SqlList(name.key for row in names for name in row)
    sql = f"SELECT 1 FROM generation_records WHERE file_key {IN_IDS} LIMIT 1"
    return db.execute(sql, {"ids": keys}).fetchone() is not None


def _used_names(db: Connection, rows: Sequence[tuple[str, WantedName]]) -> tuple[set[str], dict[str, int]]:
    """The keys of the records' names that these rows may want, and by key of a base name the highest counter:
    n of ``name-n`` or ``name-n_1``."""
    keys = SqlList(key + ending for key, row in rows for ending in row.endings)
    sql = f"SELECT file_key FROM generation_records WHERE file_key {IN_IDS}"
    known = {row["file_key"] for row in db.execute(sql, {"ids": keys})}
    numbered = db.execute(
        """
        SELECT base.value AS base, file_key
        FROM json_each(:ids) AS base
        CROSS JOIN generation_records ON file_key >= base.value || '-' AND file_key < base.value || '.'
        """,
        {"ids": SqlList({key for key, row in rows if row.endings})},
    )
    highest: dict[str, int] = {}
    for base, key in numbered:
        known.add(key)
        tail = key[len(base) + 1 :].partition("_")[0]
        if tail.isascii() and tail.isdigit() and len(tail) < 9:
            highest[base] = max(highest.get(base, 0), int(tail))
    return known, highest
