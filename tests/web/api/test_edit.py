"""A made picture is changed: one more picture of its row, ordered at one door."""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from PIL import Image, ImageChops

from app.config import Settings
from app.images import store
from tests.web.harness import ROWS, WebHarness, at_once
from tools.fakes.bailian import FakeBailian
from tools.fakes.jimeng import INPAINT, OUTPAINT, FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.sdapi import FakeSdApi
from tools.fakes.service import FakeService, Submission

SIZE = (1024, 1024)
SPOT = (200, 200, 400, 300)
EDGES = {"left": 0.25, "right": 0.25}
SERVICES = {
    "jimeng": FakeJimeng,
    "openai": FakeOpenAIImages,
    "bailian": FakeBailian,
    "sdapi": FakeSdApi,
}


@pytest.fixture
def services(settings: Settings) -> Iterator[Any]:
    """Opens an app with the fake of a service, whose answers after the first are red."""
    opened: list[FakeService] = []

    def open_one(name: str, **fields: Any) -> tuple[WebHarness, FakeService]:
        service = SERVICES[name]()
        service.__enter__()
        opened.append(service)
        draw = service.image_of

        def image_of(order: Submission) -> bytes:
            return draw(order) if order.number == 1 else red((order.width, order.height))

        service.image_of = image_of
        return WebHarness(replace(settings, **service.settings(**fields))), service

    yield open_one
    for service in opened:
        service.__exit__(None, None, None)


def red(size: tuple[int, int]) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", size, (200, 20, 20)).save(packed, "PNG")
    return packed.getvalue()


def made(web: WebHarness, prompt: str = "猫", **fields: Any) -> int:
    """The id of a record that has ended."""
    rows = [{"prompt": prompt, "resolution": "1K", **fields}]
    (record_id,) = web.post("/api/batches", {"rows": rows}, 202)["records"]
    web.run()
    return int(record_id)


def mask(*boxes: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> str:
    image = Image.new("L", size)
    for box in boxes:
        image.paste(255, box)
    packed = io.BytesIO()
    image.save(packed, "PNG")
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()


def edit(web: WebHarness, record_id: int, status: int = 202, **body: Any) -> dict[str, Any]:
    return web.post(f"/api/records/{record_id}/edit", body, status)


def changed(web: WebHarness, record_id: int, **body: Any) -> dict[str, Any]:
    """The record of a change that has ended."""
    (changed_id,) = edit(web, record_id, **body)["records"]
    web.run()
    return web.record(changed_id)


def pixels(web: WebHarness, record: dict[str, Any]) -> Image.Image:
    with Image.open(web.settings.output_dir / record["filename"]) as image:
        return image.convert("RGB")


def difference(web: WebHarness, *records: dict[str, Any]) -> tuple[int, int, int, int] | None:
    """The box in which two pictures differ."""
    return ImageChops.difference(*(pixels(web, record) for record in records)).getbbox()


def test_outside_of_the_mask_no_byte_differs_and_the_answer_is_kept(demo: WebHarness) -> None:
    original = demo.record(made(demo))
    record = changed(demo, original["id"], prompt="一朵花", mask=mask(SPOT))
    assert (record["status"], record["width"], record["height"]) == ("success", *SIZE)
    assert (record["batch_id"], record["picture_number"]) == (original["batch_id"], 2)
    assert (record["prompt"], record["filename"]) == ("一朵花", "猫_2.png")
    box = difference(demo, original, record)
    assert box
    assert all(abs(a - b) <= 4 for a, b in zip(box, SPOT, strict=True))
    assert demo.record(original["id"]) == original
    with demo.client.get(record["edit"]["answer"]) as answer:
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert "服务给的原样" in demo.page(f"/live/records/{record['id']}/details")
    store.delete_image(demo.settings.output_dir, record["filename"], record["id"])
    assert demo.client.get(record["edit"]["answer"]).status_code == 404


@pytest.mark.parametrize(
    ("name", "model"), [("jimeng", INPAINT), ("openai", ""), ("bailian", ""), ("sdapi", "")]
)
def test_every_service_changes_the_place_alone_and_is_paid_once(services: Any, name: str, model: str) -> None:
    web, service = services(name, **({"price_per_image": Decimal("0.3")} if name == "openai" else {}))
    original = web.record(made(web))
    record = changed(web, original["id"], prompt="一朵花", model=model, mask=mask(SPOT))
    assert (record["status"], record["width"], record["height"]) == ("success", *SIZE)
    assert (record["model"], record["edit"]["kind"]) == (model or original["model"], "mask")
    box = difference(web, original, record)
    assert box
    assert all(abs(a - b) <= 4 for a, b in zip(box, SPOT, strict=True))
    assert pixels(web, record).getpixel((300, 250)) == (200, 20, 20)
    assert "边缘可能看得出" in record["edit"]["problem"]
    assert len(service.submissions) == 2
    if name in ("jimeng", "bailian"):
        assert Decimal(str(record["cost"])) == service.bill(service.submissions[1])


def test_a_place_is_told_in_the_form_of_the_service(services: Any) -> None:
    web, service = services("bailian")
    region = {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.25}
    changed(web, made(web), prompt="一朵花", region=region)
    parameters = service.submissions[1].body["parameters"]
    assert (parameters["bbox_list"], parameters["size"]) == ([[[256, 256, 768, 512]]], "1K")
    boxes = [(n * 200, 0, n * 200 + 60, 60) for n in range(3)]
    refused = edit(web, made(web, "狗"), 400, prompt="一朵花", mask=mask(*boxes))
    assert "最多改 2 处" in refused["error"]


def test_a_canvas_is_extended_at_a_price_that_is_set(services: Any) -> None:
    web, service = services("jimeng", jimeng_outpaint_price=Decimal("0.5"))
    record = changed(web, made(web), edges=EDGES, model=OUTPAINT)
    assert (record["status"], record["width"], record["height"]) == ("success", 1536, 1024)
    assert Decimal(str(record["cost"])) == Decimal("0.5")
    body = service.submissions[1].body
    assert [body[side] for side in ("left", "top", "right", "bottom")] == [0.25, 0, 0.25, 0]


def test_under_a_budget_nothing_is_changed_at_an_unknown_price(services: Any) -> None:
    web, _ = services("jimeng")
    record_id = made(web)
    web.client.put("/api/budgets", json={"total": 50})
    assert "不知道 即梦扩图 每张多少钱" in edit(web, record_id, 409, edges=EDGES, model=OUTPAINT)["error"]


def test_a_variation_is_the_record_with_its_picture_as_reference(demo: WebHarness) -> None:
    original = made(demo, negative_prompt="人物", seed=7)
    (queued,) = edit(demo, original, vary=True)["records"]
    assert demo.record(queued)["seed"] is None  # one would make the same picture
    first, second = changed(demo, original, vary=True), changed(demo, original, vary=True)
    for record in (first, second):
        assert (record["prompt"], record["negative_prompt"], record["edit"]) == ("猫", "人物", None)
        assert [image["filename"] for image in record["sample_images"]] == ["猫.jpg"]
    assert first["id"] != second["id"]


@pytest.mark.parametrize("body", [{"vary": True}, {"prompt": "花", "mask": mask(SPOT)}], ids=["vary", "mask"])
def test_a_change_of_a_picture_without_a_batch_is_one_picture(demo: WebHarness, body: dict[str, Any]) -> None:
    record_id = made(demo)
    demo.execute("UPDATE generation_records SET batch_id = NULL, num_images = 4 WHERE id = ?", [record_id])
    ordered = edit(demo, record_id, **body, request_id="k")
    assert len(ordered["records"]) == 1
    assert edit(demo, record_id, **body, request_id="k") == ordered


def test_a_change_is_bought_once(demo: WebHarness) -> None:
    record_id = made(demo)
    first = edit(demo, record_id, prompt="花", mask=mask(SPOT), request_id="a")
    assert edit(demo, record_id, prompt="花", mask=mask(SPOT), request_id="a") == first
    refused = edit(demo, record_id, 409, prompt="花", mask=mask(SPOT))
    assert (refused["records"], str(first["records"][0]) in refused["error"]) == (first["records"], True)
    edit(demo, record_id, prompt="草", mask=mask(SPOT))
    edit(demo, record_id, prompt="花", mask=mask((0, 0, 50, 50)))
    edit(demo, record_id, prompt="花", mask=mask(SPOT), repeats="again")
    demo.run()
    assert [each["status"] for each in demo.records(first["batch_id"])] == ["success"] * 5


def test_a_repeated_call_varies_a_picture_without_a_batch_once(demo: WebHarness) -> None:
    record_id = made(demo)
    demo.execute("UPDATE generation_records SET batch_id = NULL")
    first = edit(demo, record_id, vary=True, request_id="a")
    assert edit(demo, record_id, vary=True, request_id="a") == first
    assert edit(demo, record_id, vary=True, request_id="b")["records"] != first["records"]


def test_servers_that_change_a_picture_at_once_order_one(demo: WebHarness) -> None:
    record_id = made(demo)

    def order() -> int:
        body = {"prompt": "花", "mask": mask(SPOT)}
        return WebHarness(demo.settings).client.post(f"/api/records/{record_id}/edit", json=body).status_code

    assert sorted(at_once(*[order] * 4)) == [202, 409, 409, 409]


def test_a_change_of_a_table_s_picture_stands_in_its_row(demo: WebHarness) -> None:
    batch_id = demo.submit(ROWS[:2])
    demo.run()
    original = demo.records(batch_id)[1]
    record = changed(demo, original["id"], prompt="花", mask=mask(SPOT, size=(original["width"],) * 2))
    table_id = demo.batch(batch_id)["table_id"]
    rows = demo.get(f"/api/tables/{table_id}")["rows"]
    assert [len(row["pictures"]) for row in rows] == [1, 2]
    assert rows[1]["pictures"][1]["record_id"] == record["id"]
    assert [row["state"] for row in rows] == ["made", "made"]
    assert not any("earlier" in picture for picture in rows[1]["pictures"])
    delivery = {"table": table_id, "profile": "原图", "pick": "all"}
    planned = demo.post("/api/deliveries", delivery, 201)
    assert planned["files"][1]["record_id"] == record["id"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"mask": mask(SPOT)}, "请写这里要变成什么"),
        ({"prompt": "花", "mask": mask()}, "还没有涂"),
        ({"prompt": "花", "mask": mask(SPOT, size=(1000, 1024))}, "一样大"),
        ({"prompt": "花", "mask": "data:image/png;base64,AAAA"}, "蒙版应是 PNG"),
        ({"prompt": "花", "mask": "AAAA"}, "data:"),
        ({"prompt": "花", "region": {"x": 0.1, "y": 0.1, "width": 0, "height": 0.5}}, "框是空的"),
        ({"prompt": "花", "region": {"x": 0.6, "y": 0.1, "width": 0.5, "height": 0.5}}, "超出"),
        ({"edges": {"left": 0}}, "至少拉大一边"),
        ({"vary": True, "edges": {"left": 1}}, "一次只改一样"),
        ({"model": "demo"}, "不能这样改图"),
        ({"model": "没有", "prompt": "花", "mask": mask(SPOT)}, "没有这个改图的模型"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_one_sentence(
    shared_demo: tuple[WebHarness, int], body: dict[str, Any], why: str
) -> None:
    web, record_id = shared_demo
    assert why in edit(web, record_id, 400, **body)["error"]


@pytest.fixture(scope="module")
def shared_demo(module_settings: Settings) -> tuple[WebHarness, int]:
    web = WebHarness(module_settings)
    return web, made(web)


def test_only_finished_pictures_are_changed(web: WebHarness) -> None:
    failed = made(web, "违禁")
    assert "做好的图片" in edit(web, failed, 409, vary=True)["error"]
    assert "做好的图片" in web.get(f"/api/records/{failed}/edit")["problem"]
    edit(web, 999, 404, vary=True)


def test_what_is_offered_says_what_each_model_takes_and_costs(services: Any) -> None:
    web, _ = services("jimeng")
    offered = web.get(f"/api/records/{made(web)}/edit")
    models = {each["id"]: each for each in offered["models"]}
    assert (offered["width"], offered["height"], offered["problem"]) == (*SIZE, "")
    assert (models[INPAINT]["takes"], models[INPAINT]["price"], models[INPAINT]["is_default"]) == (
        "mask",
        "0.20",
        True,
    )
    assert (models[OUTPAINT]["takes"], models[OUTPAINT]["expands"], models[OUTPAINT]["price"]) == (
        "",
        True,
        None,
    )
    assert (models["demo"]["free"], offered["vary"]) == (True, None)
    web.post("/api/batches", {"rows": [{"prompt": "猫", "model": INPAINT}]}, 400)


def test_no_other_model_takes_the_place_of_the_one_that_changes(services: Any, demo: WebHarness) -> None:
    web, _ = services("jimeng")
    record_id = made(web)
    ordered = edit(web, record_id, prompt="花", mask=mask(SPOT), model=INPAINT)
    web.post(f"/api/batches/{ordered['batch_id']}/cancel")
    refused = demo.post(f"/api/batches/{ordered['batch_id']}/retry", {"records": ordered["records"]}, 409)
    assert INPAINT in refused["error"]
