"""The records API: filters, pages, deletion and restoration, downloads."""

import io
import os
import random
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask.testing import FlaskClient
from openpyxl import load_workbook

import database
from app.config import Settings
from app.domain import GeneratedImage, Pick, Status
from app.errors import DiskError
from app.images import store
from app.images.metadata import embed, format_parameters, parse_parameters
from app.library.outputs import Outputs
from app.runtime import Runtime
from app.web.originals import Originals
from app.web.zip_stream import Archive
from database import RecordFilter
from tests.core.queue import queue
from tests.core.queue.queue import CAT, DOG
from tests.harness import worker_of
from tests.locked_files import lock_files
from tests.web.harness import PNG, answered, get, post
from tools.noise_images import noise_image

FIELDS = ("prompt", "status", "aspect_ratio", "resolution", "model", "batch_id", "pick", "created_at")
VALUES: dict[str, Sequence[Any]] = {
    "prompt": ("一只猫", "两只狗", "猫和狗", "雪山"),
    "status": ("success", "success", "success", "failed", "unknown", "cancelled", "queued", "running"),
    "aspect_ratio": ("1:1", "16:9", "3:4"),
    "resolution": ("2K", "4K"),
    "model": ("a", "b"),
    "batch_id": ("x", "y"),
    "pick": ("", "", "keep"),
    "created_at": ("2026-03-01 08:00:00", "2026-03-02 23:59:59", "2026-03-03 00:00:00"),
}


@pytest.fixture
def many(db: database.Connection) -> list[dict[str, Any]]:
    """Two hundred records of every kind, a tenth of them deleted, half of them indexed; newest first."""
    chance = random.Random(7)
    rows = [{name: chance.choice(VALUES[name]) for name in FIELDS} for _ in range(200)]
    for row in rows:
        ended = row["status"] not in ("queued", "running")
        row["deleted_at"] = "2026-03-05 00:00:00" if ended and chance.random() < 0.1 else None
    names = (*FIELDS, "deleted_at")
    db.executemany(
        f"INSERT INTO generation_records ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        [tuple(row[name] for name in names) for row in rows],
    )
    database.index_records(db, limit=100)
    return [row | {"id": number} for number, row in reversed(list(enumerate(rows, 1)))]


@pytest.mark.parametrize(
    "wanted",
    [
        RecordFilter(),
        RecordFilter(sort="oldest"),
        RecordFilter(trash=True),
        RecordFilter(statuses=tuple(Status), search="猫"),
        RecordFilter(pick="none", aspect_ratio="1:1"),
    ],
    ids=str,
)
def test_pages_and_neighbours_follow_the_order_of_the_ids(
    db: database.Connection, many: list[dict[str, Any]], wanted: RecordFilter
) -> None:
    ids = list(database.list_record_ids(db, wanted))
    for offset in range(0, 200, 30):
        page, total = database.list_page(db, wanted, limit=30, offset=offset)
        assert ([record.id for record in page], total) == (ids[offset : offset + 30], len(ids))
    for before, here, after in list(zip(ids, ids[1:], ids[2:], strict=False))[::9]:
        found = database.list_neighbours(db, wanted, here)
        assert [record and record.id for record in found] == [before, after]


def test_the_last_page_is_counted_from_the_end(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.records.query.REVERSE_FROM", 100)
    db.executemany("INSERT INTO generation_records (prompt) VALUES (?)", [("猫",)] * 305)
    for wanted in (RecordFilter(), RecordFilter(search="猫"), RecordFilter(model="", resolution="")):
        for offset in (110, 290, 300):
            page = database.list_records(db, wanted, offset=offset)
            assert [r.id for r in page] == list(range(305 - offset, max(305 - offset - 20, 0), -1))
        assert database.list_records(db, wanted, offset=305) == []
        assert database.list_records(db, wanted, offset=2**61) == []


def test_facet_counts_follow_changes(db: database.Connection, many: list[dict[str, Any]]) -> None:
    database.pick_records(db, RecordFilter(search="猫"), Pick.KEEP)
    database.delete_records(db, RecordFilter(aspect_ratio="16:9"))
    db.execute("UPDATE generation_records SET status = 'success' WHERE status = 'running'")
    db.execute("DELETE FROM generation_records WHERE model = 'b' AND resolution = '4K'")
    for trash, condition in ((False, "NULL"), (True, "NOT NULL")):
        rows = db.execute(f"SELECT * FROM generation_records WHERE deleted_at IS {condition}")
        saved = rows.fetchall()
        for kind, counts in database.count_facets(db, trash=trash).items():
            assert counts == Counter(str(row[kind]) for row in saved)
        assert database.count_kept(db, trash=trash) == sum(row["pick"] == Pick.KEEP for row in saved)


@pytest.mark.parametrize("search", ["", "猫"])
@pytest.mark.parametrize(
    ("column", "trash"), [("created_at", False), ("finished_at", False), ("deleted_at", True)]
)
def test_a_filter_as_of_a_time_leaves_out_later_records(
    db: database.Connection, many: list[dict[str, Any]], column: str, trash: bool, search: str
) -> None:
    wanted = RecordFilter(search=search, trash=trash, as_of="2026-03-09 08:00:00.500")
    before = list(database.list_record_ids(db, wanted))
    late, *rest = before
    db.execute(
        f"UPDATE generation_records SET {column} = '2026-03-09 08:00:00.501' WHERE id = :id", {"id": late}
    )
    assert list(database.list_record_ids(db, wanted)) == rest
    assert database.count_records(db, wanted) == len(rest)
    assert database.delete_records(db, wanted) == (0 if trash else len(rest))


# The trash


class Dataset:
    """Records with images on disk."""

    def __init__(self, db: database.Connection, settings: Settings) -> None:
        self.db = db
        self.settings = settings
        settings.output_dir.mkdir(exist_ok=True)

    def put(self, name: str, **fields: Any) -> int:
        """Add a record whose image is saved under that name, with its parameters."""
        row = {"prompt": f"画一张{name}", "status": "success", "model": "m", "seed": 5} | fields
        names = ", ".join(row)
        sql = f"INSERT INTO generation_records ({names}) VALUES ({', '.join('?' * len(row))}) RETURNING id"
        record_id = int(self.db.execute(sql, tuple(row.values())).fetchone()[0])
        record = database.get_record(self.db, record_id)
        saved = store.save_image(
            GeneratedImage(content=PNG),
            output_dir=self.settings.output_dir,
            stem=name,
            record_id=record_id,
            embed=format_parameters(record.request, None, record.model, record_id, record.seed),
        )
        self.db.execute(
            """
            UPDATE generation_records
            SET filename = :filename, image_path = '/output/' || :filename, width = :width, height = :height,
                sha256 = :sha256, file_size = :file_size
            WHERE id = :id
            """,
            {"id": record_id, **asdict(saved)},
        )
        return record_id

    def throw_away(self, record_id: int, days_ago: int) -> None:
        database.delete_records(self.db, [record_id])
        at = f"{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d %H:%M:%S}"
        self.db.execute("UPDATE generation_records SET deleted_at = ? WHERE id = ?", (at, record_id))

    def path(self, name: str) -> Path:
        return self.settings.output_dir / name

    def thumbnail(self, record_id: int) -> Path:
        return store.thumbnail_path(self.settings.output_dir, record_id)

    def empty(self) -> int:
        return worker_of(Runtime(self.settings)).maintenance.empty_trash(self.db)


@pytest.fixture
def dataset(db: database.Connection, settings: Settings) -> Dataset:
    return Dataset(db, settings)


def test_after_thirty_days_files_and_rows_are_deleted_together_but_no_charges(dataset: Dataset) -> None:
    old, fresh, saved = dataset.put("旧"), dataset.put("新"), dataset.put("留")
    charge = "INSERT INTO charges (record_id, model, price_micros, outcome) VALUES (?, 'm', 220000, 'billed')"
    dataset.db.execute(charge, (old,))
    dataset.throw_away(old, 31)
    dataset.throw_away(fresh, 29)
    assert dataset.empty() == 1
    assert not dataset.path("旧.png").exists()
    assert not dataset.thumbnail(old).exists()
    assert dataset.path("新.png").exists()
    assert dataset.path("留.png").exists()
    assert database.get_record_or_none(dataset.db, old) is None
    assert database.restore_records(dataset.db, [old, fresh]) == 1
    assert database.get_record(dataset.db, saved).prompt == "画一张留"
    assert f"{queue.spent(dataset.db):.2f}" == "0.22"


def test_nothing_is_purged_while_the_output_folder_is_missing(dataset: Dataset) -> None:
    dataset.throw_away(dataset.put("旧"), 31)
    away = dataset.settings.output_dir.rename(dataset.settings.output_dir.with_name("away"))
    assert dataset.empty() == 0
    away.rename(dataset.settings.output_dir)
    assert dataset.empty() == 1
    assert not dataset.path("旧.png").exists()


def test_a_file_shared_with_another_record_is_kept(dataset: Dataset) -> None:
    one, other = dataset.put("共用"), dataset.put("别的")
    dataset.db.execute("UPDATE generation_records SET filename = '共用.png' WHERE id = ?", (other,))
    dataset.throw_away(one, 40)
    assert dataset.empty() == 1
    assert dataset.path("共用.png").exists()
    dataset.throw_away(other, 40)
    assert dataset.empty() == 1
    assert not dataset.path("共用.png").exists()


def test_the_trash_is_emptied_in_steps_and_locked_files_delay_no_others_and_are_logged_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database.empty_trash, "__kwdefaults__", {"exclude": (), "limit": 10})
    held = [dataset.put(f"占用{n}") for n in range(11)]
    free = dataset.put("空着")
    for days_ago, record_id in enumerate(reversed([*held, free]), 31):
        dataset.throw_away(record_id, days_ago)
    caplog.set_level("INFO")
    maintenance = worker_of(Runtime(dataset.settings)).maintenance
    with monkeypatch.context() as patched:
        lock_files(patched, "unlink", which="占用")
        assert [maintenance.empty_trash(dataset.db) for _ in range(3)] == [1, 0, 0]
    assert not dataset.path("空着.png").exists()
    assert all(dataset.thumbnail(record_id).exists() for record_id in held)
    assert [line for line in caplog.messages if "delete_failed" in line] == [
        f"event=delete_failed record={record_id}" for record_id in held
    ]
    assert maintenance.empty_trash(dataset.db) == 10
    assert maintenance.empty_trash(dataset.db) == 1


# The API


def ids_of(answer: dict[str, Any]) -> list[int]:
    return [record["id"] for record in answer["records"]]


def test_every_filter_is_taken_from_the_address(dataset: Dataset, client: FlaskClient) -> None:
    one = dataset.put("甲", aspect_ratio="16:9", resolution="4K", pick="keep", batch_id="b", model="大模型")
    two = dataset.put("乙", aspect_ratio="21:9", resolution="768p", created_at="2020-02-29 12:00:00")
    queries = {
        "": [two, one],
        "sort=oldest": [one, two],
        "search=画一张甲": [one],
        "search=%25": [],
        "search=甲 画": [],
        "search=甲 画&words=all": [one],
        "search=大&in=prompt": [],
        f"search=%23{two}": [two],
        f"search=%23{two}&in=prompt": [],
        "status=success,failed": [two, one],
        "status=failed": [],
        "aspect_ratio=16：9": [one],
        "resolution=4k": [one],
        "aspect_ratio=21:9&resolution=768p": [two],  # which no model offers now
        "model=大模型": [one],
        "batch_id=b": [one],
        "pick=keep": [one],
        "pick=none": [two],
        "from=2020-02-29&to=2020-02-29": [two],
        "to=2020-02-28": [],
        "from=2020-02-29T20:00:00+08:00&to=2020-02-29T12:00:00": [two],
        "from=2020-02-29T12:00:01Z": [one],
        "from=0999-01-01": [two, one],
        "trash=1": [],
        "search=&status=&from=&pick=": [two, one],
        "offset=1&limit=1": [one],
    }
    for query, expected in queries.items():
        answer = get(client, f"/api/records?{query}")
        assert ids_of(answer) == expected, query
        if "offset" not in query:
            assert answer["total"] == len(expected)
            assert get(client, f"/api/records/ids?{query}")["ids"] == expected


@pytest.mark.parametrize(
    "query",
    [
        *(
            "status=done",
            "as_of=noon",
            "aspect_ratio=7:5",
            "resolution=9K",
            "favourite=1",
            "from=yesterday",
        ),
        *("to=2026-02-30", "to=9999-12-31T23:59:59", "from=0001-01-01T00:00:00%2B14:00"),
        *("from=0000-00-00", "to=9999-12-31"),
    ],
)
def test_a_bad_filter_is_one_sentence(module_client: FlaskClient, query: str) -> None:
    answer = get(module_client, f"/api/records?{query}", 400)
    assert answer["field"] == query.split("=")[0]


def test_a_search_for_words_is_offered_when_the_whole_text_is_not_found(
    dataset: Dataset, client: FlaskClient
) -> None:
    dataset.put("甲")
    assert get(client, "/api/records?search=甲 画")["words"] == {"total": 1}
    assert get(client, "/api/records?search=甲 乙")["words"] == {"total": 0}
    for query in ("search=画一张", "search=丙", "search=甲 画&words=all", "search=%23999999", ""):
        assert get(client, f"/api/records?{query}")["words"] is None, query


def test_one_record_and_its_neighbours(dataset: Dataset, client: FlaskClient) -> None:
    ids = [dataset.put(name, pick="" if name == "二" else "keep") for name in ("一", "二", "三")]
    assert get(client, f"/api/records/{ids[0]}")["record"]["prompt"] == "画一张一"
    assert get(client, "/api/records/999", 404)["error"]
    around = get(client, f"/api/records/{ids[0]}/neighbours?pick=keep")
    assert (around["previous"]["id"], around["next"]) == (ids[2], None)


def test_facets_and_index_progress_are_returned(dataset: Dataset, client: FlaskClient) -> None:
    dataset.put("一", aspect_ratio="16:9")
    answer = get(client, "/api/records/kinds")
    assert answer["kinds"]["aspect_ratio"] == {"16:9": 1}
    assert answer["index"] == {"done": 0, "total": 1}


def test_a_whole_search_result_is_marked_deleted_and_restored_but_nothing_under_way(
    dataset: Dataset, client: FlaskClient
) -> None:
    ids = [dataset.put(name) for name in ("猫一", "猫二", "狗", "旧猫")]
    waiting = [dataset.put(f"猫 {status}", status=status) for status in ("queued", "running")]
    cats = {"filter": {"search": "猫"}}
    post(client, "/api/records/delete", {"ids": ids[3:]})
    assert post(client, "/api/records/pick", cats | {"pick": "keep"})["changed"] == 2
    assert ids_of(get(client, "/api/records?pick=keep")) == [ids[1], ids[0]]
    deleted = post(client, "/api/records/delete", cats)
    assert deleted["deleted"] == 2
    assert ids_of(get(client, "/api/records?trash=1")) == [ids[3], ids[1], ids[0]]
    assert get(client, "/api/records?trash=1")["records"][0]["deleted_at"]
    assert post(client, "/api/records/restore", {"undo": deleted["undo"]})["restored"] == 2
    assert ids_of(get(client, "/api/records?trash=1")) == ids[3:]
    assert post(client, "/api/records/delete", {"ids": [*ids, *waiting]})["deleted"] == 3
    assert post(client, "/api/records/restore", cats)["restored"] == 3
    assert post(client, "/api/records/restore", {"ids": ids})["restored"] == 1


def test_pictures_are_chosen_and_filtered_by_the_choice(dataset: Dataset, client: FlaskClient) -> None:
    ids = [dataset.put(name) for name in ("猫一", "猫二", "狗")]
    queued = dataset.put("等", status="queued")
    assert post(client, "/api/records/pick", {"filter": {"search": "猫"}, "pick": "keep"})["changed"] == 2
    assert post(client, "/api/records/pick", {"ids": [ids[1], queued], "pick": "reject"})["changed"] == 1
    assert [get(client, f"/api/records/{i}")["record"]["pick"] for i in (*ids, queued)] == [
        "keep",
        "reject",
        None,
        None,
    ]
    assert ids_of(get(client, "/api/records?pick=keep")) == [ids[0]]
    assert ids_of(get(client, "/api/records?pick=reject&search=猫")) == [ids[1]]
    assert ids_of(get(client, "/api/records?pick=none")) == [ids[2]]
    assert get(client, "/api/records?trash=1")["total"] == 0
    cleared = post(client, "/api/records/pick", {"ids": ids, "pick": None})
    assert cleared["changed"] == 2
    assert cleared["before"] == {"keep": [ids[0]], "reject": [ids[1]], "none": []}
    assert get(client, "/api/records?pick=none")["total"] == 3


def test_the_zip_of_the_chosen_is_named_after_its_batch(db: database.Connection, client: FlaskClient) -> None:
    batch_id, ids = queue.add(db, CAT, DOG, name="春季/海报")
    queue.set_fields(db, "status = 'success'")
    post(client, "/api/records/pick", {"ids": ids[:1], "pick": "keep"})
    post(client, "/api/records/pick", {"ids": ids[1:], "pick": "reject"})
    assert get(client, f"/api/batches/{batch_id}")["batch"]["picks"] == {"keep": 1, "reject": 1}
    for query, name in (("&pick=keep", "春季_海报-选中-0张.zip"), ("", "春季_海报-0张.zip")):
        answer = client.get(f"/api/records/archive.zip?batch_id={batch_id}{query}", buffered=True)
        assert quote(name) in answer.headers["Content-Disposition"]
        workbook = sheet(zipfile.ZipFile(io.BytesIO(answer.data)).read("生成记录.xlsx"))
        column = workbook[0].index("选中")
        assert [row[column] for row in workbook[1:]] == (["✓"] if query else ["✓", "✗"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("delete", {}),
        ("delete", {"filter": {"search": "猫"}, "ids": [1]}),
        ("delete", {"filter": {}, "undo": 1}),
        ("restore", {"undo": 1, "ids": [1]}),
    ],
)
def test_an_invalid_change_is_refused_in_one_sentence(
    module_client: FlaskClient, path: str, body: object
) -> None:
    assert post(module_client, f"/api/records/{path}", body, 400)["error"]


def sheet(content: bytes) -> list[tuple[object, ...]]:
    return list(load_workbook(io.BytesIO(content), read_only=True)["生成记录"].values)


def archive(client: FlaskClient, query: str) -> zipfile.ZipFile:
    answer = client.get(f"/api/records/archive.zip?{query}", buffered=True)
    assert answer.status_code == 200
    assert answer.mimetype == "application/zip"
    assert "".join(answer.headers.values()).isascii()
    return zipfile.ZipFile(io.BytesIO(answer.data))


def test_a_zip_holds_images_a_workbook_and_the_names_of_missing_files(
    dataset: Dataset, client: FlaskClient
) -> None:
    ids = [dataset.put(name) for name in ("猫", "狗", "丢了的")]
    dataset.path("丢了的.png").unlink()
    failed = dataset.put("没画成", status="failed")
    dataset.db.execute("UPDATE generation_records SET filename = '' WHERE id = ?", (failed,))
    with archive(client, f"ids={','.join(map(str, [*ids, failed]))}") as bundle:
        assert bundle.testzip() is None
        assert bundle.namelist() == ["猫.png", "狗.png", "生成记录.xlsx", "缺少的图片.txt"]
        assert bundle.read("猫.png") == dataset.path("猫.png").read_bytes()
        assert "丢了的.png" in bundle.read("缺少的图片.txt").decode("utf-8-sig")
        assert len(sheet(bundle.read("生成记录.xlsx"))) == 5


def test_a_folder_of_the_workbooks_name_leaves_the_workbook_another(
    dataset: Dataset, client: FlaskClient
) -> None:
    dataset.put("生成记录.xlsx_猫", requested_filename="生成记录.xlsx/猫")
    with archive(client, "search=猫") as bundle:
        assert bundle.namelist() == ["生成记录.xlsx/猫.png", "生成记录-2.xlsx"]


def test_a_zip_of_a_filter_holds_each_matching_image_once(dataset: Dataset, client: FlaskClient) -> None:
    dataset.put("猫")
    same = dataset.put("猫的副本")
    dataset.put("狗")
    dataset.db.execute("UPDATE generation_records SET filename = '猫.png' WHERE id = ?", (same,))
    with archive(client, "search=猫") as bundle:
        assert bundle.namelist() == ["猫.png", "生成记录.xlsx"]
    assert get(client, "/api/records/archive.zip?search=没有", 404)["error"]
    assert get(client, "/api/records/archive.zip?ids=1,x", 400)["field"] == "ids"


def test_a_zip_is_named_after_its_batch_or_search_and_the_number_of_its_images(
    dataset: Dataset, client: FlaskClient
) -> None:
    cup, pot, lost, other = (dataset.put(name) for name in ("茶杯", "茶壶", "茶盘", "茶几"))
    dataset.path("茶盘.png").unlink()
    dataset.db.execute(
        """
        INSERT INTO batches (id, name, source, total, estimated_micros, version)
        VALUES ('b', '茶具上新', 'batch', 3, 0, 0)
        """
    )
    dataset.db.execute("UPDATE generation_records SET batch_id = 'b' WHERE id <> ?", (other,))
    post(client, "/api/records/pick", {"ids": [cup], "pick": "keep"})
    for query, name in {
        f"ids={cup},{pot},{lost}": "茶具上新-2张.zip",
        f"ids={cup},{other}": "生成记录-2张.zip",
        f"ids={other}": "生成记录-1张.zip",
        "batch_id=b": "茶具上新-2张.zip",
        "batch_id=b&pick=keep": "茶具上新-选中-1张.zip",
        "search=茶": "茶-3张.zip",
        "search=茶&batch_id=b": "茶具上新-2张.zip",
        "status=success": "生成记录-3张.zip",
        "status=success&pick=keep": "生成记录-选中-1张.zip",
    }.items():
        answer = client.get(f"/api/records/archive.zip?{query}", buffered=True)
        assert quote(name) in answer.headers["Content-Disposition"], query
    english = client.get(
        "/api/records/archive.zip?batch_id=b", headers={"Accept-Language": "en"}, buffered=True
    )
    assert quote("茶具上新-2 images.zip") in english.headers["Content-Disposition"]


def test_a_zip_has_the_folders_of_the_names_that_were_asked_for(
    dataset: Dataset, client: FlaskClient
) -> None:
    ids = [dataset.put(name) for name in ("甲_猫", "甲_猫-2", "a_猫", "A_猫", "狗")]
    for record_id, requested in zip(ids, ("甲/猫", "甲/猫", "a/猫", "A/猫", "../狗"), strict=True):
        dataset.db.execute(
            "UPDATE generation_records SET requested_filename = ? WHERE id = ?", (requested, record_id)
        )
    with archive(client, f"ids={','.join(map(str, ids))}") as bundle:
        assert bundle.testzip() is None
        assert bundle.namelist() == [
            *("甲/猫.png", "甲/猫-2.png", "a/猫.png", "A/猫-2.png", "狗.png", "生成记录.xlsx")
        ]
        header, *rows = sheet(bundle.read("生成记录.xlsx"))
        listed = [row[header.index("图片文件")] for row in rows]
    assert listed == ["甲/猫.png", "甲/猫-2.png", "a/猫.png", "A/猫-2.png", "狗.png"]


def test_a_long_list_of_ids_may_come_as_a_form(dataset: Dataset, client: FlaskClient) -> None:
    one = dataset.put("猫")
    answer = client.post("/api/records/archive.zip", data={"ids": f"{one},77"}, buffered=True)
    assert zipfile.ZipFile(io.BytesIO(answer.data)).namelist() == ["猫.png", "生成记录.xlsx"]


def test_a_zip_announces_its_length_for_the_browser_to_show_its_progress(
    dataset: Dataset, client: FlaskClient
) -> None:
    ids = [dataset.put(name) for name in ("猫", "cat", "丢了的")]
    dataset.path("丢了的.png").unlink()
    url = f"/api/records/archive.zip?ids={','.join(map(str, ids))}"
    answer = client.get(url, buffered=True)
    assert answer.content_length == len(answer.data)
    with client.head(url) as head:
        assert head.content_length


@pytest.mark.sqlite
@pytest.mark.parametrize("change", ["deleted", "longer", "shorter"])
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_zip_whose_image_changes_meanwhile_is_cut_short_instead_of_damaged(
    dataset: Dataset, change: str, has_begun: bool, caplog: pytest.LogCaptureFixture
) -> None:
    dataset.put("狗")
    record_id = dataset.put("猫")
    path = dataset.path("猫.png")
    path.write_bytes(random.Random(1).randbytes(200_000))
    records = partial(database.list_selected, dataset.db, [record_id])
    archive = Archive(dataset.db, records, Originals(Runtime(dataset.settings).outputs, None))
    assert archive.length
    pieces = iter(archive)
    sent = [next(pieces), next(pieces)] if has_begun else []  # the header and some of the content
    if change == "deleted":
        path.unlink()
    else:
        os.truncate(path, 400_000 if change == "longer" else 100_000)
    if change == "deleted" and has_begun and os.name != "nt":  # an open file stays readable
        assert sum(map(len, [*sent, *pieces])) == archive.length
        return
    with pytest.raises(RuntimeError, match="image"):
        sent.extend(pieces)
    assert sum(map(len, sent)) < archive.length
    assert "猫" not in caplog.text


def test_records_are_exported_as_a_workbook(dataset: Dataset, client: FlaskClient) -> None:
    dataset.put("猫")
    dataset.put("狗")
    answer = client.get("/api/records/export.xlsx?search=猫", buffered=True)
    rows = sheet(answer.data)
    assert len(rows) == 2
    assert "画一张猫" in rows[1]


def find(client: FlaskClient, content: bytes, name: str) -> dict[str, Any]:
    return answered(client.post("/api/records/find-by-file", data={"file": (io.BytesIO(content), name)}))


def test_an_image_finds_its_record_even_renamed_or_in_the_trash(
    dataset: Dataset, client: FlaskClient
) -> None:
    one = dataset.put("猫", negative_prompt='狗, "大"的')
    found = find(client, dataset.path("猫.png").read_bytes(), "改过名.png")
    assert (found["record"]["id"], found["is_same_file"], found["in_trash"]) == (one, True, False)
    fields = found["parameters"]
    assert (fields["prompt"], fields["negative_prompt"]) == ("画一张猫", '狗, "大"的')
    assert (fields["seed"], fields["width"], fields["height"], fields["model"]) == (5, 40, 30, "m")
    database.delete_records(dataset.db, [one])
    assert find(client, dataset.path("猫.png").read_bytes(), "x.png")["in_trash"] is True


def test_a_changed_image_is_identified_by_all_its_parameters(dataset: Dataset, client: FlaskClient) -> None:
    one = dataset.put("猫")
    resaved = dataset.path("猫.png").read_bytes()
    text = (
        f"画一张猫\nSeed: 5, Size: 40x30, Model: m, Record: {one}"  # of an earlier version: without a sampler
    )
    earlier = b"".join(embed(PNG, "png", text))
    dataset.db.execute("UPDATE generation_records SET sha256 = 'another'")
    for content in (resaved, earlier):
        found = find(client, content, "x.png")
        assert (found["record"]["id"], found["is_same_file"]) == (one, False)
    assert find(client, earlier.replace(b"Seed: 5", b"Seed: 6"), "x.png")["record"] is None
    dataset.db.execute("UPDATE generation_records SET prompt = '别的'")  # as in another database
    found = find(client, resaved, "x.png")
    assert (found["record"], found["parameters"]["prompt"]) == (None, "画一张猫")


def test_an_image_of_the_earlier_app_is_identified_by_name_and_content(
    dataset: Dataset, client: FlaskClient
) -> None:
    one = dataset.put("旧图")
    dataset.path("旧图.png").write_bytes(PNG)
    dataset.db.execute("UPDATE generation_records SET sha256 = ''")
    assert find(client, PNG, "旧图.png")["record"]["id"] == one
    assert find(client, noise_image("PNG", size=(41, 30)), "旧图.png")["record"] is None


def test_an_image_whose_file_cannot_be_cached_now_is_not_the_one(
    dataset: Dataset, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise DiskError("磁盘满了")

    dataset.put("旧图")
    dataset.db.execute("UPDATE generation_records SET sha256 = ''")
    monkeypatch.setattr(Outputs, "path", refuse)
    assert find(client, PNG, "旧图.png")["is_same_file"] is False


def test_a_file_that_is_no_image_finds_nothing(module_client: FlaskClient) -> None:
    found = find(module_client, b"no picture", "x.png")
    assert (found["record"], found["parameters"]) == (None, None)
    assert module_client.post("/api/records/find-by-file").status_code == 400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler, Seed: 7, Size: 8x8",
            ("a cat", "dog", 7, 20),
        ),
        ("only words", ("only words", "", None, None)),
        ("two\nlines, Model: x", ("two\nlines, Model: x", "", None, None)),
        ('猫\nSteps: 8, Seed: 1, Model: "a, \\"b\\""', ("猫", "", 1, 8)),
        ("Steps: x, Seed: -1", ("", "", None, None)),
        ("", ("", "", None, None)),
    ],
)
def test_parameters_of_any_tool_are_parsed(text: str, expected: tuple[object, ...]) -> None:
    fields = parse_parameters(text)
    assert (fields.prompt, fields.negative_prompt, fields.seed, fields.steps) == expected
