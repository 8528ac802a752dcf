"""The sets of a table with a recipe: how many products have a kept picture of each of their roles."""

from typing import Any

import pytest

from tests.web.api.test_recipes import SCENE, WHITE, apply, change, rows_of, table_of
from tests.web.harness import WebHarness

PRODUCTS = [{"columns": {"SKU": f"A-{n}", "品名": f"杯子{n}"}} for n in (1, 2)]


@pytest.fixture
def web(demo: WebHarness) -> WebHarness:
    return demo


def made(web: WebHarness) -> str:
    """A table of two products with two roles, all made."""
    table = table_of(web, PRODUCTS)
    apply(web, table, WHITE, SCENE)
    web.post(f"/api/tables/{table}/run", {}, 202)
    web.run()
    return table


def sets(web: WebHarness, table: str) -> Any:
    return web.get(f"/api/tables/{table}")["table"]["totals"].get("sets")


def pick(web: WebHarness, table: str, *rows: int, name: str = "keep") -> None:
    found = rows_of(web, table)
    ids = [found[index]["pictures"][0]["record_id"] for index in rows]
    web.post("/api/records/pick", {"ids": ids, "pick": name})


def test_a_set_is_complete_when_each_role_has_a_kept_picture(web: WebHarness) -> None:
    table = made(web)
    assert sets(web, table) == {"complete": 0, "all": 2}
    pick(web, table, 0, 1, 2)
    assert sets(web, table) == {"complete": 1, "all": 2}
    pick(web, table, 1, name="reject")
    assert sets(web, table) == {"complete": 0, "all": 2}
    assert sets(web, table_of(web, PRODUCTS)) is None


def test_a_set_is_of_the_roles_that_are_asked_for_as_they_are_now(web: WebHarness) -> None:
    table = made(web)
    pick(web, table, 0, 1, 2)
    off = [rows_of(web, table)[3]["id"]]
    assert change(web, table, {"op": "remove", "rows": off})["totals"]["sets"] == {"complete": 2, "all": 2}
    apply(web, table, {**WHITE, "prompt": "{品名}，纯白底"}, SCENE)
    assert sets(web, table) == {"complete": 0, "all": 2}
    apply(web, table, WHITE)  # the made pictures of the other role stay, marked
    assert sets(web, table) is None  # one picture is no set


def test_a_kept_picture_of_an_equal_row_counts_until_the_row_has_its_own(web: WebHarness) -> None:
    table = made(web)
    pick(web, table, 0, 1, 2, 3)
    copied = web.post(f"/api/tables/{table}/copy", {"name": "另一份"}, 201)["table"]["id"]
    assert sets(web, copied) == {"complete": 2, "all": 2}
    first = rows_of(web, copied)[0]["id"]
    web.post(f"/api/tables/{copied}/run", {"rows": [first], "again": [first]}, 202)
    web.run()
    assert (sets(web, copied)["complete"], sets(web, table)["complete"]) == (1, 2)
