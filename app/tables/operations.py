"""Changes of a table: operations on its rows, all or none, each with what undoes it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import database
from app.domain.tables import MAX_ROWS_A_TABLE, Row, Table
from app.domain.times import utc_now
from app.errors import Conflict, InvalidRequest
from app.tables.check import ORDER_VARIABLE, Checker, count_positions, ensure_checked
from app.tables.edit import TableEdit, too_many_rows
from app.tables.states import shares_of

MAX_OPERATIONS, MAX_CELLS = 5_000, 20_000  # of a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A table after a change, and the ids of the rows that it concerns; ``removed`` are no longer there.

    ``added`` are those of new rows, in the order in which they were asked for.
    """

    table: Table
    row_ids: Sequence[int]
    removed: Sequence[int] = ()
    added: Sequence[int] = ()


def apply_operations(edit: TableEdit, operations: Sequence[Mapping[str, Any]]) -> None:
    """Carry out operations in the form of the API. Raises NotFound, or InvalidRequest."""
    signs = {"add": 1, "remove": -1}
    grown = sum(signs.get(each["op"], 0) * len(each.get("rows", ())) for each in operations)
    if grown > 0 and database.last_row(edit.db, edit.table.id)[0] + grown > MAX_ROWS_A_TABLE:
        raise too_many_rows()
    named = [each.get(name) for each in operations for name in ("row", "after")]
    rows = [row_id for each in operations if each["op"] != "add" for row_id in each.get("rows", ())]
    edit.load([row_id for row_id in (*named, *rows) if row_id], removed=True)  # at once
    for operation in operations:
        rows = operation.get("rows", [])
        match operation["op"]:
            case "set":
                edit.set(operation["row"], operation["values"])
            case "add":
                edit.add(rows, operation.get("after"))
            case "remove":
                edit.remove(list(dict.fromkeys(rows)))
            case "restore":
                edit.restore(list(dict.fromkeys(rows)))
            case "move":
                edit.move(list(dict.fromkeys(rows)), operation.get("after"))


def _check_size(operations: Sequence[Mapping[str, Any]]) -> None:
    """Raises InvalidRequest for more cells than a call takes; the id of a row counts as one."""
    named = [each["values"] for each in operations if "values" in each]
    if sum(map(_size, [*named, *(row for each in operations for row in each.get("rows", ()))])) > MAX_CELLS:
        text = "一次最多改 {operations} 步、{cells} 格，请分几次改"
        raise InvalidRequest("operations", text, operations=MAX_OPERATIONS, cells=MAX_CELLS)


def _size(named: Any) -> int:
    if not isinstance(named, Mapping):
        return 1
    return max(1, sum(len(value) if isinstance(value, Mapping) else 1 for value in named.values()))


def change_rows(
    db: database.Connection,
    table_id: str,
    operations: Sequence[Mapping[str, Any]],
    *,
    checker: Checker,
    key: database.RequestKey | None = None,
    person_id: int | None = None,
) -> Changed:
    """Carry out operations of this person, all or none. A used ``key`` changes nothing.

    Raises InvalidRequest, NotFound with nothing changed.
    """
    _check_size(operations)
    change = partial(apply_operations, operations=operations)
    return change_table(db, table_id, change, checker=checker, key=key, person_id=person_id)


def change_table(
    db: database.Connection,
    table_id: str,
    change: Callable[[TableEdit], object],
    *,
    checker: Checker,
    key: database.RequestKey | None = None,
    person_id: int | None = None,
) -> Changed:
    """Let ``change`` edit the rows (a ``TableEdit``), check what it concerns, and store it, all or none.

    It is called again when somebody else changes the table meanwhile.
    """

    def attempt(storing: database.Storing) -> Changed | None:
        if answer := database.find_answer(db, key):
            return changed_before(db, table_id, answer["version"])
        table = ensure_checked(db, database.get_table(db, table_id), checker)
        edit = TableEdit(db, table, person_id=person_id)
        if not try_change(edit, change, checker=checker) and not edit.picks and edit.table == table:
            return Changed(table=table, row_ids=[])
        with storing():
            if answer := database.find_answer(db, key):  # the same call was faster
                return changed_before(db, table_id, answer["version"])
            is_same = database.get_table(db, table_id).version == table.version
            return store_edit(edit, key) if is_same else None

    return database.until_stored(db, attempt)


def try_change(edit: TableEdit, change: Callable[[TableEdit], object], *, checker: Checker) -> set[int]:
    """Let ``change`` edit the rows, and check them, without storing -> the ids of those that changed."""
    change(edit)
    changed = {row_id for row_id, row in edit.rows.items() if edit.before.get(row_id) != row}
    _check(edit, changed, checker)
    return changed


def _check(edit: TableEdit, changed: set[int], checker: Checker) -> None:
    """Check the rows that changed, and those whose ``{序号}`` may have."""
    wanted = {row_id for row_id in changed if _words(edit.rows[row_id]) != _words(edit.before.get(row_id))}
    counted = any(
        ORDER_VARIABLE in json.dumps([*edit.rows[i].fields.items()], ensure_ascii=False) for i in wanted
    )
    if any(_place(edit.rows[row_id]) != _place(edit.before.get(row_id)) for row_id in changed):
        others = database.rows_to_check_again(edit.db, edit.table.id, word=ORDER_VARIABLE)
        edit.load([row_id for row_id in others if row_id not in edit.rows])
        wanted |= set(others)
        counted = counted or bool(others)
    rows = [edit.rows[row_id] for row_id in wanted if edit.rows[row_id].removed_at is None]
    positions: dict[int, int] = {}
    if counted:  # as the rows will be
        order = database.list_order(edit.db, edit.table.id)
        listed = {row_id: (place, row_id, is_empty) for row_id, place, is_empty in order}
        for row in edit.rows.values():
            listed[row.id] = row.position, row.id, row.is_empty or row.removed_at is not None
        positions = count_positions((row_id, is_empty) for _, row_id, is_empty in sorted(listed.values()))
    for row in checker.check(edit.table, rows, positions):
        edit.rows[row.id] = row


def _words(row: Row | None) -> Any:
    return row and (row.fields, row.columns, row.removed_at is None)


def _place(row: Row | None) -> Any:
    return row and (row.position, row.removed_at is None, row.is_empty)


def store_edit(edit: TableEdit, key: database.RequestKey | None = None) -> Changed:
    """Write an edit; inside a transaction, in which the table has the version that was edited."""
    db = edit.db
    changed = [row for row_id, row in edit.rows.items() if edit.before.get(row_id) != row]
    prints = {row.fingerprint for row in changed}
    prints |= {edit.before[row.id].fingerprint for row in changed if row.id in edit.before}
    table = edit.table
    equal_before = shares_of(database.list_equal_rows(db, table.id, prints))
    version = database.next_version(db)
    new = [row for row in changed if row.id < 0]
    there = [replace(row, version=version) for row in changed if row.id > 0]
    ids = dict(zip((row.id for row in new), database.insert_rows(db, table.id, new, version), strict=True))
    database.update_rows(db, table.id, there)
    database.cancel_held_of_changed(db, (row.id for row in there))
    if database.last_row(db, table.id)[0] > MAX_ROWS_A_TABLE:
        raise too_many_rows()
    equal_after = shares_of(database.list_equal_rows(db, table.id, prints))
    own = {*ids.values(), *(row.id for row in there)}
    others = {
        row_id
        for row_id in equal_before.keys() | equal_after.keys()
        if row_id not in own and equal_before.get(row_id) != equal_after.get(row_id)
    }
    database.touch_rows(db, others, version)
    table = replace(table, version=version, updated_at=utc_now())
    stored = database.get_table(db, table.id)
    workbook, recipe = (stored.workbook_id, table.workbook_id), (stored.recipe, table.recipe)
    if table.workbook_id and workbook[0] != table.workbook_id:
        database.add_table_workbook(db, table.id, table.workbook_id, datetime.now(UTC))
    database.update_table(db, table)
    picks = database.set_picks(db, edit.picks, edit.person_id)
    deltas = {ids.get(row.id, row.id): _delta(edit.before.get(row.id), row) for row in changed}
    shown = database.rows_showing(db, picks).get(table.id, ()) if picks else ()
    rows: dict[int, Any] = {i: {} for i in shown} | {i: delta for i, delta in deltas.items() if delta}
    inverse = {"rows": rows, "workbook": workbook, "picks": picks, **edit.noted}
    inverse |= {"recipe": recipe} if recipe[0] != recipe[1] else {}
    database.save_change(db, table.id, version, inverse, edit.person_id)
    database.save_answer(db, key, {"version": version})
    gone = [row.id for row in there if row.removed_at]
    there_now = sorted((own | others).difference(gone))
    return Changed(table=table, row_ids=there_now, removed=gone, added=[*ids.values()])


def changed_before(db: database.Connection, table_id: str, version: int) -> Changed:
    """The answer to a call whose key was used: the rows that it changed, as they are now."""
    table = database.get_table(db, table_id)
    change = database.get_change(db, table_id, version)
    deltas = {int(row_id): delta for row_id, delta in change["rows"].items()}
    rows = database.read_rows(db, table_id, [*deltas])
    return Changed(
        table=table,
        row_ids=[row.id for row in rows if not row.removed_at],
        removed=[row.id for row in rows if row.removed_at],
        added=[row_id for row_id, delta in deltas.items() if "@content" in delta],
    )


def _delta(before: Row | None, row: Row) -> dict[str, Any]:
    """What changed of a row: name -> [before, after]; of a new one its content too."""
    if before is None:
        return {"@removed": [True, False], "@content": _content(row)}
    old, new = _values(before), _values(row)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return {name: [old.get(name), new.get(name)] for name in names}


def _values(row: Row) -> dict[str, Any]:
    return {
        **row.fields,
        **{f"columns.{name}": text for name, text in row.columns.items()},
        "@position": row.position,
        "@removed": row.removed_at is not None,
        "@cells": row.cells or None,
        "@is_gone": row.is_gone,
        "@product": row.product,
        "@role": row.role,
    }


def _content(row: Row) -> str:
    """A digest of the fields and own columns."""
    written = json.dumps([row.fields, row.columns], sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()[:16]


def undo(
    db: database.Connection, table_id: str, version: int, *, checker: Checker, person_id: int | None = None
) -> Changed:
    """Undo the change that answered with this version; the undoing is a change of this person like others.

    Raises NotFound, or Conflict when something of it was changed since.
    """
    database.get_table(db, table_id)
    inverse = database.get_change(db, table_id, version)
    deltas: dict[int, Any] = {int(row_id): delta for row_id, delta in inverse["rows"].items()}
    earlier, workbook_id = inverse.get("workbook", (None, None))
    recipes, picks = inverse.get("recipe"), inverse.get("picks", {})

    def change(edit: TableEdit) -> None:
        edit.noted = {"undo": version}
        edit.load([*deltas], removed=True)
        for row_id, delta in deltas.items():
            edit.rows[row_id] = _undone(edit.rows[row_id], delta)
        if edit.table.workbook_id == workbook_id:
            edit.table = replace(edit.table, workbook_id=earlier)
        if recipes and edit.table.recipe != recipes[1]:
            raise Conflict("配方后来又改过，这一步不能撤销了")
        edit.table = replace(edit.table, recipe=recipes[0]) if recipes else edit.table
        present = database.picks_of(db, [int(record_id) for record_id in picks])
        edit.picks = {int(id): before for id, (before, now) in picks.items() if present.get(int(id)) == now}

    return change_table(db, table_id, change, checker=checker, person_id=person_id)


def _undone(row: Row, delta: Mapping[str, Any]) -> Row:
    present = _values(row) | {"@content": _content(row)}
    if any(present.get(name) != (pair if name == "@content" else pair[1]) for name, pair in delta.items()):
        raise Conflict("第 {number} 行后来又改过，这一步不能撤销了", number=row.number)
    values = present | {name: pair[0] for name, pair in delta.items() if name != "@content"}
    own = "columns."
    return replace(
        row,
        fields={
            name: value
            for name, value in values.items()
            if value is not None and not name.startswith(("@", own))
        },
        columns={
            name.removeprefix(own): text for name, text in values.items() if text and name.startswith(own)
        },
        position=values["@position"],
        cells=values["@cells"] or {},
        is_gone=values["@is_gone"],
        product=values["@product"],
        role=values["@role"],
        removed_at=(row.removed_at or utc_now()) if values["@removed"] else None,
    )
