"""As many references as the model takes, and what they add to the price."""

from decimal import Decimal
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import OpenStudio
from tools.fakes.seedream import FakeSeedream
from tools.noise_images import noise_image
from tools.server_process import running_server


def test_ten_references_are_priced_sent_and_billed_and_an_eleventh_is_not_attached(
    tmp_path: Path, studio: OpenStudio
) -> None:
    files = [tmp_path / f"{number}.png" for number in range(10)]
    for file in files:
        file.write_bytes(noise_image("png"))
    with FakeSeedream() as service, running_server(tmp_path, **service.settings()) as server:
        page = studio(server)
        page.attach_references(*files)
        expect(page.references()).to_have_count(10)
        expect(page.page.locator("[data-add]")).to_be_hidden()
        expect(page.page.locator("[data-submit-price]")).to_have_text("¥0.78")
        page.write_prompt("照着画")
        page.generate()
        page.wait_for_images(1)
        page.act("用作参考图")
        expect(page.page.locator("[data-error-for=sample_images]")).to_contain_text("请先移除一张")
        assert server.get("/api/sample-images")["total"] == 10  # nor uploaded
        (record,) = server.get("/api/records")["records"]
        (order,) = service.submissions
        assert len(record["sample_images"]) == len(order.body["image"]) == 10
        assert Decimal(str(record["cost"])) == service.bill(order) == Decimal("0.78")
