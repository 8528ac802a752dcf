"""A submission: choices of pictures and words in the rows, in one commit that is undone in one step."""

import io
import json
import multiprocessing
import os
import zipfile
from contextlib import closing
from typing import Any

import pytest

import database
from app.delivery import plan
from app.rounds import sql, submission
from app.tables.edit import TableEdit
from app.tables.operations import try_change
from tests.rounds.harness import Studio, Visitor
from tests.web.harness import answered, at_once


@pytest.fixture
def table(studio: Studio) -> str:
    return studio.make_table()


def picks(studio: Studio, table: str) -> list[str | None]:
    return [row["pictures"][0].get("pick") for row in studio.rows_of(table)]


def words(studio: Studio, table: str) -> list[str]:
    return [row.get("columns", {}).get("客户意见", "") for row in studio.rows_of(table)]


def visitor_of(studio: Studio, table: str, **fields: Any) -> Visitor:
    return studio.visitor(studio.open_round(table, **fields)["link"])


def test_hearts_are_kept_crosses_rejected_and_words_stand_in_the_row(studio: Studio, table: str) -> None:
    visitor = visitor_of(studio, table)
    visitor.mark(
        {"1": {"mark": "heart"}, "2": {"mark": "reject", "comment": "太暗"}, "3": {"comment": "再看看"}}
    )
    assert picks(studio, table) == [None] * 4
    assert visitor.submit() == visitor.submit() == {"success": True, "state": "submitted"}
    assert picks(studio, table) == ["keep", "reject", None, None]
    assert words(studio, table) == ["", "太暗", "再看看", ""]
    assert visitor.mark({"4": {"mark": "heart"}}, 409)["state"] == "submitted"
    [told] = studio.rounds(table)
    assert (told["state"], told["chosen"], told["rejected"], told["comments"]) == ("submitted", 1, 1, 2)
    assert told["marks"][1] == {
        "n": 2,
        "record_id": studio.rows_of(table)[1]["pictures"][0]["record_id"],
        "row": studio.rows_of(table)[1]["id"],
        "mark": "reject",
        "comment": "太暗",
    }
    assert studio.record(told["marks"][0]["record_id"])["pick"] == "keep"
    details = studio.client.get(f"/live/records/{told['marks'][1]['record_id']}/details").text
    assert "✗ 太暗" in details
    assert "第 1 轮" in details
    [change] = answered(studio.client.get(f"/api/tables/{table}/history"))["changes"]
    assert change["what"] == [
        "王总 提交了第 1 轮",
        "客户意见：改了 2 行",
        "留下 1 张",
        "淘汰 1 张",
    ]
    assert [row["number"] for row in change["rows"]] == [1, 2, 3]


def test_one_step_undoes_a_submission(studio: Studio, table: str) -> None:
    before = [row | {"pictures": 0} for row in studio.rows_of(table)]
    visitor = visitor_of(studio, table)
    visitor.mark({"1": {"mark": "heart", "comment": "好"}, "2": {"mark": "reject"}})
    visitor.submit()
    version = studio.rounds(table)[0]["submitted_version"]
    studio.post(f"/api/tables/{table}/undo", {"version": version})
    assert [row | {"pictures": 0} for row in studio.rows_of(table)] == before
    assert picks(studio, table) == [None] * 4


def test_a_choice_that_the_studio_made_since_outlives_the_undo(studio: Studio, table: str) -> None:
    visitor = visitor_of(studio, table)
    visitor.heart(1, 2)
    visitor.submit()
    assert studio.get(f"/api/tables/{table}")["table"]["columns"] == ["SKU"]  # as nobody said a word
    record = studio.rows_of(table)[0]["pictures"][0]["record_id"]
    studio.post("/api/records/pick", {"ids": [record], "pick": "reject"})
    studio.post(f"/api/tables/{table}/undo", {"version": studio.rounds(table)[0]["submitted_version"]})
    assert picks(studio, table) == ["reject", None, None, None]


def test_another_submission_after_reopening_replaces_the_first(studio: Studio, table: str) -> None:
    visitor = visitor_of(studio, table)
    visitor.mark({"1": {"mark": "heart", "comment": "好"}, "2": {"mark": "heart"}, "3": {"mark": "reject"}})
    visitor.submit()
    studio.call("POST", f"/api/rounds/{studio.rounds(table)[0]['id']}/reopen")
    visitor.mark({"1": {"comment": "很好"}, "2": {"mark": None}, "4": {"mark": "heart"}})
    visitor.submit()
    assert picks(studio, table) == ["keep", None, "reject", "keep"]
    assert words(studio, table) == ["很好", "", "", ""]
    assert studio.rounds(table)[0]["chosen"] == 2


@pytest.mark.parametrize("mark", [None, "heart"])
def test_what_the_studio_had_kept_stays_when_the_client_says_nothing_else_of_it(
    studio: Studio, table: str, mark: str | None
) -> None:
    record = studio.rows_of(table)[0]["pictures"][0]["record_id"]
    studio.post("/api/records/pick", {"ids": [record], "pick": "keep"})
    visitor = visitor_of(studio, table)
    visitor.heart(1)
    visitor.mark({"1": {"mark": mark}})
    visitor.submit()
    assert picks(studio, table) == ["keep", None, None, None]
    assert answered(studio.client.get(f"/api/tables/{table}/history"))["changes"] == []


def test_words_of_several_clients_and_of_the_file_stand_below_each_other(studio: Studio) -> None:
    rows = [{"prompt": "猫", "resolution": "1K", "num_images": 2, "columns": {"客户意见": "表格里原来写的"}}]
    table = studio.make_table(rows)
    first, second = (visitor_of(studio, table, client=name) for name in ("甲", "乙"))
    first.mark({"1": {"comment": "亮一点"}, "2": {"comment": "暗一点"}})
    first.submit()
    second.mark({"1": {"comment": "大一点"}})
    second.submit()
    assert words(studio, table) == ["表格里原来写的\n甲：亮一点\n甲：暗一点\n乙：大一点"]


def test_the_words_of_the_first_client_get_a_name_when_a_second_one_says_something(
    studio: Studio, table: str
) -> None:
    first, second = (visitor_of(studio, table, client=name) for name in ("甲", "乙"))
    first.mark({"1": {"comment": "亮一点"}})
    first.submit()
    assert words(studio, table)[0] == "亮一点"
    second.mark({"1": {"comment": "大一点"}})
    second.submit()
    assert words(studio, table)[0] == "甲：亮一点\n乙：大一点"
    studio.change(table, studio.rows_of(table)[1]["id"], 客户意见="亮一点")  # the studio's, of another row
    third = visitor_of(studio, table, client="丙")
    third.mark({"2": {"comment": "小一点"}})
    third.submit()
    assert words(studio, table)[1] == "亮一点\n丙：小一点"


def test_a_row_that_was_removed_and_a_picture_that_was_deleted_stop_no_submission(
    studio: Studio, table: str
) -> None:
    visitor = visitor_of(studio, table)
    visitor.mark({str(n): {"mark": "heart", "comment": "好"} for n in (1, 2, 3)})
    rows = studio.rows_of(table)
    operations = [{"op": "remove", "rows": [rows[0]["id"]]}]
    answered(studio.client.patch(f"/api/tables/{table}", json={"operations": operations}))
    studio.client.delete(f"/api/records/{rows[1]['pictures'][0]['record_id']}")
    assert visitor.submit()["state"] == "submitted"
    assert [row["columns"].get("客户意见") for row in studio.rows_of(table)] == [None, "好", None]
    assert studio.record(rows[0]["pictures"][0]["record_id"])["pick"] == "keep"


def test_a_row_of_several_pictures_keeps_the_words_and_the_number_of_each(studio: Studio) -> None:
    table = studio.make_table([{"prompt": "猫", "filename": "猫", "resolution": "1K", "num_images": 2}])
    visitor = visitor_of(studio, table, download="chosen")
    visitor.mark({str(n): {"mark": "heart", "comment": text} for n, text in ((1, "亮一点"), (2, "暗一点"))})
    studio.execute("UPDATE generation_records SET picture_number = 3 - picture_number")
    visitor.submit()
    files = studio.select("SELECT name FROM delivery_files ORDER BY record_id")
    assert [file["name"] for file in files] == ["猫_2.jpg", "猫_1.jpg"]
    studio.call("POST", f"/api/rounds/{studio.rounds(table)[0]['id']}/reopen")
    visitor.mark({"1": {"comment": ""}})
    visitor.submit()
    assert words(studio, table) == ["暗一点"]


def test_words_too_many_for_a_cell_or_a_table_stop_no_submission(
    studio: Studio, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "MAX_OWN_TEXT_LENGTH", 3)
    monkeypatch.setattr(submission, "MAX_OWN_COLUMNS", 2)
    visitor = visitor_of(studio, table, client="一")
    visitor.mark({"1": {"comment": "一二三四五"}})
    visitor.submit()
    assert words(studio, table)[0] == "一二三"
    monkeypatch.setattr(submission, "MAX_OWN_COLUMNS", 1)
    other = visitor_of(studio, table, client="二")
    other.mark({"1": {"mark": "heart", "comment": "六"}})
    other.submit()
    assert (words(studio, table)[0], picks(studio, table)[0]) == ("一二三", "keep")


def test_a_submission_is_told_once_with_its_numbers(studio: Studio, table: str) -> None:
    visitor = visitor_of(studio, table)
    visitor.mark({"1": {"mark": "heart"}, "2": {"mark": "reject", "comment": "太暗"}})
    at_once(*[visitor_again(studio, visitor) for _ in range(3)])
    [row] = studio.select("SELECT content FROM notifications WHERE event = 'round'")
    facts = json.loads(row["content"])
    assert facts == {
        "table": table,
        "name": "暗号表格",
        "client": "王总",
        "number": 1,
        "chosen": 1,
        "rejected": 1,
        "comments": 1,
    }


def visitor_again(studio: Studio, visitor: Visitor) -> Any:
    other = Visitor(studio.client.application.test_client(), f"x://x{visitor.path}")
    return lambda: other.submit()


def test_a_mark_that_comes_in_between_is_not_lost(
    studio: Studio, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is submitted is worked out before the transaction: then a mark arrives, and a change of a row.
    The third time nobody else writes."""
    visitor = visitor_of(studio, table)
    visitor.heart(1)
    calls: list[bool] = []

    def late(edit: TableEdit, *args: Any, **more: Any) -> Any:
        worked_out = try_change(edit, *args, **more)
        calls.append(edit.db.in_transaction)
        if len(calls) == 1:
            Visitor(studio.client.application.test_client(), f"x://x{visitor.path}").heart(2)
        if len(calls) == 2:
            studio.change(table, studio.rows_of(table)[3]["id"], SKU="新的")
        return worked_out

    monkeypatch.setattr(submission, "try_change", late)
    visitor.submit()
    assert calls == [False, False, True]
    assert picks(studio, table) == ["keep", "keep", None, None]
    assert studio.rows_of(table)[3]["columns"]["SKU"] == "新的"


def test_a_round_that_is_closed_in_between_is_not_submitted(
    studio: Studio, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor = visitor_of(studio, table)
    visitor.heart(1)
    closing_id = studio.rounds(table)[0]["id"]

    def closed(*args: Any, **more: Any) -> Any:
        studio.call("POST", f"/api/rounds/{closing_id}/close")
        return try_change(*args, **more)

    monkeypatch.setattr(submission, "try_change", closed)
    visitor.submit(404)
    assert picks(studio, table) == [None] * 4


@pytest.mark.sqlite
@pytest.mark.parametrize("step", ["store_edit", "insert_delivery", "note_applied", "add_notification"])
def test_a_killed_server_has_submitted_all_or_nothing(studio: Studio, table: str, step: str) -> None:
    visitor = visitor_of(studio, table, download="chosen")
    visitor.mark({"1": {"mark": "heart", "comment": "好"}})
    before = picks(studio, table), words(studio, table)
    child = multiprocessing.get_context("fork").Process(target=submit_and_die, args=(visitor, step))
    child.start()
    child.join(30)
    assert child.exitcode == 9
    assert (picks(studio, table), words(studio, table)) == before
    assert studio.rounds(table)[0]["state"] == "open"
    assert studio.select("SELECT 1 FROM deliveries") == []
    assert visitor.submit()["state"] == "submitted"
    assert (picks(studio, table)[0], words(studio, table)[0]) == ("keep", "好")
    assert len(studio.select("SELECT 1 FROM deliveries")) == 1


def submit_and_die(visitor: Visitor, step: str) -> None:
    """Submit, and end as by a kill right after one step of the transaction."""
    modules = {"store_edit": submission, "insert_delivery": plan}
    modules |= {"note_applied": sql, "add_notification": database}
    done = getattr(modules[step], step)

    def then_die(*args: Any, **more: Any) -> None:
        done(*args, **more)
        os._exit(9)

    setattr(modules[step], step, then_die)
    visitor.submit()


def test_what_was_chosen_is_a_delivery_of_the_table(studio: Studio, table: str) -> None:
    studio.client.put("/api/delivery-profiles/小图", json={"width": 40, "height": 30, "file_name": "{SKU}"})
    visitor = visitor_of(studio, table, download="chosen", profile="小图")
    visitor.heart(1, 3)
    assert visitor.open("/chosen.zip").status_code == 404
    visitor.submit()
    assert visitor.open("/chosen.zip", "HEAD").status_code == 200
    for _ in range(2):
        answer = visitor.open("/chosen.zip", buffered=True)
        with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
            assert archive.namelist() == ["A-1.jpg", "A-3.jpg"]
    [delivery] = studio.get(f"/api/deliveries?table={table}")["deliveries"]
    assert (delivery["profile"], delivery["files"], delivery["changed"]) == ("小图", 2, 0)
    studio.call("POST", f"/api/rounds/{studio.rounds(table)[0]['id']}/reopen")
    assert visitor.open("/chosen.zip").status_code == 404


def test_without_a_download_there_is_none(studio: Studio, table: str) -> None:
    visitor = visitor_of(studio, table)
    visitor.heart(1)
    visitor.submit()
    assert visitor.open("/chosen.zip").status_code == 404
    nothing = visitor_of(studio, table, client="没选", download="chosen")
    nothing.submit()
    assert nothing.open("/chosen.zip").status_code == 404
    studio.client.put("/api/delivery-profiles/款号", json={"width": 40, "height": 30, "file_name": "{SKU}"})
    unnamed = visitor_of(studio, table, client="没名", download="chosen", profile="款号")
    unnamed.heart(1)
    studio.change(table, studio.rows_of(table)[0]["id"], SKU="")
    unnamed.submit()
    assert studio.get(f"/api/deliveries?table={table}")["deliveries"] == []


def test_a_profile_that_is_gone_delivers_the_originals(studio: Studio, table: str) -> None:
    studio.client.put("/api/delivery-profiles/小图", json={"width": 40, "height": 30})
    visitor = visitor_of(studio, table, download="chosen", profile="小图")
    studio.client.delete("/api/delivery-profiles/小图")
    visitor.heart(1)
    visitor.submit()
    with zipfile.ZipFile(io.BytesIO(visitor.open("/chosen.zip", buffered=True).data)) as archive:
        assert archive.namelist() == ["图1.jpg"]


def test_a_product_row_takes_the_words_alone(studio: Studio) -> None:
    """Own columns are those of all rows of a product, but not what a client says of one role."""
    table = str(
        studio.post("/api/tables", {"rows": [{"prompt": "", "columns": {"SKU": "A-1"}}]}, 201)["table"]["id"]
    )
    roles = [{"role": name, "prompt": f"{name} {{SKU}}", "resolution": "1K"} for name in ("主图", "白底")]
    studio.post(f"/api/tables/{table}/recipe", {"recipe": {"roles": roles}})
    studio.make(table)
    visitor = visitor_of(studio, table)
    assert [picture["label"] for picture in visitor.state()["pictures"]] == ["A-1 · 主图", "A-1 · 白底"]
    visitor.mark({"2": {"comment": "再白一点"}})
    visitor.submit()
    assert words(studio, table) == ["", "再白一点"]


def test_two_rounds_are_submitted_at_once(studio: Studio, table: str) -> None:
    visitors = [visitor_of(studio, table, client=name) for name in ("甲", "乙")]
    for n, visitor in enumerate(visitors, 1):
        visitor.mark({str(n): {"mark": "heart", "comment": f"话{n}"}})
    at_once(*[visitor.submit for visitor in visitors])
    assert picks(studio, table)[:2] == ["keep", "keep"]
    assert words(studio, table)[:2] == ["话1", "话2"]
    with closing(database.connect(studio.settings.database)) as db:
        assert db.execute("SELECT count(*) AS n FROM table_changes").fetchone()["n"] == 2
