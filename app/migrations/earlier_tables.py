"""What earlier versions had: batches become tables, and words around all prompts of a table recipes.

The pictures that were bought stay those of their rows: each row asks for what it asked for.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain, count
from typing import Any

from app.core.records.rows import read_records
from app.core.tables.rows import insert_rows, insert_table, read_rows, to_table, update_rows, update_table
from app.domain import Record, fingerprint, own_column_names
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
from app.domain.tables import Row, Table, sent_words, typed_fields
from app.domain.validation import trimmed_text
from app.domain.variables import fill_rows, variable_key
from app.engine.connection import Connection, last_version, next_version
from app.engine.connection import Row as StoredBatch
from app.engine.values import object_of
from app.errors import InvalidRequest

# Called with the number of records done, and of all.
Progress = Callable[[int, int], object]

_OF_A_TABLE = "source = 'batch' AND table_id IS NULL"
_SAME = ("id", "name", "created_at", "filled_on", "workbook_id")
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


def add_tables_of_batches(db: Connection, report: Progress) -> None:
    """Give each batch that has none a table with its id, name and time; inside a transaction.

    A row asks for what its newest record asked for, in the words that were typed as far as they are known.
    """
    batches = db.execute(f"SELECT * FROM batches WHERE {_OF_A_TABLE} ORDER BY created_at, id").fetchall()
    records = f"FROM generation_records WHERE batch_id IN (SELECT id FROM batches WHERE {_OF_A_TABLE})"
    total, done = int(db.execute(f"SELECT count(*) AS number {records}").fetchone()["number"]), 0
    report(done, total)
    version = last_version(db)
    for batch in batches:
        done += _add_table(db, batch, version)
        report(done, total)
    db.execute(
        f"""
        INSERT INTO row_pictures (row_id, record_id, batch_id)
        SELECT table_rows.id, generation_records.id, batch_id
        FROM batches
        JOIN generation_records ON generation_records.batch_id = batches.id
        JOIN table_rows ON table_rows.table_id = batches.id AND number = row_number
        WHERE {_OF_A_TABLE.replace("table_id", "batches.table_id")}
        """
    )
    db.execute(
        f"""
        INSERT INTO table_workbooks (table_id, workbook_id, imported_at)
        SELECT id, workbook_id, created_at
        FROM batches
        WHERE {_OF_A_TABLE} AND workbook_id IS NOT NULL
        """
    )
    db.execute(f"UPDATE batches SET table_id = id WHERE {_OF_A_TABLE}")


def _add_table(db: Connection, batch: StoredBatch, version: int) -> int:
    """Add the table of a batch -> the number of its records."""
    of_batch = {"id": batch["id"]}
    records = read_records(db, "WHERE batch_id = :id ORDER BY id", of_batch)
    sql = "SELECT id, fingerprint FROM generation_records WHERE batch_id = :id"
    prints = dict(map(tuple, db.execute(sql, of_batch).fetchall()))
    models = [record.model for record in records]
    same: dict[str, Any] = {name: batch[name] for name in _SAME}
    table = Table(
        **same,
        updated_at=batch["created_at"],
        version=version,
        model=max(set(models), key=models.count, default=""),
        own_columns=own_column_names(record.columns for record in records),
    )
    made: dict[int, list[Record]] = {}
    for record in records:
        made.setdefault(record.row_number, []).append(record)
    insert_table(db, table)
    newest = [max(of_row, key=lambda one: (one.deleted_at is None, one.id)) for of_row in made.values()]
    rows = [_row_of(record, place, prints[record.id], table) for place, record in enumerate(newest, 1)]
    insert_rows(db, table.id, rows, version)
    return len(records)


def _row_of(record: Record, place: int, row_fingerprint: str, table: Table) -> Row:
    request = replace(record.row_request, sample_images=record.sample_images)
    if request.seed is not None and fingerprint(replace(record.row_request, seed=None)) == row_fingerprint:
        request = replace(request, seed=None)  # the model chose it
    fields = typed_fields(request, record.extras, record.row_number, table)
    return Row(
        id=-place,
        position=place,
        number=record.row_number,
        cells={**fields, "columns": record.columns} if table.workbook_id else {},
        fields=fields,
        columns=record.columns,
        sent=sent_words(request, record.extras),
        filename=request.filename,
        num_images=request.num_images,
        is_seeded=request.seed is not None,
        fingerprint=row_fingerprint,
    )


def make_recipes(db: Connection) -> None:
    """Make presets, and prefix and suffix of a table, of 0.2.0 recipes of one role; drop where they were."""
    taken = {*_BUILT_IN, *(row["name"] for row in db.execute("SELECT name FROM recipes").fetchall())}
    for stored in db.execute("SELECT name, fields FROM presets ORDER BY name").fetchall():
        fields = dict(object_of(stored["fields"]))
        numbered = (f"{stored['name'][: MAX_RECIPE_NAME_LENGTH - 4]} {number}" for number in count(2))
        name = next(each for each in chain([stored["name"]], numbered) if each not in taken)
        if recipe := _recipe(name, _WORDS + fields.pop("suffix", ""), fields):
            taken.add(recipe.name)
            text = json.dumps(recipe.as_json(), ensure_ascii=False)
            sql = "INSERT INTO recipes (name, fields) VALUES (:name, :fields)"
            db.execute(sql, {"name": recipe.name, "fields": text})
    db.execute("DROP TABLE presets")
    for stored in db.execute("SELECT * FROM tables WHERE prefix <> '' OR suffix <> ''").fetchall():
        _take_over_table(db, to_table(stored), stored["prefix"], stored["suffix"])
    for table in ("tables", "batches"):
        for name in ("prefix", "suffix"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN {name}")


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
