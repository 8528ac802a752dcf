"""What the page says of its own defects: a sentence in its language, with the error itself in the console."""

from playwright.sync_api import Page, expect

from tools.server_process import ServerProcess


def test_a_defect_is_logged_and_told_in_the_language_of_the_page(
    page: Page, demo_server: ServerProcess
) -> None:
    logged: list[str] = []
    page.on("console", lambda message: logged.append(message.text) if message.type == "error" else None)
    page.route("**/live/tables?search=*", lambda route: route.fulfill(body="<p></p>"))
    demo_server.post("/api/tables", {"name": "茶具"})
    page.goto(f"{demo_server.address}/batch")
    page.locator("[data-search]").fill("茶")
    expect(page.locator(".toast")).to_contain_text("这一页显示出错了，生成不受影响，请刷新页面")
    assert any("TypeError" in text for text in logged)
