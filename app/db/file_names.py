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
    choose = _chooser(db, is_taken)
    return [choose(stem, endings) if endings else [] for stem, endings in wanted]


def are_taken(db: Connection, names: Sequence[Sequence[str]]) -> bool:
    """Whether a record uses one of these names; checks the chosen ones again, inside the transaction."""
    keys = SqlList(file_key(stem) for stems in names for stem in stems)
    sql = f"SELECT 1 FROM generation_records WHERE file_key {IN_IDS} LIMIT 1"
    return db.execute(sql, {"ids": keys}).fetchone() is not None


def _chooser(db: Connection, is_taken: Callable[[str], bool]) -> Callable[[str, Sequence[str]], list[str]]:
    counters: dict[str, int] = {}
    chosen: set[str] = set()

    def is_free(stem: str) -> bool:
        key = file_key(stem)
        sql = "SELECT 1 FROM generation_records WHERE file_key = :key"
        is_known = key in chosen or db.execute(sql, {"key": key}).fetchone() is not None
        return not is_known and not is_taken(stem)

    def choose(wanted: str, endings: Sequence[str]) -> list[str]:
        while True:
            number = counters.get(file_key(wanted), 0) or _highest_counter(db, wanted) + 1
            counters[file_key(wanted)] = number + 1
            base = wanted if number == 1 else f"{wanted}-{number}"
            stems = [f"{base}{ending}" for ending in endings]
            if all(is_free(stem) for stem in stems):
                chosen.update(map(file_key, stems))
                return stems

    return choose


def _highest_counter(db: Connection, stem: str) -> int:
    """The highest n of ``stem-n`` or ``stem-n_1`` used by a record; 0 when there is none."""
    key = file_key(stem)
    rows = db.execute(
        "SELECT file_key FROM generation_records WHERE file_key >= :low AND file_key < :high",
        {"low": f"{key}-", "high": f"{key}."},
    ).fetchall()
    tails = (row["file_key"][len(key) + 1 :].partition("_")[0] for row in rows)
    return max(
        (int(tail) for tail in tails if tail.isascii() and tail.isdigit() and len(tail) < 9), default=0
    )
