"""A file as a version of a table: found by its rows, compared by its cells, applied in one change."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import Models, WorkbookFile
from app.domain.tables import Row, new_table
from app.library.library import Library
from app.orders.read import RowReader
from app.sheets import Import, read_workbook
from app.tables.apply_version import apply_version
from app.tables.check import Checker
from app.tables.create import create_table, read_new_rows
from app.tables.operations import change_rows, undo
from app.tables.results import lines_of_rows
from app.tables.versions import Version, cells_of, compare, find_version, with_values
from tests.specs import ANY
from tools.workbooks.written import by_openpyxl

HEADER = ["SKU", "提示词", "图片比例", "参考示例图"]
ROWS = [[f"A-{number}", f"第 {number} 款，白底主图", "1:1", ""] for number in range(2, 12)]

Cells = Sequence[Sequence[Any]]


class Desk:
    """Tables and the files they come from."""

    def __init__(self, settings: Settings, db: database.Connection) -> None:
        models = Models([ANY])
        self.db = db
        self.checker = Checker(
            reader=RowReader(models=models, library=Library(settings), find_model=models.find)
        )

    def read(self, rows: Cells, header: Sequence[str] = HEADER) -> tuple[Import, str]:
        """(what is in a file of these rows, its id)."""
        content = by_openpyxl([header, *rows])
        find = Models([ANY]).find
        found = read_workbook(content, "a.xlsx", find_model=find)
        file_id = hashlib.sha256(content).hexdigest()
        file = WorkbookFile(
            id=file_id, filename="a.xlsx", sheet=found.read[0].name, header_row=1, content=content
        )
        cells = {row.number: cells_of(row) for row in found.rows}
        database.add_workbook(self.db, file, cells=cells, now=datetime.now(UTC))
        return found, file_id

    def create(self, rows: Cells = ROWS, header: Sequence[str] = HEADER) -> str:
        """A table of the rows of a file -> its id."""
        found, file_id = self.read(rows, header)
        table = new_table("双十二", today="2026-11-29", workbook_id=file_id)
        cells = {row.number: cells_of(row) for row in found.rows}
        table, new = read_new_rows([row.as_json() for row in found.rows], table, cells=cells)
        return create_table(self.db, table, new, checker=self.checker).id

    def rows(self, table_id: str) -> dict[int, Row]:
        """The rows by their numbers."""
        return {row.number: row for row in database.read_rows(self.db, table_id)}

    def edit(self, table_id: str, number: int, **values: object) -> None:
        operation = {"op": "set", "row": self.rows(table_id)[number].id, "values": values}
        change_rows(self.db, table_id, [operation], checker=self.checker)

    def find(self, rows: Cells, header: Sequence[str] = HEADER) -> Version | None:
        found, file_id = self.read(rows, header)
        return find_version(self.db, found, named_batch="", workbook_id=file_id)

    def compare(self, table_id: str, rows: Cells, header: Sequence[str] = HEADER) -> Version:
        return compare(self.db, table_id, self.read(rows, header)[0], named_batch="")

    def apply(self, table_id: str, rows: Cells, header: Sequence[str] = HEADER) -> int:
        """Make a file the newest version -> the version of the table."""
        found, file_id = self.read(rows, header)
        _, changed, _ = apply_version(
            self.db, table_id, found, named_batch="", workbook_id=file_id, checker=self.checker
        )
        return changed.table.version


@pytest.fixture
def desk(settings: Settings, db: database.Connection) -> Desk:
    return Desk(settings, db)


def changed(rows: Cells, number: int, column: int, value: object) -> list[list[Any]]:
    """The rows with another cell in this line."""
    new = [[*row] for row in rows]
    new[number - 2][column] = value
    return new


def workbook_of(desk: Desk, table: str) -> str | None:
    return database.get_table(desk.db, table).workbook_id


def changes(version: Version) -> list[tuple[int, str, Any, Any]]:
    return [
        (line.number, each.field, each.before, each.now) for line in version.lines for each in line.changes
    ]


def test_a_file_finds_its_table_by_its_rows(desk: Desk) -> None:
    desk.create([[f"Z-{n}", f"别的 {n}", "1:1", ""] for n in range(40)])
    table = desk.create()
    newer = [["B-1", "新的", "1:1", ""], *reversed(ROWS[2:])]
    found = desk.find(newer, [*HEADER, "交期"])
    assert found
    assert (found.table.id, found.count()) == (table, {"unchanged": 8, "changed": 0, "new": 1, "removed": 2})


def test_a_file_of_other_rows_finds_none(desk: Desk) -> None:
    desk.create()
    desk.create(ROWS[:3])
    assert desk.find([[f"A-{n}", f"别的 {n}", "1:1", ""] for n in range(2, 12)]) is None
    assert desk.find([*ROWS[:4], *([f"C-{n}", f"别的 {n}", "1:1", ""] for n in range(8))]) is None


def test_of_several_tables_of_a_file_the_one_with_most_of_its_rows_is_found(desk: Desk) -> None:
    whole = desk.create()
    desk.create(ROWS[:3])
    found = desk.find(ROWS)
    assert found
    assert found.table.id == whole


def test_what_was_corrected_and_repaired_stays_and_nothing_is_asked_again(desk: Desk) -> None:
    rows = changed(changed(ROWS, 3, 2, "歪的"), 4, 1, "被拒绝的词")
    table = desk.create(rows)
    desk.edit(table, 3, aspect_ratio="16:9")
    desk.edit(table, 4, prompt="换过的词")
    desk.edit(table, 5, SKU="A-5b")
    desk.edit(table, 6, sample_images=[{"url": "", "filename": "构图.png"}])
    found = desk.read(rows)[0]
    version = desk.compare(table, rows)
    assert version.count() == {"unchanged": 10, "changed": 0, "new": 0, "removed": 0}
    assert sum(line.corrected for line in version.lines) == 3
    read = with_values(found, version)
    assert (len(found.problems), read.problems) == (1, ())
    assert [(row.fields["aspect_ratio"], row.fields["prompt"]) for row in read.rows[1:3]] == [
        ("16:9", ROWS[1][1]),
        ("1:1", "换过的词"),
    ]
    assert (read.rows[3].columns["SKU"], read.rows[4].references) == ("A-5b", ("构图.png",))
    before = desk.rows(table)
    desk.apply(table, rows)
    assert desk.rows(table) == before


def test_where_the_file_has_another_cell_the_file_wins_and_the_row_says_what_it_was(desk: Desk) -> None:
    table = desk.create()
    desk.edit(table, 3, aspect_ratio="16:9", prompt="换过的词")
    newer = changed(ROWS, 3, 2, "3:4")
    assert changes(desk.compare(table, newer)) == [(3, "aspect_ratio", "16:9", "3:4")]
    desk.apply(table, newer)
    row = desk.rows(table)[3]
    assert (row.fields["aspect_ratio"], row.fields["prompt"]) == ("3:4", "换过的词")
    assert desk.compare(table, newer).count()["unchanged"] == 10


def test_a_cell_that_the_file_corrects_as_the_row_was_is_no_change(desk: Desk) -> None:
    table = desk.create(changed(ROWS, 3, 2, "歪的"))
    desk.edit(table, 3, aspect_ratio="16:9")
    assert changes(desk.compare(table, changed(ROWS, 3, 2, "16:9"))) == []


def test_own_columns_change_a_row_only_where_its_texts_use_them(desk: Desk) -> None:
    rows = [["A-2", "{SKU} 白底", "1:1", ""], *ROWS[1:]]
    table = desk.create(rows)
    newer = changed(changed(rows, 2, 0, "A-2b"), 3, 0, "A-3b")
    assert changes(desk.compare(table, newer)) == [(2, "SKU", "A-2", "A-2b")]
    desk.apply(table, newer)
    assert [desk.rows(table)[number].columns["SKU"] for number in (2, 3)] == ["A-2b", "A-3b"]


def test_a_version_is_applied_in_one_change_that_can_be_undone(desk: Desk) -> None:
    table = desk.create()
    change_rows(desk.db, table, [{"op": "add", "rows": [{"prompt": "手写的"}]}], checker=desk.checker)
    before, workbook = desk.rows(table), workbook_of(desk, table)
    new = [["B-1", "新的甲", "1:1", "加的"], ["B-2", "新的乙", "1:1", ""]]
    newer = [[*row, ""] for row in (*ROWS[:3], *new, *changed(ROWS, 6, 1, "改过的")[4:])]
    newer[0][4] = "八月"
    version = desk.apply(table, newer, [*HEADER, "交期"])
    rows = desk.rows(table)
    assert [rows[number].fields["prompt"] for number in (2, 6, 11, 13, 14)] == [
        ROWS[0][1],
        "改过的",
        ROWS[9][1],
        "新的甲",
        "新的乙",
    ]
    lines = lines_of_rows([*rows.values()], database.workbook_cells(desk.db, workbook_of(desk, table)))
    assert [lines[number] for number in (2, 4, 6, 11, 13, 14)] == [2, 4, 7, 12, 5, 6]
    assert sorted(lines[number] for number in (5, 12)) == [13, 14]
    assert [row.fields["prompt"] for row in database.read_rows(desk.db, table)][3:5] == ["新的甲", "新的乙"]
    assert [row.fields["prompt"] for row in rows.values() if row.is_gone] == [ROWS[3][1]]
    assert rows[2].columns == {"SKU": "A-2", "交期": "八月"}
    assert len(rows) == 13
    assert workbook_of(desk, table) != workbook
    newest = workbook_of(desk, table) or ""
    assert database.find_tables_of_file(desk.db, batch_id="", workbook_id=newest) == [table]
    undo(desk.db, table, version, checker=desk.checker)
    after = desk.rows(table)
    assert after.keys() == before.keys()
    for number, row in before.items():
        then = after[number]
        assert (then.fields, then.columns, then.cells, then.is_gone) == (
            row.fields,
            row.columns,
            row.cells,
            False,
        )
    assert workbook_of(desk, table) == workbook


def test_an_undone_version_leaves_the_file_of_a_later_one(desk: Desk) -> None:
    table, newer = desk.create(), changed(ROWS, 3, 1, "改过的")
    version = desk.apply(table, newer)
    desk.apply(table, newer, [*HEADER, "交期"])
    newest = workbook_of(desk, table)
    undo(desk.db, table, version, checker=desk.checker)
    assert (desk.rows(table)[3].fields["prompt"], workbook_of(desk, table)) == (ROWS[1][1], newest)


def test_an_undone_first_file_leaves_a_table_without_one(desk: Desk) -> None:
    table = desk.create()
    desk.db.execute("UPDATE tables SET workbook_id = NULL")
    undo(desk.db, table, desk.apply(table, changed(ROWS, 3, 1, "改过的")), checker=desk.checker)
    assert workbook_of(desk, table) is None


def test_a_row_that_is_back_in_the_file_is_not_gone_any_more(desk: Desk) -> None:
    table = desk.create()
    desk.apply(table, ROWS[1:])
    assert [row.is_gone for row in desk.rows(table).values()].count(True) == 1
    assert desk.compare(table, ROWS[1:]).count()["removed"] == 0
    desk.apply(table, ROWS)
    assert {row.is_gone for row in desk.rows(table).values()} == {False}


def test_a_value_past_its_bounds_is_kept_and_marked(desk: Desk) -> None:
    table = desk.create()
    longer = [*ROWS[:2], [ROWS[2][0], "长" * 10_001, *ROWS[2][2:]], *ROWS[3:]]
    desk.apply(table, longer)
    (marked,) = [row for row in desk.rows(table).values() if row.problems]
    assert (marked.problems[0][0], len(marked.fields["prompt"])) == ("prompt", 10_001)
