"""Chromium and running servers: one browser per run, a fresh context per test, servers per test or module."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

import database
from app.domain import ModelStatistics
from tools.chromium import FLAGS, require_browser
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.pages import scenarios as setups
from tools.pages.batch_page import BatchPage
from tools.pages.records_page import RecordsPage, running_copy, seed_records
from tools.pages.samples_page import SamplesPage
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess, running_server

TIMEOUT_MS = 30_000  # milliseconds, enough for a busy machine
SAMPLES = "ai-images/sample/"  # the prefix of the library
LAN = "studio.lan"  # this machine, as others of its network call it

LONG_PROMPT = "很长的提示词，" * 286

NewPage = Callable[..., Page]
OpenStudio = Callable[[ServerProcess], StudioPage]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for the whole run, in Chinese and with reduced motion unless a test asks otherwise."""
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        flags = [*FLAGS, f"--host-resolver-rules=MAP {LAN} 127.0.0.1"]
        chromium = playwright.chromium.launch(executable_path=require_browser(), args=flags)
        usual = partial(chromium.new_context, locale="zh-CN", reduced_motion="reduce")
        chromium.new_context = usual  # type: ignore[method-assign]
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser: Browser) -> Iterator[NewPage]:
    """Open pages in contexts of their own, at 1440×900 unless told. An error in a console fails the test."""
    contexts = []
    problems: list[str] = []

    def open_page(width: int = 1440, height: int = 900, **how: Any) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **how))
        contexts[-1].set_default_timeout(TIMEOUT_MS)
        opened = contexts[-1].new_page()
        opened.on("pageerror", lambda error: problems.append(str(error)))
        return opened

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    return new_page()


@pytest.fixture
def phone(new_page: NewPage) -> Page:
    """A page on a touch screen of 390×844."""
    return new_page(390, 844, has_touch=True, is_mobile=True)


@pytest.fixture
def demo_server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server without any key."""
    with running_server(tmp_path, image_model="demo") as server:
        yield server


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server without any key, for the tests of a module that leave no record behind that another minds."""
    with running_server(tmp_path_factory.mktemp("shared"), image_model="demo") as server:
        yield server


@pytest.fixture
def jimeng() -> Iterator[FakeJimeng]:
    """The fake service, a tenth of a second an image."""
    with FakeJimeng(latency=0.1) as service:
        yield service


@contextmanager
def jimeng_server(folder: Path, service: FakeJimeng) -> Iterator[ServerProcess]:
    """A server that knows how fast the service is; one that does not waits a second for each image."""
    file = folder / "generation_records.db"
    database.open_database(file)
    with closing(database.connect(file)) as db:
        database.store_statistics(
            db, "jimeng_t2i_v40", ModelStatistics(seconds=service.latency, deviation=0.0)
        )
    with running_server(folder, **service.settings(model_concurrency=2)) as server:
        yield server


@pytest.fixture
def server(tmp_path: Path, jimeng: FakeJimeng) -> Iterator[ServerProcess]:
    """A server with the fake Jimeng."""
    with jimeng_server(tmp_path, jimeng) as server:
        yield server


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[setups.Scenarios]:
    """Servers in every state of the product, for read-only tests: started once per worker."""
    with setups.scenarios(tmp_path_factory.mktemp("scenarios")) as made:
        yield made


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with 60 records, every thirteenth failed, the first with a prompt of 2,000 letters."""
    data_dir = tmp_path_factory.mktemp("archive")
    seed_records(data_dir, 60, prompts=[LONG_PROMPT])
    return data_dir


@pytest.fixture(scope="session")
def archive_server(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> Iterator[ServerProcess]:
    """A server with those records, for tests that change nothing."""
    with running_copy(archive, tmp_path_factory.mktemp("read")) as server:
        yield server


@pytest.fixture
def own_archive_server(tmp_path: Path, archive: Path) -> Iterator[ServerProcess]:
    """A server with its own copy of those records."""
    with running_copy(archive, tmp_path) as server:
        yield server


@pytest.fixture
def own_records(page: Page, own_archive_server: ServerProcess) -> RecordsPage:
    """生成记录 of that server, open."""
    opened = RecordsPage(page, own_archive_server.address)
    opened.open()
    return opened


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with a dozen records; the tests of a module put back what they change."""
    folder = tmp_path_factory.mktemp("dozen")
    seed_records(folder, 12)
    with running_server(folder, image_model="demo") as process:
        yield process


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
def studio(page: Page) -> OpenStudio:
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


@pytest.fixture
def draft(page: Page, shared_server: ServerProcess) -> BatchPage:
    """批量生成 with an empty draft, on the server that the module shares."""
    opened = BatchPage(page, shared_server.address)
    opened.open()
    return opened


@pytest.fixture
def priced(page: Page, server: ServerProcess) -> BatchPage:
    """批量生成 with the fake Jimeng, not open yet."""
    return BatchPage(page, server.address)
