"""What is stored under a name: presets, profiles of deliveries, recipes."""

import json

from app.db.connection import Connection, transaction
from app.domain.presets import MAX_PRESETS, Preset
from app.errors import Conflict, NotFound

_SENTENCES = {  # by table: there are too many, there is none
    "presets": ("预设已有 {limit} 个，请先删掉几个", "没有预设「{name}」"),
    "delivery_profiles": ("交付规格已有 {limit} 个，请先删掉几个", "没有交付规格「{name}」"),
    "recipes": ("配方已有 {limit} 个，请先删掉几个", "没有配方「{name}」"),
}


def list_presets(db: Connection, table: str = "presets") -> list[Preset]:
    """All presets, by name."""
    rows = db.execute(f"SELECT name, fields FROM {table} ORDER BY name").fetchall()
    return [Preset(name=row["name"], fields=json.loads(row["fields"])) for row in rows]


def save_preset(db: Connection, preset: Preset, table: str = "presets") -> None:
    """Store a preset, in place of one of the same name. Raises Conflict when there are MAX_PRESETS others."""
    with transaction(db):
        sql = f"SELECT count(*) AS number FROM {table} WHERE name <> :name"
        if db.execute(sql, {"name": preset.name}).fetchone()["number"] >= MAX_PRESETS:
            raise Conflict(_SENTENCES[table][0], limit=MAX_PRESETS)
        db.execute(
            f"""
            INSERT INTO {table} (name, fields)
            VALUES (:name, :fields)
            ON CONFLICT (name) DO UPDATE SET fields = excluded.fields
            """,
            {"name": preset.name, "fields": json.dumps(dict(preset.fields), ensure_ascii=False)},
        )


def delete_preset(db: Connection, name: str, table: str = "presets") -> None:
    """Delete a preset. Raises NotFound."""
    with transaction(db):
        if not db.execute(f"DELETE FROM {table} WHERE name = :name", {"name": name}).rowcount:
            raise NotFound(_SENTENCES[table][1], name=name)
