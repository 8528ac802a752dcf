"""Records carry their row's fingerprint, and a row is queued once even by concurrent submissions."""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

import database
from app.config import Settings
from app.core.orders.fingerprints import add_fingerprints, known_pictures
from app.core.records.records import EMPTIED
from app.domain import (
    KNOWN_PICTURES_A_NUMBER,
    MAX_SEED,
    ImageRequest,
    Models,
    SampleImage,
    SkippedRow,
    Standing,
    fingerprint,
)
from app.domain.tables import Row, new_table
from app.orders.place import Placed, place
from tests.core.queue import queue
from tests.core.queue.queue import CAT, DOG, KEY
from tests.specs import ANY
from tools import orders

REFERENCES = (
    SampleImage(url="/samples/files/a.png", filename="a.png", key="a.png", sha256="1" * 64),
    SampleImage(url="/samples/files/b.png", filename="b.png", key="b.png", etag="E-1"),
    SampleImage(url="https://example.com/c.png", filename="c.png"),
)


def submit(db: database.Connection, *requests: ImageRequest, skips: Sequence[bool] | None = None) -> Placed:
    """Each row is left out where it was bought, or as ``skips`` says."""
    stems = [request.prompt for request in requests]
    skips = [True] * len(requests) if skips is None else skips
    return place(db, queue.submission(*requests, stems=stems, skips=skips))


def prints(db: database.Connection) -> set[str]:
    return set(queue.column(db, "fingerprint"))


def test_every_picture_of_a_row_has_the_fingerprint_of_the_row(db: database.Connection) -> None:
    row = ImageRequest(prompt="猫", num_images=3, seed=MAX_SEED, steps=9, sample_images=REFERENCES)
    submit(db, row)
    assert prints(db) == {queue.fingerprint_of(row)}


def test_fingerprints_of_earlier_records_are_those_of_new_ones(db: database.Connection) -> None:
    submit(db, ImageRequest(prompt="猫", num_images=3, seed=MAX_SEED, steps=9, sample_images=REFERENCES))
    submit(db, ImageRequest(prompt="狗", negative_prompt="人\n车", aspect_ratio="9:16", resolution="4K"))
    before = queue.column(db, "fingerprint")
    queue.set_fields(db, "fingerprint = ''")
    database.complete_fingerprints(db)
    assert queue.column(db, "fingerprint") == before


OF_FILES = pytest.mark.sqlite  # PostgreSQL takes only UTF-8, and numbers where a column has numbers


@pytest.mark.parametrize("encoding", ["utf-8", pytest.param("gb18030", marks=OF_FILES)])
def test_a_record_written_by_another_program_is_recognised(db: database.Connection, encoding: str) -> None:
    prompt = "  雪山下的猫\r\n ".encode(encoding)
    db.execute(
        """
        INSERT INTO generation_records (prompt, aspect_ratio, resolution, model, sample_images, seed)
        VALUES (:prompt, '16：9', '2k', 'test-1', 'broken', 1.0)
        """,
        {"prompt": prompt if encoding == "gb18030" else prompt.decode()},
    )
    added = submit(db, ImageRequest(prompt="雪山下的猫", aspect_ratio="16:9", seed=1))
    assert added == Placed(skipped=[SkippedRow(row=1, records=[1])])


@pytest.mark.parametrize(
    ("stored", "sent"), [("猫\r\n狗", "猫\n狗"), ("猫\r\r\n狗", "猫\r\n狗"), ("猫\r狗", "猫\r狗")]
)
def test_line_ends_of_another_program_are_those_of_a_request(
    db: database.Connection, stored: str, sent: str
) -> None:
    columns = "prompt, aspect_ratio, resolution, model"
    sql = f"INSERT INTO generation_records ({columns}) VALUES (:prompt, '1:1', '2K', 'test-1')"
    db.execute(sql, {"prompt": stored})
    assert submit(db, ImageRequest.parse({"prompt": sent})).skipped == [SkippedRow(row=1, records=[1])]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("prompt", "CAST(x'D1A9C9BDFFFE' AS TEXT)", marks=OF_FILES),  # no UTF-8
        pytest.param("seed", "9e999", marks=OF_FILES),
        pytest.param("seed", "'seven'", marks=OF_FILES),
        pytest.param("steps", "x'01'", marks=OF_FILES),
        pytest.param("picture_number", "'first'", marks=OF_FILES),
        ("sample_images", f"'{'[' * 100_000}'"),
        ("sample_images", """'[{"url": 5}, 7, null]'"""),
    ],
)
def test_an_odd_value_of_another_program_does_not_prevent_fingerprints(
    db: database.Connection, field: str, value: str
) -> None:
    db.execute(f"INSERT INTO generation_records ({field}) VALUES ({value})")
    database.complete_fingerprints(db)
    assert all(len(each) == 32 for each in prints(db))


def test_a_row_is_queued_once(db: database.Connection) -> None:
    first = submit(db, CAT, DOG)
    again = submit(db, CAT, ImageRequest(prompt="鸟"), DOG)
    assert (len(first.ids), first.skipped) == (2, [])
    assert (len(again.ids), [database.get_record(db, i).prompt for i in again.ids]) == (1, ["鸟"])
    assert again.skipped == [
        SkippedRow(row=1, records=first.ids[:1]),
        SkippedRow(row=3, records=first.ids[1:]),
    ]


def test_a_batch_of_nothing_is_not_made(db: database.Connection) -> None:
    first = submit(db, CAT)
    assert submit(db, CAT, CAT) == Placed(skipped=[SkippedRow(row=n, records=first.ids) for n in (1, 2)])
    assert database.count_batches(db) == 1


def test_the_missing_pictures_of_a_row_keep_their_numbers_seeds_and_names(db: database.Connection) -> None:
    row = ImageRequest(prompt="猫", num_images=4, seed=7)
    first = submit(db, replace(row, num_images=2))
    added = submit(db, row)
    records = [database.get_record(db, record_id) for record_id in added.ids]
    assert [(r.picture_number, r.seed, r.num_images, r.reserved_stem) for r in records] == [
        (3, 9, 4, "猫_3"),
        (4, 10, 4, "猫_4"),
    ]
    batch = database.get_batch(db, added.batch_id)
    assert (batch.total, batch.estimated_cost) == (2, 2 * ANY.prices["2K"])
    assert added.skipped == [SkippedRow(row=1, records=first.ids[::-1])]


def test_a_later_equal_row_names_the_records_queued_for_the_first(db: database.Connection) -> None:
    added = submit(db, CAT, DOG, CAT)
    assert added.skipped == [SkippedRow(row=3, records=added.ids[:1])]


def test_a_row_asked_for_again_is_queued_again(db: database.Connection) -> None:
    submit(db, CAT)
    added = submit(db, CAT, CAT, skips=[False, True])
    assert (len(added.ids), [row.row for row in added.skipped]) == (1, [2])


@pytest.mark.parametrize(
    ("fields", "is_queued"),
    [
        ("status = 'success'", False),
        ("status = 'running'", False),
        ("status = 'held'", False),
        ("status = 'unknown'", False),
        ("status = 'unknown', deleted_at = '2026-01-01 00:00:00'", False),
        ("status = 'failed', cost_micros = 220000", False),
        ("status = 'failed', cost_unpriced = 1", False),
        ("status = 'cancelled', cost_micros = 220000", False),
        ("status = 'failed'", True),
        ("status = 'cancelled'", True),
        ("status = 'success', deleted_at = '2026-01-01 00:00:00'", True),
        ("status = 'failed', cost_micros = 1, deleted_at = '2026-01-01 00:00:00'", True),
    ],
)
def test_what_is_made_under_way_unknown_or_charged_is_left_out(
    db: database.Connection, fields: str, is_queued: bool
) -> None:
    queue.set_fields(db, fields, *submit(db, CAT).ids)
    row = Row(id=-1, position=1, number=1, fingerprint=queue.fingerprint_of(CAT))
    with database.transaction(db):
        table = database.add_table(db, new_table("猫", today="2026-01-02"), [row])
    assert bool(database.totals_of(db, [table.id])[table.id].to_make) is is_queued
    assert bool(submit(db, CAT).ids) is is_queued


def test_pictures_made_many_times_do_not_hide_another_number(db: database.Connection) -> None:
    row = ImageRequest(prompt="猫", num_images=2, seed=7)
    submit(db, row)
    for _ in range(12):
        submit(db, replace(row, num_images=1), skips=[False])
    assert submit(db, row).ids == []


def test_pictures_in_the_trash_do_not_hide_one_that_is_made(db: database.Connection) -> None:
    submit(db, CAT)
    for _ in range(KNOWN_PICTURES_A_NUMBER):
        queue.set_fields(
            db, "status = 'success', deleted_at = '2026-01-01'", *submit(db, CAT, skips=[False]).ids
        )
    assert submit(db, CAT).ids == []


def test_a_picture_that_was_deleted_for_good_is_not_in_the_trash(db: database.Connection) -> None:
    queue.set_fields(db, "status = 'success', deleted_at = '2026-01-01'", *submit(db, CAT).ids)
    (known,) = known_pictures(db, prints(db)).values()
    assert [(picture.id, picture.standing) for picture in known] == [(1, Standing.TRASHED)]
    queue.set_fields(db, f"deletion_id = {EMPTIED}", 1)
    assert known_pictures(db, prints(db)) == {}


def test_a_repeated_request_key_is_answered_with_the_first_skipped_rows(db: database.Connection) -> None:
    keyed = queue.submission(skips=[True], key=KEY)
    first = submit(db, CAT)
    expected = Placed(skipped=[SkippedRow(row=1, records=first.ids)])
    assert place(db, keyed) == expected
    queue.set_fields(db, "status = 'cancelled'", *first.ids)
    assert place(db, keyed) == expected


def test_a_retry_with_another_model_moves_the_record_to_its_fingerprint(db: database.Connection) -> None:
    row = ImageRequest(prompt="猫", num_images=2, seed=7)
    added = submit(db, row)
    queue.set_fields(db, "status = 'failed'", *added.ids)
    other = replace(ANY, model_id="test-2", takes_seed=False)
    orders.retry(db, added.batch_id, models=Models([other]))
    assert prints(db) == {fingerprint(replace(row, seed=None, model="test-2"))}


def test_a_record_fetched_by_its_task_id_keeps_its_fingerprint(db: database.Connection) -> None:
    added = submit(db, CAT)
    before = prints(db)
    queue.set_fields(db, "status = 'failed', task_id = 't-1'", *added.ids)
    queue.retry(db, added.batch_id)
    assert prints(db) == before


def test_concurrent_submissions_queue_each_row_once(db: database.Connection, settings: Settings) -> None:
    rows = [ImageRequest(prompt=f"第 {n} 只猫", num_images=2) for n in range(20)]
    starts = threading.Barrier(8)

    def submit_all(own: database.Connection, number: int) -> Placed:
        starts.wait()
        return submit(own, *rows[number % 4 :], *rows[: number % 4])

    added = queue.in_threads(settings, 8, submit_all)
    assert set(Counter(queue.column(db, "fingerprint")).values()) == {2}
    assert len(prints(db)) == len(rows)
    assert sum(bool(each.batch_id) for each in added) == 1


def test_records_added_between_plan_and_transaction_are_seen(
    db: database.Connection, other: database.Connection
) -> None:
    asked = 0

    def is_taken(_: str) -> bool:
        nonlocal asked
        asked += 1
        if asked == 1:  # another server queues the row while the names are chosen
            submit(other, CAT)
        return False

    added = place(db, queue.submission(is_taken=is_taken, skips=[True], stems=["另一个文件名"]))
    assert (added.ids, len(added.skipped)) == ([], 1)


@pytest.mark.parametrize("limit", [1, 2, None])
def test_missing_fingerprints_are_added_so_many_at_a_time(db: database.Connection, limit: int | None) -> None:
    submit(db, *[replace(CAT, prompt=name) for name in "一二三"])
    db.execute("UPDATE generation_records SET fingerprint = ''")
    with database.transaction(db):
        add_fingerprints(db, **({} if limit is None else {"limit": limit}))
    rows = db.execute("SELECT fingerprint FROM generation_records").fetchall()
    assert sum(bool(row["fingerprint"]) for row in rows) == (limit or 3)


@pytest.mark.sqlite
def test_a_number_that_numpy_stored_as_bytes_is_read(db: database.Connection) -> None:
    ids = submit(db, replace(CAT, seed=7)).ids
    before = prints(db)
    queue.set_fields(db, "seed = x'07000000', fingerprint = ''", *ids)
    database.complete_fingerprints(db)
    assert prints(db) == before


def test_only_the_pictures_that_were_asked_for_are_read(db: database.Connection) -> None:
    submit(db, CAT)
    asked = prints(db)
    submit(db, replace(CAT, prompt="狗"))
    assert set(known_pictures(db, asked)) == asked


def test_as_many_pictures_are_known_as_a_row_may_ask_for(db: database.Connection) -> None:
    for _ in range(KNOWN_PICTURES_A_NUMBER):
        submit(db, CAT, skips=[False])
    assert submit(db, replace(CAT, num_images=KNOWN_PICTURES_A_NUMBER)).ids == []


def test_only_seeds_that_the_model_chose_are_taken_away(db: database.Connection) -> None:
    ids = submit(db, CAT, replace(CAT, seed=7), replace(CAT, prompt="狗")).ids
    queue.set_fields(db, "seed = 5", ids[0])  # chosen by the model
    seeds = [database.with_requested_seed(db, database.get_record(db, each)).seed for each in ids]
    assert seeds == [None, 7, None]
