"""A made picture on white or cut out: one more picture of its row, in the pixels of the old one."""

from typing import Any

import pytest
from PIL import Image

from app.config import Settings
from tests.images.test_cutout import goods, opened, packed
from tests.web.api.test_edit import edit, made
from tests.web.harness import WebHarness
from tools.fakes.jimeng import CUT_OUT, FakeJimeng

WHITE = "white-ground"


@pytest.fixture
def photo(service: FakeJimeng, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """What the service makes of every prompt: goods on a nearly white ground."""
    content, own = packed(goods()), service.image_of
    monkeypatch.setattr(
        service,
        "image_of",
        lambda order: own(order) if order.body["req_key"] == CUT_OUT else content,
    )
    return content


def changed(web: WebHarness, record_id: int, model: str) -> tuple[dict[str, Any], Image.Image]:
    """(the record that was made of this one, its picture)."""
    ordered = edit(web, record_id, model=model)
    web.run()
    record = web.record(ordered["records"][0])
    return record, opened((web.settings.output_dir / record["filename"]).read_bytes())


def test_a_white_ground_is_made_beside_the_picture_in_its_row_for_nothing(
    web: WebHarness, service: FakeJimeng, photo: bytes
) -> None:
    original = web.record(made(web))
    record, image = changed(web, original["id"], WHITE)
    assert (record["status"], record["batch_id"], record["row_number"]) == (
        "success",
        original["batch_id"],
        1,
    )
    assert (record["picture_number"], record["model"], record["cost"]) == (2, WHITE, 0)
    assert (image.size, image.getpixel((0, 0)), image.getpixel((150, 100))) == (
        (300, 200),
        (255, 255, 255),
        (20, 90, 60),
    )
    assert service.charges == 1
    assert web.record(original["id"]) == original
    assert f"{record['filename']} · 白底 · #" in web.page("/records")


def test_what_is_no_white_ground_fails_with_a_sentence_and_costs_nothing(demo: WebHarness) -> None:
    record_id = made(demo)
    ordered = edit(demo, record_id, model=WHITE)
    demo.run()
    record = demo.record(ordered["records"][0])
    assert (record["status"], record["cost"]) == ("failed", 0)
    assert "请用「抠图」" in record["error"]
    assert demo.batch(ordered["batch_id"])["status"] == "finished"


def test_goods_are_cut_out_and_then_laid_on_white(web: WebHarness, service: FakeJimeng, photo: bytes) -> None:
    original_id = made(web)
    record, image = changed(web, original_id, CUT_OUT)
    assert (record["status"], record["cost"], image.mode) == ("success", None, "RGBA")
    assert (image.getpixel((150, 100)), service.charges) == ((20, 90, 60, 255), 2)
    on_white, image = changed(web, record["id"], WHITE)
    assert (on_white["picture_number"], image.mode, image.getpixel((0, 0))) == (3, "RGB", (255, 255, 255))


@pytest.mark.usefixtures("photo")
def test_a_cut_out_whose_answer_is_lost_is_unknown_and_never_sent_again(
    web: WebHarness, service: FakeJimeng
) -> None:
    record_id = made(web)
    service.fail_next("reset")
    ordered = edit(web, record_id, model=CUT_OUT)
    web.run()
    web.run()
    assert web.record(ordered["records"][0])["status"] == "unknown"
    assert service.count("submit") == 2


@pytest.mark.usefixtures("photo")
def test_what_can_be_done_is_offered_with_its_price(web: WebHarness, settings: Settings) -> None:
    record_id = made(web)
    offered = {each["id"]: each for each in web.get(f"/api/records/{record_id}/edit")["models"]}
    shown = {
        name: [offered[name][field] for field in ("verb", "takes", "words", "price", "free")]
        for name in (WHITE, CUT_OUT)
    }
    assert shown == {
        WHITE: ["白底", "whole", False, "0.00", True],
        CUT_OUT: ["抠图", "whole", False, None, False],
    }
    listed = {model["model_id"] for model in web.get("/api/models")["models"]}
    assert not {WHITE, CUT_OUT} & listed
    for path in ("/", "/batch"):
        assert WHITE not in web.page(path)
