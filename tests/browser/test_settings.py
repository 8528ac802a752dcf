"""模型与密钥: keys and prices entered on the page, used without a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tools.fakes.seedream import FakeSeedream
from tools.pages.batch_page import BatchPage
from tools.server_process import ServerProcess, running_server

ROW = {"prompt": "雪山", "resolution": "1K"}


@pytest.fixture
def ark() -> Iterator[FakeSeedream]:
    with FakeSeedream() as service:
        yield service


@pytest.fixture
def studio(tmp_path: Path, ark: FakeSeedream) -> Iterator[ServerProcess]:
    """A server without a key, whose Ark is the fake one."""
    (tmp_path / ".env").write_text(f"# 方舟\n# ARK_API_KEY=\nARK_BASE_URL={ark.address}/api/v3\n", "utf-8")
    with running_server(tmp_path) as server:
        yield server


def test_a_key_is_entered_tested_and_used_without_a_restart(
    page: Page, studio: ServerProcess, ark: FakeSeedream
) -> None:
    page.goto(studio.address + "/model")
    card = page.get_by_role("region", name="Seedream")
    card.get_by_text("填写密钥").click()
    card.get_by_label("API Key").fill(ark.key)
    page.locator("#set-BAILIAN_PRICE").evaluate("field => { field.value = '0.5'; }")  # typed in another card
    card.get_by_role("button", name="保存").click()
    expect(card.locator("[data-result]")).to_contain_text("已保存")
    expect(card.locator(".chip").first).to_have_text("默认模型")
    expect(card.get_by_role("button", name="保存")).to_be_focused()
    expect(card.get_by_label("API Key")).to_have_value("")
    expect(page.locator("#set-BAILIAN_PRICE")).to_have_value("0.5")
    expect(page.locator(".status-name")).to_contain_text("Seedream")
    card.get_by_label("API Key").fill("falsch")
    card.get_by_role("button", name="测试密钥").click()  # saves what was typed
    expect(card.locator("[data-result]")).to_contain_text("请检查 ARK_API_KEY")
    expect(card.locator(".chip.is-bad")).to_have_text("服务商拒绝")
    card.get_by_label("API Key").fill(ark.key)
    card.get_by_role("button", name="测试密钥").click()
    expect(card.locator("[data-result]")).to_contain_text("密钥有效")
    expect(card.locator(".chip.is-bad")).to_have_count(0)
    made = studio.post("/api/batch-generate", ROW)
    assert (made["success"], ark.charges) == (True, 1)
    assert f"# 方舟\nARK_API_KEY={ark.key}\n" in (studio.data_dir / ".env").read_text("utf-8")
    assert ark.key not in page.content() + studio.log()


def test_a_deleted_key_is_put_back_from_the_message_that_confirms_it(
    page: Page, studio: ServerProcess, ark: FakeSeedream
) -> None:
    studio.put("/api/settings", {"ARK_API_KEY": ark.key})
    page.goto(studio.address + "/model")
    card = page.get_by_role("region", name="Seedream")
    card.get_by_text("密钥、价格、并发").click()
    card.get_by_role("button", name="删除密钥").click()
    toast = page.locator(".toast")
    expect(toast).to_contain_text("密钥已删除")
    expect(card.locator(".chip.is-good")).to_have_count(0)
    toast.get_by_role("button", name="撤销").click()
    expect(card.locator("[data-result]")).to_contain_text("密钥有效")
    expect(card.locator(".chip.is-good")).to_have_count(1)
    assert f"ARK_API_KEY={ark.key}\n" in (studio.data_dir / ".env").read_text("utf-8")


def test_a_wrong_key_is_put_right_and_the_batch_continues(
    page: Page, studio: ServerProcess, ark: FakeSeedream
) -> None:
    studio.put("/api/settings", {"ARK_API_KEY": "falsch"})
    batch_id = studio.post("/api/batches", {"rows": [ROW], "model": "seedream"})["batch_id"]
    batch = BatchPage(page, studio.address)
    batch.open(f"?id={batch_id}")
    expect(page.locator("[data-stage]")).to_contain_text("ARK_API_KEY")
    batch.run_button("change_key").click()
    page.wait_for_url("**/model")  # and for its script, without which the form is sent as it is
    card = page.get_by_role("region", name="Seedream")
    expect(card.locator(".chip.is-bad")).to_have_text("服务商拒绝")
    key = card.get_by_label("API Key")
    key.fill("sk-1 sk-2")
    key.press("Enter")
    expect(card.locator("#error-ARK_API_KEY")).to_contain_text("请重新复制一遍")
    expect(key).to_be_focused()
    key.fill(ark.key)
    key.press("Enter")
    expect(card.locator("[data-result]")).to_contain_text("已保存")
    batch.open(f"?id={batch_id}")
    page.get_by_role("button", name="继续", exact=True).click()
    batch.expect_ended()
    assert ark.charges == 1
