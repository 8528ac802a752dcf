"""What ``make mutants`` changes in SQL; its table."""

import tomllib
from pathlib import Path

import pytest

from tools.mutants.sql import edits, is_sql

ROOT = Path(__file__).parents[1]


def changed(sql: str) -> list[str]:
    return [sql[:start] + text + sql[end:] for start, end, text in edits(sql)]


@pytest.mark.parametrize(
    ("sql", "mutants"),
    [
        ("WHERE id = :id", ["WHERE id <> :id"]),
        ("WHERE a AND b < :c", ["WHERE 1 = 1 AND b < :c", "WHERE a AND 1 = 1", "WHERE a AND b <= :c"]),
        ("WHERE (a OR b)", ["WHERE (1 = 0 OR b)", "WHERE (a OR 1 = 0)"]),
        ("WHERE a IS NULL", ["WHERE a IS NOT NULL"]),
        ("id NOT {IN_IDS}", ["id  {IN_IDS}"]),
        ("x IN ('a', 'b')", ["x IN ('b', 'b')", "x IN ('a', 'a')"]),
        ("SET a = 1, b = CASE WHEN c = 2 THEN 3 END", ["SET a = 1, b = CASE WHEN c <> 2 THEN 3 END"]),
        ("x BETWEEN 1 AND 2 AND y", ["1 = 1 AND y", "x BETWEEN 1 AND 2 AND 1 = 1"]),
    ],
)
def test_one_condition_of_a_statement_is_changed_at_a_time(sql: str, mutants: list[str]) -> None:
    assert changed(sql) == mutants


@pytest.mark.parametrize(
    ("text", "expected"), [("WHERE id = 1", True), ("lease_lost", False), ("没有 AND", False)]
)
def test_only_sql_is_changed(text: str, expected: bool) -> None:
    assert is_sql(text) is expected


def test_the_table_names_files_that_exist_and_gives_a_reason_for_each_survivor() -> None:
    table = tomllib.loads((ROOT / "tools/mutants/money.toml").read_text("utf-8"))
    modules = table["modules"]
    files = [*modules, *(test for module in modules.values() for test in module["tests"])]
    assert [name for name in files if not (ROOT / name).is_file()] == []
    assert [each for each in table.get("survivors", ()) if not each["why"].strip()] == []
    sources = {name: " ".join((ROOT / name).read_text("utf-8").split()) for name in modules}
    assert [each for each in table.get("survivors", ()) if each["before"] not in sources[each["file"]]] == []
