"""Stored presets."""

import json

from app.db.connection import Connection, transaction
from app.domain.presets import MAX_PRESETS, Preset
from app.errors import Conflict, NotFound


def list_presets(db: Connection) -> list[Preset]:
    """All presets, by name."""
    rows = db.execute("SELECT name, fields FROM presets ORDER BY name").fetchall()
    return [Preset(name=row["name"], fields=json.loads(row["fields"])) for row in rows]


def save_preset(db: Connection, preset: Preset) -> None:
    """Store a preset, in place of one of the same name. Raises Conflict when there are MAX_PRESETS others."""
    with transaction(db):
        sql = "SELECT count(*) AS number FROM presets WHERE name <> :name"
        if db.execute(sql, {"name": preset.name}).fetchone()["number"] >= MAX_PRESETS:
            raise Conflict("预设已有 {limit} 个，请先删掉几个", limit=MAX_PRESETS)
        db.execute(
            """
            INSERT INTO presets (name, fields)
            VALUES (:name, :fields)
            ON CONFLICT (name) DO UPDATE SET fields = excluded.fields
            """,
            {"name": preset.name, "fields": json.dumps(dict(preset.fields), ensure_ascii=False)},
        )


def delete_preset(db: Connection, name: str) -> None:
    """Delete a preset. Raises NotFound."""
    with transaction(db):
        if not db.execute("DELETE FROM presets WHERE name = :name", {"name": name}).rowcount:
            raise NotFound("没有预设「{name}」", name=name)
