"""What is stored under a name, for everybody: recipes, profiles of deliveries."""

import json
from collections.abc import Mapping
from typing import Any

from app.engine.connection import Connection, transaction
from app.errors import Conflict, NotFound

_MAX_LENGTH = 2_000_000  # characters of all of a table
MAX_NAMED = 100
_SENTENCES = {  # by table: there are too many, there is none
    "delivery_profiles": ("交付规格已有 {limit} 个，请先删掉几个", "没有交付规格「{name}」"),
    "recipes": ("配方已有 {limit} 个，请先删掉几个", "没有配方「{name}」"),
}


def list_named(db: Connection, table: str) -> dict[str, Any]:
    """The fields of all by their names, which are in order."""
    rows = db.execute(f"SELECT name, fields FROM {table} ORDER BY name").fetchall()
    return {row["name"]: json.loads(row["fields"]) for row in rows}


def save_named(db: Connection, table: str, name: str, fields: Mapping[str, Any]) -> None:
    """Store fields, in place of those of the same name. Raises Conflict when there are MAX_NAMED others, or
    all together are too long to be sent to every dialog."""
    text = json.dumps(dict(fields), ensure_ascii=False)
    with transaction(db):
        sql = f"SELECT count(*) AS number, sum(length(fields)) AS length FROM {table} WHERE name <> :name"
        others = db.execute(sql, {"name": name}).fetchone()
        if others["number"] >= MAX_NAMED:
            raise Conflict(_SENTENCES[table][0], limit=MAX_NAMED)
        if (others["length"] or 0) + len(text) > _MAX_LENGTH:
            raise Conflict("存的加起来太大了（叠加的图片也算），请先删掉不用的，或换小一点的图片")
        db.execute(
            f"""
            INSERT INTO {table} (name, fields)
            VALUES (:name, :fields)
            ON CONFLICT (name) DO UPDATE SET fields = excluded.fields
            """,
            {"name": name, "fields": text},
        )


def delete_named(db: Connection, table: str, name: str) -> None:
    """Delete the fields of a name. Raises NotFound."""
    with transaction(db):
        if not db.execute(f"DELETE FROM {table} WHERE name = :name", {"name": name}).rowcount:
            raise NotFound(_SENTENCES[table][1], name=name)
