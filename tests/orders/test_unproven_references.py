"""Jimeng 4.0 with its switch: the first run of a table makes one row with a local reference."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from tests.web.harness import WebHarness, add_reference
from tools.fakes.jimeng import FakeJimeng
from tools.noise_images import noise_image

FAR = {"url": "https://example.com/a.png", "filename": "a.png"}
NEWER = "jimeng_seedream46_cvtob"


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng() as running:
        yield running


def harness(settings: Settings, service: FakeJimeng, **more: Any) -> WebHarness:
    return WebHarness(replace(settings, **service.settings(jimeng_local_references=True, **more)))


@pytest.fixture
def web(settings: Settings, service: FakeJimeng) -> WebHarness:
    return harness(settings, service)


@pytest.fixture
def rows(web: WebHarness) -> list[dict[str, Any]]:
    """A row without a reference, and three with one of this computer."""
    image = add_reference(web.client, "红茶.png", noise_image("PNG", size=(80, 80)))
    return [{"prompt": f"雪山 {n}", "sample_images": [image] if n else []} for n in range(4)]


def counts(web: WebHarness, batch_id: str) -> tuple[int, int]:
    """How many images there are, and how many are held."""
    found = web.batch(batch_id)["counts"]
    return found["success"], found["held"]


def test_the_first_run_makes_one_row_and_the_next_all(
    web: WebHarness, service: FakeJimeng, rows: list[dict[str, Any]]
) -> None:
    batch_id = web.submit(rows)
    web.run()
    assert counts(web, batch_id) == (1, 3)
    assert len(service.submissions[0].body["binary_data_base64"]) == 1
    assert "没有证实" in web.get(f"/api/batches/{batch_id}")["log"][0]["text"]
    web.post(f"/api/batches/{batch_id}/release")
    web.run()
    assert counts(web, batch_id) == (4, 0)
    table_id = web.batch(batch_id)["table_id"]
    again = web.post(f"/api/tables/{table_id}/run", {"repeats": "again"}, 202)["batch_id"]
    web.run()
    assert counts(web, again) == (4, 0)


def test_a_run_on_the_model_cannot_hold_rows_and_asks_for_one(
    settings: Settings, service: FakeJimeng, rows: list[dict[str, Any]]
) -> None:
    web = harness(settings, service, jimeng_req_key=NEWER)
    batch_id = web.submit(rows)
    web.run()
    assert counts(web, batch_id) == (4, 0)
    run, older = f"/api/tables/{web.batch(batch_id)['table_id']}/run", {"model": "jimeng_t2i_v40"}
    assert "先选一行" in web.post(run, older, 400)["error"]


@pytest.mark.parametrize("images", [[], [FAR]])
def test_rows_without_a_local_reference_are_made_at_once(
    web: WebHarness, images: list[dict[str, str]]
) -> None:
    batch_id = web.submit([{"prompt": f"雪山 {n}", "sample_images": images} for n in range(3)])
    web.run()
    assert counts(web, batch_id) == (3, 0)
