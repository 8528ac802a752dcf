"""Polling pages: a call without a response times out, and an error of the page itself is reported as one."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.batch_page import BatchPage
from tests.browser.studio_page import StudioPage
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess

Open = Callable[[ServerProcess], StudioPage]
_TAKE = "window.taken = document.querySelector('[data-run-name]'); window.taken.remove()"
_GIVE_BACK = "document.querySelector('[data-run-state]').before(window.taken)"


@pytest.fixture
def long_batch(server: ServerProcess, jimeng: FakeJimeng, page: Page) -> BatchPage:
    """The page of a batch that takes long."""
    jimeng.latency = 600.0
    page.clock.install()
    made = server.post("/api/batches", {"rows": [{"prompt": f"第 {number} 款"} for number in range(6)]})
    opened = BatchPage(page, server.address)
    opened.open(f"?id={made['batch_id']}")
    opened.expect_figures("剩 6")
    return opened


def pause_elsewhere(server: ServerProcess) -> None:
    batch_id = server.get("/api/batches")["batches"][0]["id"]
    server.post(f"/api/batches/{batch_id}/pause", {})


def test_a_rendering_error_is_not_reported_as_a_connection_error(
    server: ServerProcess, long_batch: BatchPage, page: Page
) -> None:
    message = page.locator("[data-run-offline]")
    page.evaluate(_TAKE)
    pause_elsewhere(server)
    expect(message).to_contain_text("这一页显示出错了")
    expect(message).not_to_contain_text("连不上服务")
    page.evaluate(_GIVE_BACK)
    long_batch.expect_state("已暂停")
    long_batch.expect_figures("剩 6")
    expect(message).to_be_hidden()


def test_a_connection_error_message_disappears_once_the_server_is_back(
    server: ServerProcess, long_batch: BatchPage, page: Page
) -> None:
    message = page.locator("[data-run-offline]")
    page.route("**/pause", lambda route: route.abort())
    page.route("**/api/batches/*?since=*", lambda route: route.abort())
    long_batch.run_button("pause").click()
    expect(message).to_contain_text("连不上服务")
    page.unroute_all()
    expect(message).to_be_hidden()
    long_batch.pause()


def test_a_timed_out_submission_is_made_once_when_repeated(
    demo_server: ServerProcess, page: Page, studio: Open
) -> None:
    page.clock.install()
    opened = studio(demo_server)
    keys: list[str] = []

    def place_without_answer(route: Route) -> None:
        keys.append(json.loads(route.request.post_data or "")["request_id"])
        if len(keys) > 1:
            route.continue_()
        else:
            route.fetch()

    page.route("**/api/batches", place_without_answer)
    opened.write_prompt("只要一张的猫")
    opened.generate()
    expect(opened.tiles()).to_have_count(1)  # the page notices it by its other calls
    page.clock.fast_forward(121_000)
    expect(page.locator("[data-form-error]")).to_contain_text("太久没有回答")
    opened.generate()
    expect(page.locator("[data-form-error]")).to_be_empty()
    assert keys[0] == keys[1]
    assert demo_server.get("/api/batches")["total"] == 1
