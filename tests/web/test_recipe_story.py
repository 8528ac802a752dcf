"""A set of five pictures of each of 36 products, from the workbook to the next day; the bill is the truth."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import load_workbook

from app.config import Settings
from tests.web.harness import WebHarness, add_reference, answered, import_sheet
from tests.web.test_table_import import import_version, rows_of
from tools.fakes.seedream import FakeSeedream
from tools.noise_images import noise_image
from tools.workbooks.written import by_openpyxl, saved

HEADER = ["SKU", "品名", "类目", "产品图1", "产品图2"]


def role(name: str, words: str, column: str = "产品图1", **more: str) -> dict[str, Any]:
    return {"role": name, "prompt": words, "resolution": "1K", "sample_images": [{"column": column}], **more}


ROLES = {
    "主图": role("主图", "{品名}，主图"),
    "白底": role("白底", "{品名}，白底"),
    "场景": role("场景", "{品名}放在桌上"),
    "细节": role("细节", "{品名}的细节", "产品图2"),
    "卖点": role("卖点", "{品名}，留白", file_name="{SKU}/{角色}"),
}


def line(number: int, photo: str = "") -> list[str]:
    kind = "茶具" if number % 2 else "餐具"
    return [f"A-{number:02}", f"第 {number} 款", kind, photo or f"正{number}.png", f"反{number}.png"]


LINES = [line(number) for number in range(1, 37)]


@pytest.fixture
def shop() -> Iterator[FakeSeedream]:
    with FakeSeedream(image_format="jpeg") as fake:
        yield fake


@pytest.fixture
def web(settings: Settings, shop: FakeSeedream) -> WebHarness:
    return WebHarness(replace(settings, **shop.settings(model_concurrency=8)))


def billed(shop: FakeSeedream, since: int = 0) -> tuple[int, Decimal]:
    """How many pictures the service has made since then, and for how much."""
    orders = shop.submissions[since:]
    return len(orders), sum((shop.bill(order) or Decimal(0) for order in orders), Decimal(0))


class Studio:
    """What a person does with a table of a recipe, by the API."""

    def __init__(self, web: WebHarness, shop: FakeSeedream, lines: list[list[str]]) -> None:
        self.web, self.shop = web, shop
        self.add_photos(*(name for each in lines for name in each[3:]))
        content = by_openpyxl([HEADER, *lines], title="春季")
        workbook = import_sheet(web.client, content, "春季.xlsx", recipe="1")["workbook"]
        self.table: str = web.post("/api/tables", {"workbook": workbook}, 201)["table"]["id"]

    def add_photos(self, *names: str) -> None:
        for name in names:
            add_reference(self.web.client, name, noise_image("PNG", size=(32, 24)))

    def recipe(self, roles: dict[str, Any], *, apply: int = 1) -> dict[str, Any]:
        body = {"recipe": {"name": "五张", "roles": [*roles.values()]}, "apply": apply}
        return self.web.post(f"/api/tables/{self.table}/recipe", body)

    def make(self, **body: Any) -> tuple[int, Decimal]:
        """Order pictures and make those that are not held -> what the service bills for them."""
        before = len(self.shop.submissions)
        order = {"stop_after": None, **body}
        self.batch: str = self.web.post(f"/api/tables/{self.table}/run", order, 202)["batch_id"]
        self.web.run()
        return billed(self.shop, before)

    def release(self, batch: str, **body: Any) -> int:
        """Make what a run holds -> how many pictures the service bills."""
        before = len(self.shop.submissions)
        self.web.post(f"/api/batches/{batch}/release", body)
        self.web.run()
        return billed(self.shop, before)[0]

    def totals(self) -> tuple[int, Decimal]:
        """What the table says is to be made, and for how much."""
        totals = self.web.get(f"/api/tables/{self.table}")["table"]["totals"]
        return totals["to_make"], Decimal(str(totals["price"]))

    def states(self, state: str) -> dict[str, set[str]]:
        """The roles that are in this state, by SKU."""
        found: dict[str, set[str]] = {}
        for row in rows_of(self.web, self.table):
            if row["state"] == state:
                found.setdefault(row["columns"]["SKU"], set()).add(row["role"])
        return found


def test_a_recipe_from_the_workbook_to_the_next_day(web: WebHarness, shop: FakeSeedream) -> None:
    studio = Studio(web, shop, LINES)
    said = studio.recipe(ROLES, apply=0)
    assert (said["products"], said["pictures"], said["to_make"], said["problems"]) == (36, 180, 180, [])
    done = studio.recipe(ROLES)
    assert (done["rows"], done["price"]) == (180, said["price"])
    assert studio.totals() == (180, Decimal(str(said["price"])))

    # The trial is one product; one role is changed and tried again, the others are released by role.
    assert studio.make(sample=1)[0] == 5
    assert studio.states("made") == {"A-01": {*ROLES}}
    trial = studio.batch
    roles = {**ROLES, "场景": role("场景", "{品名}放在木桌上")}
    assert studio.recipe(roles)["to_make"] == 36
    assert studio.make(sample=1)[0] == 1
    assert (studio.states("made"), studio.totals()[0]) == ({"A-01": {*ROLES}}, 0)
    assert studio.release(trial, roles=["主图", "白底"]) == 70
    assert studio.release(trial) == 70
    assert studio.release(studio.batch) == 35
    assert len(shop.submissions) == 181
    assert {sku: len(made) for sku, made in studio.states("made").items()} == {each[0]: 5 for each in LINES}

    again = [
        row for row in rows_of(web, studio.table) if row["product"] < 5 and row["role"] in ("主图", "场景")
    ]
    web.post(
        "/api/records/pick", {"ids": [row["pictures"][-1]["record_id"] for row in again], "pick": "reject"}
    )
    ids = [row["id"] for row in again]
    assert studio.make(rows=ids, again=ids)[0] == len(ids) == 6

    # The next day: two products are new, one has another photo, one role other words.
    studio.add_photos("正37.png", "反37.png", "正38.png", "反38.png", "新正5.png")
    lines = [*LINES[:4], line(5, "新正5.png"), *LINES[5:], line(37), line(38)]
    newer = by_openpyxl([HEADER, *lines], title="春季")
    shown = import_version(web, studio.table, newer)
    assert (shown["unchanged"], shown["new"], shown["removed"], shown["corrected"]) == (35, 2, 0, 0)
    assert [(each["field"], each["now"]) for each in shown["changed"]] == [("产品图1", "新正5.png")]
    found = import_sheet(web.client, newer, "春季-改.xlsx", recipe="1")["table"]
    assert (found["id"], found["unchanged"], found["new"]) == (studio.table, 35, 2)
    import_version(web, studio.table, newer, apply="1")
    said = studio.recipe({**ROLES, "场景": role("场景", "{品名}在草地上")})
    scenes = {f"A-{number:02}": {"场景"} for number in range(1, 37)}
    to_make = {**scenes, "A-05": {"主图", "白底", "场景", "卖点"}, "A-37": {*ROLES}, "A-38": {*ROLES}}
    assert studio.states("to_make") == to_make
    assert said["to_make"] == sum(map(len, to_make.values())) == 49
    assert (49, Decimal(str(said["price"]))) == studio.totals() == studio.make()
    assert studio.totals()[0] == 0
    counts = Counter(row["state"] for row in rows_of(web, studio.table))
    assert counts == {"made": 190}

    # What leaves the house: the own workbook with a column a role, and a folder a product.
    rows = rows_of(web, studio.table)
    picked = [row["pictures"][-1]["record_id"] for row in rows if row["product"] == rows[0]["product"]]
    web.post("/api/records/pick", {"ids": picked, "pick": "keep"})
    own = web.client.get(f"/api/tables/{studio.table}/results.xlsx?form=own").data
    filled = load_workbook(io.BytesIO(own))
    sheet: Any = filled.worksheets[0]
    header, first, *_ = sheet.iter_rows(values_only=True)
    results = ["状态", "原因", "文件", "费用", "选中", "AI 标识"]
    assert header == (*HEADER, *results, *(f"图：{name}" for name in ROLES))
    assert first[5] == "成功"
    assert first[9] == "✓\n✓\n✓\n✓\n✓"
    assert first[11:] == ("A-01_主图.jpg", "A-01_白底.jpg", "A-01_场景.jpg", "A-01_细节.jpg", "卖点.jpg")
    assert len(sheet._images) == 190
    sheet["J2"] = "✓\n✗\n✓\n✓\n✓"
    back = import_version(web, studio.table, saved(filled), apply="1")
    assert (back["unchanged"], back["new"], back["removed"]) == (38, 0, 0)
    assert [row["pictures"][-1].get("pick") for row in rows_of(web, studio.table)[:3]] == [
        "keep",
        "reject",
        "keep",
    ]
    assert web.get(f"/api/tables/{studio.table}")["table"]["columns"] == [*HEADER, "角色"]
    by_picture = web.client.get(f"/api/tables/{studio.table}/results.xlsx?form=own&lines=pictures").data
    assert load_workbook(io.BytesIO(by_picture)).worksheets[0].max_row >= 190
    profile = {"width": 800, "height": 800, "folder": "{SKU}", "file_name": "{角色}", "format": "jpeg"}
    answered(web.client.put("/api/delivery-profiles/平台", json=profile))
    order = {"table": studio.table, "profile": "平台", "pick": "all"}
    files = web.post("/api/deliveries", order, 201)["files"]
    assert (len(files), files[0]["name"], files[-1]["name"]) == (190, "A-01/主图.jpg", "A-38/卖点.jpg")


def test_a_new_version_keeps_what_is_off_and_marks_products_that_are_gone(
    web: WebHarness, shop: FakeSeedream
) -> None:
    studio = Studio(web, shop, LINES[:3])
    studio.recipe({name: ROLES[name] for name in ("主图", "细节")})
    before = rows_of(web, studio.table)
    off = [row["id"] for row in before if (row["columns"]["SKU"], row["role"]) == ("A-01", "主图")]
    web.client.patch(f"/api/tables/{studio.table}", json={"operations": [{"op": "remove", "rows": off}]})
    changed = [line(1), ["A-03", "另一款", *line(3)[2:]]]
    newer = by_openpyxl([HEADER, *changed], title="春季")
    applied = import_version(web, studio.table, newer, apply="1")
    assert (applied["unchanged"], len(applied["changed"]), applied["removed"]) == (1, 1, 1)
    rows = [(row["columns"]["SKU"], row["role"], row.get("is_gone")) for row in rows_of(web, studio.table)]
    assert rows == [
        ("A-01", "细节", None),
        *(("A-02", "主图", True), ("A-02", "细节", True)),
        *(("A-03", "主图", None), ("A-03", "细节", None)),
    ]
    words = {row["sent"]["prompt"] for row in rows_of(web, studio.table) if row["columns"]["SKU"] == "A-03"}
    assert words == {"另一款，主图", "另一款的细节"}
    more = studio.recipe({name: ROLES[name] for name in ("主图", "细节", "卖点")})
    assert [row["columns"]["SKU"] for row in rows_of(web, studio.table) if row["role"] == "卖点"] == [
        "A-01",
        "A-03",
    ]
    web.post(f"/api/tables/{studio.table}/undo", {"version": more["version"]})
    web.post(f"/api/tables/{studio.table}/undo", {"version": applied["version"]})
    assert rows_of(web, studio.table) == [row for row in before if row["id"] not in off]
    back = import_version(web, studio.table, by_openpyxl([HEADER, *LINES[:3]], title="春季"), apply="1")
    assert (back["unchanged"], len(rows_of(web, studio.table))) == (3, 5)
