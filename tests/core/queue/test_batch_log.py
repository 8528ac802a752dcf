"""The log of a batch, and the selection of a long one."""

import pytest
from flask.testing import FlaskClient

import database
from app.core.log import add_log
from tests.core.queue.queue import add


@pytest.fixture
def batch_id(db: database.Connection) -> str:
    return add(db)[0]


def write(db: database.Connection, batch_id: str, *lines: tuple[str, str]) -> None:
    with database.transaction(db):
        for level, text in lines:
            add_log(db, batch_id, level, text)


def plain(number: int, start: int = 0) -> list[tuple[str, str]]:
    return [("info", f"已保存 {start + n}") for n in range(number)]


def texts(client: FlaskClient, batch_id: str, since: int = 0) -> tuple[list[str], int]:
    answer = client.get(f"/api/batches/{batch_id}?since={since}").get_json()
    return [line["text"] for line in answer["log"]], answer["log_left_out"]


FAILURES = [("error", f"失败 {n}") for n in range(600)]


@pytest.mark.parametrize(
    ("written", "returned"),
    [
        (plain(500), plain(500)),
        (
            [("error", "失败"), *plain(100), ("warning", "已暂停"), *plain(700, 100)],
            [("error", "失败"), ("warning", "已暂停"), *plain(500, 300)],
        ),
        ([*plain(10), *FAILURES], FAILURES),
    ],
    ids=["five hundred lines", "a longer log", "errors among the newest lines"],
)
def test_all_warnings_and_errors_and_the_newest_lines_are_returned_in_order(
    db: database.Connection,
    client: FlaskClient,
    batch_id: str,
    written: list[tuple[str, str]],
    returned: list[tuple[str, str]],
) -> None:
    write(db, batch_id, *written)
    assert texts(client, batch_id) == ([text for _, text in returned], len(written) - len(returned))


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
    db: database.Connection, client: FlaskClient, batch_id: str
) -> None:
    other, _ = add(db)
    write(db, other, ("error", "别人的"), *plain(600))
    write(db, batch_id, ("info", "自己的"))
    assert texts(client, batch_id) == (["自己的"], 0)
