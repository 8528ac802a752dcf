"""Chromium and running servers: one browser per run, one server and one fresh context per test."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import states
from tests.browser.batch_page import BatchPage
from tests.browser.samples_page import SamplesPage
from tests.browser.studio_page import StudioPage
from tools.chromium import FLAGS, require_browser
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.server_process import ServerProcess, running_server

TIMEOUT_MS = 30_000  # milliseconds, enough for a busy machine
SAMPLES = "ai-images/sample/"  # the prefix of the library


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run, in Chinese and with reduced motion unless a test asks otherwise."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=require_browser(), args=FLAGS)
        usual = partial(chromium.new_context, locale="zh-CN", reduced_motion="reduce")
        chromium.new_context = usual  # type: ignore[method-assign]
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh context at 1440×900. An error in the console fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(TIMEOUT_MS)
    shown = context.new_page()
    problems: list[str] = []
    shown.on("pageerror", lambda error: problems.append(str(error)))
    yield shown
    context.close()
    assert problems == []


@pytest.fixture
def demo_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server without any key."""
    with running_server(tmp_path, image_model="demo") as server:
        yield server


@pytest.fixture
def jimeng() -> Iterator[FakeJimeng]:
    """The fake service, half a second an image."""
    with FakeJimeng(latency=0.5) as service:
        yield service


@pytest.fixture
def server(tmp_path: Path, jimeng: FakeJimeng) -> Iterator[ServerProcess]:
    """A server with the fake Jimeng."""
    with running_server(tmp_path, **jimeng.settings(model_concurrency=2)) as server:
        yield server


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[states.Scenarios]:
    """Servers in every state of the product, for read-only tests: started once per worker."""
    with states.scenarios(tmp_path_factory.mktemp("scenarios")) as made:
        yield made


@pytest.fixture
def oss() -> Iterator[FakeOss]:
    with FakeOss() as service:
        yield service


@pytest.fixture
def oss_server(tmp_path: Path, oss: FakeOss) -> Iterator[ServerProcess]:
    """A server with the demo model and its library in the bucket."""
    with running_server(tmp_path, image_model="demo", **oss.settings()) as server:
        yield server


@pytest.fixture
def library(page: Page, demo_server: ServerProcess) -> SamplesPage:
    """示例图, open, with a local folder."""
    opened = SamplesPage(page, demo_server.address)
    opened.open()
    return opened


@pytest.fixture
def studio(page: Page) -> Callable[[ServerProcess], StudioPage]:
    """Open 单图生成 of a server."""

    def open_studio(process: ServerProcess) -> StudioPage:
        opened = StudioPage(page, process.address)
        opened.open()
        return opened

    return open_studio


@pytest.fixture
def batch(page: Page, demo_server: ServerProcess) -> BatchPage:
    """批量生成, open, without a key."""
    opened = BatchPage(page, demo_server.address)
    opened.open()
    return opened
