"""What clients say of pictures, for the rows that show them."""

from collections.abc import Collection
from typing import Any

from app.db.connection import Connection
from app.db.row_mapping import IN_IDS, SqlList


def client_marks(db: Connection, record_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """What a client says of each of these records: mark (None without one), comment, client, round (number).

    Of several clients the one whose round is open counts, else the newest round.
    """
    if not record_ids or db.execute("SELECT 1 FROM round_marks LIMIT 1").fetchone() is None:
        return {}
    rows = db.execute(
        f"""
        SELECT record_id, mark, comment, client, number
        FROM round_pictures
        JOIN rounds ON rounds.id = round_pictures.round_id
        JOIN round_marks ON round_marks.round_id = rounds.id AND round_marks.n = round_pictures.n
        WHERE record_id {IN_IDS} AND (mark <> '' OR comment <> '')
        ORDER BY CASE WHEN state = 'open' THEN 1 ELSE 0 END, rounds.id
        """,
        {"ids": SqlList(record_ids)},
    ).fetchall()
    return {
        record_id: {"mark": mark or None, "comment": comment, "client": client, "round": number}
        for record_id, mark, comment, client, number in rows
    }
