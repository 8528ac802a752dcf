"""A finished picture is enlarged: an order of its own, priced beforehand and bought once."""

import base64
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import ImageRequest, Models
from app.domain.models import UPSCALERS
from app.errors import Conflict, InvalidRequest
from app.worker.worker import Worker
from tests.specs import ANY
from tools.fakes.jimeng import UPSCALER, FakeJimeng
from web_app import create_app


@pytest.fixture
def worker(settings: Settings, service: FakeJimeng) -> Worker:
    return Worker(replace(settings, **service.settings(model_timeout=60)))


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    worker.settings.output_dir.mkdir(exist_ok=True)
    return create_app(worker.settings, worker).test_client()


def post(client: FlaskClient, path: str, status: int = 202, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    fields: dict[str, Any] = answer.get_json()
    return fields


def run(worker: Worker) -> None:
    with closing(database.connect(worker.settings.database)) as db:
        while worker.run_once(db):
            pass


def made(client: FlaskClient, worker: Worker, prompt: str = "猫", **fields: Any) -> int:
    """The id of a record that has ended."""
    rows = [{"prompt": prompt, "resolution": "1K", **fields}]
    (record_id,) = post(client, "/api/batches", rows=rows)["records"]
    run(worker)
    return int(record_id)


def record(client: FlaskClient, record_id: int) -> dict[str, Any]:
    fields: dict[str, Any] = client.get(f"/api/records/{record_id}").get_json()["record"]
    return fields


def upscale(client: FlaskClient, record_id: int, status: int = 202, **body: Any) -> dict[str, Any]:
    return post(client, f"/api/records/{record_id}/upscale", status, **body)


def test_a_picture_is_enlarged_at_its_own_price(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    original = record(client, made(client, worker))
    (enlarged_id,) = upscale(client, original["id"])["records"]
    run(worker)
    enlarged, order = record(client, enlarged_id), service.submissions[-1]
    assert order.body.keys() == {"req_key", "binary_data_base64", "resolution"}
    assert (order.body["req_key"], order.body["resolution"]) == (UPSCALER, "4k")
    content = (worker.settings.output_dir / original["filename"]).read_bytes()
    assert order.body["binary_data_base64"] == [base64.b64encode(content).decode()]
    assert (enlarged["status"], enlarged["width"], enlarged["height"]) == ("success", 4096, 4096)
    assert (enlarged["filename"], enlarged["prompt"]) == ("猫_4K.png", "猫")
    assert Decimal(str(enlarged["cost"])) == service.bill(order) == Decimal("0.4")
    assert record(client, original["id"]) == original


def test_an_account_without_the_upscaler_fails_the_enlargement_alone(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    record_id = made(client, worker)
    service.entitled = False
    ordered = upscale(client, record_id)
    run(worker)
    refused = record(client, ordered["records"][0])
    assert (refused["status"], "没有开通即梦放大" in refused["error"]) == ("failed", True)
    assert client.get(f"/api/batches/{ordered['batch_id']}").get_json()["batch"]["status"] == "finished"
    assert [engine.refusal for engine in worker.engines if engine.refusal] == []
    assert service.charges == 1


def test_an_enlargement_is_bought_once(client: FlaskClient, worker: Worker, service: FakeJimeng) -> None:
    record_id = made(client, worker)
    first = upscale(client, record_id, request_id="a")
    assert upscale(client, record_id, request_id="a") == first
    refused = upscale(client, record_id, 409)
    assert (refused["records"], str(first["records"][0]) in refused["error"]) == (first["records"], True)
    run(worker)
    assert upscale(client, record_id, 409)["records"] == first["records"]
    assert service.charges == 2
    upscale(client, record_id, repeats="again")
    run(worker)
    assert service.charges == 3


def test_servers_that_enlarge_at_once_order_one(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    record_id = made(client, worker)
    clients = [create_app(worker.settings, Worker(worker.settings)).test_client() for _ in range(4)]

    def order(one: FlaskClient) -> int:
        return one.post(f"/api/records/{record_id}/upscale").status_code

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(order, clients)) == [202, 409, 409, 409]
    run(worker)
    assert service.charges == 2


def test_a_file_that_is_too_large_is_sent_as_a_smaller_jpeg(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    service.image_bytes = 6_000_000
    record_id = made(client, worker)
    service.image_bytes = 0
    (enlarged_id,) = upscale(client, record_id)["records"]
    run(worker)
    content = base64.b64decode(service.submissions[-1].body["binary_data_base64"][0])
    assert content.startswith(b"\xff\xd8\xff")
    assert record(client, enlarged_id)["status"] == "success"


def test_what_cannot_be_enlarged_is_refused_before_it_is_paid(
    client: FlaskClient, worker: Worker, service: FakeJimeng
) -> None:
    too_wide = made(client, worker, aspect_ratio="16:9", resolution="4K")
    assert "4096" in upscale(client, too_wide, 400)["error"]
    assert "做好的图片" in upscale(client, made(client, worker, "违禁"), 409)["error"]
    upscale(client, too_wide, 400, resolution="8k")
    upscale(client, 999, 404)
    (enlarged_id,) = upscale(client, made(client, worker, "狗"))["records"]
    run(worker)
    assert "不能再放大" in upscale(client, enlarged_id, 409)["error"]
    assert service.charges == 3


def test_rows_cannot_name_the_upscaler(client: FlaskClient, worker: Worker) -> None:
    assert UPSCALER in UPSCALERS
    assert UPSCALER in worker.engines.models.ids
    assert UPSCALER not in list(worker.engines.models)
    post(client, "/api/batches", 400, rows=[{"prompt": "猫", "model": UPSCALER}])
    with pytest.raises(InvalidRequest, match="只用来放大"):
        worker.engines.models.find(UPSCALER)
    assert worker.engines.models.find("即梦 4.0").model_id == "jimeng_t2i_v40"
    with pytest.raises(InvalidRequest):
        worker.engines.models.find("即梦放大")
    listed = client.get("/api/models").get_json()["models"]
    assert UPSCALER not in {model["model_id"] for model in listed}


def test_no_other_model_takes_the_place_of_the_upscaler(
    client: FlaskClient, worker: Worker, service: FakeJimeng, settings: Settings
) -> None:
    record_id = made(client, worker)
    (enlarged_id,) = upscale(client, record_id)["records"]
    service.fail_next("key")
    run(worker)
    batch_id = record(client, enlarged_id)["batch_id"]
    assert client.post(f"/api/batches/{batch_id}/cancel").status_code == 200
    demo = replace(settings, image_model="demo")
    others = create_app(demo, Worker(demo)).test_client()
    refused = post(others, f"/api/batches/{batch_id}/retry", 409, records=[enlarged_id])
    assert "即梦" in refused["error"]
    assert "即梦的密钥" in upscale(others, record_id, 409)["error"]
    assert others.get(f"/live/records/{enlarged_id}/details").status_code == 200
    models, request = Models([ANY]), ImageRequest(prompt="猫", model=UPSCALER)
    assert models.price(request) is None
    with pytest.raises(Conflict):
        models.accept(request)


def test_the_button_is_shown_where_the_picture_can_be_enlarged(
    client: FlaskClient, worker: Worker, settings: Settings
) -> None:
    record_id, failed = made(client, worker), made(client, worker, "违禁")
    details = f"/live/records/{record_id}/details"
    assert "放大到 4K · ¥0.40" in client.get(details).text
    assert "data-order-url" not in client.get(f"/live/records/{failed}/details").text
    demo = create_app(settings, Worker(settings)).test_client()
    assert "data-order-url" not in demo.get(details).text
