"""Which records use a reference image. Triggers maintain the table."""

from collections.abc import Sequence

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList


def count_reference_uses(db: Connection, names: Sequence[str]) -> int:
    """Number of records, trash excluded, that used a reference with any of these names (hash, URL)."""
    row = db.execute(
        f"""
        SELECT count(DISTINCT reference_uses.record_id)
        FROM reference_uses
        JOIN generation_records ON generation_records.id = reference_uses.record_id
        WHERE reference_uses.name {IN_IDS}
          AND generation_records.deleted_at IS NULL
        """,
        {"ids": SqlList(names)},
    ).fetchone()
    return int(row[0])


def count_uses_by_name(db: Connection) -> dict[str, int]:
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


def is_reference_used(db: Connection, names: Sequence[str]) -> bool:
    """Whether any record, trash included, used a reference with any of these names."""
    sql = "SELECT EXISTS (SELECT 1 FROM reference_uses WHERE name = :name)"
    return any(db.execute(sql, {"name": name}).fetchone()[0] for name in names)
