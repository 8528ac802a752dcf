"""The log of a batch, and the selection of a long one."""

import pytest
from flask.testing import FlaskClient

import database
from app.db.batch_log import add_log
from app.domain import ImageRequest, Models, ModelSpec


@pytest.fixture
def batch_id(db: database.Connection, spec: ModelSpec) -> str:
    request = ImageRequest(prompt="猫")
    return database.add_batch(
        db,
        database.Submission(
            requests=[request], models=Models([spec]), stems=["猫"], is_taken=lambda stem: False
        ),
    )[0]


def write(db: database.Connection, batch_id: str, *lines: tuple[str, str]) -> None:
    with database.transaction(db):
        for level, text in lines:
            add_log(db, batch_id, level, text)


def plain(number: int, start: int = 0) -> list[tuple[str, str]]:
    return [("info", f"已保存 {start + n}") for n in range(number)]


def texts(client: FlaskClient, batch_id: str, since: int = 0) -> tuple[list[str], int]:
    answer = client.get(f"/api/batches/{batch_id}?since={since}").get_json()
    return [line["text"] for line in answer["log"]], answer["log_left_out"]


def test_a_log_of_five_hundred_lines_is_returned_whole(
    db: database.Connection, client: FlaskClient, batch_id: str
) -> None:
    write(db, batch_id, *plain(500))
    returned, left_out = texts(client, batch_id)
    assert returned == [text for _, text in plain(500)]
    assert left_out == 0


def test_a_longer_log_returns_all_warnings_and_errors_and_the_newest_lines_in_order(
    db: database.Connection, client: FlaskClient, batch_id: str
) -> None:
    write(db, batch_id, ("error", "失败 1"), *plain(100), ("warning", "已暂停"), *plain(700, 100))
    returned, left_out = texts(client, batch_id)
    assert returned == ["失败 1", "已暂停", *(text for _, text in plain(500, 300))]
    assert left_out == 300


def test_the_newest_lines_include_the_errors_among_them(
    db: database.Connection, client: FlaskClient, batch_id: str
) -> None:
    write(db, batch_id, *plain(10), *[("error", f"失败 {n}") for n in range(600)])
    returned, left_out = texts(client, batch_id)
    assert returned == [f"失败 {n}" for n in range(600)]
    assert left_out == 10


def test_only_lines_after_the_given_one_are_returned_and_omitted(
    db: database.Connection, client: FlaskClient, batch_id: str
) -> None:
    write(db, batch_id, ("error", "早就看过"), *plain(600))
    seen = database.get_batch_version(db, batch_id)
    assert texts(client, batch_id, seen) == ([], 0)
    write(db, batch_id, ("warning", "已暂停"), *plain(502))
    returned, left_out = texts(client, batch_id, seen)
    assert returned == ["已暂停", *(text for _, text in plain(500, 2))]
    assert left_out == 2


def test_lines_of_another_batch_are_neither_returned_nor_counted(
    db: database.Connection, client: FlaskClient, batch_id: str, spec: ModelSpec
) -> None:
    request = ImageRequest(prompt="狗")
    other = database.add_batch(
        db,
        database.Submission(
            requests=[request], models=Models([spec]), stems=["狗"], is_taken=lambda stem: False
        ),
    )[0]
    write(db, other, ("error", "别人的"), *plain(600))
    write(db, batch_id, ("info", "自己的"))
    assert texts(client, batch_id) == (["自己的"], 0)
