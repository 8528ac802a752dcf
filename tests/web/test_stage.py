"""A table from its first row to its delivery: the sentence, action and counts of each stage, and the bill."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from tests.rounds.harness import Studio
from tests.web.harness import answered
from tools.fakes.jimeng import FakeJimeng

CAT, DOG, BIRD, REFUSED = ({"prompt": words, "filename": words} for words in ("猫", "狗", "鸟", "违禁"))
OF_ROWS = {"to_make": "to_make", "held": "held", "queued": "queued", "made": "made", "failed": "refused"}


class Table:
    """A table and the service that bills its pictures."""

    def __init__(self, studio: Studio, service: FakeJimeng) -> None:
        self.studio, self.service = studio, service
        self.id = studio.post("/api/tables", {"name": "双十二"}, 201)["table"]["id"]

    def add(self, *rows: object) -> None:
        body = {"operations": [{"op": "add", "rows": [*rows]}]}
        patched = answered(self.studio.client.patch(f"/api/tables/{self.id}", json=body))
        assert patched["stage"] == self.stage()

    def rows(self) -> list[dict[str, Any]]:
        return self.studio.rows_of(self.id)

    def run(self, status: int = 202, **fields: object) -> dict[str, Any]:
        return self.studio.post(f"/api/tables/{self.id}/run", fields, status)

    def stage(self) -> dict[str, Any]:
        stage: dict[str, Any] = self.studio.get(f"/api/tables/{self.id}")["table"]["stage"]
        return stage

    def stands(self, name: str, sentence: str, action: str | None = None) -> dict[str, Any]:
        """Where the table stands, the same everywhere, with counts that add up -> its action."""
        stage = self.stage()
        assert (stage["name"], stage["sentence"]) == (name, sentence)
        assert (stage["action"] or {}).get("name") == action
        (listed,) = self.studio.get("/api/tables")["tables"]
        assert listed["stage"] == stage
        counts, rows = stage["counts"], [row for row in self.rows() if row["state"] != "empty"]
        states = Counter(row["state"] for row in rows if "same_as" not in row)
        assert {one: counts[one] for one in OF_ROWS} == {one: states[of] for one, of in OF_ROWS.items()}
        assert counts["made"] == self.service.charges
        assert counts["problems"] == sum(len(row.get("problems", ())) for row in rows)
        assert (counts["rows"], counts["pictures"]) == (len(rows), sum(states.values()) - states["problem"])
        return stage["action"] or {}

    def keep(self, *indexes: int) -> None:
        ids = [self.rows()[index]["pictures"][-1]["record_id"] for index in indexes]
        self.studio.post("/api/records/pick", {"ids": ids, "pick": "keep"})

    def deliver(self, status: int = 201) -> dict[str, Any]:
        plan = self.studio.post(
            "/api/deliveries", {"table": self.id, "profile": "原图", "pick": "all"}, status
        )
        self.studio.client.get(f"/api/deliveries/{plan['id']}.zip", buffered=True)
        return plan


@pytest.fixture
def table(settings: Settings, service: FakeJimeng) -> Table:
    return Table(Studio(replace(settings, **service.settings(model_timeout=60))), service)


def test_a_table_says_at_each_stage_where_it_stands_and_its_action_does_what_it_says(table: Table) -> None:
    table.stands("empty", "还没有内容", "import")
    table.add({**CAT, "aspect_ratio": "歪的"})
    table.stands("problems", "1 处要改", "fix")
    table.studio.change(table.id, table.rows()[0]["id"], aspect_ratio="")
    table.add(DOG, BIRD, {**DOG, "filename": "狗2"}, REFUSED, {})
    start = table.stands("to_make", "要做 4 张", "start")
    assert (start["label"], start["price"]) == ("🚀 开始批量生成 · ¥0.88", 0.88)
    assert table.run(200, preview=1)["price"] == start["price"]
    trial = table.run(sample=1)
    assert trial["price"] == 0.22, "of the trial"
    assert (trial["stage"]["name"], trial["stage"]["sentence"]) == ("running", "做好 0，还有 1")
    table.stands("running", "做好 0，还有 1")
    table.studio.run()
    release = table.stands("trial", "试了 1 行，等你看", "release")
    assert (release["label"], release["price"], release["rows"]) == ("做其余的 3 行 · ¥0.66", 0.66, 3)
    batch = f"/api/batches/{trial['batch_id']}"
    assert table.studio.post(f"{batch}/release", {"check": True})["price"] == release["price"]
    table.studio.post(f"{batch}/release")
    table.studio.post(f"{batch}/pause")
    table.stands("paused", "已暂停，还有 3 张没有开始", "resume")
    table.studio.post(f"{batch}/resume")
    table.studio.run()
    table.stands("failed", "3 张做好，1 张没有成功", "failed")
    table.studio.change(table.id, table.rows()[4]["id"], prompt="虎", filename="虎")
    assert table.stands("to_make", "要做 1 张", "start")["price"] == table.run()["price"] == 0.22
    table.studio.run()
    table.stands("made", "4 张都做好了，4 张没看", "look")
    table.keep(0, 1)
    table.stands("made", "4 张都做好了，2 张没看", "look")
    table.keep(2, 4)
    deliver = table.stands("kept", "留下 4 张", "deliver")
    assert deliver["label"] == "交付 4 张…"
    assert len(table.deliver()["files"]) == 5, "equal rows are delivered under their own names"
    stage = table.stage()
    assert (stage["name"], stage["action"]) == ("delivered", None)
    assert stage["sentence"].endswith("交付了 5 张")
    table.add({"prompt": "羊"})
    table.stands("to_make", "要做 1 张", "start")


def test_a_run_without_rows_orders_nothing_that_was_refused_failed_is_unknown_or_paid(table: Table) -> None:
    table.add(CAT, DOG, BIRD, REFUSED, REFUSED)
    first, *_ = table.run()["records"]
    table.studio.execute("UPDATE generation_records SET status = 'unknown' WHERE id = ?", [first])
    table.studio.run()
    failed = "UPDATE generation_records SET status = 'failed', image_path = ''"
    table.studio.execute(f"{failed} WHERE prompt = '狗'")
    table.studio.execute(f"{failed}, cost_micros = 0 WHERE prompt = '鸟'")
    assert [row["state"] for row in table.rows()] == ["unknown", "paid", "failed", "refused", "refused"]
    stage = table.stage()
    assert (stage["sentence"], stage["counts"]["to_make"]) == ("0 张做好，4 张没有成功", 0)
    assert table.run(200)["records"] == []
    table.add({"prompt": "羊"})
    assert (table.stage()["action"]["price"], len(table.run()["records"])) == (0.22, 1)
    named = [table.rows()[index]["id"] for index in (2, 3)]
    assert len(table.run(rows=named)["records"]) == 2, "named ones are ordered again"


def test_a_run_that_the_budget_pauses_names_its_mend(table: Table) -> None:
    table.add(CAT, DOG)
    answered(table.studio.client.put("/api/budgets", json={"total": 0.3}))
    table.run()
    table.studio.run()
    stage = table.stage()
    assert (stage["name"], stage["action"]["name"]) == ("paused", "raise_budget")
    assert "预算" in stage["sentence"]


def test_a_client_has_answered_until_each_sentence_has_a_new_picture_or_is_put_aside(table: Table) -> None:
    table.add(CAT, DOG, BIRD)
    table.run()
    table.studio.run()
    link = table.studio.open_round(table.id)["link"]
    visitor = table.studio.visitor(link)
    said = {"1": {"mark": "heart"}, "2": {"comment": "太暗"}, "3": {"mark": "heart", "comment": "再亮些"}}
    visitor.mark(said)
    assert table.stage()["name"] == "made", "not before he submits"
    version = table.studio.get(f"/api/tables/{table.id}")["table"]["version"]
    visitor.submit()
    changed = table.studio.get(f"/api/tables/{table.id}?since={version}")["table"]
    assert changed["stage"]["sentence"] == "王总：选了 2 张，2 句要改"
    assert changed["stage"]["action"]["name"] == "answers"
    dog, bird = (row["id"] for row in table.rows()[1:])
    table.run(rows=[dog], again=[dog], pictures=1)
    table.studio.run()
    assert table.stage()["sentence"] == "王总：选了 2 张，1 句要改"
    (of,) = table.studio.rounds(table.id)
    table.studio.post(f"/api/rounds/{of['id']}/done", {"rows": [bird]})
    assert table.stage()["name"] != "answered"


def test_a_changed_picture_that_is_kept_answers_for_its_row(settings: Settings, service: FakeJimeng) -> None:
    table = Table(Studio(replace(settings, image_model="demo")), service)
    table.add(CAT)
    table.run()
    table.studio.run()
    (record,) = (picture["record_id"] for picture in table.rows()[0]["pictures"])
    body = {"vary": True}
    table.studio.post(f"/api/records/{record}/edit", body, 202)
    table.studio.run()
    table.studio.post("/api/records/pick", {"ids": [record + 1], "pick": "keep"})
    assert table.stage()["sentence"] == "留下 1 张"


def test_the_list_follows_what_equal_rows_of_another_table_buy(table: Table) -> None:
    table.add(CAT)
    other = Table(table.studio, table.service)
    other.add(CAT)

    def listed() -> list[str]:
        return [each["stage"]["sentence"] for each in table.studio.get("/api/tables")["tables"]]

    assert listed() == ["要做 1 张"] * 2
    table.run()
    assert listed() == ["做好 0，还有 1"] * 2
    table.studio.run()
    assert listed() == ["1 张都做好了，1 张没看"] * 2
    other.keep(0)
    assert listed() == ["留下 1 张"] * 2


def test_the_sentence_is_in_the_language_of_the_request(table: Table) -> None:
    table.add(CAT, DOG)
    english = {"Accept-Language": "en"}
    stage = table.studio.client.get("/api/tables", headers=english).get_json()["tables"][0]["stage"]
    assert (stage["sentence"], stage["action"]["label"]) == ("2 to generate", "🚀 Start batch · ¥0.44")
