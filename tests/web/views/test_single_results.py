"""Which results of 单图生成 keep the place of a picture, and what a request has cost."""

from datetime import UTC, datetime

from flask.testing import FlaskClient

from app.domain.records import Status
from app.web.views.create import group_by_request, settled_ids
from tests.sheets.test_results_export import record

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
JUST = "2026-11-24 11:59:30"
EARLIER = "2026-11-24 11:58:59"


def test_what_failed_settles_after_a_minute_or_with_the_next_order_but_the_unknown_never() -> None:
    ended = [
        record(1, Status.UNKNOWN, finished_at=EARLIER),
        record(2, Status.FAILED, finished_at=EARLIER),
        record(3, Status.CANCELLED, finished_at=JUST),
        record(4, Status.SUCCESS, finished_at=JUST),
    ]
    assert settled_ids(ended, NOW) == {2}
    assert settled_ids([*ended, record(5, Status.QUEUED, created_at="2026-11-24 11:59:31")], NOW) == {2, 3}


def test_a_request_whose_price_is_not_known_shows_no_sum() -> None:
    same = {"row_number": 1}
    priced = record(1, Status.SUCCESS, picture_number=1, **same)
    unpriced = record(2, Status.SUCCESS, picture_number=2, cost=None, **same)
    [request] = group_by_request([unpriced, priced], drawn={2})
    assert (request.count, request.cost, [one.id for one in request.records]) == (2, None, [2])


def test_a_deletion_corrects_the_caption_of_its_request(client: FlaskClient) -> None:
    row = {"prompt": "四张的猫", "num_images": 2}
    made = client.post("/api/batches", json={"source": "single", "rows": [row]}).get_json()
    client.post(f"/api/batches/{made['batch_id']}/cancel")
    version = client.get("/live/results?since=0").headers["X-Version"]
    client.post("/api/records/delete", json={"ids": made["records"][:1]})
    news = client.get(f"/live/results?since={version}").text
    assert f'data-record-id="{made["records"][0]}" data-gone' in news
    assert "四张的猫" in news
    assert "2 张" not in news
    assert "data-details-url" not in news


def test_what_waits_says_how_many_pictures_of_others_come_before_it_until_they_have_begun(
    client: FlaskClient,
) -> None:
    def order(source: str) -> str:
        body = {"source": source, "rows": [{"prompt": "猫", "num_images": 3}]}
        batch_id: str = client.post("/api/batches", json=body).get_json()["batch_id"]
        return batch_id

    first, second, batch = order("single"), order("single"), order("batch")
    address = f"/api/batches/{batch}"
    news, version = client.get(address), client.get("/live/results").headers["X-Version"]
    assert [client.get(f"/api/batches/{each}").get_json()["batch"]["ahead"] for each in (first, second)] == [
        0,
        1,
    ]
    assert news.get_json()["batch"]["ahead"] == 6
    assert client.get("/").text.count("等待中 · 前面还有 1 张") == 3
    client.post(f"/api/batches/{first}/pause")
    again = client.get(address, headers={"If-None-Match": news.headers["ETag"]})
    assert (again.status_code, again.get_json()["batch"]["ahead"]) == (200, 3)
    assert client.get(address, headers={"If-None-Match": again.headers["ETag"]}).status_code == 304
    cards = client.get(f"/live/results?since={version}").text
    assert (cards.count("等待中"), cards.count("前面还有")) == (3, 0)
