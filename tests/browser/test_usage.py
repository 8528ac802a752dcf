"""用量: the figures, the charts, and every way to resolve an unknown result, with the fake Jimeng."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tools.fakes.jimeng import FakeJimeng
from tools.pages.batch_page import BatchPage
from tools.pages.studio_page import StudioPage
from tools.pages.usage_page import UsagePage
from tools.server_process import ServerProcess

SLOW = "慢慢画的猫"


@pytest.fixture
def usage(page: Page, server: ServerProcess) -> UsagePage:
    return UsagePage(page, server.address)


def finished_batch(server: ServerProcess, *prompts: str, name: str = "") -> dict[str, Any]:
    """Run a batch to its end."""
    answer = server.post("/api/batches", {"rows": [{"prompt": one} for one in prompts], "name": name})
    return server.wait_for_end(answer["batch_id"])


def lost_batch(server: ServerProcess, service: FakeJimeng, *prompts: str) -> str:
    """A batch whose responses are lost -> its id."""
    service.fail_next("reset", times=len(prompts))
    batch = finished_batch(server, *prompts)
    assert batch["counts"]["unknown"] == len(prompts)
    return str(batch["id"])


def timed_out_batch(server: ServerProcess, service: FakeJimeng) -> str:
    """A batch that timed out, though the service finishes its image -> its id."""
    restart(server, model_timeout=1)
    service.latency = 600.0
    batch = finished_batch(server, SLOW)
    assert batch["counts"]["unknown"] == 1
    service.latency = 0.0
    restart(server, model_timeout=60)
    return str(batch["id"])


def restart(server: ServerProcess, *, model_timeout: int) -> None:
    server.kill()
    server.variables["MODEL_TIMEOUT"] = str(model_timeout)
    server.start()


def test_figures_and_charts_show_the_spending_of_a_range(
    usage: UsagePage, server: ServerProcess, tmp_path: Path
) -> None:
    finished_batch(server, "雪山", "猫", "违禁", name="春季主图")
    usage.open()
    usage.expect_sum("今天", "¥0.44")
    usage.expect_sum("累计", "¥0.44")
    expect(usage.page.locator(".usage-tables")).to_contain_text("春季主图")
    expect(usage.chart("失败原因").locator("li")).to_have_text(re.compile("内容审核没有通过 ?1"))
    bars = usage.chart("每天的花费").locator("rect.chart-mark")
    expect(bars).to_have_count(1)
    expect(bars).to_have_attribute("height", re.compile("^120"))
    usage.page.get_by_role("link", name="张数", exact=True).click()
    expect(usage.chart("每天的图片")).to_be_visible()
    expect(usage.page.get_by_role("link", name="张数", exact=True)).to_be_focused()
    usage.expect_figures("每天的图片", "2 张")
    usage.page.get_by_role("link", name="近 7 天", exact=True).click()
    expect(usage.page).to_have_url(re.compile("chart=pictures"))
    expect(usage.chart("每天的图片")).to_be_visible()
    usage.page.get_by_role("link", name="今天", exact=True).click()
    expect(usage.page.get_by_role("heading", name=re.compile("每小时的"))).to_be_visible()
    file = usage.download("导出 Excel", tmp_path)
    assert file.suffix == ".xlsx"
    assert usage.download("CSV", tmp_path).read_text("utf-8-sig").count("已计费") >= 2
    usage.page.get_by_label("从哪一天").fill("2020-01-01")
    usage.page.get_by_label("到哪一天").fill("2020-01-31")
    usage.page.get_by_role("button", name="查看").click()
    expect(usage.page.locator(".charts")).to_contain_text("这段时间没有")


def test_costs_are_grouped_by_a_column_of_the_sheet_up_to_its_statements(
    usage: UsagePage, server: ServerProcess, tmp_path: Path
) -> None:
    rows = [{"prompt": name, "columns": {"客户": name}} for name in ("青禾", "山海")]
    server.wait_for_end(server.post("/api/batches", {"rows": rows})["batch_id"])
    usage.open("?range=today")
    page, groups = usage.page, usage.page.locator("[data-groups-by]")
    expect(page.get_by_role("link", name="上月", exact=True)).to_be_hidden()
    groups.focus()
    groups.select_option(label="按客户")
    expect(page.locator(".usage-tables tbody tr")).to_contain_text(["山海", "青禾"])
    expect(page.locator(".usage-tables tfoot")).to_contain_text("¥0.44")
    expect(groups).to_be_focused()
    assert usage.download("青禾 对账单", tmp_path).name.startswith("对账单-青禾-")
    finished_batch(server, "单独的猫")
    expect(page.locator(".usage-tables tbody tr").last).to_contain_text("没写")
    page.get_by_role("link", name="上月", exact=True).click()
    expect(page.locator("[data-groups-by] option:checked")).to_have_text("按客户")
    expect(page.locator(".usage-tables")).to_contain_text("这段时间没有请求过服务")


def test_a_lost_submission_is_resubmitted_only_after_confirming_the_cost(
    usage: UsagePage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    lost_batch(server, jimeng, "猫")
    orders = len(jimeng.submissions)
    usage.open()
    usage.act("重试…")
    expect(usage.page.locator("[data-ask-text]")).to_contain_text("¥0.22")
    assert len(jimeng.submissions) == orders
    usage.confirm_cost()
    usage.expect_sum("今天", "¥0.22")
    expect(usage.unresolved()).to_contain_text("图片后来重新生成了")
    usage.act("对账…")
    usage.answer_bill_question("账单里没有")
    expect(usage.unresolved()).to_have_count(0)
    assert len(jimeng.submissions) == orders + 1


def test_a_written_off_charge_is_never_resubmitted_and_can_be_undone(
    usage: UsagePage, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = lost_batch(server, jimeng, "猫", "狗")
    orders = len(jimeng.submissions)
    usage.open()
    usage.act_on_all("全部放弃")
    usage.answer_bill_question("账单里有")
    expect(usage.unresolved()).to_have_count(0)
    usage.expect_sum("今天", "¥0.44")
    usage.page.get_by_role("button", name="撤销").click()
    expect(usage.unresolved()).to_have_count(2)
    usage.expect_sum("今天", "¥0.00")
    usage.act("放弃…")
    usage.answer_bill_question("账单里没有")
    expect(usage.unresolved()).to_have_count(1)
    assert server.post(f"/api/batches/{batch_id}/retry")["batch"]["counts"]["queued"] == 0
    assert len(jimeng.submissions) == orders


def test_the_table_page_leads_to_where_unknown_results_are_resolved(
    page: Page, server: ServerProcess, jimeng: FakeJimeng
) -> None:
    batch_id = timed_out_batch(server, jimeng)
    batch = BatchPage(page, server.address)
    batch.open(f"?id={batch_id}")
    group = batch.open_causes().filter(has_text="结果未知")
    group.get_by_role("link", name="去「用量」处理").click()
    UsagePage(page, server.address).act("取回")
    batch.open(f"?id={batch_id}")
    batch.wait_for_image(1)
    assert len(jimeng.submissions) == 1


def test_a_tile_resolves_an_unknown_result(page: Page, server: ServerProcess, jimeng: FakeJimeng) -> None:
    jimeng.fail_next("reset")
    studio = StudioPage(page, server.address)
    studio.open()
    studio.write_prompt("猫")
    studio.generate()
    tile = studio.tiles("unknown").first
    tile.get_by_role("button", name="放弃…").click()
    UsagePage(page, server.address).answer_bill_question("账单里有")
    expect(studio.tiles("cancelled").first).to_contain_text("已放弃，账单里有这一笔")
