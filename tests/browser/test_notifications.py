"""Notifications: tested on 模型与密钥, and sent by the server when a batch ends."""

from pathlib import Path

from playwright.sync_api import Page, expect

from tools.fakes.robots import FakeRobot
from tools.server_process import running_server
from tools.waiting import wait_until


def test_the_receiver_is_tested_on_the_page_and_notified_of_the_end(page: Page, tmp_path: Path) -> None:
    with FakeRobot("plain") as robot, running_server(tmp_path, notify_url=robot.url) as server:
        page.goto(server.address + "/model")
        result = page.locator("#notify [data-result]")
        page.get_by_role("button", name="发一条试试").click()
        expect(result).to_have_text("接收方收下了。")
        robot.fault = "500"
        page.get_by_role("button", name="发一条试试").click()
        expect(result).to_contain_text("接收方没有收到；它在内部网络")
        robot.fault = ""
        rows = [{"prompt": "雪山", "resolution": "1K"}]
        batch_id = server.post("/api/batches", {"rows": rows, "name": "春季"})["batch_id"]
        wait_until(lambda: len(robot.messages) == 2)
        assert "「春季」：完成 1 张" in robot.messages[1]
        assert robot.messages[1].endswith(f"/batch?id={batch_id}")
        assert robot.url.rpartition("/")[2] not in server.log() + page.content()
