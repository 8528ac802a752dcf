"""New tables: from rows, or as a copy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import database
from app.domain import MAX_ROW_NUMBER, own_column_names
from app.domain.tables import MAX_ROWS_A_TABLE, Row, Table, new_table
from app.tables.check import Checker, count_positions
from app.tables.edit import check_number_of_columns, in_order, read_new_row, too_many_rows


def read_new_rows(
    rows: Sequence[Mapping[str, Any]],
    table: Table,
    *,
    cells: Mapping[int, Mapping[str, Any]] | None = None,
) -> tuple[Table, list[Row]]:
    """Untrusted rows of a new table -> (the table with their own columns, the rows, not checked yet).

    ``cells`` are those of the file by line, for the rows that have the number of one. Raises InvalidRequest.
    """
    if len(rows) > MAX_ROWS_A_TABLE:
        raise too_many_rows()
    read = [read_new_row(row) for row in rows]
    names = own_column_names(columns for _, columns in read)
    check_number_of_columns(names)
    table = replace(table, own_columns=names)
    numbers = _numbers(rows)
    found = []
    for place, (row, (fields, columns), number) in enumerate(zip(rows, read, numbers, strict=True), 1):
        is_of_file = type(row.get("number")) is int
        own, written = in_order(columns, table), (cells or {}).get(row["number"] if is_of_file else 0, {})
        found.append(Row(id=-place, position=place, number=number, fields=fields, columns=own, cells=written))
    return table, found


def _numbers(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """The ``number`` of each row; where it is missing or used, the next free one."""
    numbers: list[int] = []
    taken: set[int] = set()
    for row in rows:
        number = row.get("number")
        if type(number) is not int or not 1 <= number <= MAX_ROW_NUMBER or number in taken:
            number = next(free for free in count(len(numbers) + 1) if free not in taken)
        numbers.append(number)
        taken.add(number)
    return numbers


def create_table(
    db: database.Connection,
    table: Table,
    rows: Sequence[Row],
    *,
    checker: Checker,
    key: database.RequestKey | None = None,
    person_id: int | None = None,
) -> Table:
    """Check rows and store them as a new table of this person.

    A used ``key`` returns the table of its first call.
    """
    if answer := database.find_answer(db, key):
        return database.get_table(db, answer["table"], deleted=True)
    checked = checker.check(table, rows, count_positions((row.id, row.is_empty) for row in rows))
    with database.transaction(db):
        if answer := database.find_answer(db, key):
            return database.get_table(db, answer["table"], deleted=True)
        database.check_workbook(db, table.workbook_id)
        added = database.add_table(db, replace(table, checked_with=checker.digest), checked, person_id)
        database.save_answer(db, key, {"table": added.id})
    return added


def copy_table(
    db: database.Connection,
    source: Table,
    name: str,
    key: database.RequestKey | None = None,
    person_id: int | None = None,
) -> Table:
    """A table of this person with the same rows, which show the pictures of equal rows -> the new table."""
    with database.transaction(db):
        if answer := database.find_answer(db, key):
            return database.get_table(db, answer["table"], deleted=True)
        fresh = new_table(name, today=source.filled_on)
        table = replace(
            source,
            id=fresh.id,
            name=name,
            created_at=fresh.created_at,
            updated_at=fresh.updated_at,
            archived_at=None,
            version=database.next_version(db),
        )
        database.insert_table(db, table, person_id)
        database.copy_rows(db, source.id, table.id, table.version)
        if table.workbook_id:
            database.add_table_workbook(db, table.id, table.workbook_id, datetime.now(UTC))
        database.save_answer(db, key, {"table": table.id})
    return table
