"""The reference images over HTTP: their order, and several of them in a ZIP."""

import io
import json
import time
import zipfile
from contextlib import closing
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.samples.sql import count_uses_by_name
from tests.web.harness import get, post
from tools.noise_images import noise_image


def add(client: FlaskClient, *names: str, **fields: Any) -> list[dict[str, Any]]:
    """Upload a new image under each name, in one request."""
    files = [(io.BytesIO(noise_image("png", size=(40, 30))), name) for name in names]
    answer = client.post("/api/sample-images", data={"file": files, **fields})
    assert answer.status_code == 200
    images: list[dict[str, Any]] = answer.get_json()["images"]
    return images


def names(client: FlaskClient, query: str = "") -> list[str]:
    return [image["filename"] for image in get(client, f"/api/sample-images{query}")["images"]]


def test_images_added_together_keep_their_order(client: FlaskClient) -> None:
    add(client, "旧.png")
    add(client, "三.png", "一.png", "二.png")
    assert names(client) == ["三.png", "一.png", "二.png", "旧.png"]


def test_images_that_arrive_in_any_order_are_listed_in_that_of_their_times(client: FlaskClient) -> None:
    now = time.time()
    for name, at in (("二.png", now - 0.001), ("三.png", now - 0.002), ("一.png", now)):
        add(client, name, added_at=at)
    assert names(client) == ["一.png", "二.png", "三.png"]


@pytest.mark.parametrize("added_at", ["nan", "inf", "-1", "1e300", "gestern", "9e9"])
def test_a_time_that_is_not_of_the_last_day_does_not_count(module_client: FlaskClient, added_at: str) -> None:
    before = time.time()
    (image,) = add(module_client, "甲.png", added_at=added_at)
    assert before - 1 < image["added_at"] < time.time() + 1


def test_the_list_is_ordered_by_name_or_by_use(client: FlaskClient) -> None:
    images = {image["filename"]: image for image in add(client, "图10.png", "图2.png", "图1.png")}
    used = [{"url": images[name]["url"], "filename": name} for name in ("图2.png", "图10.png")]
    for number in (1, 2):
        rows = [{"prompt": "猫", "sample_images": used[:number], "resolution": "1K"}]
        post(client, "/api/batches", {"rows": rows}, 202)
    assert names(client, "?sort=name") == ["图1.png", "图2.png", "图10.png"]
    assert names(client, "?sort=used") == ["图2.png", "图10.png", "图1.png"]
    assert names(client, "?sort=used&limit=1&offset=1") == ["图10.png"]
    assert get(client, "/api/sample-images?sort=größe", 400)["field"] == "sort"
    page = client.get("/samples?sort=name").text
    assert page.index("图1.png") < page.index("图2.png") < page.index("图10.png")
    assert client.get("/samples?sort=größe").status_code == 200


def test_uses_by_records_in_the_trash_do_not_count(client: FlaskClient, settings: Settings) -> None:
    first, second = add(client, "甲.png", "乙.png")
    for image, number in ((first, 1), (second, 2)):
        rows = [{"prompt": "猫", "sample_images": [image], "resolution": "1K"}] * number
        batch_id = post(client, "/api/batches", {"rows": rows, "repeats": "again"}, 202)["batch_id"]
    assert names(client, "?sort=used") == ["乙.png", "甲.png"]
    post(client, f"/api/batches/{batch_id}/cancel")
    ids = [record["id"] for record in get(client, f"/api/batches/{batch_id}")["records"]]
    post(client, "/api/records/delete", {"ids": ids})
    assert names(client, "?sort=used") == ["甲.png", "乙.png"]
    with closing(database.connect(settings.database)) as db:
        counted = count_uses_by_name(db)
        assert {counted[image["url"]] for image in (first, second)} == {1, 0}


def test_several_images_are_downloaded_in_a_zip(client: FlaskClient) -> None:
    first, second, third = add(client, "红茶.png", "红茶.png", "绿茶.png")
    keys = json.dumps([third["key"], first["key"], second["key"], first["key"]])
    answer = client.post("/api/sample-images/archive.zip", data={"keys": keys}, buffered=True)
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["绿茶.png", "红茶.png", "红茶-2.png"]
        assert archive.read("绿茶.png") == client.get(third["url"], buffered=True).data


@pytest.mark.parametrize("keys", ["", "[]", "{}", "[1]", "红茶.png", '["没有.png"]', '["../a.png"]'])
def test_a_zip_of_nothing_is_refused(module_client: FlaskClient, keys: str) -> None:
    answer = module_client.post("/api/sample-images/archive.zip", data={"keys": keys})
    assert answer.status_code in (400, 404)
    assert answer.get_json()["error"]
