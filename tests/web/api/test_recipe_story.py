"""A set of five pictures of each of 12 products, from the workbook to the next day; the bill is the truth."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any
from zipfile import ZipFile

import pytest
from openpyxl import load_workbook

from app.config import Settings
from tests.web.api.test_table_import import import_version, rows_of
from tests.web.harness import WebHarness, add_reference, answered, import_sheet
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


LINES = [line(number) for number in range(1, 13)]


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

    def rows(self, *roles: str) -> list[dict[str, Any]]:
        """The rows of these roles."""
        return [row for row in rows_of(self.web, self.table) if row["role"] in roles]

    def pick(self, choice: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Choose the newest picture of these rows."""
        ids = [row["pictures"][-1]["record_id"] for row in rows]
        self.web.post("/api/records/pick", {"ids": ids, "pick": choice})

    def deliver(self, profile: str, **order: Any) -> dict[str, Any]:
        """Plan a delivery by product, or with apply=0 only look at it."""
        body = {"table": self.table, "profile": profile, "by_product": True, **order}
        return self.web.post("/api/deliveries", body, 201 if order.get("apply", 1) else 200)

    def failed_checks(self, delivery: Mapping[str, Any]) -> set[str]:
        """Make the files of a delivery -> the rules that one of them fails."""
        files = self.web.post(f"/api/deliveries/{delivery['id']}/make", {})["files"]
        return {check["rule"] for file in files for check in file["checks"] if check["result"] == "fail"}

    def states(self, state: str) -> dict[str, set[str]]:
        """The roles that are in this state, by SKU."""
        found: dict[str, set[str]] = {}
        for row in rows_of(self.web, self.table):
            if row["state"] == state:
                found.setdefault(row["columns"]["SKU"], set()).add(row["role"])
        return found


def test_a_recipe_from_the_workbook_to_the_next_day(web: WebHarness, shop: FakeSeedream) -> None:
    studio = Studio(web, shop, LINES)
    apply_the_recipe(studio)
    try_one_product_and_release_by_role(studio)
    make_rejected_ones_again(studio)
    fill_the_own_workbook(studio)
    deliver_by_platform(studio)
    make_what_the_next_day_changes(studio)
    assert len(shop.submissions) == 60 + 1 + 6 + 25


def apply_the_recipe(studio: Studio) -> None:
    said = studio.recipe(ROLES, apply=0)
    assert (said["products"], said["pictures"], said["to_make"], said["problems"]) == (12, 60, 60, [])
    done = studio.recipe(ROLES)
    assert (done["rows"], done["price"]) == (60, said["price"])
    assert studio.totals() == (60, Decimal(str(said["price"])))


def try_one_product_and_release_by_role(studio: Studio) -> None:
    assert studio.make(sample=1)[0] == 5
    assert studio.states("made") == {"A-01": {*ROLES}}
    trial = studio.batch
    assert studio.recipe({**ROLES, "场景": role("场景", "{品名}放在木桌上")})["to_make"] == 12
    assert studio.make(sample=1)[0] == 1, "the words of one role have changed"
    assert (studio.states("made"), studio.totals()[0]) == ({"A-01": {*ROLES}}, 0)
    assert studio.release(trial, roles=["主图", "白底"]) == 22
    assert studio.release(trial) == 22
    assert studio.release(studio.batch) == 11
    assert {sku: len(made) for sku, made in studio.states("made").items()} == {each[0]: 5 for each in LINES}


def make_rejected_ones_again(studio: Studio) -> None:
    rows = [row for row in studio.rows(*ROLES) if row["product"] < 5 and row["role"] in ("主图", "场景")]
    studio.pick("reject", rows)
    ids = [row["id"] for row in rows]
    assert studio.make(rows=ids, again=ids)[0] == len(ids) == 6


def fill_the_own_workbook(studio: Studio) -> None:
    """It has a column a role, and brings choices of each role back."""
    studio.pick("keep", studio.rows(*ROLES)[:5])
    url = f"/api/tables/{studio.table}/results.xlsx?form=own"
    filled = load_workbook(io.BytesIO(studio.web.client.get(url).data))
    sheet: Any = filled.worksheets[0]
    header, first, *_ = sheet.iter_rows(values_only=True)
    results = ["状态", "原因", "文件", "费用", "选中", "AI 标识"]
    assert header == (*HEADER, *results, *(f"图：{name}" for name in ROLES))
    assert (first[5], first[9]) == ("成功", "✓\n✓\n✓\n✓\n✓")
    assert first[11:] == ("A-01_主图.jpg", "A-01_白底.jpg", "A-01_场景.jpg", "A-01_细节.jpg", "卖点.jpg")
    assert len(sheet._images) == 60
    sheet["J2"] = "✓\n✗\n✓\n✓\n✓"
    back = import_version(studio.web, studio.table, saved(filled), apply="1")
    assert (back["unchanged"], back["new"], back["removed"]) == (12, 0, 0)
    picks = [row["pictures"][-1].get("pick") for row in studio.rows(*ROLES)[:5]]
    assert picks == ["keep", "reject", "keep", "keep", "keep"]
    assert studio.web.get(f"/api/tables/{studio.table}")["table"]["columns"] == [*HEADER, "角色"]
    by_picture = load_workbook(io.BytesIO(studio.web.client.get(f"{url}&lines=pictures").data))
    assert by_picture.worksheets[0].max_row >= 60


def deliver_by_platform(studio: Studio) -> None:
    """A folder a product and a file a role, with the names of a platform's profile or those of one's own."""
    planned = studio.deliver("京东 主图", pick="all", apply=0)
    assert planned["by_product"] == {"folder": "{SKU}", "file_name": "{角色}"}
    names = [file["name"] for file in planned["files"]]
    assert (len(names), names[0], names[-1]) == (60, "A-01/主图.jpg", "A-12/卖点.jpg")
    own = {"width": 800, "height": 800, "folder": "{类目}", "file_name": "{SKU}_{角色}", "format": "jpeg"}
    answered(studio.web.client.put("/api/delivery-profiles/平台", json=own))
    planned = studio.deliver("平台", pick="all", apply=0)
    assert (planned["by_product"], planned["files"][0]["name"]) == (None, "茶具/A-01_主图.jpg")

    kept = studio.deliver("淘宝/天猫 主图", rows=[row["id"] for row in studio.rows("主图", "场景")[:4]])
    assert [file["name"] for file in kept["files"]] == ["A-01/主图.jpg", "A-01/场景.jpg"]
    assert {problem["kind"] for problem in kept["problems"]} == {"pick"}
    assert studio.failed_checks(kept) == {"smaller"}, "a picture of 1K is not enlarged to 1440"
    grounds = [row["id"] for row in studio.rows("白底")[:1]]
    white = studio.deliver("淘宝/天猫 白底图", pick="all", rows=grounds)
    assert studio.failed_checks(white) == {"white_ground"}
    archive = studio.web.client.get(f"/api/deliveries/{kept['id']}.zip").data
    assert {*ZipFile(io.BytesIO(archive)).namelist()} >= {"A-01/主图.jpg", "A-01/场景.jpg"}


def make_what_the_next_day_changes(studio: Studio) -> None:
    """Two products are new, one has another photo, one role other words."""
    web, table = studio.web, studio.table
    studio.add_photos("正13.png", "反13.png", "正14.png", "反14.png", "新正5.png")
    lines = [*LINES[:4], line(5, "新正5.png"), *LINES[5:], line(13), line(14)]
    newer = by_openpyxl([HEADER, *lines], title="春季")
    shown = import_version(web, table, newer)
    assert (shown["unchanged"], shown["new"], shown["removed"], shown["corrected"]) == (11, 2, 0, 0)
    assert [(each["field"], each["now"]) for each in shown["changed"]] == [("产品图1", "新正5.png")]
    found = import_sheet(web.client, newer, "春季-改.xlsx", recipe="1")["table"]
    assert (found["id"], found["unchanged"], found["new"]) == (table, 11, 2)
    import_version(web, table, newer, apply="1")
    said = studio.recipe({**ROLES, "场景": role("场景", "{品名}在草地上")})
    scenes = {f"A-{number:02}": {"场景"} for number in range(1, 13)}
    to_make = {**scenes, "A-05": {"主图", "白底", "场景", "卖点"}, "A-13": {*ROLES}, "A-14": {*ROLES}}
    assert studio.states("to_make") == to_make
    assert said["to_make"] == sum(map(len, to_make.values())) == 25
    assert (25, Decimal(str(said["price"]))) == studio.totals() == studio.make()
    assert studio.totals()[0] == 0
    assert Counter(row["state"] for row in studio.rows(*ROLES)) == {"made": 70}


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
