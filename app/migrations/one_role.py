"""From 0.2.0: presets, and prefix and suffix of a table, become recipes of one role.

The pictures that were bought stay those of their rows: each row asks for what it asked for.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from app.core.tables.rows import read_rows, to_table, update_rows, update_table
from app.domain.recipes import (
    MAX_RECIPE_NAME_LENGTH,
    RECIPE_COLUMNS,
    ROLE_COLUMN,
    WORDS_COLUMN,
    Recipe,
    cell_of,
    read_recipe,
    variants_of,
    words_with,
)
from app.domain.requests import MAX_OWN_COLUMNS
from app.domain.tables import Row, Table
from app.domain.validation import trimmed_text
from app.domain.variables import fill_rows, variable_key
from app.engine.connection import Connection, next_version
from app.engine.values import object_of
from app.errors import InvalidRequest

_ROLE, _NAME = "图片", "前缀和后缀"
_WORDS = f"{{{WORDS_COLUMN}}}"
_BUILT_IN = (
    "电商五张",
    "电商多角度",
    "人像四张",
    "Shop set of five",
    "Shop set of angles",
    "Portrait set of four",
)


def upgrade(db: Connection) -> None:
    """Take the data over, and drop where it was."""
    _take_over_presets(db)
    db.execute("DROP TABLE presets")
    for stored in db.execute("SELECT * FROM tables WHERE prefix <> '' OR suffix <> ''").fetchall():
        _take_over_table(db, to_table(stored), stored["prefix"], stored["suffix"])
    for table in ("tables", "batches"):
        for name in ("prefix", "suffix"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")


def _take_over_presets(db: Connection) -> None:
    taken = {*_BUILT_IN, *(row["name"] for row in db.execute("SELECT name FROM recipes").fetchall())}
    for stored in db.execute("SELECT name, fields FROM presets ORDER BY name").fetchall():
        fields = dict(object_of(stored["fields"]))
        words = _WORDS + fields.pop("suffix", "")
        if recipe := _recipe(_free_name(stored["name"], taken), words, fields):
            taken.add(recipe.name)
            text = json.dumps(recipe.as_json(), ensure_ascii=False)
            sql = "INSERT INTO recipes (name, fields) VALUES (:name, :fields)"
            db.execute(sql, {"name": recipe.name, "fields": text})


def _free_name(name: str, taken: Collection[str]) -> str:
    numbered = (f"{name[: MAX_RECIPE_NAME_LENGTH - 4]} {number}" for number in count(2))
    return name if name not in taken else next(each for each in numbered if each not in taken)


def _recipe(name: str, words: str, fields: Mapping[str, Any]) -> Recipe | None:
    """The recipe of one role; None when it cannot be one."""
    try:
        return read_recipe(name, {"roles": [{**fields, "role": _ROLE, "prompt": words}]})
    except InvalidRequest:
        return None


def _take_over_table(db: Connection, table: Table, prefix: str, suffix: str) -> None:
    ids = db.execute("SELECT id FROM table_rows WHERE table_id = :id", {"id": table.id}).fetchall()
    rows = read_rows(db, table.id, [row["id"] for row in ids])
    words = f"{prefix}{_WORDS}{suffix}"
    recipe = _recipe(_NAME, words, {})
    keys = {variable_key(name) for name in table.own_columns}
    if (
        recipe is None
        or table.recipe
        or len([*variants_of(recipe.roles[0].fields["prompt"])]) > 1  # these words were sent as they are
        or len(keys) + len(RECIPE_COLUMNS) > MAX_OWN_COLUMNS
        or keys & {variable_key(name) for name in RECIPE_COLUMNS}
    ):
        changed = [replace(row, fields=_around(row, words)) for row in rows]
    else:
        own = (*table.own_columns, ROLE_COLUMN, WORDS_COLUMN)
        with_recipe = replace(table, own_columns=own, recipe=json.dumps(recipe.as_json(), ensure_ascii=False))
        changed = [*_with_recipe(rows, table, with_recipe, recipe.roles[0].fields["prompt"])]
        table = with_recipe
    version = next_version(db)
    update_rows(db, table.id, [replace(row, version=version) for row in changed])
    update_table(db, replace(table, version=version, checked_with=""))


def _around(row: Row, words: str) -> dict[str, Any]:
    """The fields of a row with these words around its own, if it has some and was not filled before."""
    own = trimmed_text(str(row.fields.get("prompt") or ""))
    is_filled = not own or "templates" in row.fields
    return {**row.fields, **({} if is_filled else {"prompt": words.replace(_WORDS, own)})}


def _with_recipe(rows: Collection[Row], before: Table, table: Table, words: str) -> Iterator[Row]:
    """The rows with words as products of a table with a recipe of one role, as applying it makes them.

    Words that differ from those of their file were changed by a person: they stay as they are.
    """
    for row in rows:
        if not (own := trimmed_text(str(row.fields.get("prompt") or ""))):
            continue
        written = str(row.cells.get("prompt") or row.fields["prompt"])
        around = _around(row, words)
        follows = "templates" not in row.fields and trimmed_text(written) == own
        fields = {**around, "prompt": words_with(words, written)} if follows else around
        cells = {**row.columns, ROLE_COLUMN: _ROLE, WORDS_COLUMN: cell_of(written)}
        cells = {name: cells[name] for name in table.own_columns if cells.get(name)}
        made = replace(row, fields=fields, columns=cells, product=row.number, role=_ROLE)
        if not before.own_columns and "{" in f"{[*around.values()]}":
            made = replace(made, fields=_as_asked(row, around, made, before))
        yield made


def _as_asked(row: Row, around: Mapping[str, Any], made: Row, table: Table) -> Mapping[str, Any]:
    """The fields of a row whose table had no own columns, where braces are text: now they would be names."""

    def request_of(fields: Mapping[str, Any], own: Mapping[str, str]) -> Any:
        (filled,) = fill_rows([{**fields, "columns": own}], [row.number], date=table.filled_on)
        return filled.read()

    (before, _), (now, problems) = request_of(around, {}), request_of(made.fields, made.columns)
    if before is None or (now == before and not problems):
        return made.fields
    typed = {name: row.fields[name] for name in row.sent if name in row.fields}
    return {**row.fields, "prompt": before.prompt, **row.sent, "templates": typed}
