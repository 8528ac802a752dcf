"""How often reference images are used, and the orders in which they can be listed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import database
from app.library.catalogue import filename_in, names_of, natural_order

SORTS: Mapping[str, str] = {"newest": "新的在前", "name": "按文件名", "used": "用得多的在前"}


def rank_of(db: database.Connection, sort: str) -> Callable[[str], Any] | None:
    """What keys are sorted by, for ``Library.list_images``; None: newest first."""
    if sort == "name":
        return lambda key: natural_order(filename_in(key))
    if sort == "used":
        uses = count_uses_by_name(db)
        return lambda key: -max((uses.get(name, 0) for name in names_of(key)), default=0)
    return None


def count_reference_uses(db: database.Connection, names: Sequence[str]) -> int:
    """Number of records, trash excluded, that used a reference with any of these names (hash, URL)."""
    row = db.execute(
        f"""
        SELECT count(DISTINCT reference_uses.record_id)
        FROM reference_uses
        JOIN generation_records ON generation_records.id = reference_uses.record_id
        WHERE reference_uses.name {database.IN_IDS}
          AND generation_records.deleted_at IS NULL
        """,
        {"ids": database.SqlList(names)},
    ).fetchone()
    return int(row[0])


def count_uses_by_name(db: database.Connection) -> dict[str, int]:
    """Number of records, trash excluded, by each name (hash, URL) of a reference that was used."""
    uses = dict(db.execute("SELECT name, count(*) FROM reference_uses GROUP BY name").fetchall())
    in_trash = db.execute(
        """
        SELECT reference_uses.name, count(*)
        FROM generation_records
        JOIN reference_uses ON reference_uses.record_id = generation_records.id
        WHERE generation_records.deleted_at IS NOT NULL
        GROUP BY reference_uses.name
        """
    )
    for name, number in in_trash:
        uses[name] -= number
    return uses
