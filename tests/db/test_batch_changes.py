"""Changes of many batches in one request, as the page polls rows that were generated singly."""

from flask.testing import FlaskClient


def queued(client: FlaskClient, prompt: str) -> str:
    """A batch of one record."""
    answer = client.post("/api/batches", json={"rows": [{"prompt": prompt}]}).get_json()
    return str(answer["batch_id"])


def test_records_of_the_named_batches_are_returned_together(client: FlaskClient) -> None:
    first, _, third = (queued(client, prompt) for prompt in ("一", "二", "三"))
    answer = client.get(f"/api/batches/changed?ids={first},{third},none").get_json()
    assert [(record["batch_id"], record["prompt"]) for record in answer["records"]] == [
        (first, "一"),
        (third, "三"),
    ]


def test_only_records_changed_since_the_version_are_returned(client: FlaskClient) -> None:
    first, second = (queued(client, prompt) for prompt in ("一", "二"))
    version = client.get(f"/api/batches/changed?ids={first},{second}").get_json()["version"]
    client.post(f"/api/batches/{second}/cancel")
    answer = client.get(f"/api/batches/changed?ids={first},{second}&since={version}").get_json()
    assert [(record["batch_id"], record["status"]) for record in answer["records"]] == [(second, "cancelled")]


def test_no_change_is_answered_with_304(client: FlaskClient) -> None:
    address = f"/api/batches/changed?ids={queued(client, '一')}"
    tag = client.get(address).headers["ETag"]
    assert client.get(address, headers={"If-None-Match": tag}).status_code == 304


def test_more_batches_than_a_url_can_hold_are_refused(client: FlaskClient) -> None:
    answer = client.get(f"/api/batches/changed?ids={','.join('x' * 301)}")
    assert (answer.status_code, answer.get_json()["error"]) == (400, "一次最多问 300 个批次")
