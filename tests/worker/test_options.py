"""What a row asks of background, format and strength is kept by everything that orders it again."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

import database
from app.config import Settings
from app.domain import OPTIONS
from app.images import metadata
from app.runtime import Runtime
from tests.harness import run_once
from tools.fakes.seedream import FakeSeedream
from web_app import create_app

pytestmark = pytest.mark.sqlite  # no statements of its own kind

SEEDREAM = "doubao-seedream-5-5-261028"
PLAIN = {"reference_strength": None, "background": "", "output_format": "", "quality": ""}
TRANSPARENT = PLAIN | {"background": "transparent", "output_format": "png"}
CUT_OUT = {"prompt": "猫", "background": "透明", "output_format": "PNG"}


@pytest.fixture
def seedream() -> Iterator[FakeSeedream]:
    with FakeSeedream(image_format="jpeg") as service:
        yield service


@pytest.fixture
def runtime(settings: Settings, seedream: FakeSeedream) -> Runtime:
    fields = seedream.settings(seedream_model=SEEDREAM, seedream_price=1)
    return Runtime(replace(settings, **fields))


@pytest.fixture
def client(runtime: Runtime) -> FlaskClient:
    runtime.settings.output_dir.mkdir(exist_ok=True)
    return create_app(runtime.settings, runtime).test_client()


def post(client: FlaskClient, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    fields: dict[str, Any] = answer.get_json()
    return fields


def run(runtime: Runtime) -> None:
    with closing(database.connect(runtime.settings.database)) as db:
        while run_once(runtime, db):
            pass


def options_of(client: FlaskClient, batch_id: str) -> list[dict[str, Any]]:
    records = client.get(f"/api/batches/{batch_id}").get_json()["records"]
    return [{name: record[name] for name in OPTIONS} for record in records]


def test_the_options_of_a_row_reach_the_service_and_the_file(
    client: FlaskClient, runtime: Runtime, seedream: FakeSeedream
) -> None:
    made = post(client, "/api/batches", 202, rows=[CUT_OUT])
    run(runtime)
    assert options_of(client, made["batch_id"]) == [TRANSPARENT]
    details = client.get(f"/live/records/{made['records'][0]}/details").text
    assert "<dt>背景</dt><dd>透明</dd>" in details
    (order,) = seedream.submissions
    assert (order.body["background"], order.body["output_format"]) == ("transparent", "png")
    (path,) = runtime.settings.output_dir.glob("*.png")
    assert "Background: transparent, Output format: png" in (metadata.extract(path.read_bytes()) or "")
    with Image.open(path) as image:
        assert image.convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_a_retry_and_a_release_keep_the_options(
    client: FlaskClient, runtime: Runtime, seedream: FakeSeedream
) -> None:
    rows = [CUT_OUT | {"prompt": "必拒"}, CUT_OUT, CUT_OUT | {"prompt": "狗"}]
    made = post(client, "/api/batches", 202, rows=rows, sample=2, repeats="again")
    batch_id = made["batch_id"]
    run(runtime)
    post(client, f"/api/batches/{batch_id}/retry", records=made["records"][:1])
    run(runtime)
    post(client, f"/api/batches/{batch_id}/release", aspect_ratio="16:9")
    run(runtime)
    assert len(seedream.submissions) == 4
    assert all(order.body["background"] == "transparent" for order in seedream.submissions)
    assert options_of(client, batch_id) == [TRANSPARENT] * 3


def test_options_are_part_of_what_was_bought(client: FlaskClient, runtime: Runtime) -> None:
    post(client, "/api/batches", 202, rows=[CUT_OUT])
    run(runtime)
    again = post(client, "/api/rows/check", rows=[CUT_OUT, {"prompt": "猫"}])["rows"]
    assert [(row["missing"], len(row["made"])) for row in again] == [(0, 1), (1, 0)]


def test_what_the_model_does_not_take_is_neither_sent_nor_recorded(
    client: FlaskClient, runtime: Runtime, seedream: FakeSeedream
) -> None:
    made = post(
        client, "/api/batches", 202, rows=[{"prompt": "猫", "quality": "高", "reference_strength": 40}]
    )
    run(runtime)
    assert options_of(client, made["batch_id"]) == [PLAIN]
    assert not {"quality", "scale"} & seedream.submissions[0].body.keys()


def test_a_refused_combination_is_a_problem_of_its_row(client: FlaskClient, seedream: FakeSeedream) -> None:
    rows = [{"prompt": "狗"}, CUT_OUT | {"output_format": "jpg"}]
    (_, row) = post(client, "/api/rows/check", rows=rows)["rows"]
    assert [problem["field"] for problem in row["problems"]] == ["output_format"]
    post(client, "/api/batches", 400, rows=rows)
    assert seedream.submissions == []
