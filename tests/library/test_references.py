"""References from the library to the model: checked before money is spent, signed when they are sent."""

import dataclasses
import html
import io
import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote
from urllib.request import urlopen

import pytest
from flask.testing import FlaskClient
from PIL import Image

import database
from app.config import Settings
from app.domain import LibraryImage, Record, SampleImage, Status
from app.images import store
from app.library import bucket, list_cache
from app.library.library import Library
from app.worker.worker import Worker
from tests.specs import BYTES
from tests.web.harness import get, post
from tools.fakes.clock import Clock
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.noise_images import noise_image
from tools.waiting import wait_until
from web_app import create_app

PREFIX = "ai-images/sample/"
DAY = 24 * 3600


@pytest.fixture
def jimeng() -> Iterator[FakeJimeng]:
    with FakeJimeng(fetches_references=True) as service:
        yield service


@pytest.fixture
def worker(settings: Settings, oss: FakeOss, jimeng: FakeJimeng) -> Worker:
    settings = replace(settings, **oss.settings(), **jimeng.settings(model_timeout=60, model_concurrency=8))
    return Worker(settings)


@pytest.fixture
def client(worker: Worker) -> FlaskClient:
    app = create_app(worker.settings, worker)
    app.testing = False
    worker.library.refresh()
    return app.test_client()


@pytest.fixture
def db(client: FlaskClient, worker: Worker) -> Iterator[database.Connection]:
    with closing(database.connect(worker.settings.database)) as connection:
        yield connection


def add(
    worker: Worker, name: str, picture_format: str = "png", size: tuple[int, int] = (96, 64)
) -> LibraryImage:
    return worker.library.add(store.validate_upload(name, noise_image(picture_format, size=size)))


def row(prompt: str, *images: LibraryImage) -> dict[str, object]:
    references = [{"url": image.url, "filename": image.filename} for image in images]
    return {"prompt": prompt, "resolution": "1K", "sample_images": references}


def queue(client: FlaskClient, *rows: dict[str, object]) -> list[int]:
    ids: list[int] = post(client, "/api/batches", {"rows": list(rows)}, 202)["records"]
    return ids


def all_ended(db: database.Connection, ids: list[int]) -> bool:
    return all(record.status not in (Status.QUEUED, Status.RUNNING) for record in records(db, ids))


def records(db: database.Connection, ids: list[int]) -> list[Record]:
    return [database.get_record(db, record_id) for record_id in ids]


def imported(client: FlaskClient, table: bytes) -> dict[str, Any]:
    file = {"file": (io.BytesIO(table), "表.csv")}
    found: dict[str, Any] = client.post("/api/spreadsheet/import", data=file).get_json()
    return found


def fetch(client: FlaskClient, address: str) -> bytes:
    """What a browser sees there."""
    answer = client.get(address)
    assert answer.status_code == 302, answer.text
    with urlopen(answer.headers["Location"], timeout=60) as response:
        content: bytes = response.read()
        return content


def work_off(worker: Worker, db: database.Connection) -> None:
    db.execute("UPDATE generation_records SET not_before = 0")
    while worker.run_once(db):
        pass


def test_references_reach_the_model_after_waiting_longer_than_a_signed_url(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    jimeng: FakeJimeng,
    oss: FakeOss,
    clock: Clock,
) -> None:
    images = [add(worker, name) for name in ("红 茶", "🍵 100%", "a+b&c=d", "~很长~" * 10)]
    rows = [row(f"第 {n} 张", *images[: 1 + n % 4]) for n in range(40)]
    ids = queue(client, *rows[:20])
    early = worker.library.file(images[0].key)
    clock.sleep(9 * DAY)  # longer than any signature may live
    ids += queue(client, *rows[20:])
    worker.start()
    wait_until(lambda: all_ended(db, ids))
    assert worker.stop(10)
    assert {record.status for record in records(db, ids)} == {Status.SUCCESS}
    assert [status for _, status in jimeng.fetched] == [200] * 100
    assert jimeng.charges == 40
    with pytest.raises(HTTPError, match="403"):
        urlopen(str(early), timeout=60)


def test_a_queued_reference_is_a_key_and_hash_not_a_signed_url(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    image = add(worker, "红茶")
    (record_id,) = queue(client, row("猫", image))
    stored = db.execute("SELECT sample_images FROM generation_records").fetchone()["sample_images"]
    assert json.loads(stored) == [
        {"url": image.url, "filename": "红茶.png", "key": image.key, "sha256": image.key[-16:-4]}
    ]
    assert database.get_record(db, record_id).sample_images[0].key == image.key


def test_a_reference_renamed_or_deleted_while_queued_is_still_sent(
    client: FlaskClient, worker: Worker, db: database.Connection, jimeng: FakeJimeng
) -> None:
    renamed, deleted = add(worker, "甲"), add(worker, "乙")
    ids = queue(client, row("猫", renamed, deleted))
    worker.library.rename(renamed.key, "丙")
    worker.library.delete(deleted.key)
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    assert [status for _, status in jimeng.fetched] == [200, 200]


@pytest.mark.parametrize(
    ("picture_format", "size", "why"),
    [
        ("webp", (96, 64), "只收 JPEG、PNG"),
        ("png", (400, 100), "长边最多是短边的 3 倍"),
        ("png", (4100, 1400), "每边最多 4096"),
    ],
)
def test_unsupported_references_are_reported_by_row_before_queueing(
    client: FlaskClient,
    worker: Worker,
    jimeng: FakeJimeng,
    picture_format: str,
    size: tuple[int, int],
    why: str,
) -> None:
    good, bad = add(worker, "好"), add(worker, "坏", picture_format, size)
    answer = post(client, "/api/batches", {"rows": [row("一", good), row("二", good, bad)]}, 400)
    (problem,) = answer["problems"]
    assert (problem["row"], problem["field"]) == (2, "sample_images")
    assert why in problem["error"]
    assert "「坏" in problem["error"]
    assert jimeng.calls == []


def test_a_generated_image_is_uploaded_for_the_model(
    client: FlaskClient, worker: Worker, db: database.Connection, jimeng: FakeJimeng
) -> None:
    worker.settings.output_dir.mkdir(exist_ok=True)
    (worker.settings.output_dir / "画 1.png").write_bytes(noise_image("png"))
    reference = {"url": "/output/画 1.png", "filename": "画 1.png"}
    ids = queue(client, {"prompt": "猫", "resolution": "1K", "sample_images": [reference]})
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    assert [status for _, status in jimeng.fetched] == [200]


def test_without_a_bucket_a_local_reference_is_refused_for_a_url_only_model(
    settings: Settings, jimeng: FakeJimeng
) -> None:
    settings = replace(settings, **jimeng.settings())
    worker = Worker(settings)
    client = create_app(settings, worker).test_client()
    answer = post(client, "/api/batches", {"rows": [row("猫", add(worker, "红茶"))]}, 400)
    model = get(client, "/api/models")["model"]
    assert [problem["error"] for problem in answer["problems"]] == [model["local_reference_problem"]]
    assert "请在 .env 里打开 OSS，或换一个模型" in model["local_reference_problem"]


def test_without_a_bucket_every_reference_picker_explains_the_restriction(
    settings: Settings, jimeng: FakeJimeng
) -> None:
    settings = replace(settings, **jimeng.settings())
    worker = Worker(settings)
    client = create_app(settings, worker).test_client()
    add(worker, "红茶")
    sentence = get(client, "/api/models")["model"]["local_reference_problem"]
    for page in ("/", "/samples", "/batch"):
        assert sentence in html.unescape(client.get(page).text)
    table = "提示词,参考示例图\n猫,红茶\n狗,\n鸟,没有\n".encode()
    found = imported(client, table)
    shown = [(each["row"], each["column"], each["error"]) for each in found["problems"]]
    assert shown == [(2, "参考示例图", sentence), (4, "参考示例图", sentence)]


def test_with_a_bucket_no_restriction_is_shown(client: FlaskClient) -> None:
    assert get(client, "/api/models")["model"]["local_reference_problem"] == ""
    for page in ("/", "/samples", "/batch"):
        assert "公网地址" not in html.unescape(client.get(page).text)
    table = "提示词,参考示例图\n猫,红茶\n".encode()
    assert imported(client, table)["problems"] == []


def test_with_a_bucket_the_content_security_policy_allows_its_images(client: FlaskClient) -> None:
    assert get(client, "/api/models")["model"]["reference_form"] == "any"


def test_a_table_imported_during_an_outage_has_references_to_look_up(worker: Worker, oss: FakeOss) -> None:
    oss.fail_next("500", times=50)
    client = create_app(worker.settings, worker).test_client()
    table = "提示词,参考示例图\n猫,红、茶\n狗,\n".encode()
    answer = client.post("/api/spreadsheet/import", data={"file": (io.BytesIO(table), "a.csv")}).get_json()
    assert [row["references"] for row in answer["rows"]] == [["红、茶"], []]  # split once it is known
    assert answer["references"] == []
    assert [note for note in answer["notes"] if note.startswith("参考图还没有核对：")]


def test_a_missing_reference_is_reported_before_queueing(settings: Settings) -> None:
    client = create_app(settings).test_client()
    reference = {"url": "/samples/files/没有.png", "filename": "没有.png"}
    answer = post(client, "/api/batches", {"rows": [{"prompt": "猫", "sample_images": [reference]}]}, 400)
    assert "找不到" in answer["problems"][0]["error"]


def test_during_an_outage_records_with_references_wait_and_others_continue(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    jimeng: FakeJimeng,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = add(worker, "红茶")
    ids = queue(client, row("要参考图", image), row("不要参考图"))
    oss.is_down = True
    earlier = oss.count("head")
    for _ in range(6):  # more often than any retry
        work_off(worker, db)
    waiting, done = records(db, ids)
    assert (waiting.status, done.status) == (Status.QUEUED, Status.SUCCESS)
    assert "连不上 OSS" in str(waiting.error)
    assert oss.count("head") == earlier + 3  # one call with its retries; the others failed fast
    assert waiting.not_before > time.time() - 1
    assert database.committed_spend(db) == Decimal("0.22")
    oss.is_down = False
    monkeypatch.setattr(bucket, "BREAKER_SECONDS", 0.0)
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    assert jimeng.charges == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [({"access_key": "LTAIx"}, "OSS_ACCESS_KEY_ID"), ({"bucket": "other-bucket"}, "OSS_BUCKET")],
)
def test_a_wrong_setting_fails_dependent_records_naming_it_without_charge(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    jimeng: FakeJimeng,
    change: dict[str, str],
    named: str,
) -> None:
    image = add(worker, "红茶")
    ids = queue(client, row("要", image), row("不要"))
    for name, value in change.items():
        setattr(oss, name, value)
    work_off(worker, db)
    failed, done = records(db, ids)
    assert (failed.status, done.status) == (Status.FAILED, Status.SUCCESS)
    assert named in str(failed.error)
    assert (failed.cost, jimeng.charges) == (Decimal(0), 1)


def test_the_reason_of_an_outage_is_translated(client: FlaskClient, worker: Worker, oss: FakeOss) -> None:
    oss.is_down = True
    worker.library.refresh()
    english = {"Accept-Language": "en"}
    page = html.unescape(client.get("/samples", headers=english).text)
    problem = client.get("/api/sample-images", headers=english).get_json()["trouble"]
    assert problem.startswith("Cannot reach OSS (connection ")
    assert problem in page


def test_every_page_and_call_answers_during_an_outage(settings: Settings, oss: FakeOss) -> None:
    oss.is_down = True
    worker = Worker(replace(settings, **oss.settings()))
    client = create_app(worker.settings, worker).test_client()
    worker.library.refresh()
    asked = len(oss.calls)
    for path in ("/", "/batch", "/records", "/samples", "/api/models", "/api/records"):
        assert client.get(path).status_code == 200, path
    assert "连不上 OSS" in client.get("/samples").text
    assert len(oss.calls) == asked > 0  # none of them waits for OSS
    answer = get(client, "/api/sample-images", 502)
    assert "连不上 OSS" in answer["error"]
    upload = {"file": (io.BytesIO(noise_image("png")), "a.png")}
    assert client.post("/api/sample-images", data=upload).status_code == 502


def test_the_api_lists_a_bucket_like_a_folder(client: FlaskClient, worker: Worker) -> None:
    upload = {"file": (io.BytesIO(noise_image("png")), "风格 参考.png")}
    added = client.post("/api/sample-images", data=upload).get_json()["images"][0]
    page = get(client, "/api/sample-images?search=风格&limit=10")
    assert (page["images"], page["total"], page["source"], page["stale"]) == ([added], 1, "oss", False)
    shown = client.get(added["thumbnail_url"])
    assert shown.status_code == 302
    assert "x-oss-signature=" in shown.headers["Location"]
    assert "private" in shown.headers["Cache-Control"]
    answer = client.patch(f"/api/sample-images/{added['key']}", json={"filename": "新/名.jpg"})
    assert answer.get_json()["images"][0]["filename"] == "新_名.png"
    assert client.get(added["url"]).status_code == 302  # its old URL still works


@pytest.mark.parametrize("body", [{}, {"filename": ""}, {"filename": 5}, {"filename": "..."}])
def test_an_image_needs_a_name(client: FlaskClient, worker: Worker, body: dict[str, object]) -> None:
    image = add(worker, "红茶")
    answer = client.patch(f"/api/sample-images/{image.key}", json=body)
    assert (answer.status_code, answer.get_json()["field"]) == (400, "filename")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "limit=²"])
def test_an_out_of_range_page_is_refused(client: FlaskClient, query: str) -> None:
    assert get(client, f"/api/sample-images?{query}", 400)["error"]


def test_the_worker_threads_refresh_the_list(worker: Worker, oss: FakeOss) -> None:
    oss.put(f"{PREFIX}猫.png", noise_image("png"))
    create_app(worker.settings, worker)
    worker.start()
    try:
        assert [image.filename for image in worker.library.list_images().images] == ["猫.png"]
    finally:
        assert worker.stop(10)


def test_uses_are_counted_by_url_and_hash_without_deleted_records(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    often, never = add(worker, "常用"), add(worker, "没用")
    ids = queue(client, row("一", often), row("二", often, often), row("三"))
    renamed = worker.library.rename(often.key, "改名")
    body = {"keys": [renamed.key, never.key]}
    counted = post(client, "/api/sample-images/uses", body)["uses"]
    assert counted == {renamed.key: 2, never.key: 0}
    work_off(worker, db)
    database.delete_records(db, ids[:1])
    assert post(client, "/api/sample-images/uses", body)["uses"][renamed.key] == 1


def test_uses_of_a_manually_added_image_are_counted(settings: Settings) -> None:
    settings.samples_dir.mkdir()
    (settings.samples_dir / "手 放.png").write_bytes(noise_image("png"))
    client = create_app(settings).test_client()
    image = get(client, "/api/sample-images")["images"][0]
    reference = {"url": image["url"], "filename": image["filename"]}
    post(client, "/api/batches", {"rows": [{"prompt": "猫", "sample_images": [reference]}]}, 202)
    assert post(client, "/api/sample-images/uses", {"keys": [image["key"]]})["uses"] == {image["key"]: 1}


@pytest.mark.parametrize("keys", [None, "a", [1], ["a"] * 201])
def test_only_a_list_of_keys_is_counted(client: FlaskClient, keys: object) -> None:
    assert post(client, "/api/sample-images/uses", {"keys": keys}, 400)["field"] == "keys"


@pytest.mark.parametrize(
    "text", ["[]", "", "null", "not json", '["a"]', '{"url": "x"}', "[{}]", '[{"url": 5}]']
)
def test_any_references_written_by_another_program_are_accepted(db: database.Connection, text: str) -> None:
    db.execute("INSERT INTO generation_records (prompt, sample_images) VALUES ('x', :text)", {"text": text})
    db.execute("DELETE FROM generation_records")
    assert db.execute("SELECT count(*) FROM reference_uses").fetchone()[0] == 0


def test_a_record_shows_its_reference_after_rename_and_deletion(
    client: FlaskClient, worker: Worker, db: database.Connection
) -> None:
    image = add(worker, "红茶")
    (record_id,) = queue(client, row("猫", image))
    worker.library.delete(worker.library.rename(image.key, "绿茶").key)
    work_off(worker, db)
    (record,) = get(client, "/api/records")["records"]
    (shown,) = record["sample_images"]
    assert (record["id"], shown["filename"], shown["key"]) == (record_id, "红茶.png", image.key)
    small = client.get(shown["thumbnail_url"])
    with urlopen(small.headers["Location"], timeout=60) as answer:
        assert answer.read()[8:12] == b"WEBP"


def test_an_image_used_by_a_record_stays_in_the_bucket_after_another_server_deletes_it(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    clock: Clock,
    settings: Settings,
) -> None:
    image = add(worker, "用过")
    queue(client, row("猫", image))
    work_off(worker, db)
    other = replace(worker.settings, samples_dir=settings.samples_dir / "other")
    elsewhere = Library(other, clock)
    elsewhere.refresh()
    elsewhere.delete(elsewhere.rename(image.key, "改过名").key)  # by a server that never used it
    clock.sleep(400 * DAY)
    elsewhere.refresh()
    worker.library.refresh()
    assert get(client, "/api/sample-images")["images"] == []
    assert fetch(client, f"/samples/thumbnails/{image.key}")[8:12] == b"WEBP"
    again = queue(client, row("再来一张", image))
    work_off(worker, db)
    assert records(db, again)[0].status is Status.SUCCESS


def by_hand(worker: Worker, oss: FakeOss, content: bytes, name: str = "手放.png") -> LibraryImage:
    oss.put(PREFIX + name, content)
    worker.library.refresh()
    return worker.library.image(name)


def test_a_reference_replaced_while_queued_is_not_sent_and_not_charged(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    image = by_hand(worker, oss, noise_image("png"))
    ids = queue(client, row("一", image))
    oss.put(f"{PREFIX}手放.png", noise_image("png"))
    ids += queue(client, row("不要参考图"))
    work_off(worker, db)
    refused, done = records(db, ids)
    assert (refused.status, done.status) == (Status.FAILED, Status.SUCCESS)
    assert "「手放.png」排队之后被换成了另一张" in str(refused.error)
    assert (refused.cost, jimeng.charges) == (Decimal(0), 1)
    worker.library.refresh()
    again = queue(client, row("一", image))  # chosen again, it is the current one
    work_off(worker, db)
    assert records(db, again)[0].status is Status.SUCCESS


@pytest.mark.parametrize(
    ("content", "why"),
    [(noise_image("png", size=(400, 100)), "太窄或太扁"), (noise_image("webp"), "是 WEBP")],
)
def test_a_manually_added_image_is_measured_before_submission(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    jimeng: FakeJimeng,
    content: bytes,
    why: str,
) -> None:
    image = by_hand(worker, oss, content)
    (record_id,) = queue(client, row("猫", image))
    work_off(worker, db)
    (record,) = records(db, [record_id])
    assert (record.status, jimeng.charges) == (Status.FAILED, 0)
    assert why in str(record.error)
    answer = post(client, "/api/batches", {"rows": [row("猫", image)]}, 400)  # cached from now on
    assert why in answer["problems"][0]["error"]


def test_an_image_oss_cannot_measure_is_sent_unchanged(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    image = by_hand(worker, oss, noise_image("png"))
    ids = queue(client, row("一", image))
    oss.fail_next("denied", operation="get")
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    assert jimeng.charges == 1


HAND_PUT = ("手放.png", "茶 具/🍵 100%41 #1?.PNG", "e\u0301té+b&c=d%20.jpg", "猫" * 300 + ".png")
RED, BLUE = (Image.new("RGB", (96, 64), colour) for colour in ("red", "blue"))


def packed(image: Image.Image, name: str = "a.png") -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG" if name.endswith("jpg") else "PNG")
    return file.getvalue()


def is_red(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        red, _, blue = image.convert("RGB").getpixel((48, 32))  # type: ignore[misc]
    return red > blue


def used(client: FlaskClient, record_id: int) -> dict[str, str]:
    found = get(client, f"/api/records?limit=100&status={','.join(Status)}")["records"]
    (image,) = next(each for each in found if each["id"] == record_id)["sample_images"]
    return dict(image)


@pytest.mark.parametrize("name", HAND_PUT)
def test_a_record_shows_its_reference_after_replacement(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng, name: str
) -> None:
    image = by_hand(worker, oss, packed(RED, name), name)
    (first,) = queue(client, row("一", image))
    work_off(worker, db)
    by_hand(worker, oss, packed(BLUE, name), name)
    (second,) = queue(client, row("二", image))
    work_off(worker, db)
    assert {record.status for record in records(db, [first, second])} == {Status.SUCCESS}
    for address in ("url", "thumbnail_url"):
        assert [is_red(fetch(client, used(client, n)[address])) for n in (first, second)] == [True, False]
    assert [status for _, status in jimeng.fetched] == [200, 200]
    assert [found["key"] for found in get(client, "/api/sample-images")["images"]] == [name]
    del oss.objects[PREFIX + name]  # even when it is deleted
    worker.library.refresh()
    assert is_red(fetch(client, used(client, first)["thumbnail_url"]))
    assert oss.count("copy") == 2


@pytest.mark.parametrize("field", ["request", "api"])
def test_a_used_reference_can_be_requested_again_after_replacement(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, field: str
) -> None:
    image = by_hand(worker, oss, packed(RED))
    (first,) = queue(client, row("一", image))
    work_off(worker, db)
    by_hand(worker, oss, packed(BLUE))
    shown = used(client, first)
    if field == "request":  # as the pages send it for 再来一张
        shown = dataclasses.asdict(database.get_record(db, first).request)["sample_images"][0]
    reference = {"url": shown["url"], "filename": shown["filename"]}
    again = queue(client, row("二") | {"sample_images": [reference]})
    work_off(worker, db)
    assert records(db, again)[0].sample_images == records(db, [first])[0].sample_images
    assert is_red(fetch(client, used(client, again[0])["thumbnail_url"]))
    (sent,) = worker.library.resolve(records(db, again)[0].sample_images, BYTES)
    assert is_red(sent.content or b"")
    uses = post(client, "/api/sample-images/uses", {"keys": [image.key]})["uses"]
    assert uses == {image.key: 2}


def test_the_chosen_reference_is_sent_although_replaced_while_queued(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    ids = queue(client, row("一", by_hand(worker, oss, packed(RED))))
    assert worker.library.refresh_when_requested(0)
    assert not worker.library.refresh_when_requested(0)
    by_hand(worker, oss, packed(BLUE))
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    (address,) = [call.key for call in oss.calls if call.operation == "signed_url"]
    assert is_red(oss.objects[address].content)


def test_the_worker_threads_snapshot_chosen_references(
    client: FlaskClient, worker: Worker, oss: FakeOss
) -> None:
    image = by_hand(worker, oss, packed(RED))
    worker.start()
    try:
        worker.library.pin([SampleImage(url=image.url, filename="手放.png")])
        wait_until(lambda: bool(oss.count("copy")))
    finally:
        assert worker.stop(10)
    assert oss.count("copy") == 1


def test_checking_rows_asks_oss_nothing_and_snapshots_nothing(
    client: FlaskClient, worker: Worker, oss: FakeOss
) -> None:
    image, other = by_hand(worker, oss, packed(RED)), row("猫") | {"sample_images": []}
    unlisted = row("狗") | {"sample_images": [{"url": "/samples/files/none.png", "filename": "a.png"}]}
    earlier = len(oss.calls)
    rows = [row("猫", image), other, unlisted]
    assert [found["missing"] for found in post(client, "/api/rows/check", {"rows": rows})["rows"]] == [1] * 3
    assert len(oss.calls) == earlier
    assert not worker.library.refresh_when_requested(0)
    ids = queue(client, row("猫", image))
    found = post(client, "/api/rows/check", {"rows": rows})["rows"]
    assert [each["under_way"] for each in found] == [ids, [], []]


def test_queueing_does_not_wait_for_a_slow_oss(client: FlaskClient, worker: Worker, oss: FakeOss) -> None:
    image = by_hand(worker, oss, packed(RED))
    earlier = len(oss.calls)
    queue(client, *[row("猫", image)] * 200)
    assert len(oss.calls) == earlier


def test_a_stale_list_is_refreshed_before_references_are_fixed(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_cache, "FIRST_WAIT", 60.0)
    with monkeypatch.context() as patched:
        patched.setattr(list_cache, "FRESH_SECONDS", -1.0)
        patched.setattr(list_cache, "SHARED_FRESH_SECONDS", -1.0)
        image = by_hand(worker, oss, packed(RED))
    oss.put(f"{PREFIX}手放.png", packed(BLUE))
    worker.start()
    try:
        (record_id,) = queue(client, row("一", image))
        wait_until(lambda: all_ended(db, [record_id]))
    finally:
        assert worker.stop(10)
    assert records(db, [record_id])[0].status is Status.SUCCESS
    assert not is_red(fetch(client, used(client, record_id)["thumbnail_url"]))


def test_while_oss_is_away_references_are_fixed_as_last_listed(
    client: FlaskClient,
    worker: Worker,
    db: database.Connection,
    oss: FakeOss,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = by_hand(worker, oss, packed(RED))
    oss.is_down = True
    worker.library.refresh()
    ids = queue(client, row("一", image), row("二", image))
    assert {record.sample_images[0].etag for record in records(db, ids)} == {
        oss.objects[PREFIX + image.key].etag
    }
    oss.is_down = False
    monkeypatch.setattr(bucket, "BREAKER_SECONDS", 0.0)
    work_off(worker, db)
    by_hand(worker, oss, packed(BLUE))
    assert {record.status for record in records(db, ids)} == {Status.SUCCESS}
    assert all(is_red(fetch(client, used(client, record_id)["thumbnail_url"])) for record_id in ids)


def test_an_image_put_there_since_the_list_was_read_is_looked_up_once(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    oss.put(f"{PREFIX}手放.png", packed(RED))
    reference = {"url": "/samples/files/手放.png", "filename": "手放.png"}
    ids = queue(client, *[row("猫") | {"sample_images": [reference]}] * 20)
    assert oss.count("head") == 1
    work_off(worker, db)
    by_hand(worker, oss, packed(BLUE))
    assert {record.status for record in records(db, ids)} == {Status.SUCCESS}
    assert is_red(fetch(client, used(client, ids[0])["thumbnail_url"]))


def test_an_image_that_was_never_listed_is_refused_while_oss_is_away(
    client: FlaskClient, db: database.Connection, oss: FakeOss
) -> None:
    oss.is_down = True
    reference = {"url": "/samples/files/手放.png", "filename": "手放.png"}
    answer = post(client, "/api/batches", {"rows": [row("猫") | {"sample_images": [reference]}]}, 502)
    assert "连不上 OSS" in answer["error"]
    assert database.count_records(db, database.RecordFilter()) == 0


def test_a_reference_replaced_during_the_snapshot_is_not_sent_and_not_charged(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    ids = queue(client, row("一", by_hand(worker, oss, packed(RED))))
    oss.before_next("copy", lambda: oss.put(f"{PREFIX}手放.png", packed(BLUE)))
    work_off(worker, db)
    (record,) = records(db, ids)
    assert "换成了另一张" in str(record.error)
    assert (record.status, jimeng.charges) == (Status.FAILED, 0)
    assert list(oss.objects) == [f"{PREFIX}手放.png"]


def test_two_servers_that_race_to_snapshot_an_image_both_get_it(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    ids = queue(client, row("一", by_hand(worker, oss, packed(RED))))
    (image,) = records(db, ids)[0].sample_images

    def another_is_faster() -> None:
        oss.put(f"{PREFIX}.pinned/{image.etag}.png", packed(RED))
        oss.put(f"{PREFIX}手放.png", packed(BLUE))

    oss.before_next("copy", another_is_faster)
    work_off(worker, db)
    assert records(db, ids)[0].status is Status.SUCCESS
    assert is_red(fetch(client, used(client, ids[0])["thumbnail_url"]))


def test_many_records_share_one_snapshot(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    image = by_hand(worker, oss, packed(RED))
    ids = queue(client, *[row(f"第 {n} 张", image) for n in range(24)])
    worker.start()
    wait_until(lambda: all_ended(db, ids))
    assert worker.stop(10)
    assert {record.status for record in records(db, ids)} == {Status.SUCCESS}
    assert len([key for key in oss.objects if "/.pinned/" in key]) == 1
    assert {status for _, status in oss.statuses} <= {200, 404}


def test_a_read_only_key_generates_and_never_shows_the_wrong_image(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    oss.denied = {"put", "delete"}
    image = by_hand(worker, oss, packed(RED))
    ids = queue(client, *[row(f"第 {n} 张", image) for n in range(3)])
    work_off(worker, db)
    assert {record.status for record in records(db, ids)} == {Status.SUCCESS}
    assert oss.count("copy") == 1  # a refused copy is not retried at once
    assert is_red(fetch(client, used(client, ids[0])["thumbnail_url"]))
    waiting = queue(client, row("换了", image))
    by_hand(worker, oss, packed(BLUE))
    work_off(worker, db)
    (refused,) = records(db, waiting)
    assert "换成了另一张" in str(refused.error)
    assert (refused.status, jimeng.charges) == (Status.FAILED, 3)
    assert client.get(used(client, ids[0])["thumbnail_url"]).status_code == 404
    again = {"url": used(client, ids[0])["url"], "filename": "手放.png"}
    answer = post(client, "/api/batches", {"rows": [row("二") | {"sample_images": [again]}]}, 400)
    assert "找不到" in answer["problems"][0]["error"]


def test_a_throttled_snapshot_is_retried(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, jimeng: FakeJimeng
) -> None:
    ids = queue(client, row("一", by_hand(worker, oss, packed(RED))))
    oss.fail_next("busy", operation="copy")
    worker.run_once(db)
    (record,) = records(db, ids)
    assert (record.status, jimeng.charges) == (Status.QUEUED, 0)
    assert "忙不过来" in str(record.error)


def test_after_a_restart_snapshots_are_known_before_the_list(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss, clock: Clock
) -> None:
    (record_id,) = queue(client, row("一", by_hand(worker, oss, packed(RED))))
    work_off(worker, db)
    deleted = add(worker, "删了")
    by_hand(worker, oss, packed(BLUE))
    worker.library.delete(deleted.key)
    worker.library.refresh()
    earlier = len(oss.calls)
    opened = Library(worker.settings, clock)
    (image,) = records(db, [record_id])[0].sample_images
    shown = opened.thumbnail(unquote(image.pinned.url.removeprefix("/samples/files/")))
    assert ".pinned/" in str(shown)
    assert ".trash/" in str(opened.file(deleted.key))
    assert len(oss.calls) == earlier
    without_memory = replace(worker.settings, samples_dir=worker.settings.samples_dir / "new")
    opened = Library(without_memory, clock)
    opened.refresh()
    assert ".pinned/" in str(opened.thumbnail(unquote(image.pinned.url.removeprefix("/samples/files/"))))


def test_a_manually_added_image_is_identified_by_content_after_rename_or_deletion(
    client: FlaskClient, worker: Worker, db: database.Connection, oss: FakeOss
) -> None:
    image = by_hand(worker, oss, packed(RED))
    (waiting,) = queue(client, row("一", image))
    worker.library.delete(image.key)
    work_off(worker, db)  # copied out of the trash
    assert records(db, [waiting])[0].status is Status.SUCCESS
    worker.library.rename(worker.library.restore(image.key).key, "新名")
    (again,) = queue(client, row("二", worker.library.image("新名.png")))
    assert records(db, [again])[0].sample_images[0].etag == records(db, [waiting])[0].sample_images[0].etag
    assert is_red(fetch(client, used(client, waiting)["thumbnail_url"]))
