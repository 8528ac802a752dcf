"""示例图 and the picker while OSS is unreachable, recovers, or has a wrong setting."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import SAMPLES, NewPage
from tools.fakes.oss import Call, FakeOss, Reply
from tools.noise_images import noise_image
from tools.pages.batch_page import BatchPage
from tools.pages.samples_page import OUTAGE_TIMEOUT_MS, Picker, SamplesPage, image_file
from tools.pages.studio_page import StudioPage
from tools.server_process import ServerProcess, running_server


class StallingOss(FakeOss):
    """A fake OSS that can accept requests without answering."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()
        self.answers.set()

    def serve(self, call: Call) -> Reply:
        self.answers.wait(60)
        return super().serve(call)


@pytest.fixture
def oss() -> Iterator[StallingOss]:
    with StallingOss() as service:
        service.put(f"{SAMPLES}猫.png", noise_image("png"))
        service.put(f"{SAMPLES}狗.png", noise_image("png"), age=60)
        yield service
        service.answers.set()


@pytest.fixture
def listed_server(page: Page, oss_server: ServerProcess) -> ServerProcess:
    """A server that has read its list."""
    library = SamplesPage(page, oss_server.address)
    library.open()
    library.expect_names("猫.png", "狗.png")
    return oss_server


def restart(server: ServerProcess, **settings: str) -> None:
    """Restart the server: it contacts OSS at once instead of once a minute."""
    server.kill()
    server.variables |= {name.upper(): value for name, value in settings.items()}
    server.start()


@pytest.fixture
def misconfigured(tmp_path: Path, oss: StallingOss) -> Iterator[ServerProcess]:
    """A server with one wrong setting."""
    settings = oss.settings(oss_access_key_secret="wrong")
    with running_server(tmp_path, image_model="demo", **settings) as server:
        yield server


def test_a_wrong_setting_is_reported_on_the_page_and_in_the_picker_and_the_rest_works(
    misconfigured: ServerProcess, page: Page
) -> None:
    server = misconfigured
    SamplesPage(page, server.address).open()
    notice = page.locator(".samples-notice")
    expect(notice).to_contain_text("OSS_ACCESS_KEY_SECRET", timeout=OUTAGE_TIMEOUT_MS)
    expect(notice).to_have_count(1)
    expect(page.locator(".empty")).to_contain_text("示例图暂时看不到")
    sentence = notice.inner_text()
    assert sentence.count("。") == 1

    picker = Picker(page)
    picker.open_on_index(server.address)
    expect(picker.outage()).to_have_text(sentence, timeout=OUTAGE_TIMEOUT_MS)
    expect(picker.summary()).to_be_hidden()
    page.keyboard.press("Escape")
    studio = StudioPage(page, server.address)
    studio.write_prompt("不用参考图")
    studio.generate()
    studio.wait_for_images(1)


def test_a_workbook_is_imported_during_an_outage_and_its_references_looked_up_later(
    page: Page, listed_server: ServerProcess, tmp_path: Path
) -> None:
    (listed_server.data_dir / "samples" / ".oss-list.json").unlink()
    restart(listed_server, oss_bucket="other-bucket")
    file = tmp_path / "十二月.csv"
    file.write_text("提示词,参考示例图\n照着画,猫\n不用参考,\n", "utf-8")
    batch = BatchPage(page, listed_server.address)
    batch.open()
    batch.import_workbook(file)
    batch.expect_rows(2)
    expect(batch.bad_cells()).to_have_count(1)
    page.get_by_role("button", name="1 处要改").last.click()
    expect(page.locator("[data-footer-error]")).to_contain_text("OSS_BUCKET", timeout=OUTAGE_TIMEOUT_MS)
    restart(listed_server, oss_bucket="demo-bucket")
    expect(batch.bad_cells()).to_have_count(0, timeout=OUTAGE_TIMEOUT_MS)
    batch.expect_text(1, "sample_images", "选择 (1)")


def test_a_stale_list_shows_its_reason_later_and_choosing_keeps_it(
    page: Page, listed_server: ServerProcess, oss: StallingOss
) -> None:
    oss.answers.clear()
    restart(listed_server)
    picker = Picker(page)
    picker.open_on_index(listed_server.address)
    expect(picker.summary()).to_contain_text("这是较早的列表")
    expect(picker.outage()).to_be_hidden()
    oss.is_down = True
    oss.answers.set()
    expect(picker.outage()).to_contain_text("连不上 OSS", timeout=OUTAGE_TIMEOUT_MS)
    expect(picker.broken()).to_have_count(2)
    picker.pick("狗.png", "猫.png")
    picker.expect_chosen("狗.png", "猫.png")
    expect(picker.outage()).to_contain_text("连不上 OSS")
    oss.is_down = False
    expect(picker.outage()).to_be_hidden(timeout=OUTAGE_TIMEOUT_MS)
    expect(picker.broken()).to_have_count(0)
    expect(picker.summary()).to_have_text("2 张，最多选 4 张")
    picker.expect_chosen("狗.png", "猫.png")


def test_an_open_page_and_picker_report_an_outage_and_its_end(
    page: Page, listed_server: ServerProcess, oss: StallingOss
) -> None:
    library, picker = SamplesPage(page, listed_server.address), Picker(page.context.new_page())
    picker.open_on_index(listed_server.address)
    picker.expect_names("猫.png", "狗.png")
    oss.is_down = True
    restart(listed_server)
    picker.focus_tab()
    expect(picker.outage()).to_contain_text("连不上 OSS", timeout=OUTAGE_TIMEOUT_MS)
    library.focus_tab()
    expect(library.notice()).to_contain_text("连不上 OSS", timeout=OUTAGE_TIMEOUT_MS)
    oss.put(f"{SAMPLES}新来的.png", noise_image("png"), age=-60)
    oss.is_down = False
    expect(library.notice()).to_be_hidden(timeout=OUTAGE_TIMEOUT_MS)
    names = ("新来的.png", "猫.png", "狗.png")
    library.expect_names(*names)
    for name in names:
        library.expect_image_loaded(name)
    picker.focus_tab()
    expect(picker.outage()).to_be_hidden(timeout=OUTAGE_TIMEOUT_MS)
    picker.expect_names(*names)
    expect(picker.broken()).to_have_count(0)


def test_a_corrected_key_restores_the_images_without_a_reload(
    new_page: NewPage, listed_server: ServerProcess
) -> None:
    restart(listed_server, oss_access_key_secret="wrong")
    library = SamplesPage(new_page(), listed_server.address)  # without a cached image
    library.open()
    expect(library.notice()).to_contain_text("OSS_ACCESS_KEY_SECRET", timeout=OUTAGE_TIMEOUT_MS)
    expect(library.broken()).to_have_count(2)
    restart(listed_server, oss_access_key_secret="secretkey")
    expect(library.notice()).to_have_count(0, timeout=OUTAGE_TIMEOUT_MS)
    library.expect_image_loaded("猫.png")
    library.expect_image_loaded("狗.png")
    expect(library.broken()).to_have_count(0)


def test_a_library_never_read_is_not_shown_as_empty(
    page: Page, oss_server: ServerProcess, oss: StallingOss
) -> None:
    oss.objects.clear()
    oss.is_down = True
    oss_server.kill()
    (oss_server.data_dir / "samples" / ".oss-list.json").unlink(missing_ok=True)
    oss_server.start()
    library = SamplesPage(page, oss_server.address)
    library.open()
    expect(library.notice()).to_contain_text("连不上 OSS")
    expect(page.locator(".empty")).to_contain_text("示例图暂时看不到")
    expect(page.locator("[data-counted]")).to_be_hidden()
    oss.is_down = False
    expect(page.locator("[data-counted]")).to_be_visible(timeout=OUTAGE_TIMEOUT_MS)
    library.expect_count("共 0 张")
    expect(page.locator(".empty")).to_contain_text("还没有示例图")


def test_failed_actions_during_an_outage_are_reported_in_place(
    page: Page, listed_server: ServerProcess, oss: StallingOss
) -> None:
    library = SamplesPage(page, listed_server.address)
    oss.is_down = True
    library.delete("猫.png")
    expect(library.sample("猫.png")).to_contain_text("连不上 OSS")
    library.rename("狗.png", "小狗")
    expect(library.sample("狗.png")).to_contain_text("连不上 OSS")
    page.keyboard.press("Escape")  # the typed text is kept
    library.upload(image_file("茶.png"))
    expect(library.uploads.line("茶.png")).to_contain_text("连不上 OSS")
    oss.is_down = False
    library.uploads.press("重试 茶.png")
    library.expect_names("茶.png", "猫.png", "狗.png")
