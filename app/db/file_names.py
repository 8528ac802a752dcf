"""Choose file names for new records that no record and no file on disk uses."""

from collections.abc import Callable, Iterable, Sequence

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList
from app.domain import file_key


def choose_names(
    db: Connection, wanted: Iterable[tuple[str, Sequence[str]]], is_taken: Callable[[str], bool]
) -> list[list[str]]:
    """For each (preferred base name, its endings), the base names to use; reads the database and the disk.

    Call it before the transaction, which must not wait for a slow disk, and ``are_taken`` inside it.
    """
    rows = list(wanted)
    choose = _chooser(db, rows, is_taken)
    return [choose(stem, endings) if endings else [] for stem, endings in rows]


def are_taken(db: Connection, names: Sequence[Sequence[str]]) -> bool:
    """Whether a record uses one of these names; checks the chosen ones again, inside the transaction."""
    keys = SqlList(file_key(stem) for stems in names for stem in stems)
    sql = f"SELECT 1 FROM generation_records WHERE file_key {IN_IDS} LIMIT 1"
    return db.execute(sql, {"ids": keys}).fetchone() is not None


def _chooser(
    db: Connection, rows: Sequence[tuple[str, Sequence[str]]], is_taken: Callable[[str], bool]
) -> Callable[[str, Sequence[str]], list[str]]:
    known, highest = _used_names(db, rows)
    counters: dict[str, int] = {}

    def choose(wanted: str, endings: Sequence[str]) -> list[str]:
        while True:
            number = counters.get(file_key(wanted), 0) or highest.get(file_key(wanted), 0) + 1
            counters[file_key(wanted)] = number + 1
            base = wanted if number == 1 else f"{wanted}-{number}"
            stems = [f"{base}{ending}" for ending in endings]
            if not any(file_key(stem) in known or is_taken(stem) for stem in stems):
                known.update(map(file_key, stems))
                return stems

    return choose


def _used_names(db: Connection, rows: Sequence[tuple[str, Sequence[str]]]) -> tuple[set[str], dict[str, int]]:
    """The keys of the records' names that these rows may want, and by key of a base name the highest counter:
    n of ``name-n`` or ``name-n_1``."""
    keys = SqlList(file_key(stem + ending) for stem, endings in rows for ending in endings)
    sql = f"SELECT file_key FROM generation_records WHERE file_key {IN_IDS}"
    known = {row["file_key"] for row in db.execute(sql, {"ids": keys})}
    numbered = db.execute(
        """
        SELECT base.value AS base, file_key
        FROM json_each(:ids) AS base
        CROSS JOIN generation_records ON file_key >= base.value || '-' AND file_key < base.value || '.'
        """,
        {"ids": SqlList({file_key(stem) for stem, endings in rows if endings})},
    )
    highest: dict[str, int] = {}
    for base, key in numbered:
        known.add(key)
        tail = key[len(base) + 1 :].partition("_")[0]
        if tail.isascii() and tail.isdigit() and len(tail) < 9:
            highest[base] = max(highest.get(base, 0), int(tail))
    return known, highest
