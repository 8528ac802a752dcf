"""Nothing typed into a table is lost: leaving, a cut network, two tabs, and what each change weighs."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess
from tools.waiting import wait_until

SOON = 100  # ms after a change, when nothing was sent yet


def rows_on(server: ServerProcess, table_id: str) -> list[str]:
    return [row.get("prompt", "") for row in server.get(f"/api/tables/{table_id}")["rows"]]


def new_table(server: ServerProcess, *prompts: str) -> str:
    rows = [{"prompt": prompt, "resolution": "1K"} for prompt in prompts]
    return str(server.post("/api/tables", {"rows": rows, "name": "春季"})["table"]["id"])


def paste(table: BatchPage) -> list[str]:
    prompts = [f"第 {n} 行" for n in range(1, 201)]
    table.paste_block(1, "prompt", *((prompt,) for prompt in prompts))
    return prompts


def type_over(table: BatchPage) -> list[str]:
    table.cell(1, "prompt").click()
    table.page.keyboard.type("只写了一半")
    return ["只写了一半", "乙", "丙"]


def fill_down(table: BatchPage) -> list[str]:
    table.cell(1, "prompt").click()
    for _ in range(2):
        table.page.keyboard.press("Shift+ArrowDown")
    table.page.keyboard.press("Control+d")
    return ["甲", "甲", "甲"]


@pytest.mark.parametrize(
    ("change", "how"),
    [(paste, "close"), (type_over, "reload"), (type_over, "close"), (fill_down, "reload")],
)
def test_what_was_changed_a_moment_before_the_page_was_left_is_kept(
    page: Page, shared_server: ServerProcess, change: Callable[[BatchPage], list[str]], how: str
) -> None:
    table = BatchPage(page, shared_server.address)
    table_id = new_table(shared_server, "甲", "乙", "丙")
    table.open_table(table_id)
    expected = change(table)
    page.wait_for_timeout(SOON)
    if how == "reload":
        table.reload()
    else:
        context = page.context
        page.close()
        table = BatchPage(context.new_page(), shared_server.address)
        table.open_table(table_id)
    table.expect_rows(len(expected))
    table.expect_text(1, "prompt", expected[0])
    wait_until(lambda: rows_on(shared_server, table_id) == expected)


def test_the_first_row_of_a_new_table_is_kept_too(draft: BatchPage, shared_server: ServerProcess) -> None:
    draft.click_command("add")
    draft.page.keyboard.type("第一行")
    draft.reload()
    draft.expect_text(1, "prompt", "第一行")
    wait_until(lambda: rows_on(shared_server, draft.table_id) == ["第一行"])


def test_what_is_typed_without_a_network_is_said_and_kept(page: Page, shared_server: ServerProcess) -> None:
    table = BatchPage(page, shared_server.address)
    table_id = new_table(shared_server, "甲", "乙")
    table.open_table(table_id)
    page.context.set_offline(True)
    table.edit_cell(1, "prompt", "断网时写的")
    table.edit_cell(2, "prompt", "也是")
    expect(table.saving()).to_contain_text("还没有存上 2 处修改，连上后自己存")
    assert rows_on(shared_server, table_id) == ["甲", "乙"]
    page.context.set_offline(False)
    table.wait_until_saved()
    assert rows_on(shared_server, table_id) == ["断网时写的", "也是"]


def test_two_tabs_on_one_table_see_each_others_changes_and_lose_none(
    page: Page, shared_server: ServerProcess
) -> None:
    one, other = (BatchPage(tab, shared_server.address) for tab in (page, page.context.new_page()))
    table_id = new_table(shared_server, "甲", "乙")
    one.open_table(table_id)
    other.open_table(table_id)
    one.edit_cell(1, "prompt", "第一个写的")
    other.edit_cell(2, "prompt", "第二个写的")
    page.bring_to_front()
    one.expect_text(2, "prompt", "第二个写的")
    other.page.bring_to_front()
    other.expect_text(1, "prompt", "第一个写的")
    other.edit_cell(1, "prompt", "又被改了")
    page.bring_to_front()
    one.expect_text(1, "prompt", "又被改了")
    expect(one.notice()).to_have_text("第 1 行的「提示词」刚在别处改过，现在是那边写的")
    assert rows_on(shared_server, table_id) == ["又被改了", "第二个写的"]


def test_the_draft_of_an_earlier_version_becomes_a_table(page: Page, shared_server: ServerProcess) -> None:
    table = BatchPage(page, shared_server.address)
    table.open()
    rows = [{"prompt": "旧的一", "num_images": "2", "column:SKU": "A-1"}, {"prompt": "旧的二"}]
    page.evaluate(
        """draft => new Promise((resolve) => {
          const request = indexedDB.open("batch", 1);
          request.onupgradeneeded = () => request.result.createObjectStore("kept");
          request.onsuccess = () => {
            const transaction = request.result.transaction("kept", "readwrite");
            transaction.objectStore("kept").put(draft, "draft");
            transaction.oncomplete = () => { request.result.close(); resolve(); };
          };
        })""",
        json.dumps({"rows": rows}),
    )
    new_table(shared_server, "别的")
    page.goto(f"{shared_server.address}/batch")

    def newest() -> str:
        return str(shared_server.get("/api/tables?limit=1")["tables"][0]["id"])

    wait_until(lambda: rows_on(shared_server, newest()) == ["旧的一", "旧的二"])
    page.locator(f"a[href*='{newest()}']").first.click()  # the list is loaded again with it
    table.expect_text(1, "prompt", "旧的一")
    table.expect_text(2, "prompt", "旧的二")
