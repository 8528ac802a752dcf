"""Changes of a table: what one may take, and what becomes of one when others change the table meanwhile."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain.tables import Row, new_table
from app.errors import Conflict, InvalidRequest, TryLater
from app.tables import operations
from app.tables.create import create_table, read_new_rows
from app.tables.edit import TableEdit
from app.tables.operations import Changed, change_rows, change_table, undo
from tests.tables.harness import checker
from tools.fakes.clock import Clock


@pytest.fixture
def other(settings: Settings, db: database.Connection) -> Iterator[database.Connection]:
    """The connection of a colleague."""
    with closing(database.connect(settings.database)) as opened:
        yield opened


def new(db: database.Connection, number: int = 3) -> str:
    table, rows = read_new_rows(
        [{"prompt": f"{n}"} for n in range(number)], new_table("t", today="2026-11-29")
    )
    return create_table(db, table, rows, checker=checker()).id


def rows_of(db: database.Connection, table: str) -> list[Row]:
    return database.read_rows(db, table)


def prompts(db: database.Connection, table: str) -> list[str]:
    return [row.fields["prompt"] for row in rows_of(db, table)]


def change(db: database.Connection, table: str, *steps: Any, **more: Any) -> Changed:
    return change_rows(db, table, steps, checker=checker(), **more)


def setting(row_id: int, prompt: str) -> dict[str, object]:
    return {"op": "set", "row": row_id, "values": {"prompt": prompt}}


def adding(prompt: str, **after: int) -> dict[str, object]:
    return {"op": "add", "rows": [{"prompt": prompt}], **after}


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[object]:
    """The calls of a function of ``database`` from now on."""
    calls: list[object] = []
    call = getattr(database, name)

    def count(*args: Any, **more: Any) -> Any:
        calls.append(args)
        return call(*args, **more)

    monkeypatch.setattr(database, name, count)
    return calls


def test_a_change_that_others_overtake_twice_is_worked_out_as_the_only_writer(
    db: database.Connection, other: database.Connection
) -> None:
    table = new(db)
    first, _, last = (row.id for row in rows_of(db, table))
    is_alone: list[bool] = []

    def overtaken(edit: TableEdit) -> None:
        is_alone.append(db.in_transaction)
        if not db.in_transaction:
            change(other, table, setting(last, f"字 {len(is_alone)}"))
        edit.set(first, {"prompt": "虎"})

    change_table(db, table, overtaken, checker=checker())
    assert is_alone == [False, False, True]
    assert prompts(db, table) == ["虎", "1", "字 2"]


@pytest.mark.parametrize(
    ("seconds", "is_alone"), [(0, [False, False, True]), (4, [False, True]), (11, [False])]
)
def test_a_change_ends_after_ten_seconds(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch, seconds: int, is_alone: list[bool]
) -> None:
    clock, seen = Clock(), list[bool]()
    monkeypatch.setattr("app.engine.connection.time.monotonic", clock)

    def attempt(_storing: database.Storing) -> bool | None:
        clock.now += seconds
        seen.append(db.in_transaction)
        return True if db.in_transaction else None

    if is_alone[-1]:
        assert database.until_stored(db, attempt)
    else:
        with pytest.raises(TryLater, match="没有存上"):
            database.until_stored(db, attempt)
    assert seen == is_alone


def test_nothing_is_worked_out_anew_for_a_client_that_has_gone(
    db: database.Connection, other: database.Connection
) -> None:
    table = new(db)
    first, *_, last = (row.id for row in rows_of(db, table))
    db.has_gone = lambda: True

    def overtaken(edit: TableEdit) -> None:
        change(other, table, setting(last, "字"))
        edit.set(first, {"prompt": "虎"})

    with pytest.raises(TryLater):
        change_table(db, table, overtaken, checker=checker())
    assert prompts(db, table) == ["0", "1", "字"]


def test_the_same_call_at_the_same_moment_is_answered_as_the_first(
    db: database.Connection, other: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, answers = new(db), list[Changed]()
    key = database.RequestKey(key="k", digest="d", at=0.0)
    find_answer = database.find_answer

    def overtaken(asking: database.Connection, key: database.RequestKey) -> Any:
        answer = find_answer(asking, key)
        if asking is db and not answers:
            answers.append(change(other, table, adding("虎"), key=key))
        return answer

    monkeypatch.setattr(database, "find_answer", overtaken)
    assert change(db, table, adding("虎"), key=key) == answers[0]
    assert prompts(db, table) == ["0", "1", "2", "虎"]


def test_a_repeated_call_is_answered_as_the_first(db: database.Connection) -> None:
    table, key = new(db), database.RequestKey(key="k", digest="d", at=0.0)
    first, second, _ = (row.id for row in rows_of(db, table))
    steps = [adding("虎"), {"op": "remove", "rows": [first]}, setting(second, "豹")]
    assert change(db, table, *steps, key=key) == change(db, table, *steps, key=key)
    assert prompts(db, table) == ["豹", "2", "虎"]


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "set", "row": 1, "values": dict.fromkeys("abcde")}] * 4_001,
        [{"op": "move", "rows": [1] * 10_001}] * 2,
        [{"op": "add", "rows": [{"columns": {"SKU": "b", "色": "c"}}] * 10_001}],
    ],
    ids=["cells", "moved rows", "cells of new rows"],
)
def test_more_than_a_call_takes_is_refused_before_anything_is_read(
    db: database.Connection, steps: list[object]
) -> None:
    with pytest.raises(InvalidRequest, match="一次最多改 5000 步、20000 格"):
        change(db, "no such table", *steps)


def test_more_rows_than_a_table_takes_are_refused_before_they_are_stored(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = new(db)
    first = rows_of(db, table)[0].id
    monkeypatch.setattr(operations, "MAX_ROWS_A_TABLE", 4)
    calls = counted(monkeypatch, "insert_rows")
    with pytest.raises(InvalidRequest, match="一个表格最多"):
        change(db, table, adding("a"), adding("b"))
    assert calls == []
    removed = change(db, table, {"op": "remove", "rows": [first]})
    change(db, table, adding("a"), adding("b"))
    with pytest.raises(InvalidRequest, match="一个表格最多"):
        undo(db, table, removed.table.version, checker=checker())


@pytest.mark.parametrize(
    "step",
    [
        lambda ids, n: adding(f"{n}"),
        lambda ids, n: adding(f"{n}", after=ids[n]),
        lambda ids, n: {"op": "move", "rows": [ids[n]], "after": ids[-1 - n]},
        lambda ids, n: {"op": ("remove", "restore")[n % 2], "rows": [ids[n // 2]]},
    ],
    ids=["add", "add after", "move", "remove and restore"],
)
def test_a_table_is_read_once_for_all_operations_of_a_call(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch, step: Callable[[list[int], int], object]
) -> None:
    table = new(db, 100)
    ids = [row.id for row in rows_of(db, table)]
    reads = {name: counted(monkeypatch, name) for name in ("last_row", "list_order", "read_rows")}
    change(db, table, *map(partial(step, ids), range(50)))
    assert all(len(calls) <= 4 for calls in reads.values()), {
        name: len(calls) for name, calls in reads.items()
    }


def test_a_value_that_a_row_has_changes_nothing(db: database.Connection) -> None:
    table = new(db)
    before = database.get_table(db, table)
    changed = change(db, table, setting(rows_of(db, table)[0].id, "0"))
    assert (changed.table, changed.row_ids) == (before, [])


def test_a_call_takes_as_much_as_it_says() -> None:
    operations._check_size([{"op": "move", "rows": [1] * 20_000}])


def test_a_row_that_counts_the_rows_has_its_number_when_it_alone_is_changed(db: database.Connection) -> None:
    table = new(db)
    first, second, _ = (row.id for row in rows_of(db, table))
    change(db, table, setting(second, "第{序号}款"))
    assert rows_of(db, table)[1].sent["prompt"] == "第2款"
    removed = change(db, table, {"op": "remove", "rows": [first]})
    assert rows_of(db, table)[0].sent["prompt"] == "第1款"
    assert [*database.get_change(db, table, removed.table.version)["rows"]] == [str(first)]
    change(db, table, {"op": "remove", "rows": [second]})
    assert prompts(db, table) == ["2"]


def test_a_change_concerns_no_row_that_it_only_names(db: database.Connection) -> None:
    table = new(db)
    changed = change(db, table, adding("新", after=rows_of(db, table)[1].id))
    assert changed.row_ids == changed.added


def test_an_added_row_that_is_again_as_it_was_is_taken_back(db: database.Connection) -> None:
    table = new(db)
    added = change(db, table, {"op": "add", "rows": [{"prompt": "新", "negative_prompt": "人物"}]})
    for prompt in ("", "新"):
        change(db, table, setting(added.added[0], prompt))
    undo(db, table, added.table.version, checker=checker())
    assert prompts(db, table) == ["0", "1", "2"]


def set_recipe(db: database.Connection, table: str, recipe: str) -> int:
    """Give the table this recipe -> its version."""

    def write(edit: TableEdit) -> None:
        edit.table = replace(edit.table, recipe=recipe)

    return change_table(db, table, write, checker=checker()).table.version


def test_what_changed_since_and_is_no_part_of_a_step_stays_when_it_is_undone(db: database.Connection) -> None:
    table = new(db)
    first = rows_of(db, table)[0].id
    naming: dict[str, object] = {"op": "set", "row": first}
    change(db, table, naming | {"values": {"filename": "零号"}})
    step = change(db, table, setting(first, "虎"))
    change(db, table, naming | {"values": {"filename": "一号"}})
    recipes = [set_recipe(db, table, recipe) for recipe in ("{ }", "{}")]
    undo(db, table, step.table.version, checker=checker())
    with pytest.raises(Conflict, match="配方后来又改过"):
        undo(db, table, recipes[0], checker=checker())
    fields, recipe = rows_of(db, table)[0].fields, database.get_table(db, table).recipe
    assert (fields["prompt"], fields["filename"], recipe) == ("0", "一号", "{}")


def test_an_equal_row_is_concerned_when_what_it_shares_changes(db: database.Connection) -> None:
    table = new(db)
    first, second, third = (row.id for row in rows_of(db, table))
    change(db, table, setting(second, "0"))
    assert change(db, table, setting(third, "0")).row_ids == [third]
    change(db, table, setting(third, "2"))
    changed = change(db, table, setting(first, "虎"))
    assert changed.row_ids == [first, second]
    assert [row.version == changed.table.version for row in rows_of(db, table)] == [True, True, False]


def test_rows_that_come_to_one_place_move_few_others(db: database.Connection) -> None:
    table = new(db, 1_000)
    ids = [row.id for row in rows_of(db, table)]
    changed = change(db, table, *(adding(f"新 {n}", after=ids[499]) for n in range(100)))
    expected = [
        *map(str, range(500)),
        *(f"新 {n}" for n in reversed(range(100))),
        *map(str, range(500, 1_000)),
    ]
    assert prompts(db, table) == expected
    assert len(changed.row_ids) < 100 + 2 * 64


def test_rows_that_come_back_are_moved_and_followed(db: database.Connection) -> None:
    table = new(db, 4)
    ids = [row.id for row in rows_of(db, table)]
    change(db, table, {"op": "remove", "rows": ids[:2]})
    steps = [{"op": "move", "rows": [ids[3]], "after": 0}, {"op": "restore", "rows": ids[:2]}]
    change(db, table, *steps, {"op": "move", "rows": [ids[0]]}, adding("新", after=ids[1]), adding("末"))
    assert prompts(db, table) == ["3", "1", "新", "2", "0", "末"]
