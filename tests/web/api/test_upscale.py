"""A finished picture is enlarged: a change of it, priced beforehand and bought once."""

import base64
from decimal import Decimal
from typing import Any

import pytest

from app.domain import ImageRequest, Models
from app.domain.models import UPSCALERS
from app.errors import Conflict, InvalidRequest
from tests.specs import ANY
from tests.web.harness import WebHarness
from tools.fakes.jimeng import UPSCALER, FakeJimeng


def made(web: WebHarness, prompt: str = "猫", **fields: Any) -> int:
    """The id of a record that has ended."""
    rows = [{"prompt": prompt, "resolution": "1K", **fields}]
    (record_id,) = web.post("/api/batches", {"rows": rows}, 202)["records"]
    web.run()
    return int(record_id)


def upscale(web: WebHarness, record_id: int, status: int = 202, **body: Any) -> dict[str, Any]:
    return web.post(f"/api/records/{record_id}/edit", {"kind": "enlarge", **body}, status)


def test_a_picture_is_enlarged_at_its_own_price(web: WebHarness, service: FakeJimeng) -> None:
    original = web.record(made(web))
    (enlarged_id,) = upscale(web, original["id"])["records"]
    web.run()
    enlarged, order = web.record(enlarged_id), service.submissions[-1]
    assert order.body.keys() == {"req_key", "binary_data_base64", "resolution"}
    assert (order.body["req_key"], order.body["resolution"]) == (UPSCALER, "4k")
    content = (web.settings.output_dir / original["filename"]).read_bytes()
    assert order.body["binary_data_base64"] == [base64.b64encode(content).decode()]
    assert (enlarged["status"], enlarged["width"], enlarged["height"]) == ("success", 4096, 4096)
    assert (enlarged["filename"], enlarged["prompt"]) == ("猫_2.png", "猫")
    (table,) = web.get("/api/tables")["tables"]
    (row,) = web.get(f"/api/tables/{table['id']}")["rows"]
    assert [picture["record_id"] for picture in row["pictures"]] == [original["id"], enlarged_id]
    assert Decimal(str(enlarged["cost"])) == service.bill(order) == Decimal("0.4")
    assert web.record(original["id"]) == original


def test_an_account_without_the_upscaler_fails_the_enlargement_alone(
    web: WebHarness, service: FakeJimeng
) -> None:
    record_id = made(web)
    service.entitled = False
    ordered = upscale(web, record_id)
    web.run()
    refused = web.record(ordered["records"][0])
    assert (refused["status"], "没有开通即梦放大" in refused["error"]) == ("failed", True)
    assert web.batch(ordered["batch_id"])["status"] == "finished"
    assert [engine.refusal for engine in web.runtime.engines if engine.refusal] == []
    assert service.charges == 1


def test_an_enlargement_is_bought_once(web: WebHarness, service: FakeJimeng) -> None:
    record_id = made(web)
    first = upscale(web, record_id, request_id="a")
    assert upscale(web, record_id, request_id="a") == first
    refused = upscale(web, record_id, 409)
    assert (refused["records"], str(first["records"][0]) in refused["error"]) == (first["records"], True)
    web.run()
    assert upscale(web, record_id, 409)["records"] == first["records"]
    assert service.charges == 2
    upscale(web, record_id, repeats="again")
    web.run()
    assert service.charges == 3


def test_a_file_that_is_too_large_is_sent_as_a_smaller_jpeg(web: WebHarness, service: FakeJimeng) -> None:
    service.image_bytes = 6_000_000
    record_id = made(web)
    service.image_bytes = 0
    (enlarged_id,) = upscale(web, record_id)["records"]
    web.run()
    content = base64.b64decode(service.submissions[-1].body["binary_data_base64"][0])
    assert content.startswith(b"\xff\xd8\xff")
    assert web.record(enlarged_id)["status"] == "success"


def test_what_cannot_be_enlarged_is_refused_before_it_is_paid(web: WebHarness, service: FakeJimeng) -> None:
    too_wide = made(web, aspect_ratio="16:9", resolution="4K")
    assert "4096" in upscale(web, too_wide, 400)["error"]
    assert "做好的图片" in upscale(web, made(web, "违禁"), 409)["error"]
    assert "kind" in upscale(web, too_wide, 400, kind="shrink")["error"]
    assert "一次只改一样" in upscale(web, too_wide, 400, vary=True)["error"]
    upscale(web, 999, 404)
    (enlarged_id,) = upscale(web, made(web, "狗"))["records"]
    web.run()
    assert "不能再放大" in upscale(web, enlarged_id, 409)["error"]
    assert service.charges == 3


def test_rows_cannot_name_the_upscaler_and_no_page_offers_it(web: WebHarness) -> None:
    assert UPSCALER in UPSCALERS
    assert UPSCALER in web.runtime.engines.models.ids
    assert UPSCALER not in list(web.runtime.engines.models)
    web.post("/api/batches", status=400, rows=[{"prompt": "猫", "model": UPSCALER}])
    with pytest.raises(InvalidRequest, match="只用来放大"):
        web.runtime.engines.models.find(UPSCALER)
    assert web.runtime.engines.models.find("即梦 4.0").model_id == "jimeng_t2i_v40"
    with pytest.raises(InvalidRequest):
        web.runtime.engines.models.find("即梦放大")
    listed = web.get("/api/models")["models"]
    assert UPSCALER not in {model["model_id"] for model in listed}
    assert UPSCALER not in web.page("/batch")


def test_no_other_model_takes_the_place_of_the_upscaler(
    web: WebHarness, demo: WebHarness, service: FakeJimeng
) -> None:
    record_id = made(web)
    (enlarged_id,) = upscale(web, record_id)["records"]
    service.fail_next("key")
    web.run()
    batch_id = web.record(enlarged_id)["batch_id"]
    web.post(f"/api/batches/{batch_id}/cancel")
    refused = demo.post(f"/api/batches/{batch_id}/retry", {"records": [enlarged_id]}, 409)
    assert "即梦" in refused["error"]
    assert "即梦的密钥" in upscale(demo, record_id, 409)["error"]
    demo.page(f"/live/records/{enlarged_id}/details")
    models, request = Models([ANY]), ImageRequest(prompt="猫", model=UPSCALER)
    assert models.price(request) is None
    with pytest.raises(Conflict):
        models.accept(request)


def test_the_price_is_told_where_the_picture_can_be_enlarged(web: WebHarness, demo: WebHarness) -> None:
    record_id, failed = made(web), made(web, "违禁")
    offered = web.get(f"/api/records/{record_id}/edit")["enlarge"]
    assert offered == {"model": UPSCALER, "label": "即梦放大", "price": "0.40"}
    assert web.get(f"/api/records/{failed}/edit")["enlarge"] is None
    assert demo.get(f"/api/records/{record_id}/edit")["enlarge"] is None


def test_the_address_of_earlier_versions_orders_the_same(web: WebHarness) -> None:
    record_id = made(web)
    path = f"/api/records/{record_id}/upscale"
    assert web.post(path, {"resolution": "8k"}, 400)["field"] == "resolution"
    ordered = web.post(path, {"resolution": "4k"}, 202)
    assert upscale(web, record_id, 409)["records"] == ordered["records"]
    assert web.client.post(path).status_code == 409
