"""A day of a studio of four: an owner, two members and one who only looks, each in a browser of their own."""

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from openpyxl import load_workbook
from playwright.sync_api import Page, expect

from tests.browser.conftest import NewPage
from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.pages.pictures_page import PicturesPage
from tools.pages.usage_page import UsagePage
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

PASSWORD = "开门见山 2026"
_ORDER = """
async (url) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(url, { method: "POST", headers, body: "{}" });
  return [answer.status, (await answer.json()).error];
}
"""
ORDERS = re.compile("开始|继续|重试|再来|再做|重做|改提示词|¥")
OF_CLIENTS = {"山海": "0.44", "青禾": "0.22", "没写": "0.22"}


@pytest.fixture
def office(tmp_path: Path, jimeng: FakeJimeng) -> Iterator[ServerProcess]:
    """A server with a password and the fake Jimeng, two pictures at a time."""
    settings = jimeng.settings(model_concurrency=2, access_password=PASSWORD)
    with running_server(tmp_path, **settings) as server:
        yield server


def log_in(page: Page, password: str, name: str = "") -> None:
    if name:
        page.get_by_label("名字").fill(name)
    page.get_by_label("密码").fill(password)
    page.keyboard.press("Enter")


def invite(owner: Page, name: str, role: str) -> str:
    """Invite on 人员 -> the link."""
    form, link = owner.locator("[data-make=link]"), owner.locator("[data-secret=link] [data-value]")
    before = link.input_value()
    form.get_by_label("名字").fill(name)
    form.get_by_label("身份").select_option(role)
    form.get_by_role("button", name="邀请").click()
    expect(owner.locator(f".people-person[data-name='{name}']")).to_contain_text("等他用链接加入")
    expect(link).not_to_have_value(before)
    return link.input_value()


def join(page: Page, link: str, name: str) -> None:
    """Open an invitation and choose a name and a password."""
    page.goto(link)
    page.get_by_label("名字").fill(name)
    page.get_by_label("新密码").fill(f"{name} 的密码 1234")
    page.get_by_role("button", name="加入").click()
    expect(page.locator("#main")).to_be_visible()


def order(page: Page, address: str, *rows: str) -> tuple[BatchPage, str]:
    """Import a sheet of prompts and clients and order all of it -> its page, the id of its table."""
    batch = BatchPage(page, address)
    batch.open()
    batch.import_csv("提示词,客户", *rows)
    batch.start_batch()
    return batch, batch.table_id


def billed(file: Path, amount: str) -> dict[str, Decimal]:
    """The first sheet of a workbook: each client -> what this column has for them, summed."""
    heads, *lines = load_workbook(file).worksheets[0].iter_rows(values_only=True)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sums[str(line[heads.index("客户")] or "没写")] += Decimal(str(line[heads.index(amount)] or 0))
    return dict(sums)


def expect_history(owner: Page, office: ServerProcess, table: str) -> None:
    """Of the table, which leads to a row, and of that row: who chose, and who ordered."""
    batch, changes = BatchPage(owner, office.address), owner.locator("[data-history-item]")
    batch.open_table(table)
    batch.choose_command("history")
    expect(changes).to_contain_text(["小郑", "周敏"])
    owner.get_by_role("button", name="第 2 行", exact=True).click()
    expect(owner.locator("dialog.history")).to_be_hidden()
    batch.choose_row_action(1, "修改记录")
    expect(owner.get_by_role("heading", name="修改记录 第 2 行")).to_be_visible()
    expect(changes).to_contain_text(["留下 1 张", "下单 1 张"])


def test_a_studio_of_four_orders_within_its_limits_and_its_statement_is_the_bill_to_the_cent(
    new_page: NewPage, office: ServerProcess, jimeng: FakeJimeng, tmp_path: Path
) -> None:
    owner, one, two, viewer = (new_page() for _ in range(4))
    owner.goto(f"{office.address}/people")
    log_in(owner, PASSWORD)
    for page, name, role in ((one, "周敏", "member"), (two, "小吴", "member"), (viewer, "小郑", "viewer")):
        join(page, invite(owner, f"新来的{name}", role), name)
    owner.reload()
    limit = owner.get_by_label("周敏的每月上限")
    limit.fill("0.5")
    limit.press("Enter")
    expect(owner.locator(".toast")).to_contain_text("已保存")

    run, table = order(one, office.address, "红茶杯,青禾", "绿茶杯,山海", "白茶壶,青禾")
    expect(one.locator("[data-stage]")).to_have_text("请主人调高你的上限（¥0.50 用完了）")
    expect(one.get_by_role("button", name="继续", exact=True)).to_be_hidden()
    owner.reload()
    expect(owner.get_by_role("link", name="人员 1", exact=True)).to_be_visible()
    expect(owner.locator("[data-status]")).not_to_contain_text("已暂停")
    run.expect_status(2, "made")
    assert jimeng.charges == 2
    expect(one.get_by_role("button", name="改好并继续")).to_be_hidden()
    one.goto(f"{office.address}/people")
    expect(one.get_by_text("现在下单会被拒绝")).to_be_visible()

    jimeng.latency = 600  # seconds: none is done before the switching off
    _, other = order(two, office.address, "茶盘,山海", "茶则,", "茶海,山海", "茶漏,山海")
    wait_until(lambda: len(jimeng.submissions) == 4)
    owner.locator(".people-person[data-name='小吴'] [data-switch=off]").click()
    owner.get_by_role("button", name="停用并暂停批次").click()
    expect(owner.locator(".people-person[data-name='小吴']")).to_contain_text("已停用")
    expect(two.locator("[data-offline]")).to_contain_text("登录过期了")
    jimeng.latency = 0
    batch = BatchPage(owner, office.address)
    batch.open_table(other)
    expect(owner.locator("[data-stage]")).to_contain_text("小吴 已停用；谁按「继续」，接着做的就算谁的")
    batch.expect_figures("已花 ¥0.44")
    assert (len(jimeng.submissions), jimeng.charges) == (4, 4)
    two.reload()
    log_in(two, "小吴 的密码 1234", "小吴")
    expect(two.get_by_role("alert")).to_have_text("名字或密码不对，请再试一次")

    pictures = PicturesPage(viewer, office)
    pictures.open(table)
    pictures.focus(2)
    pictures.press("1")
    pictures.expect_pick(2, 1, "keep")
    expect(pictures.words("prompt")).to_have_text("绿茶杯")
    expect(viewer.get_by_role("button", name=ORDERS)).to_have_count(0)
    viewer.locator("[data-gallery-row='2'] img").first.click()
    viewer.locator("[data-lightbox-more]").click()
    expect(viewer.get_by_role("button", name="复制链接")).to_be_visible()
    expect(viewer.get_by_role("button", name=ORDERS)).to_have_count(0)
    seen = PicturesPage(owner, office)
    seen.open(table)
    seen.expect_pick(2, 1, "keep")
    expect_history(owner, office, table)
    BatchPage(viewer, office.address).open_table(table)
    expect(viewer.get_by_role("button", name=ORDERS)).to_have_count(0)
    grid = viewer.locator("[data-table]")
    expect(grid.get_by_role("checkbox")).to_have_count(0)
    expect(grid.get_by_role("button", name=re.compile("选择|更多操作"))).to_have_count(0)
    grid.get_by_role("gridcell", name="红茶杯", exact=True).click()
    viewer.keyboard.type("黑茶杯")
    viewer.keyboard.press("Enter")
    viewer.keyboard.press("Delete")
    expect(grid.get_by_role("gridcell", name="红茶杯", exact=True)).to_have_count(1)
    expect(viewer.locator("[data-command=undo]")).to_be_hidden()
    refusal = "您的身份是「只看」，可以看、选、下载；要下单和修改，请找主人改成成员"
    assert viewer.evaluate(_ORDER, f"/api/tables/{table}/run") == [403, refusal]

    usage = UsagePage(owner, office.address)
    usage.open("?range=month&by=person")
    expect(owner.locator(".usage-tables tbody tr")).to_contain_text(["周敏", "小吴"])
    owner.locator("[data-groups-by]").select_option(label="按客户")
    expect(owner.locator(".usage-tables tbody tr")).to_contain_text(["山海", "青禾", "没写"])
    statement = billed(usage.download("全部对账单", tmp_path), "金额（元）")
    ledger = billed(usage.download("导出 Excel", tmp_path), "已计费（元）")
    bill = sum(jimeng.bill(each) for each in jimeng.submissions if each.billed)
    assert statement.pop("合计") == bill == Decimal("0.88")
    assert statement == ledger == {name: Decimal(text) for name, text in OF_CLIENTS.items()}
